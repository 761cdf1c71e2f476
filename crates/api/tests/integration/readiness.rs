//! What an operator sees.

use std::time::Duration;

use harness::{Database, Program, Settings, eventually, holds, settings};

use crate::setup::{SOON, Setup};

#[tokio::test]
async fn health_says_ok_whatever_is_away() {
    // By address: where `localhost` has two, each may be refused for a reason of its own.
    let nowhere = settings([
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", "1"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", "1"),
        ("MINIO_ENDPOINT", "http://127.0.0.1:1"),
    ]);
    let (_api, http) = Program::api(nowhere);
    let answer = eventually(SOON, "health answers", async || http.get("/health").await).await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
    assert_eq!(http.get("/livez").await.unwrap().status, 200);
    let ready = http.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
}

#[tokio::test]
async fn what_is_absent_at_the_start_is_said_in_one_line_each() {
    // By address: where `localhost` has two, each may be refused for a reason of its own.
    let nowhere = settings([
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", "1"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", "1"),
        ("MINIO_ENDPOINT", "http://127.0.0.1:1"),
    ]);
    let (api, _http) = Program::api(nowhere);
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
async fn it_is_ready_while_the_heartbeat_goes_on_and_says_when_it_stands_still() {
    let setup = Setup::with(settings([("IMAGE_FOLDER", "/")])).await;
    let next = "update cities_cache.heartbeat set number = number + 1";
    let ready = eventually(SOON, "it is ready", async || {
        setup.database.execute(next).await;
        setup.write_states(setup.generation).await;
        let answer = setup.http.get("/readyz").await?;
        holds(answer.status == 200, answer.text()).map(|()| answer)
    })
    .await;
    assert_eq!((ready.json()["status"].as_str(), ready.json()["fails"].to_string()), (Some("ready"), "[]".to_owned()));
    assert_eq!(ready.json()["heartbeat"]["generation"].as_str(), Some(setup.generation.to_string().as_str()));
    eventually(SOON, "the silence is noticed", async || {
        let answer = setup.http.get("/readyz").await?;
        holds(answer.status == 503 && answer.text().contains("no heartbeat for"), answer.text())
    })
    .await;
}

#[tokio::test]
async fn shards_that_no_heartbeat_reaches_any_more_are_seen() {
    let setup = Setup::new().await;
    let next = "update cities_cache.heartbeat set number = number + 1";
    eventually(SOON, "the standstill is noticed", async || {
        setup.database.execute(next).await;
        let answer = setup.http.get("/readyz").await?;
        let all = answer.json()["shards_standing_still"].as_array().is_some_and(|shards| shards.len() == 8);
        holds(answer.status == 503 && all && answer.text().contains("no heartbeat arrives in 8 shards"), answer.text())
    })
    .await;
}

#[tokio::test]
async fn a_refusal_that_was_put_right_is_over_although_nobody_asks() {
    let setup = Setup::new().await;
    setup.database.execute("alter table city rename to town").await;
    assert_eq!(setup.http.get("/cities/BGR").await.unwrap().status, 503);
    let refusal = "cities can't be read";
    assert!(setup.http.get("/readyz").await.unwrap().text().contains(refusal));
    setup.database.execute("alter table town rename to city").await;
    eventually(SOON, "the refusal is over", async || {
        let answer = setup.http.get("/readyz").await?;
        holds(!answer.text().contains(refusal), answer.text())
    })
    .await;
}

#[tokio::test]
async fn shards_without_a_state_and_waiting_changes_are_counted() {
    let setup = Setup::new().await;
    setup.database.execute("insert into cities_cache.outbox (codes) select null from generate_series(1, 3)").await;
    setup.remove_states().await;
    eventually(SOON, "both are seen", async || {
        let answer = setup.http.get("/readyz").await?;
        let ready = answer.json();
        let seen = ready["outbox_rows"] == 3 && ready["shards_without_state"].as_array().is_some_and(|s| s.len() == 8);
        holds(seen && answer.text().contains("8 shards have no state"), answer.text())
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
    let redis = harness::Redis::start().await;
    let (_api, http) = Program::api([database.settings(), redis.settings(), Settings::new()].concat());
    let answer = eventually(SOON, "it answers", async || http.get("/cities/BGR").await).await;
    assert_eq!((answer.source().as_str(), answer.population("Sofija")), ("database", Some(5)));
    assert!(http.get("/readyz").await.unwrap().text().contains("no heartbeat row"));
}
