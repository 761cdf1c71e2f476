//! `empty.lua`: gives a shard a new epoch, whatever else its state says.

use std::sync::LazyLock;

use deadpool_redis::redis::{RedisResult, Script, aio::ConnectionLike};

use super::apply::{CHANGES_KEPT, Change};
use crate::keys::Keys;
use crate::random_name::Name;
use crate::shard::Shard;

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("empty.lua")));

/// Empties a shard that somebody else may be moving on: what an ALL made by hand in another partition asks for.
///
/// Nothing is compared, so nothing has to be tried again. `epoch` must be a new one for every call, also for one that
/// repeats another whose answer was lost: an epoch that was left may never return, nor what was filled in it.
///
/// # Errors
/// Whatever Redis or the connection to it reports; the step may or may not have happened then.
pub async fn empty(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    shard: Shard,
    epoch: Name,
    change: &Change,
) -> RedisResult<()> {
    let mut invocation = SCRIPT.prepare_invoke();
    invocation.key(keys.state(shard)).key(keys.changes(shard));
    invocation.arg(epoch.to_string()).arg(CHANGES_KEPT).arg(change.offset).arg(&change.cause);
    invocation.invoke_async(connection).await
}
