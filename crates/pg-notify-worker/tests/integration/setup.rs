//! A worker of a test's own, and what came of it on the topic.

use std::time::Duration;

use common::message::{Action, Message, Position};
use common::shard::{Shard, shard_of};
use harness::{Database, Kafka, Program, Settings, Topic, eventually, holds, settings};

/// From a start, or a disturbance, until all is well again; the machine may be busy with other tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Partitions with default settings.
pub(crate) const SHARDS: u32 = 8;

/// A running worker with a database and a topic of its own.
pub(crate) struct Setup {
    pub(crate) worker: Program,
    pub(crate) topic: Topic,
    pub(crate) database: Database,
}

impl Setup {
    /// A worker that leads: its heartbeats are on the topic.
    pub(crate) async fn start() -> Self {
        Self::start_with(settings([])).await
    }

    /// The same, with settings on top.
    pub(crate) async fn start_with(settings: Settings) -> Self {
        let setup = Self::launch(Database::new().await, settings);
        setup.leads().await;
        setup
    }

    /// A worker on a database that was prepared; waits for nothing.
    pub(crate) fn launch(database: Database, settings: Settings) -> Self {
        Self::launch_on(database, Kafka::shared().topic(), settings)
    }

    /// The same, on a topic that was prepared.
    pub(crate) fn launch_on(database: Database, topic: Topic, settings: Settings) -> Self {
        let worker = Program::pg_notify_worker([database.settings(), topic.settings(), settings].concat());
        Self { worker, topic, database }
    }

    /// One more worker for the same database and topic.
    pub(crate) fn another(&self) -> Program {
        Program::pg_notify_worker([self.database.settings(), self.topic.settings()].concat())
    }

    /// Stops the worker, so that what is written stays in the outbox.
    pub(crate) async fn stop(&mut self) {
        self.worker.stop(LIMIT).await;
    }

    /// Waits until a heartbeat of the generation in the row is on every partition, and returns that generation.
    pub(crate) async fn leads(&self) -> String {
        eventually(LIMIT, "the leader's heartbeats are on every partition", async || {
            let generation = self.generation().await.ok_or_else(|| "no heartbeat row".to_owned())?;
            let sent = self.sent().await;
            let beats = |shard: Shard| {
                sent.iter().any(|sent| {
                    sent.shard == shard
                        && sent.generation() == generation
                        && matches!(sent.action, Action::Heartbeat(_))
                })
            };
            holds((0..SHARDS).all(beats), (&generation, sent.len()))?;
            Ok::<_, String>(generation)
        })
        .await
    }

    /// Waits until another generation than `old` leads, and returns it.
    pub(crate) async fn leads_after(&self, old: &str) -> String {
        eventually(LIMIT, "another generation begins", async || {
            let generation = self.generation().await;
            holds(generation.as_deref().is_some_and(|generation| generation != old), generation)
        })
        .await;
        self.leads().await
    }

    /// The generation in the heartbeat row.
    pub(crate) async fn generation(&self) -> Option<String> {
        let there = "select to_regclass('cities_cache.heartbeat') is not null";
        if self.database.text(there).await.as_deref() != Some("t") {
            return None;
        }
        self.database.text("select generation from cities_cache.heartbeat").await
    }

    /// All messages on the topic, in the order of each partition.
    pub(crate) async fn sent(&self) -> Vec<Sent> {
        // Before the first acknowledgement there may be no topic.
        if !self.worker.log_contains("leads, and publishes as generation") {
            return Vec::new();
        }
        // Just created, a partition may have no leader yet, which ends the reading; callers look again.
        let topic = self.topic.clone();
        let records = tokio::spawn(async move { topic.read().await }).await.unwrap_or_default();
        records
            .iter()
            .map(|record| {
                let message = Message::decode(record.payload.as_deref()).expect("the worker writes what can be read");
                let shard = record.partition.expect("it was read from a partition").cast_unsigned();
                Sent {
                    shard,
                    action: message.action,
                    position: message.position.expect("the relay signs its messages"),
                }
            })
            .collect()
    }

    /// Waits until a code's invalidation, or one of everything, has been sent `times` times to its partition.
    pub(crate) async fn invalidates(&self, code: &str, times: usize) {
        let shard = shard_of(code, SHARDS);
        let action = Action::Invalidate(code.to_owned());
        eventually(LIMIT, &format!("{code} is invalidated {times} times"), async || {
            let sent = self.sent().await;
            let found = sent.iter().filter(|sent| sent.shard == shard && sent.action == action).count();
            holds(found >= times, found)
        })
        .await;
    }

    /// Waits until every partition was told that anything may have changed.
    pub(crate) async fn invalidates_all(&self) {
        eventually(LIMIT, "everything is invalidated", async || {
            let sent = self.sent().await;
            let told = |shard| sent.iter().any(|sent| sent.shard == shard && sent.action == Action::InvalidateAll);
            holds((0..SHARDS).all(told), sent.len())
        })
        .await;
    }

    /// Waits until the outbox is empty.
    pub(crate) async fn drained(&self) {
        eventually(LIMIT, "the outbox is empty", async || {
            let rows = self.outbox_rows().await;
            holds(rows == 0, rows)
        })
        .await;
    }

    /// Rows in the outbox.
    pub(crate) async fn outbox_rows(&self) -> i64 {
        self.database.number("select count(*) from cities_cache.outbox").await
    }
}

/// One message of the relay.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) shard: Shard,
    pub(crate) action: Action,
    pub(crate) position: Position,
}

impl Sent {
    pub(crate) fn generation(&self) -> String {
        self.position.generation.to_string()
    }
}
