//! What must hold between times, all in one place: each setting alone may be right, and two of them contradict.

use std::time::Duration;

use super::environment::Environment;
use super::table::{
    BOUND_MS, DB_STATEMENT_TIMEOUT_MS, HEARTBEAT_INTERVAL_MAX_MS, HEARTBEAT_INTERVAL_MS, HTTP_REQUEST_LIMIT_MS,
};
use super::{Postgres, Settings};

/// A leader that is stopped or cut off loses its session, and with it the locks, after so much silence; also the
/// silence within a transaction. Its own heartbeats keep it away.
pub const LEADER_SILENCE_MAX: Duration = Duration::from_secs(2);

/// After a lost connection to Kafka, a consumer's client that has got nothing for so long gets nothing any more:
/// several heartbeats should have come.
pub const CONSUMER_SILENCE_MAX: Duration = Duration::from_secs(3);

/// Two heartbeats at least before anybody draws a conclusion from their absence.
const _: () = {
    let two_heartbeats = 2 * HEARTBEAT_INTERVAL_MAX_MS as u128;
    assert!(two_heartbeats <= LEADER_SILENCE_MAX.as_millis() && two_heartbeats < CONSUMER_SILENCE_MAX.as_millis());
};

/// Heartbeats within the bound, at least: what a proof needs, with some to spare for those that are late.
const HEARTBEATS_PER_BOUND: u32 = 4;

/// A lease lives this many times longer than a statement may take: a read that ends later than this just isn't filled.
const STATEMENTS_PER_LEASE: u32 = 2;

impl Postgres {
    /// How long a reader's lease lives: longer than its read.
    pub fn lease_life(&self) -> Duration {
        self.statement_timeout * STATEMENTS_PER_LEASE
    }
}

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
