//! What a statement leaves in the outbox: how many rows, and which codes.

use harness::{Database, settings};

use crate::setup::Setup;

/// A database with the capture in place and nobody who empties the outbox.
async fn captured() -> Setup {
    let mut setup = Setup::start().await;
    setup.stop().await;
    setup.drained().await;
    setup
}

/// Runs a statement; the rows that it left, each with its codes in order (`ALL` for null).
async fn rows(database: &Database, statement: &str) -> Vec<String> {
    database.execute(statement).await;
    let rows = "select case when codes is null then 'ALL' else array_to_string(array(select unnest(codes) order by 1), ' ') end
                from cities_cache.outbox";
    let left = database.query(rows, &[]).await.iter().map(|row| row.get(0)).collect();
    database.execute("delete from cities_cache.outbox").await;
    left
}

#[tokio::test]
async fn each_kind_of_statement_leaves_its_codes_in_as_few_rows_as_promised() {
    let setup = captured().await;
    let one = ["BGR"];
    for (statement, expected) in [
        ("update public.city set population = population + 1 where countrycode = 'BGR'", &one[..]),
        ("insert into public.city (name, countrycode) values ('A', 'BGR'), ('B', 'BGR')", &one),
        ("delete from public.city where name = 'A' and countrycode = 'BGR'", &one),
        ("update public.city set countrycode = 'FRA' where name = 'B' and countrycode = 'BGR'", &["BGR FRA"]),
        ("update public.city set countrycode = 'bgr' where name = 'B' and countrycode = 'FRA'", &["BGR FRA"]),
        ("update public.country set name = 'B' where code = 'BGR'", &one),
        ("delete from public.country where code = 'BGR'", &one),
        ("insert into public.country (code, name) values ('BGR', 'Bulgaria')", &one),
        (
            "insert into public.country (code, name) values ('BGR', 'b') on conflict (code) do update set name = 'c'",
            &one,
        ),
        ("update public.city set population = 0 where false", &[]),
        ("copy public.city (name, countrycode) from program 'echo C,BGR' with (format csv)", &one),
        ("update public.city set population = 1", &["ALL"]),
        ("truncate public.city", &["ALL"]),
        ("truncate public.city, public.country", &["ALL", "ALL"]),
    ] {
        assert_eq!(rows(&setup.database, statement).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn merge_leaves_at_most_three_rows() {
    let setup = captured().await;
    let merge = "merge into public.city using (values ('Sofia', 'BGR'), ('Nowhere', 'FRA')) as new (name, code)
                   on city.name = new.name and city.countrycode = new.code
                 when matched then update set population = 1
                 when not matched then insert (name, countrycode) values (new.name, new.code)";
    let rows = rows(&setup.database, merge).await;
    assert!((1..=3).contains(&rows.len()), "{rows:?}");
    for code in ["BGR", "FRA"] {
        assert!(rows.iter().any(|row| row.contains(code)), "{rows:?}");
    }
}

#[tokio::test]
async fn what_rolls_back_leaves_nothing() {
    let setup = captured().await;
    let statement = "begin; update public.city set population = 1 where countrycode = 'BGR'; rollback";
    assert!(rows(&setup.database, statement).await.is_empty());
}

#[tokio::test]
async fn rows_of_a_replication_apply_worker_are_captured_one_by_one() {
    let setup = captured().await;
    let statement = "set session_replication_role = replica;
                     insert into public.city (name, countrycode) values ('A', 'BGR'), ('B', 'FRA')";
    let mut rows = rows(&setup.database, statement).await;
    // The statement's own trigger is ENABLE ALWAYS, so it fires as well.
    rows.sort();
    assert_eq!(rows, ["BGR", "BGR FRA", "FRA"]);
}

#[tokio::test]
async fn a_renamed_column_makes_no_statement_fail() {
    let setup = captured().await;
    let statement = "alter table public.city rename column countrycode to country;
                     update public.city set population = 1 where country = 'BGR'";
    assert_eq!(rows(&setup.database, statement).await, ["ALL"]);
}

#[tokio::test]
async fn partitions_are_captured_whichever_table_a_statement_names() {
    let database = Database::new().await;
    database
        .execute(
            "create table public.country (code text primary key, name text);
             create table public.city (name text, countrycode varchar(3), population bigint) partition by list (countrycode);
             create table public.city_bgr partition of public.city for values in ('BGR');
             create table public.city_rest partition of public.city default",
        )
        .await;
    let mut setup = Setup::launch(database, settings([]));
    setup.leads().await;
    setup.stop().await;
    for (statement, expected) in [
        ("insert into public.city values ('Sofia', 'BGR', 1), ('Paris', 'FRA', 2)", &["BGR FRA"][..]),
        ("update public.city_bgr set population = 3", &["BGR"]),
        ("delete from public.city_rest", &["FRA"]),
        ("truncate public.city_bgr", &["ALL"]),
        ("truncate public.city", &["ALL", "ALL", "ALL"]),
    ] {
        assert_eq!(rows(&setup.database, statement).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn adopted_tables_keep_their_rows_and_get_none() {
    let database = Database::new().await;
    database
        .execute(
            "create table public.country (code text primary key);
             create table public.city (name text, countrycode text, population numeric);
             insert into public.city values ('Sofia', 'bgr', 7)",
        )
        .await;
    let setup = Setup::launch(database, settings([]));
    setup.leads().await;
    assert_eq!(setup.database.number("select count(*) from public.city").await, 1);
    assert_eq!(setup.database.number("select count(*) from public.country").await, 0);
    setup.database.execute("update public.city set population = 8").await;
    setup.invalidates("BGR", 1).await;
}
