//! Whatever the order in which rows are read, waves leave, and acknowledgements and refusals come: nothing leaves too
//! early, and everything leaves in the end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use common::message::Action;
use common::shard::{Shard, shard_of};
use proptest::prelude::*;

use super::{InFlight, Outgoing};
use crate::postgres::system_columns::{Ctid, Xid8};
use crate::relay::cursor::Batch;
use crate::relay::heartbeat::CheckedNumber;
use crate::relay::outbox::OutboxRow;

const SHARDS: u32 = 3;

const CODES: [&str; 6] = ["BGR", "FRA", "DEU", "ITA", "ESP", "MLT"];

#[derive(Clone, Debug)]
enum Event {
    /// A read finds rows, each with some of [`CODES`] or with none of its own (ALL); with or without a number.
    Read(Vec<Option<Vec<usize>>>, bool),
    /// What may leave does, and time passes.
    Leave,
    /// The report of one of the messages on their way comes, the how-manieth.
    Report(prop::sample::Index, bool),
    /// What is published is deleted.
    Delete,
    /// One row stands for all from now on.
    StandIn,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let row = prop::option::weighted(0.9, prop::collection::vec(0..CODES.len(), 0..4));
    let event = prop_oneof![
        3 => (prop::collection::vec(row, 0..3), any::<bool>()).prop_map(|(rows, number)| Event::Read(rows, number)),
        3 => Just(Event::Leave),
        6 => (any::<prop::sample::Index>(), prop::bool::weighted(0.8))
            .prop_map(|(index, acknowledged)| Event::Report(index, acknowledged)),
        1 => Just(Event::Delete),
        1 => Just(Event::StandIn),
    ];
    prop::collection::vec(event, 1..80)
}

