//! The loop: read -> publish -> heartbeat -> delete -> rest, for one generation.

pub(crate) mod heartbeat; // The number that vouches for what was published before it.
pub(crate) mod in_flight; // What is read, on its way, acknowledged.
pub(crate) mod outbox; // The statements.
pub(crate) mod poll_schedule; // When to look next.
pub(crate) mod term; // What one term of a leader works with.

use std::time::{Duration, Instant};

use common::message::Action;
use common::random::Name;
use common::settings::Relay as Timing;
use common::shard::Shard;
use tokio::time::{sleep, sleep_until, timeout_at};

use crate::error::{ConnectionLost, TermEnd};
use crate::kafka::publisher::{Publisher, Report};
use crate::postgres::system_columns::Xid8;
use crate::relay::heartbeat::{Broken, Heartbeats};
use crate::relay::in_flight::InFlight;
use crate::relay::outbox::Snapshot;
use crate::relay::poll_schedule::{PARKED_LIMIT, PollSchedule, ReadOutcome, Rest};
use crate::relay::term::Term;

/// New rows that one statement reads at most.
const BATCH_ROWS_MAX: usize = 1_000;

/// How long a turn waits for acknowledgements before it looks after the others. Usually they take a millisecond or two.
const ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_millis(100);

/// A leader that could publish nothing for so long lets another worker lead.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Limit for what is on its way when the program is told to stop.
const FINISH_LIMIT: Duration = Duration::from_secs(3);

/// Why a generation ends while its term goes on.
pub(crate) enum GenerationEnd {
    /// The program is told to stop, and what had been begun is done.
    Shutdown,
    /// Something may have been lost.
    Broken(Broken),
}

/// One generation.
pub(crate) struct Relay<'a> {
    term: &'a Term<'a>,
    generation: Name,
    backend: Option<i32>,
    heartbeats: Heartbeats<'a>,
    publisher: Publisher,
    in_flight: InFlight,
    schedule: PollSchedule,
    /// No row of an older transaction can come.
    cursor: Xid8,
    /// Whether a notification asks for the parked lock to be given back with the next read.
    unpark: bool,
    has_published: bool,
    /// When something was acknowledged last, or there was nothing to say.
    last_progress: Instant,
}

impl<'a> Relay<'a> {
    /// Begins with nothing in flight, and reads the outbox from its beginning.
    pub(crate) async fn new(term: &'a Term<'a>) -> Result<Self, TermEnd> {
        let generation = Name::random();
        let (kafka, timing) = (&term.settings.kafka, term.settings.relay);
        let publisher = Publisher::new(kafka, generation, term.kafka_away).await;
        Ok(Self {
            term,
            generation,
            backend: None,
            heartbeats: Heartbeats::new(generation, &kafka.topic, timing.heartbeat_interval, term.incomplete),
            publisher: publisher
                .map_err(|error| TermEnd::Refused(format!("the Kafka producer can't be set up: {error}")))?,
            in_flight: InFlight::new(kafka.shards),
            schedule: PollSchedule::new(timing.poll_interval),
            cursor: Xid8::default(),
            unpark: false,
            has_published: false,
            last_progress: Instant::now(),
        })
    }

    /// Ends by shutdown, by an error, or by whatever may have lost something.
    pub(crate) async fn run(&mut self) -> Result<GenerationEnd, TermEnd> {
        loop {
            if self.term.shutdown.is_cancelled() {
                self.finish().await?;
                return Ok(GenerationEnd::Shutdown);
            }
            if let Some(why) = self.turn().await? {
                return Ok(GenerationEnd::Broken(why));
            }
            if let Some(why) = self.publisher.fatal() {
                log::debug!("the Kafka producer can't go on: {why}");
                return Ok(GenerationEnd::Broken("the Kafka producer lost its ctid"));
            }
            if self.last_progress.elapsed() > SILENCE_MAX {
                return Err(TermEnd::NothingPublished(SILENCE_MAX));
            }
        }
    }

    async fn turn(&mut self) -> Result<Option<Broken>, TermEnd> {
        let outbox = &self.term.outbox;
        outbox.put(&outbox.session.notifications.take()).await?;
        if let Some(why) = self.heartbeats.step(outbox).await? {
            return Ok(Some(why));
        }
        let rows_max = BATCH_ROWS_MAX + self.in_flight.rows_from(self.cursor);
        let mut snapshot = self.read(rows_max).await?;
        if let Some(why) = self.heartbeats.contradiction(&snapshot) {
            return Ok(Some(why));
        }
        let is_drained = snapshot.rows.len() < rows_max;
        if is_drained {
            self.cursor = snapshot.oldest_running;
        }
        let news = self.in_flight.absorb(std::mem::take(&mut snapshot.rows));
        self.collapse_if_too_long().await?;
        self.publish().await;
        if is_drained {
            self.publish_heartbeat(&snapshot);
        }
        if let Some(why) = self.delete().await? {
            return Ok(Some(why));
        }
        self.rest(ReadOutcome { news, more: !is_drained }, snapshot.may_park).await?;
        Ok(None)
    }

