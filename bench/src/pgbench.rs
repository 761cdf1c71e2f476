//! Writers, made by pgbench.

use std::time::Duration;

use harness::{Database, Process};

/// As many as a busy user has.
pub(crate) const WRITERS: usize = 64;

/// One-row updates by key.
const UPDATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/update.sql");

/// Threads of pgbench.
const THREADS: &str = "1";

/// The key of the first city, and of those that follow, once [`number_cities`] has run.
pub(crate) const FIRST_ID: i64 = 1_000_000_001;

/// Until pgbench has ended, beyond the time that it was given.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Until what it wrote is read.
const LINE_LIMIT: Duration = Duration::from_secs(5);

/// Gives the cities keys without gaps, so that pgbench can choose one.
pub(crate) async fn number_cities(database: &Database) {
    let statement = format!(
        "update city set id = numbered.id
         from (select id as old_id, {FIRST_ID} - 1 + row_number() over (order by id) as id from city) as numbered
         where city.id = numbered.old_id"
    );
    database.execute(&statement).await;
}

/// `clients` change a row each, again as soon as that is committed, for a time; how often a second?
///
/// # Panics
/// If a transaction failed.
pub(crate) async fn changes(database: &Database, clients: usize, time: Duration) -> f64 {
    // What the run before has left must not be this one's burden.
    database.execute("vacuum city").await;
    let last = FIRST_ID - 1 + database.number("select count(*) from city").await;
    let mut command = database.command("pgbench");
    command.args(["-n", "-M", "prepared", "-f", UPDATE, "-j", THREADS]);
    command.args(["-c", &clients.to_string(), "-T", &time.as_secs().to_string()]);
    command.args(["-D", &format!("first={FIRST_ID}"), "-D", &format!("last={last}")]);
    let mut process = Process::spawn("pgbench", &mut command);
    assert!(process.wait_exit(time + END_LIMIT).await.success(), "{}", process.log().join("\n"));
    // Connecting is part of the time, but not of the rate.
    let transactions = process.wait_log(LINE_LIMIT, "number of failed transactions: 0 ").await;
    assert!(!transactions.contains("NaN"), "this machine is too busy: {clients} clients could not connect in {time:?}");
    let rate = process.wait_log(LINE_LIMIT, "tps = ").await;
    let rate = rate.split_whitespace().nth(2).and_then(|word| word.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench wrote something else than expected: {}", process.log().join("\n")))
}
