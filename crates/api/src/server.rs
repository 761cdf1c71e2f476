//! The HTTP server: listens, serves until it is told to stop, and lets what it has begun finish.

use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use common::keys::Keys;
use common::settings::Settings;
use common::shutdown::Shutdown;
use log::Level;
use tokio::time::sleep;

use crate::cache::Cache;
use crate::episode::Episode;
use crate::{Api, routes};

/// Between two tries to listen on a port that another program has.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// For a request's header to arrive: a client that is slower than this is broken, or means harm.
const HEADER_LIMIT: Duration = Duration::from_secs(5);

/// How long a connection may be idle: longer than the 60 s of common load balancers, so that they close it, not we.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Connections that the system keeps for us until we accept them: those of a burst.
const BACKLOG: u32 = 1_024;

/// Serves until `shutdown`; then no connection is accepted, requests that were read are answered, and idle connections
/// are closed.
pub(crate) async fn serve(settings: &Settings, api: Arc<Api>, shutdown: Shutdown) {
    let Some(server) = listen(settings, &api, &shutdown).await else { return };
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
async fn listen(settings: &Settings, api: &Arc<Api>, shutdown: &Shutdown) -> Option<Server> {
    let trouble = Episode::new("the port is free now");
    let address = (settings.http.host.as_str(), settings.http.port);
    loop {
        match bind(settings, api) {
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

fn bind(settings: &Settings, api: &Arc<Api>) -> io::Result<Server> {
    let workers = settings.http.workers.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let keys = Keys::new(&settings.redis.key_prefix, settings.kafka.shards);
    let (api, redis) = (Arc::clone(api), settings.redis.clone());
    let server = HttpServer::new(move || {
        // Runs once in each of the server's threads.
        let cache = Cache::new(&redis, keys.clone());
        App::new()
            .app_data(web::Data::from(Arc::clone(&api)))
            .app_data(web::Data::new(cache))
            .configure(routes::configure)
    });
    server
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
