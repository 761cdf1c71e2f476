//! `GET /health` and `/livez`: does it serve? `/readyz`: can it answer? `/status`: is all there that its answers need?

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;

use crate::Api;
use crate::status::{Readiness, Status};

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

/// For a load balancer: 503 only where this api can answer neither from the cache nor from PostgreSQL.
pub(crate) async fn ready(api: Data<Api>) -> HttpResponse {
    let readiness = Readiness::of(&api);
    let mut response = if readiness.is_ready() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((CACHE_CONTROL, "no-cache")).json(readiness)
}

/// For an operator: always 200, with what fails in each part and since when.
pub(crate) async fn status(api: Data<Api>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(Status::of(&api))
}
