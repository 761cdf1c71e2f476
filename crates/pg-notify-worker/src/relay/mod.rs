//! The loop: read -> publish -> heartbeat -> delete -> pause, for one generation.
//!
//! The order can't be written wrongly by accident: a number goes from [`heartbeat`] through [`cursor`] into
//! [`in_flight`], each of which keeps it until its own condition holds, and only [`in_flight`] makes messages.

pub(crate) mod collapse; // One row for more than may wait.
pub(crate) mod cursor; // How far the outbox is read.
pub(crate) mod delivery; // What leaves for Kafka and what comes back.
pub(crate) mod heartbeat; // The number that vouches for what was published before it.
pub(crate) mod in_flight; // What is read, on its way, acknowledged.
pub(crate) mod outbox; // The statements.
pub(crate) mod poll_schedule; // When to look next.
pub(crate) mod term; // What one term of a leader works with.

#[cfg(test)]
mod cursor_model; // Every order of events around the cursor.

use std::mem;
use std::time::{Duration, Instant};

use common::random_name::Name;
use common::settings::Relay as Timing;
use log::Level;
use tokio::time::{sleep, sleep_until};

use crate::relay::collapse::Collapse;
use crate::relay::cursor::Cursor;
use crate::relay::delivery::Delivery;
use crate::relay::heartbeat::Heartbeats;
use crate::relay::outbox::{ReadRequest, Snapshot};
use crate::relay::poll_schedule::{PARKED_LIMIT, Pause, PollSchedule, ReadOutcome};
use crate::relay::term::Term;
use crate::term_end::{ConnectionLost, TermEnd};

/// New rows that one statement reads, beside those that the last transaction has more.
const BATCH_ROWS: usize = 1_000;

/// Rows that one statement deletes at most: some 10 ms.
const DELETED_ROWS_MAX: usize = 10_000;

/// A leader that could publish nothing for so long lets another worker lead.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Limit for what is on its way when the program is told to stop.
const FINISH_LIMIT: Duration = Duration::from_secs(3);

/// Why a generation ends, where the program isn't told to stop.
#[derive(Debug)]
pub(crate) enum GenerationEnd {
    /// Something may have been lost: the next generation begins.
    Doubt(&'static str),
    /// The term ends with it.
    Term(TermEnd),
}

impl<E: Into<TermEnd>> From<E> for GenerationEnd {
    fn from(error: E) -> Self {
        Self::Term(error.into())
    }
}

/// One generation.
pub(crate) struct Relay<'a> {
    term: &'a Term<'a>,
    generation: Name,
    backend: Option<i32>,
    heartbeats: Heartbeats<'a>,
    cursor: Cursor,
    delivery: Delivery<'a>,
    schedule: PollSchedule,
    collapse: Option<Collapse>,
    /// Whether the parked lock is given back with the next read.
    unpark_with_read: bool,
}

impl<'a> Relay<'a> {
    /// Begins with nothing in flight, and reads the outbox from its beginning.
    pub(crate) async fn new(term: &'a Term<'a>) -> Result<Self, TermEnd> {
        let generation = Name::random();
        let (kafka, timing) = (&term.settings.kafka, term.settings.relay);
        let delivery = Delivery::new(term, generation).await;
        Ok(Self {
            term,
            generation,
            backend: None,
            heartbeats: Heartbeats::new(generation, &kafka.topic, timing.heartbeat_interval, term.incomplete),
            cursor: Cursor::new(batch_rows(timing)),
            delivery: delivery
                .map_err(|error| TermEnd::Refused(format!("the Kafka producer can't be set up: {error}")))?,
            schedule: PollSchedule::new(timing.poll_interval),
            collapse: None,
            unpark_with_read: false,
        })
    }

    /// Runs until the program is told to stop, and then finishes what had been begun.
    ///
    /// # Errors
    /// Why the generation ends before that.
    pub(crate) async fn run(&mut self) -> Result<(), GenerationEnd> {
        while !self.term.shutdown.is_cancelled() {
            self.turn().await?;
            if let Some(why) = self.delivery.fatal() {
                log::debug!("the Kafka producer can't go on: {why}");
                return Err(GenerationEnd::Doubt("the Kafka producer no longer knows what Kafka has"));
            }
            // What is collapsing is finished first: the next term would pass over what is empty by then once more.
            if self.delivery.silence() > SILENCE_MAX && self.collapse.is_none() {
                return Err(TermEnd::NothingPublished(SILENCE_MAX).into());
            }
        }
        self.finish().await
    }

    async fn turn(&mut self) -> Result<(), GenerationEnd> {
        let outbox = &self.term.outbox;
        outbox.put(&outbox.session.notifications.take()).await?;
        self.heartbeats.step(outbox).await?;
        let snapshot = self.read().await?;
        let may_park = snapshot.may_park;
        let found = self.take_note(snapshot).await?;
        self.delivery.send().await;
        self.delete_published().await?;
        let found = self.delete_stood_for(found).await?;
        self.pause(found, may_park).await?;
        Ok(())
    }

    async fn read(&mut self) -> Result<Snapshot, TermEnd> {
        let outbox = &self.term.outbox;
        let read = outbox.read(ReadRequest {
            unread: self.cursor.unread(),
            batch_rows: batch_rows(self.timing()),
            // One more than may wait: whatever that one belongs to, it is too much.
            rows_max: self.timing().outbox_limit + 1,
            fingerprint: self.cursor.begins_a_sweep() && self.heartbeats.wants_fingerprint(),
        });
        let snapshot = if mem::take(&mut self.unpark_with_read) {
            // On their way together: the read first, and no commit notifies longer than it must.
            let (snapshot, unparked) = tokio::join!(read, outbox.unpark());
            unparked?;
            self.schedule.unparked();
            snapshot?
        } else {
            read.await?
        };
        if *self.backend.get_or_insert(snapshot.backend) != snapshot.backend {
            return Err(common::postgres::UnfitSession::Pooler.into());
        }
        Ok(snapshot)
    }

