//! The three programs: each is killed, frozen, cut off from its servers and absent while users go on.
//!
//! While the worker or the consumer is away the cache may hold what was; what counts is how it ends.

use std::time::Duration;

use harness::process::Signal;
use harness::{Database, Kafka, Links, Program, Proxy, Redis, Settings, System};

use crate::trial::Trial;
use crate::{ABSENT, FROZEN};

/// About what supervisord waits before it starts a killed program again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// One of the programs.
type Which = fn(&mut System) -> &mut Program;

const WORKER: Which = |system| &mut system.worker;
const CONSUMER: Which = |system| &mut system.consumer;
const API: Which = |system| &mut system.api;

async fn is_killed(which: Which) {
    let mut system = System::start().await;
    let trial = Trial::begin(&system).await;
    which(&mut system).kill();
    trial.lasts(&mut system, RESTART_PAUSE).await;
    which(&mut system).restart();
    trial.ends_well(&mut system).await;
}

async fn is_frozen(which: Which) {
    let mut system = System::start().await;
    let trial = Trial::begin(&system).await;
    which(&mut system).signal(Signal::STOP);
    trial.lasts(&mut system, FROZEN).await;
    which(&mut system).signal(Signal::CONT);
    trial.ends_well(&mut system).await;
}

/// Its links are cut, and then swallow everything; those of the others stay whole.
async fn is_cut_off(which: Which, (kafka, link): (Kafka, Proxy)) {
    let (database, redis, topic) = (Database::new().await, Redis::start().await, kafka.topic());
    let links = Links::to(&database, &redis, link);
    let mut system = System::launch_with(database, redis, topic, Settings::new());
    which(&mut system).restart_with(links.settings());
    system.whole().await;
    for fault in [Proxy::cut, Proxy::black_hole] {
        let trial = Trial::begin(&system).await;
        links.all().into_iter().for_each(fault);
        trial.lasts(&mut system, FROZEN).await;
        assert!(which(&mut system).log_contains("WARN"), "it went on as if nothing were cut");
        links.all().into_iter().for_each(Proxy::restore);
        trial.ends_well(&mut system).await;
    }
}

async fn is_absent(which: Which) {
    let mut system = System::start().await;
    let trial = Trial::begin(&system).await;
    which(&mut system).kill();
    trial.lasts(&mut system, ABSENT).await;
    which(&mut system).restart();
    trial.ends_well(&mut system).await;
}

#[tokio::test]
async fn all_is_well_after_the_worker_was_killed() {
    is_killed(WORKER).await;
}

#[tokio::test]
async fn all_is_well_after_the_consumer_was_killed() {
    is_killed(CONSUMER).await;
}

#[tokio::test]
async fn all_is_well_after_the_api_was_killed() {
    is_killed(API).await;
}

#[tokio::test]
async fn all_is_well_after_the_worker_was_frozen() {
    is_frozen(WORKER).await;
}

#[tokio::test]
async fn all_is_well_after_the_consumer_was_frozen() {
    is_frozen(CONSUMER).await;
}

#[tokio::test]
async fn all_is_well_after_the_api_was_frozen() {
    is_frozen(API).await;
}

#[tokio::test]
async fn all_is_well_after_the_worker_was_cut_off() {
    is_cut_off(WORKER, Kafka::start_with_link().await).await;
}

#[tokio::test]
async fn all_is_well_after_the_consumer_was_cut_off() {
    is_cut_off(CONSUMER, Kafka::start_with_link().await).await;
}

#[tokio::test]
async fn all_is_well_after_the_api_was_cut_off() {
    // It has no way to Kafka.
    is_cut_off(API, (Kafka::shared(), Proxy::to(&Kafka::shared().address))).await;
}

#[tokio::test]
async fn all_is_well_after_the_worker_was_absent() {
    is_absent(WORKER).await;
}

#[tokio::test]
async fn all_is_well_after_the_consumer_was_absent() {
    is_absent(CONSUMER).await;
}

#[tokio::test]
async fn all_is_well_after_the_api_was_absent() {
    is_absent(API).await;
}
