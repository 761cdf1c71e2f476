//! Several consumers share the shards; who can't reach Redis, or is stopped or killed, leaves them to the others.

use std::time::Duration;

use deadpool_redis::redis::cmd;
use harness::process::Signal;
use harness::{Program, Proxy, Redis, eventually, holds};
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};

use crate::setup::{Relay, SHARDS, SOON, STOP, Setup};

/// Who is stopped leaves at once, who is killed after the session's timeout of 6 s; the bound of the api is 2 s, and a busy
/// machine has more than twice that.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn two_consumers_share_the_shards_and_one_that_stops_leaves_them_at_once() {
    let setup = Setup::new().await;
    let (mut first, mut relay) = setup.consumer_and_relay().await;
    let epochs = setup.epochs().await;
    let mut second = setup.consumer().await;
    first.wait_log(SOON, "are no longer this consumer's").await;
    setup.heard(&mut relay).await;
    first.stop(STOP).await;
    beats_within(AT_ONCE, &setup, &mut relay).await;
    assert_eq!(setup.epochs().await, epochs, "nothing was missed");
    second.stop(STOP).await;
}

#[tokio::test]
async fn a_consumer_with_a_name_that_stops_leaves_its_shards_at_once_as_well() {
    let setup = Setup::new().await;
    let (mut first, _) = named(&setup, "one").await;
    let (_second, mut relay) = named(&setup, "two").await;
    let epochs = setup.epochs().await;
    first.stop(STOP).await;
    beats_within(AT_ONCE, &setup, &mut relay).await;
    assert_eq!(setup.epochs().await, epochs, "nothing was missed");
}

#[tokio::test]
async fn a_frozen_consumer_that_comes_back_harms_nobody() {
    let setup = Setup::new().await;
    let (mut frozen, mut relay) = setup.consumer_and_relay().await;
    frozen.signal(Signal::STOP);
    let _other = setup.start();
    setup.heard(&mut relay).await;
    let epochs = setup.epochs().await;
    frozen.signal(Signal::CONT);
    for code in ["BGR", "FRA", "DEU"] {
        setup.fill(code).await;
        relay.change(code).await;
        setup.dropped(code).await;
    }
    frozen.wait_log(SOON, "are no longer this consumer's").await;
    setup.heard(&mut relay).await;
    assert_eq!(setup.epochs().await, epochs, "nothing was missed");
}

#[tokio::test]
async fn a_killed_consumer_with_a_name_has_its_shards_again_at_once() {
    let setup = Setup::new().await;
    let (mut consumer, mut relay) = named(&setup, "one").await;
    let epochs = setup.epochs().await;
    consumer.restart();
    beats_within(AT_ONCE, &setup, &mut relay).await;
    assert_eq!(setup.epochs().await, epochs);
}

#[tokio::test]
async fn a_consumer_whose_name_another_one_took_goes_on_without() {
    let setup = Setup::new().await;
    let (first, mut relay) = named(&setup, "one").await;
    let second = named(&setup, "one").await.0;
    first.wait_log(SOON, "another consumer has the name one").await;
    // Both are members now.
    second.wait_log(SOON, "are no longer this consumer's").await;
    let number = relay.beat().await;
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
}

#[tokio::test]
async fn a_consumer_that_is_cut_off_from_redis_leaves_the_shards_to_others_and_comes_back() {
    let setup = Setup::new().await;
    let link = Proxy::to(&format!("127.0.0.1:{}", setup.redis.port));
    let mut settings = setup.settings();
    settings.extend(harness::settings([("REDIS_PORT", &link.port.to_string())]));
    let mut cut_off = Program::kafka_consumer(settings);
    cut_off.wait_log(SOON, "are this consumer's").await;
    let mut relay = Relay::new(&setup);
    setup.heard(&mut relay).await;
    let _other = setup.consumer().await;
    link.black_hole();
    setup.heard(&mut relay).await;
    cut_off.wait_log(SOON, "leaving the group").await;
    link.restore();
    cut_off.wait_log(SOON, "can be written to again").await;
    let shared = eventually(SOON, "it has shards again", async || {
        let lines = cut_off.log_lines("are this consumer's").len();
        holds(lines >= 2, lines)
    });
    shared.await;
    setup.heard(&mut relay).await;
    cut_off.stop(STOP).await;
}

/// A consumer whose Redis answers each request after `delay`, and what is told about that.
async fn slowed(setup: &Setup, delay: Duration, timeout_ms: &str) -> (Program, Proxy, Relay) {
    let link = Proxy::to(&format!("127.0.0.1:{}", setup.redis.port));
    let mut settings = setup.settings();
    settings.extend(harness::settings([("REDIS_PORT", &link.port.to_string()), ("REDIS_TIMEOUT_MS", timeout_ms)]));
    let consumer = Program::kafka_consumer(settings);
    consumer.wait_log(SOON, "are this consumer's").await;
    let mut relay = Relay::new(setup);
    setup.heard(&mut relay).await;
    // Once on the way there, once on the way back.
    link.slow(delay / 2);
    (consumer, link, relay)
}

