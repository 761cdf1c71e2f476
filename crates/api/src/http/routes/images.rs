//! `GET /image/{file_name}`: an image from the store, whole or a part of it, or nothing where the client has it.

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_RANGES, ByteRangeSpec, CACHE_CONTROL, CONTENT_ENCODING, ContentRange, ContentRangeSpec, ETag, EntityTag,
    HttpDate, LastModified,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use futures_util::stream;
use object_store::path::Path as Name;

use crate::Api;
use crate::deadline::Deadline;
use crate::http::conditional::{Verdict, Version, depends_on_version, judge};
use crate::http::presentation::Presentation;
use crate::http::problem::Problem;
use crate::images::{Image, Images, NoImage, parse_name};

/// How often an image is looked at that is replaced between the look and the read.
const LOOKS_MAX: u32 = 3;

pub(crate) async fn get(request: HttpRequest, name: Path<String>, api: Data<Api>) -> Result<HttpResponse, Problem> {
    let name = parse_name(&name).ok_or(Problem::InvalidImageName)?;
    // The answer begins within the budget; how long its bytes take is the client's line's matter.
    let answer = Deadline::after(api.request_limit).wait(find(&request, &api.images, &name)).await;
    answer.map_err(|_| Problem::StoreUnavailable)?.map_err(Problem::from)
}

async fn find(request: &HttpRequest, images: &Images, name: &Name) -> Result<HttpResponse, NoImage> {
    if request.method() == Method::GET && !depends_on_version(request) {
        return Ok(whole(images.open(name).await?, name));
    }
    for _ in 1..LOOKS_MAX {
        match answer(request, images, name).await {
            Err(NoImage::Replaced) => {}
            ended => return ended,
        }
    }
    answer(request, images, name).await
}

/// Looks at the image, and answers with that very version, or with the problem that its conditions make.
async fn answer(request: &HttpRequest, images: &Images, name: &Name) -> Result<HttpResponse, NoImage> {
    let image = images.look(name).await?;
    match judge(request, &version(&image)) {
        Verdict::PreconditionFailed => Ok(Problem::PreconditionFailed.error_response()),
        Verdict::NotModified => Ok(describe(&image, name, StatusCode::NOT_MODIFIED).finish()),
        Verdict::Whole if request.method() == Method::HEAD => {
            let no_bytes = stream::empty::<object_store::Result<Bytes>>();
            Ok(describe(&image, name, StatusCode::OK).body(SizedStream::new(image.size, no_bytes)))
        }
        Verdict::Whole => Ok(whole(images.open_version(name, &image, None).await?, name)),
        Verdict::Part(range) => part(images, name, &image, &range).await,
    }
}

fn whole(image: Image, name: &Name) -> HttpResponse {
    describe(&image, name, StatusCode::OK).body(SizedStream::new(image.size, image.bytes))
}

async fn part(images: &Images, name: &Name, image: &Image, range: &ByteRangeSpec) -> Result<HttpResponse, NoImage> {
    let Some((first, last)) = range.to_satisfiable_range(image.size) else {
        return Ok(Problem::RangeNotSatisfiable(image.size).error_response());
    };
    let part = images.open_version(name, image, Some(first..last + 1)).await?;
    let range = ContentRangeSpec::Bytes { range: Some((first, last)), instance_length: Some(image.size) };
    Ok(describe(image, name, StatusCode::PARTIAL_CONTENT)
        .insert_header(ContentRange(range))
        .body(SizedStream::new(last + 1 - first, part.bytes)))
}

/// Everything but the bytes.
fn describe(image: &Image, name: &Name, status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    let version = version(image);
    response
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header(LastModified(version.modified));
    if let Some(tag) = version.entity_tag {
        response.insert_header(ETag(tag));
    }
    if status != StatusCode::NOT_MODIFIED {
        Presentation::of(image.content_type.as_deref(), name.as_ref()).describe(&mut response);
        if let Some(encoding) = &image.content_encoding {
            response.insert_header((CONTENT_ENCODING, encoding.as_str()));
        }
    }
    response
}

/// Stores spell an entity tag with or without quotes.
fn version(image: &Image) -> Version {
    let spelled = image.entity_tag.as_deref();
    let parse = |tag: &str| tag.parse().or_else(|_| format!("\"{tag}\"").parse()).ok();
    let entity_tag: Option<EntityTag> = spelled.and_then(parse);
    Version { entity_tag, modified: HttpDate::from(image.modified) }
}

impl From<NoImage> for Problem {
    fn from(cause: NoImage) -> Self {
        match cause {
            NoImage::Unknown => Self::UnknownImage,
            NoImage::Replaced | NoImage::Unavailable(_) => {
                log::debug!("an image can't be read: {cause}");
                Self::StoreUnavailable
            }
        }
    }
}
