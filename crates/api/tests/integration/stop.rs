//! SIGTERM: what has begun is finished, nothing is answered in part, and the program ends in time.

use harness::load::Load;
use harness::process::Signal;
use harness::{eventually, holds};

use crate::setup::{SOON, Setup};

#[tokio::test]
async fn a_stop_under_load_cuts_off_no_answer() {
    let mut setup = Setup::new().await;
    for _ in 0..3 {
        let load = Load::reads(&setup.http, 32, &[200, 404]);
        eventually(SOON, "the load is on", async || holds(load.done() > 500, load.done())).await;
        setup.api.stop(SOON).await;
        load.stop().await;
        setup.api.restart();
        eventually(SOON, "it serves again", async || setup.http.get("/health").await).await;
    }
}

#[tokio::test]
async fn a_request_that_was_read_before_the_stop_is_answered() {
    let mut setup = Setup::new().await;
    let mut client = setup.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("lock table city in access exclusive mode").await.unwrap();
    let http = setup.http.clone();
    let reader = tokio::spawn(async move { http.get("/cities/BGR").await });
    eventually(SOON, "it is being read", async || holds(setup.entry("BGR").await.is_some(), "no lease")).await;
    setup.api.signal(Signal::TERM);
    setup.api.wait_log(SOON, "SIGTERM").await;
    lock.rollback().await.unwrap();
    assert_eq!(reader.await.unwrap().unwrap().source(), "database");
    assert_eq!(setup.api.process().wait_exit(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn idle_connections_do_not_delay_a_stop() {
    let mut setup = Setup::new().await;
    setup.get("BGR").await; // The client keeps its connection open.
    // A stop that waited for it would take `DRAIN_LIMIT_MS`, 8 s.
    setup.api.stop(SOON).await;
}
