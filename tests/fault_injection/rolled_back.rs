//! PostgreSQL put back to what it was before, with the cache full of what is no longer true: a failover to a standby that
//! lags, a dump, a copy of the files, an outbox that lost what nobody had published.

use harness::tool::feed;
use harness::{Postgres, Proxy, Settings, System, eventually, holds};

use crate::trial::Trial;
use crate::{FROZEN, HEAL_LIMIT};

/// Readers may be told that PostgreSQL is away …
const GOOD: &[u16] = &[200, 503];

/// … and that there is no such country, where the tables are filled step by step.
const STEP_BY_STEP: &[u16] = &[200, 404, 503];

/// What will never have happened.
const CHANGE: &str = "update city set population = 7654321 where name = 'Sofia' and countrycode = 'BGR';
                      delete from city where countrycode = 'AND';
                      insert into city (name, countrycode, population) values ('Nova', 'FRA', 99999999)";

/// A whole system on a PostgreSQL of its own.
async fn start() -> (Postgres, System) {
    let postgres = Postgres::start(&[]).await;
    let system = System::start_on(postgres.existing("tutorial"), Settings::new()).await;
    (postgres, system)
}

/// The cache holds what is true now, of each code.
async fn change_and_cache(system: &System) {
    system.database.execute(CHANGE).await;
    eventually(HEAL_LIMIT, "the change is cached", async || {
        let answer = system.http.get("/cities/BGR").await?;
        holds(answer.population("Sofia") == Some(7_654_321), answer.source())
    })
    .await;
    system.warm().await;
}

/// What was put back lacks the change, and so do all answers soon.
async fn ends_well(trial: Trial, system: &mut System) {
    let changed = "select count(*) from city where population in (7654321, 99999999)";
    assert_eq!(system.database.number(changed).await, 0, "nothing was put back");
    trial.ends_well(system).await;
}

#[tokio::test]
async fn a_failover_to_a_standby_that_lags_empties_the_cache() {
    let mut primary = Postgres::start(&[]).await;
    let address = Proxy::to(&format!("127.0.0.1:{}", primary.port));
    let database = Postgres::at("127.0.0.1", address.port).existing("tutorial");
    let mut system = System::start_on(database, Settings::new()).await;
    let standby = primary.standby().await;
    standby.stop_following().await;
    let trial = Trial::begin_without_writes().with_reads(&system.http, GOOD);
    change_and_cache(&system).await;

    primary.kill();
    trial.lasts(&mut system, FROZEN).await;
    // The address moves before the standby is a primary.
    address.retarget(&format!("127.0.0.1:{}", standby.port));
    system.worker.wait_log(HEAL_LIMIT, "standby").await;
    standby.promote().await;
    ends_well(trial, &mut system).await;
}

/// A dump as `pg_dump` writes it, our schema included.
fn dump(system: &System) -> Vec<u8> {
    let output = system.database.command("pg_dump").args(["--clean", "--if-exists"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn restore(system: &System, dump: &[u8], arguments: &[&str]) {
    feed(system.database.command("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]).args(arguments), dump);
}

#[tokio::test]
async fn a_dump_restored_in_one_transaction_while_all_run_empties_the_cache() {
    let (_postgres, mut system) = start().await;
    let dump = dump(&system);
    let trial = Trial::begin_without_writes().with_reads(&system.http, GOOD);
    change_and_cache(&system).await;
    restore(&system, &dump, &["--single-transaction"]);
    ends_well(trial, &mut system).await;
}

#[tokio::test]
async fn a_restore_that_a_worker_meets_half_way_empties_the_cache() {
    let (_postgres, mut system) = start().await;
    let dump = String::from_utf8(dump(&system)).unwrap();
    let (first, second) = dump.split_at(dump.find("\nCOPY public.city ").unwrap());
    let trial = Trial::begin_without_writes().with_reads(&system.http, STEP_BY_STEP);
    change_and_cache(&system).await;
    restore(&system, first.as_bytes(), &[]);
    let triggers = "select count(*) from pg_trigger where tgrelid = 'public.city'::regclass";
    eventually(HEAL_LIMIT, "the worker has made its triggers on a table without cities", async || {
        let made = system.database.number(triggers).await;
        holds(made > 0, made)
    })
    .await;
    // As `pg_restore` and `psql` do it by default, it goes on where something is there already: the worker's triggers.
    restore(&system, second.as_bytes(), &["-v", "ON_ERROR_STOP=0"]);
    ends_well(trial, &mut system).await;
}

#[tokio::test]
async fn a_dump_restored_while_no_worker_runs_empties_the_cache() {
    let (_postgres, mut system) = start().await;
    let dump = dump(&system);
    let trial = Trial::begin_without_writes().with_reads(&system.http, STEP_BY_STEP);
    change_and_cache(&system).await;
    system.worker.stop(HEAL_LIMIT).await;
    restore(&system, &dump, &[]);
    system.worker.restart();
    ends_well(trial, &mut system).await;
}

#[tokio::test]
async fn files_put_back_while_no_worker_runs_empty_the_cache() {
    let (mut postgres, mut system) = start().await;
    let trial = Trial::begin_without_writes().with_reads(&system.http, GOOD);
    // The worker's row is in the copy: readers of the copy find the generation that they know.
    system.worker.kill();
    postgres.stop().await;
    postgres.copy_data();
    postgres.restart().await;
    // Cached for the first time, so that no invalidation is waited for.
    system.database.execute(CHANGE).await;
    for code in ["BGR", "AND", "FRA"] {
        system.cached(code, HEAL_LIMIT).await;
    }

    postgres.stop().await;
    postgres.put_data_back();
    postgres.restart().await;
    assert_eq!(system.get_city("BGR").await.source(), "cache", "it is wrong while there is no worker");
    system.worker.restart();
    ends_well(trial, &mut system).await;
}

#[tokio::test]
async fn an_outbox_truncated_while_no_worker_runs_empties_the_cache() {
    let mut system = System::start().await;
    system.warm().await;
    let trial = Trial::begin_without_writes().with_reads(&system.http, GOOD);
    system.worker.kill();
    system.database.execute(CHANGE).await;
    system.database.execute("truncate cities_cache.outbox").await;
    assert_eq!(system.get_city("BGR").await.source(), "cache");
    system.worker.restart();
    trial.ends_well(&mut system).await;
}
