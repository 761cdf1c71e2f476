//! The api's own clock: it goes on while the machine sleeps, and is never compared with another machine's.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point on this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

/// `Instant` stands still on Linux while the machine is suspended, so that an answer would look younger than it is.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

impl Moment {
    pub(crate) fn now() -> Self {
        // Time since boot can't be negative.
        Self(Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default())
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Moment;

    #[test]
    fn time_passes() {
        let before = Moment::now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(before.elapsed() >= Duration::from_millis(2));
        assert!(before < Moment::now());
    }
}
