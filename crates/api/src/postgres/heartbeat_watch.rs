//! Looks at the heartbeat row again and again: which generation vouches for the primary, and does its number go on?

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::heartbeat::Heartbeat;
use common::random::Name;
use common::shutdown::Shutdown;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::Client;

use crate::clock::Moment;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::sessions::Sessions;
use common::log_once::LogOnce;

/// Least time between two looks on new connections, whatever happens: a connection costs PostgreSQL a process. One that
/// is younger still leads to what was the primary a moment ago, so further looks go over it.
const LOOK_AGAIN_PAUSE: Duration = Duration::from_millis(250);

/// Outbox rows are counted up to here: whether there are 10,000 or a million, the relay doesn't keep up.
pub(crate) const OUTBOX_COUNTED_MAX: i64 = 10_000;

/// What the looks have found.
pub(crate) struct HeartbeatWatch {
    sessions: Sessions,
    /// A look finds an older connection replaced by a new one: where Redis is away no state shows another generation, and
    /// a replaced primary that its relay has not left would be believed for ever.
    session_age_max: Duration,
    looker: tokio::sync::Mutex<Looker>,
    newest: Mutex<Newest>,
    trouble: LogOnce,
}

/// Who looks: one at a time, on a connection of its own, so that a busy pool doesn't delay it.
#[derive(Default)]
struct Looker {
    session: Option<Client>,
    opened: Option<Moment>,
    /// When the last look began.
    looked: Option<Moment>,
}

/// The newest look.
#[derive(Clone)]
pub(crate) struct Newest {
    /// Whether there is a table for it; without one, no worker was here yet.
    pub(crate) has_table: bool,
    /// The row, if there was a valid one.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// When the connection that it was read on was begun: it leads to what was the primary then.
    connected: Option<Moment>,
    /// When a look first found it as it is.
    pub(crate) changed: Moment,
    /// Outbox rows, at most [`OUTBOX_COUNTED_MAX`] and one; `None` where they can't be counted.
    pub(crate) outbox: Option<i64>,
    /// Why the last look found nothing, if so; the row is then what an earlier one found.
    pub(crate) failure: Option<DatabaseError>,
}

impl HeartbeatWatch {
    pub(crate) fn new(sessions: Sessions, session_age_max: Duration) -> Self {
        let failure = Some(DatabaseError::Unreachable("nobody has tried yet".to_owned()));
        Self {
            sessions,
            session_age_max,
            looker: tokio::sync::Mutex::default(),
            newest: Mutex::new(Newest {
                has_table: true,
                heartbeat: None,
                connected: None,
                changed: Moment::now(),
                outbox: None,
                failure,
            }),
            trouble: LogOnce::for_requests(),
        }
    }

    /// Whether the newest look found the heartbeat's table.
    pub(crate) fn has_table(&self) -> bool {
        self.has_found(|newest| newest.has_table)
    }

    /// What the newest look found.
    pub(crate) fn newest(&self) -> Newest {
        self.newest.lock().expect("nobody panics with it").clone()
    }

    fn has_found(&self, what: impl Fn(&Newest) -> bool) -> bool {
        what(&self.newest.lock().expect("nobody panics with it"))
    }

    /// Whether `generation` is what the newest look found, no row is a finding too. Before it says no it looks again, on a
    /// connection that is new or nearly so.
    pub(crate) async fn is_newest(&self, generation: Option<Name>) -> Result<bool, DatabaseError> {
        self.look_again_unless(|newest| newest.is(generation)).await?;
        Ok(self.has_found(|newest| newest.is(generation)))
    }

    /// The same about the generation of a shard whose epoch was first seen at `reset`: a look on an older connection
    /// tells nothing. Where a primary was replaced and its relay goes on, the two reset the shard by turns, and each time
    /// that a reader sees its state it may be of the generation that the old connections show.
    pub(crate) async fn is_newest_since(&self, reset: Moment, generation: Name) -> Result<bool, DatabaseError> {
        let generation = Some(generation);
        self.look_again_unless(|newest| newest.is(generation) && newest.connected >= Some(reset)).await?;
        Ok(self.has_found(|newest| newest.is(generation)))
    }

    async fn look_again_unless(&self, is_enough: impl Fn(&Newest) -> bool) -> Result<(), DatabaseError> {
        if self.has_found(is_enough) {
            return Ok(());
        }
        let asked = Moment::now();
        let mut looker = self.looker.lock().await;
        let is_young = looker.opened.is_some_and(|opened| opened >= asked || opened.elapsed() < LOOK_AGAIN_PAUSE);
        // One look answers all who asked before it began, however long it took.
        if is_young && (looker.session.is_none() || looker.looked >= Some(asked)) {
            return Ok(());
        }
        if !is_young {
            looker.session = None;
        }
        self.look(&mut looker).await
    }

