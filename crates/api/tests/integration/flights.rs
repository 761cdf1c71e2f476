//! How many statements many clients cost.

use std::time::Duration;

use futures_util::future::join_all;
use harness::{Database, Http, Settings, settings};

use crate::setup::{Setup, prepare};

/// Tables whose every read counts up a sequence, and takes `delay_s`.
async fn counted(delay_s: f32) -> Database {
    let database = Database::new().await;
    let tables = format!(
        "create table country (code char(3), name text);
         create table cities (id integer, name text, countrycode char(3), population integer);
         insert into country values ('BGR', 'Bulgaria');
         insert into cities values (1, 'Sofija', 'BGR', 1122302);
         create sequence reads;
         create view city as
             with counted as materialized (select nextval('reads') as number, pg_sleep({delay_s}))
             select cities.* from counted, cities where number > 0"
    );
    database.execute(&tables).await;
    prepare(&database, "").await;
    database
}

async fn reads(database: &Database) -> i64 {
    database.number("select last_value - 1 + is_called::int from reads").await
}

#[tokio::test]
async fn five_hundred_clients_of_a_cold_code_cost_one_statement() {
    let setup = Setup::on(counted(0.05).await, Settings::new()).await;
    let before = reads(&setup.database).await;
    let answers = join_all((0..500).map(|_| {
        let http = Http::new(setup.http.port);
        async move { http.get("/cities/BGR").await.unwrap() }
    }))
    .await;
    assert!(answers.iter().all(|answer| answer.population("Sofija") == Some(1_122_302)));
    let statements = reads(&setup.database).await - before;
    assert!((1..=2).contains(&statements), "{statements} statements");
}

#[tokio::test]
async fn the_same_holds_while_nothing_may_be_filled() {
    let setup = Setup::on(counted(0.3).await, Settings::new()).await;
    setup.remove_states().await;
    let answers = join_all((0..100).map(|_| setup.get("BGR"))).await;
    assert!(answers.iter().all(|answer| answer.source() == "database"));
    assert!(reads(&setup.database).await <= 2);
}

#[tokio::test]
async fn a_flight_goes_on_when_the_client_who_began_it_hangs_up() {
    let setup = Setup::on(counted(0.3).await, Settings::new()).await;
    let impatient = tokio::time::timeout(Duration::from_millis(100), setup.get("BGR")).await;
    assert!(impatient.is_err());
    setup.answered_from("BGR", "cache").await;
    assert!(reads(&setup.database).await <= 1);
}

#[tokio::test]
async fn who_finds_no_free_connection_is_told_to_come_again() {
    // A read longer than a reader waits for the connection, and far from the statement's own limit.
    let settings = settings([
        ("DB_POOL_SIZE", "1"),
        ("DB_STATEMENT_TIMEOUT_MS", "10000"),
        ("HTTP_REQUEST_LIMIT_MS", "15000"),
        ("BOUND_MS", "20000"),
    ]);
    let setup = Setup::on(counted(1.2).await, settings).await;
    setup.remove_states().await;
    let codes = ["BGR", "FRA", "DEU", "ITA"];
    let answers = join_all(codes.iter().map(|code| setup.get(code))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!refused.is_empty() && refused.len() < codes.len());
    assert!(refused.iter().all(|answer| answer.header("retry-after") == "1"));
    assert_eq!(setup.api.log_lines("became free in time").len(), 1, "said once");
}
