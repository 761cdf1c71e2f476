//! What leaves for one partition at once: each code once, however often it changed, and the rows that asked for it.

use std::collections::BTreeSet;

use common::message::Action;

use crate::postgres::system_columns::Ctid;

/// Different codes in one wave; more of them cost more than emptying the shard does.
pub(super) const CODES_MAX: usize = 4_096;

/// Invalidations, each once, and the rows that ask for them.
#[derive(Default)]
pub(super) struct Wave {
    all: bool,
    codes: BTreeSet<String>,
    rows: Vec<Ctid>,
}

impl Wave {
    /// Answers whether this is the row's first code here; a row's codes come together.
    pub(super) fn add(&mut self, ctid: Ctid, code: String) -> bool {
        self.add_code(code);
        let is_first = self.rows.last() != Some(&ctid);
        if is_first {
            self.rows.push(ctid);
        }
        is_first
    }

    pub(super) fn add_all(&mut self, ctid: Ctid) {
        self.empty_shard();
        self.rows.push(ctid);
    }

    /// Takes up an invalidation that an earlier wave could not deliver.
    pub(super) fn add_refused(&mut self, action: Action) {
        match action {
            Action::Invalidate(code) => self.add_code(code),
            Action::InvalidateAll => self.empty_shard(),
            Action::Heartbeat(_) => {}
        }
    }

    /// Takes up the rows of an earlier wave, which is delivered with this one.
    pub(super) fn add_rows(&mut self, rows: Vec<Ctid>) {
        self.rows.extend(rows);
    }

    pub(super) fn forget_rows(&mut self) {
        self.rows = Vec::new();
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all && self.codes.is_empty()
    }

    /// Its messages and its rows.
    pub(super) fn into_parts(self) -> (Vec<Action>, Vec<Ctid>) {
        let actions = if self.all {
            vec![Action::InvalidateAll]
        } else {
            self.codes.into_iter().map(Action::Invalidate).collect()
        };
        (actions, self.rows)
    }

    fn add_code(&mut self, code: String) {
        if self.all {
            return;
        }
        self.codes.insert(code);
        if self.codes.len() > CODES_MAX {
            self.empty_shard();
        }
    }

    fn empty_shard(&mut self) {
        self.all = true;
        self.codes.clear();
    }
}
