//! Reads PostgreSQL for a code that the cache has no living answer for, and fills it where that is safe
//! (docs/protocol.md, "Fill").

use std::sync::Arc;
use std::time::Duration;

use common::protocol::state::State;
use common::protocol::value_or_lease::Lease;
use deadpool_redis::redis::RedisError;
use log::Level;
use tokio::time::sleep;
use xxhash_rust::xxh3::xxh3_64;

use crate::Api;
use crate::answer::Answer;
use crate::cities::country_code::CountryCode;
use crate::cities::{self, Source};
use crate::deadline::Deadline;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::vouched_query::StatementStart;
use crate::redis::cache::Lookup;

/// How long the value of another holder of the lease is waited for: many times what a read takes, and little enough
/// for a client where the holder was killed.
const HOLDER_WAIT_MAX: Duration = Duration::from_millis(300);

/// Between two looks at what the holder has done: about what a read takes.
const HOLDER_PAUSE: Duration = Duration::from_millis(5);

/// What a reader has to do.
enum Role {
    /// It holds the lease, taken in this state of the shard: it reads, and fills.
    Holder(Lease, State),
    /// It reads without filling.
    ReadOnly,
    /// Nothing: another holder has filled meanwhile.
    Answered(Answer),
}

/// Reads `code` before `deadline`; `seen` is what its place held (`None`: Redis is away).
pub(crate) async fn read(
    api: Arc<Api>,
    code: CountryCode,
    seen: Option<Lookup>,
    deadline: Deadline,
    start: Arc<StatementStart>,
) -> Result<Answer, DatabaseError> {
    let role = match seen {
        Some(seen) => take_lease(&api, code, seen, deadline).await,
        None => Role::ReadOnly,
    };
    if let Role::Answered(answer) = role {
        return Ok(answer);
    }
    let read = api.database.read(code.as_str(), deadline, &start).await;
    let read = read.and_then(|read| match cities::data(&read.row) {
        Ok(data) => Ok((read.generation, data)),
        Err(error) => Err(DatabaseError::Unreadable(error.to_string())),
    });
    if let Role::Holder(lease, state) = role {
        match &read {
            Ok((generation, data)) if *generation == Some(state.generation) => {
                fill(&api, code, &lease, data.as_deref()).await;
            }
            _ => free(&api, code, &lease).await,
        }
    }
    let (_, data) = read?;
    Ok(Answer { body: cities::body(Source::Database, data.as_deref()) })
}

/// Swaps what was seen for a lease, or waits for whoever has one.
async fn take_lease(api: &Api, code: CountryCode, mut seen: Lookup, deadline: Deadline) -> Role {
    let holder_deadline = Deadline::after(deadline.at_most(HOLDER_WAIT_MAX));
    loop {
        if let Some(body) = seen.living_body() {
            return Role::Answered(Answer { body });
        }
        // What nobody vouches for, or another generation does, couldn't be filled in the end.
        let Some(state) = seen.state else { return Role::ReadOnly };
        let reset = api.shards.epoch_since(api.cache.shard_of(code), state.epoch);
        if !api.primary.is_latest_since(reset, state.generation, deadline).await.unwrap_or(false) {
            return Role::ReadOnly;
        }
        if !seen.is_leased() {
            match api.cache.take_lease(code, &seen, &state, api.lease_life).await {
                Ok(Some(lease)) => return Role::Holder(lease, state),
                Ok(None) => {}
                Err(error) => {
                    not_filled(api, &error);
                    return Role::ReadOnly;
                }
            }
        }
        let look = async {
            sleep(HOLDER_PAUSE).await;
            api.cache.look(code).await
        };
        seen = match holder_deadline.wait(look).await {
            Ok(Ok(seen)) => seen,
            _ => return Role::ReadOnly,
        };
    }
}

/// Puts the answer in place of the lease; where that is gone, something has changed since it was taken.
async fn fill(api: &Api, code: CountryCode, lease: &Lease, data: Option<&[u8]>) {
    let entity_tag = format!("{:016x}", xxh3_64(data.unwrap_or_default()));
    let value = lease.value(&entity_tag, &cities::body(Source::Cache, data));
    match api.cache.fill(code, lease, &value, with_jitter(api.time_to_live)).await {
        Ok(true) => api.filling.has_ended("Redis stores answers again"),
        Ok(false) => log::debug!("`{}` changed while it was read, so it isn't filled", code.as_str()),
        Err(error) => not_filled(api, &error),
    }
}

/// Lets the next reader try. Where that fails, the lease dies when its time to live is over.
async fn free(api: &Api, code: CountryCode, lease: &Lease) {
    if let Err(error) = api.cache.free(code, lease).await {
        log::debug!("the lease of `{}` can't be freed: {error}", code.as_str());
    }
}

/// The watch of the shards says when Redis is away; what is said here is that it refuses.
fn not_filled(api: &Api, error: &RedisError) {
    if error.is_io_error() || error.is_timeout() {
        log::debug!("Redis did not answer: {error}");
    } else {
        api.filling.holds(Level::Warn, format!("Redis refuses to store answers: {error}"));
    }
}

/// ±10 %, so that what was filled together isn't missed together.
fn with_jitter(time_to_live: Duration) -> Duration {
    let permille = 900 + getrandom::u32().unwrap_or_default() % 201;
    time_to_live * permille / 1_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::with_jitter;

    #[test]
    fn times_to_live_differ_by_a_tenth_at_most() {
        let lives: Vec<_> = (0..1_000).map(|_| with_jitter(Duration::from_secs(320))).collect();
        let (least, most) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(288) && *most <= Duration::from_secs(352), "{least:?} to {most:?}");
        assert!(*most - *least > Duration::from_secs(32));
    }
}