/// A partition, and the code that it is told about (`None`: ALL).
type Told = (Shard, Option<&'static str>);

/// What is known beside [`InFlight`], in the simplest way: when each thing was read, and until when all is delivered.
struct Observer {
    in_flight: InFlight,
    on_their_way: Vec<(Outgoing, u64)>,
    now: Instant,
    /// Counts events.
    tick: u64,
    /// When each row was read, and the codes of each partition that it is about (`None`: all).
    rows: HashMap<Ctid, (u64, Vec<Told>)>,
    /// When each code of each partition was read last (`None`: ALL), where no later message is acknowledged.
    owed: HashMap<Told, u64>,
    /// When each number was read.
    numbers: Vec<u64>,
}

impl Observer {
    fn new() -> Self {
        Self {
            in_flight: InFlight::new(SHARDS),
            on_their_way: Vec::new(),
            now: Instant::now(),
            tick: 0,
            rows: HashMap::new(),
            owed: HashMap::new(),
            numbers: Vec::new(),
        }
    }

    fn apply(&mut self, event: Event) {
        self.tick += 1;
        match event {
            Event::Read(rows, number) => self.read(rows, number),
            Event::Leave => self.leave(),
            Event::Report(index, acknowledged) if !self.on_their_way.is_empty() => {
                let index = index.index(self.on_their_way.len());
                self.report(index, acknowledged);
            }
            Event::Report(..) => {}
            Event::Delete => {
                let count = self.in_flight.published(usize::MAX).len();
                self.in_flight.forget_published(count);
            }
            Event::StandIn => {
                let ctid = self.ctid();
                self.rows.clear();
                self.note(ctid, None);
                self.in_flight.absorb_stand_in(ctid);
            }
        }
        self.check_published();
        assert!(self.in_flight.lanes.iter().all(|lane| lane.promises() <= 2));
    }

    fn ctid(&self) -> Ctid {
        Ctid { block: u32::try_from(self.tick).unwrap(), line: 0 }
    }

    fn note(&mut self, ctid: Ctid, codes: Option<&[&'static str]>) {
        let about: Vec<_> = match codes {
            Some(codes) => codes.iter().map(|code| (shard_of(code, SHARDS), Some(*code))).collect(),
            None => (0..SHARDS).map(|shard| (shard, None)).collect(),
        };
        self.owed.extend(about.iter().map(|thing| (*thing, self.tick)));
        self.rows.insert(ctid, (self.tick, about));
    }

    fn read(&mut self, rows: Vec<Option<Vec<usize>>>, with_number: bool) {
        let mut read = Vec::new();
        for (line, codes) in (1..).zip(rows) {
            let codes = codes.map(|codes| codes.into_iter().map(|code| CODES[code]).collect::<Vec<_>>());
            let ctid = Ctid { line, ..self.ctid() };
            self.note(ctid, codes.as_deref());
            let codes = codes.map(|codes| codes.into_iter().map(str::to_owned).collect());
            read.push(OutboxRow { ctid, transaction: Xid8(self.tick), codes });
        }
        let complete = with_number.then(|| {
            self.numbers.push(self.tick);
            CheckedNumber::unchecked(self.numbers.len() as u64)
        });
        let rows = read.len();
        assert_eq!(self.in_flight.absorb(Batch { rows: read, complete, more: false }), rows);
    }

    /// No heartbeat before all is acknowledged that was read before its number.
    fn leave(&mut self) {
        self.now += Duration::from_secs(1);
        for outgoing in self.in_flight.take_outgoing(self.now) {
            if let Action::Heartbeat(number) = outgoing.action() {
                let read = self.numbers[usize::try_from(*number).unwrap() - 1];
                let owed = self.owed.iter().find(|((shard, _), since)| *shard == outgoing.shard() && **since <= read);
                assert_eq!(owed, None, "{outgoing:?} left at {}", self.tick);
            }
            self.on_their_way.push((outgoing, self.tick));
        }
    }

    fn report(&mut self, index: usize, acknowledged: bool) {
        let (outgoing, left) = self.on_their_way.swap_remove(index);
        let Outgoing { shard, action } = outgoing;
        if acknowledged {
            // What was read before it left is delivered.
            self.owed.retain(|(of, thing), since| {
                let carries = match &action {
                    Action::Invalidate(code) => *thing == Some(code.as_str()),
                    Action::InvalidateAll => true,
                    Action::Heartbeat(_) => false,
                };
                *of != shard || !carries || *since > left
            });
        }
        self.in_flight.report(shard, action, acknowledged, self.now);
    }

    /// No row is published of which something is owed since it was read, or before.
    fn check_published(&self) {
        for ctid in self.in_flight.published(usize::MAX) {
            let (read, about) = &self.rows[ctid];
            for thing in about {
                assert!(self.owed.get(thing).is_none_or(|since| since > read), "{thing:?} of {ctid:?}");
            }
        }
    }

    /// Everything that leaves is acknowledged, until nothing does any more.
    fn settle(&mut self) {
        loop {
            self.tick += 1;
            while !self.on_their_way.is_empty() {
                self.report(0, true);
            }
            self.leave();
            if self.on_their_way.is_empty() {
                return;
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_leaves_too_early_and_everything_leaves_in_the_end(events in events()) {
        let mut observer = Observer::new();
        for event in events {
            observer.apply(event);
        }
        observer.apply(Event::Read(Vec::new(), true));
        observer.settle();
        observer.check_published();
        prop_assert!(observer.owed.is_empty() && observer.in_flight.is_silent());
        prop_assert_eq!(observer.in_flight.published(usize::MAX).len(), observer.in_flight.rows());
    }

    #[test]
    fn heartbeats_reach_a_partition_that_always_has_a_wave_on_its_way(answers in 1_u32..4, codes in 1_usize..6) {
        let mut observer = Observer::new();
        let mut heartbeats = 0;
        for turn in 0..60_u32 {
            let row = Some((0..codes).collect());
            observer.apply(Event::Read(vec![row], true));
            observer.apply(Event::Leave);
            // One answer for each `answers` turns, of all that had left before the last turn.
            if turn % answers == 0 {
                let last = observer.tick;
                while let Some(index) = observer.on_their_way.iter().position(|(_, left)| *left < last) {
                    heartbeats += u32::from(matches!(observer.on_their_way[index].0.action(), Action::Heartbeat(_)));
                    observer.report(index, true);
                }
            }
        }
        prop_assert!(heartbeats >= SHARDS * 60 / answers / 4, "{heartbeats} in 60 turns");
    }
}
