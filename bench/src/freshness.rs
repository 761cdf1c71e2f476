//! From the commit of a change to the new answer, as a client of the api sees it.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::figures::{extremes, median, percentile};
use crate::row::Row;
use crate::scale::Scale;
use crate::stage::{START_LIMIT, Stage};
use crate::table::Table;
use crate::wrk::Readers;

const READERS: usize = 32;

/// Between two looks at the answer.
const POLL: Duration = Duration::from_millis(1);

/// Until the new answer is there: far above what is promised, so that a miss of it is measured.
const SEEN_LIMIT: Duration = Duration::from_secs(20);

/// Before each change, at most: some changes meet a relay that polls, and some one that has parked.
const PAUSE_MAX_MS: u64 = 100;

/// A population that no city has, and each change another one.
const FIRST_POPULATION: i32 = 1_000_000_000;

/// Milliseconds from commit to new answer, of each change.
pub(crate) struct Freshness {
    pub(crate) idle: Vec<f64>,
    pub(crate) busy: Vec<f64>,
}

pub(crate) async fn measure(stage: &mut Stage, scale: &Scale, table: &mut Table) -> Freshness {
    let codes = stage.system.warm().await;
    let idle = changes(stage, scale.changes, FIRST_POPULATION).await;
    let readers = Readers::of_all(stage.system.http.port, &codes, READERS);
    let busy = changes(stage, scale.changes, FIRST_POPULATION + 1_000_000).await;
    let answers = readers.stop().await;

    let remark = format!("{} changes, one after the other in all countries", idle.len());
    table.add(Row::IdleMedian, median(idle.iter().copied()), remark);
    let late = |took: &[f64]| percentile(took.iter().copied(), 0.99);
    let latest = |took: &[f64]| extremes(took.iter().copied()).1;
    table.add(Row::IdleLate, late(&idle), format!("the latest {:.1} ms", latest(&idle)));
    let remark = format!("median {:.1} ms; {:.0} answers a second", median(busy.iter().copied()), answers.per_second);
    table.add(Row::BusyLate, late(&busy), remark);
    table.add(Row::BusyLatest, latest(&busy), format!("of {}", busy.len()));
    Freshness { idle, busy }
}

/// Makes `count` changes, each of a city whose country is cached.
async fn changes(stage: &Stage, count: usize, first_population: i32) -> Vec<f64> {
    let database = &stage.system.database;
    let cities = "select distinct on (countrycode) countrycode::text, id from city order by countrycode, id";
    let cities = database.query(cities, &[]).await;
    let client = database.client().await;
    let update = client.prepare("update city set population = $1 where id = $2").await.expect("the table is there");
    let mut took = Vec::new();
    for (population, city) in (first_population..).zip(cities.iter().cycle()).take(count) {
        let (code, id): (&str, i32) = (city.get(0), city.get(1));
        stage.system.cached(code, START_LIMIT).await;
        sleep(Duration::from_millis(u64::from(population.unsigned_abs()) * 37 % PAUSE_MAX_MS)).await;
        client.execute(&update, &[&population, &id]).await.expect("the server is there");
        took.push(seen(stage, code, population).await.as_secs_f64() * 1_000.0);
    }
    took
}

/// Waits until the answer has this population; how long did it take?
pub(crate) async fn seen(stage: &Stage, code: &str, population: i32) -> Duration {
    let (committed, path) = (Instant::now(), format!("/cities/{code}"));
    let text = format!("\"population\":{population}");
    loop {
        let looked = Instant::now();
        let answer = stage.system.http.get(&path).await.unwrap_or_else(|error| panic!("{error}"));
        if answer.body.windows(text.len()).any(|part| part == text.as_bytes()) {
            return committed.elapsed();
        }
        assert!(committed.elapsed() < SEEN_LIMIT, "{path} has never had {text}: {}", answer.text());
        sleep_until(looked + POLL).await;
    }
}
