//! Fault injection into the whole system: what it stands on is killed, frozen, cut off, absent, rolled back or full, and
//! so is each of its own programs. Afterwards every answer is right by itself.
//!
//! `tests/run -p system-tests --features fault_injection --test fault_injection` runs them all; a word behind it chooses
//! those that contain it.

/// What the states of shards tell about it.
mod shards;
/// How a fault is watched, and what must be true at its end.
mod trial;

/// The three programs: killed, frozen, cut off.
mod programs;
/// Several of each program at once, some of which die.
mod several_of_each;

/// PostgreSQL: killed, frozen, cut off, absent.
mod postgres;
/// A replaced primary that is still alive.
mod replaced_primary;
/// PostgreSQL put back to what it was before: a failover, a dump, a copy of its files.
mod rolled_back;
/// A synchronous standby that is away.
mod synchronous;

/// Redis: killed, frozen, cut off, absent, full, or put back to what it was before.
mod redis;

/// One of several brokers is lost.
mod brokers;
/// Kafka: killed, frozen, cut off, absent, or put back to what it was before.
mod kafka;
/// What lies in the topic that shouldn't.
mod messages;

/// The object store.
#[cfg(feature = "store")]
mod store;

/// A snapshot that is held open beside many writers.
mod held_snapshot;
/// A reader who is late with what it read.
mod late_fill;
/// More clients than anybody wants.
mod many_clients;

use std::time::Duration;

/// From the end of a fault until every answer is right: the promise is 5 s, thrice that where several faults share two
/// processors. What a test really took is shown with `--show-output`.
const HEAL_LIMIT: Duration = Duration::from_secs(15);

/// How long a process is frozen: longer than every time limit of ours within which another one takes over.
const FROZEN: Duration = Duration::from_secs(10);

/// How long a server is absent.
const ABSENT: Duration = Duration::from_secs(60);
