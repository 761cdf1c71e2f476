//! What at least two of the three programs need: settings, the contracts on the wire, and the Redis side of the protocol.
//!
//! In reading order: how a program starts, what it is told and what it says, what travels, where it lands.

mod arguments; // --check, --help and the like.
mod container_health; // What the image's health check asks.
pub mod program; // How a program starts and ends: exit codes, drain limit.
pub mod settings; // Every setting: name, default, limits.
pub mod shutdown; // SIGTERM and SIGINT.

pub mod log_limit; // One line in an interval, and how many were held back.
pub mod log_once; // One line when something begins, one when it ends.
pub mod logging; // Where log lines go, and what they look like.

pub mod code; // How a code is spelled.
pub mod heartbeat; // The counter that travels through the whole pipeline.
pub mod message; // What travels on the topic.
pub mod random_name; // Names of generations, epochs and leases.
pub mod shard; // Which partition, and which keys, a code belongs to.

pub mod keys; // Names of everything in Redis.
pub mod protocol; // What stands under these names, and the scripts that change it.

pub mod kafka; // What every Kafka client is told.
pub mod postgres; // What every PostgreSQL session sets.
pub mod redis; // How Redis is reached.
