//! What holds back vacuum beside many writers, a dump's snapshot and old writers here and in another database: what the
//! relay's statements take when dead rows are many.

use harness::Database;

use crate::pgbench::{WRITERS, changes, number_cities};
use crate::row::Row;
use crate::scale::Scale;
use crate::stage::Stage;
use crate::table::Table;

/// What PostgreSQL counts by itself, which costs every statement something: nothing else is measured on this server.
const COUNTING: &str = "shared_preload_libraries=pg_stat_statements";

/// What the relay's statements begin with.
const STATEMENTS: [(Row, &str); 2] =
    [(Row::HeldPoll, "-- read_outbox.sql"), (Row::HeldDelete, "-- Exactly the rows that were read")];

pub(crate) async fn measure(scale: &Scale, table: &mut Table) {
    let stage = Stage::start_with(&[COUNTING]).await;
    let (database, server) = (&stage.system.database, stage.postgres.existing("postgres"));
    server.execute("create extension pg_stat_statements").await;
    number_cities(database).await;
    changes(database, WRITERS, scale.run).await;
    let before = took(&server).await;

    let dump = database.client().await;
    dump.batch_execute("begin isolation level repeatable read; select from public.city").await.expect("it is there");
    server.execute("create table city (name text)").await;
    let (here, there) = (database.client().await, server.client().await);
    here.batch_execute("begin; update public.country set population = 1 where code = 'BGR'")
        .await
        .expect("it is there");
    there.batch_execute("begin; insert into city values ('Sofia')").await.expect("it is there");
    let rate = changes(database, WRITERS, scale.held / 2).await;
    // The first half, in which dead rows are fewer, doesn't count.
    server.query("select pg_stat_statements_reset()", &[]).await;
    changes(database, WRITERS, scale.held / 2).await;
    let dead = rate * scale.held.as_secs_f64() / 1_000_000.0;
    for (((row, _), before), beside) in STATEMENTS.into_iter().zip(before).zip(took(&server).await) {
        let Taken { mean, calls, rows } = beside;
        let (before, rows) = (before.mean, rows / calls);
        let remark =
            format!("{before:.1} ms without it; {calls} of {rows} rows each, beside {dead:.1} million dead rows");
        table.add(row, mean, remark);
    }
}

/// What one of the relay's statements has taken.
struct Taken {
    /// Milliseconds.
    mean: f64,
    calls: i64,
    rows: i64,
}

/// What each of the relay's statements has taken since PostgreSQL counts.
async fn took(server: &Database) -> Vec<Taken> {
    let counted = "select sum(total_exec_time) / sum(calls), sum(calls)::bigint, sum(rows)::bigint
                   from pg_stat_statements where starts_with(query, $1) having sum(calls) > 0";
    let mut all = Vec::new();
    for (_, beginning) in STATEMENTS {
        let rows = server.query(counted, &[&beginning]).await;
        let [row] = rows.as_slice() else { panic!("no statement begins with `{beginning}`") };
        all.push(Taken { mean: row.get(0), calls: row.get(1), rows: row.get(2) });
    }
    all
}
