//! A snapshot that is held open beside many writers, as by a dump: what was deleted from the outbox stays where it was,
//! and must not be in the way.

use std::path::Path;
use std::time::Duration;

use harness::{Database, Postgres, Settings, System};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::HEAL_LIMIT;

const WRITERS: usize = 64;

/// Long enough for a hundred thousand dead rows, also on a busy machine.
const HELD: Duration = Duration::from_secs(60);

/// Reads, and deletions, of which the median counts: those of the last seconds, when the dead rows are most.
const LAST: usize = 500;

/// What the relay's statements begin with, as PostgreSQL's log shows them.
const READ: &str = "-- One statement, so one snapshot";
const DELETE: &str = "-- Exactly the rows that were read";

/// The promise is 2 ms; with all writers at work a statement also waits for a processor.
const LIMIT_MS: f64 = 10.0;

#[tokio::test]
async fn beside_a_snapshot_held_open_the_relay_is_as_quick_as_ever() {
    // The server writes down how long each statement takes, of all but the writers.
    let logging = ["-c", "logging_collector=on", "-c", "log_filename=statements", "-c", "log_line_prefix=%a "];
    let arguments = [&logging[..], &["-c", "fsync=off", "-c", "max_connections=200"]].concat();
    let mut postgres = Postgres::start(&arguments).await;
    let log = postgres.folder().join("data/log/statements");
    let database = postgres.database().await;
    database.execute(&format!("alter database {} set log_min_duration_statement = 0", database.name)).await;
    let system = System::start_on(database, Settings::new()).await;

    let dump = system.database.client().await;
    dump.batch_execute("begin isolation level repeatable read; select count(*) from city").await.unwrap();
    let written = write(&system.database, HELD).await;
    for statement in [READ, DELETE] {
        let mut last = last(&log, statement);
        last.sort_by(f64::total_cmp);
        let (median, slow) = (last[LAST / 2], last[LAST * 99 / 100]);
        let seen =
            format!("`{statement}` beside {written} dead rows: median {median:.2} ms, 99 of 100 in {slow:.2} ms");
        #[expect(clippy::print_stdout, reason = "a passed test shows it where it is asked to, with --show-output")]
        {
            println!("{seen}");
        }
        assert!(median <= LIMIT_MS, "{seen}");
    }
    dump.batch_execute("commit").await.unwrap();
    system.judge(HEAL_LIMIT).await;
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
            client.batch_execute("set log_min_duration_statement = -1").await.unwrap();
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

/// How many milliseconds each of the [`LAST`] executions of a statement took: a line for its beginning, and one for its
/// end.
fn last(log: &Path, statement: &str) -> Vec<f64> {
    let log = std::fs::read(log).expect("PostgreSQL writes its log there");
    let mut durations = Vec::new();
    let mut bind = 0.0;
    for line in String::from_utf8_lossy(&log).lines().filter(|line| line.contains(statement)) {
        let Some((_, duration)) = line.split_once("duration: ") else { continue };
        let Some((milliseconds, step)) = duration.split_once(" ms  ") else { continue };
        let milliseconds: f64 = milliseconds.parse().expect("it is a number");
        if step.starts_with("execute") {
            durations.push(bind + milliseconds);
        } else if step.starts_with("bind") {
            bind = milliseconds;
        }
    }
    durations.split_off(durations.len().checked_sub(LAST).expect("the relay reads and deletes many times"))
}
