//! PostgreSQL: killed, crashed with what it had not written yet, frozen, cut off, absent.
//!
//! Nobody can write while it is away, so changes are made right before and at once on its return.

use harness::process::Signal;
use harness::{Postgres, Program, Proxy, Settings, System, eventually, holds};
use rustix::process::{Pid, kill_process};

use crate::trial::Trial;
use crate::{ABSENT, FROZEN, HEAL_LIMIT};

/// What readers may be told: that PostgreSQL is away, where the cache doesn't know the answer.
const GOOD: &[u16] = &[200, 503];

/// A whole system on a PostgreSQL of its own, with every code in the cache.
async fn start(arguments: &[&str]) -> (Postgres, System) {
    let postgres = Postgres::start(arguments).await;
    let system = System::start_on(postgres.existing("tutorial"), Settings::new()).await;
    system.warm().await;
    (postgres, system)
}

/// Changes some of the codes that are read meanwhile.
async fn change(system: &System) {
    let update = "update city set population = population + 1 where countrycode in ('BGR', 'DEU', 'CHN')";
    system.database.execute(update).await;
}

async fn ends_well(trial: Trial, mut system: System) {
    change(&system).await;
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_postgres_was_killed() {
    let (mut postgres, system) = start(&[]).await;
    let trial = Trial::begin_without_writes().with_reads(&system.http, GOOD);
    change(&system).await;
    postgres.kill();
    postgres.restart().await;
    ends_well(trial, system).await;
}

#[tokio::test]
async fn what_a_crash_takes_back_is_dropped_from_the_cache() {
    // Nobody but a commit that waits for it writes the log out.
    let no_writes = ["bgwriter_lru_maxpages=0", "wal_level=minimal", "max_wal_senders=0"];
    let postgres = Postgres::start(&no_writes.map(|setting| ["-c", setting]).concat()).await;
    let mut system = System::start_on(postgres.existing("tutorial"), Settings::new()).await;
    let trial = Trial::begin_without_writes();
    // The relay's deletions would write it out, too.
    system.worker.signal(Signal::STOP);
    let user = system.database.client().await;
    let backend: i32 = user.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    // Its longest pause is 10 s, of which any part may be over; PostgreSQL kills it with all others.
    let wal_writer = "select pid from pg_stat_activity where backend_type = 'walwriter'";
    let wal_writer: i32 = user.query_one(wal_writer, &[]).await.unwrap().get(0);
    kill_process(Pid::from_raw(wal_writer).unwrap(), Signal::STOP).unwrap();
    user.batch_execute("set synchronous_commit = off").await.unwrap();
    user.batch_execute("update city set population = 7654321 where name = 'Paris' and countrycode = 'FRA'")
        .await
        .unwrap();
    let answer = system.cached("FRA", HEAL_LIMIT).await;
    assert_eq!(answer.population("Paris"), Some(7_654_321));

    kill_process(Pid::from_raw(backend).unwrap(), Signal::KILL).unwrap();
    eventually(HEAL_LIMIT, "PostgreSQL has recovered without the change", async || {
        let client = system.database.connect().await.map_err(|error| format!("{error:?}"))?;
        let row =
            client.query_one("select population from city where name = 'Paris' and countrycode = 'FRA'", &[]).await;
        let population: i32 = row.map_err(|error| format!("{error:?}"))?.get(0);
        holds(population != 7_654_321, population)
    })
    .await;
    system.worker.signal(Signal::CONT);
    ends_well(trial, system).await;
}

#[tokio::test]
async fn all_is_well_after_postgres_was_frozen() {
    let (mut postgres, mut system) = start(&[]).await;
    let trial = Trial::begin_without_writes().with_reads(&system.http, GOOD);
    change(&system).await;
    postgres.pause();
    trial.lasts(&mut system, FROZEN).await;
    postgres.resume();
    ends_well(trial, system).await;
}

#[tokio::test]
async fn all_is_well_after_postgres_was_absent() {
    let (mut postgres, mut system) = start(&[]).await;
    let trial = Trial::begin_without_writes().with_reads(&system.http, GOOD);
    change(&system).await;
    postgres.stop().await;
    trial.lasts(&mut system, ABSENT).await;
    postgres.restart().await;
    ends_well(trial, system).await;
}

/// The way to PostgreSQL of one program is cut, and then swallows everything, while users go on.
async fn is_cut_off(program: fn(&mut System) -> &mut Program) {
    let mut system = System::start().await;
    let link = Proxy::to(&format!("{}:{}", system.database.host, system.database.port));
    program(&mut system).restart_with(harness::settings([("DB_PORT", &link.port.to_string())]));
    system.whole().await;
    for fault in [Proxy::cut, Proxy::black_hole] {
        let trial = Trial::begin(&system).await.with_reads(&system.http, GOOD);
        fault(&link);
        trial.lasts(&mut system, FROZEN).await;
        link.restore();
        trial.ends_well(&mut system).await;
    }
}

#[tokio::test]
async fn all_is_well_after_postgres_was_out_of_the_workers_reach() {
    is_cut_off(|system| &mut system.worker).await;
}

#[tokio::test]
async fn all_is_well_after_postgres_was_out_of_the_apis_reach() {
    is_cut_off(|system| &mut system.api).await;
}
