//! How far the outbox is read, so that each row is read once, however many stay behind it and whoever holds back vacuum.
//!
//! A transaction's rows become visible all at once. So once everything that a snapshot saw is read, only transactions
//! that it did not see can bring more: those that were running, and those that begin later. What takes several reads is
//! a sweep. It ends when all is read that its *first* snapshot saw: of what later ones saw, some lies behind it.

use crate::postgres::system_columns::Xid8;
use crate::relay::heartbeat::CheckedNumber;
use crate::relay::outbox::OutboxRow;

/// The transactions that a snapshot does not see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Horizon {
    /// It and all later ones had not ended (`pg_snapshot_xmax`).
    pub(crate) next: Xid8,
    /// Earlier ones that were running (`pg_snapshot_xip`).
    pub(crate) open: Vec<Xid8>,
}

/// Transactions of which no row is read yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unread {
    /// Those of these that end.
    pub(crate) open: Vec<Xid8>,
    /// Those from this one...
    pub(crate) from: Xid8,
    /// ... to this one.
    pub(crate) to: Xid8,
}

/// Rows that were read, and the number for which they were the last ones.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What is to be told.
    pub(crate) rows: Vec<OutboxRow>,
    /// Once these rows, and those of earlier batches, are told, all is that was visible when this number was read.
    pub(crate) complete: Option<CheckedNumber>,
    /// Whether there is more to read at once.
    pub(crate) more: bool,
}

/// How far the outbox is read.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(crate) struct Cursor {
    unread: Unread,
    /// The first snapshot of the sweep at hand, and the number that it read; `None`: the next read begins a sweep.
    first: Option<(Horizon, Option<CheckedNumber>)>,
    batch_rows: usize,
}

impl Cursor {
    /// Nothing is read. A read that finds `batch_rows` of a part of what is unread may have left some.
    pub(crate) fn new(batch_rows: usize) -> Self {
        let unread = Unread { open: Vec::new(), from: Xid8::default(), to: Xid8::MAX };
        Self { unread, first: None, batch_rows }
    }

    /// What the next read is to ask for.
    pub(crate) fn unread(&self) -> &Unread {
        &self.unread
    }

    /// Whether the next read is the first of a sweep, whose number will count.
    pub(crate) fn begins_a_sweep(&self) -> bool {
        self.first.is_none()
    }

    /// After a read of what was unread: each transaction that it found is there with all its rows.
    pub(crate) fn advance(&mut self, horizon: Horizon, number: Option<CheckedNumber>, rows: Vec<OutboxRow>) -> Batch {
        let (horizon, number) = self.first.take().unwrap_or((horizon, number));
        match self.unread.without(&rows, self.batch_rows, &horizon) {
            Some(unread) => {
                self.unread = unread;
                self.first = Some((horizon, number));
                Batch { rows, complete: None, more: true }
            }
            None => {
                self.unread = Unread::beyond(horizon);
                Batch { rows, complete: number, more: false }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// All that a snapshot with this horizon saw counts as read: something stands for it.
    pub(crate) fn skip_to(&mut self, horizon: Horizon) {
        self.unread = Unread::beyond(horizon);
        self.first = None;
    }
}

impl Unread {
    /// What a snapshot did not see.
    fn beyond(horizon: Horizon) -> Self {
        Self { open: horizon.open, from: horizon.next, to: Xid8::MAX }
    }

    /// What is left of it once `rows` are read, as far as the sweep's first snapshot saw it.
    fn without(&self, rows: &[OutboxRow], batch_rows: usize, first: &Horizon) -> Option<Self> {
        let transactions = rows.iter().map(|row| row.transaction);
        let (open, later): (Vec<_>, Vec<_>) = transactions.partition(|transaction| *transaction < self.from);
        // Each part is read in the order of its transactions.
        let is_whole = |part: &[Xid8]| part.len() < batch_rows;
        let last_open = open.iter().max().filter(|_| !is_whole(&open));
        let last_later = later.iter().max().filter(|_| !is_whole(&later));
        let left = Self {
            open: last_open
                .map_or_else(Vec::new, |last| self.open.iter().copied().filter(|open| open > last).collect()),
            from: last_later.map_or(Xid8::MAX, |last| last.next()),
            to: first.next.previous(),
        };
        (!left.open.is_empty() || left.from <= left.to).then_some(left)
    }
}
