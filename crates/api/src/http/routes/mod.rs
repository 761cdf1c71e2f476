//! What is served where. Every path has its problem for a wrong method, and so have all others.

mod cities;
mod health;
mod images;

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig, get, head, resource, route};
use actix_web::{HttpResponse, ResponseError};

use crate::Api;
use crate::http::problem::Problem;
use crate::redis::cache::Cache;

/// Adds all routes to one thread of a server; `cache` is that thread's own.
pub(crate) fn configure(config: &mut ServiceConfig, api: &Arc<Api>, cache: Cache) {
    macro_rules! read_only {
        ($paths:expr, $handler:path) => {
            resource($paths)
                .route(get().to($handler))
                .route(head().to($handler))
                .default_service(route().to(async || Problem::MethodNotAllowed.error_response()))
        };
    }
    config
        .app_data(Data::from(Arc::clone(api)))
        .app_data(Data::new(cache))
        .service(read_only!("/cities/{code}", cities::get))
        .service(read_only!("/image/{file_name}", images::get))
        .service(read_only!(["/health", "/health/"], health::health))
        .service(read_only!(["/livez", "/livez/"], health::health))
        .service(read_only!(["/readyz", "/readyz/"], health::ready))
        .service(read_only!(["/status", "/status/"], health::status))
        .default_service(route().to(async || -> HttpResponse { Problem::UnknownPath.error_response() }));
}
