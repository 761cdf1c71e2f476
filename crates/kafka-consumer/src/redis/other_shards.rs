//! What messages made by hand ask of other shards, done before the offset of the shard that they came in moves on.

use common::shard::Shard;
use futures_util::{TryStreamExt, stream};

use crate::batch::Outcome;
use crate::redis::writer::{Away, CONCURRENCY, RedisWriter};

/// Deletes the codes of other shards than `own`, and empties them all after an ALL.
///
/// Their consumers notice at their next swap, and carry on from the epoch that they find.
pub(crate) async fn carry_out(redis: &RedisWriter, own: Shard, outcome: &Outcome) -> Result<(), Away> {
    for (&shard, deletions) in outcome.deletions.iter().filter(|(shard, _)| **shard != own) {
        redis.delete(shard, deletions).await?;
    }
    if let Some(change) = &outcome.everywhere {
        let others = (0..redis.keys().shards()).filter(|shard| *shard != own).map(Ok);
        let empty = |shard| redis.empty(shard, change);
        stream::iter(others).try_for_each_concurrent(CONCURRENCY, empty).await?;
    }
    Ok(())
}
