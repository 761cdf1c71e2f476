//! Every order of events around the [`Cursor`]: transactions that write, commit and abort, heartbeats that are committed,
//! reads that find a row or two at a time, deletions of what was read, and one row that stands for all. The cursor is the
//! one that ships; PostgreSQL is a model, with snapshots as its manual has them ("`pg_snapshot` Components").
//!
//! What holds (docs/protocol.md, "Relay" and "Heartbeats"): a number comes out only after every row was read that was
//! visible when it was committed, and no committed row stays unread. Each rule that is left out breaks one of them.

use std::collections::HashSet;
use std::fmt::{self, Display};

use crate::postgres::system_columns::{Ctid, Xid8};
use crate::relay::cursor::{Cursor, Horizon, Unread};
use crate::relay::heartbeat::CheckedNumber;
use crate::relay::outbox::OutboxRow;

const TRANSACTIONS: usize = 3;

/// Rows that a transaction may write.
const ROWS: u16 = 2;

/// Heartbeats that are committed.
const NUMBERS: usize = 2;

/// Reads in which all is found, once nobody writes any more: two sweeps of a row at a time.
const CLOSING_READS: usize = 2 * (TRANSACTIONS * ROWS as usize + 2);

/// What is done otherwise than it ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ablation {
    None,
    /// Transactions that the first snapshot saw running are forgotten.
    OpenIgnored,
    /// Those that the last snapshot of a sweep saw running are remembered instead of the first one's.
    OpenOfTheLast,
    /// After a sweep, the next one begins behind its last snapshot instead of its first.
    NextOfTheLast,
    /// The number that the last snapshot of a sweep read comes out, instead of the first one's.
    NumberOfTheLast,
    /// A read may end amid the rows of one transaction.
    TornTransactions,
    /// Where one row stands for all, those are deleted as well whose transactions its snapshot saw running.
    OpenStoodFor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    Running,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Transaction {
    state: State,
    id: Xid8,
    rows: u16,
    /// Its first rows that were read.
    read: u16,
    deleted: bool,
}

/// What may happen at all.
#[derive(Clone, Copy, Debug)]
struct Scope {
    batch_rows: usize,
    /// Transactions that begin.
    transactions: usize,
    /// Whether one row may once stand for all.
    stand_in: bool,
    ablation: Ablation,
}

impl Scope {
    /// Some seconds in all: beside a row that stands for all, a third transaction would make it minutes.
    fn all(ablation: Ablation) -> impl Iterator<Item = Self> {
        let both = [(2, true), (TRANSACTIONS, false)];
        both.into_iter().flat_map(move |(transactions, stand_in)| {
            [1, 2].map(|batch_rows| Self { batch_rows, transactions, stand_in, ablation })
        })
    }
}

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    transactions: [Transaction; TRANSACTIONS],
    next_id: u64,
    /// The latest transaction that has ended.
    ended: u64,
    /// For each number, how many rows of each transaction were visible when it was committed.
    numbers: Vec<[u16; TRANSACTIONS]>,
    cursor: Cursor,
    /// What the snapshot did not see for which one row stands now.
    stand_in: Option<Horizon>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(usize),
    Commit(usize),
    Abort(usize),
    Heartbeat,
    Read,
    Delete(usize),
    StandIn,
}

/// How it breaks: the shortest way there, and what is wrong at its end.
#[derive(Debug)]
struct Broken {
    steps: Vec<Step>,
    what: &'static str,
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {:?}", self.what, self.steps)
    }
}

impl World {
    fn new(batch_rows: usize) -> Self {
        let idle = Transaction { state: State::Idle, id: Xid8(0), rows: 0, read: 0, deleted: false };
        let cursor = Cursor::new(batch_rows);
        Self { transactions: [idle; TRANSACTIONS], next_id: 10, ended: 9, numbers: Vec::new(), cursor, stand_in: None }
    }

