//! A schema that an older release has installed and captures with.

use harness::{Database, settings};
use refinery::Target;

use crate::setup::{LIMIT, Setup};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The first release's schema.
const OLDEST: i32 = 4;

/// A user's tables, captured as the worker of an older release left them.
async fn captured_since(version: i32) -> Database {
    let database = Database::new().await;
    database
        .execute(
            "create schema cities_cache;
             create table public.country (code text primary key);
             create table public.city (name text, countrycode text, population integer);
             insert into public.city values ('Sofia', 'BGR', 7), ('Paris', 'FRA', 8)",
        )
        .await;
    let mut runner = embedded::migrations::runner().set_target(Target::Version(version));
    runner.set_migration_table_name("cities_cache.schema_history");
    runner.run_async(&mut database.client().await).await.expect("nothing is in its way");
    database.execute("select cities_cache.mend_capture(relation) from cities_cache.captured_tables()").await;
    database
}

#[tokio::test]
async fn is_brought_up_to_date_and_vouched_for_once_every_open_writer_has_ended() {
    let database = captured_since(OLDEST).await;
    let functions = "select string_agg(md5(prosrc), ' ' order by proname) from pg_proc
                     where proname in ('capture_city', 'capture_country')";
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
}
