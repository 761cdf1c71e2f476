//! When the relay looks next: soon while there is something to do, later when a notification says so.
//!
//! Parked, it holds an advisory lock that makes writers notify. It may stay parked over many reads: each writer that
//! captured before the lock was had has ended and is seen by the first read under it; each later one notifies.

use std::time::Duration;

/// Empty reads after which it is worth a writer's notification that there are no more of them: a wake-up is quicker than
/// the next read, and who changes something less than 40 times a second doesn't feel what it costs.
const EMPTY_READS_TO_PARK: u32 = 4;

/// Refusals in a row after which a long transaction is assumed, and reads become rare.
const REFUSALS_TO_SLOW_DOWN: u32 = 3;

/// Between two reads where parking isn't possible.
const SLOW_INTERVAL: Duration = Duration::from_millis(25);

/// Reads at [`SLOW_INTERVAL`] between two tries to park: 250 ms.
const READS_BETWEEN_TRIES: u32 = 10;

/// New rows in one read from which on it is worth waiting longer for more of them: a turn costs a request to each
/// partition, however many codes each of them bears, and about so many partitions there are.
const FLOOD_ROWS: usize = 8;

/// Between two reads while each of them finds a flood: one writer alone kept a tenth more of its rate than at 5 ms, and
/// at 100 ms no more than that.
const FLOOD_INTERVAL: Duration = Duration::from_millis(50);

/// Parked, it looks at least this often, whatever the heartbeat's interval.
pub(crate) const PARKED_LIMIT: Duration = Duration::from_millis(250);

/// What to do before the next read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Wait so long.
    For(Duration),
    /// Try for the lock, then read at once.
    TryToPark,
    /// Give the lock back, then read at once.
    Unpark,
    /// Wait for a notification, or what else there is to do.
    UntilNotified,
}

/// What a read found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadOutcome {
    /// Rows that no read before had found.
    pub(crate) news: usize,
    /// Whether there is more.
    pub(crate) more: bool,
}

/// How busy the outbox has been.
pub(crate) struct PollSchedule {
    poll_interval: Duration,
    /// The next pause while there is something to do: longer from read to read in a flood.
    pause: Duration,
    parked: bool,
    empty_reads: u32,
    refusals: u32,
}

impl PollSchedule {
    /// Busy at first.
    pub(crate) fn new(poll_interval: Duration) -> Self {
        Self { poll_interval, pause: poll_interval, parked: false, empty_reads: 0, refusals: 0 }
    }

    /// After a read.
    pub(crate) fn after_read(&mut self, found: ReadOutcome, may_park: bool) -> Pause {
        let is_empty = found.news == 0;
        self.empty_reads = if is_empty { self.empty_reads.saturating_add(1) } else { 0 };
        if !is_empty {
            self.refusals = 0;
        }
        self.pause = if found.more {
            // By half: in a flood that one read can hardly hold, most reads would be short ones if it began anew.
            (self.pause / 2).max(self.poll_interval)
        } else if found.news >= FLOOD_ROWS {
            (self.pause * 2).min(FLOOD_INTERVAL.max(self.poll_interval))
        } else {
            self.poll_interval
        };
        if self.parked {
            return if is_empty && may_park { Pause::UntilNotified } else { Pause::Unpark };
        }
        if self.empty_reads < EMPTY_READS_TO_PARK {
            return Pause::For(self.pause);
        }
        let slow = self.refusals >= REFUSALS_TO_SLOW_DOWN;
        if !may_park || (slow && !self.empty_reads.is_multiple_of(READS_BETWEEN_TRIES)) {
            return Pause::For(SLOW_INTERVAL.max(self.poll_interval));
        }
        Pause::TryToPark
    }

    /// Whether the lock was had.
    pub(crate) fn tried(&mut self, parked: bool) {
        self.parked = parked;
        self.refusals = if parked { 0 } else { self.refusals.saturating_add(1) };
    }

    /// The lock was given back.
    pub(crate) fn unparked(&mut self) {
        self.parked = false;
        self.empty_reads = 0;
    }

