//! What was read, what of it is on its way to which partition, what is acknowledged: no I/O.
//!
//! Each partition has a lane. What is to be told it goes in waves: the next one leaves when the last one is wholly
//! acknowledged, so what waits meanwhile is told once, however often it changed, and a dead partition holds back
//! nobody but itself.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::time::{Duration, Instant};

use common::code::CODE_BYTES_MAX;
use common::message::Action;
use common::shard::{Shard, shard_of};

use crate::postgres::system_columns::{Ctid, Xid8};
use crate::relay::outbox::OutboxRow;

/// Different codes that wait for one partition; more of them cost more than emptying the shard does.
const WAITING_CODES_MAX: usize = 4_096;

/// A partition that refused something is not asked again sooner than this.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(250);

/// All lanes, and the rows that are read but not yet deleted.
pub(crate) struct InFlight {
    lanes: Vec<Lane>,
    rows: HashMap<Ctid, ReadRow>,
}

/// A row that was read.
struct ReadRow {
    transaction: Xid8,
    /// The wave of each partition that carries what the row says.
    waves: Vec<(Shard, u64)>,
}

/// One partition's part.
#[derive(Default)]
struct Lane {
    /// What the next wave will carry.
    waiting: Pending,
    /// What of the wave on its way was refused.
    failed: Pending,
    /// Messages of the wave on its way that no report has come for.
    on_its_way: usize,
    /// Number of the wave that left last.
    wave: u64,
    /// All waves up to this one are acknowledged.
    acknowledged: u64,
    /// A heartbeat that no report has come for: there is one at most.
    heartbeat_on_its_way: bool,
    rest_until: Option<Instant>,
}

/// Invalidations, each once.
#[derive(Default)]
struct Pending {
    all: bool,
    codes: BTreeSet<String>,
}

impl InFlight {
    /// Empty, for `shards` partitions.
    pub(crate) fn new(shards: u32) -> Self {
        Self { lanes: (0..shards).map(|_| Lane::default()).collect(), rows: HashMap::new() }
    }

    /// Takes note of rows; those that are known already say nothing new. Answers how many were new.
    pub(crate) fn absorb(&mut self, rows: Vec<OutboxRow>) -> usize {
        let mut news = 0;
        for row in rows {
            if self.rows.contains_key(&row.ctid) {
                continue;
            }
            news += 1;
            let waves = match &row.codes {
                Some(codes) if codes.iter().all(|code| code.len() <= CODE_BYTES_MAX) => self.invalidate(codes),
                _ => self.invalidate_all(),
            };
            self.rows.insert(row.ctid, ReadRow { transaction: row.transaction, waves });
        }
        news
    }

    /// Messages that are to leave now, by partition.
    pub(crate) fn waves(&mut self, now: Instant) -> Vec<(Shard, Vec<Action>)> {
        (0..).zip(&mut self.lanes).filter_map(|(shard, lane)| Some((shard, lane.next_wave(now)?))).collect()
    }

    /// What became of a message; answers whether that leaves something to do.
    pub(crate) fn report(&mut self, shard: Shard, action: Action, acknowledged: bool, now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(shard as usize) else { return false };
        match action {
            Action::Heartbeat(_) => {
                lane.heartbeat_on_its_way = false;
                false
            }
            Action::Invalidate(code) => lane.report(acknowledged, now, |failed| failed.add(code)),
            Action::InvalidateAll => lane.report(acknowledged, now, Pending::add_all),
        }
    }

    /// Partitions where everything that was read is acknowledged, and so is the last heartbeat; one is on its way to
    /// each of them from now on.
    pub(crate) fn take_clear(&mut self) -> Vec<Shard> {
        let lanes = (0..).zip(&mut self.lanes);
        lanes
            .filter(|(_, lane)| lane.is_clear() && !lane.heartbeat_on_its_way)
            .map(|(shard, lane)| {
                lane.heartbeat_on_its_way = true;
                shard
            })
            .collect()
    }

