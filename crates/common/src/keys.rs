//! The names of everything in Redis; nowhere else is a key spelled.
//!
//! Every key of a shard bears the hash tag `{n}`, so that one script may touch them all and Redis Cluster may hold
//! them. Format version and shard count stand in every key: another version or count starts beside this one, empty.

use crate::shard::{Shard, shard_of};

/// Version of what is stored under these keys; whoever changes the format of a value or a state counts it up.
const FORMAT_VERSION: u32 = 1;

/// Spells the keys of one installation.
#[derive(Clone, Debug)]
pub struct Keys {
    stem: String,
    shards: u32,
}

impl Keys {
    /// The keys under `prefix` (setting `REDIS_KEY_PREFIX`; without braces) for `shards` shards.
    pub fn new(prefix: &str, shards: u32) -> Self {
        Self { stem: format!("{prefix}:{FORMAT_VERSION}:{shards}"), shards }
    }

    /// How many shards there are.
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// The shard of a code.
    pub fn shard_of(&self, code: &str) -> Shard {
        shard_of(code, self.shards)
    }

    /// Holds the value of a code, or the lease of the reader that fills it.
    pub fn code(&self, code: &str) -> String {
        format!("{}:{{{}}}:code:{code}", self.stem, self.shard_of(code))
    }

    /// Holds the state of a shard.
    pub fn state(&self, shard: Shard) -> String {
        format!("{}:{{{shard}}}:state", self.stem)
    }

    /// The capped stream of a shard's latest changes.
    pub fn changes(&self, shard: Shard) -> String {
        format!("{}:{{{shard}}}:changes", self.stem)
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn all_keys_of_a_shard_bear_its_hash_tag() {
        let keys = Keys::new("cities-cache", 8);
        let shard = keys.shard_of("BGR");
        assert_eq!(keys.code("BGR"), format!("cities-cache:1:8:{{{shard}}}:code:BGR"));
        assert_eq!(keys.state(shard), format!("cities-cache:1:8:{{{shard}}}:state"));
        assert_eq!(keys.changes(shard), format!("cities-cache:1:8:{{{shard}}}:changes"));
    }

    #[test]
    fn another_shard_count_shares_no_key() {
        assert_ne!(Keys::new("a", 8).code("BGR"), Keys::new("a", 16).code("BGR"));
    }
}