    /// What a snapshot says is checked, and then to be told. The outbox must not grow without a limit while Kafka takes
    /// nothing, nor the memory that a transaction of very many statements takes.
    async fn take_note(&mut self, snapshot: Snapshot) -> Result<ReadOutcome, GenerationEnd> {
        let number = self.heartbeats.check(&snapshot)?;
        let limit = self.timing().outbox_limit;
        if self.delivery.in_flight().rows() + snapshot.rows.len() > limit {
            self.begin_collapse(limit).await?;
            return Ok(ReadOutcome { news: snapshot.rows.len(), more: false });
        }
        let batch = self.cursor.advance(snapshot.horizon, number, snapshot.rows);
        let more = batch.more;
        Ok(ReadOutcome { news: self.delivery.in_flight().absorb(batch), more })
    }

    async fn begin_collapse(&mut self, limit: usize) -> Result<(), ConnectionLost> {
        let stand_in = self.term.outbox.insert_stand_in().await?;
        // Told at once, not when that row is read: no heartbeat may overtake what the deleted rows said.
        self.delivery.in_flight().absorb_stand_in(stand_in.ctid);
        self.cursor.skip_to(stand_in.horizon.clone());
        self.collapse = Some(Collapse::new(stand_in));
        let line = format!("more than {limit} changes wait for Kafka; they became one that empties the whole cache");
        self.term.said.holds(Level::Warn, line);
        Ok(())
    }

    async fn delete_published(&mut self) -> Result<(), GenerationEnd> {
        let ctids = self.delivery.in_flight().published(DELETED_ROWS_MAX);
        let count = ctids.len();
        if count == 0 {
            return Ok(());
        }
        let deleted = self.term.outbox.delete(ctids).await?;
        self.delivery.in_flight().forget_published(count);
        if deleted == count as u64 { Ok(()) } else { Err(GenerationEnd::Doubt("rows vanished from the outbox")) }
    }

    /// Where one row stands for all, deletes some of them.
    async fn delete_stood_for(&mut self, found: ReadOutcome) -> Result<ReadOutcome, ConnectionLost> {
        let Some(collapse) = &mut self.collapse else { return Ok(found) };
        match collapse.step(&self.term.outbox).await? {
            Some(deleted) => {
                log::debug!("{deleted} rows of the outbox are gone, for which another one stands");
                self.collapse = None;
                Ok(found)
            }
            // As if rows had been found: nobody parks while there is something to delete.
            None => Ok(ReadOutcome { news: found.news.max(1), more: true }),
        }
    }

    async fn pause(&mut self, found: ReadOutcome, may_park: bool) -> Result<(), ConnectionLost> {
        match self.schedule.after_read(found, may_park) {
            Pause::For(time) => self.wait(Instant::now() + time, false).await,
            Pause::TryToPark => {
                let is_parked = self.term.outbox.park().await?;
                self.schedule.tried(is_parked);
                if !is_parked {
                    self.wait(Instant::now() + self.timing().poll_interval, false).await;
                }
            }
            Pause::Unpark => self.unpark_with_read = true,
            Pause::UntilNotified => {
                self.wait(self.heartbeats.next_step().min(Instant::now() + PARKED_LIMIT), true).await;
            }
        }
        Ok(())
    }

    /// Waits until `limit`, or until there is something to do.
    async fn wait(&mut self, limit: Instant, for_notification: bool) {
        let term = self.term;
        loop {
            tokio::select! {
                () = sleep_until(limit.into()) => return,
                () = term.shutdown.cancelled() => return,
                () = term.outbox.session.notifications.arrival(), if for_notification => {
                    self.unpark_with_read = true;
                    return;
                }
                leaves_something_to_do = self.delivery.report() => if leaves_something_to_do {
                    return;
                },
            }
        }
    }

    /// What has been begun is published and deleted, within a limit.
    async fn finish(&mut self) -> Result<(), GenerationEnd> {
        let limit = Instant::now() + FINISH_LIMIT;
        while !self.delivery.in_flight().is_clear() && Instant::now() < limit {
            // PostgreSQL ends a session that is silent for 2 s, and what is acknowledged late is still to be deleted:
            // to delete nothing is something said.
            self.term.outbox.delete(&[]).await?;
            self.delivery.send().await;
            self.delete_published().await?;
            // What was refused pauses before it leaves again.
            sleep(self.timing().poll_interval).await;
        }
        while !self.delivery.in_flight().published(1).is_empty() {
            self.delete_published().await?;
        }
        let left = self.delivery.in_flight().rows();
        if left > 0 {
            log::warn!("{left} changes are not published yet; they stay in the outbox");
        }
        Ok(())
    }

    /// Its name.
    pub(crate) fn generation(&self) -> Name {
        self.generation
    }

    /// Whether it holds the parked lock.
    pub(crate) fn is_parked(&self) -> bool {
        self.schedule.is_parked()
    }

    fn timing(&self) -> Timing {
        self.term.settings.relay
    }
}

fn batch_rows(timing: Timing) -> usize {
    BATCH_ROWS.min(timing.outbox_limit)
}
