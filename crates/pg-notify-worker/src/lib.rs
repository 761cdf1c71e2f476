//! From PostgreSQL to Kafka: the relay, its leadership, and the upkeep of what captures the changes.
//!
//! In reading order: who leads and on which connection, what must be there first, what is read, what is published.

mod condition;
mod error;
mod leader;
mod session;

mod migrate;
mod vouch;

mod relay;

mod outbox;
mod pulse;
mod wake;

mod ledger;
mod publisher;
mod topics;

use std::sync::Arc;

use common::settings::Settings;
use common::shutdown::Shutdown;
use tokio::sync::watch;

use crate::condition::Condition;
use crate::topics::Topics;

/// Relays until `shutdown`; returns once what had been begun is published, or can't be.
pub async fn run(settings: Settings, shutdown: Shutdown) {
    let kafka_away = Arc::new(Condition::default());
    let fit = watch::Sender::new(false);
    let topic_is_fit = fit.subscribe();
    tokio::select! {
        () = leader::lead(&settings, &kafka_away, topic_is_fit, &shutdown) => {}
        () = Topics::new(&settings.kafka, Arc::clone(&kafka_away), fit).watch() => {}
    }
}
