//! What all Kafka clients are told, one line and one reason each, and what both sides ask the broker about a topic.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::task::spawn_blocking;

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

/// Asks the broker about topics.
#[derive(Clone)]
pub struct Broker {
    admin: Arc<AdminClient<Quiet>>,
}

impl Broker {
    /// Connects by itself, when first asked.
    ///
    /// # Errors
    /// If librdkafka refuses the configuration.
    pub fn new(settings: &Kafka, program: &str) -> KafkaResult<Self> {
        let mut config = client_config(settings, program);
        // Asking about a topic must not create it, as a client that isn't a consumer may.
        config.set("allow.auto.create.topics", "false");
        // Nothing ever reads the queue that an admin client's lines go to.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        Ok(Self { admin: Arc::new(config.create_with_context(Quiet)?) })
    }

    /// For what only one side asks for.
    pub fn admin(&self) -> &AdminClient<Quiet> {
        &self.admin
    }

    /// How many partitions a topic has; `None`: there is none of this name.
    ///
    /// # Errors
    /// If the broker can't be asked within [`REQUEST_TIMEOUT`].
    pub async fn partitions(&self, topic: &str) -> KafkaResult<Option<usize>> {
        let (admin, topic) = (Arc::clone(&self.admin), topic.to_owned());
        // librdkafka blocks while it asks.
        let ask = move || {
            let metadata = admin.inner().fetch_metadata(Some(&topic), REQUEST_TIMEOUT)?;
            let Some(topic) = metadata.topics().first() else { return Ok(None) };
            match topic.error().map(RDKafkaErrorCode::from) {
                None => Ok(Some(topic.partitions().len())),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
                Some(error) => Err(KafkaError::MetadataFetch(error)),
            }
        };
        spawn_blocking(ask).await.map_err(|_panic| KafkaError::Canceled)?
    }

    /// Whether a topic is compacted, which loses messages. Who may use a topic need not have the right to see how it is
    /// configured: such a broker is believed.
    ///
    /// # Errors
    /// If the broker can't be asked within [`REQUEST_TIMEOUT`].
    pub async fn is_compacted(&self, topic: &str) -> KafkaResult<bool> {
        let resources = self.admin.describe_configs([&ResourceSpecifier::Topic(topic)], &admin_options()).await?;
        Ok(resources.into_iter().any(|resource| match resource {
            Ok(resource) => {
                let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.as_ref());
                policy.is_some_and(|policy| policy.contains("compact"))
            }
            Err(error) => {
                log::debug!("topic {topic} doesn't tell its configuration: {error}");
                false
            }
        }))
    }
}

/// Limits for what an admin client asks.
pub fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}
