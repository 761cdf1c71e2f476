//! What lies in the topic that shouldn't: an open transaction, thousands of messages that are none, another database's.

use harness::system::SHARDS;
use harness::{Database, Record, Redis, System, eventually, holds, settings};

use crate::shards::{epochs, heartbeats_go_on};
use crate::trial::Trial;
use crate::{FROZEN, HEAL_LIMIT};

/// A topic has a partition for each shard.
const PARTITIONS: i32 = SHARDS.cast_signed();

/// All shards.
const ALL: [usize; SHARDS as usize] = [0, 1, 2, 3, 4, 5, 6, 7];

/// What readers may be told.
const GOOD: &[u16] = &[200];

async fn begin(system: &System) -> Trial {
    Trial::begin(system).await.with_reads(&system.http, GOOD)
}

/// A change arrives while what shouldn't be there lies there.
async fn a_change_arrives(system: &System) {
    system.cached("BGR", HEAL_LIMIT).await;
    system.database.execute("update city set population = population + 1 where name = 'Dobric'").await;
    let population = system.database.number("select population from city where name = 'Dobric'").await;
    eventually(HEAL_LIMIT, "the change arrives", async || {
        let found = system.get_city("BGR").await.population("Dobric");
        holds(found == Some(population), found)
    })
    .await;
}

#[tokio::test]
async fn an_open_transaction_in_every_partition_holds_nothing_up() {
    let mut system = System::start().await;
    let trial = begin(&system).await;
    let message = |partition| Record { partition: Some(partition), ..Record::of(r#"{"action":"invalidate_all"}"#) };
    let open = system.topic.produce_in_open_transaction((0..PARTITIONS).map(message)).await;
    for _ in 0..3 {
        heartbeats_go_on(&system, &ALL).await;
        a_change_arrives(&system).await;
    }
    trial.ends_well(&mut system).await;
    drop(open);
}

#[tokio::test]
async fn ten_thousand_undecodable_messages_in_a_row_hold_nothing_up_and_are_kept() {
    const MESSAGES: usize = 10_000;
    /// Those that may wait at once.
    const WAITING: usize = 4_096;

    let mut system = System::start().await;
    let before = epochs(&system, &ALL).await;
    let trial = begin(&system).await;
    let message = |number| Record { partition: Some(0), ..Record::of(format!("no message {number}")) };
    system.topic.produce_all("none", (0..MESSAGES).map(message)).await;
    heartbeats_go_on(&system, &ALL).await;
    a_change_arrives(&system).await;
    trial.ends_well(&mut system).await;
    assert_eq!(epochs(&system, &ALL).await, before, "something was missed");

    // More than may wait for the dead letter topic at once are named in the log instead.
    eventually(HEAL_LIMIT, "all are kept or named", async || {
        let kept = system.topic.dead_letters().read().await.len();
        holds(kept == MESSAGES || kept >= WAITING && system.consumer.log_contains("was not parked"), kept)
    })
    .await;
}

#[tokio::test]
async fn two_databases_on_one_topic_are_named_in_one_line_and_leave_every_answer_right() {
    let mut system = System::start().await;
    let trial = begin(&system).await;
    // A second installation that shares the topic alone.
    let group = format!("{}-other", system.topic.name);
    let (database, redis) = (Database::new().await, Redis::start().await);
    let mut other =
        System::launch_with(database, redis, system.topic.clone(), settings([("KAFKA_GROUP", group.as_str())]));
    let line = "two relays publish to this topic";
    system.consumer.wait_log(FROZEN, line).await;
    trial.lasts(&mut system, FROZEN).await;
    other.database.execute("update city set population = 7654321 where name = 'Dobric'").await;
    a_change_arrives(&system).await;
    other.agree(HEAL_LIMIT).await;

    other.worker.stop(HEAL_LIMIT).await;
    trial.ends_well(&mut system).await;
    for consumer in [&system.consumer, &other.consumer] {
        assert_eq!(consumer.log_lines(line).len(), 1, "{:#?}", consumer.log());
    }
}
