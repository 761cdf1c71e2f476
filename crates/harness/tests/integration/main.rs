//! The harness itself: what the other tests believe without looking.

use std::time::Duration;

use deadpool_redis::redis::{Client, cmd};
use harness::{Database, Http, Kafka, Postgres, Proxy, Record, Redis, eventually, holds};

#[tokio::test]
async fn a_database_is_fresh_and_goes_with_its_owner() {
    let database = Database::new().await;
    database.execute("create table city (id int); insert into city values (7)").await;
    assert_eq!(database.number("select id from city").await, 7);

    let name = database.name.clone();
    drop(database);
    let left = format!("select count(*) from pg_database where datname = '{name}'");
    assert_eq!(Postgres::shared().existing("postgres").number(&left).await, 0);
}

#[tokio::test]
async fn a_killed_postgres_comes_back_with_its_data() {
    let mut postgres = Postgres::start(&[]).await;
    let database = postgres.database().await;
    database.execute("create table city as select 7 as id").await;
    let client = database.client().await;
    postgres.kill();
    eventually(Duration::from_secs(5), "the connection breaks", async || {
        holds(client.simple_query("select 1").await.is_err(), "still there")
    })
    .await;
    postgres.restart().await;
    assert_eq!(database.number("select id from city").await, 7);
    postgres.stop().await;
}

#[tokio::test]
async fn a_redis_keeps_its_port_and_loses_its_keys() {
    let mut redis = Redis::start().await;
    let _: () = redis.command("SET city 7").await;
    assert_eq!(redis.command::<i64>("GET city").await, 7);
    redis.stop().await;
    redis.restart().await;
    assert_eq!(redis.command::<Option<i64>>("GET city").await, None);
}

#[tokio::test]
async fn what_is_produced_can_be_read() {
    let topic = Kafka::shared().topic();
    topic.create(3, &[]).await;
    let record = Record {
        partition: Some(2),
        key: Some(b"BGR".into()),
        headers: [("reason".to_owned(), b"none".to_vec())].into(),
        ..Record::of("a".repeat(1000))
    };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        topic.produce_with(codec, record.clone()).await;
    }
    topic.produce(Record { partition: Some(0), ..Record::default() }).await;
    topic.console_producer(&["--property", "parse.key=true"], b"BGR\tfrom a tool\n");

    let read = topic.read().await;
    assert_eq!(read.len(), 7);
    assert_eq!(read[0].payload, None);
    assert_eq!(read.iter().filter(|read| Record { offset: 0, ..(*read).clone() } == record).count(), 5);
    assert_eq!(topic.read_containing("from a tool").await[0].key, Some(b"BGR".into()));
}

#[tokio::test]
async fn a_broker_of_a_tests_own_comes_back_with_its_topics() {
    let mut kafka = Kafka::start().await;
    let topic = kafka.topic();
    topic.create(1, &[]).await;
    topic.produce(Record::of("kept")).await;
    kafka.stop().await;
    kafka.restart().await;
    assert_eq!(topic.read().await[0].text(), "kept");
}

#[tokio::test]
async fn a_link_breaks_and_mends_on_command() {
    let database = Database::new().await;
    let proxy = Proxy::to(&format!("{}:{}", database.host, database.port));
    let mut behind = Postgres::shared();
    behind.port = proxy.port;
    let behind = behind.existing(&database.name);
    let client = behind.client().await;
    assert!(client.simple_query("select 1").await.is_ok());

    proxy.black_hole();
    let lost = tokio::time::timeout(Duration::from_millis(200), client.simple_query("select 1")).await;
    assert!(lost.is_err(), "nothing comes through a black hole");

    proxy.restore();
    eventually(Duration::from_secs(5), "what fell into the hole has its connection ended", async || {
        holds(client.simple_query("select 1").await.is_err(), "an answer")
    })
    .await;
    assert_eq!(behind.number("select 7").await, 7);

    proxy.cut();
    assert!(Http::new(proxy.port).get("/").await.is_err());
    proxy.restore();
    proxy.slow(Duration::from_millis(30));
    let before = tokio::time::Instant::now();
    assert_eq!(behind.number("select 7").await, 7);
    assert!(before.elapsed() > Duration::from_millis(100));
}

#[tokio::test]
async fn a_replica_follows_until_its_link_breaks_and_takes_its_masters_place() {
    let master = Redis::start().await;
    let [address, replication] = [(); 2].map(|()| Proxy::to(&format!("127.0.0.1:{}", master.port)));
    master.command::<()>("SET key old").await;
    let replica = master.replica(&replication).await;
    replication.black_hole();
    master.command::<()>("SET key new").await;
    assert_eq!(replica.command::<String>("GET key").await, "old");

    replica.command::<()>("REPLICAOF NO ONE").await;
    address.retarget(&format!("127.0.0.1:{}", replica.port));
    replica.command::<()>("SET key its_own").await;
    let behind = Client::open(("127.0.0.1", address.port)).unwrap();
    let mut behind = behind.get_multiplexed_async_connection().await.unwrap();
    let found: String = cmd("GET").arg("key").query_async(&mut behind).await.unwrap();
    assert_eq!(found, "its_own");
}
