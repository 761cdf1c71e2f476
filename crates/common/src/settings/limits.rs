//! What must hold between times, all in one place: each setting alone may be right, and two of them contradict.

use std::fmt;
use std::time::Duration;

use super::definition::{Milliseconds, Setting};
use super::environment::Environment;
use super::table::{BOUND_MS, DB_STATEMENT_TIMEOUT_MS, HEARTBEAT_INTERVAL_MS, HTTP_REQUEST_LIMIT_MS};
use super::{Postgres, Settings};

/// A leader that is stopped or cut off loses its session, and with it the locks, after so much silence; also the
/// silence within a transaction. Its own heartbeats keep it away.
pub const LEADER_SILENCE_MAX: Duration = Duration::from_secs(2);

/// After a lost connection to Kafka, a consumer's client that has got nothing for so long gets nothing any more.
///
/// Several heartbeats should have come. What it remembers of the log (its leaders' epochs) may be ahead of a Kafka that
/// was put back to an older copy, whose word it would take for outdated until then.
pub const CONSUMER_SILENCE_MAX: Duration = Duration::from_secs(3);

/// Longest `HEARTBEAT_INTERVAL_MS`.
pub(super) const HEARTBEAT_INTERVAL_MAX_MS: u64 = 1_000;

/// Longest `POLL_INTERVAL_MS`: a heartbeat that is due is found due at the next poll.
pub(super) const POLL_INTERVAL_MAX_MS: u64 = 500;

const _: () = {
    let between_heartbeats = (HEARTBEAT_INTERVAL_MAX_MS + POLL_INTERVAL_MAX_MS) as u128;
    assert!(between_heartbeats < LEADER_SILENCE_MAX.as_millis());
    assert!(2 * between_heartbeats <= CONSUMER_SILENCE_MAX.as_millis());
};

/// Longest `DRAIN_LIMIT_MS`: half a second below `stopwaitsecs` (10 s) in `supervisord.conf`, when a program is killed.
pub(super) const DRAIN_LIMIT_MAX_MS: u64 = 9_500;

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
    let bound = Time(&BOUND_MS, settings.cache.bound);
    let statement = Time(&DB_STATEMENT_TIMEOUT_MS, settings.postgres.statement_timeout);
    let request = Time(&HTTP_REQUEST_LIMIT_MS, settings.http.request_limit);
    let heartbeat = Time(&HEARTBEAT_INTERVAL_MS, settings.relay.heartbeat_interval);
    // Who joins a read that is under way gets an answer within the bound (docs/protocol.md, "Read").
    if statement.1 >= bound.1 {
        env.problem(format!("{statement} must be below {bound}"));
    }
    // Else a statement is still awaited when the request's time is up.
    if statement.1 >= request.1 {
        env.problem(format!("{statement} must be below {request}"));
    }
    // A watermark moves once a heartbeat: rarer ones prove nothing within the bound (docs/protocol.md, "Proof").
    if heartbeat.1 * HEARTBEATS_PER_BOUND > bound.1 {
        env.problem(format!("{heartbeat} must be at most a quarter of {bound}"));
    }
}

/// A setting and its value, for a line about it.
struct Time(&'static Setting<Milliseconds>, Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} ms)", self.0.name, self.1.as_millis())
    }
}
