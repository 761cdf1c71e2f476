//! What was lost, rolled back or restarted is replayed, or answered by an emptied shard.

use common::message::Action;
use common::protocol::state::State;
use common::random_name::Name;
use harness::eventually;
use harness::process::Signal;

use crate::setup::{Relay, SHARDS, SOON, STOP, Setup, partitions};

#[tokio::test]
async fn a_restart_goes_on_where_redis_says_and_keeps_the_cache() {
    let setup = Setup::new().await;
    let (mut consumer, mut relay) = setup.consumer_and_relay().await;
    let epochs = setup.epochs().await;
    setup.fill("BGR").await;
    setup.fill("FRA").await;
    consumer.stop(STOP).await;
    relay.change("BGR").await;
    consumer.restart();
    setup.dropped("BGR").await;
    consumer.kill();
    setup.fill("BGR").await;
    relay.change("BGR").await;
    let number = relay.beat().await;
    consumer.restart();
    eventually(SOON, "the heartbeat is applied", async || setup.are_at(relay.generation, number).await).await;
    assert!(!setup.is_filled("BGR").await);
    assert!(setup.is_filled("FRA").await);
    assert_eq!(setup.epochs().await, epochs);
}

#[tokio::test]
async fn a_flushed_redis_is_reset_by_the_relays_next_message() {
    let setup = Setup::new().await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    setup.redis.command::<()>("FLUSHALL").await;
    setup.heard(&mut relay).await;
    consumer.wait_log(SOON, "no state in redis").await;
}

#[tokio::test]
async fn an_unreadable_state_counts_as_none() {
    let setup = Setup::new().await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    setup.put_state(1, "nonsense").await;
    setup.heard(&mut relay).await;
    consumer.wait_log(SOON, "shards 1: seeking to the ends of their logs").await;
}

#[tokio::test]
async fn what_a_failover_of_redis_rolled_back_is_replayed() {
    let setup = Setup::new().await;
    let (_consumer, mut relay) = setup.consumer_and_relay().await;
    let code = setup.code_of(0, 0);
    let before = setup.state(0).await.unwrap();
    relay.change(&code).await;
    setup.state_that("the change is applied", 0, |state| state.offset > before.offset).await;
    // The replica has neither the deletion nor the state that went with it.
    setup.fill(&code).await;
    setup.put_state(0, &before.to_string()).await;
    relay.publish(0, Action::Heartbeat(1_000)).await;
    let after = setup.state_that("the stream is applied", 0, |state| state.number == Some(1_000)).await;
    assert!(!setup.is_filled(&code).await);
    assert_eq!(after.epoch, before.epoch);
}