    /// Whether the lock is held.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        EMPTY_READS_TO_PARK, FLOOD_INTERVAL, FLOOD_ROWS, Pause, PollSchedule, REFUSALS_TO_SLOW_DOWN, ReadOutcome,
        SLOW_INTERVAL,
    };

    const POLL: Duration = Duration::from_millis(5);
    const NOTHING: ReadOutcome = ReadOutcome { news: 0, more: false };
    const ONE: ReadOutcome = ReadOutcome { news: 1, more: false };
    const FLOOD: ReadOutcome = ReadOutcome { news: FLOOD_ROWS, more: false };

    /// After enough empty reads for a first try to park.
    fn idle() -> PollSchedule {
        let mut schedule = PollSchedule::new(POLL);
        for _ in 1..EMPTY_READS_TO_PARK {
            assert_eq!(schedule.after_read(NOTHING, true), Pause::For(POLL));
        }
        assert_eq!(schedule.after_read(NOTHING, true), Pause::TryToPark);
        schedule
    }

    #[test]
    fn it_parks_after_some_empty_reads_and_stays_parked_until_something_is_found() {
        let mut schedule = idle();
        schedule.tried(true);
        for _ in 0..3 {
            assert_eq!(schedule.after_read(NOTHING, true), Pause::UntilNotified);
        }
        assert_eq!(schedule.after_read(ONE, true), Pause::Unpark);
        schedule.unparked();
        assert_eq!(schedule.after_read(NOTHING, true), Pause::For(POLL));
    }

    #[test]
    fn refused_often_it_reads_slowly_and_tries_now_and_then() {
        let mut schedule = idle();
        for _ in 1..REFUSALS_TO_SLOW_DOWN {
            schedule.tried(false);
            assert_eq!(schedule.after_read(NOTHING, true), Pause::TryToPark);
        }
        schedule.tried(false);
        let pauses: Vec<_> = (0..20).map(|_| schedule.after_read(NOTHING, true)).collect();
        assert_eq!(pauses.iter().filter(|pause| **pause == Pause::TryToPark).count(), 2);
        assert_eq!(pauses.iter().filter(|pause| **pause == Pause::For(SLOW_INTERVAL)).count(), 18);
    }

    #[test]
    fn something_found_makes_it_quick_again() {
        let mut schedule = idle();
        for _ in 0..REFUSALS_TO_SLOW_DOWN {
            schedule.tried(false);
        }
        assert_eq!(schedule.after_read(ONE, true), Pause::For(POLL));
    }

    #[test]
    fn where_a_notification_could_do_harm_it_does_not_park_and_leaves_where_it_has() {
        let mut schedule = idle();
        assert_eq!(schedule.after_read(NOTHING, false), Pause::For(SLOW_INTERVAL));
        schedule.tried(true);
        assert_eq!(schedule.after_read(NOTHING, false), Pause::Unpark);
    }

    #[test]
    fn a_flood_is_read_less_and_less_often_until_it_ends() {
        let mut schedule = PollSchedule::new(POLL);
        assert_eq!(schedule.after_read(FLOOD, true), Pause::For(POLL * 2));
        assert_eq!(schedule.after_read(FLOOD, true), Pause::For(POLL * 4));
        for _ in 0..3 {
            schedule.after_read(FLOOD, true);
        }
        assert_eq!(schedule.after_read(FLOOD, true), Pause::For(FLOOD_INTERVAL));
        assert_eq!(schedule.after_read(ONE, true), Pause::For(POLL));
    }

    #[test]
    fn what_one_read_could_not_hold_is_read_sooner_and_sooner() {
        let mut schedule = PollSchedule::new(POLL);
        for _ in 0..2 {
            schedule.after_read(FLOOD, true);
        }
        let more = ReadOutcome { more: true, ..FLOOD };
        assert_eq!([(); 3].map(|()| schedule.after_read(more, true)), [2, 1, 1].map(|times| Pause::For(POLL * times)));
    }

    #[test]
    fn a_longer_interval_than_that_of_floods_stays() {
        let slow = FLOOD_INTERVAL * 3;
        assert_eq!(PollSchedule::new(slow).after_read(FLOOD, true), Pause::For(slow));
    }
}
