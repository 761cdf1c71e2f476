//! One change, by every kind of statement, from the table to the HTTP answer.

use harness::{System, eventually, holds};

use crate::TRAVEL_LIMIT;

#[tokio::test]
async fn an_update_by_psql_reaches_the_http_answer() {
    let system = System::start().await;
    let before = system.cached("BGR", TRAVEL_LIMIT).await;
    assert_ne!(before.population("Dobric"), Some(999_999));

    let told = system.database.psql("UPDATE city SET population = 999999 WHERE name = 'Dobric';");
    assert_eq!(told, "UPDATE 1");

    let after = eventually(TRAVEL_LIMIT, "the new figure is answered", async || {
        let answer = system.get_city("BGR").await;
        holds(answer.population("Dobric") == Some(999_999), answer.source())?;
        Ok::<_, String>(answer)
    })
    .await;
    assert_eq!(after.source(), "database");
    let cached = system.cached("BGR", TRAVEL_LIMIT).await;
    assert_eq!(cached.cities(), after.cities());
    assert_eq!(cached.cities().len(), before.cities().len());
}

/// Fills the cache with every answer, makes the change, and compares every answer with the tables.
async fn travels(change: &str) {
    let system = System::start().await;
    system.agree(TRAVEL_LIMIT).await;
    system.agree(TRAVEL_LIMIT).await;
    system.database.execute(change).await;
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn an_insert_reaches_the_answer() {
    travels("insert into city (name, countrycode, population) values ('Sofia Ost', 'BGR', 7), ('Paris II', 'FRA', 8)")
        .await;
}

#[tokio::test]
async fn a_delete_reaches_the_answer() {
    travels("delete from city where countrycode in ('BGR', 'MLT')").await;
}

#[tokio::test]
async fn a_city_that_moves_drops_both_countries() {
    travels("update city set countrycode = 'ROU' where name = 'Dobric'").await;
}

#[tokio::test]
async fn a_truncate_reaches_every_answer() {
    travels("truncate city").await;
}

#[tokio::test]
async fn a_copy_reaches_the_answer() {
    travels("copy city (name, countrycode, population) from program 'printf \"Nova\\tBGR\\t5\\nNeuf\\tFRA\\t6\\n\"'")
        .await;
}

#[tokio::test]
async fn an_upsert_reaches_the_answer() {
    travels(
        "insert into city (id, name, countrycode, population)
         select id, name, 'GRC', population from city where name in ('Dobric', 'Valletta')
         union all select 9, 'Neu', 'DEU', 1
         on conflict (id) do update set countrycode = excluded.countrycode",
    )
    .await;
}

#[tokio::test]
async fn a_merge_reaches_the_answer() {
    travels(
        "merge into city using (values ('Dobric'), ('Valletta'), ('Nowhere')) as given (name) on city.name = given.name
         when matched and given.name = 'Dobric' then update set population = 1
         when matched then delete
         when not matched then insert (name, countrycode, population) values (given.name, 'ISL', 2)",
    )
    .await;
}

#[tokio::test]
async fn a_transaction_of_several_statements_reaches_the_answer_whole() {
    travels(
        "begin;
         update city set population = population + 1 where countrycode = 'BGR';
         delete from city where countrycode = 'FRA';
         insert into city (name, countrycode, population) values ('Neu', 'DEU', 1);
         savepoint here;
         delete from city where countrycode = 'ITA';
         rollback to here;
         commit",
    )
    .await;
}

#[tokio::test]
async fn a_country_that_comes_and_one_that_goes_change_their_status() {
    travels(
        "insert into country (code, name) values ('ZZZ', 'Nowhere');
         delete from city where countrycode = 'BGR';
         delete from country where code = 'BGR'",
    )
    .await;
}

#[tokio::test]
async fn a_change_that_is_rolled_back_leaves_the_answer_cached() {
    let system = System::start().await;
    let before = system.cached("BGR", TRAVEL_LIMIT).await;
    system.database.execute("begin; delete from city where countrycode = 'BGR'; rollback").await;
    // A later change of another code overtakes nothing: once it has travelled, the first one would have, too.
    system.cached("FRA", TRAVEL_LIMIT).await;
    system.database.execute("update city set population = 1 where name = 'Paris'").await;
    eventually(TRAVEL_LIMIT, "the other change arrives", async || {
        let population = system.get_city("FRA").await.population("Paris");
        holds(population == Some(1), population)
    })
    .await;
    let after = system.get_city("BGR").await;
    assert_eq!((after.source().as_str(), after.cities()), ("cache", before.cities()));
}

#[tokio::test]
async fn a_reader_that_read_before_a_change_never_stores_its_answer_after_it() {
    let system = System::start().await;
    let writer = system.database.client().await;
    for round in 0..20 {
        let reads = futures_util::future::join_all((0..8).map(|_| system.get_city("BGR")));
        let statement = format!("update city set population = {round} where name = 'Dobric'");
        let (_, written) = tokio::join!(reads, writer.execute(&statement, &[]));
        assert_eq!(written.unwrap(), 1);
        eventually(TRAVEL_LIMIT, "the new figure stays", async || {
            let population = system.cached("BGR", TRAVEL_LIMIT).await.population("Dobric");
            holds(population == Some(round), population)
        })
        .await;
    }
    system.agree(TRAVEL_LIMIT).await;
}
