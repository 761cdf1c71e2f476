//! What the client's errors mean. librdkafka tries again by itself, at its own pace; few of them need anything of us.

use std::time::{Duration, Instant};

use common::log_limit::LogLimit;
use common::settings::limits::CONSUMER_SILENCE_MAX;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Errors of Kafka come with every try; a line a minute tells as much.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What is remembered of a client's errors.
pub(crate) struct ClientErrors {
    lines: LogLimit,
    /// When the connection to Kafka was lost, until a message comes again.
    lost: Option<Instant>,
}

/// What has to be done about an error.
#[derive(Debug)]
pub(crate) enum Consequence {
    /// Nothing.
    GoOn,
    /// Every shard is begun anew: an offset is outside its log, and Kafka doesn't say which one.
    BeginAllAnew,
    /// The client is of no use any more.
    GiveUp(KafkaError),
}

impl ClientErrors {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { lines: LogLimit::new(LOG_INTERVAL), lost: None }
    }

    /// A message has come.
    pub(crate) fn heard(&mut self) {
        self.lost = None;
    }

    /// When the client has been silent for too long, if no message comes until then.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        self.lost.map(|lost| lost + CONSUMER_SILENCE_MAX)
    }

    /// Decides what an error means, and logs what nobody else does.
    pub(crate) fn judge(&mut self, error: KafkaError) -> Consequence {
        use RDKafkaErrorCode::{
            AllBrokersDown, AutoOffsetReset, BrokerTransportFailure, Resolve, UnknownTopicOrPartition,
        };
        match error {
            KafkaError::MessageConsumptionFatal(_) => return Consequence::GiveUp(error),
            KafkaError::MessageConsumption(AutoOffsetReset) => return Consequence::BeginAllAnew,
            // What watches the topic logs these, once.
            KafkaError::MessageConsumption(AllBrokersDown | BrokerTransportFailure) => {
                log::debug!("{error}");
                self.lost.get_or_insert_with(Instant::now);
            }
            KafkaError::MessageConsumption(Resolve | UnknownTopicOrPartition) => log::debug!("{error}"),
            _ => {
                if let Some(others) = self.lines.pass(Instant::now()) {
                    log::warn!("kafka: {error}{} ({others} others before it)", hint(&error));
                }
            }
        }
        Consequence::GoOn
    }
}

/// What an operator can do about an error.
fn hint(error: &KafkaError) -> &'static str {
    match error.rdkafka_error_code() {
        // As the consumers of other clients do it by default.
        Some(RDKafkaErrorCode::InconsistentGroupProtocol) => {
            "; consumers in this group (KAFKA_GROUP) share its partitions in another way: it is joined once they have left"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::{KafkaError, RDKafkaErrorCode};

    use super::{ClientErrors, Consequence};

    #[test]
    fn a_client_is_silent_only_after_a_lost_connection_and_until_a_message_comes() {
        let mut errors = ClientErrors::new();
        assert_eq!(errors.silent_at(), None);
        let lost = || KafkaError::MessageConsumption(RDKafkaErrorCode::AllBrokersDown);
        assert!(matches!(errors.judge(lost()), Consequence::GoOn));
        let silent_at = errors.silent_at();
        assert!(silent_at.is_some());
        assert!(matches!(errors.judge(lost()), Consequence::GoOn));
        assert_eq!(errors.silent_at(), silent_at, "counted from the first loss");
        errors.heard();
        assert_eq!(errors.silent_at(), None);
    }

    #[test]
    fn only_an_offset_outside_the_log_and_a_fatal_error_have_consequences() {
        use RDKafkaErrorCode::{AutoOffsetReset, FencedInstanceId, GroupAuthorizationFailed, Resolve};
        let mut errors = ClientErrors::new();
        let outside = errors.judge(KafkaError::MessageConsumption(AutoOffsetReset));
        assert!(matches!(outside, Consequence::BeginAllAnew));
        let fatal = errors.judge(KafkaError::MessageConsumptionFatal(FencedInstanceId));
        assert!(matches!(fatal, Consequence::GiveUp(_)));
        for code in [Resolve, GroupAuthorizationFailed] {
            assert!(matches!(errors.judge(KafkaError::MessageConsumption(code)), Consequence::GoOn), "{code}");
        }
        assert_eq!(errors.silent_at(), None);
    }
}
