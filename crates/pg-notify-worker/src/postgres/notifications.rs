//! What PostgreSQL sends unasked: wake-ups, codes notified by hand, and its last words.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::code::{CODE_BYTES_MAX, normalise};
use tokio::sync::Notify;

/// Different codes notified by hand that are kept between two polls; more of them mean "anything may have changed".
const NOTIFIED_CODES_MAX: usize = 1_000;

/// Notifications that came since it was last emptied.
#[derive(Default)]
pub(crate) struct Notifications {
    received: Mutex<Received>,
    arrived: Notify,
}

#[derive(Default)]
struct Received {
    codes: BTreeSet<String>,
    too_many: bool,
    last_words: Option<String>,
}

/// Changes that somebody notified by hand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notified {
    Nothing,
    Codes(Vec<String>),
    Anything,
}

impl Notifications {
    /// Returns when something has arrived, or the connection has ended.
    pub(crate) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Takes out the codes that were notified by hand.
    pub(crate) fn take(&self) -> Notified {
        let mut received = self.received();
        let codes = mem::take(&mut received.codes);
        if mem::take(&mut received.too_many) {
            Notified::Anything
        } else if codes.is_empty() {
            Notified::Nothing
        } else {
            Notified::Codes(codes.into_iter().collect())
        }
    }

    /// An empty payload only wakes; any other is a code that changed.
    pub(crate) fn put(&self, payload: &str) {
        let code = normalise(payload);
        if code.len() > CODE_BYTES_MAX {
            log::debug!("a notification of {} bytes is ignored: no code is that long", code.len());
        } else if !code.is_empty() {
            let mut received = self.received();
            if received.codes.len() < NOTIFIED_CODES_MAX {
                received.codes.insert(code);
            } else {
                received.too_many = true;
            }
        }
        self.wake();
    }

    /// Keeps what PostgreSQL said when it ended the connection, and wakes who waits.
    pub(crate) fn put_last_words(&self, words: String) {
        self.received().last_words = Some(words);
        self.wake();
    }

    /// Ends a wait for an arrival.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }

    /// What PostgreSQL said when it ended the connection.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.received().last_words.clone()
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        // Each change of it is one step, so it is whole whoever panicked meanwhile.
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{NOTIFIED_CODES_MAX, Notifications, Notified};

    #[test]
    fn a_code_notified_by_hand_is_kept_once_and_normalised() {
        let notifications = Notifications::default();
        for payload in ["BGR", " bgr ", "", "   ", &"X".repeat(5_000)] {
            notifications.put(payload);
        }
        assert_eq!(notifications.take(), Notified::Codes(vec!["BGR".to_owned()]));
        assert_eq!(notifications.take(), Notified::Nothing);
    }

    #[test]
    fn a_flood_of_codes_becomes_anything() {
        let notifications = Notifications::default();
        for number in 0..=NOTIFIED_CODES_MAX {
            notifications.put(&number.to_string());
        }
        assert_eq!(notifications.take(), Notified::Anything);
        assert_eq!(notifications.take(), Notified::Nothing);
    }
}