    /// What may happen next. Idle transactions are alike, so they begin in order.
    fn steps(&self, scope: Scope) -> Vec<Step> {
        let mut steps = vec![Step::Read];
        if scope.stand_in && self.stand_in.is_none() {
            steps.push(Step::StandIn);
        }
        if self.numbers.len() < NUMBERS {
            steps.push(Step::Heartbeat);
        }
        let first_idle = self.transactions.iter().position(|transaction| transaction.state == State::Idle);
        for (index, transaction) in self.transactions.iter().enumerate() {
            match transaction.state {
                State::Idle if first_idle == Some(index) && index < scope.transactions => {
                    steps.push(Step::Write(index));
                }
                State::Running => {
                    steps.extend([Step::Commit(index), Step::Abort(index)]);
                    if transaction.rows < ROWS {
                        steps.push(Step::Write(index));
                    }
                }
                State::Committed if !transaction.deleted && self.may_delete(transaction, scope.ablation) => {
                    steps.push(Step::Delete(index));
                }
                State::Idle | State::Committed | State::Aborted => {}
            }
        }
        steps
    }

    fn take(&mut self, step: Step, ablation: Ablation) -> Result<(), &'static str> {
        match step {
            Step::Write(index) => {
                if self.transactions[index].state == State::Idle {
                    self.transactions[index].state = State::Running;
                    self.transactions[index].id = self.begin();
                }
                self.transactions[index].rows += 1;
            }
            Step::Commit(index) => self.end(index, State::Committed),
            Step::Abort(index) => self.end(index, State::Aborted),
            Step::Heartbeat => {
                // Visible to a snapshot that sees the number.
                self.numbers.push(self.transactions.map(|transaction| match transaction.state {
                    State::Committed => transaction.rows,
                    State::Idle | State::Running | State::Aborted => 0,
                }));
                self.ended = self.begin().0;
            }
            Step::Read => return self.read(ablation),
            Step::Delete(index) => self.transactions[index].deleted = true,
            Step::StandIn => self.insert_stand_in(),
        }
        Ok(())
    }

    fn may_delete(&self, transaction: &Transaction, ablation: Ablation) -> bool {
        transaction.read == transaction.rows
            || self.stand_in.as_ref().is_some_and(|Horizon { next, open }| {
                transaction.id < *next && (ablation == Ablation::OpenStoodFor || !open.contains(&transaction.id))
            })
    }

    /// Everything that is visible is told by one row, and so counts as read.
    fn insert_stand_in(&mut self) {
        let horizon = self.horizon();
        for transaction in self.transactions.iter_mut().filter(|transaction| transaction.state == State::Committed) {
            transaction.read = transaction.rows;
        }
        self.cursor.skip_to(horizon.clone());
        self.stand_in = Some(horizon);
        self.ended = self.begin().0;
    }

    fn begin(&mut self) -> Xid8 {
        self.next_id += 1;
        Xid8(self.next_id - 1)
    }

    fn end(&mut self, index: usize, state: State) {
        self.transactions[index].state = state;
        self.ended = self.ended.max(self.transactions[index].id.0);
    }

    /// `pg_snapshot_xmax` is behind the latest that has ended, not behind the latest that has begun.
    fn horizon(&self) -> Horizon {
        let next = Xid8(self.ended + 1);
        let is_open = |transaction: &&Transaction| transaction.state == State::Running && transaction.id < next;
        Horizon { next, open: self.transactions.iter().filter(is_open).map(|transaction| transaction.id).collect() }
    }

    fn read(&mut self, ablation: Ablation) -> Result<(), &'static str> {
        let rows = self.find(ablation);
        for row in &rows {
            let read = &mut self.transactions[row.ctid.block as usize].read;
            *read = (*read).max(row.ctid.line + 1);
        }
        let mut horizon = self.horizon();
        let last = horizon.clone();
        if ablation == Ablation::OpenIgnored {
            horizon.open.clear();
        }
        let newest = self.numbers.len() as u64;
        let number = (newest > 0 && self.cursor.begins_a_sweep()).then(|| CheckedNumber::unchecked(newest));
        let batch = self.cursor.advance(horizon, number, rows);
        let complete = match ablation {
            Ablation::NumberOfTheLast if !batch.more => (newest > 0).then_some(newest),
            _ => batch.complete.map(|number| number.get()),
        };
        if !batch.more && matches!(ablation, Ablation::OpenOfTheLast | Ablation::NextOfTheLast) {
            let Unread { open, from, .. } = self.cursor.unread().clone();
            self.cursor.skip_to(match ablation {
                Ablation::OpenOfTheLast => Horizon { next: from, open: last.open },
                _ => Horizon { next: last.next, open },
            });
        }
        let Some(number) = complete else { return Ok(()) };
        let visible = self.numbers[usize::try_from(number).unwrap() - 1];
        let all_read = self.transactions.iter().zip(visible).all(|(transaction, visible)| transaction.read >= visible);
        if all_read { Ok(()) } else { Err("a number comes out before a row that it vouches for") }
    }

    /// What the statement finds: of each part a batch in the order of transactions, WITH TIES.
    fn find(&self, ablation: Ablation) -> Vec<OutboxRow> {
        let Unread { open, from, to } = self.cursor.unread();
        let mut found = self.part(ablation, |id| open.contains(&id));
        found.extend(self.part(ablation, |id| (*from..=*to).contains(&id)));
        found
    }

    fn part(&self, ablation: Ablation, is_part: impl Fn(Xid8) -> bool) -> Vec<OutboxRow> {
        let batch_rows = self.cursor.batch_rows();
        let mut found: Vec<OutboxRow> = Vec::new();
        let mut visible: Vec<_> = (0..).zip(&self.transactions).collect();
        visible.retain(|(_, transaction)| transaction.state == State::Committed && !transaction.deleted);
        visible.sort_by_key(|(_, transaction)| transaction.id);
        for (block, transaction) in visible.into_iter().filter(|(_, transaction)| is_part(transaction.id)) {
            for line in 0..transaction.rows {
                let is_tie = found.last().is_some_and(|last| last.transaction == transaction.id);
                if found.len() < batch_rows || (is_tie && ablation != Ablation::TornTransactions) {
                    found.push(OutboxRow { ctid: Ctid { block, line }, transaction: transaction.id, codes: None });
                }
            }
        }
        found
    }

    /// Once nobody writes any more, a few reads find all that is left.
    fn close(mut self, ablation: Ablation) -> Result<(), &'static str> {
        for _ in 0..CLOSING_READS {
            self.read(ablation)?;
        }
        let mut committed = self.transactions.iter().filter(|transaction| transaction.state == State::Committed);
        if committed.all(|transaction| transaction.read == transaction.rows) {
            Ok(())
        } else {
            Err("a committed row is never read")
        }
    }

    fn is_quiet(&self) -> bool {
        self.transactions.iter().all(|transaction| transaction.state != State::Running)
    }
}

