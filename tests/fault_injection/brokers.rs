//! One of several brokers is lost, and with it the only copy of some partitions.

use harness::load::CODES;
use harness::{Database, Kafka, Redis, System, eventually, holds, settings};

use crate::shards::{epochs, heartbeats_go_on};
use crate::trial::Trial;
use crate::{FROZEN, HEAL_LIMIT};

/// What readers may be told.
const GOOD: &[u16] = &[200];

#[tokio::test]
async fn shards_on_other_brokers_stay_warm_while_one_broker_is_lost() {
    let [first, second, mut lost] = Kafka::cluster().await;
    let brokers = [&first, &second, &lost].map(|broker| broker.address.clone()).join(",");
    let settings = settings([("KAFKA_BOOTSTRAP_SERVERS", &brokers), ("KAFKA_REPLICATION", "1")]);
    let mut system = System::launch_with(Database::new().await, Redis::start().await, first.topic(), settings);
    system.whole().await;
    system.warm().await;
    let leaders = system.topic.leaders().await;
    let (away, here): (Vec<usize>, _) = (0..leaders.len()).partition(|shard| leaders[*shard] == 3);
    assert!(!away.is_empty() && !here.is_empty(), "the shards are led by {leaders:?}");
    let before = epochs(&system, &here).await;

    let trial = Trial::begin(&system).await.with_reads(&system.http, GOOD);
    lost.kill();
    for _ in 0..2 {
        trial.lasts(&mut system, FROZEN).await;
        heartbeats_go_on(&system, &here).await;
        for code in cached_in(&system, &here).await {
            let source = system.get_city(&code).await.source();
            assert_eq!(source, "cache", "{code}, although its shard's broker is there");
        }
    }
    changes_arrive(&system, &here).await;
    lost.restart().await;
    heartbeats_go_on(&system, &away).await;
    trial.ends_well(&mut system).await;
    assert_eq!(epochs(&system, &here).await, before, "shards whose broker was there were emptied");
}

/// Codes that lie in the cache in these shards, and that the user doesn't write.
async fn cached_in(system: &System, shards: &[usize]) -> Vec<String> {
    let mut codes = Vec::new();
    for shard in shards {
        let keys: Vec<String> = system.redis.command(&format!("KEYS *{{{shard}}}:code:*")).await;
        codes.extend(keys.iter().filter_map(|key| key.rsplit(':').next()).map(str::to_owned));
    }
    codes.retain(|code| !CODES.contains(&code.as_str()));
    assert!(!codes.is_empty(), "nothing is cached in {shards:?}");
    codes
}

/// A change of a code in these shards arrives.
async fn changes_arrive(system: &System, shards: &[usize]) {
    let code = cached_in(system, shards).await.remove(0);
    let statement = format!("insert into city (name, countrycode, population) values ('Nova', '{code}', 7654321)");
    system.database.execute(&statement).await;
    eventually(HEAL_LIMIT, "the change arrives", async || {
        let answer = system.get_city(&code).await;
        holds(answer.population("Nova") == Some(7_654_321), answer.source())
    })
    .await;
}
