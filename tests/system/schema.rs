//! DDL beside us: what changes rows without any trigger is noticed, and nobody's statement fails or waits for ever.

use std::cell::Cell;
use std::time::Duration;

use harness::{Database, Load, Program, System, eventually, holds, settings};
use tokio::time::sleep;

use crate::small_tables::{few, is_right, system, travels};
use crate::{MEND_LIMIT, TRAVEL_LIMIT};

#[tokio::test]
async fn rows_that_change_without_a_trigger_are_noticed() {
    let system = system().await;
    for change in [
        "alter table city alter population type bigint using population * 2",
        "alter table city alter countrycode type char(3) using case countrycode when 'BGR' then 'DEU' else countrycode end",
        "alter table city drop column population, add column population int default 7",
        "alter table country alter code type text using replace(code, 'FRA', 'XQX')",
        "begin; create table city_new (name text, countrycode text, population int);
         insert into city_new values ('Burgas', 'BGR', 1); alter table city rename to city_old;
         alter table city_new rename to city; commit",
    ] {
        travels(&system, change).await;
    }
}

#[tokio::test]
async fn what_changed_beside_disabled_triggers_is_noticed() {
    let system = system().await;
    for changes in [
        // Each for itself, as `pg_restore --disable-triggers` does it, and all in one transaction.
        &[
            "alter table city disable trigger all",
            "update city set population = 1",
            "alter table city enable trigger all",
        ][..],
        &["alter table city disable trigger all; update city set population = 2; alter table city enable trigger all"],
        &["alter table city enable replica trigger cities_cache_update; update city set population = 3"],
        &["drop trigger cities_cache_update on city", "update city set population = 4"],
        &["begin; alter trigger cities_cache_delete on city rename to renamed; drop trigger renamed on city;
           delete from city where countrycode = 'BGR'; commit"],
        &["begin; drop trigger cities_cache_truncate on country; truncate country; commit"],
    ] {
        system.warm().await;
        for change in changes {
            system.database.execute(change).await;
        }
        is_right(&system, changes[0]).await;
    }
}

/// Writes through a session that has planned everything before, until `done`.
async fn write(database: &Database, statement: &str, done: &Cell<bool>) {
    let client = database.client().await;
    while !done.get() {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_column_renamed_and_renamed_back_under_writers_fails_no_statement() {
    let system = system().await;
    let done = Cell::new(false);
    let renames = async {
        for (renamed, back) in [
            ("city rename countrycode to code", "city rename code to countrycode"),
            ("city rename population to people", "city rename people to population"),
            ("country rename code to countrycode", "country rename countrycode to code"),
        ] {
            system.warm().await;
            system.database.execute(&format!("alter table {renamed}")).await;
            eventually(TRAVEL_LIMIT, "the api says that it can't read", async || {
                let answer = system.http.get("/cities/BGR").await?;
                holds(answer.status == 503 && answer.text().contains("database-unavailable"), answer.text())
            })
            .await;
            system.database.execute(&format!("alter table {back}")).await;
            system.whole_within(MEND_LIMIT).await;
            for _ in 0..3 {
                system.database.execute(&format!("alter table {renamed}")).await;
                system.database.execute(&format!("alter table {back}")).await;
            }
        }
        done.set(true);
    };
    tokio::join!(
        renames,
        write(&system.database, "update city set id = id where id = 1", &done),
        write(&system.database, "insert into city (name) values ('New'); delete from city where name = 'New'", &done),
        write(&system.database, "set session_replication_role = replica; update city set id = id where id = 3", &done),
        write(&system.database, "update country set name = name", &done),
    );
    is_right(&system, "renamed and renamed back").await;
    let lines = system.api.log_lines("ERROR");
    // Nothing, or a pair, for each of the quick ones would be ten more.
    assert!((1..=6).contains(&lines.len()), "{lines:#?}");
}

#[tokio::test]
async fn a_writer_that_was_open_when_a_capture_function_was_replaced_is_waited_for() {
    let system = system().await;
    let definition = "select pg_get_functiondef('cities_cache.capture_city'::regproc)";
    let original = system.database.text(definition).await.expect("it is there");
    // One that captures nothing, as an older release's with a fault might.
    let blind = "create or replace function cities_cache.capture_city() returns trigger language plpgsql
                 security definer set search_path = pg_catalog, pg_temp as $$ begin return null; end $$";
    system.database.execute(blind).await;
    let writer = system.database.client().await;
    writer.batch_execute("begin; update city set population = 99 where countrycode = 'BGR'").await.unwrap();
    system.worker.wait_log(MEND_LIMIT, "waits for the transactions that write to public.city").await;
    system.database.execute(&original).await;
    system.cached("BGR", TRAVEL_LIMIT).await;
    writer.batch_execute("commit").await.unwrap();
    is_right(&system, "the commit of a writer that wasn't captured").await;
    assert_eq!(system.get_city("BGR").await.population("Sofia"), Some(99));
    travels(&system, "update city set population = 1 where countrycode = 'BGR'").await;
}

#[tokio::test]
async fn create_index_concurrently_ends_beside_two_workers_and_one_that_waits_to_migrate() {
    let system = system().await;
    let settings = [system.database.settings(), system.topic.settings()].concat();
    let standby = Program::pg_notify_worker(settings.clone());
    standby.wait_log(MEND_LIMIT, "stands by").await;
    let migrator = system.database.client().await;
    migrator.batch_execute("select pg_advisory_lock(7231001)").await.unwrap();
    let waiting = Program::pg_notify_worker(settings);
    eventually(MEND_LIMIT, "a third worker is connected", async || {
        let workers = "select count(*) from pg_stat_activity
                       where datname = current_database() and application_name = 'pg-notify-worker'";
        let workers = system.database.number(workers).await;
        holds(workers == 3, workers)
    })
    .await;

    let user = system.database.client().await;
    for statement in [
        "set statement_timeout = '10s'",
        "create index concurrently by_name on city (name)",
        "reindex index concurrently by_name",
        "drop index concurrently by_name",
    ] {
        user.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    travels(&system, "update city set population = 1 where countrycode = 'BGR'").await;
    drop(waiting);
}

#[tokio::test]
async fn a_reload_of_both_tables_in_one_transaction_is_never_the_victim_of_a_deadlock_with_readers() {
    // However long a statement of ours may take.
    let patient =
        settings([("DB_STATEMENT_TIMEOUT_MS", "5000"), ("HTTP_REQUEST_LIMIT_MS", "6000"), ("BOUND_MS", "6000")]);
    let system = System::start_on(few("").await, patient).await;
    // Whatever they are answered while the tables are locked; what counts is the user.
    let reads = Load::reads(&system.http, 8, &[200, 404, 503]);
    let user = system.database.client().await;
    for pause in [300, 1_300, 2_300] {
        user.batch_execute("begin; truncate country; insert into country values ('BGR')").await.unwrap();
        // A change drops an answer, so readers have `city` and wait for `country`.
        system.database.execute("update city set population = population + 1 where countrycode = 'BGR'").await;
        sleep(Duration::from_millis(pause)).await;
        let reload =
            format!("truncate city; insert into city (name, countrycode, population) values ('Sofia', 'BGR', {pause})");
        user.batch_execute(&format!("{reload}; commit"))
            .await
            .unwrap_or_else(|error| panic!("after {pause} ms: {error:?}"));
        is_right(&system, &reload).await;
    }
    reads.stop().await;
    // PostgreSQL ends a reader instead, who asks again.
    assert!(system.api.log_lines("ERROR").is_empty(), "{:#?}", system.api.log());
}
