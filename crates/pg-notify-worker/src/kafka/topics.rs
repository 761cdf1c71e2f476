//! The topics: created where they are missing, and looked at now and then, since they may change while we run.

use std::sync::Arc;
use std::time::Duration;

use common::kafka::{Broker, admin_options, dead_letter_topic};
use common::settings::Kafka;
use log::Level;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::watch;
use tokio::time::sleep;

use common::log_once::LogOnce;

/// Between two looks at a topic that is as it should be, or that somebody has to put right.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Between two looks while Kafka is away, so that all is well soon after it is back.
const AWAY_INTERVAL: Duration = Duration::from_millis(500);

/// How long changes are kept: whoever was away for longer empties the cache anyway (milliseconds: 24 h).
const RETENTION_MS: &str = "86400000";

/// How long dead letters wait for somebody to look at them (milliseconds: 7 days).
const DEAD_LETTER_RETENTION_MS: &str = "604800000";

/// The line for a Kafka that doesn't answer.
pub(crate) fn away_line(settings: &Kafka) -> String {
    format!("Kafka at {} can't be reached; the outbox keeps the changes", settings.bootstrap_servers)
}

/// Looks after both topics, and says whether the relay may publish.
pub(crate) struct Topics<'a> {
    settings: &'a Kafka,
    kafka_away: Arc<LogOnce>,
    unfit: LogOnce,
    is_fit: watch::Sender<bool>,
}

/// Why the topic is none that the relay may publish to.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    /// Somebody has to change something.
    #[error("{0}")]
    Wrong(String),
    /// Kafka does not answer.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
}

impl<'a> Topics<'a> {
    /// Tells `is_fit` what it finds.
    pub(crate) fn new(settings: &'a Kafka, kafka_away: Arc<LogOnce>, is_fit: watch::Sender<bool>) -> Self {
        Self { settings, kafka_away, unfit: LogOnce::default(), is_fit }
    }

    /// Looks, for ever.
    pub(crate) async fn watch(self) {
        let broker = loop {
            match Broker::new(self.settings, "pg-notify-worker") {
                Ok(broker) => break broker,
                Err(error) => self.unfit.holds(Level::Error, format!("the Kafka client can't be set up: {error}")),
            }
            sleep(LOOK_INTERVAL).await;
        };
        loop {
            let found = self.look(&broker).await;
            sleep(self.judge(found)).await;
        }
    }

    /// Says what was found, and how long to wait for the next look.
    fn judge(&self, found: Result<(), Unfit>) -> Duration {
        match found {
            Ok(()) => {
                self.unfit.has_ended(&format!("topic {} is as it should be now", self.settings.topic));
                self.is_fit.send_replace(true);
                LOOK_INTERVAL
            }
            Err(Unfit::Wrong(line)) => {
                self.is_fit.send_replace(false);
                self.unfit.holds(Level::Error, line);
                LOOK_INTERVAL
            }
            Err(Unfit::Kafka(error)) => {
                // The topic stays what it was: whether messages arrive, their acknowledgements say.
                log::debug!("the topics can't be looked at: {error}");
                self.kafka_away.holds(Level::Warn, away_line(self.settings));
                AWAY_INTERVAL
            }
        }
    }

    async fn look(&self, broker: &Broker) -> Result<(), Unfit> {
        let topic = &self.settings.topic;
        if broker.partitions(topic).await?.is_none() {
            let shards = self.settings.shards.cast_signed();
            create(broker, self.settings, topic, shards, RETENTION_MS).await?;
        }
        let dead_letters = dead_letter_topic(topic);
        if broker.partitions(&dead_letters).await?.is_none() {
            create(broker, self.settings, &dead_letters, 1, DEAD_LETTER_RETENTION_MS).await?;
        }
        match broker.partitions(topic).await? {
            Some(count) if count != self.settings.shards as usize => Err(Unfit::Wrong(format!(
                "topic {topic} has {count} partitions instead of {}, so nothing is published; set SHARDS to {count}, or \
                 use another topic",
                self.settings.shards
            ))),
            Some(_) if broker.is_compacted(topic).await? => Err(Unfit::Wrong(format!(
                "topic {topic} is compacted, which removes changes before they are read, so nothing is published; set its \
                 cleanup.policy to delete"
            ))),
            Some(_) => Ok(()),
            // Just created; not every broker knows yet.
            None => Err(Unfit::Kafka(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition))),
        }
    }
}

async fn create(
    broker: &Broker,
    settings: &Kafka,
    name: &str,
    partitions: i32,
    retention_ms: &str,
) -> Result<(), Unfit> {
    // -1 leaves it to the broker.
    let replication = TopicReplication::Fixed(settings.replication.unwrap_or(-1));
    let topic =
        NewTopic::new(name, partitions, replication).set("retention.ms", retention_ms).set("cleanup.policy", "delete");
    for result in broker.admin().create_topics(&[topic], &admin_options()).await? {
        match result {
            Ok(_) => log::info!("created topic {name} with {partitions} partitions"),
            // Another worker was quicker.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, RDKafkaErrorCode::RequestTimedOut)) => {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::RequestTimedOut).into());
            }
            Err((_, error)) => {
                return Err(Unfit::Wrong(format!("topic {name} is missing and can't be created: {error}")));
            }
        }
    }
    Ok(())
}
