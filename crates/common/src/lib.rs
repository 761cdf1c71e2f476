//! What at least two of the three programs need: settings, the contracts on the wire, and the Redis side of the protocol.
//!
//! In reading order: how a program starts, what it is told, what travels, where it lands.

pub mod logging;
pub mod program;
pub mod settings;
pub mod shutdown;

pub mod code;
pub mod heartbeat;
pub mod message;
pub mod random;
pub mod shard;

pub mod keys;
pub mod protocol;

pub mod kafka;
pub mod postgres;
pub mod redis;
