//! The HTTP server: listens, serves until it is told to stop, and lets what it has begun finish.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Payload, ServiceRequest};
use actix_web::web::ServiceConfig;
use common::program::Failure;
use common::settings::{self, Settings};
use common::shutdown::Shutdown;
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpStream;

use crate::http::connection::end_log::EndLog;
use crate::http::connection::exchange::{Answering, Body, Exchange};
use crate::http::connection::{Connection, HEAD_LIMIT, linger};
use crate::http::open_file_limit;

/// How long a connection may be idle: longer than the 60 s of common load balancers, so that they close it, not we.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take nothing of an answer that is on its way: it holds a connection and the answer.
const UNREAD_LIMIT: Duration = Duration::from_secs(30);

/// How long a client may go on sending a body that nobody reads, before its connection is closed.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Connections that the system keeps for us until we accept them: those of a burst.
const BACKLOG: u32 = 1_024;

/// Says what is served; asked once in each of the server's threads.
pub trait Routes: Fn(&mut ServiceConfig) + Clone + Send + 'static {}

impl<F: Fn(&mut ServiceConfig) + Clone + Send + 'static> Routes for F {}

/// Serves until `shutdown`; then no connection is accepted, requests that were read are answered, and idle connections
/// are closed.
///
/// # Errors
/// If the address can't be bound, or the server ends by itself.
pub async fn serve(settings: &Settings, routes: impl Routes, shutdown: Shutdown) -> Result<(), Failure> {
    open_file_limit::allow(settings.http.connections_max);
    let log = Arc::new(EndLog::new());
    let server = listen(settings, routes, Arc::clone(&log)).map_err(|error| not_bound(&settings.http, &error))?;
    log::info!("listens on {}:{}", settings.http.host, settings.http.port);
    let handle = server.handle();
    let stop = async {
        shutdown.cancelled().await;
        handle.stop(true).await;
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = server => ended,
        never = stop => never,
        never = log.tell_regularly() => match never {},
    };
    log.tell();
    match ended {
        Ok(()) if shutdown.is_cancelled() => Ok(()),
        Ok(()) => Err(Failure::software("the HTTP server ended")),
        Err(error) => Err(Failure::software(format!("the HTTP server ended: {error}"))),
    }
}

fn listen(settings: &Settings, routes: impl Routes, log: Arc<EndLog>) -> io::Result<Server> {
    let workers = settings.http.workers.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(settings.http.connections_max.div_ceil(workers))
        .backlog(BACKLOG)
        // The limit for the whole program is kept by whoever started us.
        .shutdown_timeout(settings.drain_limit.as_secs() + 1)
        .disable_signals();
    let stops = builder.graceful_shutdown_signal();
    let address = (settings.http.host.as_str(), settings.http.port);
    Ok(builder.bind("http", address, move || connections(routes.clone(), stops.clone(), Arc::clone(&log)))?.run())
}

/// What `actix_web::HttpServer` is made of, with a [`Connection`] between the socket and the parser.
fn connections(
    routes: impl Routes,
    stops: GracefulShutdownSignal,
    log: Arc<EndLog>,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    let app = App::new().configure(routes).wrap_fn(|request, handlers| {
        let answering = begin(&request);
        let answer = handlers.call(request);
        async move { Ok(answer.await?.map_into_boxed_body().map_body(|_, bytes| Body::new(bytes, answering))) }
    });
    let parser = HttpService::build()
        .client_request_timeout(HEAD_LIMIT)
        .client_disconnect_timeout(DISCONNECT_LIMIT)
        .keep_alive(KEEP_ALIVE)
        .graceful_shutdown_signal(move || {
            let stops = stops.clone();
            async move { stops.notified().await }
        })
        .on_connect_ext(|connection: &Connection, data| drop(data.insert(connection.exchange())))
        .h1(map_config(app.into_factory().map_err(|error| error.error_response()), |()| AppConfig::default()));
    apply_fn_factory(parser, move |stream: TcpStream, parser| {
        end_where_nothing_is_read(&stream);
        let client = stream.peer_addr().ok();
        let (stream, exchange) = (Rc::new(RefCell::new(stream)), Rc::new(Exchange::default()));
        let served = parser.call((Connection::new(&stream, &exchange), client));
        let log = Arc::clone(&log);
        async move {
            if let Err(end) = served.await
                && !exchange.late.get()
            {
                log.note(&end);
            }
            if let Some(stream) = Rc::into_inner(stream).filter(|_| exchange.refused.get()) {
                linger(stream.into_inner()).await;
            }
            Ok(())
        }
    })
}

/// Tells the connection that its request is being answered.
fn begin(request: &ServiceRequest) -> Option<Answering> {
    let has_body = !matches!(request.parts().1, Payload::None);
    request.conn_data::<Rc<Exchange>>().map(|exchange| exchange.begin(has_body))
}

/// The setting that is wrong where the address can't be bound.
fn not_bound(http: &settings::Http, error: &io::Error) -> Failure {
    let setting = match error.kind() {
        ErrorKind::AddrInUse | ErrorKind::PermissionDenied => "HTTP_PORT",
        _ => "HTTP_HOST",
    };
    Failure::usage(format!("{setting}: can't listen on {}:{}: {error}", http.host, http.port))
}

/// The server waits for ever until an answer is read; the system doesn't, where it can.
fn end_where_nothing_is_read(stream: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let limit = u32::try_from(UNREAD_LIMIT.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = set_tcp_user_timeout(stream, limit) {
            log::debug!("a connection has no limit for what isn't read: {error}");
        }
    }
}
