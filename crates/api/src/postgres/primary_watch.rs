//! Looks at the heartbeat row again and again: which generation vouches for the primary, and does its number go on?

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::heartbeat::Heartbeat;
use common::log_once::LogOnce;
use common::random_name::Name;
use common::shutdown::Shutdown;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::Client;

use crate::clock::Moment;
use crate::deadline::Deadline;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::heartbeat_row::HeartbeatRow;
use crate::postgres::sessions::Sessions;

/// Least time between two looks on new connections, whatever happens: a connection costs PostgreSQL a process. One that
/// is younger still leads to what was the primary a moment ago, so further looks go over it.
const LOOK_AGAIN_PAUSE: Duration = Duration::from_millis(250);

/// What the looks have found.
pub(crate) struct PrimaryWatch {
    sessions: Sessions,
    /// A look finds an older connection replaced by a new one: where Redis is away no state shows another generation, and
    /// a replaced primary that its relay has not left would be believed for ever.
    session_age_max: Duration,
    looks: tokio::sync::Mutex<LookSession>,
    latest: Mutex<LatestLook>,
    trouble: LogOnce,
}

/// What looks: one at a time, on a connection of its own, so that a busy pool doesn't delay it.
#[derive(Default)]
struct LookSession {
    session: Option<Client>,
    opened: Option<Moment>,
    /// When the last look began.
    looked: Option<Moment>,
}

/// The latest look.
#[derive(Clone)]
pub(crate) struct LatestLook {
    /// Whether there is a table for it; without one, no worker was here yet.
    pub(crate) has_table: bool,
    /// The row, if there was a valid one.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// When a look first found it as it is.
    pub(crate) changed: Moment,
    /// Why the look found nothing, if so; the row is then what an earlier one found.
    pub(crate) failure: Option<DatabaseError>,
    /// Since when looks have found nothing or something, whichever it is now.
    pub(crate) failure_changed: Moment,
    /// When the connection that it was read on was begun: it leads to what was the primary then.
    connected: Option<Moment>,
}

impl PrimaryWatch {
    /// Looks on sessions that are no older than `session_age_max`.
    pub(crate) fn new(sessions: Sessions, session_age_max: Duration) -> Self {
        let latest = LatestLook {
            has_table: true,
            heartbeat: None,
            changed: Moment::now(),
            failure: Some(DatabaseError::Unreachable("nobody has tried yet".to_owned())),
            failure_changed: Moment::now(),
            connected: None,
        };
        Self {
            sessions,
            session_age_max,
            looks: tokio::sync::Mutex::default(),
            latest: Mutex::new(latest),
            trouble: LogOnce::for_requests(),
        }
    }

    /// `host:port` of the server.
    pub(crate) fn address(&self) -> &str {
        &self.sessions.address
    }

    /// Whether the latest look found the heartbeat's table.
    pub(crate) fn has_table(&self) -> bool {
        self.has_found(|latest| latest.has_table)
    }

    /// The latest look.
    pub(crate) fn latest(&self) -> LatestLook {
        self.latest.lock().expect("nobody panics with it").clone()
    }

    fn has_found(&self, what: impl Fn(&LatestLook) -> bool) -> bool {
        what(&self.latest.lock().expect("nobody panics with it"))
    }

    /// Whether `generation` is what the latest look found; no row is a finding too. Before it says no it looks again, on a
    /// connection that is new or nearly so.
    pub(crate) async fn is_latest(
        self: &Arc<Self>,
        generation: Option<Name>,
        deadline: Deadline,
    ) -> Result<bool, DatabaseError> {
        self.look_again_unless(|latest| latest.is(generation), deadline).await?;
        Ok(self.has_found(|latest| latest.is(generation)))
    }

