//! What is no message: nothing stops, nothing is lost, and it lies in the dead letter topic with origin and reason.

use std::time::Duration;

use common::message::Action;
use harness::{Record, eventually};

use crate::setup::{Relay, SOON, STOP, Setup};

/// From the acknowledgement's limit of 5 s to its line.
const UNPARKED: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_undecodable_form_is_parked_with_its_origin_and_reason() {
    let setup = Setup::new().await;
    setup.topic.dead_letters().create(1, &[]).await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    let mut forms: Vec<(Option<Vec<u8>>, &str)> = [
        ("BGR", "not a message"),
        ("", "not a message"),
        (r#"{"action":"drop_table"}"#, "unknown action"),
        (r#"{"action":7,"code":["BGR"]}"#, "not a message"),
        (r#"{"action":"invalidate_cache"}"#, "field `code` is missing"),
    ]
    .map(|(payload, reason)| (Some(payload.as_bytes().to_vec()), reason))
    .into();
    let quoted = "x".repeat(100_000);
    forms.push((Some(format!(r#"{{"action":"heartbeat","number":"{quoted}"}}"#).into()), "invalid type"));
    forms.push((None, "tombstone"));
    forms.push((Some(b"{\"action\":\"\xff\"}".to_vec()), "not a message"));
    forms.push((Some([b"[".repeat(50_000), b"]".repeat(50_000)].concat()), "not a message"));
    forms.push((Some(vec![b'x'; 900_000]), "not a message"));
    let before = setup.state(0).await.unwrap();
    for (payload, _) in &forms {
        let key = Some(b"BGR".to_vec());
        setup.topic.produce(Record { partition: Some(0), key, payload: payload.clone(), ..Record::default() }).await;
    }
    // Nothing stops: what follows is applied, and the stream of the relay continues.
    relay.publish(0, Action::Heartbeat(1_000)).await;
    let after = setup.state_that("what follows is applied", 0, |state| state.number == Some(1_000)).await;
    assert_eq!(after.epoch, before.epoch);
    let parked = eventually(SOON, "all are parked", async || {
        let parked = setup.topic.dead_letters().read().await;
        if parked.len() == forms.len() { Ok(parked) } else { Err(format!("{} of them", parked.len())) }
    })
    .await;
    for (offset, (record, (payload, reason))) in (before.offset..).zip(parked.iter().zip(&forms)) {
        let header = |name: &str| String::from_utf8(record.headers[name].clone()).unwrap();
        assert_eq!(header("origin-topic"), setup.topic.name);
        assert_eq!((header("origin-partition"), header("origin-offset")), ("0".to_owned(), offset.to_string()));
        assert!(header("reason").contains(reason) && header("reason").len() < 300, "{}", header("reason"));
        assert_eq!(record.key.as_deref(), Some(&b"BGR"[..]));
        let cut = payload.as_ref().map(|payload| &payload[..payload.len().min(64 * 1024)]);
        assert_eq!(record.payload.as_deref(), cut);
    }
    assert!(!consumer.log_contains("xxx"), "no payload in the log");
}

#[tokio::test]
async fn an_undecodable_message_in_the_relays_place_shows_as_a_gap() {
    let setup = Setup::new().await;
    let (consumer, mut relay) = setup.consumer_and_relay().await;
    let before = setup.state(1).await.unwrap();
    setup.by_hand(1, "garbled").await;
    relay.lose(1);
    relay.publish(1, Action::Heartbeat(1_000)).await;
    let after = setup.state_that("the stream is applied", 1, |state| state.number == Some(1_000)).await;
    assert_ne!(after.epoch, before.epoch);
    consumer.wait_log(SOON, "shard 1 reset at offset").await;
}

#[tokio::test]
async fn without_a_dead_letter_topic_the_origin_is_logged_and_apply_does_not_wait() {
    let setup = Setup::new().await;
    let (mut consumer, mut relay) = setup.consumer_and_relay().await;
    let state = setup.state(0).await.unwrap();
    for _ in 0..20 {
        setup.by_hand(0, "garbled").await;
    }
    relay.publish(0, Action::Heartbeat(1_000)).await;
    setup.state_that("what follows is applied", 0, |state| state.number == Some(1_000)).await;
    let unparked = "can't be decoded and was not parked";
    let line = consumer.wait_log(UNPARKED, unparked).await;
    let origin = format!("{}[0] offset ", setup.topic.name);
    assert!(line.contains(&origin), "{line}");
    assert!(setup.state(0).await.unwrap().offset > state.offset);
    consumer.stop(STOP).await;
    assert!(consumer.log_lines(unparked).len() < 10, "a line a second at most");
}

#[tokio::test]
async fn a_stop_waits_for_what_is_being_parked() {
    let setup = Setup::new().await;
    setup.topic.dead_letters().create(1, &[]).await;
    let mut consumer = setup.consumer().await;
    setup.heard(&mut Relay::new(&setup)).await;
    setup.topic.console_producer(&[], &b"garbled\n".repeat(500));
    consumer.stop(STOP).await;
    // What came after the stop is parked by the next consumer.
    let taken = consumer.log_lines("can't be decoded").len();
    assert_eq!(setup.topic.dead_letters().read().await.len(), taken);
    assert!(taken > 0);
}
