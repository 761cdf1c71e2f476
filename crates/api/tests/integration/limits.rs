//! A request is answered within its budget (`HTTP_REQUEST_LIMIT_MS`), whatever it waits for and however many waits there
//! are.

use std::time::Duration;

use harness::{Answer, Http, Postgres, Program, Proxy, Settings, eventually, settings};
use tokio::time::timeout;

use crate::setup::{SOON, Setup, beat, prepare};

/// The client hangs up after this time: several times the budget, and less than any one of the limits below.
const CLIENT_LIMIT: Duration = Duration::from_secs(6);

/// Waits may last longer than the client does, and all of them together several times as long; the budget may not.
fn limits() -> Settings {
    settings([
        ("HTTP_REQUEST_LIMIT_MS", "1000"),
        ("DB_CONNECT_TIMEOUT_MS", "15000"),
        ("DB_STATEMENT_TIMEOUT_MS", "900"),
        ("BOUND_MS", "30000"),
        ("REDIS_TIMEOUT_MS", "10000"),
    ])
}

async fn get(http: &Http, code: &str) -> Answer {
    let answer = timeout(CLIENT_LIMIT, http.get(&format!("/cities/{code}"))).await;
    answer.expect("the api answers before the client hangs up").unwrap()
}

async fn is_turned_away(http: &Http, code: &str) {
    let answer = get(http, code).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_frozen_postgresql_costs_no_more_than_the_budget() {
    let mut postgres = Postgres::start(&[]).await;
    let database = postgres.existing("tutorial");
    prepare(&database, "insert into country (code, name) values ('BGR', 'Bulgaria'), ('FRA', 'France')").await;
    let setup = Setup::on(database, limits()).await;
    assert_eq!(get(&setup.http, "BGR").await.status, 200);
    postgres.pause();
    // Over a connection that is there; then, with a state of another generation, after a look at the row.
    is_turned_away(&setup.http, "FRA").await;
    setup.write_states(common::random_name::Name::random()).await;
    is_turned_away(&setup.http, "FRA").await;
    assert_eq!(get(&setup.http, "BGR").await.status, 503, "its epoch is gone");
    postgres.resume();
    setup.write_states(beat(&setup.database).await).await;
    setup.answered_from("FRA", "cache").await;
}

#[tokio::test]
async fn a_postgresql_that_takes_connections_and_says_nothing_costs_no_more_than_the_budget() {
    let setup = Setup::new().await;
    let proxy = Proxy::to(&format!("{}:{}", setup.database.host, setup.database.port));
    proxy.black_hole();
    let through = settings([("DB_HOST", "127.0.0.1"), ("DB_PORT", &proxy.port.to_string())]);
    let servers = [setup.database.settings(), setup.redis.settings(), through, limits()].concat();
    let (_api, http) = Program::api(servers);
    eventually(SOON, "it serves", async || http.get("/health").await).await;
    is_turned_away(&http, "FRA").await;
}

#[tokio::test]
async fn a_frozen_redis_costs_no_more_than_the_budget() {
    let mut setup = Setup::with(limits()).await;
    assert_eq!(get(&setup.http, "BGR").await.status, 200);
    setup.redis.pause();
    is_turned_away(&setup.http, "BGR").await;
}
