//! Topics that are not as they should be: said in one line, seen in `/status`, and well by itself once put right.

use harness::system::WHOLE_LIMIT;
use harness::{Database, Kafka, Program, Redis, Settings, System, Topic, eventually, holds};

use crate::{MEND_LIMIT, TRAVEL_LIMIT};

async fn launch(topic: &Topic) -> System {
    let (database, redis) = (Database::new().await, Redis::start().await);
    System::launch_with(database, redis, topic.clone(), Settings::new())
}

/// Worker and consumer each name the topic and what is wrong with it, in one line of level error.
async fn is_refused(system: &System, what: &str) {
    for program in [&system.worker, &system.consumer] {
        let line = program.wait_log(MEND_LIMIT, what).await;
        assert!(line.contains(&system.topic.name) && line.contains("ERROR"), "{line}");
        assert_eq!(program.log_lines(what).len(), 1, "{:#?}", program.log());
    }
    // A leader that can publish nothing goes on with its heartbeats for 10 s.
    eventually(MEND_LIMIT, "/status names what it leads to", async || {
        let status = system.http.get("/status").await?;
        let fails = |part: &str| status.json()[part]["ok"] == false;
        holds(fails("relay") || fails("shards"), status.text())
    })
    .await;
    eventually(TRAVEL_LIMIT, "cities are answered all the same", async || {
        let answer = system.get_city("BGR").await;
        holds(answer.status == 200, answer.text())
    })
    .await;
}

/// Deletes the topic, so that the worker creates it as it should be.
async fn put_right(system: &System) {
    system.topic.delete().await;
    eventually(MEND_LIMIT, "the topic is as it should be", async || {
        let partitions = system.topic.partitions().await;
        holds(partitions == 8, partitions)
    })
    .await;
    system.ok_within(MEND_LIMIT).await;
    system.whole_within(WHOLE_LIMIT).await;
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn a_missing_topic_is_created_with_a_partition_for_each_shard() {
    let system = System::start().await;
    assert_eq!(system.topic.partitions().await, 8);
    assert_eq!(system.topic.dead_letters().partitions().await, 1);
}

#[tokio::test]
async fn another_number_of_partitions_is_refused_until_it_is_put_right() {
    let topic = Kafka::shared().topic();
    topic.create(3, &[]).await;
    let system = launch(&topic).await;
    is_refused(&system, "3 partitions").await;
    put_right(&system).await;
}

#[tokio::test]
async fn a_compacted_topic_is_refused_until_it_is_put_right() {
    let topic = Kafka::shared().topic();
    topic.create(8, &[("cleanup.policy", "compact")]).await;
    let system = launch(&topic).await;
    is_refused(&system, "compacted").await;
    put_right(&system).await;
}

#[tokio::test]
async fn a_topic_that_grows_while_all_runs_is_refused_until_it_is_put_right() {
    let system = System::start().await;
    system.topic.grow(9).await;
    is_refused(&system, "9 partitions").await;
    put_right(&system).await;
}

#[tokio::test]
async fn a_topic_that_is_deleted_while_all_runs_comes_back_and_loses_nothing() {
    let system = System::start().await;
    system.agree(TRAVEL_LIMIT).await;
    system.topic.delete().await;
    system.database.execute("update city set population = 1 where name = 'Dobric'").await;
    eventually(WHOLE_LIMIT, "the change arrives all the same", async || {
        let population = system.get_city("BGR").await.population("Dobric");
        holds(population == Some(1), population)
    })
    .await;
    system.whole().await;
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn a_worker_for_another_topic_on_the_same_database_is_refused() {
    let system = System::start().await;
    let settings = [system.database.settings(), Kafka::shared().topic().settings()].concat();
    let mut other = Program::pg_notify_worker(settings);
    let line = other.wait_log(MEND_LIMIT, &system.topic.name).await;
    assert!(line.contains("ERROR"), "{line}");
    system.database.execute("update city set population = 1 where name = 'Dobric'").await;
    system.agree(TRAVEL_LIMIT).await;
    assert_eq!(other.log_lines("ERROR").len(), 1);
    other.stop(TRAVEL_LIMIT).await;
}