    async fn read(&mut self, rows_max: usize) -> Result<Snapshot, TermEnd> {
        let outbox = &self.term.outbox;
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let read = outbox.read(self.cursor, limit, self.heartbeats.wants_fingerprint());
        let snapshot = if std::mem::take(&mut self.unpark) {
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

    /// While Kafka takes nothing, the outbox must not grow without a limit.
    async fn collapse_if_too_long(&mut self) -> Result<(), ConnectionLost> {
        let limit = usize::try_from(self.timing().outbox_limit).unwrap_or(usize::MAX);
        if self.in_flight.rows() > limit {
            self.term.outbox.collapse().await?;
            self.in_flight.collapse();
            log::warn!("more than {limit} changes wait for Kafka; they became one that empties the whole cache");
        }
        Ok(())
    }

    /// Sends what is due, and waits a little for the acknowledgements.
    async fn publish(&mut self) {
        self.note_arrived();
        if !*self.term.topic_is_fit.borrow() {
            return;
        }
        let now = Instant::now();
        let mut shards = Vec::new();
        for (shard, actions) in self.in_flight.waves(now) {
            log::debug!("publishes {} invalidations to partition {shard}", actions.len());
            shards.push(shard);
            for action in actions {
                self.send(shard, action);
            }
        }
        let limit = (now + ACKNOWLEDGEMENT_WAIT).into();
        while self.in_flight.is_on_its_way(&shards) {
            let Ok(Some(report)) = timeout_at(limit, self.publisher.report()).await else { return };
            self.note(report);
        }
    }

    /// To each partition that has acknowledged all that this snapshot, or an earlier one, held for it.
    fn publish_heartbeat(&mut self, snapshot: &Snapshot) {
        if !*self.term.topic_is_fit.borrow() {
            return;
        }
        let Some(number) = self.heartbeats.take_number(snapshot) else { return };
        for shard in self.in_flight.take_clear() {
            self.send(shard, Action::Heartbeat(number));
        }
    }

    async fn delete(&mut self) -> Result<Option<Broken>, ConnectionLost> {
        let ctids = self.in_flight.published();
        if ctids.is_empty() {
            return Ok(None);
        }
        let deleted = self.term.outbox.delete(&ctids).await?;
        self.in_flight.forget(&ctids);
        Ok((deleted != ctids.len() as u64).then_some("rows vanished from the outbox"))
    }

    async fn rest(&mut self, found: ReadOutcome, may_park: bool) -> Result<(), ConnectionLost> {
        match self.schedule.after_read(found, may_park) {
            Rest::Pause(pause) => self.wait(Instant::now() + pause, false).await,
            Rest::TryToPark => {
                let is_parked = self.term.outbox.park().await?;
                self.schedule.tried(is_parked);
                if !is_parked {
                    self.wait(Instant::now() + self.timing().poll_interval, false).await;
                }
            }
            Rest::Unpark => self.unpark = true,
            Rest::Parked => self.wait(self.heartbeats.next_step().min(Instant::now() + PARKED_LIMIT), true).await,
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
                    self.unpark = true;
                    return;
                }
                Some(report) = self.publisher.report() => if self.note(report) {
                    return;
                },
            }
        }
    }

    /// What has been begun is published and deleted, within a limit.
    async fn finish(&mut self) -> Result<(), TermEnd> {
        let limit = Instant::now() + FINISH_LIMIT;
        while !self.in_flight.is_clear() && Instant::now() < limit {
            self.publish().await;
            // What was refused rests before it leaves again.
            sleep(self.timing().poll_interval).await;
        }
        self.delete().await?;
        if self.in_flight.rows() > 0 {
            log::warn!("{} changes are not published yet; they stay in the outbox", self.in_flight.rows());
        }
        Ok(())
    }

    fn send(&mut self, shard: Shard, action: Action) {
        if !self.publisher.send(shard, &action) {
            self.in_flight.report(shard, action, false, Instant::now());
        }
    }

    fn note_arrived(&mut self) {
        while let Some(report) = self.publisher.arrived() {
            self.note(report);
        }
        if self.in_flight.is_silent() && *self.term.topic_is_fit.borrow() {
            self.last_progress = Instant::now();
        }
    }

    /// Answers whether the report leaves something to do.
    fn note(&mut self, report: Report) -> bool {
        let now = Instant::now();
        if report.acknowledged {
            self.last_progress = now;
            if !self.has_published {
                self.has_published = true;
                self.term.said.forget();
                log::info!("leads, and publishes as generation {}", self.generation);
            }
        }
        self.in_flight.report(report.shard, report.action, report.acknowledged, now)
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
