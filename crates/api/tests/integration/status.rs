//! What an operator sees in `/status`, and a load balancer in `/readyz`.

use std::time::Duration;

use common::keys::Keys;
use common::protocol::state::State;
use common::random_name::Name;
use deadpool_redis::redis::cmd;
use harness::{Database, Postgres, Program, Redis, Settings, eventually, holds, settings};

use crate::setup::{SOON, Setup, prepare};

/// The next heartbeat.
const BEAT: &str = "update cities_cache.heartbeat set number = number + 1";

/// Servers that are away. By address: where `localhost` has two, each may be refused for a reason of its own.
fn nowhere() -> Settings {
    settings([
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", "1"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", "1"),
        ("MINIO_ENDPOINT", "http://127.0.0.1:1"),
    ])
}

#[tokio::test]
async fn health_and_status_answer_whatever_is_away() {
    let (_api, http) = Program::api(nowhere());
    let answer = eventually(SOON, "health answers", async || http.get("/health").await).await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
    assert_eq!(http.get("/livez").await.unwrap().status, 200);
    for (part, words) in [
        ("postgres", "can't be reached"),
        ("relay", "no heartbeat row"),
        ("outbox", "can't be counted"),
        ("redis", "can't be reached"),
        ("shards", "nothing is known"),
        ("images", "can't be read"),
    ] {
        eventually(SOON, "it is named", async || http.fails(part, words).await).await;
    }
}

#[tokio::test]
async fn what_is_absent_at_the_start_is_said_in_one_line_each() {
    let (api, _http) = Program::api(nowhere());
    let away = ["PostgreSQL can't be reached", "Redis can't be reached", "images can't be read"];
    for text in away {
        api.wait_log(SOON, text).await;
    }
    // Longer than what is said again if it changes with each try.
    tokio::time::sleep(Duration::from_secs(8)).await;
    for text in away {
        assert_eq!(api.log_lines(text).len(), 1, "{:?}", api.log());
    }
}

#[tokio::test]
async fn all_is_well_while_the_heartbeat_goes_on_and_its_silence_is_told() {
    let setup = Setup::new().await;
    let status = eventually(SOON, "all is well", async || {
        setup.database.execute(BEAT).await;
        setup.write_states(setup.generation).await;
        setup.http.is_ok().await?;
        setup.http.get("/status").await
    })
    .await;
    assert!(status.text().starts_with(r#"{"ok":true,"#), "for whoever looks at its beginning only: {}", status.text());
    assert_eq!(status.json()["relay"]["generation"].as_str(), Some(setup.generation.to_string().as_str()));
    assert!(status.json()["relay"]["number"].is_u64() && status.json()["relay"]["age_ms"].is_u64());
    eventually(SOON, "the silence is told", async || setup.http.fails("relay", "the relay doesn't go on").await).await;
}

#[tokio::test]
async fn it_is_ready_while_either_redis_or_postgresql_can_answer() {
    let (mut postgres, mut redis) = (Postgres::start(&[]).await, Redis::start().await);
    let database = postgres.existing("tutorial");
    prepare(&database, "insert into country (code, name) values ('BGR', 'Bulgaria')").await;
    let (_api, http) = Program::api([database.settings(), redis.settings()].concat());
    let is_ready = async |status: u16, what: &str| {
        eventually(SOON, what, async || {
            let answer = http.get("/readyz").await?;
            holds(answer.status == status && answer.text().contains(what), (answer.status, answer.text()))
        })
        .await;
    };
    // No relay, no state: what the cache needs is missing, and cities are answered all the same.
    is_ready(200, r#""cache":false,"database":true"#).await;
    redis.kill();
    is_ready(200, r#""cache":false,"database":true"#).await;
    postgres.kill();
    is_ready(503, r#""cache":false,"database":false"#).await;
    redis.restart().await;
    // A Redis without any state holds no answer.
    is_ready(503, r#""cache":false,"database":false"#).await;
    let (epoch, generation) = (Name::random(), Name::random());
    let state = State { epoch, generation, sequence: 1, number: Some(1), offset: 1 }.to_string();
    let mut set = cmd("SET");
    set.arg(Keys::new("cities-cache", 8).state(3)).arg(state).exec_async(&mut redis.connection().await).await.unwrap();
    is_ready(200, r#""cache":true,"database":false"#).await;
}

#[tokio::test]
async fn shards_that_no_heartbeat_reaches_any_more_are_seen() {
    let setup = Setup::new().await;
    eventually(SOON, "the standstill is told", async || {
        setup.database.execute(BEAT).await;
        setup.http.fails("shards", "no heartbeat arrives in 8 shards").await?;
        let status = setup.http.get("/status").await?.json();
        holds(status["shards"]["standing_still"].as_array().is_some_and(|shards| shards.len() == 8), status)
    })
    .await;
    assert_eq!(setup.http.get("/readyz").await.unwrap().status, 200);
}

#[tokio::test]
async fn shards_without_a_state_are_named() {
    let setup = Setup::new().await;
    setup.remove_states().await;
    eventually(SOON, "they are told", async || setup.http.fails("shards", "8 shards have no state").await).await;
    let status = setup.http.get("/status").await.unwrap().json();
    assert_eq!(status["shards"]["without_state"].to_string(), "[0,1,2,3,4,5,6,7]");
}

#[tokio::test]
async fn a_refusal_that_was_put_right_is_over_although_nobody_asks() {
    let setup = Setup::new().await;
    setup.database.execute("alter table city rename to town").await;
    assert_eq!(setup.get("BGR").await.status, 503);
    setup.http.fails("cities", "they can't be read").await.unwrap();
    assert!(setup.http.get("/readyz").await.unwrap().text().contains(r#""database":false"#));
    setup.database.execute("alter table town rename to city").await;
    eventually(SOON, "the refusal is over", async || {
        let status = setup.http.get("/status").await?;
        holds(status.json()["cities"]["ok"] == true, status.text())
    })
    .await;
}

#[tokio::test]
async fn a_database_that_no_worker_has_seen_is_read_all_the_same() {
    let database = Database::new().await;
    let tables = "create table country (code char(3), name text);
                  create table city (id int, name text, countrycode char(3), population int);
                  insert into city values (1, 'Sofija', 'BGR', 5)";
    database.execute(tables).await;
    let redis = Redis::start().await;
    let (_api, http) = Program::api([database.settings(), redis.settings()].concat());
    let answer = eventually(SOON, "it answers", async || http.get("/cities/BGR").await).await;
    assert_eq!((answer.source().as_str(), answer.population("Sofija")), ("database", Some(5)));
    http.fails("relay", "no heartbeat row").await.unwrap();
}
