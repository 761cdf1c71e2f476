//! From the start of the three programs to their first answers.

use std::time::Duration;

use harness::Answer;
use tokio::time::{Instant, sleep};

use crate::figures::{extremes, median};
use crate::row::Row;
use crate::scale::Scale;
use crate::stage::{START_LIMIT, Stage};
use crate::table::Table;

/// Between two requests.
const POLL: Duration = Duration::from_millis(5);

pub(crate) async fn measure(stage: &mut Stage, scale: &Scale, table: &mut Table) {
    let (mut healthy, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..scale.pairs {
        stage.down().await;
        // What is cached survives a restart of the api, so that it alone would do.
        stage.system.redis.command::<()>("FLUSHALL").await;
        let begun = Instant::now();
        stage.launch();
        healthy.push(until(stage, begun, "/health", |answer| answer.status == 200).await);
        cached.push(until(stage, begun, "/cities/BGR", |answer| answer.source() == "cache").await);
    }
    add(table, Row::StartHealth, &healthy);
    add(table, Row::StartCached, &cached);
}

/// Seconds until `path` is answered as it should be.
async fn until(stage: &Stage, begun: Instant, path: &str, is_right: impl Fn(&Answer) -> bool) -> f64 {
    // Who is refused isn't up yet.
    while !stage.system.http.get(path).await.is_ok_and(|answer| is_right(&answer)) {
        assert!(begun.elapsed() < START_LIMIT, "{path} isn't answered as it should be within {START_LIMIT:?}");
        sleep(POLL).await;
    }
    begun.elapsed().as_secs_f64()
}

fn add(table: &mut Table, row: Row, took: &[f64]) {
    let (shortest, longest) = extremes(took.iter().copied());
    let remark = format!("{} starts from {shortest:.2} to {longest:.2} s", took.len());
    table.add(row, median(took.iter().copied()), remark);
}
