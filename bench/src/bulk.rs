//! One statement that changes every row.

use std::time::Instant;

use harness::Database;

use crate::figures::{Pairs, extremes};
use crate::row::Row;
use crate::scale::Scale;
use crate::stage::Stage;
use crate::table::Table;

pub(crate) async fn measure(stage: &mut Stage, without: &Database, scale: &Scale, table: &mut Table) {
    // The worker would take the outbox' rows away.
    stage.down().await;
    let with = &stage.system.database;
    let (mut pairs, mut rows) = (Pairs::default(), Vec::new());
    for _ in 0..scale.pairs {
        let before = outbox(with).await;
        let took = update_all(with).await;
        rows.push(outbox(with).await - before);
        pairs.add(took, update_all(without).await);
    }
    table.add(Row::BulkShare, pairs.ratio(), pairs.in_words("s", 3));
    let (fewest, most) = extremes(rows);
    table.add(Row::BulkRows, most, format!("{fewest:.0} to {most:.0} in {} runs", scale.pairs));
}

/// Seconds.
async fn update_all(database: &Database) -> f64 {
    database.execute("vacuum city").await;
    let client = database.client().await;
    let begun = Instant::now();
    let changed = client.execute("update city set population = population + 1", &[]).await.expect("it is there");
    assert!(changed > 30_000, "only {changed} rows were changed");
    begun.elapsed().as_secs_f64()
}

async fn outbox(database: &Database) -> f64 {
    database.number("select count(*) from cities_cache.outbox").await as f64
}
