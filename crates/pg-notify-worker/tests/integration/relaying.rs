//! From the outbox to the topic: to the right partition, in order, once acknowledged gone.

use std::collections::HashMap;

use common::code::CODE_BYTES_MAX;
use common::message::Action;
use common::shard::shard_of;
use harness::{eventually, holds};

use crate::setup::{LIMIT, SHARDS, Setup};

const CHANGE_BGR: &str = "update public.city set population = population + 1 where countrycode = 'BGR'";

#[tokio::test]
async fn a_change_reaches_the_partition_of_its_code_and_its_row_is_gone() {
    let setup = Setup::start().await;
    setup.database.execute(CHANGE_BGR).await;
    setup.invalidates("BGR", 1).await;
    setup.drained().await;
    let sent = setup.sent().await;
    let shards: Vec<_> =
        sent.iter().filter(|sent| matches!(sent.action, Action::Invalidate(_))).map(|sent| sent.shard).collect();
    assert_eq!(shards, [shard_of("BGR", SHARDS)]);
}

#[tokio::test]
async fn sequences_and_numbers_have_no_gap_in_any_partition() {
    let setup = Setup::start().await;
    for _ in 0..20 {
        setup.database.execute(CHANGE_BGR).await;
    }
    setup.drained().await;
    setup.database.execute("update public.city set population = 1").await;
    setup.invalidates_all().await;
    let mut sequences = HashMap::new();
    let mut numbers = HashMap::new();
    for sent in setup.sent().await {
        let sequence = sequences.entry(sent.shard).or_insert(0);
        *sequence += 1;
        assert_eq!(sent.position.sequence, *sequence, "{sent:?}");
        if let Action::Heartbeat(number) = sent.action {
            assert!(numbers.insert(sent.shard, number).is_none_or(|last| last < number), "{sent:?}");
        }
    }
    assert_eq!(sequences.len(), SHARDS as usize);
}

#[tokio::test]
async fn a_backlog_of_thousands_is_published_and_gone() {
    let mut setup = Setup::start().await;
    setup.stop().await;
    let backlog = "insert into cities_cache.outbox (codes)
                   select array[chr(65 + number % 26) || 'XY'] from generate_series(1, 3500) as number";
    setup.database.execute(backlog).await;
    setup.worker.restart();
    setup.drained().await;
    for code in ["AXY", "MXY", "ZXY"] {
        setup.invalidates(code, 1).await;
    }
}

#[tokio::test]
async fn a_code_notified_by_hand_is_published() {
    let setup = Setup::start().await;
    let too_long = "X".repeat(CODE_BYTES_MAX + 1);
    for payload in [too_long.as_str(), "", " fra "] {
        setup.database.execute(&format!("select pg_notify('city_updates', '{payload}')")).await;
    }
    setup.invalidates("FRA", 1).await;
    setup.drained().await;
    let sent = setup.sent().await;
    assert_eq!(sent.iter().filter(|sent| !matches!(sent.action, Action::Heartbeat(_))).count(), 1);
}

#[tokio::test]
async fn a_code_that_is_too_long_to_travel_empties_the_cache() {
    let setup = Setup::start().await;
    let insert = format!("insert into cities_cache.outbox (codes) values (array[repeat('X', {})])", CODE_BYTES_MAX + 1);
    setup.database.execute(&insert).await;
    setup.invalidates_all().await;
    setup.drained().await;
}

#[tokio::test]
async fn a_snapshot_held_open_beside_many_changes_stops_nothing() {
    let setup = Setup::start().await;
    let dump = setup.database.client().await;
    dump.batch_execute("begin isolation level repeatable read; select count(*) from public.city").await.unwrap();
    let writer = setup.database.client().await;
    writer.batch_execute("begin; update public.city set population = 1 where countrycode = 'FRA'").await.unwrap();
    for _ in 0..200 {
        setup.database.execute(CHANGE_BGR).await;
    }
    setup.drained().await;
    setup.invalidates("BGR", 1).await;
    // Its transaction is older than all of those.
    writer.batch_execute("commit").await.unwrap();
    setup.invalidates("FRA", 1).await;
    setup.drained().await;
}

#[tokio::test]
async fn what_is_on_its_way_is_finished_before_the_worker_stops() {
    let mut setup = Setup::start().await;
    for _ in 0..50 {
        setup.database.execute(CHANGE_BGR).await;
    }
    setup.stop().await;
    setup.worker.restart();
    setup.drained().await;
    setup.invalidates("BGR", 1).await;
    let text = "select count(*) from pg_stat_activity where application_name = 'pg-notify-worker' and datname = current_database()";
    eventually(LIMIT, "one session", async || {
        let sessions = setup.database.number(text).await;
        holds(sessions == 1, sessions)
    })
    .await;
}
