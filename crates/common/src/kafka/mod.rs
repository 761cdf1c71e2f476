//! What all Kafka clients are told, one line and one reason each.

pub mod access_refused; // Why a Kafka that takes connections doesn't serve us.
pub mod topic; // Is the topic as it must be?

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::settings::Kafka;

/// What every client of ours sets.
pub fn client_config(settings: &Kafka, program: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", program)
        // The default of 10 s is longer than the system may take to heal after a broker comes back.
        .set("reconnect.backoff.max.ms", "1000")
        // A half-open connection is noticed by the operating system as well.
        .set("socket.keepalive.enable", "true")
        // A small message must not wait for a large one.
        .set("socket.nagle.disable", "true")
        // A broker that closes idle connections is no event.
        .set("log.connection.close", "false");
    config
}

/// Name of the topic for what can't be decoded on `topic`.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}.dlq")
}

/// Keeps librdkafka's own lines out of the log.
///
/// It repeats them for as long as a broker is away; what matters of them is logged where it is handled, once when it
/// begins and once when it ends.
pub struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!("librdkafka: {facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("librdkafka: {error}: {reason}");
    }
}
