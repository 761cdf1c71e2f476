//! What it costs: measures the table that this system must reach, against the limits of the same machine.
//!
//! Started by `bench/run`, which `make bench` calls. In reading order: what is promised, how long it is looked at, the
//! servers and the load, a file for each group of rows, and what becomes of the figures.

mod row;
mod scale;
mod table;

mod figures;
mod pgbench;
mod stage;
mod wrk;

mod bulk;
mod footprint;
mod freshness;
mod held;
mod hits;
mod start;
mod statement_cost;
mod writers;

mod machine;
mod picture;
mod results;

use crate::scale::Scale;
use crate::stage::Stage;
use crate::table::Table;
use crate::writers::Others;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
async fn main() {
    let scale = Scale::chosen();
    let load_before = machine::load();
    let mut table = Table::default();
    let mut stage = Stage::start().await;
    let others = Others::copy(&mut stage).await;
    statement_cost::measure(&mut stage, &others, &scale, &mut table).await;
    bulk::measure(&mut stage, &others.none, &scale, &mut table).await;
    start::measure(&mut stage, &scale, &mut table).await;
    let writers = writers::measure(&mut stage, &others, &scale, &mut table).await;
    hits::measure(&mut stage, &scale, &mut table).await;
    let freshness = freshness::measure(&mut stage, &scale, &mut table).await;
    footprint::measure(&mut stage, &scale, &mut table).await;
    stage.down().await;
    held::measure(&scale, &mut table).await;
    let machine = machine::describe(&stage, &load_before).await;
    println!("{machine}\n{table}");
    if !scale.is_quick {
        results::write(&machine, &table);
        picture::time_to_new_answer(&freshness);
        picture::writers(&writers);
    }
}
