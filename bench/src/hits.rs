//! Answers from the cache: how many, and what they cost.

use std::collections::BTreeSet;

use harness::{Answer, Program};

use crate::figures::Pairs;
use crate::row::Row;
use crate::scale::Scale;
use crate::stage::{START_LIMIT, Stage};
use crate::table::Table;
use crate::wrk::Readers;

const PATH: &str = "/cities/BGR";
const CONNECTIONS: usize = 64;

pub(crate) async fn measure(stage: &mut Stage, scale: &Scale, table: &mut Table) {
    let cached = stage.system.cached("BGR", START_LIMIT).await;
    let (_program, fixed) = Program::serving("static-answer", harness::settings([("BODY", &cached.text())]));
    let same = harness::eventually(START_LIMIT, "the static answer is served", async || fixed.get(PATH).await).await;
    assert_eq!(without_date(&same), without_date(&cached));

    let api = stage.system.api.process();
    let (mut pairs, mut answers, mut processor) = (Pairs::default(), 0.0, 0.0);
    for _ in 0..scale.pairs {
        let before = api.processor_time();
        let ours = Readers::of(stage.system.http.port, PATH, CONNECTIONS, scale.run).await;
        processor += (api.processor_time() - before).as_secs_f64();
        answers += ours.count;
        let limit = Readers::of(fixed.port, PATH, CONNECTIONS, scale.run).await;
        pairs.add(ours.per_second, limit.per_second);
    }
    table.add(
        Row::CachedShare,
        pairs.ratio(),
        format!("{}; {} bytes", pairs.in_words("a second", 0), cached.body.len()),
    );
    table.add(Row::CachedProcessor, processor * 1_000.0 / answers, format!("{answers} answers"));
}

/// What must be the same: all but the time of day, and the order of the headers, which differs from process to process.
fn without_date(answer: &Answer) -> (u16, BTreeSet<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| name.as_str() != "date");
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes())));
    (answer.status, headers.collect(), answer.text())
}
