//! When more waits than the relay may hold: one row stands for all, and they are deleted piece by piece.
//!
//! That row is committed first, so whatever ends between two pieces loses nothing: the next term finds it beside what is
//! left. Each piece is a range of the table's blocks, and so takes the same time whatever is in the others.

use std::time::{Duration, Instant};

use crate::relay::outbox::{Outbox, StandIn};
use crate::term_end::ConnectionLost;

/// Blocks of 8 KiB in one piece: some 12,000 rows, deleted in 12 ms.
const PIECE_BLOCKS: u32 = 100;

/// Pieces of one turn take so long, so that heartbeats go on.
const TURN_LIMIT: Duration = Duration::from_millis(100);

/// Rows that are deleted because another one stands for them.
#[derive(Debug)]
pub(crate) struct Collapse {
    /// What the row that stands for them saw.
    snapshot: String,
    next_block: u32,
    blocks: u32,
    deleted: u64,
}

impl Collapse {
    /// Of all that `stand_in` stands for.
    pub(crate) fn new(stand_in: StandIn) -> Self {
        Self { snapshot: stand_in.snapshot, next_block: 0, blocks: stand_in.blocks, deleted: 0 }
    }

    /// Deletes some pieces; answers how many rows are gone by now, once all are.
    pub(crate) async fn step(&mut self, outbox: &Outbox) -> Result<Option<u64>, ConnectionLost> {
        let begun = Instant::now();
        while self.next_block < self.blocks {
            let end = self.next_block.saturating_add(PIECE_BLOCKS);
            self.deleted += outbox.delete_stood_for(self.next_block, end, &self.snapshot).await?;
            self.next_block = end;
            if begun.elapsed() > TURN_LIMIT {
                return Ok(None);
            }
        }
        Ok(Some(self.deleted))
    }
}
