//! What must hold between times, all in one place: each setting alone may be right, and two of them contradict.

use std::time::Duration;

use super::environment::Environment;
use super::table::{BOUND_MS, DB_STATEMENT_TIMEOUT_MS, HEARTBEAT_INTERVAL_MS, HTTP_REQUEST_LIMIT_MS};
use super::{Relay, Settings};

/// Heartbeats within the bound, at least: what a proof needs, with some to spare for those that are late.
const HEARTBEATS_PER_BOUND: u32 = 4;

/// Heartbeats that a consumer misses before it takes its client for dead.
const HEARTBEATS_MISSED: u32 = 4;

/// … and as long at least, so that a short pause of the broker costs no new client.
const SILENCE_MIN: Duration = Duration::from_secs(3);

/// Notes each pair of settings that contradict.
pub(super) fn check(settings: &Settings, env: &mut Environment) {
    let (bound, statement) = (settings.cache.bound, settings.postgres.statement_timeout);
    let (heartbeat, request) = (settings.relay.heartbeat_interval, settings.http.request_limit);
    let mut must = |holds: bool, name: &str, what: String| {
        if !holds {
            env.problem(name, &what);
        }
    };
    // Who joins a read that is under way gets an answer within the bound (docs/protocol.md, "Read").
    must(
        statement < bound,
        DB_STATEMENT_TIMEOUT_MS.name,
        format!("({} ms) must be below {} ({} ms)", statement.as_millis(), BOUND_MS.name, bound.as_millis()),
    );
    // Else a statement is still awaited when the request's time is up.
    must(
        statement < request,
        DB_STATEMENT_TIMEOUT_MS.name,
        format!(
            "({} ms) must be below {} ({} ms)",
            statement.as_millis(),
            HTTP_REQUEST_LIMIT_MS.name,
            request.as_millis()
        ),
    );
    // A watermark moves once a heartbeat: rarer ones prove nothing within the bound (docs/protocol.md, "Proof").
    must(
        heartbeat * HEARTBEATS_PER_BOUND <= bound,
        HEARTBEAT_INTERVAL_MS.name,
        format!(
            "({} ms) must be at most a quarter of {} ({} ms)",
            heartbeat.as_millis(),
            BOUND_MS.name,
            bound.as_millis()
        ),
    );
}

impl Relay {
    /// After a lost connection to Kafka, a consumer that has got nothing for so long gets nothing any more: several
    /// heartbeats should have come.
    pub fn silence_limit(&self) -> Duration {
        SILENCE_MIN.max(self.heartbeat_interval * HEARTBEATS_MISSED)
    }
}
