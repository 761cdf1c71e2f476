//! Is the topic as it must be? Asked at the start and again and again; nothing is consumed while it isn't.

use std::time::Duration;

use common::kafka::access_refused::refusal;
use common::kafka::topic::{Broker, TopicFault};
use common::log_once::LogOnce;
use common::settings;
use log::Level;
use rdkafka::error::{KafkaError, KafkaResult};
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two looks at a topic that is as it must be.
const PAUSE: Duration = Duration::from_secs(5);

/// Between two looks while it isn't: what was put right is noticed within 5 s.
const PAUSE_WHILE_WRONG: Duration = Duration::from_secs(1);

/// What looks at the topic.
pub(crate) struct TopicWatch {
    broker: Broker,
    kafka: settings::Kafka,
    faulty: LogOnce,
    kafka_away: LogOnce,
}

impl TopicWatch {
    /// Connects by itself.
    pub(crate) fn new(kafka: &settings::Kafka) -> KafkaResult<Self> {
        let broker = Broker::new(kafka, "kafka-consumer")?;
        Ok(Self { broker, kafka: kafka.clone(), faulty: LogOnce::default(), kafka_away: LogOnce::default() })
    }

    /// Looks at the topic for ever, and tells `usable` whether it may be consumed.
    ///
    /// Kafka's absence changes nothing there: a member of the group waits by itself.
    pub(crate) async fn watch(&self, usable: watch::Sender<bool>) {
        loop {
            let found = self.broker.fault(&self.kafka.topic, self.kafka.shards).await;
            match &found {
                Ok(fault) => {
                    self.kafka_away.has_ended(format_args!("Kafka at {} answers", self.kafka.bootstrap_servers));
                    self.log(*fault);
                    usable.send_replace(fault.is_none());
                }
                Err(error) => self.log_away(error).await,
            }
            sleep(if found == Ok(None) { PAUSE } else { PAUSE_WHILE_WRONG }).await;
        }
    }

    fn log(&self, fault: Option<TopicFault>) {
        let topic = &self.kafka.topic;
        let Some(fault) = fault else {
            return self.faulty.has_ended(format_args!("topic {topic} is as it must be"));
        };
        // The worker, where it runs, creates a missing one in a moment.
        let level = if fault == TopicFault::Missing { Level::Warn } else { Level::Error };
        let line = format!("topic {topic} {fault}, so nothing is consumed; {}", fault.remedy());
        self.faulty.holds_instead(level, line);
    }

    async fn log_away(&self, error: &KafkaError) {
        match refusal(&self.kafka, "kafka-consumer", error).await {
            Some(line) => self.kafka_away.holds(Level::Error, line),
            None => {
                let servers = &self.kafka.bootstrap_servers;
                self.kafka_away
                    .holds(Level::Warn, format!("Kafka at {servers} doesn't answer ({error}): waiting for it"));
            }
        }
    }
}
