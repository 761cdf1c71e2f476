//! Is the topic as it must be? Asked at the start and again and again; nothing is consumed while it isn't.

use std::fmt;
use std::time::Duration;

use common::kafka::Broker;
use common::settings;
use rdkafka::error::KafkaResult;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two looks at a topic that is as it must be.
const PAUSE: Duration = Duration::from_secs(5);

/// Between two looks while it isn't: what was put right is noticed within 5 s.
const PAUSE_WHILE_WRONG: Duration = Duration::from_secs(1);

/// What looks at the topic.
pub(crate) struct TopicWatch {
    broker: Broker,
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

impl TopicWatch {
    /// Connects by itself.
    pub(crate) fn new(kafka: &settings::Kafka) -> KafkaResult<Self> {
        Ok(Self {
            broker: Broker::new(kafka, "kafka-consumer")?,
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
        let Some(found) = self.broker.partitions(&self.name).await? else { return Ok(Verdict::Missing) };
        if u32::try_from(found) != Ok(self.shards) {
            return Ok(Verdict::WrongCount { found, shards: self.shards });
        }
        Ok(if self.broker.is_compacted(&self.name).await? { Verdict::Compacted } else { Verdict::Usable })
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
