//! The whole system for one test: a database, a Redis, a topic, and the three programs wired together.

use std::time::Duration;

use crate::eventually::{eventually, holds};
use crate::{Answer, Database, Http, Kafka, Program, Redis, Settings, Topic, judge};

/// From a start, or a disturbance, until all is well again.
pub const WHOLE_LIMIT: Duration = Duration::from_secs(10);

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
        let (redis, topic) = (Redis::start().await, Kafka::shared().topic());
        let all = [database.settings(), redis.settings(), topic.settings(), settings].concat();
        let (api, http) = Program::api(all.clone());
        Self {
            worker: Program::pg_notify_worker(all.clone()),
            consumer: Program::kafka_consumer(all),
            api,
            http,
            topic,
            redis,
            database,
        }
    }

    /// Waits until a code that was asked for is answered from the cache.
    ///
    /// # Panics
    /// If it isn't within [`WHOLE_LIMIT`].
    pub async fn whole(&self) {
        self.cached("BGR", WHOLE_LIMIT).await;
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
    pub async fn judge(&self, limit: Duration) {
        judge::agrees(limit, &self.database, &self.http).await;
    }
}
