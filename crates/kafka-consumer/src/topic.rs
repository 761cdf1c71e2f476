//! Is the topic as it must be? Asked at the start and again and again; nothing is consumed while it isn't.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common::kafka::REQUEST_TIMEOUT;
use common::settings;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::client::Quiet;

/// Between two looks at a topic that is as it must be.
const PAUSE: Duration = Duration::from_secs(5);

/// Between two looks while it isn't: what was put right is noticed within 5 s.
const PAUSE_WHILE_WRONG: Duration = Duration::from_secs(1);

/// What looks at the topic.
pub(crate) struct Topic {
    admin: Arc<AdminClient<Quiet>>,
    name: String,
    shards: u32,
    servers: String,
}

/// What a look showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Usable,
    Missing,
    WrongCount { found: usize, shards: u32 },
    Compacted,
}

impl Topic {
    /// Connects by itself.
    pub(crate) fn new(kafka: &settings::Kafka) -> KafkaResult<Self> {
        let mut config = common::kafka::client_config(kafka, "kafka-consumer");
        // Asking about a topic must not create it, as a client that isn't a consumer may.
        config.set("allow.auto.create.topics", "false");
        // Nothing ever reads the queue that an admin client's lines go to.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        Ok(Self {
            admin: Arc::new(config.create_with_context(Quiet)?),
            name: kafka.topic.clone(),
            shards: kafka.shards,
            servers: kafka.bootstrap_servers.clone(),
        })
    }

    /// Looks at the topic for ever, and tells `usable` whether it may be consumed.
    ///
    /// Kafka's absence changes nothing there: a member of the group waits by itself.
    pub(crate) async fn watch(&self, usable: watch::Sender<bool>) {
        let (mut last, mut away) = (None, false);
        loop {
            let looked = self.look().await;
            match &looked {
                Ok(verdict) => {
                    if std::mem::take(&mut away) {
                        log::info!("kafka at {} answers", self.servers);
                    }
                    if last.replace(*verdict) != Some(*verdict) {
                        self.log(*verdict);
                        usable.send_replace(*verdict == Verdict::Usable);
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut away, true) {
                        log::warn!("kafka at {} doesn't answer ({error}): waiting for it", self.servers);
                    }
                }
            }
            sleep(if looked == Ok(Verdict::Usable) { PAUSE } else { PAUSE_WHILE_WRONG }).await;
        }
    }

    async fn look(&self) -> KafkaResult<Verdict> {
        let (admin, name) = (Arc::clone(&self.admin), self.name.clone());
        let count = tokio::task::spawn_blocking(move || count_partitions(&admin, &name)).await;
        let Some(found) = count.map_err(|_| KafkaError::Canceled)?? else { return Ok(Verdict::Missing) };
        if u32::try_from(found) != Ok(self.shards) {
            return Ok(Verdict::WrongCount { found, shards: self.shards });
        }
        Ok(if self.is_compacted().await? { Verdict::Compacted } else { Verdict::Usable })
    }

    async fn is_compacted(&self) -> KafkaResult<bool> {
        let topic = ResourceSpecifier::Topic(&self.name);
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        let described = self.admin.describe_configs([&topic], &options).await?;
        // A broker that doesn't let us look is believed: compaction then shows as renewals.
        let policy = |config: &ConfigResource| config.get("cleanup.policy")?.value.clone();
        let policies = described.iter().flatten().filter_map(policy);
        Ok(policies.into_iter().any(|policy| policy.contains("compact")))
    }

    fn log(&self, verdict: Verdict) {
        let name = &self.name;
        match verdict {
            Verdict::Usable => log::info!("topic {name} {verdict}"),
            Verdict::Missing => log::warn!("topic {name} {verdict}"),
            Verdict::WrongCount { .. } | Verdict::Compacted => {
                log::error!("topic {name} {verdict}: nothing is consumed until that is put right");
            }
        }
    }
}

/// `None`: there is no such topic.
fn count_partitions(admin: &AdminClient<Quiet>, name: &str) -> KafkaResult<Option<usize>> {
    let metadata = admin.inner().fetch_metadata(Some(name), REQUEST_TIMEOUT)?;
    let Some(topic) = metadata.topics().first() else { return Ok(None) };
    match topic.error().map(RDKafkaErrorCode::from) {
        None => Ok(Some(topic.partitions().len())),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(None),
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usable => f.write_str("is as it must be"),
            Self::Missing => f.write_str("doesn't exist: waiting for pg-notify-worker to create it"),
            Self::WrongCount { found, shards } => write!(f, "has {found} partitions instead of {shards} (SHARDS)"),
            Self::Compacted => f.write_str("is compacted, which loses messages"),
        }
    }
}
