//! HTTP <- Redis <- PostgreSQL: answers from the cache what the cache can answer, and fills it where that is safe.
//!
//! In the order of a request: server and routes, the decision, the cache, and on a miss one flight to PostgreSQL.

pub mod http; // Server, routes, problem documents.

mod read; // The whole decision about one request.

mod deadline; // One budget for a request.
mod single_flight; // Those who want the same code share one read.

mod fill; // Lease, primary, store.

mod answer; // What goes out.
mod cities; // What a city is: query, shape, valid codes.
mod images; // Pictures from a store or a folder.

mod postgres; // Statements, sessions, which server is the primary.
mod redis; // The cache, and the shards' states.

mod clock; // The api's own clock.
mod status; // What an operator and a load balancer see.
mod tasks; // What must run as long as the program does.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use common::keys::Keys;
use common::log_once::LogOnce;
use common::program::Failure;
use common::settings::Settings;
use common::shutdown::Shutdown;
use tokio::runtime::Handle;

use crate::answer::Answer;
use crate::clock::Moment;
use crate::images::Images;
use crate::postgres::database::Database;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::outbox_watch::OutboxWatch;
use crate::postgres::primary_watch::PrimaryWatch;
use crate::postgres::sessions::Sessions;
use crate::postgres::vouched_query::VouchedQuery;
use crate::redis::cache::Cache;
use crate::redis::shard_states::ShardStates;
use crate::single_flight::Flights;
use crate::tasks::Tasks;

/// Looks at the heartbeat row within the bound: what a proof needs (docs/protocol.md, "Proof").
const LOOKS_PER_BOUND: u32 = 4;

/// Longest time between two looks at the heartbeat row, however large the bound.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(500);

/// What all threads of the server share.
pub(crate) struct Api {
    started: Moment,
    request_limit: Duration,
    bound: Duration,
    flights: Arc<Flights<Result<Answer, DatabaseError>>>,

    cache: Arc<Cache>,
    shards: Arc<ShardStates>,
    lease_life: Duration,
    time_to_live: Duration,
    filling: LogOnce,

    database: Arc<Database>,
    primary: Arc<PrimaryWatch>,
    outbox: Arc<OutboxWatch>,

    images: Arc<Images>,
}

impl Api {
    fn new(settings: &Settings) -> Self {
        let keys = Keys::new(&settings.redis.key_prefix, settings.kafka.shards);
        let cache = Arc::new(Cache::new(&settings.redis, keys));
        let sessions = Sessions::new(&settings.postgres);
        let primary = Arc::new(PrimaryWatch::new(sessions.clone(), settings.cache.bound));
        let query = VouchedQuery::new(cities::SQL);
        let database = Database::new(query, sessions.clone(), settings.postgres.pool_size, Arc::clone(&primary));
        Self {
            started: Moment::now(),
            request_limit: settings.http.request_limit,
            bound: settings.cache.bound,
            flights: Arc::new(Flights::new(Handle::current())),
            shards: Arc::new(ShardStates::new(Arc::clone(&cache), &settings.redis)),
            cache,
            lease_life: settings.postgres.lease_life(),
            time_to_live: settings.cache.time_to_live,
            filling: LogOnce::for_requests(),
            database: Arc::new(database),
            outbox: Arc::new(OutboxWatch::new(sessions, Arc::clone(&primary))),
            primary,
            images: Arc::new(Images::new(&settings.images)),
        }
    }

    /// Starts everything that looks at a server again and again.
    fn watch(&self, shutdown: &Shutdown) -> Tasks {
        let look_pause = (self.bound / LOOKS_PER_BOUND).min(LOOK_PAUSE_MAX);
        let mut tasks = Tasks::default();
        let primary = Arc::clone(&self.primary);
        tasks.spawn("the watch of the heartbeat row", primary.watch(look_pause, shutdown.clone()));
        tasks.spawn("the watch of the outbox", Arc::clone(&self.outbox).watch(shutdown.clone()));
        tasks.spawn("the watch of what PostgreSQL refuses", Arc::clone(&self.database).watch(shutdown.clone()));
        tasks.spawn("the watch of the shards", Arc::clone(&self.shards).watch(shutdown.clone()));
        tasks.spawn("the watch of the image store", Arc::clone(&self.images).watch(shutdown.clone()));
        tasks
    }
}

/// Serves until `shutdown`, then finishes what it has begun.
///
/// Everything that it needs may be away, at the start and later: what can be answered is.
///
/// # Errors
/// Whatever ends the api by itself: the server, or a task that must run as long as it does.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let api = Arc::new(Api::new(&settings));
    let tasks = api.watch(&shutdown);
    let (keys, redis) = (Keys::new(&settings.redis.key_prefix, settings.kafka.shards), settings.redis.clone());
    let routes =
        move |config: &mut ServiceConfig| http::routes::configure(config, &api, Cache::new(&redis, keys.clone()));
    let server = http::server::serve(&settings, routes, shutdown.clone());
    tasks.run_beside(server, settings.drain_limit, shutdown).await
}
