//! The limit that hits are measured against: the api's own HTTP server, with a handler that answers fixed bytes.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType, HeaderValue};
use actix_web::web::{Bytes, ServiceConfig, get};
use api::http::server::serve;
use common::program::Failure;
use common::settings::Settings;
use common::shutdown::Shutdown;

fn main() -> std::process::ExitCode {
    common::program::start("static-answer", run)
}

async fn run(settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let body = Bytes::from(std::env::var("BODY").unwrap_or_default());
    let answer = move || {
        let answer = HttpResponse::Ok()
            .insert_header(ContentType::json())
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
            .body(body.clone());
        std::future::ready(answer)
    };
    let routes = move |config: &mut ServiceConfig| {
        config.route("/cities/{code}", get().to(answer.clone()));
    };
    serve(&settings, routes, shutdown).await
}
