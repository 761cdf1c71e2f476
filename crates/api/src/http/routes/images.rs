//! `GET /image/{file_name}`: an image from the store, whole or a range of it, or nothing where the client has it.

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_RANGES, ByteRangeSpec, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ContentRange, ContentRangeSpec, ETag,
    EntityTag, Header, HttpDate, IfModifiedSince, IfNoneMatch, IfRange, LastModified, RANGE, Range,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::stream;

use crate::Api;
use crate::http::problem::Problem;
use crate::images::{Image, NoImage, parse_name};

/// What stores say about an object whose type nobody told them: then the name's ending says more.
const UNTYPED: [&str; 3] = ["application/octet-stream", "binary/octet-stream", "text/plain; charset=utf-8"];

pub(crate) async fn get(request: HttpRequest, name: Path<String>, api: Data<Api>) -> Result<HttpResponse, Problem> {
    let name = parse_name(&name).ok_or(Problem::InvalidImageName)?;
    let headers = request.headers();
    let is_plain = request.method() == Method::GET
        && !headers.contains_key(RANGE)
        && !headers.contains_key(IfNoneMatch::name())
        && !headers.contains_key(IfModifiedSince::name());
    if is_plain {
        let image = api.images.open(&name).await?;
        return Ok(describe(&image, name.as_ref(), StatusCode::OK).body(SizedStream::new(image.size, image.bytes)));
    }
    let image = api.images.look(&name).await?;
    if is_known_to_client(&request, &image) {
        return Ok(describe(&image, name.as_ref(), StatusCode::NOT_MODIFIED).finish());
    }
    if request.method() == Method::HEAD {
        let no_bytes = stream::empty::<object_store::Result<Bytes>>();
        return Ok(describe(&image, name.as_ref(), StatusCode::OK).body(SizedStream::new(image.size, no_bytes)));
    }
    match range(&request, &image) {
        None => {
            let image = api.images.open(&name).await?;
            Ok(describe(&image, name.as_ref(), StatusCode::OK).body(SizedStream::new(image.size, image.bytes)))
        }
        Some(spec) => {
            let unsatisfiable = Problem::RangeNotSatisfiable(image.size);
            let (first, last) = spec.to_satisfiable_range(image.size).ok_or(unsatisfiable)?;
            let part = api.images.open_range(&name, &image, first..last + 1).await?;
            let range = ContentRangeSpec::Bytes { range: Some((first, last)), instance_length: Some(image.size) };
            Ok(describe(&image, name.as_ref(), StatusCode::PARTIAL_CONTENT)
                .insert_header(ContentRange(range))
                .body(SizedStream::new(last + 1 - first, part.bytes)))
        }
    }
}

/// Everything but the bytes.
fn describe(image: &Image, name: &str, status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ACCEPT_RANGES, "bytes"))
        // A browser must not find a script in what somebody uploaded as a picture.
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(LastModified(HttpDate::from(image.modified)));
    if let Some(tag) = entity_tag(image) {
        response.insert_header(ETag(tag));
    }
    if status != StatusCode::NOT_MODIFIED {
        response.insert_header((CONTENT_TYPE, content_type(image, name)));
        if let Some(encoding) = &image.content_encoding {
            response.insert_header((CONTENT_ENCODING, encoding.as_str()));
        }
    }
    response
}

fn content_type(image: &Image, name: &str) -> String {
    let stored = image.content_type.as_deref();
    let by_name = || mime_guess::from_path(name).first_raw().or(stored);
    let told = stored.filter(|stored| !UNTYPED.contains(stored));
    told.or_else(by_name).unwrap_or("application/octet-stream").to_owned()
}

/// Stores spell it with or without quotes.
fn entity_tag(image: &Image) -> Option<EntityTag> {
    let spelled = image.entity_tag.as_deref()?;
    spelled.parse().or_else(|_| format!("\"{spelled}\"").parse()).ok()
}

/// `If-Modified-Since` counts only where there is no `If-None-Match` (RFC 9110, 13.2.2).
fn is_known_to_client(request: &HttpRequest, image: &Image) -> bool {
    if request.headers().contains_key(IfNoneMatch::name()) {
        return match (request.get_header(), entity_tag(image)) {
            (Some(IfNoneMatch::Any), _) => true,
            (Some(IfNoneMatch::Items(tags)), Some(tag)) => tags.iter().any(|known| known.weak_eq(&tag)),
            _ => false,
        };
    }
    request.get_header().is_some_and(|IfModifiedSince(since)| HttpDate::from(image.modified) <= since)
}

/// The one range that is asked for and still of this image. Of several, or of other units, none: the answer is whole.
fn range(request: &HttpRequest, image: &Image) -> Option<ByteRangeSpec> {
    let Some(Range::Bytes(ranges)) = request.get_header() else { return None };
    let [range] = ranges.as_slice() else { return None };
    let is_of_this = match request.get_header() {
        Some(IfRange::EntityTag(known)) => entity_tag(image).is_some_and(|tag| tag.strong_eq(&known)),
        Some(IfRange::Date(date)) => HttpDate::from(image.modified) == date,
        None => !request.headers().contains_key(IfRange::name()),
    };
    is_of_this.then(|| range.clone())
}

impl From<NoImage> for Problem {
    fn from(cause: NoImage) -> Self {
        match cause {
            NoImage::Unknown => Self::UnknownImage,
            NoImage::Unavailable(why) => {
                log::debug!("an image can't be read: {why}");
                Self::StoreUnavailable
            }
        }
    }
}
