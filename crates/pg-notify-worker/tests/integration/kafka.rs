//! Kafka away, and topics that are not as they must be.

use std::time::Duration;

use common::message::Action;
use common::shard::shard_of;
use harness::process::Signal;
use harness::{Database, Kafka, Program, eventually, holds, settings};

use crate::setup::{LIMIT, SHARDS, Setup};

const CHANGE_BGR: &str = "update public.city set population = population + 1 where countrycode = 'BGR'";

#[tokio::test]
async fn changes_made_while_kafka_is_away_are_published_when_it_is_there() {
    let mut kafka = Kafka::stopped();
    let setup = Setup::launch_on(Database::new().await, kafka.topic(), settings([]));
    setup.worker.wait_log(LIMIT, "can't be reached; the outbox keeps the changes").await;
    eventually(LIMIT, "the capture is there", async || {
        let generation = setup.generation().await;
        holds(generation.is_some(), generation)
    })
    .await;
    setup.database.execute(CHANGE_BGR).await;
    kafka.restart().await;
    setup.invalidates("BGR", 1).await;
    setup.drained().await;
    setup.worker.wait_log(LIMIT, "Kafka can be reached again").await;

    kafka.pause();
    setup.database.execute(CHANGE_BGR).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(setup.outbox_rows().await > 0);
    kafka.resume();
    setup.drained().await;
    assert_eq!(setup.worker.log_lines("can be reached again").len(), setup.worker.log_lines("can't be reached").len());
}

#[tokio::test]
async fn a_worker_that_stands_by_says_each_time_that_kafka_is_away_and_that_it_is_back() {
    let (kafka, link) = Kafka::start_with_link().await;
    let setup = Setup::launch_on(Database::new().await, kafka.topic(), settings([]));
    setup.leads().await;
    let by_link = settings([("KAFKA_BOOTSTRAP_SERVERS", &format!("127.0.0.1:{}", link.port))]);
    let standby = Program::pg_notify_worker([setup.database.settings(), setup.topic.settings(), by_link].concat());
    standby.wait_log(LIMIT, "stands by").await;
    let said = async |line: &str, times: usize| {
        eventually(LIMIT, &format!("it says {times} times `{line}`"), async || {
            let lines = standby.log_lines(line).len();
            holds(lines == times, lines)
        })
        .await;
    };
    for time in 1..=2 {
        link.cut();
        said("can't be reached; the outbox keeps the changes", time).await;
        link.restore();
        said("Kafka can be reached again", time).await;
    }
    assert!(!setup.worker.log_contains("can't be reached"), "the leader has another way");
}

#[tokio::test]
async fn a_kafka_that_wants_tls_or_a_login_is_named_in_one_line() {
    let (kafka, listeners) = Kafka::start_guarded().await;
    let tls = "closes each connection at its first request, as a listener for TLS does";
    for (address, line) in [(&listeners.tls, tls), (&listeners.login, "wants a login (SASL), which isn't supported")] {
        let by_guarded = settings([("KAFKA_BOOTSTRAP_SERVERS", address), ("LOG_LEVEL", "debug")]);
        let topic = kafka.topic();
        let database = Database::new().await;
        let settings = [database.settings(), topic.settings(), by_guarded].concat();
        let mut worker = Program::pg_notify_worker(settings);
        let told = worker.wait_log(LIMIT, line).await;
        assert!(told.contains("ERROR") && told.contains(&format!("Kafka at {address} ")), "{told}");
        assert!(told.contains("the outbox keeps the changes"), "{told}");
        eventually(LIMIT, "it looks again", async || {
            let looks = worker.log_lines("the topics can't be looked at").len();
            holds(looks >= 2, looks)
        })
        .await;
        assert_eq!(worker.log_lines(line).len(), 1);
        worker.restart_with(topic.settings());
        worker.wait_log(LIMIT, "created topic").await;
    }
}

#[tokio::test]
async fn an_outbox_above_its_limit_becomes_one_row_while_kafka_is_away() {
    let mut kafka = Kafka::stopped();
    let limit = settings([("OUTBOX_LIMIT_ROWS", "100")]);
    let setup = Setup::launch_on(Database::new().await, kafka.topic(), limit);
    eventually(LIMIT, "the capture is there", async || {
        let generation = setup.generation().await;
        holds(generation.is_some(), generation)
    })
    .await;
    // In many pieces, and by several statements: the second comes while what the first left is deleted.
    let backlog = "insert into cities_cache.outbox (codes) select array['BGR'] from generate_series(1, 100000)";
    setup.database.execute(backlog).await;
    setup.database.execute(backlog).await;
    eventually(LIMIT, "the outbox is short", async || {
        let rows = setup.outbox_rows().await;
        holds(rows <= 100, rows)
    })
    .await;
    setup.worker.wait_log(LIMIT, "they became one that empties the whole cache").await;
    kafka.restart().await;
    setup.invalidates_all().await;
    setup.drained().await;
}

