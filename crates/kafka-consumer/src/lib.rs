//! Kafka to Redis: applies every message of the topic to the shard of the cache that its partition belongs to.
//!
//! Deleting is idempotent and every application is a swap against the state as it was seen, so that it harms nobody
//! when a message is applied twice, or by two consumers at once.

// Kafka.
mod client;
mod consumer;
mod member;
mod topic;

// What a message does.
mod batch;
mod dead_letter;
mod state;

// Redis.
mod apply;
mod elsewhere;
mod partitions;
mod store;

mod log_limit;
mod renewals;

pub use consumer::run;
