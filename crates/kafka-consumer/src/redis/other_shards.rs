//! What messages made by hand ask of other shards, done before the offset of the shard that they came in moves on.

use common::protocol::apply::{Applied, Change};
use common::protocol::state::State;
use common::random::Name;
use common::shard::Shard;
use futures_util::{TryStreamExt, stream};

use crate::batch::{Deletions, Outcome};
use crate::redis::writer::{Away, CONCURRENCY, RedisWriter};

/// Deletes the codes of other shards than `own`, and gives them all a new epoch after an ALL.
pub(crate) async fn carry_out(redis: &RedisWriter, own: Shard, outcome: &Outcome) -> Result<(), Away> {
    for (&shard, deletions) in outcome.deletions.iter().filter(|(shard, _)| **shard != own) {
        redis.delete(shard, deletions).await?;
    }
    if let Some(change) = &outcome.everywhere {
        let others = (0..redis.keys().shards()).filter(|shard| *shard != own).map(Ok);
        let empty = |shard| empty(redis, shard, change);
        stream::iter(others).try_for_each_concurrent(CONCURRENCY, empty).await?;
    }
    Ok(())
}

/// Changes a shard's epoch alone; its consumer notices and carries on from there. A shard without a state holds nothing.
async fn empty(redis: &RedisWriter, shard: Shard, change: &Change) -> Result<(), Away> {
    let deletions = Deletions { changes: vec![change.clone()], ..Deletions::default() };
    let mut seen = redis.read(shard).await?;
    // Each further try means that the shard was moved on meanwhile, which takes longer than a try.
    while let Some(state) = seen.state() {
        let next = State { epoch: Name::random(), ..state };
        match redis.apply(shard, &seen, &next, &deletions).await? {
            Applied::Done => break,
            Applied::Other(there) => seen = there,
        }
    }
    Ok(())
}
