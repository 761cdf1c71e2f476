//! A partitioned `city` whose partitions are written to, attached, detached, emptied and dropped.

use harness::{Database, Settings, System, eventually, holds};

use crate::MEND_LIMIT;
use crate::small_tables::{COUNTRY, system, travels};

/// No default partition: beside one, none can be detached concurrently.
const PARTITIONED: &str =
    "create table public.city (name text, countrycode text, population int) partition by list (countrycode);
    create table city_bgr partition of city for values in ('BGR');
    create table city_fra partition of city for values in ('FRA');
    create table city_more partition of city for values in ('DEU', 'IND', 'XQX') partition by hash (name);
    create table city_more_0 partition of city_more for values with (modulus 2, remainder 0);
    create table city_more_1 partition of city_more for values with (modulus 2, remainder 1);
    insert into city values ('Sofia', 'BGR', 10), ('Paris', 'FRA', 30), ('Bonn', 'DEU', 7), ('Delhi', 'IND', 40);";

#[tokio::test]
async fn whatever_is_done_to_a_partition_reaches_the_answers() {
    let database = Database::new().await;
    database.execute(&format!("{COUNTRY} {PARTITIONED}")).await;
    let system = System::start_on(database, Settings::new()).await;
    for change in [
        "update city_bgr set population = 11",
        "update city_more set population = population + 1",
        "update city_more_0 set population = population + 1; update city_more_1 set population = population + 1",
        "update city set countrycode = 'BGR' where name = 'Paris'",
        "insert into city_fra values ('Lyon', 'FRA', 3)",
        "truncate city_bgr",
        "truncate city_more",
        "alter table city detach partition city_fra",
        "alter table city attach partition city_fra for values in ('FRA')",
        "alter table city detach partition city_fra concurrently",
        "update city_fra set population = 99; alter table city attach partition city_fra for values in ('FRA')",
        "create table \"Old \"\"MLT\"\" 🏝\" (like city); insert into \"Old \"\"MLT\"\" 🏝\" values ('Valletta', 'MLT', 1);
         alter table city attach partition \"Old \"\"MLT\"\" 🏝\" for values in ('MLT')",
        "update \"Old \"\"MLT\"\" 🏝\" set population = 2",
        "drop table city_fra",
        "drop table city_more",
    ] {
        travels(&system, change).await;
    }
}

#[tokio::test]
async fn a_city_that_becomes_a_partition_of_a_new_one_is_attached_and_captured() {
    let system = system().await;
    system.warm().await;
    // Step by step, so that the new table has its triggers before the old one comes.
    system.database.execute("alter table city rename to city_before").await;
    system
        .database
        .execute(
            "create table city (id int, name text, countrycode text, population int) partition by list (countrycode);
             create table city_deu partition of city for values in ('DEU')",
        )
        .await;
    eventually(MEND_LIMIT, "the new table is captured", async || {
        let missing = system.database.number("select count(*) from cities_cache.missing_capture()").await;
        holds(missing == 0, missing)
    })
    .await;
    // PostgreSQL 17 and newer attach no table with an identity of its own.
    system.database.execute("alter table city_before alter column id drop identity if exists").await;
    for change in [
        "delete from city_before where countrycode = 'DEU'; alter table city attach partition city_before default",
        "update city_before set population = population + 1",
        "insert into city values (6, 'Pune', 'IND', 1)",
        "set session_replication_role = replica; update city set population = 3 where countrycode = 'BGR'",
        "truncate city_before",
    ] {
        travels(&system, change).await;
    }
}
