//! What a city is: the query, the shape of the answer, what a valid code is. No other file of the api knows.

pub(crate) mod country_code;

use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
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
    population: Option<&'a RawValue>,
}

/// The answer's data as JSON; `None` where neither table has the code.
pub(crate) fn data(row: &Row) -> Result<Option<Vec<u8>>, Error> {
    let is_country: bool = row.try_get("is_country")?;
    let names: Option<Vec<Option<&str>>> = row.try_get("names")?;
    let populations: Option<Vec<Option<&str>>> = row.try_get("populations")?;
    if !is_country && names.is_none() {
        return Ok(None);
    }
    let cities = names.unwrap_or_default().into_iter().zip(populations.unwrap_or_default());
    let cities: Vec<_> =
        cities.map(|(name, population)| City { name, population: population.and_then(json_number) }).collect();
    Ok(Some(serde_json::to_vec(&cities).expect("text and numbers always serialise")))
}

/// The number digit for digit: neither `i64` nor `f64` holds every `numeric`. `None` for what JSON has no number for, as
/// NaN and the infinities.
fn json_number(text: &str) -> Option<&RawValue> {
    let json: &RawValue = serde_json::from_str(text).ok()?;
    json.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(json)
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
    use super::{Source, body, json_number};

    #[test]
    fn numbers_stay_as_they_are_spelled_and_what_is_none_is_left_out() {
        let long = "1".repeat(400);
        for number in ["0", "-5", "2000.5", "5.00", "1e+25", "1.5e-07", "0.1", &long] {
            assert_eq!(json_number(number).unwrap().get(), number);
        }
        for other in ["NaN", "Infinity", "-Infinity", "", "null", "true", "\"5\"", "[1]", "1 2", "0x1"] {
            assert!(json_number(other).is_none(), "{other}");
        }
    }

    #[test]
    fn only_the_source_tells_an_answer_of_the_cache_from_one_of_the_database() {
        assert_eq!(body(Source::Cache, Some(b"[]")), r#"{"source":"cache","data":[]}"#);
        assert_eq!(body(Source::Database, Some(b"[]")), r#"{"source":"database","data":[]}"#);
        assert!(body(Source::Cache, None).is_empty());
    }
}