    /// The same about the generation of a shard whose epoch was first seen at `reset`: a look on an older connection
    /// tells nothing. Where a primary was replaced and its relay goes on, the two reset the shard by turns, and each time
    /// that a reader sees its state it may be of the generation that the old connections show.
    pub(crate) async fn is_latest_since(
        self: &Arc<Self>,
        reset: Moment,
        generation: Name,
        deadline: Deadline,
    ) -> Result<bool, DatabaseError> {
        let generation = Some(generation);
        self.look_again_unless(|latest| latest.is(generation) && latest.connected >= Some(reset), deadline).await?;
        Ok(self.has_found(|latest| latest.is(generation)))
    }

    async fn look_again_unless(
        self: &Arc<Self>,
        is_enough: impl Fn(&LatestLook) -> bool,
        deadline: Deadline,
    ) -> Result<(), DatabaseError> {
        if self.has_found(is_enough) {
            return Ok(());
        }
        // In a task of its own: one look answers many requests, so it doesn't end with the first that can't wait for it.
        let look = tokio::spawn(Arc::clone(self).look_for(Moment::now()));
        deadline.wait(look).await?.map_err(|error| DatabaseError::Unreachable(error.to_string()))?
    }

    /// Looks for whoever `asked`, unless a look has been made since then, on a connection that is young enough.
    async fn look_for(self: Arc<Self>, asked: Moment) -> Result<(), DatabaseError> {
        let mut looks = self.looks.lock().await;
        let is_young = looks.opened.is_some_and(|opened| opened >= asked || opened.elapsed() < LOOK_AGAIN_PAUSE);
        // One look answers all who asked before it began, however long it took.
        if is_young && (looks.session.is_none() || looks.looked >= Some(asked)) {
            return Ok(());
        }
        if !is_young {
            looks.session = None;
        }
        self.look(&mut looks).await
    }

    /// Looks every `pause` until the program stops.
    pub(crate) async fn watch(self: Arc<Self>, pause: Duration, shutdown: Shutdown) {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            // Its failure is noted and said there.
            let _ = self.look(&mut *self.looks.lock().await).await;
        }
    }

    async fn look(&self, looks: &mut LookSession) -> Result<(), DatabaseError> {
        looks.looked = Some(Moment::now());
        let found = match self.session(looks).await {
            Ok(session) => {
                let look = HeartbeatRow::read(session);
                timeout(self.sessions.statement_limit, look).await.unwrap_or(Err(DatabaseError::TooSlow))
            }
            Err(failure) => Err(failure),
        };
        if found.is_err() {
            looks.session = None;
        }
        self.note(found, looks.opened)
    }

    async fn session<'a>(&self, looks: &'a mut LookSession) -> Result<&'a Client, DatabaseError> {
        let is_old = looks.opened.is_none_or(|opened| opened.elapsed() >= self.session_age_max);
        let is_there = looks.session.as_ref().is_some_and(|session| !session.is_closed());
        if is_old || !is_there {
            let opened = Moment::now();
            match self.sessions.open().await {
                Ok(session) => (looks.session, looks.opened) = (Some(session), Some(opened)),
                // It tells more than nothing: users may have taken every connection that the server grants.
                Err(_) if is_there => {}
                Err(failure) => {
                    looks.opened = Some(opened);
                    return Err(failure);
                }
            }
        }
        looks.session.as_ref().ok_or(DatabaseError::TooSlow)
    }

    fn note(&self, found: Result<HeartbeatRow, DatabaseError>, connected: Option<Moment>) -> Result<(), DatabaseError> {
        let mut latest = self.latest.lock().expect("nobody panics with it");
        if latest.failure.is_some() != found.is_err() {
            latest.failure_changed = Moment::now();
        }
        latest.failure = found.clone().err();
        match found {
            Ok(found) => {
                latest.has_table = found != HeartbeatRow::NoTable;
                latest.connected = connected;
                if latest.heartbeat != found.heartbeat() {
                    latest.heartbeat = found.heartbeat();
                    latest.changed = Moment::now();
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
}

impl LatestLook {
    fn is(&self, generation: Option<Name>) -> bool {
        self.heartbeat.map(|heartbeat| heartbeat.generation) == generation
    }
}
