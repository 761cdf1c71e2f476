//! The heartbeat of one generation: its row is begun when the capture is complete, and counted up from then on.

use std::time::{Duration, Instant};

use common::log_once::LogOnce;
use common::random_name::Name;
use log::Level;

use crate::postgres::capture_check::{Capture, check_capture};
use crate::relay::GenerationEnd;
use crate::relay::outbox::{Outbox, Snapshot};
use crate::term_end::{REFUSED_INTERVAL, TermEnd};

/// Between two looks at a capture that is not complete yet: at most a fifth of the time writers queue behind our DDL.
const CAPTURE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

const NOT_OURS: GenerationEnd = GenerationEnd::Doubt("the heartbeat row is not the one that was committed last");

/// A number that this generation committed, as a snapshot read it that found the capture unchanged. Only
/// [`Heartbeats::check`] makes one, and it can't be copied: it goes through the cursor and what is in flight, and what
/// comes out at their end may be published.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(crate) struct CheckedNumber(u64);

impl CheckedNumber {
    /// The number.
    pub(crate) fn get(&self) -> u64 {
        self.0
    }

    /// One that no snapshot read.
    #[cfg(test)]
    pub(crate) fn unchecked(number: u64) -> Self {
        Self(number)
    }
}

/// The heartbeat of one generation.
pub(crate) struct Heartbeats<'a> {
    generation: Name,
    topic: &'a str,
    interval: Duration,
    /// What is said about a capture that isn't complete; it outlives a generation.
    incomplete: &'a LogOnce,
    /// The capture that this generation's numbers vouch for; none before the row is begun.
    fingerprint: Option<String>,
    /// The number that was committed last.
    committed: i64,
    /// The number that was checked last.
    checked: i64,
    next_step: Instant,
}

impl<'a> Heartbeats<'a> {
    /// No row yet.
    pub(crate) fn new(generation: Name, topic: &'a str, interval: Duration, incomplete: &'a LogOnce) -> Self {
        let next_step = Instant::now();
        Self { generation, topic, interval, incomplete, fingerprint: None, committed: 0, checked: 0, next_step }
    }

    /// When there is something to do next.
    pub(crate) fn next_step(&self) -> Instant {
        self.next_step
    }

    /// Does what is due: completes the capture and begins the row, or commits the next number.
    pub(crate) async fn step(&mut self, outbox: &Outbox) -> Result<(), GenerationEnd> {
        if Instant::now() < self.next_step {
            return Ok(());
        }
        if self.fingerprint.is_none() {
            return Ok(self.begin(outbox).await?);
        }
        self.next_step = Instant::now() + self.interval;
        if outbox.beat(self.generation).await? != Some(self.committed + 1) {
            return Err(NOT_OURS);
        }
        self.committed += 1;
        Ok(())
    }

    /// Whether a number was committed that isn't checked, for which a read has to take the fingerprint.
    pub(crate) fn wants_fingerprint(&self) -> bool {
        self.committed > self.checked
    }

    /// The number that a snapshot read, where it took the fingerprint as well.
    ///
    /// # Errors
    /// If the snapshot says something against this generation.
    pub(crate) fn check(&mut self, snapshot: &Snapshot) -> Result<Option<CheckedNumber>, GenerationEnd> {
        let Some(fingerprint) = &self.fingerprint else { return Ok(None) };
        let is_ours = snapshot.heartbeat.as_ref().is_some_and(|(generation, number)| {
            *number == self.committed && *generation == self.generation.to_string()
        });
        if !is_ours {
            return Err(NOT_OURS);
        }
        let Some(now) = &snapshot.fingerprint else { return Ok(None) };
        if now != fingerprint {
            return Err(GenerationEnd::Doubt("the capture was changed"));
        }
        self.checked = self.committed;
        Ok(u64::try_from(self.committed).ok().map(CheckedNumber))
    }

    async fn begin(&mut self, outbox: &Outbox) -> Result<(), TermEnd> {
        match check_capture(&outbox.session).await {
            Ok(Capture::Complete(fingerprint)) => {
                outbox.begin_generation(self.generation, self.topic).await?;
                self.incomplete.has_ended("the capture is complete");
                self.fingerprint = Some(fingerprint);
                self.committed = 1;
                self.next_step = Instant::now() + self.interval;
            }
            Ok(Capture::NotYet(what)) => {
                self.incomplete.holds(Level::Warn, format!("the capture is not complete yet; waits for {what}"));
                self.next_step = Instant::now() + CAPTURE_CHECK_INTERVAL;
            }
            Err(TermEnd::Refused(line)) => {
                self.incomplete.holds(Level::Error, line);
                self.next_step = Instant::now() + REFUSED_INTERVAL;
            }
            Err(ended) => return Err(ended),
        }
        Ok(())
    }
}