#[tokio::test]
async fn heartbeats_reach_a_partition_that_changes_all_the_time_from_a_broker_that_is_slow_to_answer() {
    let (kafka, link) = Kafka::start_with_link().await;
    let by_link = settings([("KAFKA_BOOTSTRAP_SERVERS", &format!("127.0.0.1:{}", link.port))]);
    let setup = Setup::launch_on(Database::new().await, kafka.topic(), by_link);
    setup.leads().await;
    // There and back: an acknowledgement takes 300 ms, in which the next change is always there.
    link.slow(Duration::from_millis(150));
    let client = setup.database.client().await;
    let writes = tokio::spawn(async move {
        loop {
            client.batch_execute(CHANGE_BGR).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let shard = shard_of("BGR", SHARDS);
    let heartbeats = async || {
        let sent = setup.sent().await;
        let beats = sent.iter().filter(|sent| sent.shard == shard && matches!(sent.action, Action::Heartbeat(_)));
        (beats.count(), sent.iter().filter(|sent| matches!(sent.action, Action::Invalidate(_))).count())
    };
    let (before, _) = heartbeats().await;
    eventually(LIMIT, "heartbeats go on among the changes", async || {
        let (now, changes) = heartbeats().await;
        holds(now >= before + 5 && changes >= 5, (before, now, changes))
    })
    .await;
    writes.abort();
    link.restore();
    setup.drained().await;
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_deletes_what_kafka_acknowledges_late() {
    let mut kafka = Kafka::start().await;
    let mut setup = Setup::launch_on(Database::new().await, kafka.topic(), settings([]));
    setup.leads().await;
    kafka.pause();
    setup.database.execute(CHANGE_BGR).await;
    setup.worker.signal(Signal::TERM);
    setup.worker.wait_log(LIMIT, "finishing what has begun").await;
    // Longer than PostgreSQL lets a leader's session be silent, shorter than the leader waits for acknowledgements.
    tokio::time::sleep(Duration::from_millis(2_400)).await;
    kafka.resume();
    setup.worker.wait_log(LIMIT, "pg-notify-worker has stopped").await;
    assert_eq!(setup.outbox_rows().await, 0, "{:?}", setup.worker.log());
    assert!(!setup.worker.log_contains("no lead"), "{:?}", setup.worker.log());
}

#[tokio::test]
async fn both_topics_are_created_as_documented() {
    let setup = Setup::start().await;
    assert_eq!(setup.topic.partitions().await, SHARDS as usize);
    assert_eq!(setup.topic.dead_letters().partitions().await, 1);
}

/// A topic that the worker finds, what it says about it, and what it leaves on it: nothing.
async fn refuses(partitions: i32, configuration: &[(&str, &str)], line: &str) -> Setup {
    let topic = Kafka::shared().topic();
    topic.create(partitions, configuration).await;
    let setup = Setup::launch_on(Database::new().await, topic, settings([]));
    setup.worker.wait_log(LIMIT, line).await;
    eventually(LIMIT, "it leads all the same", async || {
        let generation = setup.generation().await;
        holds(generation.is_some(), generation)
    })
    .await;
    setup.database.execute(CHANGE_BGR).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(setup.topic.read().await.is_empty());
    assert_eq!(setup.worker.log_lines(line).len(), 1);
    setup
}

#[tokio::test]
async fn a_topic_with_another_number_of_partitions_gets_nothing_until_it_is_put_right() {
    let setup = refuses(3, &[], "has 3 partitions instead of 8").await;
    setup.topic.grow(SHARDS as usize).await;
    setup.leads().await;
    setup.invalidates("BGR", 1).await;
}

#[tokio::test]
async fn a_compacted_topic_gets_nothing() {
    refuses(SHARDS.cast_signed(), &[("cleanup.policy", "compact")], "is compacted").await;
}

#[tokio::test]
async fn a_topic_that_grows_while_the_worker_runs_gets_nothing_more() {
    let setup = Setup::start().await;
    setup.topic.grow(SHARDS as usize + 1).await;
    setup.worker.wait_log(LIMIT, "has 9 partitions instead of 8").await;
    setup.database.execute(CHANGE_BGR).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!setup.sent().await.iter().any(|sent| sent.action == Action::Invalidate("BGR".to_owned())));
}
