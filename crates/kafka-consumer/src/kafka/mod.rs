//! Kafka: the client, its membership in the group, and what a member does with what comes.

pub(crate) mod client; // What librdkafka is told, and how the group's decisions reach the program.
pub(crate) mod client_errors; // What the client's errors mean.
pub(crate) mod topic_watch; // Is the topic as it must be?

pub(crate) mod interruption; // What a member can't go on from.
pub(crate) mod membership; // Joins when all is ready, leaves when something isn't.

pub(crate) mod partitions; // The shards that are this consumer's.
pub(crate) mod start_position; // Where a shard's log is begun.

pub(crate) mod dead_letter; // What can't be decoded is parked.
pub(crate) mod intake; // Messages are taken together, applied, committed.
