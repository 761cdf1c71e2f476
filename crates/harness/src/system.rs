//! The whole system for one test: a database, a Redis, a topic, and the three programs wired together.

use std::time::Duration;

use tokio::time::Instant;

use crate::eventually::{eventually, holds};
use crate::{Answer, Database, Http, Kafka, Program, Redis, Settings, Topic, oracle};

/// From a start, or a disturbance, until all is well again.
pub const WHOLE_LIMIT: Duration = Duration::from_secs(20);

/// Shards of a system with default settings.
pub const SHARDS: u32 = 8;

/// A running system.
pub struct System {
    /// The worker.
    pub worker: Program,
    /// The consumer.
    pub consumer: Program,
    /// The api.
    pub api: Program,
    /// A client of the api.
    pub http: Http,
    /// Further ones of any of the three, where a test wants them.
    pub others: Vec<Program>,
    /// The topic on the shared broker.
    pub topic: Topic,
    /// The test's Redis.
    pub redis: Redis,
    /// The test's database; last, so that it is dropped when nobody uses it any more.
    pub database: Database,
}

impl System {
    /// A system with default settings, whole: a code that was asked for is answered from the cache.
    pub async fn start() -> Self {
        Self::start_with(Settings::new()).await
    }

    /// The same, with settings on top for all three programs.
    pub async fn start_with(settings: Settings) -> Self {
        Self::start_on(Database::new().await, settings).await
    }

    /// The same, on a database that was prepared.
    pub async fn start_on(database: Database, settings: Settings) -> Self {
        let system = Self::launch(database, settings).await;
        system.whole().await;
        system
    }

    /// Starts the three programs on a database and waits for nothing.
    pub async fn launch(database: Database, settings: Settings) -> Self {
        Self::launch_with(database, Redis::start().await, Kafka::shared().topic(), settings)
    }

    /// Starts the three programs on these servers, with settings on top, and waits for nothing.
    pub fn launch_with(database: Database, redis: Redis, topic: Topic, settings: Settings) -> Self {
        let all = [database.settings(), redis.settings(), topic.settings(), settings].concat();
        let (api, http) = Program::api(all.clone());
        Self {
            worker: Program::pg_notify_worker(all.clone()),
            consumer: Program::kafka_consumer(all),
            api,
            http,
            others: Vec::new(),
            topic,
            redis,
            database,
        }
    }

    /// What a further program of this system is told.
    pub fn settings(&self) -> Settings {
        [self.database.settings(), self.redis.settings(), self.topic.settings()].concat()
    }

    /// Waits until every shard follows the relay, and a code that was asked for is answered from the cache.
    ///
    /// # Panics
    /// If that isn't so within [`WHOLE_LIMIT`].
    pub async fn whole(&self) {
        self.whole_within(WHOLE_LIMIT).await;
    }

    /// The same, with a limit of the test's own.
    ///
    /// # Panics
    /// If it isn't so within `limit`.
    pub async fn whole_within(&self, limit: Duration) {
        let begun = Instant::now();
        eventually(limit, "every shard follows the relay", async || self.follows().await).await;
        self.cached("BGR", limit.saturating_sub(begun.elapsed())).await;
    }

    /// Waits until `/status` names nothing that fails.
    ///
    /// # Panics
    /// If it still does after `limit`.
    pub async fn ok_within(&self, limit: Duration) {
        eventually(limit, "/status names nothing that fails", async || self.http.is_ok().await).await;
    }

    /// Whether each shard's state has the generation of the leader's row, and a number of it.
    async fn follows(&self) -> Result<(), String> {
        let row = "select generation from cities_cache.heartbeat";
        // Before the first migration there is no such table.
        let client = self.database.connect().await.map_err(|error| format!("{error:?}"))?;
        let row = client.query_opt(row, &[]).await.map_err(|error| format!("{error:?}"))?;
        let generation: String = row.ok_or("no heartbeat")?.get(0);
        let states = self.states().await?;
        let follows = |state: &Option<String>| {
            let fields: Vec<_> = state.iter().flat_map(|state| state.split(' ')).collect();
            matches!(fields[..], [_, of, _, number, _] if of == generation && number != "-")
        };
        holds(states.iter().all(follows), (&generation, &states))
    }

    /// Name of the relay's generation, where one has begun.
    pub async fn generation(&self) -> Option<String> {
        self.database.text("select generation from cities_cache.heartbeat").await
    }

    /// The state of each shard as it stands in Redis.
    ///
    /// # Errors
    /// If Redis doesn't answer.
    pub async fn states(&self) -> Result<Vec<Option<String>>, String> {
        let mut get = deadpool_redis::redis::cmd("MGET");
        for shard in 0..SHARDS {
            get.arg(format!("cities-cache:1:{SHARDS}:{{{shard}}}:state"));
        }
        let mut connection = self.redis.try_connection().await.map_err(|error| error.to_string())?;
        get.query_async(&mut connection).await.map_err(|error| error.to_string())
    }

    /// Asks for every code of `country` once, so that all are cached, and returns the codes.
    ///
    /// # Panics
    /// If one isn't answered.
    pub async fn warm(&self) -> Vec<String> {
        let codes = self.database.query("select code::text from public.country order by code", &[]).await;
        let codes: Vec<String> = codes.iter().map(|row| row.get(0)).collect();
        for code in &codes {
            self.cached(code, WHOLE_LIMIT).await;
        }
        codes
    }

    /// Asks for a code until the answer comes from the cache, and returns it.
    ///
    /// # Panics
    /// If it doesn't within `limit`.
    pub async fn cached(&self, code: &str, limit: Duration) -> Answer {
        let path = format!("/cities/{code}");
        eventually(limit, &format!("{path} is answered from the cache"), async || {
            let answer = self.http.get(&path).await?;
            holds(answer.source() == "cache", (answer.status, answer.text().chars().take(200).collect::<String>()))?;
            Ok::<_, String>(answer)
        })
        .await
    }

    /// The answer for a code.
    ///
    /// # Panics
    /// If there is none.
    pub async fn get_city(&self, code: &str) -> Answer {
        self.http.get(&format!("/cities/{code}")).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Compares every answer with the database.
    ///
    /// # Panics
    /// If they don't agree within `limit`.
    pub async fn agree(&self, limit: Duration) {
        oracle::agrees(limit, &self.database, &self.http).await;
    }
}
