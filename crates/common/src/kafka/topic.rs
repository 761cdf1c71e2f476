//! Is the topic as it must be? One check for both sides of it; only its creation is the worker's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::task::spawn_blocking;

use super::{Quiet, client_config};
use crate::settings::Kafka;

/// Limit for asking the broker about topics.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What keeps a topic from being used; as text it goes on after the topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicFault {
    /// There is none of this name.
    Missing,
    /// A shard is a partition, so there must be as many of both.
    PartitionCount {
        /// Partitions that the topic has.
        found: usize,
        /// Shards (`SHARDS`).
        shards: u32,
    },
    /// Compaction removes messages that were not read yet.
    Compacted,
}

impl TopicFault {
    /// What can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing => "pg-notify-worker creates it when it runs".to_owned(),
            Self::PartitionCount { found, .. } => format!("set SHARDS to {found}, or use another topic"),
            Self::Compacted => "set its cleanup.policy to delete".to_owned(),
        }
    }
}

impl fmt::Display for TopicFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("doesn't exist"),
            Self::PartitionCount { found, shards } => write!(f, "has {found} partitions instead of {shards} (SHARDS)"),
            Self::Compacted => f.write_str("is compacted, which removes changes before they are read"),
        }
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

    /// What is wrong with a topic that is to have a partition for each of `shards` shards; `None`: it may be used.
    ///
    /// # Errors
    /// If the broker can't be asked within 5 s a question, or refuses to answer.
    pub async fn fault(&self, topic: &str, shards: u32) -> KafkaResult<Option<TopicFault>> {
        let Some(found) = self.partitions(topic).await? else { return Ok(Some(TopicFault::Missing)) };
        if u32::try_from(found) != Ok(shards) {
            return Ok(Some(TopicFault::PartitionCount { found, shards }));
        }
        Ok(self.is_compacted(topic).await?.then_some(TopicFault::Compacted))
    }

    /// How many partitions a topic has; `None`: there is none of this name.
    ///
    /// # Errors
    /// As [`Broker::fault`].
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

    /// Whether a topic is compacted. Clients that may use a topic may lack the right to read its configuration: then it
    /// counts as not compacted.
    async fn is_compacted(&self, topic: &str) -> KafkaResult<bool> {
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
