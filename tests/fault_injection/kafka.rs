//! Kafka: killed, frozen, cut off, absent, or put back to what it was before.
//!
//! Users write all the time, and read: what the cache knows, it answers meanwhile.

use std::time::Duration;

use harness::process::Signal;
use harness::{Database, Kafka, Postgres, Proxy, Record, Redis, Settings, System, eventually, holds, settings};
use tokio::time::{Instant, sleep};

use crate::trial::Trial;
use crate::{ABSENT, FROZEN, HEAL_LIMIT};

/// What readers may be told.
const GOOD: &[u16] = &[200];

/// A topic has a partition for each shard.
const PARTITIONS: i32 = harness::system::SHARDS.cast_signed();

/// Between two looks at the outbox.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A whole system on this broker, with every code in the cache.
async fn start(kafka: &Kafka, settings: Settings) -> System {
    let system = System::launch_with(Database::new().await, Redis::start().await, kafka.topic(), settings);
    system.whole().await;
    system.warm().await;
    system
}

async fn begin(system: &System) -> Trial {
    Trial::begin(system).await.with_reads(&system.http, GOOD)
}

#[tokio::test]
async fn all_is_well_after_kafka_was_killed_frozen_cut_off_and_out_of_reach() {
    let (mut kafka, link) = Kafka::start_with_link().await;
    let address = format!("127.0.0.1:{}", link.port);
    let mut system = start(&kafka, settings([("KAFKA_BOOTSTRAP_SERVERS", &address)])).await;

    let trial = begin(&system).await;
    kafka.kill();
    trial.changes_every_code().await;
    kafka.restart().await;
    trial.ends_well(&mut system).await;

    let trial = begin(&system).await;
    kafka.pause();
    trial.lasts(&mut system, FROZEN).await;
    kafka.resume();
    trial.ends_well(&mut system).await;

    for fault in [Proxy::cut, Proxy::black_hole] {
        let trial = begin(&system).await;
        // Once for a moment, and once for a while.
        fault(&link);
        link.restore();
        trial.changes_every_code().await;
        fault(&link);
        trial.lasts(&mut system, FROZEN).await;
        link.restore();
        trial.ends_well(&mut system).await;
    }
}

#[tokio::test]
async fn the_outbox_stays_within_its_limit_while_kafka_is_absent() {
    const LIMIT: i64 = 200;
    /// What the user adds between two looks of the worker: no more than in two seconds.
    const SLACK: i64 = 400;

    let mut kafka = Kafka::start().await;
    let mut system = start(&kafka, settings([("OUTBOX_LIMIT_ROWS", &LIMIT.to_string())])).await;
    let database = Postgres::shared().existing(&system.database.name);
    let trial = begin(&system).await;
    kafka.stop().await;
    let ((), most) = tokio::join!(trial.lasts(&mut system, ABSENT), most_rows(&database, ABSENT));
    assert!(most <= LIMIT + SLACK, "the outbox had {most} rows");
    assert!(system.worker.log_contains("they became one that empties the whole cache"), "there were few changes");
    kafka.restart().await;
    trial.ends_well(&mut system).await;
}

/// The most rows that the outbox is seen with for so long.
async fn most_rows(database: &Database, time: Duration) -> i64 {
    let (begun, mut most) = (Instant::now(), 0);
    while begun.elapsed() < time {
        most = most.max(database.number("select count(*) from cities_cache.outbox").await);
        sleep(LOOK_PAUSE).await;
    }
    most
}

