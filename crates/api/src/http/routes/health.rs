//! `GET /health`, `/livez`: does it serve? `GET /readyz`: is all there that answers from the cache need?

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;

use crate::Api;
use crate::readiness::Readiness;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    uptime_s: u64,
}

pub(crate) async fn health(api: Data<Api>) -> HttpResponse {
    let uptime_s = api.started.elapsed().as_secs();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        uptime_s,
    })
}

/// 200 if the whole pipeline works as far as it can be seen from here, 503 with what fails if not.
pub(crate) async fn ready(api: Data<Api>) -> HttpResponse {
    let readiness = Readiness::of(&api);
    let mut response = if readiness.is_ready() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((CACHE_CONTROL, "no-cache")).json(readiness)
}
