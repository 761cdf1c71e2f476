//! `swap.lua`: changes a code's place only if nobody else did meanwhile.

use std::sync::LazyLock;
use std::time::Duration;

use deadpool_redis::redis::{self, RedisResult, Script, aio::ConnectionLike};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("swap.lua")));

/// What became of a swap.
#[derive(Debug, PartialEq, Eq)]
pub enum Swapped {
    /// What was seen was still there, and the new content stands in its place.
    Done,
    /// Something else is there now; `None`: nothing.
    Other(Option<Vec<u8>>),
}

/// Replaces what begins with `seen` (see [`identity`](super::value_or_lease::identity); `None`: there was no key) by `content`
/// for `time_to_live`.
///
/// # Errors
/// Whatever Redis or the connection to it reports; the swap may or may not have happened then.
pub async fn swap(
    connection: &mut impl ConnectionLike,
    key: &str,
    seen: Option<&[u8]>,
    content: &[u8],
    time_to_live: Duration,
) -> RedisResult<Swapped> {
    invoke(connection, key, seen.unwrap_or_default(), content, time_to_live).await
}

/// Deletes the key if its content still begins with `seen`: how a holder frees its lease.
///
/// # Errors
/// As [`swap`]; a lease that couldn't be freed dies of its own time to live.
pub async fn release(connection: &mut impl ConnectionLike, key: &str, seen: &[u8]) -> RedisResult<Swapped> {
    invoke(connection, key, seen, &[], Duration::ZERO).await
}

async fn invoke(
    connection: &mut impl ConnectionLike,
    key: &str,
    seen: &[u8],
    content: &[u8],
    time_to_live: Duration,
) -> RedisResult<Swapped> {
    let milliseconds = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
    let mut invocation = SCRIPT.key(key);
    invocation.arg(seen).arg(content).arg(milliseconds);
    let there: Option<redis::Value> = invocation.invoke_async(connection).await?;
    match there {
        None => Ok(Swapped::Done),
        Some(there) => {
            let there: Vec<u8> = redis::from_redis_value(there)?;
            Ok(Swapped::Other((!there.is_empty()).then_some(there)))
        }
    }
}
