//! Whatever may have lost something begins a new generation.

use harness::{Database, Kafka, Postgres, eventually, holds, settings};

use crate::setup::{LIMIT, Setup};

/// What an operator does, and what the worker says about it.
async fn begins_anew_after(statements: &str, line: &str) -> Setup {
    let setup = Setup::start().await;
    let old = setup.leads().await;
    setup.database.execute(statements).await;
    let new = setup.leads_after(&old).await;
    setup.worker.wait_log(LIMIT, line).await;
    let first = setup.sent().await.into_iter().find(|sent| sent.generation() == new);
    assert_eq!(first.map(|sent| sent.position.sequence), Some(1));
    setup.database.execute("update public.city set population = population + 1 where countrycode = 'BGR'").await;
    setup.invalidates("BGR", 1).await;
    setup
}

#[tokio::test]
async fn a_restarted_worker() {
    let mut setup = Setup::start().await;
    let old = setup.leads().await;
    setup.worker.restart();
    setup.leads_after(&old).await;
}

#[tokio::test]
async fn a_disabled_trigger_which_is_mended() {
    let setup =
        begins_anew_after("alter table public.city disable trigger cities_cache_update", "the capture was changed")
            .await;
    let enabled = "select tgenabled = 'A' from pg_trigger where tgname = 'cities_cache_update'
                   and tgrelid = 'public.city'::regclass";
    assert_eq!(setup.database.text(enabled).await.as_deref(), Some("t"));
}

#[tokio::test]
async fn a_trigger_disabled_and_enabled_again_in_one_transaction() {
    let disable = "begin; alter table public.city disable trigger cities_cache_update;
                   update public.city set population = 0 where countrycode = 'FRA';
                   alter table public.city enable always trigger cities_cache_update; commit";
    begins_anew_after(disable, "the capture was changed").await;
}

#[tokio::test]
async fn a_rewrite_that_fires_no_trigger() {
    let alter = "alter table public.city alter column population type bigint using population * 2";
    begins_anew_after(alter, "the capture was changed").await;
}

#[tokio::test]
async fn another_table_in_the_place_of_city() {
    let swap = "begin; alter table public.city rename to old_city;
                create table public.city as select * from public.old_city; commit";
    begins_anew_after(swap, "the capture was changed").await;
}

#[tokio::test]
async fn a_policy() {
    begins_anew_after("create policy readable on public.city using (true)", "the capture was changed").await;
}

#[tokio::test]
async fn an_emptied_heartbeat_table() {
    begins_anew_after("truncate cities_cache.heartbeat", "not the one that was committed last").await;
}

#[tokio::test]
async fn a_heartbeat_of_somebody_else() {
    let ahead = "update cities_cache.heartbeat set number = number + 1000";
    begins_anew_after(ahead, "not the one that was committed last").await;
}

#[tokio::test]
async fn an_emptied_outbox() {
    begins_anew_after("truncate cities_cache.outbox", "the capture was changed").await;
}

#[tokio::test]
async fn rows_that_vanish_from_the_outbox_before_they_are_acknowledged() {
    let mut kafka = Kafka::start().await;
    let setup = Setup::launch_on(Database::new().await, kafka.topic(), settings([("LOG_LEVEL", "debug")]));
    let old = setup.leads().await;
    kafka.pause();
    setup.database.execute("update public.city set population = population + 1 where countrycode = 'BGR'").await;
    setup.worker.wait_log(LIMIT, "publishes 1 messages to partitions").await;
    setup.database.execute("delete from cities_cache.outbox").await;
    kafka.resume();
    setup.leads_after(&old).await;
    assert!(setup.worker.log_contains("rows vanished from the outbox"), "{:#?}", setup.worker.log());
}

#[tokio::test]
async fn a_replaced_function_once_every_open_writer_has_ended() {
    let setup = Setup::start().await;
    let old = setup.leads().await;
    let writer = setup.database.client().await;
    writer.batch_execute("begin; update public.city set population = 0 where countrycode = 'FRA'").await.unwrap();
    // The same text, but another row in the catalogue.
    let replace = "do $$ begin execute pg_get_functiondef('cities_cache.capture_city'::regproc); end $$";
    setup.database.execute(replace).await;
    setup.worker.wait_log(LIMIT, "waits for the transactions that write to").await;
    assert_eq!(setup.generation().await.as_deref(), Some(old.as_str()));
    writer.batch_execute("commit").await.unwrap();
    setup.leads_after(&old).await;
    setup.worker.wait_log(LIMIT, "the capture is complete").await;
}

#[tokio::test]
async fn a_crashed_postgres() {
    let mut postgres = Postgres::start(&[]).await;
    let setup = Setup::launch(postgres.database().await, settings([]));
    let old = setup.leads().await;
    postgres.kill();
    setup.worker.wait_log(LIMIT, "no lead without PostgreSQL").await;
    postgres.restart().await;
    eventually(LIMIT, "another generation begins", async || {
        let generation = setup.generation().await;
        holds(generation.as_ref().is_some_and(|generation| *generation != old), generation)
    })
    .await;
    setup.leads().await;
}