    /// Looks every `pause` until the program stops.
    pub(crate) async fn watch(self: Arc<Self>, pause: Duration, shutdown: Shutdown) {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let mut looker = self.looker.lock().await;
            if self.look(&mut looker).await.is_ok() {
                self.count_outbox(&mut looker).await;
            }
        }
    }

    async fn look(&self, looker: &mut Looker) -> Result<(), DatabaseError> {
        looker.looked = Some(Moment::now());
        let found = match self.session(looker).await {
            Ok(session) => {
                timeout(self.sessions.statement_limit, look_on(session)).await.unwrap_or(Err(DatabaseError::TooSlow))
            }
            Err(failure) => Err(failure),
        };
        if found.is_err() {
            looker.session = None;
        }
        self.note(found, looker.opened)
    }

    async fn session<'a>(&self, looker: &'a mut Looker) -> Result<&'a Client, DatabaseError> {
        let is_old = looker.opened.is_none_or(|opened| opened.elapsed() >= self.session_age_max);
        let is_there = looker.session.as_ref().is_some_and(|session| !session.is_closed());
        if is_old || !is_there {
            let opened = Moment::now();
            match self.sessions.open().await {
                Ok(session) => (looker.session, looker.opened) = (Some(session), Some(opened)),
                // It tells more than nothing: users may have taken every connection that the server grants.
                Err(_) if is_there => {}
                Err(failure) => {
                    looker.opened = Some(opened);
                    return Err(failure);
                }
            }
        }
        looker.session.as_ref().ok_or(DatabaseError::TooSlow)
    }

    fn note(&self, found: Result<HeartbeatRow, DatabaseError>, connected: Option<Moment>) -> Result<(), DatabaseError> {
        let mut newest = self.newest.lock().expect("nobody panics with it");
        newest.failure = found.clone().err();
        match found {
            Ok(found) => {
                newest.has_table = found != HeartbeatRow::NoTable;
                newest.connected = connected;
                let heartbeat = if let HeartbeatRow::Heartbeat(heartbeat) = found { Some(heartbeat) } else { None };
                if newest.heartbeat != heartbeat {
                    newest.heartbeat = heartbeat;
                    newest.changed = Moment::now();
                }
                self.trouble.has_ended("PostgreSQL is reached");
                Ok(())
            }
            Err(failure) => {
                self.trouble.holds(failure.level(), format!("{failure} (server {})", self.sessions.address));
                Err(failure)
            }
        }
    }

    async fn count_outbox(&self, looker: &mut Looker) {
        let Some(session) = looker.session.as_ref() else { return };
        let count = session.query_one(include_str!("../../sql/count_outbox.sql"), &[&(OUTBOX_COUNTED_MAX + 1)]);
        let count = match timeout(self.sessions.statement_limit, count).await {
            Ok(Ok(row)) => row.try_get(0).ok(),
            Ok(Err(_)) => None,
            Err(_) => {
                looker.session = None;
                None
            }
        };
        self.newest.lock().expect("nobody panics with it").outbox = count;
    }
}

impl Newest {
    fn is(&self, generation: Option<Name>) -> bool {
        self.heartbeat.map(|heartbeat| heartbeat.generation) == generation
    }
}

/// What a look at the row found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeartbeatRow {
    NoTable,
    NoRow,
    Heartbeat(Heartbeat),
}

async fn look_on(session: &Client) -> Result<HeartbeatRow, DatabaseError> {
    match session.query_opt(include_str!("../../sql/read_heartbeat.sql"), &[]).await.map_err(DatabaseError::from) {
        Ok(None) => Ok(HeartbeatRow::NoRow),
        Ok(Some(row)) => {
            let (generation, number): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
            let number = u64::try_from(number).unwrap_or_default();
            let heartbeat = |generation| HeartbeatRow::Heartbeat(Heartbeat { generation, number });
            Ok(Name::parse(generation).map_or(HeartbeatRow::NoRow, heartbeat))
        }
        // Nothing else tells then that this is a standby.
        Err(DatabaseError::NoTable(_)) => {
            let row = session.query_one("select pg_catalog.pg_is_in_recovery()", &[]).await?;
            if row.try_get(0)? { Err(DatabaseError::Standby) } else { Ok(HeartbeatRow::NoTable) }
        }
        Err(failure) => Err(failure),
    }
}
