//! Limits how often one kind of line is logged.

use std::time::{Duration, Instant};

/// Lets one line through in each interval and counts the others.
#[derive(Debug)]
pub struct LogLimit {
    interval: Duration,
    last: Option<Instant>,
    held_back: u64,
}

impl LogLimit {
    /// One line in `interval`.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, last: None, held_back: 0 }
    }

    /// Whether a line may be written `now`; if so, how many were held back since the last one.
    pub fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < self.interval) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }

    /// How many were held back since the last line, for a line about them alone, `now`.
    pub fn take_held_back(&mut self, now: Instant) -> Option<u64> {
        let held_back = std::mem::take(&mut self.held_back);
        (held_back > 0).then(|| {
            self.last = Some(now);
            held_back
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::LogLimit;

    #[test]
    fn one_line_passes_in_each_interval_and_says_how_many_did_not() {
        let (mut limit, start) = (LogLimit::new(Duration::from_secs(1)), Instant::now());
        assert_eq!(limit.pass(start), Some(0));
        assert_eq!(limit.pass(start + Duration::from_millis(500)), None);
        assert_eq!(limit.pass(start + Duration::from_millis(999)), None);
        assert_eq!(limit.pass(start + Duration::from_secs(1)), Some(2));
        assert_eq!(limit.pass(start + Duration::from_secs(2)), Some(0));
    }

    #[test]
    fn what_was_held_back_may_be_told_by_itself_and_delays_the_next_line() {
        let (mut limit, start) = (LogLimit::new(Duration::from_secs(1)), Instant::now());
        assert_eq!((limit.pass(start), limit.take_held_back(start)), (Some(0), None));
        assert_eq!(limit.pass(start + Duration::from_millis(500)), None);
        assert_eq!(limit.take_held_back(start + Duration::from_millis(900)), Some(1));
        assert_eq!(limit.pass(start + Duration::from_millis(1_800)), None);
        assert_eq!(limit.pass(start + Duration::from_millis(1_900)), Some(1));
    }
}
