//! Kafka to Redis: applies every message of the topic to the shard of the cache that its partition belongs to.
//!
//! Deleting is idempotent and every application is a swap against the state as it was seen, so that it harms nobody
//! when a message is applied twice, or by two consumers at once.

mod consumer; // One member of the group after the other.
mod member_resources; // What outlives a member.

mod kafka; // The client, its membership, its partitions.

mod batch; // What messages come to when they are taken together.
mod rules; // What one message does to a shard: the rules, without any I/O.

mod redis; // Where it is written.

mod reset_log; // Resets in the log.

pub use consumer::run;
