//! A state that lasts, logged once when it begins and once when it ends, not at every try.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Different lines about one thing that are logged while it lasts. Some alternate for ever, as a proxy's "closed" and
/// "reset" do; others bear a number that is another one at each try.
const LINES_MAX: usize = 8;

/// The lines that were logged about one thing, while what they say holds; the latest one is the last.
#[derive(Default)]
pub(crate) struct Condition {
    said: Mutex<Vec<String>>,
}

impl Condition {
    /// Logs `line` unless it was said already.
    pub(crate) fn holds(&self, level: log::Level, line: impl Into<String>) {
        let line = line.into();
        let mut said = self.said();
        if said.len() < LINES_MAX && !said.contains(&line) {
            log::log!(level, "{line}");
            said.push(line);
        }
    }

    /// Logs `line`, which holds instead of all that was said, unless it was said last.
    pub(crate) fn holds_instead(&self, level: log::Level, line: &str) {
        let mut said = self.said();
        if said.last().is_none_or(|last| last != line) {
            log::log!(level, "{line}");
            *said = vec![line.to_owned()];
        }
    }

    /// Logs `line` if something had been said; the next [`Condition::holds`] is news again.
    pub(crate) fn has_ended(&self, line: &str) {
        if !std::mem::take(&mut *self.said()).is_empty() {
            log::info!("{line}");
        }
    }

    /// The next [`Condition::holds`] is news again.
    pub(crate) fn forget(&self) {
        self.said().clear();
    }

    fn said(&self) -> MutexGuard<'_, Vec<String>> {
        // A line is whole or not there, whoever panicked meanwhile.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::{Condition, LINES_MAX};

    #[test]
    fn what_was_said_is_remembered_until_it_has_ended() {
        let condition = Condition::default();
        for line in ["closed", "reset", "closed", "reset"] {
            condition.holds(Level::Warn, line);
        }
        assert_eq!(*condition.said(), ["closed", "reset"]);
        condition.has_ended("back");
        assert!(condition.said().is_empty());
    }

    #[test]
    fn what_holds_instead_makes_all_else_news_again() {
        let condition = Condition::default();
        condition.holds(Level::Warn, "closed");
        condition.holds_instead(Level::Info, "stands by");
        assert_eq!(*condition.said(), ["stands by"]);
        condition.holds(Level::Warn, "closed");
        assert_eq!(*condition.said(), ["stands by", "closed"]);
    }

    #[test]
    fn lines_that_are_other_ones_each_time_have_a_limit() {
        let condition = Condition::default();
        (0..2 * LINES_MAX).for_each(|number| condition.holds(Level::Warn, format!("{number} rows")));
        assert_eq!(condition.said().len(), LINES_MAX);
    }
}
