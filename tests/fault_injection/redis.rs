//! Redis: killed, frozen, cut off, absent, full, or put back to what it was before.
//!
//! Users write and read all the time, and none of them notices: where Redis can't be asked, PostgreSQL answers.

use std::time::Duration;

use harness::{Database, Kafka, Proxy, Redis, Settings, System, eventually, holds, settings};
use tokio::time::sleep;

use crate::trial::Trial;
use crate::{ABSENT, FROZEN, HEAL_LIMIT};

/// What readers may be told.
const GOOD: &[u16] = &[200];

/// How old an answer may be (the default of `BOUND_MS`).
const BOUND: Duration = Duration::from_secs(2);

/// A fault that shows at once needs no longer; several tries of everybody.
const SHORT: Duration = Duration::from_secs(4);

/// A system with every code in the cache.
async fn start(redis: Redis, settings: Settings) -> System {
    let system = System::launch_with(Database::new().await, redis, Kafka::shared().topic(), settings);
    system.whole().await;
    system.warm().await;
    system
}

async fn begin(system: &System) -> Trial {
    Trial::begin(system).await.with_reads(&system.http, GOOD)
}

/// A change shows although Redis is away: who asks once the bound is over joins no read that began before it, and is
/// answered rightly at once.
async fn postgres_answers(system: &System, population: i64) {
    change(system, population).await;
    sleep(BOUND).await;
    let answer = system.get_city("BGR").await;
    assert_eq!((answer.source().as_str(), answer.population("Dobric")), ("database", Some(population)));
}

/// A change shows although Redis has a fault: it goes its way through Kafka and the consumer.
async fn a_change_arrives(system: &System, population: i64) {
    change(system, population).await;
    eventually(HEAL_LIMIT, "the change shows", async || {
        let answer = system.get_city("BGR").await;
        holds(answer.population("Dobric") == Some(population), (answer.source(), answer.population("Dobric")))
    })
    .await;
}

async fn change(system: &System, population: i64) {
    system.database.execute(&format!("update city set population = {population} where name = 'Dobric'")).await;
}

