//! From PostgreSQL to Kafka: the relay, its leadership, and the upkeep of what captures the changes.
//!
//! In reading order: who leads and on which connection, what must be there first, what is read, what is published.

mod condition; // Something that lasts, said once.
mod error; // Why a term ends.

mod inbox; // What PostgreSQL sends unasked.
mod leader; // Who leads, and who stands by.
mod migrate; // What must be there first.
mod session; // The connection that all of a term stands on.

mod relay; // One generation: read -> publish -> heartbeat -> delete -> rest.
mod term; // Generation after generation.

mod outbox; // The statements.
mod pulse; // The heartbeat, and what it vouches for.
mod system_columns; // PostgreSQL's names of a row and of a transaction.
mod vouch; // The capture: complete, and as it was.
mod wake; // When to look next.

mod ledger; // What is read, on its way, acknowledged.
mod publisher; // The producer.
mod topics; // The topics.

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
