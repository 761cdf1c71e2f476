//! What was read, what of it is on its way to which partition, what is acknowledged: no I/O.
//!
//! Each partition has a lane, and a dead one holds back nobody but itself. A row is published when every lane that it
//! concerns has acknowledged it; each acknowledgement counts down the rows that it is about and no others, so that a
//! turn costs the same however many rows wait.

mod lane; // One partition's waves and heartbeats.
mod wave; // What leaves for a partition at once.

#[cfg(test)]
mod properties; // Whatever the order of events.
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Instant;

use common::code::CODE_BYTES_MAX;
use common::message::Action;
use common::shard::{Shard, shard_of};

use crate::postgres::system_columns::Ctid;
use crate::relay::cursor::Batch;
use crate::relay::in_flight::lane::Lane;
use crate::relay::outbox::OutboxRow;

/// A message that may leave. Only [`InFlight`] makes one, so no heartbeat leaves before everything is acknowledged that
/// was visible when its number was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    shard: Shard,
    action: Action,
}

impl Outgoing {
    /// Its partition.
    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    /// What it asks for.
    pub(crate) fn action(&self) -> &Action {
        &self.action
    }
}

/// All lanes, and the rows that are read but not yet deleted.
pub(crate) struct InFlight {
    lanes: Vec<Lane>,
    /// How many lanes have not acknowledged a row.
    rows: HashMap<Ctid, usize>,
    /// Those that all have acknowledged.
    published: Vec<Ctid>,
}

impl InFlight {
    /// Empty, for `shards` partitions.
    pub(crate) fn new(shards: u32) -> Self {
        Self { lanes: (0..shards).map(|_| Lane::default()).collect(), rows: HashMap::new(), published: Vec::new() }
    }

    /// Takes note of rows, then of the number for which they are the last ones. Answers how many rows were new: a row of
    /// a transaction that ended during a sweep may be read twice.
    pub(crate) fn absorb(&mut self, batch: Batch) -> usize {
        let news = batch.rows.into_iter().map(|row| usize::from(self.add(row))).sum();
        if let Some(number) = batch.complete {
            for lane in &mut self.lanes {
                lane.promise(number.get());
            }
        }
        news
    }

    /// A row took the place of all that were read, and of more: every partition is to be told that anything may have
    /// changed.
    pub(crate) fn absorb_stand_in(&mut self, ctid: Ctid) {
        self.rows.clear();
        self.published.clear();
        self.lanes.iter_mut().for_each(Lane::forget_rows);
        self.add_everywhere(ctid);
    }

    /// Takes what is to leave now, of each partition in this order.
    pub(crate) fn take_outgoing(&mut self, now: Instant) -> Vec<Outgoing> {
        let of_lane = |(shard, lane): (Shard, &mut Lane)| {
            lane.take_actions(now).into_iter().map(move |action| Outgoing { shard, action })
        };
        (0..).zip(&mut self.lanes).flat_map(of_lane).collect()
    }

    /// Takes the heartbeats that may leave now.
    pub(crate) fn take_heartbeats(&mut self) -> Vec<Outgoing> {
        let of_lane = |(shard, lane): (Shard, &mut Lane)| Some(Outgoing { shard, action: lane.take_heartbeat()? });
        (0..).zip(&mut self.lanes).filter_map(of_lane).collect()
    }

    /// What became of a message; answers whether that leaves something to do.
    pub(crate) fn report(&mut self, shard: Shard, action: Action, acknowledged: bool, now: Instant) -> bool {
        let Some(lane) = self.lanes.get_mut(shard as usize) else { return false };
        let was_last = lane.report(action, acknowledged, now);
        for ctid in lane.take_acknowledged() {
            self.count_down(ctid);
        }
        was_last
    }

    /// Whether some of these partitions have a wave on its way.
    pub(crate) fn is_on_its_way(&self, shards: &[Shard]) -> bool {
        shards.iter().filter_map(|&shard| self.lanes.get(shard as usize)).any(Lane::has_wave_on_its_way)
    }

    /// Whether nothing is left to be told.
    pub(crate) fn is_clear(&self) -> bool {
        self.lanes.iter().all(Lane::is_clear)
    }

    /// Whether no message of any kind waits for an acknowledgement, or for being sent.
    pub(crate) fn is_silent(&self) -> bool {
        self.lanes.iter().all(Lane::is_silent)
    }

    /// Rows that all partitions have acknowledged, `limit` at most.
    pub(crate) fn published(&self, limit: usize) -> &[Ctid] {
        &self.published[..self.published.len().min(limit)]
    }

    /// The first `count` of the published rows are deleted.
    pub(crate) fn forget_published(&mut self, count: usize) {
        for ctid in self.published.drain(..count) {
            self.rows.remove(&ctid);
        }
    }

    /// How many rows are read but not deleted.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Answers whether the row is new.
    fn add(&mut self, row: OutboxRow) -> bool {
        if self.rows.contains_key(&row.ctid) {
            return false;
        }
        match row.codes {
            Some(codes) if codes.iter().all(|code| code.len() <= CODE_BYTES_MAX) => self.add_codes(row.ctid, codes),
            _ => self.add_everywhere(row.ctid),
        }
        true
    }

    fn add_codes(&mut self, ctid: Ctid, codes: Vec<String>) {
        let shards = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        let mut lanes = 0;
        for code in codes {
            let lane = &mut self.lanes[shard_of(&code, shards) as usize];
            lanes += usize::from(lane.add(ctid, code));
        }
        self.expect(ctid, lanes);
    }

    fn add_everywhere(&mut self, ctid: Ctid) {
        for lane in &mut self.lanes {
            lane.add_all(ctid);
        }
        self.expect(ctid, self.lanes.len());
    }

    fn expect(&mut self, ctid: Ctid, lanes: usize) {
        self.rows.insert(ctid, lanes);
        if lanes == 0 {
            self.published.push(ctid);
        }
    }

    fn count_down(&mut self, ctid: Ctid) {
        let Some(lanes) = self.rows.get_mut(&ctid) else { return };
        *lanes = lanes.saturating_sub(1);
        if *lanes == 0 {
            self.published.push(ctid);
        }
    }
}