#[tokio::test]
async fn all_is_well_after_redis_was_killed_and_came_back_empty_and_after_it_was_flushed() {
    let mut system = start(Redis::start().await, Settings::new()).await;
    let trial = begin(&system).await;
    system.redis.kill();
    postgres_answers(&system, 1).await;
    trial.lasts(&mut system, SHORT).await;
    system.redis.restart().await;
    trial.ends_well(&mut system).await;

    system.warm().await;
    let trial = begin(&system).await;
    system.redis.command::<()>("FLUSHALL").await;
    a_change_arrives(&system, 2).await;
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_redis_was_absent_and_came_back_with_what_it_had() {
    let mut system = start(Redis::start_with(&["--appendonly", "yes"]).await, Settings::new()).await;
    let trial = begin(&system).await;
    system.redis.kill();
    postgres_answers(&system, 1).await;
    trial.lasts(&mut system, ABSENT).await;
    system.redis.restart().await;
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_redis_was_frozen() {
    let mut system = start(Redis::start().await, Settings::new()).await;
    let trial = begin(&system).await;
    system.redis.pause();
    postgres_answers(&system, 1).await;
    trial.lasts(&mut system, FROZEN).await;
    system.redis.resume();
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_the_ways_to_redis_were_cut_and_swallowed_everything() {
    let redis = Redis::start().await;
    let link = Proxy::to(&format!("127.0.0.1:{}", redis.port));
    let mut system = start(redis, reached_through(&link)).await;
    for (population, fault) in (1..).zip([Proxy::cut, Proxy::black_hole]) {
        let trial = begin(&system).await;
        // Once for a moment, and once for a while.
        fault(&link);
        link.restore();
        sleep(SHORT).await;
        fault(&link);
        postgres_answers(&system, population).await;
        trial.lasts(&mut system, FROZEN).await;
        link.restore();
        trial.ends_well(&mut system).await;
    }
}

#[tokio::test]
async fn a_redis_full_of_foreign_keys_goes_on_dropping_what_changes_and_keeps_them() {
    let redis = Redis::start_with(&["--maxmemory", "16mb", "--maxmemory-policy", "noeviction"]).await;
    let mut system = start(redis, Settings::new()).await;
    let trial = begin(&system).await;
    while add_foreign_keys(&system.redis).await.is_ok() {}
    let foreign = foreign_keys(&system.redis).await;
    a_change_arrives(&system, 1).await;
    trial.lasts(&mut system, SHORT).await;
    a_change_arrives(&system, 2).await;
    assert_eq!(foreign_keys(&system.redis).await, foreign);

    system.redis.command::<()>("CONFIG SET maxmemory 0").await;
    trial.ends_well(&mut system).await;
    assert_eq!(foreign_keys(&system.redis).await, foreign);
}

#[tokio::test]
async fn a_redis_that_evicts_answers_and_states_leaves_no_old_answer_behind() {
    let mut system = start(Redis::start_with(&["--maxmemory", "3mb"]).await, Settings::new()).await;
    for (population, policy) in (1..).zip(["allkeys-lru", "allkeys-random"]) {
        let trial = begin(&system).await;
        system.redis.command::<()>(&format!("CONFIG SET maxmemory-policy {policy}")).await;
        eventually(HEAL_LIMIT, "states are evicted", async || {
            add_foreign_keys(&system.redis).await.map_err(|error| error.to_string())?;
            let states = system.states().await?;
            holds(states.iter().any(Option::is_none), states)
        })
        .await;
        a_change_arrives(&system, population).await;
        trial.ends_well(&mut system).await;
    }
}

/// Somebody else fills the same Redis, a megabyte at a time.
async fn add_foreign_keys(redis: &Redis) -> deadpool_redis::redis::RedisResult<()> {
    let script = "for _ = 1, 1000 do
                      redis.call('SET', 'foreign:' .. redis.call('INCR', 'foreign'), string.rep('x', 1000))
                  end";
    let mut connection = redis.connection().await;
    deadpool_redis::redis::cmd("EVAL").arg(script).arg(0).exec_async(&mut connection).await
}

async fn foreign_keys(redis: &Redis) -> usize {
    redis.command::<Vec<String>>("KEYS foreign:*").await.len()
}

#[tokio::test]
async fn all_is_well_after_redis_was_put_back_to_an_old_dump() {
    let mut system = start(Redis::start().await, Settings::new()).await;
    // The second dump is of another generation of the relay.
    for restart in [false, true] {
        let trial = begin(&system).await;
        system.redis.command::<()>("SAVE").await;
        if restart {
            system.worker.restart();
            system.whole().await;
        }
        trial.changes_every_code().await;
        system.redis.stop().await;
        system.redis.restart().await;
        trial.ends_well(&mut system).await;
        system.warm().await;
    }
}

#[tokio::test]
async fn all_is_well_after_redis_failed_over_to_a_replica_that_lagged() {
    let redis = Redis::start().await;
    let link = Proxy::to(&format!("127.0.0.1:{}", redis.port));
    let mut system = start(redis, reached_through(&link)).await;
    let replication = Proxy::to(&format!("127.0.0.1:{}", system.redis.port));
    let replica = system.redis.replica(&replication).await;

    let trial = begin(&system).await;
    replication.black_hole();
    trial.changes_every_code().await;
    let mut master = std::mem::replace(&mut system.redis, replica);
    master.kill();
    system.redis.command::<()>("REPLICAOF NO ONE").await;
    link.retarget(&format!("127.0.0.1:{}", system.redis.port));
    trial.ends_well(&mut system).await;
}

/// Settings of programs whose way to Redis is `link`.
fn reached_through(link: &Proxy) -> Settings {
    settings([("REDIS_PORT", &link.port.to_string())])
}
