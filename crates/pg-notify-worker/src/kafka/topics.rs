//! The topics: created where they are missing, and looked at now and then, since they may change while we run.

use std::sync::Arc;
use std::time::Duration;

use common::kafka::access_refused::refusal;
use common::kafka::dead_letter_topic;
use common::kafka::topic::{Broker, TopicFault, admin_options};
use common::log_once::LogOnce;
use common::settings::Kafka;
use log::Level;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two looks at a topic that is as it should be, or that somebody has to put right.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Between two looks while Kafka is away or about to have the topic, so that all is well soon afterwards.
const SOON_INTERVAL: Duration = Duration::from_millis(500);

/// How long changes are kept: whoever was away for longer empties the cache anyway (milliseconds: 24 h).
const RETENTION_MS: &str = "86400000";

/// How long dead letters wait for somebody to look at them (milliseconds: 7 days).
const DEAD_LETTER_RETENTION_MS: &str = "604800000";

/// How this program calls itself where Kafka shows its clients.
pub(crate) const PROGRAM: &str = "pg-notify-worker";

/// The line for a Kafka that is back.
pub(crate) const BACK_LINE: &str = "Kafka can be reached again";

/// The line for a Kafka that doesn't answer.
pub(crate) fn away_line(settings: &Kafka) -> String {
    format!("Kafka at {} can't be reached; the outbox keeps the changes", settings.bootstrap_servers)
}

/// Looks after both topics, and says whether the relay may publish.
pub(crate) struct Topics<'a> {
    settings: &'a Kafka,
    kafka_away: Arc<LogOnce>,
    /// Whether the last look got an answer.
    answered: bool,
    unfit: LogOnce,
    is_fit: watch::Sender<bool>,
}

/// Why the topic is none that the relay may publish to.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    /// Somebody has to change something.
    #[error("{0}")]
    Wrong(String),
    /// It was created just now, and not every broker knows it yet.
    #[error("the topic isn't known everywhere yet")]
    JustCreated,
    /// Kafka does not answer.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
}

impl<'a> Topics<'a> {
    /// Tells `is_fit` what it finds.
    pub(crate) fn new(settings: &'a Kafka, kafka_away: Arc<LogOnce>, is_fit: watch::Sender<bool>) -> Self {
        Self { settings, kafka_away, answered: true, unfit: LogOnce::default(), is_fit }
    }

    /// Looks, for ever.
    pub(crate) async fn watch(mut self) {
        let broker = loop {
            match Broker::new(self.settings, PROGRAM) {
                Ok(broker) => break broker,
                Err(error) => self.unfit.holds(Level::Error, format!("the Kafka client can't be set up: {error}")),
            }
            sleep(LOOK_INTERVAL).await;
        };
        loop {
            let found = self.look(&broker).await;
            sleep(self.judge(found).await).await;
        }
    }

    /// Says what was found, and how long to wait for the next look.
    async fn judge(&mut self, found: Result<(), Unfit>) -> Duration {
        let answered = !matches!(found, Err(Unfit::Kafka(_)));
        // Only what a look has found is over with a look: a broker that answers need not take messages.
        if answered && !self.answered {
            self.kafka_away.has_ended(BACK_LINE);
        }
        self.answered = answered;
        match found {
            Ok(()) => {
                self.unfit.has_ended(format_args!("topic {} is as it must be", self.settings.topic));
                self.is_fit.send_replace(true);
                LOOK_INTERVAL
            }
            Err(Unfit::Wrong(line)) => {
                self.is_fit.send_replace(false);
                self.unfit.holds_instead(Level::Error, line);
                LOOK_INTERVAL
            }
            Err(Unfit::JustCreated) => SOON_INTERVAL,
            Err(Unfit::Kafka(error)) => {
                // The topic stays what it was: whether messages arrive, their acknowledgements say.
                log::debug!("the topics can't be looked at: {error}");
                self.log_away(&error).await;
                SOON_INTERVAL
            }
        }
    }

    async fn log_away(&self, error: &KafkaError) {
        match refusal(self.settings, PROGRAM, error).await {
            Some(line) => self.kafka_away.holds(Level::Error, format!("{line}; the outbox keeps the changes")),
            None => self.kafka_away.holds(Level::Warn, away_line(self.settings)),
        }
    }

    async fn look(&self, broker: &Broker) -> Result<(), Unfit> {
        let Kafka { topic, shards, .. } = self.settings;
        if broker.partitions(topic).await?.is_none() {
            create(broker, self.settings, topic, shards.cast_signed(), RETENTION_MS).await?;
        }
        let dead_letters = dead_letter_topic(topic);
        if broker.partitions(&dead_letters).await?.is_none() {
            create(broker, self.settings, &dead_letters, 1, DEAD_LETTER_RETENTION_MS).await?;
        }
        match broker.fault(topic, *shards).await? {
            None => Ok(()),
            Some(TopicFault::Missing) => Err(Unfit::JustCreated),
            Some(fault) => {
                Err(Unfit::Wrong(format!("topic {topic} {fault}, so nothing is published; {}", fault.remedy())))
            }
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
