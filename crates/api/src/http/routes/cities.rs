//! `GET /cities/{code}`: the cities of a country.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType, HeaderValue};
use actix_web::web::{Data, Path};

use crate::Api;
use crate::cities::country_code::CountryCode;
use crate::deadline::Deadline;
use crate::http::problem::Problem;
use crate::read::read;
use crate::redis::cache::Cache;

pub(crate) async fn get(code: Path<String>, api: Data<Api>, cache: Data<Cache>) -> Result<HttpResponse, Problem> {
    let deadline = Deadline::after(api.request_limit);
    let code = CountryCode::parse(&code).ok_or(Problem::InvalidCode)?;
    let answer = read(&api, &cache, code, deadline).await?;
    if answer.body.is_empty() {
        return Err(Problem::UnknownCode);
    }
    Ok(HttpResponse::Ok()
        .insert_header(ContentType::json())
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .body(answer.body))
}
