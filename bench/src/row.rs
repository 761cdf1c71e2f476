//! The rows of the table: what is measured, how, and what must be reached.

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    CachedShare,
    CachedProcessor,
    IdleMedian,
    IdleLate,
    BusyLate,
    BusyLatest,
    StatementCost,
    WritersOfConstant,
    WritersOfNotify,
    WritersOfNone,
    OneWriter,
    OneWriterConstant,
    Backlog,
    HeldPoll,
    HeldDelete,
    BulkShare,
    BulkRows,
    Memory,
    StartHealth,
    StartCached,
    Image,
    Idle,
}

/// What is promised in a row.
pub(crate) struct Promise {
    pub(crate) row: Row,
    pub(crate) what: &'static str,
    pub(crate) how: &'static str,
    pub(crate) unit: Unit,
    /// `None`: it is only reported.
    pub(crate) target: Option<Target>,
}

/// What a figure is counted in.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Of another figure of the same machine.
    Share,
    Seconds,
    Milliseconds,
    Megabytes,
    Percent,
    Rows,
}

/// What must be reached.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// All rows, in the order of the table.
pub(crate) const PROMISES: [Promise; 22] = [
    Promise {
        row: Row::CachedShare,
        what: "cached `/cities/BGR`",
        how: "wrk, 64 connections; share of a static handler with the same headers and bytes in the same server",
        unit: Unit::Share,
        target: Some(Target::AtLeast(0.60)),
    },
    Promise {
        row: Row::CachedProcessor,
        what: "CPU for 1,000 cached answers",
        how: "user and system time of the api meanwhile",
        unit: Unit::Seconds,
        target: Some(Target::AtMost(0.08)),
    },
    Promise {
        row: Row::IdleMedian,
        what: "commit to new answer, idle: median",
        how: "single-row changes, poll 1 ms over HTTP",
        unit: Unit::Milliseconds,
        target: Some(Target::AtMost(5.0)),
    },
    Promise {
        row: Row::IdleLate,
        what: "… 99th percentile",
        how: "the same changes",
        unit: Unit::Milliseconds,
        target: Some(Target::AtMost(20.0)),
    },
    Promise {
        row: Row::BusyLate,
        what: "with 32 readers: 99th percentile",
        how: "the same, and wrk asks for all countries by chance",
        unit: Unit::Milliseconds,
        target: Some(Target::AtMost(60.0)),
    },
    Promise {
        row: Row::BusyLatest,
        what: "… the latest",
        how: "the same changes",
        unit: Unit::Milliseconds,
        target: Some(Target::AtMost(1_000.0)),
    },
    Promise {
        row: Row::StatementCost,
        what: "what the capture adds to a one-row UPDATE",
        how: "the backend's own CPU, user and system, as the kernel counts it; times what a trigger adds that inserts a constant row",
        unit: Unit::Share,
        target: Some(Target::AtMost(2.0)),
    },
    Promise {
        row: Row::WritersOfConstant,
        what: "64 writers, of the cheapest trigger",
        how: "pgbench, one-row UPDATE by key, fsync on, whole pipeline running; share of a trigger that inserts a constant row, nothing running. Two cores that Kafka's Java machine and pgbench share decide this and the next four",
        unit: Unit::Share,
        target: None,
    },
    Promise {
        row: Row::WritersOfNotify,
        what: "… against a row-level `pg_notify`",
        how: "the same; times the rate with a notification for each row, nothing running",
        unit: Unit::Share,
        target: None,
    },
    Promise {
        row: Row::WritersOfNone,
        what: "… of no trigger at all",
        how: "the same; share of the rate without triggers, nothing running",
        unit: Unit::Share,
        target: None,
    },
    Promise {
        row: Row::OneWriter,
        what: "1 writer, of no trigger",
        how: "pgbench, 1 client; share of the rate without triggers, nothing running",
        unit: Unit::Share,
        target: None,
    },
    Promise {
        row: Row::OneWriterConstant,
        what: "… of the cheapest trigger, of no trigger",
        how: "the same with a trigger that inserts a constant row, nothing running: what any capture costs",
        unit: Unit::Share,
        target: None,
    },
    Promise {
        row: Row::Backlog,
        what: "backlog after 64 writers stop",
        how: "from the commit of the next change until it is seen over HTTP, in a country that was read all the time",
        unit: Unit::Seconds,
        target: Some(Target::AtMost(0.5)),
    },
    Promise {
        row: Row::HeldPoll,
        what: "poll of the outbox beside all that is held open",
        how: "a dump's snapshot and two transactions that wrote, one of them in another database; 64 writers, whole pipeline running; second half of the time, as PostgreSQL counts",
        unit: Unit::Milliseconds,
        target: Some(Target::AtMost(2.0)),
    },
    Promise {
        row: Row::HeldDelete,
        what: "… deletion",
        how: "the same time",
        unit: Unit::Milliseconds,
        target: Some(Target::AtMost(2.0)),
    },
    Promise {
        row: Row::BulkShare,
        what: "UPDATE of all 34,003 rows",
        how: "times the duration without triggers",
        unit: Unit::Share,
        target: Some(Target::AtMost(1.3)),
    },
    Promise {
        row: Row::BulkRows,
        what: "… rows in the outbox",
        how: "what such a statement leaves there while no worker runs",
        unit: Unit::Rows,
        target: Some(Target::AtMost(1.0)),
    },
    Promise {
        row: Row::Memory,
        what: "memory of the three programs",
        how: "sum of PSS after all of the above",
        unit: Unit::Megabytes,
        target: Some(Target::AtMost(80.0)),
    },
    Promise {
        row: Row::StartHealth,
        what: "start to `/health` 200",
        how: "the three programs at once, the servers running, Redis empty",
        unit: Unit::Seconds,
        target: Some(Target::AtMost(0.5)),
    },
    Promise {
        row: Row::StartCached,
        what: "… to a first answer from the cache",
        how: "the same starts",
        unit: Unit::Seconds,
        target: Some(Target::AtMost(3.0)),
    },
    Promise {
        row: Row::Image,
        what: "image",
        how: "`docker image inspect`",
        unit: Unit::Megabytes,
        target: Some(Target::AtMost(180.0)),
    },
    Promise {
        row: Row::Idle,
        what: "idle cost",
        how: "CPU of the three programs, without a request or a change; of one core",
        unit: Unit::Percent,
        target: Some(Target::AtMost(2.0)),
    },
];

impl Unit {
    /// `figure` as it is written.
    pub(crate) fn write(self, figure: f64) -> String {
        match self {
            Self::Share => format!("{figure:.2}"),
            Self::Seconds => format!("{figure:.3} s"),
            Self::Milliseconds => format!("{figure:.1} ms"),
            Self::Megabytes => format!("{figure:.1} MB"),
            Self::Percent => format!("{figure:.2} %"),
            Self::Rows => format!("{figure:.0}"),
        }
    }
}

impl Target {
    /// Whether `figure` reaches it.
    pub(crate) fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(limit) => figure >= limit,
            Self::AtMost(limit) => figure <= limit,
        }
    }

    /// As it is written in the table.
    pub(crate) fn write(self, unit: Unit) -> String {
        match self {
            Self::AtLeast(limit) => format!("≥ {}", unit.write(limit)),
            Self::AtMost(limit) => format!("≤ {}", unit.write(limit)),
        }
    }
}
