//! Redis: what a batch does to its shard, and to others.

pub(crate) mod apply_batch; // A batch of one shard, swapped against the state as it was seen.
pub(crate) mod other_shards; // What messages made by hand ask of other shards.
pub(crate) mod writer; // The typed calls, repeated until they are known to be done.
