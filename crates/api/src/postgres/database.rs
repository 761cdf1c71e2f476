//! Reads PostgreSQL: a limited number of statements at once, each with the generation that vouches for it.

use std::sync::Arc;
use std::time::Duration;

use common::log_once::LogOnce;
use common::postgres::{UnfitSession, verify};
use common::shutdown::Shutdown;
use deadpool_postgres::{
    Client, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio::time::{MissedTickBehavior, interval};

use crate::deadline::Deadline;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::primary_watch::PrimaryWatch;
use crate::postgres::sessions::{Quietly, Sessions};
use crate::postgres::unreadable_codes::UnreadableCodes;
use crate::postgres::vouched_query::{StatementStart, VouchedQuery, VouchedRow};

/// How long a read waits for one of the pool's connections. Who would wait longer is told to come again: more waiting
/// wouldn't make PostgreSQL faster.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Between two questions while PostgreSQL refuses: /readyz and /status are right again this long after at most, twice.
const ASK_AGAIN_PAUSE: Duration = Duration::from_secs(1);

/// No city has this code: what PostgreSQL answers about it depends on tables, columns and rights, and on no row.
const NO_CODE: &str = "";

/// The pool.
pub(crate) struct Database {
    query: VouchedQuery,
    pool: Pool,
    sessions: Sessions,
    primary: Arc<PrimaryWatch>,
    refusal: LogOnce,
    unreadable: UnreadableCodes,
}

impl Database {
    /// `pool_size` connections at most, and as many statements at once.
    pub(crate) fn new(query: VouchedQuery, sessions: Sessions, pool_size: usize, primary: Arc<PrimaryWatch>) -> Self {
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(sessions.config().clone(), Quietly, manager);
        let pool = Pool::builder(manager)
            .max_size(pool_size)
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(|client, _| Box::pin(async move { verify(client).await.map_err(hook_error) })))
            // Dropped here without a line for each; the pool's own check would write one.
            .pre_recycle(Hook::sync_fn(
                |client, _| {
                    if client.is_closed() { Err(HookError::message("closed")) } else { Ok(()) }
                },
            ))
            .build()
            .expect("a runtime is given");
        Self {
            query,
            pool,
            sessions,
            primary,
            refusal: LogOnce::for_requests(),
            unreadable: UnreadableCodes::default(),
        }
    }

    /// Reads `code` before `deadline`, on a connection to the server that the latest look at the heartbeat row saw.
    pub(crate) async fn read(
        &self,
        code: &str,
        deadline: Deadline,
        start: &StatementStart,
    ) -> Result<VouchedRow, DatabaseError> {
        let mut read = self.read_primary(code, deadline, start).await;
        if let Err(DatabaseError::Refused(why)) = read {
            // Where PostgreSQL answers the same question about no code, it stumbles over this one's data.
            let is_of_the_data = !self.refuses() && self.read_primary(NO_CODE, deadline, start).await.is_ok();
            read = Err(if is_of_the_data { DatabaseError::Unreadable(why) } else { DatabaseError::Refused(why) });
        }
        self.note(code, &read);
        read
    }

    /// Asks again while PostgreSQL refuses, until the program stops: an api that isn't ready may get no more requests,
    /// and wouldn't see that it was put right.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let mut ticks = interval(ASK_AGAIN_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.refuses() {
                let deadline =
                    Deadline::after(SLOT_WAIT_MAX + self.sessions.open_limit + self.sessions.statement_limit);
                self.note(NO_CODE, &self.read_primary(NO_CODE, deadline, &StatementStart::default()).await);
            }
        }
    }

    /// Whether PostgreSQL answers, but refuses to answer about cities.
    pub(crate) fn refuses(&self) -> bool {
        self.refusal.lasts()
    }

    /// For how long it has refused, where it does.
    pub(crate) fn refuses_for(&self) -> Option<Duration> {
        self.refusal.lasts_for()
    }

    /// The codes whose data could not be read lately.
    pub(crate) fn unreadable(&self) -> &UnreadableCodes {
        &self.unreadable
    }

    /// That it is away or a standby is for the looks at the heartbeat row to say, and said once by them.
    fn note<T>(&self, code: &str, read: &Result<T, DatabaseError>) {
        match read {
            Ok(_) => {
                self.refusal.has_ended("PostgreSQL answers about cities again");
                self.unreadable.has_ended(code);
            }
            Err(error @ (DatabaseError::Busy | DatabaseError::NoTable(_) | DatabaseError::Refused(_))) => {
                self.refusal.holds(error.level(), format!("cities can't be read: {error}"));
            }
            Err(error @ DatabaseError::Unreadable(_)) => self.unreadable.holds(code, error),
            Err(error) => log::debug!("{error}"),
        }
    }

    /// Where the generation beside the answer isn't that of the latest look, also of a fresh one, the connection leads to
    /// a replaced primary: it is closed and the read repeated once. So it is where the connection broke.
    async fn read_primary(
        &self,
        code: &str,
        deadline: Deadline,
        start: &StatementStart,
    ) -> Result<VouchedRow, DatabaseError> {
        match self.read_pooled(code, deadline, start).await {
            Ok((connection, row)) => {
                if self.primary.is_latest(row.generation, deadline).await? {
                    return Ok(row);
                }
                drop(Object::take(connection));
            }
            Err(error) if error.is_of_the_connection() => {}
            Err(error) => return Err(error),
        }
        // On a new connection: the idle ones lead where the one did that has just been closed.
        self.pool.retain(|_, _| false);
        self.read_pooled(code, deadline, start).await.map(|(_, row)| row)
    }

    /// One statement on one of the pool's connections, which comes with the row.
    async fn read_pooled(
        &self,
        code: &str,
        deadline: Deadline,
        start: &StatementStart,
    ) -> Result<(Client, VouchedRow), DatabaseError> {
        let connection = self.connection(deadline).await?;
        let read = self.query.read(&connection, self.primary.has_table(), code, start);
        match deadline.wait_at_most(self.sessions.statement_limit, read).await {
            Ok(Ok(row)) => Ok((connection, row)),
            Ok(Err(error)) => {
                if error.is_of_the_connection() {
                    drop(Object::take(connection));
                }
                Err(error)
            }
            Err(_) => {
                self.sessions.cancel(connection.cancel_token());
                drop(Object::take(connection));
                Err(DatabaseError::TooSlow)
            }
        }
    }

    /// One of the pool's connections. The pool limits the wait and the connecting, not the check of a new connection.
    async fn connection(&self, deadline: Deadline) -> Result<Client, DatabaseError> {
        let limits = Timeouts {
            wait: Some(deadline.at_most(SLOT_WAIT_MAX)),
            create: Some(deadline.at_most(self.sessions.open_limit)),
            recycle: None, // It asks nothing of the server.
        };
        let connection = self.pool.timeout_get(&limits);
        Ok(deadline.wait_at_most(SLOT_WAIT_MAX + self.sessions.open_limit, connection).await??)
    }
}

fn hook_error(unfit: UnfitSession) -> HookError {
    match unfit {
        UnfitSession::Postgres(error) => HookError::Backend(error),
        UnfitSession::Pooler => HookError::message(unfit.to_string()),
    }
}
