//! From PostgreSQL to Kafka: the relay, its leadership, and the upkeep of what captures the changes.
//!
//! In reading order: who leads and on which connection, what must be there first, what is read, what is published.

mod leader; // Who leads, who stands by, and generation after generation while it leads.

mod kafka;
mod postgres; // The connection, what must be there, and the capture.
mod relay; // One generation: read -> publish -> heartbeat -> delete -> rest. // The producer and the topics.

mod term_end; // Why a term ends.

use std::sync::Arc;

use common::program::Failure;
use common::settings::Settings;
use common::shutdown::Shutdown;
use tokio::sync::watch;

use crate::kafka::topics::Topics;
use common::log_once::LogOnce;

/// Relays until `shutdown`; returns once what had been begun is published, or can't be.
///
/// # Errors
/// Whatever ends the worker by itself.
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let kafka_away = Arc::new(LogOnce::default());
    let fit = watch::Sender::new(false);
    let topic_is_fit = fit.subscribe();
    tokio::select! {
        () = leader::lead(&settings, &kafka_away, topic_is_fit, &shutdown) => {}
        () = Topics::new(&settings.kafka, Arc::clone(&kafka_away), fit).watch() => {}
    }
    Ok(())
}
