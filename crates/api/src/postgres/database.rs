//! Reads PostgreSQL: a limited number of statements at once, each with the generation that vouches for it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::postgres::{UnfitSession, verify};
use common::random::Name;
use common::shutdown::Shutdown;
use deadpool_postgres::{Client, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::Row;

use crate::clock::Moment;
use crate::postgres::database_error::DatabaseError;
use crate::postgres::heartbeat_watch::HeartbeatWatch;
use crate::postgres::sessions::{Quietly, Sessions};
use common::log_once::LogOnce;

/// How long a read waits for one of the pool's connections. Who would wait longer is told to come again: more waiting
/// wouldn't make PostgreSQL faster.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Between two questions while PostgreSQL refuses: /readyz is right again this long after at most, twice.
const ASK_AGAIN_PAUSE: Duration = Duration::from_secs(1);

/// A statement that answers in one row about one code, and how it is asked with its generation.
pub(crate) struct Question {
    vouched: String,
    unvouched: String,
}

/// When a read's statement began, as soon as it has.
#[derive(Default)]
pub(crate) struct Begun(OnceLock<Moment>);

/// One statement's answer.
pub(crate) struct Reading {
    /// The generation in the same snapshot; `None`: nobody vouches for it.
    pub(crate) generation: Option<Name>,
    /// The columns of the question, behind the generation.
    pub(crate) row: Row,
}

/// The pool.
pub(crate) struct Database {
    pool: Pool,
    sessions: Sessions,
    primary: Arc<HeartbeatWatch>,
    refusal: LogOnce,
}

impl Question {
    /// `sql` has one parameter, the code, and always one row.
    pub(crate) fn new(sql: &str) -> Self {
        let generation = include_str!("../../sql/heartbeat_generation.sql");
        Self {
            vouched: format!("select (\n{generation}\n) as generation, answer.* from (\n{sql}\n) as answer"),
            // Without a heartbeat table nothing else tells that this is a standby.
            unvouched: format!(
                "select null as generation, answer.* from (\n{sql}\n) as answer where not pg_catalog.pg_is_in_recovery()"
            ),
        }
    }
}

impl Begun {
    pub(crate) fn mark(&self) {
        // A statement that is repeated began, for whoever wants to join it, when it was first tried.
        self.0.get_or_init(Moment::now);
    }

    /// Whether it has not begun yet, or no longer than `bound` ago.
    pub(crate) fn is_within(&self, bound: Duration) -> bool {
        self.0.get().is_none_or(|begun| begun.elapsed() <= bound)
    }
}

impl Database {
    pub(crate) fn new(sessions: Sessions, pool_size: usize, primary: Arc<HeartbeatWatch>) -> Self {
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(sessions.config().clone(), Quietly, manager);
        let pool = Pool::builder(manager)
            .max_size(pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(SLOT_WAIT_MAX))
            .create_timeout(Some(sessions.open_limit))
            .post_create(Hook::async_fn(|client, _| Box::pin(async move { verify(client).await.map_err(hook_error) })))
            // Dropped here without a line for each; the pool's own check would write one.
            .pre_recycle(Hook::sync_fn(
                |client, _| {
                    if client.is_closed() { Err(HookError::message("closed")) } else { Ok(()) }
                },
            ))
            .build()
            .expect("a runtime is given");
        Self { pool, sessions, primary, refusal: LogOnce::for_requests() }
    }

    /// Asks about `code`, on a connection to the server that the newest look at the heartbeat row saw.
    ///
    /// Where the answer's generation is another one even after a fresh look, the connection leads to a replaced
    /// primary: it is closed and the read repeated once. So it is where the connection broke.
    pub(crate) async fn read(&self, question: &Question, code: &str, begun: &Begun) -> Result<Reading, DatabaseError> {
        let reading = match self.ask(question, code, begun).await {
            Ok((connection, reading)) => {
                if self.primary.is_newest(reading.generation).await? {
                    Ok(reading)
                } else {
                    drop(Object::take(connection));
                    self.ask_anew(question, code, begun).await
                }
            }
            Err(error) if error.is_of_the_connection() => self.ask_anew(question, code, begun).await,
            Err(error) => Err(error),
        };
        self.note(&reading);
        reading
    }

    /// Asks again while PostgreSQL refuses, until the program stops: an api that isn't ready may get no more requests,
    /// and wouldn't see that it was put right.
    pub(crate) async fn watch(&self, question: &Question, shutdown: Shutdown) {
        let mut ticks = interval(ASK_AGAIN_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.refuses() {
                // What comes of it is noted there. No city has this code, so it costs a look at an index.
                let _ = self.read(question, "", &Begun::default()).await;
            }
        }
    }

    /// Whether PostgreSQL answers, but refuses to answer about cities.
    pub(crate) fn refuses(&self) -> bool {
        self.refusal.lasts()
    }

    /// That it is away or a standby is for the looks at the heartbeat row to say, and said once by them.
    fn note(&self, reading: &Result<Reading, DatabaseError>) {
        match reading {
            Ok(_) => self.refusal.has_ended("PostgreSQL answers about cities again"),
            Err(error @ (DatabaseError::Busy | DatabaseError::NoTable(_) | DatabaseError::Refused(_))) => {
                self.refusal.holds(error.level(), format!("cities can't be read: {error}"));
            }
            Err(error) => log::debug!("{error}"),
        }
    }

    /// Asks on a new connection: the idle ones lead where the one did that has just been closed.
    async fn ask_anew(&self, question: &Question, code: &str, begun: &Begun) -> Result<Reading, DatabaseError> {
        self.pool.retain(|_, _| false);
        self.ask(question, code, begun).await.map(|(_, reading)| reading)
    }

    async fn ask(&self, question: &Question, code: &str, begun: &Begun) -> Result<(Client, Reading), DatabaseError> {
        let connection = self.connection().await?;
        let ask = async {
            // Where there is no heartbeat table, no worker was here yet or it was refused: answered, and vouched for
            // by nobody. That the table is gone may show here first.
            if self.primary.has_table() {
                match ask_on(&connection, &question.vouched, code, begun).await {
                    Err(DatabaseError::NoTable(_)) => {}
                    answer => return answer,
                }
            }
            ask_on(&connection, &question.unvouched, code, begun).await
        };
        let asked = timeout(self.sessions.statement_limit, ask).await;
        match asked {
            Ok(Ok(reading)) => Ok((connection, reading)),
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
    async fn connection(&self) -> Result<Client, DatabaseError> {
        let connection = timeout(SLOT_WAIT_MAX + self.sessions.open_limit, self.pool.get()).await;
        Ok(connection.map_err(|_| DatabaseError::TooSlow)??)
    }
}

async fn ask_on(connection: &Client, sql: &str, code: &str, begun: &Begun) -> Result<Reading, DatabaseError> {
    let statement = connection.prepare_cached(sql).await?;
    begun.mark();
    log::debug!("asks PostgreSQL about `{code}`");
    let row = connection.query_opt(&statement, &[&code]).await?.ok_or(DatabaseError::Standby)?;
    let generation: Option<&str> = row.try_get("generation")?;
    Ok(Reading { generation: generation.and_then(Name::parse), row })
}

fn hook_error(unfit: UnfitSession) -> HookError {
    match unfit {
        UnfitSession::Postgres(error) => HookError::Backend(error),
        UnfitSession::Pooler => HookError::message(unfit.to_string()),
    }
}
