//! The Redis side of the protocol, read as one: what stands under a shard's keys, and the two scripts that change it.

pub mod apply;
pub mod entry;
pub mod state;
pub mod swap;