    /// Whether some of these partitions have a wave on its way.
    pub(crate) fn is_on_its_way(&self, shards: &[Shard]) -> bool {
        shards.iter().filter_map(|&shard| self.lanes.get(shard as usize)).any(|lane| lane.on_its_way > 0)
    }

    /// Whether nothing is left to be told.
    pub(crate) fn is_clear(&self) -> bool {
        self.lanes.iter().all(Lane::is_clear)
    }

    /// Whether a message of any kind waits for an acknowledgement, or for being sent.
    pub(crate) fn is_silent(&self) -> bool {
        self.lanes.iter().all(|lane| lane.is_clear() && !lane.heartbeat_on_its_way)
    }

    /// Rows that all partitions have acknowledged.
    pub(crate) fn published(&self) -> Vec<Ctid> {
        let is_published =
            |row: &ReadRow| row.waves.iter().all(|&(shard, wave)| self.lanes[shard as usize].acknowledged >= wave);
        self.rows.iter().filter(|(_, row)| is_published(row)).map(|(&ctid, _)| ctid).collect()
    }

    /// Rows that are deleted.
    pub(crate) fn forget(&mut self, ctids: &[Ctid]) {
        for ctid in ctids {
            self.rows.remove(ctid);
        }
    }

    /// How many rows are read but not deleted.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many of them a read from `cursor` on finds again.
    pub(crate) fn rows_from(&self, cursor: Xid8) -> usize {
        self.rows.values().filter(|row| row.transaction >= cursor).count()
    }

    /// One row took the place of all: every partition is to be told that anything may have changed.
    pub(crate) fn collapse(&mut self) {
        self.rows.clear();
        // At once, not when that row is read: a heartbeat must not overtake what the deleted rows said.
        self.invalidate_all();
    }

    fn invalidate(&mut self, codes: &[String]) -> Vec<(Shard, u64)> {
        let shards = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        let mut waves = Vec::with_capacity(1);
        for code in codes {
            let shard = shard_of(code, shards);
            let lane = &mut self.lanes[shard as usize];
            lane.waiting.add(code.clone());
            let wave = (shard, lane.wave + 1);
            if !waves.contains(&wave) {
                waves.push(wave);
            }
        }
        waves
    }

    fn invalidate_all(&mut self) -> Vec<(Shard, u64)> {
        (0..)
            .zip(&mut self.lanes)
            .map(|(shard, lane)| {
                lane.waiting.add_all();
                (shard, lane.wave + 1)
            })
            .collect()
    }
}

impl Lane {
    fn next_wave(&mut self, now: Instant) -> Option<Vec<Action>> {
        let resting = self.rest_until.is_some_and(|until| now < until);
        if self.on_its_way > 0 || self.waiting.is_empty() || resting {
            return None;
        }
        let actions = mem::take(&mut self.waiting).into_actions();
        self.rest_until = None;
        self.wave += 1;
        self.on_its_way = actions.len();
        Some(actions)
    }

    fn report(&mut self, acknowledged: bool, now: Instant, keep: impl FnOnce(&mut Pending)) -> bool {
        self.on_its_way = self.on_its_way.saturating_sub(1);
        if !acknowledged {
            keep(&mut self.failed);
        }
        if self.on_its_way > 0 {
            return false;
        }
        if self.failed.is_empty() {
            self.acknowledged = self.wave;
        } else {
            // The next wave carries it, and stands for this one.
            self.waiting.merge(mem::take(&mut self.failed));
            self.rest_until = Some(now + REST_AFTER_FAILURE);
        }
        true
    }

    fn is_clear(&self) -> bool {
        self.on_its_way == 0 && self.waiting.is_empty()
    }
}

impl Pending {
    fn add(&mut self, code: String) {
        if self.all {
            return;
        }
        self.codes.insert(code);
        if self.codes.len() > WAITING_CODES_MAX {
            self.add_all();
        }
    }

