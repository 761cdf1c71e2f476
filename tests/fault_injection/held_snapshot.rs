//! What holds back vacuum beside many writers: a dump's snapshot, and transactions that wrote once and stay open, in this
//! database and in another one. What was deleted from the outbox stays where it was, and must not be in the way.

use std::path::Path;
use std::time::Duration;

use harness::{Database, Postgres, Settings, System};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::HEAL_LIMIT;

const WRITERS: usize = 64;

/// Long enough for a hundred thousand dead rows, also on a busy machine.
const HELD: Duration = Duration::from_secs(60);

/// Reads, and deletions, of which the median counts: those of the last seconds, when the dead rows are most. On a busy
/// machine some 500 are made in the whole time.
const LAST: usize = 100;

/// What the relay's statements begin with, as PostgreSQL's log shows them.
const READ: &str = "-- read_outbox.sql";
const DELETE: &str = "-- Exactly the rows that were read";

/// The server writes down what each statement looks at, where a session doesn't forbid it.
const LOGGING: [&str; 8] = [
    "logging_collector=on",
    "log_filename=statements",
    "shared_preload_libraries=auto_explain",
    "auto_explain.log_analyze=on",
    "auto_explain.log_buffers=on",
    "auto_explain.log_timing=off",
    "fsync=off",
    "max_connections=200",
];

/// Pages of 8 KiB that such a statement may look at for each row that it is about, and for the rest of it. What the dead
/// rows would add is thousands. Counted instead of timed: with all writers at work it also waits for a processor.
const PAGES_A_ROW: u64 = 8;
const PAGES_BESIDE: u64 = 300;

#[tokio::test]
async fn beside_a_snapshot_and_writers_held_open_the_relay_is_as_quick_as_ever() {
    let arguments: Vec<_> = LOGGING.iter().flat_map(|setting| ["-c", setting]).collect();
    let mut postgres = Postgres::start(&arguments).await;
    let log = postgres.folder().join("data/log/statements");
    let database = postgres.database().await;
    database.execute(&format!("alter database {} set auto_explain.log_min_duration = 0", database.name)).await;
    let system = System::start_on(database, Settings::new()).await;

    let dump = system.database.client().await;
    dump.batch_execute("begin isolation level repeatable read; select count(*) from city").await.unwrap();
    let elsewhere = postgres.database().await;
    elsewhere.execute("create table city (name text)").await;
    let (here, there) = (system.database.client().await, elsewhere.client().await);
    here.batch_execute("begin; update public.country set population = 1 where code = 'BGR'").await.unwrap();
    there.batch_execute("begin; insert into city values ('Sofia')").await.unwrap();
    let written = write(&system.database, HELD).await;
    for statement in [READ, DELETE] {
        let mut beside: Vec<_> =
            last(&log, statement).map(|(pages, rows)| pages.saturating_sub(rows * PAGES_A_ROW)).collect();
        beside.sort_unstable();
        let median = beside[LAST / 2];
        let seen = format!("`{statement}` beside {written} dead rows: {median} pages more than for its rows");
        #[expect(clippy::print_stdout, reason = "a passed test shows it where it is asked to, with --show-output")]
        {
            println!("{seen}");
        }
        assert!(median <= PAGES_BESIDE, "{seen}");
    }
    for session in [dump, here, there] {
        session.batch_execute("commit").await.unwrap();
    }
    system.agree(HEAL_LIMIT).await;
}

/// [`WRITERS`] change one row after the other for so long; returns how many changes they made.
async fn write(database: &Database, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let rows = database.query("select id from city", &[]).await;
    let rows: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    let mut writers = JoinSet::new();
    // Each has rows of its own, and comes back to one only after all others.
    for own in rows.chunks(rows.len().div_ceil(WRITERS)) {
        let (client, own) = (database.client().await, own.to_vec());
        writers.spawn(async move {
            client.batch_execute("set auto_explain.log_min_duration = -1").await.unwrap();
            let change = client.prepare("update city set population = population + 1 where id = $1").await.unwrap();
            let mut written = 0;
            for id in own.iter().cycle() {
                if Instant::now() > end {
                    break;
                }
                written += client.execute(&change, &[id]).await.unwrap();
            }
            written
        });
    }
    writers.join_all().await.into_iter().sum()
}

/// How many pages each of the [`LAST`] executions of a statement looked at, and how many rows it met.
fn last(log: &Path, statement: &str) -> impl Iterator<Item = (u64, u64)> {
    let log = std::fs::read(log).expect("PostgreSQL writes its log there");
    let log = String::from_utf8_lossy(&log);
    let plans = log.split("Query Text: ").skip(1).filter(|plan| plan.starts_with(statement));
    let seen: Vec<_> = plans.map(|plan| (pages(plan), rows(plan))).collect();
    let others = seen.len().checked_sub(LAST).expect("the relay reads and deletes many times");
    seen.into_iter().skip(others)
}

/// `Buffers: shared hit=12 read=3 dirtied=1` of the topmost node: what was found in memory, and what was not.
fn pages(plan: &str) -> u64 {
    let (_, buffers) = plan.split_once("Buffers: shared ").expect("each statement looks at a page");
    let words = buffers.lines().next().expect("it is a line").split_whitespace();
    let pages = words.filter_map(|word| word.strip_prefix("hit=").or(word.strip_prefix("read=")));
    pages.map(|pages| pages.parse::<u64>().expect("it is a number")).sum()
}

/// `(actual rows=25 loops=1)` of the node that has most; `rows=25.00` since PostgreSQL 18.
fn rows(plan: &str) -> u64 {
    let counts = plan.split("(actual rows=").skip(1).map(|rest| rest.split([' ', '.']).next());
    counts.map(|rows| rows.and_then(|rows| rows.parse().ok()).expect("it is a number")).max().expect("it has a node")
}
