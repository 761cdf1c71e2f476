//! The first start, and what later ones leave alone.

use std::time::Duration;

use harness::{System, eventually, holds};

use crate::{HEAL_LIMIT, TRAVEL_LIMIT};

#[tokio::test]
async fn the_first_start_loads_what_ships_with_the_project() {
    let system = System::start().await;
    assert_eq!(system.database.number("select count(*) from city").await, 34_003);
    assert_eq!(system.database.number("select count(*) from country").await, 252);
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn a_later_start_brings_nothing_back() {
    let mut system = System::start().await;
    system.worker.stop(HEAL_LIMIT * 2).await;
    system.database.execute("truncate city; delete from country where code = 'BGR'").await;
    let before = system.generation().await;
    system.worker.restart();
    eventually(HEAL_LIMIT * 2, "a new generation begins", async || {
        let now = system.generation().await;
        holds(now != before, now)
    })
    .await;
    assert_eq!(system.database.number("select count(*) from city").await, 0);
    eventually(TRAVEL_LIMIT, "the new generation has emptied the cache", async || {
        let status = system.get_city("BGR").await.status;
        holds(status == 404, status)
    })
    .await;
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn several_of_each_program_work_side_by_side() {
    let mut system = System::start().await;
    let settings = [system.database.settings(), system.redis.settings(), system.topic.settings()].concat();
    let standby = harness::Program::pg_notify_worker(settings.clone());
    let second_consumer = harness::Program::kafka_consumer(settings.clone());
    let (second_api, second_http) = harness::Program::api(settings);
    standby.wait_log(HEAL_LIMIT, "").await;

    // The partitions move, and everything goes on.
    system.whole().await;
    system.database.execute("update city set population = 1 where name = 'Dobric'").await;
    system.agree(TRAVEL_LIMIT).await;
    harness::oracle::agrees(TRAVEL_LIMIT, &system.database, &second_http).await;

    // The leader goes, the other one takes over within 5 s and begins a new generation.
    system.worker.kill();
    system.whole_within(HEAL_LIMIT + Duration::from_secs(2)).await;
    system.database.execute("update city set population = 2 where name = 'Dobric'").await;
    system.agree(TRAVEL_LIMIT).await;
    drop((standby, second_consumer, second_api));
}
