use std::time::{Duration, Instant};

use common::code::CODE_BYTES_MAX;
use common::message::Action;
use common::shard::{Shard, shard_of};

use super::wave::CODES_MAX;
use super::{InFlight, Outgoing};
use crate::postgres::system_columns::{Ctid, Xid8};
use crate::relay::cursor::Batch;
use crate::relay::heartbeat::CheckedNumber;
use crate::relay::outbox::OutboxRow;

const SHARDS: u32 = 2;

const FIRST: Ctid = Ctid { block: 0, line: 1 };
const SECOND: Ctid = Ctid { block: 0, line: 2 };

/// More than are ever published here.
const MANY: usize = 100;

/// A row with these codes, or one that says "anything may have changed".
fn row(ctid: Ctid, codes: Option<&[&str]>) -> OutboxRow {
    let codes = codes.map(|codes| codes.iter().map(|code| (*code).to_owned()).collect());
    OutboxRow { ctid, transaction: Xid8(1), codes }
}

fn batch(rows: Vec<OutboxRow>, number: Option<u64>) -> Batch {
    Batch { rows, complete: number.map(CheckedNumber::unchecked), more: false }
}

fn invalidate(shard: Shard, code: &str) -> Outgoing {
    Outgoing { shard, action: Action::Invalidate(code.to_owned()) }
}

fn invalidate_all(shard: Shard) -> Outgoing {
    Outgoing { shard, action: Action::InvalidateAll }
}

fn heartbeat(shard: Shard, number: u64) -> Outgoing {
    Outgoing { shard, action: Action::Heartbeat(number) }
}

fn report(in_flight: &mut InFlight, outgoing: &[Outgoing], acknowledged: bool, now: Instant) {
    for Outgoing { shard, action } in outgoing {
        in_flight.report(*shard, action.clone(), acknowledged, now);
    }
}

/// Acknowledges, or refuses, all that leaves at `now`; answers what it was.
fn settle(in_flight: &mut InFlight, acknowledged: bool, now: Instant) -> Vec<Outgoing> {
    let outgoing = in_flight.take_outgoing(now);
    report(in_flight, &outgoing, acknowledged, now);
    outgoing
}

/// A code of each of the two shards.
fn codes() -> [&'static str; 2] {
    let of = |shard| ["BGR", "FRA", "DEU", "ITA", "ESP"].into_iter().find(|code| shard_of(code, SHARDS) == shard);
    [of(0).unwrap(), of(1).unwrap()]
}

#[test]
fn a_row_is_published_once_each_of_its_partitions_has_acknowledged() {
    let ([zero, one], now) = (codes(), Instant::now());
    let mut in_flight = InFlight::new(SHARDS);
    in_flight.absorb(batch(vec![row(FIRST, Some(&[zero, one]))], None));
    assert_eq!(in_flight.take_outgoing(now), [invalidate(0, zero), invalidate(1, one)]);
    report(&mut in_flight, &[invalidate(0, zero)], true, now);
    assert!(in_flight.published(MANY).is_empty());
    report(&mut in_flight, &[invalidate(1, one)], true, now);
    assert_eq!(in_flight.published(MANY), [FIRST]);
    in_flight.forget_published(1);
    assert_eq!((in_flight.rows(), in_flight.is_clear(), in_flight.published(MANY).len()), (0, true, 0));
}

#[test]
fn each_code_leaves_once_a_wave_and_a_known_row_is_no_news() {
    let ([zero, _], now) = (codes(), Instant::now());
    let mut in_flight = InFlight::new(SHARDS);
    let rows = vec![row(FIRST, Some(&[zero])), row(SECOND, Some(&[zero]))];
    assert_eq!(in_flight.absorb(batch(rows.clone(), None)), 2);
    assert_eq!(in_flight.absorb(batch(rows, None)), 0);
    assert_eq!(settle(&mut in_flight, true, now), [invalidate(0, zero)]);
    assert_eq!((in_flight.published(MANY).len(), in_flight.published(1).len()), (2, 1));
}

#[test]
fn what_changes_while_a_wave_is_on_its_way_leaves_with_the_next_one() {
    let ([zero, _], now) = (codes(), Instant::now());
    let mut in_flight = InFlight::new(SHARDS);
    in_flight.absorb(batch(vec![row(FIRST, Some(&[zero]))], None));
    assert_eq!(in_flight.take_outgoing(now).len(), 1);
    in_flight.absorb(batch(vec![row(SECOND, Some(&[zero]))], None));
    assert!(in_flight.take_outgoing(now).is_empty());
    report(&mut in_flight, &[invalidate(0, zero)], true, now);
    assert_eq!(in_flight.published(MANY), [FIRST]);
    assert_eq!(settle(&mut in_flight, true, now), [invalidate(0, zero)]);
    assert_eq!(in_flight.published(MANY).len(), 2);
}

