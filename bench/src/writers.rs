//! Writers: what the capture costs them, and how long what they have done is felt.

use std::time::Duration;

use harness::Database;
use tokio::time::sleep;

use crate::figures::{Pairs, extremes, median};
use crate::freshness::seen;
use crate::pgbench::{self, WRITERS, changes};
use crate::row::Row;
use crate::scale::Scale;
use crate::stage::Stage;
use crate::table::Table;

/// Populations that no city has, and that `freshness` doesn't use; writers count them up, but not as far as the next.
const FIRST_POPULATION: i32 = 2_000_000_000;
const NEXT_POPULATION: usize = 1_000_000;

/// The country whose next change shows how long the backlog is.
const BACKLOG_CODE: &str = "BGR";

/// Between two reads of it: rare enough not to be felt by writers, and the last one is not older than that at their end.
const READ_PAUSE: Duration = Duration::from_millis(50);

/// The cheapest thing that a trigger can leave behind: one row that is always the same.
const CONSTANT_ROW: &str = "
    create table constant (only_column integer);
    create function constant_row() returns trigger language plpgsql as $$
    begin
      insert into constant values (1);
      return null;
    end
    $$;
    create trigger constant_row after update on city for each statement execute function constant_row()";

/// What is mostly done instead: a notification for each row.
const NOTIFY: &str = "
    create function notify_row() returns trigger language plpgsql as $$
    begin
      perform pg_notify('city_updates', new.countrycode);
      return null;
    end
    $$;
    create trigger notify_row after update on city for each row execute function notify_row()";

/// Databases with the same cities, and what their triggers do instead of ours.
pub(crate) struct Others {
    pub(crate) none: Database,
    pub(crate) constant: Database,
    notify: Database,
}

impl Others {
    /// Copies the system's database; the programs are down meanwhile.
    pub(crate) async fn copy(stage: &mut Stage) -> Self {
        pgbench::number_cities(&stage.system.database).await;
        stage.down().await;
        let none = copy(stage, "without_triggers", "").await;
        let constant = copy(stage, "with_a_constant_row", CONSTANT_ROW).await;
        let notify = copy(stage, "with_a_notification", NOTIFY).await;
        Self { none, constant, notify }
    }
}

async fn copy(stage: &Stage, name: &str, triggers: &str) -> Database {
    let server = stage.postgres.existing("postgres");
    let original = &stage.system.database.name;
    // Whoever is still connected to it has hung up, but the server may not have noticed.
    server
        .execute(&format!("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{original}'"))
        .await;
    server.execute(&format!("create database {name} template {original}")).await;
    let database = stage.postgres.existing(name);
    database.execute("drop schema cities_cache cascade").await;
    database.execute(triggers).await;
    database
}

/// Changes a second, in each round.
#[derive(Default)]
pub(crate) struct Writers {
    pub(crate) none: Vec<f64>,
    pub(crate) constant: Vec<f64>,
    pub(crate) ours: Vec<f64>,
    pub(crate) notify: Vec<f64>,
    pub(crate) alone: Vec<f64>,
    pub(crate) alone_ours: Vec<f64>,
    pub(crate) alone_constant: Vec<f64>,
    /// Seconds until the next change was seen.
    pub(crate) backlog: Vec<f64>,
}

pub(crate) async fn measure(stage: &mut Stage, others: &Others, scale: &Scale, table: &mut Table) -> Writers {
    let mut writers = Writers::default();
    stage.up().await;
    changes(&stage.system.database, WRITERS, scale.warm_up).await;
    for round in 0..scale.pairs {
        let mut runs = RUNS;
        if round % 2 == 1 {
            runs.reverse();
        }
        for run in runs {
            writers.add(run, stage, others, scale).await;
        }
    }
    let pairs = Pairs::of(&writers.ours, &writers.constant);
    table.add(Row::WritersOfConstant, pairs.ratio(), pairs.in_words("a second", 0));
    let pairs = Pairs::of(&writers.ours, &writers.notify);
    table.add(Row::WritersOfNotify, pairs.ratio(), pairs.in_words("a second", 0));
    let pairs = Pairs::of(&writers.ours, &writers.none);
    table.add(Row::WritersOfNone, pairs.ratio(), pairs.in_words("a second", 0));
    let pairs = Pairs::of(&writers.alone_ours, &writers.alone);
    table.add(Row::OneWriter, pairs.ratio(), pairs.in_words("a second", 0));
    let pairs = Pairs::of(&writers.alone_constant, &writers.alone);
    table.add(Row::OneWriterConstant, pairs.ratio(), pairs.in_words("a second", 0));
    let remark = format!("the longest of {}; median {:.3} s", scale.pairs, median(writers.backlog.iter().copied()));
    table.add(Row::Backlog, extremes(writers.backlog.iter().copied()).1, remark);
    writers
}

/// One run of pgbench.
#[derive(Clone, Copy)]
enum Run {
    None,
    Constant,
    Ours,
    Notify,
    Alone,
    AloneConstant,
    AloneOurs,
}

/// A round, every second time from its end: the programs are started or stopped but once in each, and what is compared
/// with the narrowest target is measured side by side, since a machine may be half as quick a minute later.
const RUNS: [Run; 7] =
    [Run::AloneConstant, Run::Alone, Run::Notify, Run::None, Run::Constant, Run::Ours, Run::AloneOurs];

impl Writers {
    async fn add(&mut self, run: Run, stage: &mut Stage, others: &Others, scale: &Scale) {
        if matches!(run, Run::Ours | Run::AloneOurs) {
            stage.up().await;
        } else {
            stage.down().await;
        }
        match run {
            Run::None => self.none.push(changes(&others.none, WRITERS, scale.run).await),
            Run::Constant => self.constant.push(changes(&others.constant, WRITERS, scale.run).await),
            Run::Ours => self.add_ours(stage, scale).await,
            Run::Notify => self.notify.push(changes(&others.notify, WRITERS, scale.run).await),
            Run::Alone => self.alone.push(changes(&others.none, 1, scale.run).await),
            Run::AloneConstant => self.alone_constant.push(changes(&others.constant, 1, scale.run).await),
            Run::AloneOurs => self.alone_ours.push(changes(&stage.system.database, 1, scale.run).await),
        }
    }

    async fn add_ours(&mut self, stage: &Stage, scale: &Scale) {
        let database = &stage.system.database;
        // What isn't cached would be read from PostgreSQL, and no backlog would be felt.
        let rate = tokio::select! {
            rate = changes(database, WRITERS, scale.run) => rate,
            never = keep_cached(stage, BACKLOG_CODE) => never,
        };
        self.ours.push(rate);
        let further = i32::try_from(self.backlog.len() * NEXT_POPULATION).expect("rounds are few");
        let population = FIRST_POPULATION + further;
        let change = format!(
            "update city set population = {population}
             where id = (select min(id) from city where countrycode = '{BACKLOG_CODE}')"
        );
        database.execute(&change).await;
        self.backlog.push(seen(stage, BACKLOG_CODE, population).await.as_secs_f64());
    }
}

/// Asks for a country again and again.
async fn keep_cached<Never>(stage: &Stage, code: &str) -> Never {
    loop {
        stage.system.get_city(code).await;
        sleep(READ_PAUSE).await;
    }
}
