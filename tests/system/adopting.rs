//! A worker that starts while users are at work in its tables.

use std::time::Duration;

use harness::{Load, Settings, System, eventually, holds};
use tokio::time::sleep;

use crate::MEND_LIMIT;
use crate::small_tables::{few, follows_another_than, is_right, system, travels};

/// What no writer may wait: the worker's DDL stands in a table's queue for 100 ms at most.
const WAIT_LIMIT: &str = "200ms";

/// How long the long transaction stays open once the worker waits for it: some tries at the table's lock.
const OPEN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn no_writer_waits_while_tables_are_adopted_beside_an_open_transaction() {
    let database = few("insert into city (name, countrycode) select 'Town', code
                        from country, generate_series(1, 100);
                        insert into country values ('MKD'); insert into city (name, countrycode) values ('Skopje', 'MKD')")
    .await;
    let long = database.client().await;
    long.batch_execute("begin; update city set population = 1 where countrycode = 'MKD'").await.unwrap();
    // A writer that waits longer for a lock fails, so the load would end with a failure.
    database.execute(&format!("alter database {} set lock_timeout = '{WAIT_LIMIT}'", database.name)).await;
    let mut loads = Vec::new();
    for _ in 0..4 {
        loads.push(Load::writes(&database).await);
    }
    let system = System::launch(database, Settings::new()).await;
    system.worker.wait_log(MEND_LIMIT, "waits for a lock on public.city").await;
    sleep(OPEN).await;
    assert_eq!(system.generation().await, None, "nobody vouches for half a capture");
    long.batch_execute("commit").await.unwrap();
    system.whole_within(MEND_LIMIT).await;
    for load in loads {
        load.stop().await;
    }
    is_right(&system, "adopting").await;
    travels(&system, "update city set population = 1 where countrycode = 'BGR'").await;
}

#[tokio::test]
async fn triggers_disabled_while_a_worker_starts_hide_nothing() {
    let mut system = system().await;
    let disable = "alter table city disable trigger all; update city set population = population + 1";
    let enable = "alter table city enable trigger all";

    // Open over the whole start: the worker sees a capture that is complete, and no change.
    let user = system.database.client().await;
    user.batch_execute(&format!("begin; {disable}")).await.unwrap();
    let old = system.generation().await;
    system.worker.restart();
    follows_another_than(&system, old).await;
    system.warm().await;
    user.batch_execute("commit").await.unwrap();
    is_right(&system, "disabled in a transaction that was open when the worker started").await;
    user.batch_execute(enable).await.unwrap();

    // At several moments of its start, which takes some hundred milliseconds.
    for moment in [0, 60, 120, 240, 480] {
        system.warm().await;
        let old = system.generation().await;
        system.worker.restart();
        sleep(Duration::from_millis(moment)).await;
        user.batch_execute(disable).await.unwrap();
        system.warm().await;
        user.batch_execute(enable).await.unwrap();
        is_right(&system, &format!("disabled {moment} ms after the start of a worker")).await;
        follows_another_than(&system, old).await;
    }
    let wrong = "select count(*) from cities_cache.missing_capture()";
    eventually(MEND_LIMIT, "the capture is complete", async || {
        let wrong = system.database.number(wrong).await;
        holds(wrong == 0, wrong)
    })
    .await;
    travels(&system, "update city set population = 1 where countrycode = 'BGR'").await;
}
