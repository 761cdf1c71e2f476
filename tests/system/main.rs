//! The whole system from outside, on real servers: three real programs, one test a behaviour.
//!
//! `tests/run -p system-tests --test system` runs them all, with a word behind it those that contain it.

/// One change, by every kind of statement, from the table to the HTTP answer.
mod change;
/// What a statement leaves in the outbox.
mod outbox;
/// The first start, and what later ones leave alone.
mod start;

/// Servers that are away when the programs start.
mod absent;
/// Many clients, one cold code.
mod crowd;
/// Restarts and stops, with readers and a writer at work.
mod restart;

/// Notifications and messages made by hand, good and bad.
mod by_hand;
/// Codes, image names and requests as nobody should send them.
mod requests;
/// Settings that are wrong.
mod settings;

/// Tables that were there before, good and bad.
mod adopted;
/// Topics that are not as they should be.
mod topic;
/// Servers that must not be led: a standby, and one behind a pooler.
mod unfit;

use std::time::Duration;

/// From a commit until the answer is right, with all of it on two busy cores; alone it is milliseconds.
const TRAVEL_LIMIT: Duration = Duration::from_secs(5);

/// From a server's return, or the end of what was wrong, until the system is whole.
const HEAL_LIMIT: Duration = Duration::from_secs(5);
