//! The whole system from outside, on real servers: three real programs, one test a behaviour.
//!
//! `tests/run -p system-tests --test system` runs them all, with a word behind it those that contain it.

/// One change, by every kind of statement, from the table to the HTTP answer.
mod change;
/// What a statement leaves in the outbox.
mod outbox;
/// The first start, and what later ones leave alone.
mod start;

/// Databases in other encodings than UTF8.
mod encodings;
/// Small tables of a user's own, for the tests below.
mod small_tables;
/// Writes hidden in queries, blocks, cascades and prepared transactions.
mod statements;
/// Names and codes in any alphabet.
mod text;

/// Partitions that come, go and change.
mod partitioned_tables;
/// Logical replication, and publications.
mod replication;
/// DDL on the tables, beside readers, writers and workers.
mod schema;

/// Servers that are away when the programs start.
mod absent;
/// Many clients, one cold code.
mod many_clients;
/// Restarts and stops, with readers and a writer at work.
mod restart;

/// Notifications and messages made by hand, good and bad.
mod by_hand;
/// What somebody put into the object store.
#[cfg(feature = "store")]
mod objects;
/// Codes, image names and requests as nobody should send them.
mod requests;
/// Settings and arguments: what is wrong is said, and ends a program.
mod settings;

/// Tables that were there before, good and bad.
mod adopted;
/// A worker's start beside users at work.
mod adopting;
/// Users and databases with rights and settings that we didn't choose.
mod hostile;
/// A pooler in transaction mode in front of PostgreSQL.
#[cfg(feature = "pgbouncer")]
mod pooler;
/// Servers that must not be led: a standby; and one that was killed.
mod standby;
/// Topics that are not as they should be.
mod topic;

use std::time::Duration;

/// From a commit until the answer is right, and for the oracle to compare all of them. Alone it takes milliseconds; the
/// tests run side by side, on machines with other things to do.
const TRAVEL_LIMIT: Duration = Duration::from_secs(20);

/// From a server's return until the system is whole: the promise is 5 s, twice that for a busy machine.
const HEAL_LIMIT: Duration = Duration::from_secs(10);

/// From when something wrong is put right until the system is whole: a refusal is looked at again every 5 s.
const MEND_LIMIT: Duration = Duration::from_secs(20);
