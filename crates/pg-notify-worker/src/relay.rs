//! The loop: read -> publish -> heartbeat -> delete -> rest, for one generation.

use std::time::{Duration, Instant};

use common::message::Action;
use common::random::Name;
use common::settings::Relay as Timing;
use common::shard::Shard;
use tokio::time::{sleep, sleep_until, timeout_at};

use crate::error::{Ended, Lost};
use crate::ledger::Ledger;
use crate::outbox::Snapshot;
use crate::publisher::{Publisher, Report};
use crate::pulse::{Broken, Pulse};
use crate::system_columns::Xid8;
use crate::term::Term;
use crate::wake::{Found, PARKED_LIMIT, Rest, Wake};

/// New rows that one statement reads at most.
const BATCH_ROWS_MAX: usize = 1_000;

/// How long a turn waits for acknowledgements before it looks after the others. Usually they take a millisecond or two.
const ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_millis(100);

/// A leader that could publish nothing for so long lets another worker lead.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Limit for what is on its way when the program is told to stop.
const FINISH_LIMIT: Duration = Duration::from_secs(3);

/// Why a generation ends while its term goes on.
pub(crate) enum Stop {
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
    pulse: Pulse<'a>,
    publisher: Publisher,
    ledger: Ledger,
    wake: Wake,
    /// No row of an older transaction can come.
    cursor: Xid8,
    /// Whether a notification asks for the parked lock to be given back with the next read.
    unpark: bool,
    has_published: bool,
    /// When something was acknowledged last, or there was nothing to say.
    last_progress: Instant,
}

impl<'a> Relay<'a> {
    /// Begins with an empty ledger, and reads the outbox from its beginning.
    pub(crate) async fn new(term: &'a Term<'a>) -> Result<Self, Ended> {
        let generation = Name::random();
        let (kafka, timing) = (&term.settings.kafka, term.settings.relay);
        let publisher = Publisher::new(kafka, generation, term.kafka_away).await;
        Ok(Self {
            term,
            generation,
            backend: None,
            pulse: Pulse::new(generation, &kafka.topic, timing.heartbeat_interval, term.incomplete),
            publisher: publisher
                .map_err(|error| Ended::Refused(format!("the Kafka producer can't be set up: {error}")))?,
            ledger: Ledger::new(kafka.shards),
            wake: Wake::new(timing.poll_interval),
            cursor: Xid8::default(),
            unpark: false,
            has_published: false,
            last_progress: Instant::now(),
        })
    }

    /// Ends by shutdown, by an error, or by whatever may have lost something.
    pub(crate) async fn run(&mut self) -> Result<Stop, Ended> {
        loop {
            if self.term.shutdown.is_cancelled() {
                self.finish().await?;
                return Ok(Stop::Shutdown);
            }
            if let Some(why) = self.turn().await? {
                return Ok(Stop::Broken(why));
            }
            if let Some(why) = self.publisher.fatal() {
                log::debug!("the Kafka producer can't go on: {why}");
                return Ok(Stop::Broken("the Kafka producer lost its place"));
            }
            if self.last_progress.elapsed() > SILENCE_MAX {
                return Err(Ended::NothingPublished(SILENCE_MAX));
            }
        }
    }

    async fn turn(&mut self) -> Result<Option<Broken>, Ended> {
        let outbox = &self.term.outbox;
        outbox.put(&outbox.session.inbox.take()).await?;
        if let Some(why) = self.pulse.step(outbox).await? {
            return Ok(Some(why));
        }
        let rows_max = BATCH_ROWS_MAX + self.ledger.rows_from(self.cursor);
        let mut snapshot = self.read(rows_max).await?;
        if let Some(why) = self.pulse.contradiction(&snapshot) {
            return Ok(Some(why));
        }
        let is_drained = snapshot.rows.len() < rows_max;
        if is_drained {
            self.cursor = snapshot.oldest_running;
        }
        let news = self.ledger.absorb(std::mem::take(&mut snapshot.rows));
        self.collapse_if_too_long().await?;
        self.publish().await;
        if is_drained {
            self.publish_heartbeat(&snapshot);
        }
        if let Some(why) = self.delete().await? {
            return Ok(Some(why));
        }
        self.rest(Found { news, more: !is_drained }, snapshot.may_park).await?;
        Ok(None)
    }

