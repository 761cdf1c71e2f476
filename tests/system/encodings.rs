//! Databases in other encodings than UTF8: tables that are there are adopted, and names arrive as they are.

use harness::{Database, Settings, System};

use crate::TRAVEL_LIMIT;
use crate::small_tables::{CITY, COUNTRY, travels};

/// A system on small tables in a database of this encoding; `name` is a word that it can hold.
async fn adopts(encoding: &str, name: &str) {
    let database = Database::with_encoding(encoding).await;
    database.execute(&format!("{COUNTRY} {CITY}")).await;
    let system = System::start_on(database, Settings::new()).await;
    for change in [
        format!("insert into city (name, countrycode, population) values ('{name}', 'FRA', 5)"),
        format!("update city set population = 6 where name = '{name}'"),
        // What is no code is captured as well, and stops nothing.
        format!("insert into city (name, countrycode, population) values ('Elsewhere', '{name}', 7)"),
        "update city set population = population + 1 where countrycode = 'FRA'".to_owned(),
    ] {
        travels(&system, &change).await;
    }
    let answer = system.cached("FRA", TRAVEL_LIMIT).await;
    assert!(answer.cities().contains(&(name.to_owned(), Some(7))), "{}", answer.text());
}

#[tokio::test]
async fn latin1_is_adopted() {
    adopts("LATIN1", "Nîmes").await;
}

#[tokio::test]
async fn latin2_is_adopted() {
    adopts("LATIN2", "Łódź").await;
}

#[tokio::test]
async fn latin9_is_adopted() {
    adopts("LATIN9", "Nœux").await;
}

#[tokio::test]
async fn win1252_is_adopted() {
    adopts("WIN1252", "Nîmes").await;
}

#[tokio::test]
async fn koi8r_is_adopted() {
    adopts("KOI8R", "Нижний").await;
}

#[tokio::test]
async fn euc_jp_is_adopted() {
    adopts("EUC_JP", "東京").await;
}

#[tokio::test]
async fn sql_ascii_is_adopted() {
    adopts("SQL_ASCII", "Nîmes").await;
}
