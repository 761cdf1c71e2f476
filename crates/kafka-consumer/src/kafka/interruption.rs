//! Why a member can't go on with the shards that it has.

use rdkafka::error::KafkaError;

use crate::redis::writer::Away;

/// What interrupts a member.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interruption {
    /// Redis can't be read, or written to.
    #[error(transparent)]
    Away(#[from] Away),
    /// The client is of no use any more.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}
