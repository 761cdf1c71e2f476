//! The HTTP server: listens, serves until it is told to stop, and lets what it has begun finish.

use std::any::Any;
use std::io;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use common::settings::Settings;
use common::shutdown::Shutdown;
use log::Level;
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::http::open_file_limit;
use common::log_once::LogOnce;

/// Between two tries to listen on a port that another program has.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// For a request's header to arrive: a client that is slower than this is broken, or means harm.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection may be idle: longer than the 60 s of common load balancers, so that they close it, not we.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take nothing of an answer that is on its way: it holds a connection and the answer.
const UNREAD_LIMIT: Duration = Duration::from_secs(30);

/// Connections that the system keeps for us until we accept them: those of a burst.
const BACKLOG: u32 = 1_024;

/// Says what is served; asked once in each of the server's threads.
pub trait Routes: Fn(&mut ServiceConfig) + Clone + Send + 'static {}

impl<F: Fn(&mut ServiceConfig) + Clone + Send + 'static> Routes for F {}

/// Serves until `shutdown`; then no connection is accepted, requests that were read are answered, and idle connections
/// are closed.
pub async fn serve(settings: &Settings, routes: impl Routes, shutdown: Shutdown) {
    open_file_limit::allow(settings.http.connections_max);
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
    let trouble = LogOnce::for_requests();
    let address = (settings.http.host.as_str(), settings.http.port);
    loop {
        match bind(settings, routes.clone()) {
            Ok(server) => {
                trouble.has_ended("the port is free now");
                log::info!("listens on {}:{}", address.0, address.1);
                return Some(server);
            }
            Err(error) => {
                trouble.holds(Level::Error, format!("can't listen on {}:{}: {error}", address.0, address.1));
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
        .on_connect(|connection, _| end_where_nothing_is_read(connection))
        // The limit for the whole program is kept by whoever started us.
        .shutdown_timeout(settings.drain_limit.as_secs() + 1)
        .disable_signals()
        .bind((settings.http.host.as_str(), settings.http.port))
        .map(HttpServer::run)
}

/// The server waits for ever until an answer is read; the system doesn't, where it can.
fn end_where_nothing_is_read(connection: &dyn Any) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(stream) = connection.downcast_ref::<TcpStream>() {
        let limit = u32::try_from(UNREAD_LIMIT.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = set_tcp_user_timeout(stream, limit) {
            log::debug!("a connection has no limit for what isn't read: {error}");
        }
    }
}
