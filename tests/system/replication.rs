//! Logical replication into the captured tables, and publications out of them.

use harness::{Database, Settings, System, eventually, holds};

use crate::TRAVEL_LIMIT;
use crate::small_tables::{COUNTRY, is_right, system, travels};

/// What a subscriber gets rows for must have the same key on both sides; its partitions are its own affair.
const KEYED_CITY: &str =
    "create table public.city (id int, name text, countrycode text, population int, primary key (id, countrycode))";

#[tokio::test]
async fn what_a_subscription_applies_reaches_the_answers() {
    let source = Database::new().await;
    source
        .execute(&format!(
            "{COUNTRY} {KEYED_CITY}; insert into city values (1, 'Sofia', 'BGR', 10), (2, 'Paris', 'FRA', 30);
             create publication tables for table country, city"
        ))
        .await;
    let target = Database::new().await;
    target
        .execute(&format!(
            "create table public.country (code text primary key, name text);
             {KEYED_CITY} partition by list (countrycode);
             create table city_bgr partition of city for values in ('BGR'); create table city_rest partition of city default;
             insert into country values ('BGR'), ('MLT'); insert into city values (9, 'Valletta', 'MLT', 9)"
        ))
        .await;
    let system = System::start_on(target, Settings::new()).await;

    // Within one server CREATE SUBSCRIPTION would wait for itself if it made the slot. The key of what is there already
    // must not come again.
    let (name, port) = (&source.name, source.port);
    source.execute(&format!("select pg_create_logical_replication_slot('{name}', 'pgoutput')")).await;
    system.warm().await;
    system.database.execute("delete from country where code = 'BGR'").await;
    let subscribe = format!(
        "create subscription {name} connection 'host=127.0.0.1 port={port} dbname={name} user=postgres password=postgres'
         publication tables with (create_slot = false, slot_name = '{name}')"
    );
    system.database.execute(&subscribe).await;
    is_like(&system, &source, "the tables as they were").await;
    for change in [
        "insert into city values (3, 'Varna', 'BGR', 3), (4, 'Bonn', 'DEU', 7)",
        "update city set population = 11 where id = 1",
        "update city set countrycode = 'FRA' where id = 3",
        "delete from city where countrycode = 'DEU'",
        "update country set code = 'XQX' where code = 'DEU'",
        "delete from country where code = 'XQX'",
        "truncate city",
    ] {
        system.warm().await;
        source.execute(change).await;
        is_like(&system, &source, change).await;
    }
    let end = [
        format!("alter subscription {name} disable"),
        format!("alter subscription {name} set (slot_name = none)"),
        format!("drop subscription {name}"),
    ];
    for statement in &end {
        system.database.execute(statement).await;
    }
    drop_slot(&source).await;
}

/// Waits until the change has come from the publisher, and then until every answer is right.
async fn is_like(system: &System, source: &Database, change: &str) {
    let rows = "select format('%s %s', (select array_agg(city order by id) from city where id < 9),
                                       (select array_agg(code order by code) from country where code <> 'MLT'))";
    let expected = source.text(rows).await;
    eventually(TRAVEL_LIMIT, &format!("the subscriber has: {change}"), async || {
        let there = system.database.text(rows).await;
        holds(there == expected, there)
    })
    .await;
    is_right(system, change).await;
}

/// A database with a slot can't be dropped, and the slot is in use until the publisher has noticed the end.
async fn drop_slot(source: &Database) {
    let drop = format!("select pg_drop_replication_slot('{}')", source.name);
    eventually(TRAVEL_LIMIT, "the slot is dropped", async || {
        source.client().await.batch_execute(&drop).await.map_err(|error| format!("{error:?}"))
    })
    .await;
}

#[tokio::test]
async fn what_is_written_in_the_role_of_a_replica_reaches_the_answers() {
    let system = system().await;
    for change in [
        "update city set population = 1 where countrycode = 'BGR'",
        "insert into city (name, countrycode, population) values ('Pune', 'IND', 2), ('Lyon', 'FRA', 3)",
        "update city set countrycode = 'DEU' where name = 'Pune'",
        "delete from city where countrycode = 'FRA'",
        "delete from country where code = 'FRA'",
        "copy city (name, countrycode, population) from program 'printf \"Nova\\tBGR\\t5\\n\"'",
        "truncate city",
    ] {
        travels(&system, &format!("set session_replication_role = replica; {change}")).await;
    }
}

#[tokio::test]
async fn a_publication_for_all_tables_that_comes_later_is_in_nobodys_way() {
    let system = system().await;
    for change in [
        "create publication everything for all tables; update city set population = 1 where countrycode = 'BGR'",
        "delete from city where countrycode = 'FRA'",
        "truncate city, country",
    ] {
        travels(&system, change).await;
    }
    eventually(TRAVEL_LIMIT, "the outbox is emptied", async || {
        let rows = system.database.number("select count(*) from cities_cache.outbox").await;
        holds(rows == 0, rows)
    })
    .await;
}
