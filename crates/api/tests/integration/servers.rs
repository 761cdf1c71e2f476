//! PostgreSQL and Redis: away, slow, full, wrong, and back.

use std::time::{Duration, Instant};

use harness::{Postgres, Program, Proxy, Redis, Settings, eventually, holds, settings};

use crate::setup::{SOON, Setup, beat, prepare};

/// The system is whole this long after the return of what was away.
const WHOLE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn without_redis_answers_come_from_the_database_until_it_is_back() {
    let mut setup = Setup::new().await;
    setup.get("BGR").await;
    setup.redis.kill();
    for code in ["BGR", "FRA", "BGR"] {
        assert_eq!(setup.get(code).await.source(), "database");
    }
    setup.api.wait_log(SOON, "Redis can't be reached, so cities are read from PostgreSQL").await;
    setup.redis.restart().await;
    setup.write_states(setup.generation).await;
    eventually(WHOLE, "the cache is used again", async || {
        let answer = setup.http.get("/cities/BGR").await?;
        holds(answer.source() == "cache", answer.source())
    })
    .await;
    setup.api.wait_log(WHOLE, "Redis is reached").await;
    assert_eq!(setup.api.log_lines("Redis can't be reached").len(), 1);
}

#[tokio::test]
async fn a_frozen_redis_delays_no_answer_for_long() {
    /// Far above what an answer takes on a busy machine, so that who waits for Redis is told from who doesn't.
    const TIMEOUT: Duration = Duration::from_secs(3);

    let timeout = TIMEOUT.as_millis().to_string();
    let mut setup = Setup::with(settings([("REDIS_TIMEOUT_MS", &timeout), ("HTTP_REQUEST_LIMIT_MS", "15000")])).await;
    setup.get("BGR").await;
    setup.redis.pause();
    let begun = Instant::now();
    assert_eq!(setup.get("BGR").await.source(), "database");
    assert!(begun.elapsed() < 2 * TIMEOUT, "it is waited for once: {:?}", begun.elapsed());
    setup.api.wait_log(WHOLE, "Redis can't be reached").await;
    let begun = Instant::now();
    assert_eq!(setup.get("BGR").await.source(), "database");
    assert!(begun.elapsed() < TIMEOUT, "once it is known, nobody waits: {:?}", begun.elapsed());
    setup.redis.resume();
    setup.answered_from("BGR", "cache").await;
}

#[tokio::test]
async fn a_full_redis_is_said_once_and_no_error_for_clients() {
    let setup = Setup::new().await;
    let _: String = setup.redis.command("CONFIG SET maxmemory 1").await;
    for _ in 0..5 {
        assert_eq!(setup.get("BGR").await.source(), "database");
    }
    let lines = setup.api.log_lines("Redis refuses to store answers");
    assert_eq!(lines.len(), 1, "{:?}", setup.api.log());
    let _: String = setup.redis.command("CONFIG SET maxmemory 0").await;
    setup.answered_from("BGR", "cache").await;
}

#[tokio::test]
async fn without_postgresql_the_cache_still_answers_and_the_rest_is_told_to_come_again() {
    let mut postgres = Postgres::start(&[]).await;
    let database = postgres.existing("tutorial");
    prepare(&database, "insert into country (code, name) values ('BGR', 'Bulgaria'), ('FRA', 'France')").await;
    let setup = Setup::on(database, Settings::new()).await;
    setup.get("BGR").await;
    postgres.kill();
    assert_eq!(setup.get("BGR").await.source(), "cache");
    // Its last processes see a moment later that it is gone.
    setup.api.wait_log(SOON, "PostgreSQL can't be reached").await;
    let refused = setup.get("FRA").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    postgres.restart().await;
    eventually(WHOLE, "it is read again", async || {
        let answer = setup.http.get("/cities/FRA").await?;
        holds(answer.status == 200, answer.text())
    })
    .await;
    setup.api.wait_log(WHOLE, "PostgreSQL is reached").await;
    assert_eq!(setup.api.log_lines("PostgreSQL can't be reached").len(), 1, "{:?}", setup.api.log());
    // Crash recovery has emptied the unlogged row: until a leader vouches again nothing may be filled.
    assert_eq!(setup.get("FRA").await.source(), "database");
    let generation = beat(&setup.database).await;
    setup.write_states(generation).await;
    setup.answered_from("FRA", "cache").await;
}

