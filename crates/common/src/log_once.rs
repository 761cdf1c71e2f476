//! Something that lasts, logged once when it begins and once when it ends, not at every try.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

/// Different lines about one thing that are logged while it lasts. Some alternate for ever, as a proxy's "closed" and
/// "reset" do; others bear a number that is another one at each try.
const LINES_MAX: usize = 8;

/// What many requests meet at once isn't over because one of them got through: no pair of lines for each request.
const SETTLED: Duration = Duration::from_secs(1);

/// A cause that is another one at each request is logged no more often than this.
const REPEATED: Duration = Duration::from_secs(5);

/// The lines that were logged about one thing, while what they say holds.
#[derive(Debug, Default)]
pub struct LogOnce {
    /// After the last failure it must have worked for so long before it is over.
    settled: Duration,
    /// Between two lines about different causes.
    repeated: Duration,
    lasts: AtomicBool,
    said: Mutex<Option<Said>>,
}

#[derive(Debug)]
struct Said {
    /// The latest one is the last.
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
        Self { settled: SETTLED, repeated: REPEATED, lasts: AtomicBool::new(false), said: Mutex::new(None) }
    }

    /// It holds: logs `line` unless that was logged already.
    pub fn holds(&self, level: Level, line: impl AsRef<str>) {
        let (mut said, line) = (self.said(), line.as_ref());
        let now = Instant::now();
        match &mut *said {
            None => {
                *said = Some(Said { lines: vec![line.to_owned()], since: now, logged: now, seen: now });
                self.lasts.store(true, Ordering::Relaxed);
                log::log!(level, "{line}");
            }
            Some(said) => {
                said.seen = now;
                let is_news = said.lines.len() < LINES_MAX && !said.lines.iter().any(|other| other == line);
                if is_news && said.logged.elapsed() >= self.repeated {
                    log::log!(level, "{line}");
                    said.lines.push(line.to_owned());
                    said.logged = now;
                }
            }
        }
    }

    /// Logs `line`, which holds instead of all that was said, unless it was said last.
    pub fn holds_instead(&self, level: Level, line: &str) {
        let said_last = self.said().as_ref().is_some_and(|said| said.lines.last().is_some_and(|last| last == line));
        if !said_last {
            self.forget();
            self.holds(level, line);
        }
    }

    /// It is over: logs `line` if something had been said, whose next [`LogOnce::holds`] is news again. Costs nothing
    /// where nothing had.
    pub fn has_ended(&self, line: &str) {
        if !self.lasts() {
            return;
        }
        if self.said().take_if(|said| said.seen.elapsed() >= self.settled).is_some() {
            self.lasts.store(false, Ordering::Relaxed);
            log::info!("{line}");
        }
    }

    /// The next [`LogOnce::holds`] is news again.
    pub fn forget(&self) {
        *self.said() = None;
        self.lasts.store(false, Ordering::Relaxed);
    }

    /// Whether it lasts.
    pub fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }

    /// For how long it has lasted, where it does.
    pub fn lasts_for(&self) -> Option<Duration> {
        self.said().as_ref().map(|said| said.since.elapsed())
    }

    fn said(&self) -> MutexGuard<'_, Option<Said>> {
        // Each change of it is one step, so it is whole whoever panicked meanwhile.
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
