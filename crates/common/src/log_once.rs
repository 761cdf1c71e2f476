//! Something that lasts, logged once when it begins and once when it ends, not at every try.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

/// Different lines about one thing that are logged while it lasts. Some alternate for ever, as a proxy's "closed" and
/// "reset" do; others contain a number that changes with every try.
const LINES_MAX: usize = 8;

/// Among many requests, one that gets through doesn't end what the others still meet: without this, each would log a
/// pair of lines.
const REQUESTS_SETTLED: Duration = Duration::from_secs(1);

/// Among many requests, causes that differ from one to the next are logged no more often than this.
const REQUESTS_INTERVAL: Duration = Duration::from_secs(5);

/// What was logged about one thing, for as long as it lasts.
///
/// A failure is reported with [`holds`](Self::holds) each time, a success with [`has_ended`](Self::has_ended) each time;
/// only what is news is logged. [`LogLimit`](crate::log_limit::LogLimit) is for events instead, which don't last.
#[derive(Debug, Default)]
pub struct LogOnce {
    /// It counts as over only when it hasn't been reported for so long.
    settled: Duration,
    /// Shortest time between two different lines.
    interval: Duration,
    /// Whether `said` is there, for those who only want to know that.
    lasts: AtomicBool,
    said: Mutex<Option<Said>>,
}

#[derive(Debug)]
struct Said {
    /// In the order in which they were logged.
    lines: Vec<String>,
    since: Instant,
    /// When a line was logged last.
    logged: Instant,
    /// When it was reported last, logged or not.
    seen: Instant,
}

impl LogOnce {
    /// For what many requests report at once, some of which fail while others don't.
    pub const fn for_requests() -> Self {
        Self {
            settled: REQUESTS_SETTLED,
            interval: REQUESTS_INTERVAL,
            lasts: AtomicBool::new(false),
            said: Mutex::new(None),
        }
    }

    /// It holds: logs `line` unless that was logged already.
    pub fn holds(&self, level: Level, line: impl Display) {
        let (mut said, line, now) = (self.said(), line.to_string(), Instant::now());
        let Some(said) = &mut *said else {
            log::log!(level, "{line}");
            *said = Some(Said { lines: vec![line], since: now, logged: now, seen: now });
            self.lasts.store(true, Ordering::Relaxed);
            return;
        };
        said.seen = now;
        let is_news = said.lines.len() < LINES_MAX && !said.lines.contains(&line);
        if is_news && said.logged.elapsed() >= self.interval {
            log::log!(level, "{line}");
            said.lines.push(line);
            said.logged = now;
        }
    }

    /// `line` holds instead of all that was logged: logs it unless it was the last.
    pub fn holds_instead(&self, level: Level, line: impl Display) {
        let line = line.to_string();
        let is_last = self.said().as_ref().is_some_and(|said| said.lines.last() == Some(&line));
        if !is_last {
            self.forget();
            self.holds(level, line);
        }
    }

    /// It is over: logs `line` if anything had been logged; the next [`holds`](Self::holds) is news again.
    ///
    /// Costs nothing where nothing had been: with `format_args!`, not even the line is made.
    pub fn has_ended(&self, line: impl Display) {
        if !self.lasts() {
            return;
        }
        if self.said().take_if(|said| said.seen.elapsed() >= self.settled).is_some() {
            self.lasts.store(false, Ordering::Relaxed);
            log::info!("{line}");
        }
    }

    /// Forgets it without a line; the next [`holds`](Self::holds) is news again. Costs nothing where nothing was said.
    pub fn forget(&self) {
        if self.lasts() {
            *self.said() = None;
            self.lasts.store(false, Ordering::Relaxed);
        }
    }

    /// Whether it lasts.
    pub fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }

    /// For how long it has lasted, if it does.
    pub fn lasts_for(&self) -> Option<Duration> {
        self.said().as_ref().map(|said| said.since.elapsed())
    }

    fn said(&self) -> MutexGuard<'_, Option<Said>> {
        // Every change to it is one step, so a panic elsewhere can't have left half of one.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::{LINES_MAX, LogOnce};

    fn said(log: &LogOnce) -> Vec<String> {
        log.said().as_ref().map(|said| said.lines.clone()).unwrap_or_default()
    }

    #[test]
    fn what_was_said_is_remembered_until_it_has_ended() {
        let log = LogOnce::default();
        for line in ["closed", "reset", "closed", "reset"] {
            log.holds(Level::Warn, line);
        }
        assert_eq!(said(&log), ["closed", "reset"]);
        assert!(log.lasts() && log.lasts_for().is_some());
        log.has_ended("back");
        assert!(said(&log).is_empty() && !log.lasts() && log.lasts_for().is_none());
    }

    #[test]
    fn what_holds_instead_makes_all_else_news_again() {
        let log = LogOnce::default();
        log.holds(Level::Warn, "closed");
        log.holds_instead(Level::Info, "stands by");
        assert_eq!(said(&log), ["stands by"]);
        log.holds(Level::Warn, "closed");
        assert_eq!(said(&log), ["stands by", "closed"]);
    }

    #[test]
    fn lines_that_are_other_ones_each_time_have_a_limit() {
        let log = LogOnce::default();
        (0..2 * LINES_MAX).for_each(|number| log.holds(Level::Warn, format!("{number} rows")));
        assert_eq!(said(&log).len(), LINES_MAX);
    }

    #[test]
    fn what_failed_for_one_request_a_moment_ago_is_not_over_because_another_got_through() {
        let log = LogOnce::for_requests();
        log.holds(Level::Warn, "refused");
        log.holds(Level::Warn, "closed");
        log.has_ended("back");
        assert!(log.lasts());
        assert_eq!(said(&log), ["refused"], "another cause is told later, if it lasts");
    }
}
