//! The oracle: every answer of the api beside what PostgreSQL holds.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::eventually::eventually;
use crate::{Database, Http};

/// Requests that are on their way at once.
const CONCURRENCY: usize = 16;

/// Codes that neither table has, unless a test adds them.
const UNKNOWN: [&str; 3] = ["ZZZ", "QQQ", "XQX"];

type Cities = Vec<(String, Option<i64>)>;

/// Compares the answers for all codes (of both tables, and some of neither) with the database, until they agree.
///
/// # Panics
/// If they don't within `limit`, with the first difference.
pub async fn agrees(limit: Duration, database: &Database, http: &Http) {
    let truth = truth(database).await;
    eventually(limit, "every answer agrees with the database", async || compare(&truth, http).await).await;
}

/// Compares all answers with the database once.
///
/// # Errors
/// With the first difference.
pub async fn compare_once(database: &Database, http: &Http) -> Result<(), String> {
    compare(&truth(database).await, http).await
}

async fn compare(truth: &BTreeMap<String, Option<Cities>>, http: &Http) -> Result<(), String> {
    stream::iter(truth)
        .map(|(code, expected)| compare_code(code, expected.as_ref(), http))
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

async fn compare_code(code: &str, expected: Option<&Cities>, http: &Http) -> Result<(), String> {
    let answer = http.get(&format!("/cities/{code}")).await?;
    let found = match answer.status {
        200 => Some(answer.cities()),
        404 => None,
        status => return Err(format!("{code}: {status} {}", answer.text())),
    };
    if found.as_ref() == expected {
        return Ok(());
    }
    let (found, expected) = (found.unwrap_or_default(), expected.cloned().unwrap_or_default());
    let difference = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    Err(format!("{code}: {} cities instead of {}, first difference {difference:?}", found.len(), expected.len()))
}

/// For each code its cities in the answer's order (largest first, then by name); `None`: a 404.
async fn truth(database: &Database) -> BTreeMap<String, Option<Cities>> {
    let mut truth: BTreeMap<_, _> = UNKNOWN.iter().map(|code| ((*code).to_owned(), None)).collect();
    // Qualified and by ASCII, as the api reads: another `city` may come first in a user's path, and a Turkish collation
    // has another upper case.
    let known = "select distinct upper(btrim(code) collate \"C\") from (select code::text from public.country
                 union all select countrycode::text from public.city) codes
                 where code collate \"C\" ~* '^ *[a-z]{3} *$'";
    for row in database.query(known, &[]).await {
        truth.insert(row.get(0), Some(Cities::new()));
    }
    // `Answer::cities` shows a missing name as an empty one, too.
    let cities = "select upper(btrim(countrycode::text) collate \"C\"), coalesce(name::text, ''), population::bigint
                  from public.city where countrycode is not null
                  order by population desc nulls last, name collate \"C\"";
    for row in database.query(cities, &[]).await {
        if let Some(Some(cities)) = truth.get_mut(row.get::<_, &str>(0)) {
            cities.push((row.get(1), row.get(2)));
        }
    }
    truth
}
