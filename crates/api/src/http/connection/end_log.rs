//! Connections that end badly. Anybody who reaches the port can cause any number of them: all are counted, few logged.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_http::error::DispatchError;
use common::log_limit::LogLimit;
use tokio::time::sleep;

/// Between two lines of a kind.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Counts them for all threads of the server.
pub(crate) struct EndLog {
    unreadable: Count,
    broken_off: Count,
}

impl EndLog {
    pub(crate) fn new() -> Self {
        Self {
            unreadable: Count::new("requests that can't be read as HTTP were refused"),
            broken_off: Count::new("answers broke off, since their bytes could not be read"),
        }
    }

    /// Notes why a connection ended.
    pub(crate) fn note(&self, end: &DispatchError) {
        log::debug!("a connection ended: {end}");
        match end {
            DispatchError::Parse(cause) => self.unreadable.add(cause),
            DispatchError::Body(cause) => self.broken_off.add(cause),
            // The client went away.
            _ => {}
        }
    }

    /// Logs what was counted, once an interval.
    pub(crate) async fn tell_regularly(&self) -> Infallible {
        loop {
            sleep(LOG_INTERVAL).await;
            self.tell();
        }
    }

    /// Logs what was counted since the last line.
    pub(crate) fn tell(&self) {
        for count in [&self.unreadable, &self.broken_off] {
            count.tell();
        }
    }
}

/// One way to end badly.
struct Count {
    what: &'static str,
    /// And the cause of the last one that was held back.
    lines: Mutex<(LogLimit, String)>,
}

impl Count {
    fn new(what: &'static str) -> Self {
        Self { what, lines: Mutex::new((LogLimit::new(LOG_INTERVAL), String::new())) }
    }

    fn add(&self, cause: &impl fmt::Display) {
        let (limit, last) = &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match limit.pass(Instant::now()) {
            Some(others) => self.line(others + 1, &cause.to_string()),
            None => *last = cause.to_string(),
        }
    }

    fn tell(&self) {
        let (limit, last) = &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(others) = limit.take_held_back(Instant::now()) {
            self.line(others, last);
        }
    }

    fn line(&self, count: u64, last: &str) {
        log::warn!("{}: {count} (the last one: {last})", self.what);
    }
}