#[tokio::test]
async fn a_shard_that_another_consumer_moved_on_is_gone_on_with_from_there() {
    let setup = Setup::new().await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    let state = setup.state(0).await.unwrap();
    // Another consumer applied an undecodable message that isn't in our log any more.
    setup.by_hand(0, r#"{"action":"heartbeat","number":0}"#).await;
    let moved = setup.state_that("it moves on", 0, |now| now.offset > state.offset).await;
    setup.put_state(0, &State { sequence: 77, ..moved }.to_string()).await;
    relay.publish(0, Action::Heartbeat(1_000)).await;
    setup.state_that("the gap is seen", 0, |state| state.number == Some(1_000)).await;
    consumer.wait_log(SOON, "somebody else has moved it").await;
    consumer.wait_log(SOON, "follows 77").await;
}

#[tokio::test]
async fn an_offset_beyond_the_log_seeks_to_the_end_and_resets() {
    let setup = Setup::new().await;
    let generation = Name::random();
    let state = State { epoch: Name::random(), generation, sequence: 7, number: Some(7), offset: 1_000 };
    setup.put_state(0, &state.to_string()).await;
    let consumer = setup.consumer().await;
    consumer.wait_log(SOON, "shard 0: seeking to the end of its log: its offset 1000 is outside the log").await;
    assert_eq!(setup.state(0).await, Some(state), "nothing is written before a relay's message");
    setup.heard(&mut Relay::new(&setup)).await;
    assert_ne!(setup.state(0).await.unwrap().epoch, state.epoch);
}

#[tokio::test]
async fn the_first_message_after_a_seek_to_the_end_resets_even_where_its_sequence_fits() {
    let setup = Setup::new().await;
    let mut relay = Relay::new(&setup);
    let (epoch, generation) = (Name::random(), relay.generation);
    let state = State { epoch, generation, sequence: 0, number: Some(0), offset: 1_000 };
    setup.put_state(0, &state.to_string()).await;
    let consumer = setup.consumer().await;
    consumer.wait_log(SOON, "is outside the log").await;
    let reset = eventually(SOON, "the shard is reset", async || {
        relay.publish(0, Action::InvalidateAll).await;
        let now = setup.state(0).await.filter(|now| now.sequence > 0);
        now.ok_or("the old state")
    })
    .await;
    assert_eq!((reset.generation, reset.number), (relay.generation, None));
    consumer.wait_log(SOON, "first message of a relay after a seek to the end").await;
}

#[tokio::test]
async fn a_log_that_was_cut_before_the_offset_seeks_to_the_end() {
    let setup = Setup::new().await;
    let (mut consumer, mut relay) = setup.consumer_and_relay().await;
    consumer.stop(STOP).await;
    for _ in 0..3 {
        relay.beat().await;
    }
    setup.cut_log(0).await;
    consumer.restart();
    consumer.wait_log(SOON, "shard 0: seeking to the end of its log").await;
    setup.heard(&mut relay).await;
    assert!(!consumer.log_contains("shard 1: seeking"));
}

#[tokio::test]
async fn a_backlog_above_the_limit_empties_its_shard_instead() {
    let setup = Setup::new().await;
    let (mut consumer, mut relay) = setup.consumer_and_relay().await;
    let epochs = setup.epochs().await;
    consumer.stop(STOP).await;
    let code = setup.code_of(0, 0);
    let line = format!("{code}\t{{\"action\":\"invalidate_cache\",\"code\":\"{code}\"}}\n");
    setup.topic.console_producer(&["--property", "parse.key=true"], line.repeat(1_001).as_bytes());
    consumer.restart_with(harness::settings([("BACKLOG_LIMIT_MESSAGES", "1000")]));
    consumer.wait_log(SOON, "shard 0: seeking to the end of its log: its backlog of 1001 messages").await;
    setup.heard(&mut relay).await;
    let after = setup.epochs().await;
    assert_ne!(after[0], epochs[0]);
    assert_eq!(after[1..], epochs[1..]);
}

#[tokio::test]
async fn a_topic_that_is_deleted_and_made_again_is_consumed_again() {
    let setup = Setup::new().await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    setup.topic.delete().await;
    consumer.wait_log(SOON, "doesn't exist").await;
    setup.topic.create(partitions(), &[]).await;
    setup.heard(&mut relay).await;
}

#[tokio::test]
async fn a_topic_that_is_made_again_at_once_is_consumed_again() {
    let setup = Setup::new().await;
    let (_consumer, mut relay) = setup.consumer_and_relay().await;
    let epochs = setup.epochs().await;
    setup.make_topic_again().await;
    setup.heard(&mut relay).await;
    let after = setup.epochs().await;
    assert!((0..SHARDS as usize).all(|shard| after[shard] != epochs[shard]), "what the old topic held is unknown");
}

#[tokio::test]
async fn a_topic_made_again_that_has_grown_past_the_offset_is_noticed_by_the_sequence() {
    let setup = Setup::new().await;
    let (mut consumer, mut relay) = setup.consumer_and_relay().await;
    let epochs = setup.epochs().await;
    consumer.signal(Signal::STOP);
    setup.make_topic_again().await;
    let longer = setup.state(0).await.unwrap().offset + 5;
    for _ in 0..longer {
        relay.beat().await;
    }
    consumer.signal(Signal::CONT);
    setup.heard(&mut relay).await;
    let after = setup.epochs().await;
    assert!((0..SHARDS as usize).all(|shard| after[shard] != epochs[shard]), "what the old topic held is unknown");
}
