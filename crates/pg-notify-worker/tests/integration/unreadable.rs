//! Rows of the outbox that can't be read: each means that anything may have changed, and none stops the relay.

use harness::{Database, settings};

use crate::setup::Setup;

const CHANGE_BGR: &str = "update public.city set population = population + 1 where countrycode = 'BGR'";

/// The relay goes on in the same generation, and passes on what changes after the unreadable row.
async fn goes_on(setup: &Setup, generation: &str) {
    setup.invalidates_all().await;
    setup.drained().await;
    setup.database.execute(CHANGE_BGR).await;
    setup.invalidates("BGR", 1).await;
    setup.drained().await;
    assert_eq!(setup.generation().await.as_deref(), Some(generation));
}

#[tokio::test]
async fn an_array_that_is_no_list_of_codes_means_anything() {
    for codes in ["array['BGR', null]", "array[array['BGR', 'FRA'], array['DEU', 'ITA']]", "array[repeat('X', 100000)]"]
    {
        let setup = Setup::start().await;
        let generation = setup.generation().await.expect("it leads");
        setup.database.execute(&format!("insert into cities_cache.outbox (codes) values ({codes})")).await;
        goes_on(&setup, &generation).await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_mean_anything() {
    // The first encoding takes any byte for text and passes it on as it is; the second has no letter for this one, so
    // that the server itself can't pass it on.
    for (encoding, code) in [("SQL_ASCII", r"B\xe9G"), ("WIN1252", r"B\x81G")] {
        let database = Database::with_encoding(encoding).await;
        database
            .execute(
                "create table public.country (code text primary key);
                 create table public.city (name text, countrycode text, population integer);
                 insert into public.city values ('Sofia', 'BGR', 7)",
            )
            .await;
        let setup = Setup::launch(database, settings([]));
        let generation = setup.leads().await;
        setup.database.execute(&format!("insert into public.city values ('x', E'{code}', 1)")).await;
        goes_on(&setup, &generation).await;
    }
}
