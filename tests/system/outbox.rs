//! What a statement leaves in the outbox: at most one row for each trigger that fires, whatever its size.

use harness::{Database, Kafka, Program};

use crate::HEAL_LIMIT;

/// A database that a worker has prepared, and that no worker empties any more.
async fn prepared() -> Database {
    let database = Database::new().await;
    let settings = [database.settings(), Kafka::shared().topic().settings()].concat();
    let mut worker = Program::pg_notify_worker(settings);
    harness::eventually(harness::system::WHOLE_LIMIT, "the worker leads", async || {
        let client = database.connect().await.map_err(|error| error.to_string())?;
        let row = client.query_opt("select from cities_cache.heartbeat", &[]).await;
        row.map_err(|error| error.to_string())?.ok_or("no heartbeat".to_owned())
    })
    .await;
    worker.stop(HEAL_LIMIT * 2).await;
    database.execute("delete from cities_cache.outbox").await;
    database
}

/// The rows that a change left: their codes, or ALL.
async fn left(database: &Database, change: &str) -> Vec<String> {
    database.execute("delete from cities_cache.outbox").await;
    database.execute(change).await;
    let rows = database
        .query(
            "select coalesce((select string_agg(code, ',' order by code) from unnest(codes) as code), 'ALL')
             from cities_cache.outbox order by 1",
            &[],
        )
        .await;
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_statement_leaves_no_more_rows_than_triggers_fire() {
    let database = prepared().await;
    for (change, rows) in [
        ("update city set population = 1 where name = 'Dobric'", &["BGR"][..]),
        ("update city set population = 2 where countrycode in ('BGR', 'FRA')", &["BGR,FRA"]),
        ("update city set countrycode = 'ROU' where name = 'Dobric'", &["BGR,ROU"]),
        ("update city set population = 3", &["ALL"]),
        ("update city set population = 4 where false", &[]),
        ("insert into city (name, countrycode) select n::text, 'BGR' from generate_series(1, 1000) n", &["BGR"]),
        ("delete from city where countrycode = 'FRA'", &["FRA"]),
        ("copy city (name, countrycode) from program 'printf \"Nova\\tBGR\\nNeuf\\tDEU\\n\"'", &["BGR,DEU"]),
        ("update country set population = 1 where code = 'MLT'", &["MLT"]),
        ("begin; delete from city where countrycode = 'ITA'; rollback", &[]),
        (
            "begin; update city set population = 5 where countrycode = 'BGR';
             update city set population = 6 where countrycode = 'DEU'; commit",
            &["BGR", "DEU"],
        ),
        (
            "insert into city (id, name, countrycode) values (1, 'A', 'AND') on conflict (id) do update set name = 'B'",
            &["AND"],
        ),
        (
            "insert into city (id, name, countrycode) values (1, 'A', 'AND'), (2, 'B', 'ISL')
             on conflict (id) do update set countrycode = 'MLT'",
            &["AND,MLT", "ISL"],
        ),
        (
            "merge into city using (values (1), (2), (3)) as given (id) on city.id = given.id
             when matched and given.id = 1 then update set name = 'C'
             when matched then delete
             when not matched then insert (id, name, countrycode) values (given.id, 'D', 'FJI')",
            &["FJI", "ISL", "MLT"],
        ),
        ("truncate city", &["ALL"]),
        ("truncate city, country", &["ALL", "ALL"]),
    ] {
        let mut left = left(&database, change).await;
        // A trigger that saw no row may still have fired: an upsert fires those of both INSERT and UPDATE.
        left.retain(|codes| !codes.is_empty());
        assert_eq!(left, rows, "{change}");
    }
}

#[tokio::test]
async fn rows_that_replication_brings_are_captured_one_by_one() {
    let database = prepared().await;
    let change = "set session_replication_role = replica;
                  insert into city (name, countrycode) values ('A', 'BGR'), ('B', 'FRA');
                  reset session_replication_role";
    let left = left(&database, change).await;
    assert!(
        left.iter().any(|codes| codes.contains("BGR")) && left.iter().any(|codes| codes.contains("FRA")),
        "{left:?}"
    );
}
