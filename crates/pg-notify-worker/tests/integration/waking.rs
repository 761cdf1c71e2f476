//! Parked, the relay is woken by the first change; busy, it asks for no notification.

use std::time::{Duration, Instant};

use harness::{Postgres, eventually, holds, settings};

use crate::setup::{LIMIT, Setup};

const PARKED: &str = "select count(*) from pg_locks where locktype = 'advisory' and objid = 7231003
                      and mode = 'ExclusiveLock' and database = (select oid from pg_database where datname = current_database())";

async fn parks(setup: &Setup) {
    eventually(LIMIT, "the relay parks", async || {
        let parked = setup.database.number(PARKED).await;
        holds(parked == 1, parked)
    })
    .await;
}

#[tokio::test]
async fn a_parked_relay_is_woken_at_once() {
    let setup = Setup::start().await;
    let client = setup.database.client().await;
    let mut latencies = Vec::new();
    for _ in 0..15 {
        parks(&setup).await;
        client
            .execute("update public.city set population = population + 1 where countrycode = 'BGR'", &[])
            .await
            .unwrap();
        let begun = Instant::now();
        while client.query_one("select count(*) from cities_cache.outbox", &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(begun.elapsed() < LIMIT);
        }
        latencies.push(begun.elapsed());
    }
    latencies.sort();
    // Without a wake-up even the quicker ones would take what is left of the 250 ms that it waits, of which it has just
    // begun. Of the slower ones a busy machine may have made anything.
    assert!(latencies[latencies.len() / 4] < Duration::from_millis(80), "{latencies:?}");
}

#[tokio::test]
async fn an_open_writer_that_would_not_notify_keeps_the_relay_from_parking() {
    let setup = Setup::start_with(settings([("POLL_INTERVAL_MS", "1")])).await;
    let writer = setup.database.client().await;
    let write = "begin; update public.city set population = 1 where countrycode = 'BGR'";
    eventually(LIMIT, "a writer gets the lock shared", async || {
        writer.batch_execute(write).await.unwrap();
        let shared = PARKED.replace("ExclusiveLock", "ShareLock");
        let has_it = setup.database.number(&shared).await == 1;
        if !has_it {
            writer.batch_execute("rollback").await.unwrap();
            // It is busy for a moment now.
            setup.database.execute("update public.city set population = 1 where countrycode = 'FRA'").await;
        }
        holds(has_it, "the relay is parked")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(setup.database.number(PARKED).await, 0);
    writer.batch_execute("commit").await.unwrap();
    setup.invalidates("BGR", 1).await;
    parks(&setup).await;
}

#[tokio::test]
async fn where_transactions_may_be_prepared_the_relay_never_parks() {
    let postgres = Postgres::start(&["-c", "max_prepared_transactions=5", "-c", "fsync=off"]).await;
    let setup = Setup::launch(postgres.database().await, settings([]));
    setup.leads().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(setup.database.number(PARKED).await, 0);
    let prepare = "begin; update public.city set population = 1 where countrycode = 'BGR'; prepare transaction 'test'";
    setup.database.execute(prepare).await;
    setup.database.execute("commit prepared 'test'").await;
    setup.invalidates("BGR", 1).await;
}
