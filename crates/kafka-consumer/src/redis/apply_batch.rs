//! Applies a batch of one shard by one script call, swapped against the state as it was seen.

use common::protocol::apply::{Applied, StoredState};
use common::protocol::state::State;
use common::random_name::Name;
use common::shard::Shard;

use crate::batch::{Deletions, Outcome, Record, outcome};
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
    /// Somebody else has moved the shard, so it is begun anew from the state that is there.
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
        let mut outcome = self.outcome(redis, records);
        // Once, however often the swap is tried: two shards with an ALL each would otherwise empty each other at each
        // try, so that neither swap ever succeeds.
        other_shards::carry_out(redis, self.shard, &outcome).await?;
        for _ in 0..=redis.keys().shards() {
            match self.swap(redis, &outcome).await? {
                Applied::Done => {
                    self.before = outcome.after;
                    self.next_offset = last.offset + 1;
                    return Ok(Progress::Done { next_offset: self.next_offset, resets: outcome.resets });
                }
                Applied::Other(there) if self.follow(&there) => outcome = self.outcome(redis, records),
                Applied::Other(_) => return Ok(Progress::Overtaken),
            }
        }
        // More often than one ALL from each other shard explains: somebody makes them faster than we swap.
        Ok(Progress::Overtaken)
    }

    fn outcome(&self, redis: &RedisWriter, records: &[Record]) -> Outcome {
        outcome(redis.keys(), self.shard, self.before, records, Name::random)
    }

    async fn swap(&mut self, redis: &RedisWriter, outcome: &Outcome) -> Result<Applied, Away> {
        let deletions = outcome.deletions.get(&self.shard);
        match outcome.after {
            Before::Known(next) => {
                let none = Deletions::default();
                let applied = redis.apply(self.shard, &self.seen, &next, deletions.unwrap_or(&none)).await?;
                if applied == Applied::Done {
                    self.seen = StoredState::of(&next);
                }
                Ok(applied)
            }
            // Nothing is written before a reset; what was made by hand is deleted like a code of another shard.
            Before::Unknown => {
                if let Some(deletions) = deletions.filter(|deletions| !deletions.codes.is_empty()) {
                    redis.delete(self.shard, deletions).await?;
                }
                Ok(Applied::Done)
            }
        }
    }

    /// Carries on from a state that differs from the one seen by its epoch alone: ALL was made by hand elsewhere.
    fn follow(&mut self, there: &StoredState) -> bool {
        let (Some(seen), Some(state)) = (self.seen.state(), there.state()) else { return false };
        let follows = State { epoch: state.epoch, ..seen } == state;
        if follows {
            self.seen = there.clone();
            if matches!(self.before, Before::Known(_)) {
                self.before = Before::Known(state);
            }
        }
        follows
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::keys::Keys;
    use common::message::{Action, Message};
    use common::protocol::apply::{Applied, Change, StoredState};
    use common::protocol::state::State;
    use common::random_name::Name;
    use common::settings;
    use common::shard::Shard;
    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use harness::Redis;
    use tokio::time::timeout;

    use super::{OpenShard, Progress};
    use crate::batch::{Deletions, Record};
    use crate::redis::writer::RedisWriter;

    const SHARDS: u32 = 2;

    fn writer(redis: &Redis) -> RedisWriter {
        let settings = settings::Redis {
            host: "127.0.0.1".to_owned(),
            port: redis.port,
            timeout: Duration::from_secs(5),
            key_prefix: "test".to_owned(),
        };
        RedisWriter::new(&settings, Keys::new(&settings.key_prefix, SHARDS))
    }

    /// A shard with a state in Redis.
    async fn opened(redis: &RedisWriter, shard: Shard) -> OpenShard {
        let state =
            State { epoch: Name::random(), generation: Name::random(), sequence: 1, number: Some(1), offset: 0 };
        let none = StoredState::default();
        let written = redis.apply(shard, &none, &state, &Deletions::default()).await.unwrap();
        assert_eq!(written, Applied::Done);
        OpenShard::at_state(shard, StoredState::of(&state), state)
    }

    fn all_by_hand() -> [Record; 1] {
        [Record { offset: 0, message: Some(Message { action: Action::InvalidateAll, position: None }) }]
    }

    #[tokio::test]
    async fn shards_with_an_all_by_hand_each_do_not_make_each_others_swaps_fail_for_ever() {
        let server = Redis::start().await;
        let redis = writer(&server);
        let mut shards = join_all((0..SHARDS).map(|shard| opened(&redis, shard))).await;
        let mut epochs = Vec::new();
        for shard in 0..SHARDS {
            epochs.push(redis.read(shard).await.unwrap().state().unwrap().epoch);
        }
        let all = all_by_hand();
        let progress = join_all(shards.iter_mut().map(|shard| shard.apply(&redis, &all))).await;
        for (shard, progress) in (0..).zip(progress) {
            assert!(matches!(progress, Ok(Progress::Done { next_offset: 1, .. })), "{shard}: {progress:?}");
            let state = redis.read(shard).await.unwrap().state().unwrap();
            assert_eq!((state.offset, state.sequence, state.number), (1, 1, Some(1)));
            assert_ne!(state.epoch, epochs[shard as usize]);
            // One for its own ALL, one for the other's.
            let noted: u32 = server.command(&format!("XLEN {}", redis.keys().changes(shard))).await;
            assert_eq!(noted, 2);
        }
    }

    #[tokio::test]
    async fn a_batch_ends_while_its_shard_is_emptied_all_the_time_and_its_messages_are_applied_or_come_again() {
        let server = Redis::start().await;
        let redis = writer(&server);
        let mut shard = opened(&redis, 0).await;
        let change = Change { code: None, offset: 0, cause: "hand".to_owned() };
        let empty = || async {
            loop {
                redis.empty(0, &change).await.unwrap();
            }
        };
        let all = all_by_hand();
        let progress = tokio::select! {
            () = join_all((0..8).map(|_| empty())).map(drop) => unreachable!("they never end"),
            progress = timeout(Duration::from_secs(20), shard.apply(&redis, &all)) => progress.expect("it ends").unwrap(),
        };
        let applied = matches!(progress, Progress::Done { .. });
        assert_eq!(redis.read(0).await.unwrap().state().unwrap().offset, i64::from(applied), "{progress:?}");
    }
}
