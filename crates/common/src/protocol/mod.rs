//! The Redis side of the protocol, read as one: what stands under a shard's keys, and the scripts that change it.

pub mod apply; // A shard moves on: its state, and the codes that are deleted with it.
pub mod empty; // A shard gets a new epoch, whatever its state.
pub mod state; // What stands under a shard's key.
pub mod swap;
pub mod value_or_lease; // What stands under a code's key. // A code's place changes hands.