#[tokio::test]
async fn all_is_well_after_the_topic_was_deleted() {
    let mut system = start(&Kafka::shared(), Settings::new()).await;
    let trial = begin(&system).await;
    system.topic.delete().await;
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_the_topic_was_made_again_unseen_and_grew_longer_than_it_was() {
    let mut system = start(&Kafka::shared(), Settings::new()).await;
    let trial = begin(&system).await;
    system.consumer.signal(Signal::STOP);
    // Published to the old topic, and read by nobody.
    trial.changes_every_code().await;
    system.worker.signal(Signal::STOP);
    system.topic.delete().await;
    system.topic.create(PARTITIONS, &[]).await;
    outgrow(&system).await;
    system.worker.signal(Signal::CONT);
    system.consumer.signal(Signal::CONT);
    trial.ends_well(&mut system).await;
}

/// Fills the log with what does nothing, until each partition is longer than its shard's offset.
async fn outgrow(system: &System) {
    let message =
        |partition| Record { partition: Some(partition), ..Record::of(r#"{"action":"heartbeat","number":1}"#) };
    eventually(HEAL_LIMIT, "the log has outgrown the offsets", async || {
        system.topic.produce_all("none", (0..100 * PARTITIONS).map(|number| message(number % PARTITIONS))).await;
        outgrown(system).await
    })
    .await;
}

/// Whether each partition is longer than its shard's offset.
async fn outgrown(system: &System) -> Result<(), String> {
    let states = system.states().await?;
    let offset = |state: &Option<String>| state.as_ref()?.rsplit(' ').next()?.parse::<i64>().ok();
    let offsets: Vec<_> = states.iter().filter_map(offset).collect();
    let records = system.topic.read().await;
    let end = |partition| records.iter().filter(|record| record.partition == Some(partition)).count();
    let ends: Vec<_> = (0..PARTITIONS).map(end).collect();
    let longer = |(end, offset): (&usize, &i64)| i64::try_from(*end).is_ok_and(|end| end > *offset);
    holds(offsets.len() == ends.len() && ends.iter().zip(&offsets).all(longer), (ends, offsets))
}

#[tokio::test]
async fn all_is_well_after_the_log_was_put_back_to_an_older_copy() {
    let mut kafka = Kafka::start().await;
    let mut system = start(&kafka, Settings::new()).await;
    kafka.stop().await;
    kafka.copy_data();
    kafka.restart().await;
    system.whole().await;

    let trial = begin(&system).await;
    trial.changes_every_code().await;
    kafka.stop().await;
    kafka.put_data_back();
    kafka.restart().await;
    trial.ends_well(&mut system).await;

    // Again, and the consumer comes back when the log is longer than it was.
    system.warm().await;
    let trial = begin(&system).await;
    system.consumer.kill();
    trial.changes_every_code().await;
    kafka.stop().await;
    kafka.put_data_back();
    kafka.restart().await;
    eventually(ABSENT, "the log has outgrown the offsets", async || outgrown(&system).await).await;
    system.consumer.restart();
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_kafka_and_redis_began_from_nothing() {
    let mut kafka = Kafka::start().await;
    let mut system = start(&kafka, Settings::new()).await;
    let trial = begin(&system).await;
    kafka.kill();
    system.redis.kill();
    kafka.erase_data();
    trial.changes_every_code().await;
    kafka.restart().await;
    system.redis.restart().await;
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_postgres_began_from_nothing() {
    let mut system = start(&Kafka::shared(), Settings::new()).await;
    // What will never have happened is cached.
    system.database.execute("update city set population = 7654321 where name = 'Dobric'").await;
    eventually(HEAL_LIMIT, "the change is cached", async || {
        let answer = system.http.get("/cities/BGR").await?;
        holds(answer.population("Dobric") == Some(7_654_321) && answer.source() == "cache", answer.source())
    })
    .await;

    let trial = Trial::begin_without_writes().with_reads(&system.http, &[200, 503]);
    let server = Postgres::shared().existing("postgres");
    server.execute(&format!("drop database {} with (force)", system.database.name)).await;
    server.execute(&format!("create database {} template template0", system.database.name)).await;
    system.whole_within(HEAL_LIMIT).await;
    assert_ne!(system.get_city("BGR").await.population("Dobric"), Some(7_654_321));
    trial.ends_well(&mut system).await;
}