#[tokio::test]
async fn a_postgresql_that_swallows_everything_costs_a_bounded_time() {
    let setup = Setup::new().await;
    let proxy = Proxy::to(&format!("{}:{}", setup.database.host, setup.database.port));
    let through = settings([("DB_HOST", "127.0.0.1"), ("DB_PORT", &proxy.port.to_string())]);
    let (_api, http) = Program::api([setup.database.settings(), setup.redis.settings(), through].concat());
    eventually(SOON, "it answers", async || http.get("/cities/FRA").await).await;
    setup.remove_states().await;
    proxy.black_hole();
    let begun = Instant::now();
    let answer = http.get("/cities/FRA").await.unwrap();
    assert_eq!(answer.status, 503);
    // Some 2 s by the limits of ours; what has none ends with the client's 20 s.
    assert!(begun.elapsed() < WHOLE, "{:?}", begun.elapsed());
    proxy.restore();
    eventually(WHOLE, "it is read again", async || {
        let answer = http.get("/cities/FRA").await?;
        holds(answer.status == 200, answer.text())
    })
    .await;
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced_without_an_error() {
    let setup = Setup::new().await;
    setup.remove_states().await;
    for _ in 0..5 {
        assert_eq!(setup.get("BGR").await.status, 200);
        let end = "select pg_terminate_backend(pid) from pg_stat_activity
                   where application_name = 'api' and datname = current_database()";
        setup.database.query(end, &[]).await;
        assert_eq!(setup.get("BGR").await.status, 200);
    }
}

#[tokio::test]
async fn a_missing_column_is_one_line_and_mends_itself() {
    let setup = Setup::new().await;
    setup.remove_states().await;
    assert_eq!(setup.get("BGR").await.status, 200);
    setup.database.execute("alter table city rename population to inhabitants").await;
    for _ in 0..3 {
        let answer = setup.get("BGR").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
        assert!(!answer.text().contains("population"), "the cause is for the log alone: {}", answer.text());
    }
    let lines = setup.api.log_lines("cities can't be read");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("population"), "{}", lines[0]);
    setup.http.fails("cities", "they can't be read").await.unwrap();
    setup.database.execute("alter table city rename inhabitants to population").await;
    assert_eq!(setup.get("BGR").await.status, 200);
    // Statements that were prepared before a change of types must not stay broken either.
    setup.database.execute("alter table city alter population type numeric, alter countrycode type text").await;
    assert_eq!(setup.get("BGR").await.status, 200);
    setup.database.execute("drop table country; create table country (name text, code text)").await;
    assert_eq!(setup.get("BGR").await.status, 200);
}

#[tokio::test]
async fn absent_at_the_start_they_are_used_as_soon_as_they_come() {
    let (mut postgres, mut redis) = (Postgres::start(&[]).await, Redis::start().await);
    let database = postgres.existing("tutorial");
    prepare(&database, "insert into country (code, name) values ('BGR', 'Bulgaria')").await;
    postgres.stop().await;
    redis.stop().await;
    let (api, http) = Program::api([database.settings(), redis.settings()].concat());
    let health = eventually(SOON, "health answers", async || http.get("/health").await).await;
    assert_eq!(health.status, 200);
    assert_eq!(http.get("/cities/BGR").await.unwrap().status, 503);
    postgres.restart().await;
    redis.restart().await;
    eventually(WHOLE, "it answers", async || {
        let answer = http.get("/cities/BGR").await?;
        holds(answer.status == 200, answer.text())
    })
    .await;
    api.wait_log(WHOLE, "PostgreSQL is reached").await;
    api.wait_log(WHOLE, "Redis is reached").await;
}
