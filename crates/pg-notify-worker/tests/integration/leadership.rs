//! One leader, and who comes after it.

use std::time::Duration;

use harness::process::Signal;
use harness::{Database, Kafka, Program, Proxy, eventually, holds, settings};

use crate::setup::{LIMIT, Setup};

const CHANGE_BGR: &str = "update public.city set population = population + 1 where countrycode = 'BGR'";

/// A leader, and a worker that stands by.
async fn with_standby() -> (Setup, Program) {
    let setup = Setup::start().await;
    let standby = setup.another();
    standby.wait_log(LIMIT, "stands by: another worker leads").await;
    (setup, standby)
}

#[tokio::test]
async fn a_worker_that_stands_by_leads_when_the_leader_is_killed() {
    let (mut setup, standby) = with_standby().await;
    let old = setup.leads().await;
    setup.worker.kill();
    setup.database.execute(CHANGE_BGR).await;
    let new = setup.leads_after(&old).await;
    setup.invalidates("BGR", 1).await;
    assert!(standby.log_contains(&format!("leads, and publishes as generation {new}")));
    assert_eq!(standby.log_lines("stands by").len(), 1);
}

#[tokio::test]
async fn a_leader_that_is_stopped_loses_the_lead_and_comes_back_as_a_standby() {
    let (mut setup, _standby) = with_standby().await;
    let old = setup.leads().await;
    setup.worker.signal(Signal::STOP);
    setup.leads_after(&old).await;
    setup.worker.signal(Signal::CONT);
    setup.worker.wait_log(LIMIT, "stands by: another worker leads").await;
    setup.database.execute(CHANGE_BGR).await;
    setup.invalidates("BGR", 1).await;
}

#[tokio::test]
async fn a_leader_behind_a_black_hole_loses_the_lead() {
    let database = Database::new().await;
    let proxy = Proxy::to(&format!("{}:{}", database.host, database.port));
    let through = settings([("DB_HOST", "127.0.0.1"), ("DB_PORT", &proxy.port.to_string())]);
    let setup = Setup::launch(database, through);
    let old = setup.leads().await;
    let standby = setup.another();
    standby.wait_log(LIMIT, "stands by").await;
    proxy.black_hole();
    let new = setup.leads_after(&old).await;
    standby.wait_log(LIMIT, &new).await;
    setup.worker.wait_log(LIMIT, "no lead without PostgreSQL").await;
    proxy.restore();
    setup.worker.wait_log(LIMIT, "stands by").await;
}

#[tokio::test]
async fn a_worker_that_stops_lets_the_next_one_lead_at_once() {
    let (mut setup, _standby) = with_standby().await;
    let old = setup.leads().await;
    setup.stop().await;
    eventually(Duration::from_secs(5), "the next generation", async || {
        let generation = setup.generation().await.unwrap_or_default();
        holds(generation != old, generation)
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_can_publish_nothing_lets_another_one_lead() {
    let database = Database::new().await;
    let broker = Kafka::shared();
    let proxy = Proxy::to(&broker.address);
    // The broker names its own address, so what is cut is the way to nowhere from the start.
    let cut_off = settings([("KAFKA_BOOTSTRAP_SERVERS", &format!("127.0.0.1:{}", proxy.port))]);
    proxy.cut();
    let setup = Setup::launch_on(database, broker.topic(), cut_off);
    setup.worker.wait_log(LIMIT, "can't be reached; the outbox keeps the changes").await;
    eventually(LIMIT, "it leads", async || {
        let generation = setup.generation().await;
        holds(generation.is_some(), generation)
    })
    .await;
    let other = setup.another();
    other.wait_log(LIMIT, "leads, and publishes as generation").await;
    assert_eq!(setup.worker.log_lines("can't be reached").len(), 1);
}

#[tokio::test]
async fn a_worker_for_another_topic_is_refused_while_one_leads() {
    let setup = Setup::start().await;
    let topic = Kafka::shared().topic();
    let other = Program::pg_notify_worker([setup.database.settings(), topic.settings()].concat());
    let line = other.wait_log(LIMIT, "another worker leads for topic").await;
    assert!(line.contains(&setup.topic.name), "{line}");
}
