//! Topics that are not as they must be, and Kafka's absence: one line, and all is well once it is put right.

use std::time::{Duration, Instant};

use harness::{Kafka, Program, eventually, holds};

use crate::setup::{Relay, SHARDS, SOON, STOP, Setup, partitions};

/// The system is whole within 5 s of what was put right.
const WHOLE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_missing_topic_is_waited_for() {
    let setup = Setup::without_topic().await;
    let consumer = setup.start();
    consumer.wait_log(SOON, "doesn't exist, so nothing is consumed; pg-notify-worker creates it when it runs").await;
    setup.topic.create(partitions(), &[]).await;
    consumer.wait_log(WHOLE, "are this consumer's").await;
    setup.heard(&mut Relay::new(&setup)).await;
}

#[tokio::test]
async fn a_topic_with_another_number_of_partitions_is_refused_in_one_line() {
    let setup = Setup::without_topic().await;
    setup.topic.create(partitions() - 1, &[]).await;
    let mut consumer = setup.start();
    consumer.wait_log(SOON, "has 2 partitions instead of 3 (SHARDS)").await;
    setup.topic.grow(SHARDS as usize).await;
    consumer.wait_log(WHOLE, "are this consumer's").await;
    setup.heard(&mut Relay::new(&setup)).await;
    assert_eq!(consumer.log_lines("instead of 3").len(), 1);
    consumer.stop(STOP).await;
}

#[tokio::test]
async fn a_topic_that_grows_while_it_is_consumed_is_refused_until_it_is_put_right() {
    let setup = Setup::new().await;
    let (consumer, _relay) = setup.consumer_and_relay().await;
    setup.topic.grow(SHARDS as usize + 1).await;
    consumer.wait_log(SOON, "has 4 partitions instead of 3 (SHARDS)").await;
    consumer.wait_log(SOON, "left the group").await;
    setup.make_topic_again().await;
    setup.heard(&mut Relay::new(&setup)).await;
}

#[tokio::test]
async fn a_compacted_topic_is_refused_until_it_is_none() {
    let setup = Setup::without_topic().await;
    setup.topic.create(partitions(), &[("cleanup.policy", "compact,delete")]).await;
    let consumer = setup.start();
    consumer.wait_log(SOON, "is compacted, which removes changes before they are read, so nothing is consumed").await;
    setup.configure_topic("cleanup.policy", "delete").await;
    consumer.wait_log(WHOLE, "are this consumer's").await;
    setup.heard(&mut Relay::new(&setup)).await;
    assert_eq!(consumer.log_lines("is compacted").len(), 1);
}

#[tokio::test]
async fn an_absent_kafka_is_one_line_when_it_begins_and_one_when_it_ends() {
    let mut kafka = Kafka::stopped();
    let setup = Setup::on(kafka.topic()).await;
    // As supervisord.conf has it: without a name, a broker that comes back first waits for the consumer that was.
    let mut settings = setup.settings();
    settings.extend(harness::settings([("KAFKA_GROUP_INSTANCE_ID", "one")]));
    let mut consumer = Program::kafka_consumer(settings);
    consumer.wait_log(SOON, "doesn't answer").await;
    kafka.restart().await;
    setup.topic.create(partitions(), &[]).await;
    consumer.wait_log(WHOLE, "are this consumer's").await;
    let mut relay = Relay::new(&setup);
    setup.heard(&mut relay).await;
    let epochs = setup.epochs().await;

    kafka.kill();
    consumer.wait_log(SOON, "doesn't answer").await;
    // Long enough for its client to be replaced.
    consumer.wait_log(SOON, "going on with a new client").await;
    kafka.restart().await;
    let returned = Instant::now();
    setup.heard(&mut relay).await;
    assert!(returned.elapsed() < WHOLE, "{:?}", returned.elapsed());
    assert_eq!(setup.epochs().await, epochs);
    consumer.stop(STOP).await;
    assert_eq!(consumer.log_lines("doesn't answer").len(), 2);
    let lines = consumer.log_lines("").into_iter().filter(|line| !line.contains("DEBUG")).count();
    assert!(lines < 30, "{lines} lines");
}

#[tokio::test]
async fn a_kafka_that_wants_tls_or_a_login_or_denies_access_is_named_in_one_line_each() {
    let (kafka, listeners) = Kafka::start_guarded().await;
    let setup = Setup::on(kafka.topic()).await;
    setup.topic.create(partitions(), &[]).await;
    let tls = "closes each connection at its first request, as a listener for TLS does";
    for (address, line) in [(&listeners.tls, tls), (&listeners.login, "wants a login (SASL), which isn't supported")] {
        let mut settings = setup.settings();
        settings.extend(harness::settings([("KAFKA_BOOTSTRAP_SERVERS", address)]));
        let mut consumer = Program::kafka_consumer(settings);
        let told = consumer.wait_log(SOON, line).await;
        assert!(told.contains("ERROR") && told.contains(&format!("Kafka at {address} ")), "{told}");
        // librdkafka's own line for each further look.
        eventually(SOON, "it looks again", async || {
            let looks = consumer.log_lines("librdkafka: FAIL").len();
            holds(looks >= 2, looks)
        })
        .await;
        assert_eq!(consumer.log_lines("ERROR").len() + consumer.log_lines("WARN").len(), 1, "{:?}", consumer.log());
        consumer.restart_with(setup.topic.settings());
        consumer.wait_log(SOON, "are this consumer's").await;
    }
    setup.topic.deny(true);
    let consumer = setup.start();
    let told = consumer.wait_log(SOON, "denies access").await;
    assert!(told.contains("ERROR") && told.contains("Topic authorization failed"), "{told}");
    setup.topic.deny(false);
    consumer.wait_log(SOON, "are this consumer's").await;
    assert_eq!(consumer.log_lines("denies access").len(), 1);
}
