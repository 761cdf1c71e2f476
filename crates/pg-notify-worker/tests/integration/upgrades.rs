//! Schemas of other releases: an older one is brought up to date, a newer one refused.

use harness::{Database, settings};
use refinery::Target;

use crate::setup::{LIMIT, Setup};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The newest migration that the last release shares with this one.
const SHARED: i32 = 4;

/// A user's tables, captured as the worker of the last release left them.
async fn captured_by_the_last_release() -> Database {
    let database = Database::new().await;
    database
        .execute(
            "create schema cities_cache;
             create table public.country (code text primary key);
             create table public.city (name text, countrycode text, population integer);
             insert into public.city values ('Sofia', 'BGR', 7), ('Paris', 'FRA', 8)",
        )
        .await;
    let mut runner = embedded::migrations::runner().set_target(Target::Version(SHARED));
    runner.set_migration_table_name("cities_cache.schema_history");
    runner.run_async(&mut database.client().await).await.expect("nothing is in its way");
    database.execute(include_str!("capture_of_the_last_release.sql")).await;
    database.execute("select cities_cache.mend_capture(relation) from cities_cache.captured_tables()").await;
    database
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_and_vouched_for_once_every_open_writer_has_ended() {
    let database = captured_by_the_last_release().await;
    let functions = "select string_agg(md5(prosrc), ' ' order by proname) from pg_proc
                     where proname in ('capture_city', 'capture_country', 'capture_city_row', 'capture_country_row')";
    let old_functions = database.text(functions).await;
    database.execute("update public.city set population = 9 where countrycode = 'BGR'").await;
    let writer = database.client().await;
    writer.batch_execute("begin; update public.city set population = 9 where countrycode = 'FRA'").await.unwrap();

    let setup = Setup::launch(database, settings([]));
    setup.worker.wait_log(LIMIT, "waits for the transactions that write to").await;
    assert_ne!(setup.database.text(functions).await, old_functions);
    assert_eq!(setup.generation().await, None);
    writer.batch_execute("commit").await.unwrap();
    setup.leads().await;
    setup.invalidates("BGR", 1).await;
    setup.invalidates("FRA", 1).await;

    setup.database.execute("update public.city set population = 10 where countrycode = 'FRA'").await;
    setup.invalidates("FRA", 2).await;

    let history = "select string_agg(version::text, ' ' order by version) from cities_cache.schema_history";
    assert_eq!(setup.database.text(history).await.as_deref(), Some("1 2 3 4 5 6"));
    assert!(setup.worker.log_lines("ERROR").is_empty(), "{:#?}", setup.worker.log());
}

#[tokio::test]
async fn a_schema_of_the_last_release_is_no_reason_for_a_line_at_any_later_start() {
    let mut setup = Setup::launch(captured_by_the_last_release().await, settings([]));
    let old = setup.leads().await;
    setup.stop().await;
    setup.worker.restart();
    setup.leads_after(&old).await;
    for complaint in ["ERROR", "missing", "different"] {
        assert!(setup.worker.log_lines(complaint).is_empty(), "{:#?}", setup.worker.log());
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_in_one_line() {
    let mut setup = Setup::start().await;
    setup.stop().await;
    let applied = "insert into cities_cache.schema_history
                   select 99, 'of_a_newer_release', applied_on, checksum from cities_cache.schema_history limit 1";
    setup.database.execute(applied).await;
    setup.worker.restart();
    let line = "a newer release has been here: its migration V99__of_a_newer_release is applied";
    setup.worker.wait_log(LIMIT, line).await;
    let old = setup.generation().await.expect("the row stays");
    setup.database.execute("delete from cities_cache.schema_history where version = 99").await;
    setup.leads_after(&old).await;
    assert_eq!(setup.worker.log_lines(line).len(), 1);
}
