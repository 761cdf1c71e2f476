//! A state that lasts, logged once when it begins and once when it ends, not at every try.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The line that was logged last about one thing, while what it says holds.
#[derive(Default)]
pub(crate) struct Condition {
    said: Mutex<Option<String>>,
}

impl Condition {
    /// Logs `line` unless it is what was said last.
    pub(crate) fn holds(&self, level: log::Level, line: impl Into<String>) {
        let line = line.into();
        let mut said = self.said();
        if said.as_ref() != Some(&line) {
            log::log!(level, "{line}");
            *said = Some(line);
        }
    }

    /// Logs `line` if something had been said; the next [`Condition::holds`] is news again.
    pub(crate) fn has_ended(&self, line: &str) {
        if self.said().take().is_some() {
            log::info!("{line}");
        }
    }

    /// The next [`Condition::holds`] is news again.
    pub(crate) fn forget(&self) {
        self.said().take();
    }

    fn said(&self) -> MutexGuard<'_, Option<String>> {
        // A line is whole or not there, whoever panicked meanwhile.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Condition;

    #[test]
    fn what_was_said_is_remembered_until_it_has_ended() {
        let condition = Condition::default();
        condition.holds(log::Level::Warn, "away");
        condition.holds(log::Level::Warn, "still away");
        assert_eq!(condition.said().as_deref(), Some("still away"));
        condition.has_ended("back");
        assert_eq!(condition.said().as_deref(), None);
    }
}
