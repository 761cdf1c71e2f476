//! Redis: what stands in a code's place, and the states of all shards.

pub(crate) mod cache; // A code's place: look, lease, fill.
pub(crate) mod shard_states; // Is Redis there, and does each shard move on?
