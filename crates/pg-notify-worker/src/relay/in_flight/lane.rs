//! One partition's part. What it is to be told goes in waves: the next one leaves when the last one is wholly
//! acknowledged, so what waits meanwhile is told once.
//!
//! A number is promised to the lane when all that it vouches for has been read. Its heartbeat leaves as soon as the wave
//! that carries the last of that is acknowledged, whatever has been added since: under steady changes there is always
//! another wave.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use common::message::Action;

use crate::postgres::system_columns::Ctid;
use crate::relay::in_flight::wave::Wave;

/// A partition that refused something is not asked again sooner than this.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// One partition's part.
#[derive(Default)]
pub(super) struct Lane {
    /// What the next wave will carry, with what of the one on its way was refused.
    waiting: Wave,
    /// Rows of the wave on its way.
    sent: Vec<Ctid>,
    /// Rows of waves that were acknowledged, until they are taken.
    acknowledged_rows: Vec<Ctid>,
    /// Messages of the wave on its way that no report has come for.
    on_its_way: usize,
    /// Whether one of them was refused.
    has_refused: bool,
    /// Number of the wave that left last.
    wave: u64,
    /// All waves up to this one are acknowledged.
    acknowledged: u64,
    /// Numbers, each with the wave that has to be acknowledged first: in ascending order, and two at most, since only
    /// the wave on its way and the next one are not acknowledged.
    promises: VecDeque<Promise>,
    /// The largest number whose promise holds and that has not left.
    vouched: Option<u64>,
    /// A heartbeat that no report has come for: there is one at most.
    heartbeat_on_its_way: bool,
    retry_at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Promise {
    number: u64,
    wave: u64,
}

impl Lane {
    /// Answers whether this is the first code of the row for this lane; a row's codes come together.
    pub(super) fn add(&mut self, ctid: Ctid, code: String) -> bool {
        self.waiting.add(ctid, code)
    }

    pub(super) fn add_all(&mut self, ctid: Ctid) {
        self.waiting.add_all(ctid);
    }

    /// All that `number` vouches for has been added.
    pub(super) fn promise(&mut self, number: u64) {
        let wave = if !self.waiting.is_empty() {
            self.wave + 1
        } else if self.on_its_way > 0 {
            self.wave
        } else {
            self.acknowledged
        };
        match self.promises.back_mut() {
            Some(last) if last.wave == wave => last.number = number,
            _ => self.promises.push_back(Promise { number, wave }),
        }
        self.keep_promises();
    }

    /// What leaves now: a heartbeat, then the next wave.
    pub(super) fn take_actions(&mut self, now: Instant) -> Vec<Action> {
        let heartbeat = self.take_heartbeat();
        heartbeat.into_iter().chain(self.take_wave(now)).collect()
    }

    pub(super) fn take_heartbeat(&mut self) -> Option<Action> {
        if self.heartbeat_on_its_way {
            return None;
        }
        let number = self.vouched.take()?;
        self.heartbeat_on_its_way = true;
        Some(Action::Heartbeat(number))
    }

    /// Answers whether the message was the last of its wave.
    pub(super) fn report(&mut self, action: Action, acknowledged: bool, now: Instant) -> bool {
        if matches!(action, Action::Heartbeat(_)) {
            self.heartbeat_on_its_way = false;
            // A refused one is not repeated: the next number says more.
            return self.vouched.is_some();
        }
        self.on_its_way = self.on_its_way.saturating_sub(1);
        if !acknowledged {
            self.waiting.add_refused(action);
            self.has_refused = true;
        }
        let was_last = self.on_its_way == 0;
        if was_last {
            self.end_wave(now);
        }
        was_last
    }

    /// Takes the rows that have been acknowledged.
    pub(super) fn take_acknowledged(&mut self) -> Vec<Ctid> {
        mem::take(&mut self.acknowledged_rows)
    }

    /// What is told stays to be told, but no row depends on it any more.
    pub(super) fn forget_rows(&mut self) {
        self.waiting.forget_rows();
        self.sent = Vec::new();
        self.acknowledged_rows = Vec::new();
    }

    pub(super) fn has_wave_on_its_way(&self) -> bool {
        self.on_its_way > 0
    }

    /// Whether nothing is left to be told.
    pub(super) fn is_clear(&self) -> bool {
        self.on_its_way == 0 && self.waiting.is_empty()
    }

    /// Whether no message waits for an acknowledgement, or for being sent.
    pub(super) fn is_silent(&self) -> bool {
        self.is_clear() && !self.heartbeat_on_its_way
    }

    #[cfg(test)]
    pub(super) fn promises(&self) -> usize {
        self.promises.len()
    }

    fn take_wave(&mut self, now: Instant) -> Vec<Action> {
        let pauses = self.retry_at.is_some_and(|at| now < at);
        if self.on_its_way > 0 || self.waiting.is_empty() || pauses {
            return Vec::new();
        }
        let (actions, rows) = mem::take(&mut self.waiting).into_parts();
        self.retry_at = None;
        self.wave += 1;
        self.on_its_way = actions.len();
        self.sent = rows;
        actions
    }

    fn end_wave(&mut self, now: Instant) {
        let rows = mem::take(&mut self.sent);
        if mem::take(&mut self.has_refused) {
            // The next wave carries what was refused, and stands for this one.
            self.waiting.add_rows(rows);
            self.retry_at = Some(now + RETRY_PAUSE);
            self.postpone_promises();
        } else {
            self.acknowledged_rows.extend(rows);
            self.acknowledged = self.wave;
            self.keep_promises();
        }
    }

    /// All of them wait for the next wave now, and the largest number says most.
    fn postpone_promises(&mut self) {
        if let Some(last) = self.promises.pop_back() {
            self.promises.clear();
            self.promises.push_back(Promise { wave: self.wave + 1, ..last });
        }
    }

    fn keep_promises(&mut self) {
        while let Some(promise) = self.promises.pop_front_if(|promise| promise.wave <= self.acknowledged) {
            self.vouched = Some(promise.number);
        }
    }
}
