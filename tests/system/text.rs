//! Names and codes as somebody wrote them into a text column, in any alphabet and under any collation.

use harness::{Database, Postgres, Settings, System};
use serde_json::json;

use crate::small_tables::{COUNTRY, system, travels};

/// Codes of any case and padding; what is no code at all is nobody's answer, and in nobody's way.
const CODES: &str = "create table public.city (name text, countrycode text, population int);
    insert into public.city values
      ('Delhi', 'ind', 1), ('Agra', ' Ind ', 2), ('Goa', 'IND  ', 3), ('Sofia', 'bgr', 4), ('Nowhere', null, 5),
      ('Dotless', 'ınd', 6), ('Dotted', 'İND', 7), ('Quoted', 'B\"R', 8), ('Rocket', '🚀', 9), ('Empty', '', 10),
      ('Long', repeat('x', 100000), 11);";

#[tokio::test]
async fn names_with_quotes_emoji_and_control_characters_and_none_at_all_are_answered_as_they_are() {
    let system = system().await;
    travels(
        &system,
        r#"delete from city where countrycode = 'BGR';
           insert into city (name, countrycode, population) values
             ('"quoted" \ ''twice''', 'BGR', 5), ('🏙️ İstanbul', 'BGR', 4), (E'a\tb\nc\u2028\u0001', 'BGR', 3),
             ('', 'BGR', 2), (null, 'BGR', 1), ('uncounted', 'BGR', null)"#,
    )
    .await;
    let data = json!([
        {"name": "\"quoted\" \\ 'twice'", "population": 5},
        {"name": "🏙️ İstanbul", "population": 4},
        {"name": "a\tb\nc\u{2028}\u{1}", "population": 3},
        {"name": "", "population": 2},
        {"name": null, "population": 1},
        {"name": "uncounted", "population": null},
    ]);
    assert_eq!(system.cached("BGR", crate::TRAVEL_LIMIT).await.json()["data"], data);
}

/// Changes rows of each spelling alone, and compares.
async fn each_spelling_travels(database: Database) {
    let system = System::start_on(database, Settings::new()).await;
    assert_eq!(system.get_city("IND").await.cities().len(), 3);
    for change in [
        "update city set population = 20 where name = 'Delhi'",
        "update city set population = 30 where name = 'Agra'",
        "delete from city where name = 'Goa'",
        "update city set countrycode = 'bgr  ' where name = 'Delhi'",
        "insert into city values ('Mumbai', 'iNd', 5), ('Pune', 'Ind', 6)",
        "update country set code = 'ind' where code = 'IND'",
        "delete from city where countrycode <> 'bgr'; delete from country where code = 'ind'",
        // What is no code is captured as well, and stops nothing.
        "insert into city values ('Quoted', 'B\"R', 8), ('Rocket', '🚀', 9), ('Long', repeat('x', 100000), 1), ('None', null, 2)",
        "update city set countrycode = 'fra' where name = 'Rocket'",
    ] {
        travels(&system, change).await;
    }
}

#[tokio::test]
async fn codes_of_any_case_and_padding_are_the_same_code() {
    let database = Database::new().await;
    database.execute(&format!("{COUNTRY} {CODES}")).await;
    each_spelling_travels(database).await;
}

#[tokio::test]
async fn codes_are_the_same_in_a_turkish_database() {
    let database = Postgres::shared().database_with("locale_provider icu icu_locale 'tr-TR'").await;
    assert_eq!(database.text("select upper('ind')").await.as_deref(), Some("İND"));
    database.execute(&format!("{COUNTRY} {CODES}")).await;
    each_spelling_travels(database).await;
}

#[tokio::test]
async fn codes_that_a_collation_takes_for_equal_are_told_apart() {
    let database = Database::new().await;
    database
        .execute(&format!(
            "create collation alike (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
             {COUNTRY} {CODES} alter table city alter countrycode type text collate alike"
        ))
        .await;
    let system = System::start_on(database, Settings::new()).await;
    for change in [
        // Of those that are alike the first one stands for all in a plain `distinct`.
        "insert into city values ('Other', 'BĠR', 1), ('Varna', 'BGR', 2)",
        "update city set population = population + 1 where countrycode = 'BGR'",
        "delete from city where countrycode = 'BGR'",
    ] {
        travels(&system, change).await;
    }
}