    fn add_all(&mut self) {
        self.all = true;
        self.codes.clear();
    }

    fn merge(&mut self, other: Self) {
        if other.all {
            self.add_all();
        }
        for code in other.codes {
            self.add(code);
        }
    }

    fn is_empty(&self) -> bool {
        !self.all && self.codes.is_empty()
    }

    fn into_actions(self) -> Vec<Action> {
        if self.all {
            return vec![Action::InvalidateAll];
        }
        self.codes.into_iter().map(Action::Invalidate).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use common::code::CODE_BYTES_MAX;
    use common::message::Action;
    use common::shard::{Shard, shard_of};

    use super::{InFlight, WAITING_CODES_MAX};
    use crate::postgres::system_columns::{Ctid, Xid8};
    use crate::relay::outbox::OutboxRow;

    const SHARDS: u32 = 2;

    const FIRST: Ctid = Ctid { block: 0, line: 1 };
    const SECOND: Ctid = Ctid { block: 0, line: 2 };

    fn row(ctid: Ctid, codes: Option<&[&str]>) -> OutboxRow {
        let codes = codes.map(|codes| codes.iter().map(|code| (*code).to_owned()).collect());
        OutboxRow { ctid, transaction: Xid8(1), codes }
    }

    fn invalidate(code: &str) -> Action {
        Action::Invalidate(code.to_owned())
    }

    /// Acknowledges, or refuses, all that leaves at `now`; answers what it was.
    fn settle(in_flight: &mut InFlight, acknowledged: bool, now: Instant) -> Vec<(Shard, Vec<Action>)> {
        let waves = in_flight.waves(now);
        for (shard, actions) in &waves {
            for action in actions {
                in_flight.report(*shard, action.clone(), acknowledged, now);
            }
        }
        waves
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
        in_flight.absorb(vec![row(FIRST, Some(&[zero, one]))]);
        assert_eq!(in_flight.waves(now), [(0, vec![invalidate(zero)]), (1, vec![invalidate(one)])]);
        in_flight.report(0, invalidate(zero), true, now);
        assert!(in_flight.published().is_empty());
        assert_eq!(in_flight.take_clear(), [0]);
        in_flight.report(1, invalidate(one), true, now);
        assert_eq!(in_flight.published(), [FIRST]);
        in_flight.forget(&[FIRST]);
        assert_eq!((in_flight.rows(), in_flight.is_clear()), (0, true));
    }

    #[test]
    fn each_code_leaves_once_a_wave_and_a_known_row_is_no_news() {
        let ([zero, _], now) = (codes(), Instant::now());
        let mut in_flight = InFlight::new(SHARDS);
        assert_eq!(in_flight.absorb(vec![row(FIRST, Some(&[zero])), row(SECOND, Some(&[zero]))]), 2);
        assert_eq!(in_flight.absorb(vec![row(FIRST, Some(&[zero]))]), 0);
        assert_eq!(settle(&mut in_flight, true, now), [(0, vec![invalidate(zero)])]);
        assert_eq!(in_flight.published().len(), 2);
    }

    #[test]
    fn what_changes_while_a_wave_is_on_its_way_leaves_with_the_next_one() {
        let ([zero, _], now) = (codes(), Instant::now());
        let mut in_flight = InFlight::new(SHARDS);
        in_flight.absorb(vec![row(FIRST, Some(&[zero]))]);
        assert_eq!(in_flight.waves(now).len(), 1);
        in_flight.absorb(vec![row(SECOND, Some(&[zero]))]);
        assert!(in_flight.waves(now).is_empty());
        in_flight.report(0, invalidate(zero), true, now);
        assert_eq!(in_flight.published(), [FIRST]);
        assert_eq!(settle(&mut in_flight, true, now), [(0, vec![invalidate(zero)])]);
        assert_eq!(in_flight.published().len(), 2);
    }

    #[test]
    fn what_was_refused_is_told_again_after_a_rest_and_holds_the_heartbeat_of_that_partition_back() {
        let ([zero, one], now) = (codes(), Instant::now());
        let mut in_flight = InFlight::new(SHARDS);
        in_flight.absorb(vec![row(FIRST, Some(&[zero]))]);
        settle(&mut in_flight, false, now);
        assert!(in_flight.waves(now).is_empty());
        assert_eq!(in_flight.take_clear(), [1]);
        in_flight.absorb(vec![row(SECOND, Some(&[one]))]);
        assert_eq!(settle(&mut in_flight, true, now), [(1, vec![invalidate(one)])]);
        assert_eq!(in_flight.published(), [SECOND]);
        assert_eq!(settle(&mut in_flight, true, now + Duration::from_secs(1)), [(0, vec![invalidate(zero)])]);
        assert_eq!(in_flight.published().len(), 2);
    }

    #[test]
    fn at_most_one_heartbeat_is_on_its_way_to_a_partition() {
        let mut in_flight = InFlight::new(SHARDS);
        assert_eq!(in_flight.take_clear(), [0, 1]);
        assert!(!in_flight.is_silent());
        assert!(in_flight.take_clear().is_empty());
        in_flight.report(1, Action::Heartbeat(1), false, Instant::now());
        assert_eq!(in_flight.take_clear(), [1]);
    }

    #[test]
    fn a_row_without_codes_or_with_one_that_is_too_long_concerns_every_partition() {
        for codes in [None, Some("X".repeat(CODE_BYTES_MAX + 1))] {
            let mut in_flight = InFlight::new(SHARDS);
            let codes = codes.map(|code| vec![code]);
            in_flight.absorb(vec![OutboxRow { ctid: FIRST, transaction: Xid8(1), codes }]);
            let waves = settle(&mut in_flight, true, Instant::now());
            assert_eq!(waves, [(0, vec![Action::InvalidateAll]), (1, vec![Action::InvalidateAll])]);
            assert_eq!(in_flight.published(), [FIRST]);
        }
    }

    #[test]
    fn a_row_without_any_code_asks_for_nothing() {
        let mut in_flight = InFlight::new(SHARDS);
        in_flight.absorb(vec![row(FIRST, Some(&[]))]);
        assert_eq!(in_flight.published(), [FIRST]);
    }

    #[test]
    fn a_collapse_tells_every_partition_that_anything_may_have_changed_before_any_heartbeat() {
        let ([zero, _], now) = (codes(), Instant::now());
        let mut in_flight = InFlight::new(SHARDS);
        in_flight.absorb(vec![row(FIRST, Some(&[zero]))]);
        in_flight.waves(now);
        in_flight.collapse();
        assert_eq!(in_flight.rows(), 0);
        assert!(in_flight.take_clear().is_empty());
        in_flight.report(0, invalidate(zero), false, now);
        let waves = settle(&mut in_flight, true, now + Duration::from_secs(1));
        assert_eq!(waves, [(0, vec![Action::InvalidateAll]), (1, vec![Action::InvalidateAll])]);
    }

    #[test]
    fn very_many_codes_become_all() {
        let mut in_flight = InFlight::new(1);
        let codes = (0..=WAITING_CODES_MAX).map(|number| number.to_string()).collect();
        in_flight.absorb(vec![OutboxRow { ctid: FIRST, transaction: Xid8(1), codes: Some(codes) }]);
        assert_eq!(in_flight.waves(Instant::now()), [(0, vec![Action::InvalidateAll])]);
    }

    #[test]
    fn rows_from_a_cursor_are_those_that_a_read_finds_again() {
        let mut in_flight = InFlight::new(SHARDS);
        in_flight.absorb(vec![row(FIRST, None)]);
        assert_eq!((in_flight.rows_from(Xid8(1)), in_flight.rows_from(Xid8(2))), (1, 0));
    }
}