/// Goes through all states, nearest first; answers how many there are.
fn explore(scope: Scope) -> Result<usize, Broken> {
    let (start, ablation) = (World::new(scope.batch_rows), scope.ablation);
    let mut known = HashSet::from([start.clone()]);
    let mut reached = vec![(start, None)];
    let mut at = 0;
    while at < reached.len() {
        let world = reached[at].0.clone();
        for step in world.steps(scope) {
            let mut next = world.clone();
            let taken = next.take(step, ablation);
            let is_new = known.insert(next.clone());
            let closes =
                taken.and_then(|()| if is_new && next.is_quiet() { next.clone().close(ablation) } else { Ok(()) });
            if let Err(what) = closes {
                return Err(Broken { steps: path(&reached, at, step), what });
            }
            if is_new {
                reached.push((next, Some((at, step))));
            }
        }
        at += 1;
    }
    Ok(reached.len())
}

fn path(reached: &[(World, Option<(usize, Step)>)], mut at: usize, last: Step) -> Vec<Step> {
    let mut steps = vec![last];
    while let Some((before, step)) = reached[at].1 {
        steps.push(step);
        at = before;
    }
    steps.reverse();
    steps
}

#[test]
#[expect(clippy::print_stdout, reason = "a passed test shows it where it is asked to, with --show-output")]
fn no_row_is_missed_and_no_number_comes_out_too_early() {
    for scope in Scope::all(Ablation::None) {
        let states = explore(scope).unwrap_or_else(|broken| panic!("{scope:?}: {broken}"));
        println!("{states} states: {scope:?}");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a passed test shows it where it is asked to, with --show-output")]
fn without_any_one_of_the_rules_something_breaks() {
    for ablation in [
        Ablation::OpenIgnored,
        Ablation::OpenOfTheLast,
        Ablation::NextOfTheLast,
        Ablation::NumberOfTheLast,
        Ablation::TornTransactions,
        Ablation::OpenStoodFor,
    ] {
        let broken = Scope::all(ablation).find_map(|scope| explore(scope).err());
        println!("{ablation:?}: {}", broken.unwrap_or_else(|| panic!("{ablation:?} breaks nothing")));
    }
}
