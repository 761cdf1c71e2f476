//! How often and how long things are looked at: a full run, or a quick one to see whether something is off.

use std::time::Duration;

/// What differs between a full and a quick run.
pub(crate) struct Scale {
    pub(crate) is_quick: bool,
    /// Pairs of runs that make a ratio. Odd, so that one of them is the median.
    pub(crate) pairs: usize,
    /// One run under load; 64 new sessions need a second of it until each of them has planned everything once.
    pub(crate) run: Duration,
    /// How long the broker has so much to do before it counts: it compiles what it does often, and a user's runs for days.
    pub(crate) warm_up: Duration,
    /// Turns of each database whose statements are counted.
    pub(crate) turns: usize,
    /// Changes whose way to a new answer is timed.
    pub(crate) changes: usize,
    /// How long a snapshot is held open.
    pub(crate) held: Duration,
    /// How long nothing is asked of the programs.
    pub(crate) idle: Duration,
}

const FULL: Scale = Scale {
    is_quick: false,
    pairs: 9,
    run: Duration::from_secs(10),
    warm_up: Duration::from_secs(30),
    turns: 201,
    changes: 300,
    held: Duration::from_secs(300),
    idle: Duration::from_secs(60),
};

const QUICK: Scale = Scale {
    is_quick: true,
    pairs: 3,
    run: Duration::from_secs(3),
    warm_up: Duration::from_secs(3),
    turns: 41,
    changes: 60,
    held: Duration::from_secs(10),
    idle: Duration::from_secs(10),
};

impl Scale {
    /// As the variable `QUICK` says.
    pub(crate) fn chosen() -> Self {
        if std::env::var_os("QUICK").is_some_and(|value| !value.is_empty() && value != "0") { QUICK } else { FULL }
    }
}