#[tokio::test]
async fn a_redis_slower_than_its_timeout_is_given_up() {
    let setup = Setup::new().await;
    let (consumer, link, mut relay) = slowed(&setup, Duration::from_millis(300), "100").await;
    relay.beat().await;
    let line = consumer.wait_log(SOON, "leaving the group").await;
    assert!(line.contains("timed out"), "{line}");
    link.restore();
    setup.heard(&mut relay).await;
}

#[tokio::test]
async fn a_redis_slower_than_the_clients_default_is_waited_for_where_its_timeout_says_so() {
    let setup = Setup::new().await;
    let (consumer, _link, mut relay) = slowed(&setup, Duration::from_secs(1), "5000").await;
    let number = relay.beat().await;
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
    assert!(!consumer.log_contains("can't be written to"));
    assert!(!consumer.log_contains("trying again"));
}

#[tokio::test]
async fn an_absent_redis_is_waited_for_at_the_start_and_later() {
    let mut setup = Setup::new().await;
    setup.redis.stop().await;
    let mut consumer = setup.start();
    consumer.wait_log(SOON, "can't be written to").await;
    setup.redis.restart().await;
    consumer.wait_log(Duration::from_secs(5), "are this consumer's").await;
    let mut relay = Relay::new(&setup);
    setup.heard(&mut relay).await;

    setup.redis.stop().await;
    relay.beat().await;
    consumer.wait_log(SOON, "leaving the group").await;
    setup.redis.restart().await;
    setup.heard(&mut relay).await;
    setup.redis.pause();
    relay.beat().await;
    eventually(SOON, "it leaves again", async || {
        let lines = consumer.log_lines("leaving the group").len();
        holds(lines == 2, lines)
    })
    .await;
    consumer.stop(STOP).await;
    setup.redis.resume();
}

#[tokio::test]
async fn a_redis_that_was_demoted_counts_as_absent() {
    let setup = Setup::new().await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    let primary = Redis::start().await;
    let replicate = |host: &str, port: &str| {
        let (host, port) = (host.to_owned(), port.to_owned());
        let setup = &setup;
        async move {
            let mut connection = setup.redis.connection().await;
            cmd("REPLICAOF").arg(host).arg(port).exec_async(&mut connection).await.unwrap();
        }
    };
    replicate("127.0.0.1", &primary.port.to_string()).await;
    relay.beat().await;
    consumer.wait_log(SOON, "leaving the group").await;
    replicate("no", "one").await;
    setup.heard(&mut relay).await;
    assert_eq!(consumer.log_lines("leaving the group").len(), 1);
}

#[tokio::test]
async fn a_group_of_another_kind_of_consumers_is_named_in_one_line_and_joined_once_they_have_left() {
    let setup = Setup::new().await;
    // The default of most clients; ours is cooperative.
    let older: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &setup.topic.broker)
        .set("group.id", &setup.topic.name)
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "6000")
        .create()
        .unwrap();
    older.subscribe(&[&setup.topic.name]).unwrap();
    let consumer = tokio::select! {
        consumer = async {
            eventually(SOON, "the older one has its partitions", async || {
                let count = older.assignment().map_err(|error| error.to_string())?.count();
                holds(count == SHARDS as usize, count)
            })
            .await;
            let consumer = setup.start();
            consumer.wait_log(SOON, "share its partitions in another way").await;
            consumer
        } => consumer,
        message = older.recv() => panic!("nobody produces: {message:?}"),
    };
    older.unsubscribe();
    drop(older);
    consumer.wait_log(SOON, "are this consumer's").await;
    let mut relay = Relay::new(&setup);
    setup.heard(&mut relay).await;
    assert_eq!(consumer.log_lines("share its partitions in another way").len(), 1);
}

async fn named(setup: &Setup, name: &str) -> (Program, Relay) {
    let mut settings = setup.settings();
    settings.extend(harness::settings([("KAFKA_GROUP_INSTANCE_ID", name)]));
    let consumer = Program::kafka_consumer(settings);
    consumer.wait_log(SOON, "are this consumer's").await;
    let mut relay = Relay::new(setup);
    setup.heard(&mut relay).await;
    (consumer, relay)
}

/// The relay's next heartbeat reaches every shard within `limit`.
async fn beats_within(limit: Duration, setup: &Setup, relay: &mut Relay) {
    let number = relay.beat().await;
    eventually(limit, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
    assert_eq!(SHARDS as usize, setup.epochs().await.len());
}
