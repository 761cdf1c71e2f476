//! Reads PostgreSQL for a code that the cache has no living answer for, and fills it where that is safe (DESIGN 4.7).

use std::sync::Arc;
use std::time::Duration;

use common::protocol::entry::Lease;
use common::protocol::state::State;
use deadpool_redis::redis::RedisError;
use log::Level;
use tokio::time::{Instant, sleep};
use xxhash_rust::xxh3::xxh3_64;

use crate::Api;
use crate::answer::Answer;
use crate::cities::{self, Source, country_code::CountryCode};
use crate::postgres::database::Begun;
use crate::postgres::database_error::DatabaseError;
use crate::redis::cache::Lookup;

/// How long the value of another holder of the lease is waited for: many times what a read takes, and little enough
/// for a client where the holder was killed.
const HOLDER_WAIT_MAX: Duration = Duration::from_millis(300);

/// Between two looks whether the holder has filled: about what a read takes.
const HOLDER_PAUSE: Duration = Duration::from_millis(5);

/// How a reader may go on.
enum Way {
    /// It holds the lease, taken in this state of the shard.
    Holder(Lease, State),
    /// It reads without filling.
    Without,
    /// Another holder has filled meanwhile.
    Filled(Answer),
}

/// Reads `code`; `seen` is what its place held (`None`: Redis is away).
pub(crate) async fn read(
    api: Arc<Api>,
    code: CountryCode,
    seen: Option<Lookup>,
    begun: Arc<Begun>,
) -> Result<Answer, DatabaseError> {
    let way = match seen {
        Some(seen) => take_lease(&api, code, seen).await,
        None => Way::Without,
    };
    if let Way::Filled(answer) = way {
        return Ok(answer);
    }
    let reading = api.database.read(&api.question, code.as_str(), &begun).await;
    let read = reading.and_then(|reading| Ok((reading.generation, cities::data(&reading.row)?)));
    if let Way::Holder(lease, state) = way {
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
async fn take_lease(api: &Api, code: CountryCode, mut seen: Lookup) -> Way {
    let deadline = Instant::now() + HOLDER_WAIT_MAX;
    loop {
        if let Some(body) = seen.living_body() {
            return Way::Filled(Answer { body });
        }
        // What nobody vouches for, or another generation does, couldn't be filled in the end.
        let Some(state) = seen.state else { return Way::Without };
        let reset = api.shards.epoch_since(api.cache.shard_of(code), state.epoch);
        if !api.primary.is_newest_since(reset, state.generation).await.unwrap_or(false) {
            return Way::Without;
        }
        if !seen.is_leased() {
            match api.cache.take_lease(code, &seen, &state, api.lease_life).await {
                Ok(Some(lease)) => return Way::Holder(lease, state),
                Ok(None) => {}
                Err(error) => {
                    not_filled(api, &error);
                    return Way::Without;
                }
            }
        }
        if Instant::now() >= deadline {
            return Way::Without;
        }
        sleep(HOLDER_PAUSE).await;
        seen = match api.cache.look(code).await {
            Ok(seen) => seen,
            Err(_) => return Way::Without,
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

/// Lets the next reader try; where that fails, the lease dies of its own time to live.
async fn free(api: &Api, code: CountryCode, lease: &Lease) {
    if let Err(error) = api.cache.free(code, lease).await {
        log::debug!("the lease of `{}` can't be freed: {error}", code.as_str());
    }
}

/// That Redis is away is said by whoever watches it; what is said here is that it refuses.
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
