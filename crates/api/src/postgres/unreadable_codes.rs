//! The codes whose data PostgreSQL can't give us: each is said once when it begins and once when it ends, and none of
//! them makes anything else wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::log_once::LogOnce;

use crate::clock::Moment;
use crate::postgres::database_error::DatabaseError;

/// Codes that are remembered, and have a line each: enough to see what is wrong with a table.
const CODES_MAX: usize = 64;

/// A code that nobody has asked for since is forgotten after this time: it may have been put right long ago.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// The codes whose data could not be read lately.
#[derive(Default)]
pub(crate) struct UnreadableCodes(Mutex<BTreeMap<String, UnreadableCode>>);

#[derive(Default)]
struct UnreadableCode {
    log: LogOnce,
    /// When it was last found unreadable.
    seen: Option<Moment>,
}

impl UnreadableCodes {
    /// The data of `code` can't be read.
    pub(crate) fn holds(&self, code: &str, why: &DatabaseError) {
        let mut codes = self.remembered();
        if codes.len() < CODES_MAX || codes.contains_key(code) {
            let unreadable = codes.entry(code.to_owned()).or_default();
            unreadable.seen = Some(Moment::now());
            unreadable.log.holds(why.level(), format!("the data of `{code}` can't be read: {why}"));
        }
    }

    /// The data of `code` were read.
    pub(crate) fn has_ended(&self, code: &str) {
        if let Some(unreadable) = self.codes().remove(code) {
            unreadable.log.has_ended(format_args!("the data of `{code}` are read again"));
        }
    }

    /// For how long the first of them has been unreadable, and which they are; at most [`CODES_MAX`].
    pub(crate) fn lasting(&self) -> Option<(Duration, Vec<String>)> {
        let codes = self.remembered();
        let longest = codes.values().filter_map(|unreadable| unreadable.log.lasts_for()).max()?;
        Some((longest, codes.keys().cloned().collect()))
    }

    fn remembered(&self) -> MutexGuard<'_, BTreeMap<String, UnreadableCode>> {
        let mut codes = self.codes();
        codes.retain(|_, unreadable| unreadable.seen.is_some_and(|seen| seen.elapsed() < FORGOTTEN_AFTER));
        codes
    }

    fn codes(&self) -> MutexGuard<'_, BTreeMap<String, UnreadableCode>> {
        // Every change to it is one step, so a panic elsewhere can't have left half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES_MAX, UnreadableCodes};
    use crate::postgres::database_error::DatabaseError;

    #[test]
    fn a_code_is_remembered_until_it_is_read() {
        let (codes, why) = (UnreadableCodes::default(), DatabaseError::Unreadable("no text".to_owned()));
        codes.holds("BGR", &why);
        codes.holds("BGR", &why);
        codes.has_ended("FRA");
        assert_eq!(codes.lasting().unwrap().1, ["BGR"]);
        codes.has_ended("BGR");
        assert!(codes.lasting().is_none());
    }

    #[test]
    fn there_is_a_limit() {
        let (codes, why) = (UnreadableCodes::default(), DatabaseError::Unreadable("no text".to_owned()));
        (0..2 * CODES_MAX).for_each(|number| codes.holds(&number.to_string(), &why));
        assert_eq!(codes.lasting().unwrap().1.len(), CODES_MAX);
    }
}
