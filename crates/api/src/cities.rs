//! What a city is: the query, the shape of the answer, what a valid code is. No other file of the api knows.

pub(crate) mod country_code;

use actix_web::web::Bytes;
use serde::Serialize;
use tokio_postgres::{Error, Row};

/// The statement; its parameter is the code, and it always has one row.
pub(crate) const SQL: &str = include_str!("../sql/read_cities.sql");

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Cache,
    Database,
}

#[derive(Serialize)]
struct City<'a> {
    name: Option<&'a str>,
    population: Option<i64>,
}

/// The answer's data as JSON; `None` where neither table has the code.
pub(crate) fn data(row: &Row) -> Result<Option<Vec<u8>>, Error> {
    let is_country: bool = row.try_get("is_country")?;
    let names: Option<Vec<Option<&str>>> = row.try_get("names")?;
    let populations: Option<Vec<Option<i64>>> = row.try_get("populations")?;
    if !is_country && names.is_none() {
        return Ok(None);
    }
    let cities = names.unwrap_or_default().into_iter().zip(populations.unwrap_or_default());
    let cities: Vec<_> = cities.map(|(name, population)| City { name, population }).collect();
    Ok(Some(serde_json::to_vec(&cities).expect("text and numbers always serialise")))
}

/// The finished HTTP body; empty where neither table has the code.
pub(crate) fn body(source: Source, data: Option<&[u8]>) -> Bytes {
    let Some(data) = data else { return Bytes::new() };
    let start: &[u8] = match source {
        Source::Cache => br#"{"source":"cache","data":"#,
        Source::Database => br#"{"source":"database","data":"#,
    };
    [start, data, b"}"].concat().into()
}

#[cfg(test)]
mod tests {
    use super::{Source, body};

    #[test]
    fn only_the_source_tells_an_answer_of_the_cache_from_one_of_the_database() {
        assert_eq!(body(Source::Cache, Some(b"[]")), r#"{"source":"cache","data":[]}"#);
        assert_eq!(body(Source::Database, Some(b"[]")), r#"{"source":"database","data":[]}"#);
        assert!(body(Source::Cache, None).is_empty());
    }
}
