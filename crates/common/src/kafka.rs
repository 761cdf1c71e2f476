//! What both Kafka clients are told: one line, one reason.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::settings::Kafka;

/// Limit for asking the broker about topics and offsets.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

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