#[test]
fn what_was_refused_is_told_again_after_a_pause_and_holds_that_partitions_heartbeat_back() {
    let ([zero, one], now) = (codes(), Instant::now());
    let mut in_flight = InFlight::new(SHARDS);
    in_flight.absorb(batch(vec![row(FIRST, Some(&[zero]))], Some(1)));
    assert_eq!(settle(&mut in_flight, false, now), [invalidate(0, zero), heartbeat(1, 1)]);
    assert!(in_flight.take_outgoing(now).is_empty());
    in_flight.absorb(batch(vec![row(SECOND, Some(&[one]))], Some(2)));
    assert_eq!(settle(&mut in_flight, true, now), [invalidate(1, one)]);
    assert_eq!(in_flight.published(MANY), [SECOND]);
    let later = now + Duration::from_secs(1);
    assert_eq!(settle(&mut in_flight, true, later), [invalidate(0, zero), heartbeat(1, 2)]);
    assert_eq!(settle(&mut in_flight, true, later), [heartbeat(0, 2)]);
    assert_eq!(in_flight.published(MANY).len(), 2);
}

#[test]
fn a_heartbeat_leaves_once_its_own_wave_is_acknowledged_whatever_has_been_added_since() {
    let ([zero, _], now) = (codes(), Instant::now());
    let mut in_flight = InFlight::new(1);
    in_flight.absorb(batch(vec![row(FIRST, Some(&[zero]))], Some(1)));
    assert_eq!(in_flight.take_outgoing(now), [invalidate(0, zero)]);
    // From now on there is always another wave.
    for line in 2..9 {
        let (number, last) = (u64::from(line), u64::from(line) - 1);
        in_flight.absorb(batch(vec![row(Ctid { block: 0, line }, Some(&[zero]))], Some(number)));
        assert!(in_flight.take_outgoing(now).is_empty());
        report(&mut in_flight, &[invalidate(0, zero)], true, now);
        assert_eq!(in_flight.take_heartbeats(), [heartbeat(0, last)]);
        assert_eq!(in_flight.take_outgoing(now), [invalidate(0, zero)]);
        report(&mut in_flight, &[heartbeat(0, last)], true, now);
    }
}

#[test]
fn at_most_one_heartbeat_is_on_its_way_to_a_partition_and_the_next_one_is_the_newest() {
    let now = Instant::now();
    let mut in_flight = InFlight::new(SHARDS);
    in_flight.absorb(batch(Vec::new(), Some(1)));
    assert_eq!(in_flight.take_heartbeats(), [heartbeat(0, 1), heartbeat(1, 1)]);
    assert!(!in_flight.is_silent());
    in_flight.absorb(batch(Vec::new(), Some(2)));
    in_flight.absorb(batch(Vec::new(), Some(3)));
    assert!(in_flight.take_heartbeats().is_empty());
    report(&mut in_flight, &[heartbeat(1, 1)], false, now);
    assert_eq!(in_flight.take_heartbeats(), [heartbeat(1, 3)]);
}

#[test]
fn a_row_without_codes_or_with_one_that_is_too_long_concerns_every_partition() {
    let too_long = "X".repeat(CODE_BYTES_MAX + 1);
    for codes in [None, Some(&[too_long.as_str()][..])] {
        let mut in_flight = InFlight::new(SHARDS);
        in_flight.absorb(batch(vec![row(FIRST, codes)], None));
        let left = settle(&mut in_flight, true, Instant::now());
        assert_eq!(left, [invalidate_all(0), invalidate_all(1)]);
        assert_eq!(in_flight.published(MANY), [FIRST]);
    }
}

#[test]
fn a_row_without_any_code_asks_for_nothing() {
    let mut in_flight = InFlight::new(SHARDS);
    in_flight.absorb(batch(vec![row(FIRST, Some(&[]))], None));
    assert_eq!(in_flight.published(MANY), [FIRST]);
}

#[test]
fn a_stand_in_tells_every_partition_that_anything_may_have_changed_before_any_further_heartbeat() {
    let ([zero, _], now) = (codes(), Instant::now());
    let mut in_flight = InFlight::new(SHARDS);
    in_flight.absorb(batch(vec![row(FIRST, Some(&[zero]))], None));
    in_flight.take_outgoing(now);
    in_flight.absorb_stand_in(SECOND);
    assert_eq!(in_flight.rows(), 1);
    in_flight.absorb(batch(vec![row(SECOND, None)], Some(1)));
    assert_eq!(in_flight.take_outgoing(now), [invalidate_all(1)]);
    report(&mut in_flight, &[invalidate(0, zero)], false, now);
    report(&mut in_flight, &[invalidate_all(1)], true, now);
    let later = now + Duration::from_secs(1);
    assert_eq!(settle(&mut in_flight, true, later), [invalidate_all(0), heartbeat(1, 1)]);
    assert_eq!(in_flight.published(MANY), [SECOND]);
    assert_eq!(in_flight.take_heartbeats(), [heartbeat(0, 1)]);
}

#[test]
fn very_many_codes_become_all() {
    let mut in_flight = InFlight::new(1);
    let codes = (0..=CODES_MAX).map(|number| number.to_string()).collect();
    in_flight.absorb(batch(vec![OutboxRow { ctid: FIRST, transaction: Xid8(1), codes: Some(codes) }], None));
    assert_eq!(in_flight.take_outgoing(Instant::now()), [invalidate_all(0)]);
}
