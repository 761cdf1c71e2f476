//! The heartbeat of one generation: its row is begun when the capture is complete, and counted up from then on.

use std::time::{Duration, Instant};

use common::random::Name;
use log::Level;

use crate::error::{REFUSED_INTERVAL, TermEnd};
use crate::postgres::capture_check::{Capture, check_capture};
use crate::relay::outbox::{Outbox, Snapshot};
use common::log_once::LogOnce;

/// Between two looks at a capture that is not complete yet: at most a fifth of the time writers queue behind our DDL.
const VOUCH_INTERVAL: Duration = Duration::from_millis(500);

/// Why a generation is over: something may have been lost.
pub(crate) type Broken = &'static str;

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
    /// The number that was published last.
    published: i64,
    next_step: Instant,
}

impl<'a> Heartbeats<'a> {
    /// No row yet.
    pub(crate) fn new(generation: Name, topic: &'a str, interval: Duration, incomplete: &'a LogOnce) -> Self {
        let next_step = Instant::now();
        Self { generation, topic, interval, incomplete, fingerprint: None, committed: 0, published: 0, next_step }
    }

    /// When there is something to do next.
    pub(crate) fn next_step(&self) -> Instant {
        self.next_step
    }

    /// Does what is due: completes the capture and begins the row, or commits the next number.
    pub(crate) async fn step(&mut self, outbox: &Outbox) -> Result<Option<Broken>, TermEnd> {
        if Instant::now() < self.next_step {
            return Ok(None);
        }
        if self.fingerprint.is_none() {
            self.begin(outbox).await?;
            return Ok(None);
        }
        self.next_step = Instant::now() + self.interval;
        let number = outbox.beat(self.generation).await?;
        if number != Some(self.committed + 1) {
            return Ok(Some(NOT_OURS));
        }
        self.committed += 1;
        Ok(None)
    }

    /// Whether the next read is to take the fingerprint: it reads a number that is not published.
    pub(crate) fn wants_fingerprint(&self) -> bool {
        self.committed > self.published
    }

    /// What a snapshot says against this generation, if anything.
    pub(crate) fn contradiction(&self, snapshot: &Snapshot) -> Option<Broken> {
        let fingerprint = self.fingerprint.as_ref()?;
        let is_ours = snapshot.heartbeat.as_ref().is_some_and(|(generation, number)| {
            *number == self.committed && *generation == self.generation.to_string()
        });
        if !is_ours {
            return Some(NOT_OURS);
        }
        let is_as_it_was = snapshot.fingerprint.as_ref().is_none_or(|now| now == fingerprint);
        (!is_as_it_was).then_some("the capture was changed")
    }

    /// The number that may be published, where all that the snapshot held is read.
    pub(crate) fn take_number(&mut self, snapshot: &Snapshot) -> Option<u64> {
        snapshot.fingerprint.as_ref()?;
        self.published = self.committed;
        u64::try_from(self.committed).ok()
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
                self.next_step = Instant::now() + VOUCH_INTERVAL;
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

const NOT_OURS: Broken = "the heartbeat row is not the one that was committed last";
