//! Servers that are away when the programs start: each program stays up, says what it waits for, and is whole by itself
//! soon after their return.

use std::time::Duration;

use harness::{Database, Kafka, Links, Program, Proxy, Redis, System, eventually, holds, settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::HEAL_LIMIT;

/// By then everybody has noticed what is away.
const NOTICE_LIMIT: Duration = Duration::from_secs(10);

/// How long it stays away after that: several tries of everybody.
const ABSENCE: Duration = Duration::from_secs(3);

/// A program, and the server that it has to name.
type Speaks = (fn(&System) -> &Program, &'static str);

/// Starts a system with some links cut, and mends them.
async fn is_whole_after(cut: fn(&Links) -> Vec<&Proxy>, speaks: &[Speaks]) {
    let (database, redis, topic) = (Database::new().await, Redis::start().await, Kafka::shared().topic());
    let links = Links::to(&database, &redis, Proxy::to(&Kafka::shared().address));
    cut(&links).into_iter().for_each(Proxy::cut);

    let all = [database.settings(), redis.settings(), topic.settings(), links.settings()].concat();
    let mut system = System::launch_with(database, redis, topic, all);
    for (program, server) in speaks {
        eventually(NOTICE_LIMIT, &format!("{server} is named"), async || {
            holds(!naming(program(&system), server).is_empty(), "")
        })
        .await;
    }
    sleep(ABSENCE).await;
    stays_up(&mut system).await;
    for (program, server) in speaks {
        // A second line at most for what it leads to; not one for each try.
        let lines = naming(program(&system), server);
        assert!(lines.len() <= 2, "{server} is named in {} lines: {lines:#?}", lines.len());
    }

    cut(&links).into_iter().for_each(Proxy::restore);
    system.whole_within(HEAL_LIMIT).await;
    system.ok_within(HEAL_LIMIT).await;
}

async fn stays_up(system: &mut System) {
    for program in [&mut system.worker, &mut system.consumer, &mut system.api] {
        let status = program.process().exit_status();
        assert!(status.is_none(), "a program ended by itself: {status:?}");
    }
    assert_eq!(system.http.get("/health").await.unwrap().status, 200);
    let status = system.http.get("/status").await.unwrap();
    assert_eq!((status.status, &status.json()["ok"]), (200, &false.into()), "{}", status.text());
}

/// The lines of a program that name a server as what it waits for.
fn naming(program: &Program, server: &str) -> Vec<String> {
    let names =
        |line: &String| line.to_lowercase().contains(server) && (line.contains("WARN") || line.contains("ERROR"));
    program.log().into_iter().filter(names).collect()
}

#[tokio::test]
async fn without_postgres_at_start_all_wait_and_heal() {
    let speaks: [Speaks; 2] = [(|system| &system.worker, "postgresql"), (|system| &system.api, "postgresql")];
    is_whole_after(|links| vec![&links.postgres], &speaks).await;
}

#[tokio::test]
async fn without_redis_at_start_all_wait_and_heal() {
    let speaks: [Speaks; 2] = [(|system| &system.consumer, "redis"), (|system| &system.api, "redis")];
    is_whole_after(|links| vec![&links.redis], &speaks).await;
}

#[tokio::test]
async fn without_kafka_at_start_all_wait_and_heal() {
    let speaks: [Speaks; 2] = [(|system| &system.consumer, "kafka"), (|system| &system.worker, "kafka")];
    is_whole_after(|links| vec![&links.kafka], &speaks).await;
}

#[tokio::test]
async fn without_any_server_at_start_all_wait_and_heal() {
    let speaks: [Speaks; 4] = [
        (|system| &system.worker, "postgresql"),
        (|system| &system.worker, "kafka"),
        (|system| &system.consumer, "kafka"),
        (|system| &system.api, "redis"),
    ];
    is_whole_after(|links| vec![&links.postgres, &links.redis, &links.kafka], &speaks).await;
}

#[tokio::test]
async fn programs_that_are_dead_are_seen_in_status_and_the_api_stays_ready() {
    let mut system = System::start().await;
    type Dies = (fn(&mut System) -> &mut Program, &'static str);
    let programs: [Dies; 2] = [(|system| &mut system.worker, "relay"), (|system| &mut system.consumer, "shards")];
    for (program, part) in programs {
        system.ok_within(HEAL_LIMIT).await;
        program(&mut system).kill();
        eventually(HEAL_LIMIT, "/status names it", async || system.http.fails(part, "no heartbeat").await).await;
        assert_eq!(system.http.get("/readyz").await.unwrap().status, 200, "cities are answered all the same");
        program(&mut system).restart();
    }
}

#[tokio::test]
async fn without_redis_cities_come_from_postgres() {
    let mut system = System::start().await;
    system.redis.kill();
    for code in ["BGR", "FRA"] {
        let answer = system.get_city(code).await;
        assert_eq!((answer.status, answer.source().as_str()), (200, "database"));
    }
    system.redis.restart().await;
    system.whole_within(HEAL_LIMIT).await;
}

#[tokio::test]
async fn a_broker_that_comes_late_finds_everything_waiting() {
    let mut kafka = Kafka::stopped();
    let (database, redis, topic) = (Database::new().await, Redis::start().await, kafka.topic());
    let all = [database.settings(), redis.settings(), topic.settings()].concat();
    let mut system = System::launch_with(database, redis, topic, all);
    system.consumer.wait_log(NOTICE_LIMIT, "WARN").await;
    stays_up(&mut system).await;
    kafka.restart().await;
    system.whole_within(HEAL_LIMIT).await;
    system.agree(HEAL_LIMIT).await;
}

#[tokio::test]
async fn without_the_store_images_are_refused_and_cities_answered() {
    let link = Proxy::to(&format!("127.0.0.1:{}", store().await));
    link.cut();
    let endpoint = format!("http://127.0.0.1:{}", link.port);
    let system = System::start_with(settings([("MINIO_ENDPOINT", &endpoint)])).await;
    let answer = system.http.get("/image/sofia.png").await.unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (503, "application/problem+json"));
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(system.get_city("BGR").await.status, 200);

    link.restore();
    eventually(HEAL_LIMIT, "the image is served", async || {
        let answer = system.http.get("/image/sofia.png").await?;
        holds(answer.status == 200 && answer.body == IMAGE, (answer.status, answer.text()))
    })
    .await;
}

/// What the store below holds.
const IMAGE: &[u8] = b"a picture";

/// As much of an S3 server as one object needs; the real one is in the documented containers.
async fn store() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 8_192];
            let _ = client.read(&mut request).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"1\"\r\nContent-Type: image/png\r\n\
                 Last-Modified: Tue, 24 Nov 2026 08:00:00 GMT\r\nConnection: close\r\n\r\n",
                IMAGE.len()
            );
            let _ = client.write_all(&[head.as_bytes(), IMAGE].concat()).await;
        }
    });
    port
}
