//! What the capture adds to one statement: processor time of the backend that runs it, counted by the kernel.
//!
//! One session on each database makes one-row updates by key, each in a transaction of its own; what is counted is all
//! that its backend does for one, from the message that comes to the message that goes: user and system time together.
//! Commits don't wait for the disk (`synchronous_commit = off`), the programs are down, and the databases take turns.

use std::fs;

use harness::Database;
use tokio_postgres::{Client, Statement};

use crate::figures::{Pairs, median};
use crate::pgbench::FIRST_ID;
use crate::row::Row;
use crate::scale::Scale;
use crate::stage::Stage;
use crate::table::Table;
use crate::writers::Others;

/// Updates of one database before it is the next one's turn: some 10 ms.
const UPDATES: i64 = 500;

/// Turns before any counts: each session has planned everything by then.
const WARM_UP: usize = 5;

/// A session and its backend.
struct Writer {
    client: Client,
    update: Statement,
    backend: i32,
    next: i64,
}

impl Writer {
    async fn connect(database: &Database) -> Self {
        let client = database.client().await;
        client.batch_execute("set synchronous_commit = off").await.expect("anybody may");
        let update = client.prepare("update city set population = population + 1 where id = $1").await;
        let backend = client.query_one("select pg_backend_pid()", &[]).await.expect("it has one").get(0);
        Self { client, update: update.expect("there are cities"), backend, next: FIRST_ID }
    }

    /// Microseconds of the processor for one update, on average.
    async fn turn(&mut self) -> f64 {
        let before = self.processor_time();
        for _ in 0..UPDATES {
            // Neighbours, but no row twice within a turn: what a turn leaves is pruned by the next.
            let id = i32::try_from(self.next).expect("keys of cities are integers");
            self.next = FIRST_ID + (self.next - FIRST_ID + 17) % 30_000;
            self.client.execute(&self.update, &[&id]).await.expect("the row is there");
        }
        (self.processor_time() - before) / 1_000.0 / f64::from(u16::try_from(UPDATES).expect("it is few"))
    }

    /// Nanoseconds on a processor, the first word of `schedstat` (Linux: Documentation/scheduler/sched-stats).
    fn processor_time(&self) -> f64 {
        let path = format!("/proc/{}/schedstat", self.backend);
        let counted = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let first = counted.split_whitespace().next().and_then(|word| word.parse().ok());
        first.unwrap_or_else(|| panic!("{path} has no number: {counted}"))
    }
}

pub(crate) async fn measure(stage: &mut Stage, others: &Others, scale: &Scale, table: &mut Table) {
    stage.down().await;
    let databases = [&others.none, &others.constant, &stage.system.database];
    let mut writers = Vec::new();
    for database in databases {
        database.execute("vacuum city").await;
        writers.push(Writer::connect(database).await);
    }
    let mut costs = [const { Vec::new() }; 3];
    for turn in 0..WARM_UP + scale.turns {
        for (writer, costs) in writers.iter_mut().zip(&mut costs) {
            let cost = writer.turn().await;
            if turn >= WARM_UP {
                costs.push(cost);
            }
        }
    }
    let [none, constant, capture] = costs;
    let more = |with: &[f64]| with.iter().zip(&none).map(|(with, none)| with - none).collect::<Vec<_>>();
    let pairs = Pairs::of(&more(&capture), &more(&constant));
    let [none, constant, capture] = [&none, &constant, &capture].map(|costs| median(costs.iter().copied()));
    let remark = format!(
        "{none:.1} µs without a trigger, {constant:.1} with a constant row, {capture:.1} with the capture; {} turns of \
         {UPDATES} statements",
        scale.turns
    );
    table.add(Row::StatementCost, pairs.ratio(), remark);
    // What nobody relayed is of no interest to the next measurement.
    for statement in ["delete from cities_cache.outbox", "vacuum cities_cache.outbox"] {
        stage.system.database.execute(statement).await;
    }
}
