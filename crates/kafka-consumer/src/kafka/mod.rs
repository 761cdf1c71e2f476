//! Kafka: the client, its membership in the group, and where each partition is begun.

pub(crate) mod client; // What librdkafka is told, and how the group's decisions reach the program.
pub(crate) mod dead_letter; // What can't be decoded is parked.
pub(crate) mod membership; // Joins, applies what comes, leaves.
pub(crate) mod partitions; // Where each shard begins: its state, and the bounds of its log.
pub(crate) mod topic_watch; // Is the topic as it must be?
