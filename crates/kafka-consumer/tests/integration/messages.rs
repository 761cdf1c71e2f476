//! What messages do to the cache.

use common::message::Action;
use harness::{Program, Record, eventually, holds};

use crate::setup::{Relay, SHARDS, SOON, Setup};

#[tokio::test]
async fn the_documented_message_by_hand_without_a_key_drops_its_code_wherever_it_lands() {
    let setup = Setup::new().await;
    let _running = setup.consumer_and_relay().await;
    for partition in 0..SHARDS {
        setup.fill("BGR").await;
        setup.fill("FRA").await;
        setup.by_hand(partition, r#"{"action":"invalidate_cache","code":"BGR"}"#).await;
        setup.dropped("BGR").await;
        assert!(setup.is_filled("FRA").await);
    }
    let epochs = setup.epochs().await;
    setup.by_hand(0, r#"{"action":"heartbeat","number":1}"#).await;
    setup.fill("BGR").await;
    setup.by_hand(0, r#"{"action":"invalidate_cache","code":" bgr "}"#).await;
    setup.dropped("BGR").await;
    assert_eq!(setup.epochs().await, epochs);
}

#[tokio::test]
async fn a_relays_stream_drops_what_changed_and_moves_the_watermark() {
    let setup = Setup::new().await;
    let (_consumer, mut relay) = setup.consumer_and_relay().await;
    let epochs = setup.epochs().await;
    for code in ["BGR", "FRA", "DEU"] {
        setup.fill(code).await;
    }
    setup.fill("USA").await;
    for code in ["BGR", "FRA", "DEU"] {
        relay.change(code).await;
    }
    let number = relay.beat().await;
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
    // Whoever sees the heartbeat sees every deletion before it.
    for code in ["BGR", "FRA", "DEU"] {
        assert!(!setup.is_filled(code).await, "{code}");
    }
    assert!(setup.is_filled("USA").await);
    assert_eq!(setup.epochs().await, epochs);
}

#[tokio::test]
async fn all_of_the_relay_empties_its_shard_and_keeps_the_number() {
    let setup = Setup::new().await;
    let (_consumer, mut relay) = setup.consumer_and_relay().await;
    let before = setup.state(0).await.unwrap();
    relay.publish(0, Action::InvalidateAll).await;
    let after = setup.state_that("shard 0 has a new epoch", 0, |state| state.epoch != before.epoch).await;
    assert_eq!(
        (after.generation, after.number, after.sequence),
        (before.generation, before.number, before.sequence + 1)
    );
    assert_eq!(setup.state(1).await.map(|state| state.sequence), Some(before.sequence));
}

#[tokio::test]
async fn all_by_hand_empties_every_shard_and_keeps_what_was_applied() {
    let setup = Setup::new().await;
    let (_consumer, mut relay) = setup.consumer_and_relay().await;
    let before = setup.epochs().await;
    setup.by_hand(1, r#"{"action":"invalidate_all"}"#).await;
    eventually(SOON, "every shard has a new epoch", async || {
        let after = setup.epochs().await;
        holds(before.iter().zip(&after).all(|(before, after)| before != after), after)
    })
    .await;
    let after = setup.epochs().await;
    let number = relay.beat().await;
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
    assert_eq!(setup.epochs().await, after, "the relay's stream goes on without a reset");
}

#[tokio::test]
async fn all_by_hand_in_every_partition_at_once_ends_and_costs_few_epochs() {
    const ALLS: u32 = 5;
    let mut setup = Setup::with_shards(2).await;
    let patient = [setup.settings(), harness::settings([("REDIS_TIMEOUT_MS", "10000")])].concat();
    let consumer = Program::kafka_consumer(patient);
    consumer.wait_log(SOON, "are this consumer's").await;
    let mut relay = Relay::new(&setup);
    setup.heard(&mut relay).await;
    let before = setup.epochs().await;
    let noted_before = setup.changes(0).await + setup.changes(1).await;
    // While the consumer waits for Redis, its client fetches what is taken together in the next poll.
    setup.redis.pause();
    relay.beat().await;
    for partition in (0..2).cycle().take(2 * ALLS as usize) {
        setup.by_hand(partition, r#"{"action":"invalidate_all"}"#).await;
    }
    let number = relay.beat().await;
    // Another client has them as well by now.
    setup.topic.read().await;
    setup.redis.resume();
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
    let after = setup.epochs().await;
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
    // Each ALL is noted in its own shard, and at most once in the other one: a batch empties others for its last one.
    let noted = setup.changes(0).await + setup.changes(1).await - noted_before;
    assert!((2 * ALLS..=4 * ALLS).contains(&noted), "{noted} entries for {} ALLs", 2 * ALLS);
    assert!(!consumer.log_contains("somebody else has moved it"));
}

#[tokio::test]
async fn a_gap_empties_its_shard_alone() {
    let setup = Setup::new().await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    let before = setup.epochs().await;
    relay.lose(1);
    let number = relay.beat().await;
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
    let after = setup.epochs().await;
    assert_eq!((after[0], after[2]), (before[0], before[2]));
    assert_ne!(after[1], before[1]);
    consumer.wait_log(SOON, "shard 1 reset at offset").await;
}

#[tokio::test]
async fn another_generation_empties_every_shard() {
    let setup = Setup::new().await;
    let (consumer, _relay) = setup.consumer_and_relay().await;
    let before = setup.epochs().await;
    let mut successor = Relay::new(&setup);
    let number = successor.beat().await;
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(successor.generation, number).await).await;
    let after = setup.epochs().await;
    assert!(before.iter().zip(&after).all(|(before, after)| before != after));
    consumer.wait_log(SOON, &format!("generation {} follows", successor.generation)).await;
}

#[tokio::test]
async fn two_relays_on_one_topic_are_named_in_one_line() {
    let setup = Setup::new().await;
    let (consumer, mut one) = setup.consumer_and_relay().await;
    let mut other = Relay::new(&setup);
    for _ in 0..10 {
        other.beat().await;
        one.beat().await;
    }
    consumer.wait_log(SOON, "two relays publish to this topic").await;
    let number = other.beat().await;
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(other.generation, number).await).await;
    assert_eq!(consumer.log_lines("two relays publish").len(), 1);
    let reset = consumer.log_lines("reset at offset").len();
    assert!(reset <= 3 * SHARDS as usize, "{reset} lines of resets");
}

#[tokio::test]
async fn the_changes_say_what_was_dropped_and_why() {
    let setup = Setup::new().await;
    let (_consumer, mut relay) = setup.consumer_and_relay().await;
    let code = setup.code_of(0, 0);
    relay.publish(0, Action::Invalidate(code.clone())).await;
    setup.by_hand(0, &format!(r#"{{"action":"invalidate_cache","code":"{code}"}}"#)).await;
    let key = setup.keys.changes(0);
    let changes = eventually(SOON, "three changes", async || {
        let changes: Vec<(String, Vec<String>)> = setup.redis.command(&format!("XRANGE {key} - +")).await;
        if changes.len() == 3 { Ok(changes) } else { Err(format!("{changes:?}")) }
    })
    .await;
    let causes: Vec<_> = changes.iter().map(|(_, fields)| (fields[1].as_str(), fields[5].as_str())).collect();
    let reset = "first message of a relay after a seek to the end";
    assert_eq!(causes, [("", reset), (code.as_str(), "relay"), (code.as_str(), "hand")]);
}

#[tokio::test]
async fn messages_of_kafkas_own_tools_and_of_every_codec_are_applied() {
    let setup = Setup::new().await;
    let _running = setup.consumer_and_relay().await;
    setup.fill("BGR").await;
    setup.topic.console_producer(&[], b"{\"action\":\"invalidate_cache\",\"code\":\"BGR\"}\n");
    setup.dropped("BGR").await;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        setup.fill("BGR").await;
        let padding = " ".repeat(10_000);
        let payload = format!(r#"{{"action":"invalidate_cache",{padding}"code":"BGR"}}"#);
        setup.topic.produce_with(codec, Record::of(payload)).await;
        setup.dropped("BGR").await;
    }
}
