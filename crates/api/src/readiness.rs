//! What an operator sees of the pipeline: put together from what the looks at PostgreSQL, Redis and the store have
//! found, so that no number of probes is a load for any of them.

use common::shard::Shard;
use serde::Serialize;

use crate::Api;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::heartbeat_watch::{Newest, OUTBOX_COUNTED_MAX};

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    status: &'static str,
    /// What keeps answers from the cache from being given, in words.
    fails: Vec<String>,
    /// What is missing without touching `/cities`.
    degraded: Vec<String>,
    heartbeat: Option<Pulse>,
    /// Changes that wait for the relay; counted up to a limit.
    outbox_rows: Option<i64>,
    shards_without_state: Vec<Shard>,
    /// Those that no heartbeat has reached for longer than the bound.
    shards_standing_still: Vec<Shard>,
}

#[derive(Debug, Serialize)]
struct Pulse {
    generation: String,
    number: u64,
    /// How long ago its number was seen to change, by the api's own clock.
    age_ms: u64,
}

impl Readiness {
    pub(crate) fn of(api: &Api) -> Self {
        let newest = api.primary.newest();
        let shards_without_state = api.shards.without_state();
        let shards_standing_still = api.shards.standing_still(api.bound);
        let mut fails = database_fails(api, &newest);
        if api.shards.are_away() {
            fails.push("Redis can't be reached".to_owned());
        } else if !shards_without_state.is_empty() {
            fails.push(format!("{} shards have no state in Redis", shards_without_state.len()));
        }
        if !api.shards.are_away() && !shards_standing_still.is_empty() {
            fails.push(format!("no heartbeat arrives in {} shards: nor do changes", shards_standing_still.len()));
        }
        let mut degraded = Vec::new();
        if api.images.are_away() {
            degraded.push("images can't be read".to_owned());
        }
        if newest.outbox.is_some_and(|rows| rows > OUTBOX_COUNTED_MAX) {
            degraded.push(format!("more than {OUTBOX_COUNTED_MAX} changes wait in the outbox"));
        }
        Self {
            status: if fails.is_empty() { "ready" } else { "not ready" },
            fails,
            degraded,
            heartbeat: newest.heartbeat.map(|heartbeat| Pulse {
                generation: heartbeat.generation.to_string(),
                number: heartbeat.number,
                age_ms: u64::try_from(newest.changed.elapsed().as_millis()).unwrap_or(u64::MAX),
            }),
            outbox_rows: newest.outbox,
            shards_without_state,
            shards_standing_still,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.fails.is_empty()
    }
}

fn database_fails(api: &Api, newest: &Newest) -> Vec<String> {
    let mut fails = Vec::new();
    match &newest.failure {
        None => {}
        Some(DatabaseError::Standby) => fails.push("PostgreSQL is a standby, not the primary".to_owned()),
        Some(DatabaseError::Refused(_) | DatabaseError::NoTable(_)) => {
            fails.push("PostgreSQL refuses the api; its log says why".to_owned());
        }
        Some(_) => fails.push("PostgreSQL can't be reached".to_owned()),
    }
    if api.database.refuses() {
        fails.push("cities can't be read; the api's log says why".to_owned());
    }
    let silence = newest.changed.elapsed();
    if newest.heartbeat.is_none() {
        fails.push(format!("no heartbeat row for {} s: no relay leads on this database", silence.as_secs()));
    } else if silence > api.bound {
        fails.push(format!("no heartbeat for {} s: the relay doesn't go on", silence.as_secs()));
    }
    fails
}
