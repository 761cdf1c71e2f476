//! Applies a batch of one shard by one script call, swapped against the state as it was seen.

use common::protocol::apply::{Applied, StoredState};
use common::protocol::state::State;
use common::random::Name;
use common::shard::Shard;

use crate::batch::{Deletions, Record, outcome};
use crate::redis::other_shards;
use crate::redis::writer::{Away, RedisWriter};
use crate::rules::{Before, Reset};

/// A shard whose messages are applied.
#[derive(Debug)]
pub(crate) struct OpenShard {
    shard: Shard,
    /// What stands in Redis.
    seen: StoredState,
    /// What the next message is held against.
    before: Before,
    /// The lowest offset that is still to be applied; after a seek to the end any.
    next_offset: i64,
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It is applied, with these resets.
    Done {
        /// Offset of the next message.
        next_offset: i64,
        /// Where the shard was reset, and why.
        resets: Vec<(i64, Reset)>,
    },
    /// Somebody else has moved the shard: it has to be begun anew from the state that is there.
    Overtaken,
}

impl OpenShard {
    /// A shard that goes on from its state in Redis.
    pub(crate) fn at_state(shard: Shard, seen: StoredState, state: State) -> Self {
        Self { shard, seen, before: Before::Known(state), next_offset: state.offset }
    }

    /// A shard whose log is begun at the end, with what stood in Redis before.
    pub(crate) fn at_end(shard: Shard, seen: StoredState) -> Self {
        Self { shard, seen, before: Before::Unknown, next_offset: 0 }
    }

    /// Whether the message at `offset` is still to be applied.
    pub(crate) fn expects(&self, offset: i64) -> bool {
        offset >= self.next_offset
    }

    /// Applies `records`, which follow each other in the log. If it fails, what was done is unknown.
    pub(crate) async fn apply(&mut self, redis: &RedisWriter, records: &[Record]) -> Result<Progress, Away> {
        let Some(last) = records.last() else {
            return Ok(Progress::Done { next_offset: self.next_offset, resets: Vec::new() });
        };
        // A further round only after ALL was made by hand in another shard meanwhile.
        loop {
            let mut outcome = outcome(redis.keys(), self.shard, self.before, records, Name::random);
            other_shards::carry_out(redis, self.shard, &outcome).await?;
            let deletions = outcome.deletions.remove(&self.shard).unwrap_or_default();
            match self.swap(redis, outcome.after, &deletions).await? {
                Applied::Done => {
                    self.before = outcome.after;
                    self.next_offset = last.offset + 1;
                    return Ok(Progress::Done { next_offset: self.next_offset, resets: outcome.resets });
                }
                Applied::Other(there) => {
                    if !self.follow(there) {
                        return Ok(Progress::Overtaken);
                    }
                }
            }
        }
    }

    async fn swap(&mut self, redis: &RedisWriter, after: Before, deletions: &Deletions) -> Result<Applied, Away> {
        match after {
            Before::Known(next) => {
                let applied = redis.apply(self.shard, &self.seen, &next, deletions).await?;
                if applied == Applied::Done {
                    self.seen = StoredState::of(&next);
                }
                Ok(applied)
            }
            // Nothing is written before a reset; what was made by hand is deleted like a code of another shard.
            Before::Unknown => {
                if !deletions.codes.is_empty() {
                    redis.delete(self.shard, deletions).await?;
                }
                Ok(Applied::Done)
            }
        }
    }

    /// Carries on from a state that differs from the one seen by its epoch alone: ALL was made by hand elsewhere.
    fn follow(&mut self, there: StoredState) -> bool {
        let (Some(seen), Some(state)) = (self.seen.state(), there.state()) else { return false };
        let follows = State { epoch: state.epoch, ..seen } == state;
        if follows {
            self.seen = there;
            if matches!(self.before, Before::Known(_)) {
                self.before = Before::Known(state);
            }
        }
        follows
    }
}
