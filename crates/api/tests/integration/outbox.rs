//! How many changes wait for the relay: counted at little cost however many were deleted, and in nobody's way.

use harness::{Database, eventually, holds};

use crate::setup::{SOON, Setup};

async fn counts(setup: &Setup, rows: i64) {
    eventually(SOON, "the changes that wait are counted", async || {
        let status = setup.http.get("/status").await?;
        holds(status.json()["outbox"]["rows"] == rows, status.text())
    })
    .await;
}

async fn write(database: &Database, rows: u32) {
    let rows = format!("insert into cities_cache.outbox (codes) select null from generate_series(1, {rows})");
    database.execute(&rows).await;
}

#[tokio::test]
async fn waiting_changes_are_counted_whoever_wrote_them_and_whenever_they_committed() {
    let setup = Setup::new().await;
    counts(&setup, 0).await;
    // It begins before the counts that follow, and becomes visible after them.
    let mut client = setup.database.client().await;
    let early = client.transaction().await.unwrap();
    early.batch_execute("insert into cities_cache.outbox (codes) values ('{BGR}')").await.unwrap();
    write(&setup.database, 3).await;
    counts(&setup, 3).await;
    early.commit().await.unwrap();
    counts(&setup, 4).await;
    setup.database.execute("delete from cities_cache.outbox where codes is null").await;
    counts(&setup, 1).await;
    setup.database.execute("delete from cities_cache.outbox").await;
    counts(&setup, 0).await;
}

#[tokio::test]
async fn more_than_the_relay_can_be_behind_is_told() {
    let setup = Setup::new().await;
    write(&setup.database, 12_000).await;
    eventually(SOON, "it is told", async || setup.http.fails("outbox", "more than 10000 changes wait").await).await;
    counts(&setup, 10_001).await;
    setup.database.execute("delete from cities_cache.outbox").await;
    counts(&setup, 0).await;
}

/// Pages of 8 KiB that one count may look at; the dead rows below fill thousands.
const PAGES_A_COUNT: i64 = 20;

#[tokio::test]
async fn beside_a_snapshot_held_open_a_count_looks_at_next_to_nothing() {
    let setup = Setup::new().await;
    setup.database.execute("alter table cities_cache.outbox set (autovacuum_enabled = off)").await;
    let dump = setup.database.client().await;
    dump.batch_execute("begin isolation level repeatable read; select count(*) from city").await.unwrap();
    write(&setup.database, 600_000).await;
    setup.database.execute("delete from cities_cache.outbox").await;

    let dead = setup.database.number("select pg_relation_size('cities_cache.outbox') / 8192").await;
    assert!(dead > 100 * PAGES_A_COUNT, "{dead}");
    // The first count after that has to look at them; what each looked at is added up a little later.
    let first = looked_at_after(&setup, 1).await.counts;
    let before = looked_at_after(&setup, first + 2).await;
    let after = looked_at_after(&setup, before.counts + 3).await;
    let (counts, pages) = (after.counts - before.counts, after.pages - before.pages);
    assert!(pages <= counts * PAGES_A_COUNT, "{pages} pages in {counts} counts beside {dead} pages of dead rows");
}

/// What the counts have looked at since the database is there.
struct LookedAt {
    counts: i64,
    pages: i64,
}

/// The same, once there were so many of them.
async fn looked_at_after(setup: &Setup, counts: i64) -> LookedAt {
    let statistics = "select idx_scan / 2, heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
                      from pg_stat_user_tables join pg_statio_user_tables using (relid)
                      where relid = 'cities_cache.outbox'::regclass";
    eventually(4 * SOON, "some more counts are made", async || {
        let row = setup.database.query(statistics, &[]).await.remove(0);
        let seen = LookedAt { counts: row.get(0), pages: row.get(1) };
        if seen.counts >= counts { Ok(seen) } else { Err(format!("{} counts", seen.counts)) }
    })
    .await
}