    async fn read(&mut self, rows_max: usize) -> Result<Snapshot, Ended> {
        let outbox = &self.term.outbox;
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let read = outbox.read(self.cursor, limit, self.pulse.wants_fingerprint());
        let snapshot = if std::mem::take(&mut self.unpark) {
            // On their way together: the read first, and no commit notifies longer than it must.
            let (snapshot, unparked) = tokio::join!(read, outbox.unpark());
            unparked?;
            self.wake.unparked();
            snapshot?
        } else {
            read.await?
        };
        if *self.backend.get_or_insert(snapshot.backend) != snapshot.backend {
            return Err(common::postgres::Unfit::Pooler.into());
        }
        Ok(snapshot)
    }

    /// While Kafka takes nothing, the outbox must not grow without a limit.
    async fn collapse_if_too_long(&mut self) -> Result<(), Lost> {
        let limit = usize::try_from(self.timing().outbox_limit).unwrap_or(usize::MAX);
        if self.ledger.rows() > limit {
            self.term.outbox.collapse().await?;
            self.ledger.collapse();
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
        for (shard, actions) in self.ledger.waves(now) {
            log::debug!("publishes {} invalidations to partition {shard}", actions.len());
            shards.push(shard);
            for action in actions {
                self.send(shard, action);
            }
        }
        let limit = (now + ACKNOWLEDGEMENT_WAIT).into();
        while self.ledger.is_on_its_way(&shards) {
            let Ok(Some(report)) = timeout_at(limit, self.publisher.report()).await else { return };
            self.note(report);
        }
    }

    /// To each partition that has acknowledged all that this snapshot, or an earlier one, held for it.
    fn publish_heartbeat(&mut self, snapshot: &Snapshot) {
        if !*self.term.topic_is_fit.borrow() {
            return;
        }
        let Some(number) = self.pulse.take_number(snapshot) else { return };
        for shard in self.ledger.take_clear() {
            self.send(shard, Action::Heartbeat(number));
        }
    }

    async fn delete(&mut self) -> Result<Option<Broken>, Lost> {
        let places = self.ledger.published();
        if places.is_empty() {
            return Ok(None);
        }
        let deleted = self.term.outbox.delete(&places).await?;
        self.ledger.forget(&places);
        Ok((deleted != places.len() as u64).then_some("rows vanished from the outbox"))
    }

    async fn rest(&mut self, found: Found, may_park: bool) -> Result<(), Lost> {
        match self.wake.after_read(found, may_park) {
            Rest::Pause(pause) => self.wait(Instant::now() + pause, false).await,
            Rest::TryToPark => {
                let is_parked = self.term.outbox.park().await?;
                self.wake.tried(is_parked);
                if !is_parked {
                    self.wait(Instant::now() + self.timing().poll_interval, false).await;
                }
            }
            Rest::Unpark => self.unpark = true,
            Rest::Parked => self.wait(self.pulse.next_step().min(Instant::now() + PARKED_LIMIT), true).await,
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
                () = term.outbox.session.inbox.arrival(), if for_notification => {
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
    async fn finish(&mut self) -> Result<(), Ended> {
        let limit = Instant::now() + FINISH_LIMIT;
        while !self.ledger.is_clear() && Instant::now() < limit {
            self.publish().await;
            // What was refused rests before it leaves again.
            sleep(self.timing().poll_interval).await;
        }
        self.delete().await?;
        if self.ledger.rows() > 0 {
            log::warn!("{} changes are not published yet; they stay in the outbox", self.ledger.rows());
        }
        Ok(())
    }

    fn send(&mut self, shard: Shard, action: Action) {
        if !self.publisher.send(shard, &action) {
            self.ledger.report(shard, action, false, Instant::now());
        }
    }

    fn note_arrived(&mut self) {
        while let Some(report) = self.publisher.arrived() {
            self.note(report);
        }
        if self.ledger.is_silent() && *self.term.topic_is_fit.borrow() {
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
        self.ledger.report(report.shard, report.action, report.acknowledged, now)
    }

    /// Its name.
    pub(crate) fn generation(&self) -> Name {
        self.generation
    }

    /// Whether it holds the parked lock.
    pub(crate) fn is_parked(&self) -> bool {
        self.wake.is_parked()
    }

    fn timing(&self) -> Timing {
        self.term.settings.relay
    }
}
