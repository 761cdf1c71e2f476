//! The HTTP server: listens, serves until it is told to stop, and lets what it has begun finish.

use std::io;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use common::settings::Settings;
use common::shutdown::Shutdown;
use log::Level;
use tokio::time::sleep;

use crate::episode::Episode;

/// Between two tries to listen on a port that another program has.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// For a request's header to arrive: a client that is slower than this is broken, or means harm.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection may be idle: longer than the 60 s of common load balancers, so that they close it, not we.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Connections that the system keeps for us until we accept them: those of a burst.
const BACKLOG: u32 = 1_024;

/// Says what is served; asked once in each of the server's threads.
pub trait Routes: Fn(&mut ServiceConfig) + Clone + Send + 'static {}

impl<F: Fn(&mut ServiceConfig) + Clone + Send + 'static> Routes for F {}

/// Serves until `shutdown`; then no connection is accepted, requests that were read are answered, and idle connections
/// are closed.
pub async fn serve(settings: &Settings, routes: impl Routes, shutdown: Shutdown) {
    let Some(server) = listen(settings, routes, &shutdown).await else { return };
    let handle = server.handle();
    let stop = async {
        shutdown.cancelled().await;
        handle.stop(true).await;
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = server => ended,
        never = stop => never,
    };
    if let Err(error) = ended {
        log::error!("the HTTP server ended: {error}");
    }
}

/// Tries until the port is free; `None`: stopped before.
async fn listen(settings: &Settings, routes: impl Routes, shutdown: &Shutdown) -> Option<Server> {
    let trouble = Episode::new("the port is free now");
    let address = (settings.http.host.as_str(), settings.http.port);
    loop {
        match bind(settings, routes.clone()) {
            Ok(server) => {
                trouble.works();
                log::info!("listens on {}:{}", address.0, address.1);
                return Some(server);
            }
            Err(error) => {
                trouble.fails(Level::Error, &format!("can't listen on {}:{}: {error}", address.0, address.1));
            }
        }
        shutdown.run_until_cancelled(sleep(BIND_PAUSE)).await?;
    }
}

fn bind(settings: &Settings, routes: impl Routes) -> io::Result<Server> {
    let workers = settings.http.workers.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    HttpServer::new(move || App::new().configure(&routes))
        .workers(workers)
        .max_connections(settings.http.connections_max.div_ceil(workers))
        .backlog(BACKLOG)
        .client_request_timeout(HEADER_LIMIT)
        .keep_alive(KEEP_ALIVE)
        // The limit for the whole program is kept by whoever started us.
        .shutdown_timeout(settings.drain_limit.as_secs() + 1)
        .disable_signals()
        .bind((settings.http.host.as_str(), settings.http.port))
        .map(HttpServer::run)
}
