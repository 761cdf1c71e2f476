//! Counts the changes that wait for the relay, at little cost however many were deleted and can't be removed yet.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::random_name::Name;
use common::shutdown::Shutdown;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::Client;

use crate::clock::Moment;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::primary_watch::PrimaryWatch;
use crate::postgres::sessions::Sessions;

/// Rows are counted up to here: whether there are 10,000 or a million, the relay doesn't keep up.
pub(crate) const COUNTED_MAX: i64 = 10_000;

/// Between two counts: soon enough for whoever looks at a dashboard.
const COUNT_PAUSE: Duration = Duration::from_secs(2);

/// After a count that took too long: the next one begins from nothing again, and must not keep a processor busy.
const TOO_SLOW_PAUSE: Duration = Duration::from_secs(60);

/// The outbox has one index, whose order lets a count pass over what earlier ones have seen. The planner, which may know
/// nothing about a new table, must not prefer to read all of it.
const BY_INDEX: &str = "set enable_seqscan = off; set enable_bitmapscan = off";

/// What the counts have found.
pub(crate) struct OutboxWatch {
    sessions: Sessions,
    primary: Arc<PrimaryWatch>,
    found: Mutex<WaitingChanges>,
}

/// The changes that wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitingChanges {
    /// Rows, at most [`COUNTED_MAX`] and one; `None` where they can't be counted.
    pub(crate) rows: Option<i64>,
    /// Since when they have been few, many, or uncounted, whichever it is now.
    pub(crate) changed: Moment,
}

/// A session, and what its next count has to look at; on another server the same numbers mean other transactions.
struct Counter {
    session: Client,
    /// Whom the server belonged to when the session was opened.
    generation: Option<Name>,
    /// The first transaction that no count has looked at.
    next_transaction: String,
    /// Earlier ones that were running at the last count, or whose rows waited.
    unfinished: Vec<String>,
}

impl OutboxWatch {
    /// Counts on the server where `primary` looks.
    pub(crate) fn new(sessions: Sessions, primary: Arc<PrimaryWatch>) -> Self {
        let found = Mutex::new(WaitingChanges { rows: None, changed: Moment::now() });
        Self { sessions, primary, found }
    }

    /// What the last count found.
    pub(crate) fn waiting(&self) -> WaitingChanges {
        *self.found.lock().expect("nobody panics with it")
    }

    /// Counts until the program stops. A session of its own keeps the counts out of the way of reads and looks.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let mut counter = None;
        let mut ticks = interval(COUNT_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let counted = self.count(&mut counter).await;
            self.note(counted.as_ref().ok().copied());
            if let Err(error) = counted {
                counter = None;
                log::debug!("the outbox can't be counted: {error}");
                if error == DatabaseError::TooSlow {
                    shutdown.run_until_cancelled(sleep(TOO_SLOW_PAUSE)).await;
                }
            }
        }
    }

    async fn count(&self, counter: &mut Option<Counter>) -> Result<i64, DatabaseError> {
        // The look finds out when the primary was replaced, and then shows another generation.
        let generation = self.primary.latest().heartbeat.map(|heartbeat| heartbeat.generation);
        let counter = match counter {
            Some(counter) if counter.generation == generation => counter,
            counter => counter.insert(Counter::open(&self.sessions, generation).await?),
        };
        timeout(self.sessions.statement_limit, counter.count()).await?
    }

    fn note(&self, rows: Option<i64>) {
        let mut found = self.found.lock().expect("nobody panics with it");
        if found.are_few() != (WaitingChanges { rows, ..*found }).are_few() || found.rows.is_some() != rows.is_some() {
            found.changed = Moment::now();
        }
        found.rows = rows;
    }
}

impl WaitingChanges {
    /// Whether they were counted, and the relay keeps up with them.
    pub(crate) fn are_few(self) -> bool {
        self.rows.is_some_and(|rows| rows <= COUNTED_MAX)
    }
}

impl Counter {
    async fn open(sessions: &Sessions, generation: Option<Name>) -> Result<Self, DatabaseError> {
        let session = sessions.open().await?;
        session.batch_execute(BY_INDEX).await?;
        Ok(Self { session, generation, next_transaction: "0".to_owned(), unfinished: Vec::new() })
    }

    async fn count(&mut self) -> Result<i64, DatabaseError> {
        let limit = COUNTED_MAX + 1;
        let sql = include_str!("../../sql/count_outbox.sql");
        let row = self.session.query_one(sql, &[&self.next_transaction, &self.unfinished, &limit]).await?;
        let rows = row.try_get("rows")?;
        // Beyond the limit are rows that weren't looked at.
        if rows < limit {
            self.next_transaction = row.try_get("next_transaction")?;
            self.unfinished = row.try_get("unfinished")?;
        }
        Ok(rows)
    }
}
