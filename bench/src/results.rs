//! Writes what a full run has found to `bench/RESULTS.md`.

use crate::table::Table;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");

/// Replaces the results of the run before.
pub(crate) fn write(machine: &str, table: &Table) {
    let text = format!(
        "# What it costs\n\n\
         Written by `make bench`; each figure was measured on this machine:\n\n\
         {machine}\n\
         {table}\n\
         A share is the median of pairs of runs that were made in turn, so that what else the machine did met both; \
         beside it stand the medians of both and the lowest and highest pair.\n\n\
         ![Time from the commit of a change to the new answer](time-to-new-answer.svg)\n\n\
         ![Writers with and without capture](writers.svg)\n"
    );
    std::fs::write(PATH, text).unwrap_or_else(|error| panic!("{PATH}: {error}"));
}
