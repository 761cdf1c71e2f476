//! Servers and tables that the worker can't stand on: one line, nothing touched, well by itself once put right.

use harness::{Database, Postgres, Settings, settings};

use crate::setup::{LIMIT, Setup};

const COUNTRY: &str = "create table public.country (code char(3) primary key)";
const CITY: &str = "create table public.city (name text, countrycode char(3), population integer)";

/// The worker refuses what `wrong` makes, in one line that has `line`, and leads after `mended`.
async fn refuses(wrong: &str, line: &str, mended: &str) {
    refuses_with(settings([]), wrong, line, mended).await;
}

async fn refuses_with(settings: Settings, wrong: &str, line: &str, mended: &str) {
    let database = Database::new().await;
    database.execute(wrong).await;
    let setup = Setup::launch(database, settings);
    setup.worker.wait_log(LIMIT, line).await;
    assert_eq!(setup.database.text("select to_regclass('cities_cache.outbox')").await, None);
    setup.database.execute(mended).await;
    setup.leads().await;
    assert_eq!(setup.worker.log_lines(line).len(), 1);
}

#[tokio::test]
async fn a_view_in_the_place_of_city() {
    let wrong = "create view public.city as select 'A' as name, 'BGR' as countrycode, 1 as population";
    refuses(&format!("{COUNTRY}; {wrong}"), "public.city is a view", &format!("drop view public.city; {CITY}")).await;
}

#[tokio::test]
async fn a_foreign_partition() {
    let wrong =
        "create table public.city (name text, countrycode text, population int) partition by list (countrycode);
                 create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
                 create foreign table public.far partition of public.city default server nowhere";
    refuses(&format!("{COUNTRY}; {wrong}"), "is a foreign table", "drop foreign table public.far").await;
}

#[tokio::test]
async fn a_table_that_others_inherit_from() {
    let wrong = "create table public.capital () inherits (public.city)";
    refuses(&format!("{COUNTRY}; {CITY}; {wrong}"), "inherits from public.city", "drop table public.capital").await;
}

#[tokio::test]
async fn a_missing_column() {
    let wrong = "create table public.city (name text, countrycode text)";
    let mended = "alter table public.city add column population integer";
    refuses(&format!("{COUNTRY}; {wrong}"), "public.city has no column population", mended).await;
}

#[tokio::test]
async fn a_column_of_another_type() {
    let wrong = "create table public.city (name text, countrycode integer, population integer)";
    let mended = "alter table public.city alter column countrycode type text";
    refuses(&format!("{COUNTRY}; {wrong}"), "column countrycode of public.city is integer", mended).await;
}

#[tokio::test]
async fn a_city_without_country() {
    refuses(CITY, "public.city is there but public.country is not", COUNTRY).await;
}

#[tokio::test]
async fn a_publication_for_all_tables() {
    let wrong = "create publication everything for all tables";
    refuses(wrong, "a publication FOR ALL TABLES", "drop publication everything").await;
}

#[tokio::test]
async fn a_publication_for_all_tables_that_a_setting_allows() {
    let database = Database::new().await;
    database.execute("create publication everything for all tables").await;
    Setup::launch(database, settings([("ALLOW_PUBLICATION_FOR_ALL_TABLES", "true")])).leads().await;
}

#[tokio::test]
async fn a_publication_for_all_tables_that_comes_later_stops_nothing() {
    let setup = Setup::start().await;
    setup.database.execute("create publication everything for all tables").await;
    setup.database.execute("update public.city set population = 1 where countrycode = 'BGR'").await;
    setup.invalidates("BGR", 1).await;
    setup.drained().await;
}

#[tokio::test]
async fn a_standby() {
    let mut primary = Postgres::start(&["-c", "fsync=off"]).await;
    let database = primary.database().await;
    let mut standby = primary.standby().await;
    let setup = Setup::launch(standby.existing(&database.name), settings([]));
    setup.worker.wait_log(LIMIT, "this PostgreSQL is a standby").await;
    standby.existing("postgres").execute("select pg_promote()").await;
    setup.leads().await;
    standby.kill();
}

#[tokio::test]
async fn a_role_without_the_rights() {
    let database = Database::new().await;
    let role = format!("worker_of_{}", database.name);
    database.execute(&format!("{COUNTRY}; {CITY}; create role {role} login password 'x'")).await;
    let role_settings = settings([("DB_USER", role.as_str()), ("DB_PASSWORD", "x")]);
    let setup = Setup::launch(database, role_settings);
    let line = setup.worker.wait_log(LIMIT, "a DBA has to run: ").await;
    let command = line.split("a DBA has to run: ").nth(1).unwrap();
    setup.database.execute(command).await;
    let line = setup.worker.wait_log(LIMIT, "a superuser has to run: ").await;
    let command = line.split("a superuser has to run: ").nth(1).unwrap();
    setup.database.execute(command).await;
    setup.leads().await;
    setup.database.execute("update public.city set population = 1").await;
    drop(setup.worker);
    setup.database.execute(&format!("drop owned by {role} cascade; drop role {role}")).await;
}

#[tokio::test]
async fn an_encoding_that_the_cities_that_ship_do_not_fit_into_is_named_until_there_are_tables() {
    let setup = Setup::launch(Database::with_encoding("LATIN1").await, settings([]));
    let line = "those that ship with the project don't fit into encoding LATIN1";
    let told = setup.worker.wait_log(LIMIT, line).await;
    assert!(told.contains("create both tables, or set DB_NAME"), "{told}");
    setup.database.execute(&format!("{COUNTRY}; {CITY}")).await;
    setup.leads().await;
    assert_eq!(setup.worker.log_lines(line).len(), 1);
}
