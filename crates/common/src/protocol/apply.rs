//! `apply.lua`: moves a shard's state on and deletes what changed, in one step.

use std::sync::LazyLock;

use deadpool_redis::redis::{self, RedisResult, Script, aio::ConnectionLike};

use super::state::State;
use crate::keys::Keys;
use crate::shard::Shard;

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("apply.lua")));

/// About how many of its latest changes a shard keeps: enough to explain an answer, some 100 kB a shard at most.
pub(super) const CHANGES_KEPT: usize = 1_000;

/// One line of a shard's `changes`: the change feed, the live page and `explain` will read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The code that changed; `None`: everything.
    pub code: Option<String>,
    /// Offset of the message that said so, in its own partition.
    pub offset: i64,
    /// What it was: `relay`, `hand`, or the reason of a reset.
    pub cause: String,
}

/// What became of an application.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// The state was as seen: it has moved on, and the codes are gone.
    Done,
    /// Another state is there; nothing was changed.
    Other(StoredState),
}

/// The state of a shard as it stands in Redis: the exact text, which a swap is compared with, and its reading.
///
/// Text that is no state (nobody of this version wrote it) reads as `None` and is replaced like a missing one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredState {
    text: Vec<u8>,
}

impl StoredState {
    /// What was written last.
    pub fn of(state: &State) -> Self {
        Self { text: state.to_string().into_bytes() }
    }

    /// The state, if it is one.
    pub fn state(&self) -> Option<State> {
        State::parse(str::from_utf8(&self.text).ok()?)
    }
}

/// Reads a shard's state.
///
/// # Errors
/// Whatever Redis or the connection to it reports.
pub async fn read_state(connection: &mut impl ConnectionLike, keys: &Keys, shard: Shard) -> RedisResult<StoredState> {
    let text: Option<Vec<u8>> = redis::cmd("GET").arg(keys.state(shard)).query_async(connection).await?;
    Ok(StoredState { text: text.unwrap_or_default() })
}

/// Swaps the shard's state from `seen` to `next` and deletes `codes`, which must all be of this shard.
///
/// # Errors
/// Whatever Redis or the connection to it reports; the step may or may not have happened then, and reading the state
/// tells.
pub async fn apply(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    shard: Shard,
    seen: &StoredState,
    next: &State,
    codes: &[String],
    changes: &[Change],
) -> RedisResult<Applied> {
    let there = invoke(connection, keys, shard, &seen.text, next.to_string().as_bytes(), codes, changes).await?;
    Ok(match there {
        None => Applied::Done,
        Some(text) => Applied::Other(StoredState { text }),
    })
}

/// Deletes `codes`, which must all be of this shard, and leaves its state alone: what a message made by hand in
/// another partition asks for.
///
/// # Errors
/// Whatever Redis or the connection to it reports.
pub async fn delete(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    shard: Shard,
    codes: &[String],
    changes: &[Change],
) -> RedisResult<()> {
    invoke(connection, keys, shard, &[], &[], codes, changes).await.map(drop)
}

async fn invoke(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    shard: Shard,
    seen: &[u8],
    next: &[u8],
    codes: &[String],
    changes: &[Change],
) -> RedisResult<Option<Vec<u8>>> {
    debug_assert!(codes.iter().all(|code| keys.shard_of(code) == shard), "a script touches one shard only");
    let mut invocation = SCRIPT.prepare_invoke();
    invocation.key(keys.state(shard)).key(keys.changes(shard));
    for code in codes {
        invocation.key(keys.code(code));
    }
    invocation.arg(seen).arg(next).arg(CHANGES_KEPT);
    for change in changes {
        invocation.arg(change.code.as_deref().unwrap_or_default()).arg(change.offset).arg(&change.cause);
    }
    invocation.invoke_async(connection).await
}
