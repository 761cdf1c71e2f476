//! The table: what was promised, what was measured, and whether the one reaches the other.

use std::fmt;

use crate::row::{PROMISES, Promise, Row};

/// What has been measured until now.
#[derive(Default)]
pub(crate) struct Table {
    measured: Vec<(Row, Figure)>,
}

struct Figure {
    /// Or why there is none.
    value: Result<f64, String>,
    /// What else is worth knowing about it: absolute figures, and how far the runs were apart.
    remark: String,
}

impl Table {
    /// Notes the figure of a row.
    pub(crate) fn add(&mut self, row: Row, value: f64, remark: String) {
        self.measured.push((row, Figure { value: Ok(value), remark }));
        self.announce(row);
    }

    /// Notes why a row has no figure.
    pub(crate) fn not_measured(&mut self, row: Row, why: &str) {
        self.measured.push((row, Figure { value: Err(why.to_owned()), remark: String::new() }));
        self.announce(row);
    }

    #[expect(clippy::print_stderr, reason = "who waits for minutes wants to see that something happens")]
    fn announce(&self, row: Row) {
        for promise in PROMISES.iter().filter(|promise| promise.row == row) {
            let (figure, verdict, remark) = self.cells(promise);
            eprintln!("{}: {figure} {verdict} ({remark})", promise.what);
        }
    }

    fn cells(&self, promise: &Promise) -> (String, &'static str, &str) {
        match self.measured.iter().find(|(row, _)| *row == promise.row) {
            None => ("–".to_owned(), "not measured", ""),
            Some((_, Figure { value: Err(why), .. })) => ("–".to_owned(), "not measured", why),
            Some((_, Figure { value: Ok(value), remark })) => {
                let verdict = match promise.target {
                    Some(target) if target.is_met(*value) => "met",
                    Some(_) => "**missed**",
                    None => "",
                };
                (promise.unit.write(*value), verdict, remark)
            }
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | how | target | figure | | beside it |")?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
        for promise in &PROMISES {
            let (figure, verdict, remark) = self.cells(promise);
            let target = promise.target.map_or_else(|| "reported".to_owned(), |target| target.write(promise.unit));
            writeln!(f, "| {} | {} | {target} | {figure} | {verdict} | {remark} |", promise.what, promise.how)?;
        }
        Ok(())
    }
}
