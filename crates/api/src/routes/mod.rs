//! What is served where. Every path has its problem for a wrong method, and so have all others.

mod cities;
mod health;
mod images;

use actix_web::web::{ServiceConfig, get, head, resource, route};
use actix_web::{HttpResponse, ResponseError};

use crate::problem::Problem;

/// Adds all routes to a server.
pub(crate) fn configure(config: &mut ServiceConfig) {
    macro_rules! read_only {
        ($path:literal, $handler:path) => {
            resource($path)
                .route(get().to($handler))
                .route(head().to($handler))
                .default_service(route().to(async || Problem::MethodNotAllowed.error_response()))
        };
    }
    config
        .service(read_only!("/cities/{code}", cities::get))
        .service(read_only!("/image/{file_name}", images::get))
        .service(read_only!("/health", health::health))
        .service(read_only!("/livez", health::health))
        .service(read_only!("/readyz", health::ready))
        .default_service(route().to(async || -> HttpResponse { Problem::UnknownPath.error_response() }));
}
