//! What leaves for Kafka and what comes back: sends what may leave, and tells those in flight what became of it.

use std::time::{Duration, Instant};

use common::random_name::Name;
use rdkafka::error::KafkaError;
use tokio::time::timeout_at;

use crate::kafka::publisher::{Publisher, Report};
use crate::relay::in_flight::{InFlight, Outgoing};
use crate::relay::term::Term;

/// How long a turn waits for acknowledgements before it looks after the others. Usually they take a millisecond or two.
const ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_millis(100);

/// The messages of one generation.
pub(crate) struct Delivery<'a> {
    term: &'a Term<'a>,
    generation: Name,
    publisher: Publisher,
    in_flight: InFlight,
    has_published: bool,
    /// When something was acknowledged last, or there was nothing to say.
    last_progress: Instant,
}

impl<'a> Delivery<'a> {
    /// Begins with nothing in flight.
    pub(crate) async fn new(term: &'a Term<'a>, generation: Name) -> Result<Self, KafkaError> {
        let kafka = &term.settings.kafka;
        Ok(Self {
            term,
            generation,
            publisher: Publisher::new(kafka, generation, term.kafka_away).await?,
            in_flight: InFlight::new(kafka.shards),
            has_published: false,
            last_progress: Instant::now(),
        })
    }

    /// What is read and not yet deleted.
    pub(crate) fn in_flight(&mut self) -> &mut InFlight {
        &mut self.in_flight
    }

    /// Sends what is due, and waits a little for the acknowledgements; meanwhile heartbeats leave as they may.
    pub(crate) async fn send(&mut self) {
        self.note_arrived();
        if !self.topic_is_fit() {
            return;
        }
        let now = Instant::now();
        let outgoing = self.in_flight.take_outgoing(now);
        let mut shards: Vec<_> = outgoing.iter().map(Outgoing::shard).collect();
        shards.dedup();
        if !outgoing.is_empty() {
            log::debug!("publishes {} messages to partitions {shards:?}", outgoing.len());
        }
        self.hand_over(outgoing);
        let limit = (now + ACKNOWLEDGEMENT_WAIT).into();
        while self.in_flight.is_on_its_way(&shards) {
            let Ok(Some(report)) = timeout_at(limit, self.publisher.report()).await else { return };
            if self.note(report) {
                let heartbeats = self.in_flight.take_heartbeats();
                self.hand_over(heartbeats);
            }
        }
    }

    /// Waits for a report; answers whether it leaves something to do. It may be given up at any time.
    pub(crate) async fn report(&mut self) -> bool {
        match self.publisher.report().await {
            Some(report) => self.note(report),
            None => std::future::pending().await,
        }
    }

    /// Why the producer can't go on, if it can't.
    pub(crate) fn fatal(&self) -> Option<String> {
        self.publisher.fatal()
    }

    /// For how long nothing was acknowledged, though there was something to say.
    pub(crate) fn silence(&self) -> Duration {
        self.last_progress.elapsed()
    }

    fn hand_over(&mut self, outgoing: Vec<Outgoing>) {
        for message in outgoing {
            if !self.publisher.send(&message) {
                let (shard, action) = (message.shard(), message.action().clone());
                self.in_flight.report(shard, action, false, Instant::now());
            }
        }
    }

    fn note_arrived(&mut self) {
        while let Some(report) = self.publisher.arrived() {
            self.note(report);
        }
        if self.in_flight.is_silent() && self.topic_is_fit() {
            self.last_progress = Instant::now();
        }
    }

    /// Answers whether the report leaves something to do.
    fn note(&mut self, report: Report) -> bool {
        let now = Instant::now();
        if report.acknowledged {
            self.last_progress = now;
            self.term.said.forget();
            if !self.has_published {
                self.has_published = true;
                log::info!("leads, and publishes as generation {}", self.generation);
            }
        }
        self.in_flight.report(report.shard, report.action, report.acknowledged, now)
    }

    fn topic_is_fit(&self) -> bool {
        *self.term.topic_is_fit.borrow()
    }
}
