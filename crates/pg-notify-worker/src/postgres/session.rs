//! One connection to PostgreSQL: the lock, the reads and the notifications of a term stand and fall together on it.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use common::postgres::{self, describe};
use common::settings::Postgres;
use common::settings::limits::LEADER_SILENCE_MAX;
use tokio::time::timeout;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Row, Socket, Statement, ToStatement};
use tokio_util::task::AbortOnDropHandle;

use crate::postgres::notifications::Notifications;
use crate::term_end::{ConnectionLost, TermEnd};

/// Limit for one of our statements, all of which take milliseconds, before the connection is given up.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);

/// What PostgreSQL itself cancels: longer, since it also covers loading the data of a new installation.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long our DDL may stand in the queue for a table, where every later writer stands behind it.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// Limit for telling PostgreSQL to cancel what took too long.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// A connection, and what arrived on it unasked.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) notifications: Arc<Notifications>,
    _driver: AbortOnDropHandle<()>,
}

impl Session {
    /// Connects, and makes sure that the session is what was asked for.
    pub(crate) async fn open(settings: &Postgres) -> Result<Self, TermEnd> {
        let mut config = postgres::config(settings, "pg-notify-worker", STATEMENT_TIMEOUT, LOCK_TIMEOUT);
        let idle = LEADER_SILENCE_MAX.as_millis();
        let options = [
            config.get_options().unwrap_or_default(),
            &format!("-c idle_session_timeout={idle} -c idle_in_transaction_session_timeout={idle}"),
            // The outbox is empty when it is planned for and may hold hundreds of thousands of dead rows later: always
            // by the index, never planned again.
            "-c enable_seqscan=off -c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan",
        ]
        .join(" ");
        config.options(options);
        let (client, connection) = timeout(settings.connect_timeout, config.connect(NoTls))
            .await
            .map_err(|_elapsed| ConnectionLost::Timeout(settings.connect_timeout))?
            .map_err(ConnectionLost::Postgres)?;
        let notifications = Arc::new(Notifications::default());
        let driver = AbortOnDropHandle::new(tokio::spawn(drive(connection, Arc::clone(&notifications))));
        let session = Self { client, notifications, _driver: driver };
        timeout(STATEMENT_LIMIT, postgres::verify(&session.client))
            .await
            .map_err(|_elapsed| ConnectionLost::Timeout(STATEMENT_LIMIT))??;
        Ok(session)
    }

    /// All rows of one statement.
    pub(crate) async fn query<S>(
        &self,
        statement: &S,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, ConnectionLost>
    where
        S: ToStatement + ?Sized,
    {
        self.within(self.client.query(statement, parameters)).await
    }

    /// The one row of a statement.
    pub(crate) async fn query_one<S>(
        &self,
        statement: &S,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, ConnectionLost>
    where
        S: ToStatement + ?Sized,
    {
        self.within(self.client.query_one(statement, parameters)).await
    }

    /// The row of a statement, if there is one.
    pub(crate) async fn query_opt<S>(
        &self,
        statement: &S,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, ConnectionLost>
    where
        S: ToStatement + ?Sized,
    {
        self.within(self.client.query_opt(statement, parameters)).await
    }

    /// How many rows a statement changed.
    pub(crate) async fn execute<S>(
        &self,
        statement: &S,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, ConnectionLost>
    where
        S: ToStatement + ?Sized,
    {
        self.within(self.client.execute(statement, parameters)).await
    }

    /// Prepares a statement.
    pub(crate) async fn prepare(&self, statement: &str) -> Result<Statement, ConnectionLost> {
        self.within(self.client.prepare(statement)).await
    }

    /// Tries for an advisory lock of this session (bigint form), and never waits for it: a blocked `pg_advisory_lock`
    /// holds a snapshot that a user's CREATE INDEX CONCURRENTLY waits for.
    pub(crate) async fn try_lock(&self, lock: i64) -> Result<bool, ConnectionLost> {
        Ok(self.query_one("select pg_try_advisory_lock($1)", &[&lock]).await?.get(0))
    }

    /// Gives it back.
    pub(crate) async fn unlock(&self, lock: i64) -> Result<(), ConnectionLost> {
        self.execute("select pg_advisory_unlock($1)", &[&lock]).await.map(drop)
    }

    /// Waits for a statement, but not for ever: after [`STATEMENT_LIMIT`] it is cancelled, and the session is lost.
    async fn within<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, ConnectionLost> {
        match timeout(STATEMENT_LIMIT, statement).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => match self.notifications.last_words() {
                Some(words) if error.is_closed() => Err(ConnectionLost::Closed(words)),
                _ => Err(ConnectionLost::Postgres(error)),
            },
            Err(_elapsed) => {
                // Whether it worked doesn't matter: PostgreSQL's own timeouts end it too.
                let _ = timeout(CANCEL_LIMIT, self.client.cancel_token().cancel_query(NoTls)).await;
                Err(ConnectionLost::Timeout(STATEMENT_LIMIT))
            }
        }
    }
}

/// Moves the connection's bytes until it ends, and puts what PostgreSQL sends unasked into the notifications.
async fn drive(mut connection: Connection<Socket, NoTlsStream>, notifications: Arc<Notifications>) {
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notification(notification)) => notifications.put(notification.payload()),
            Ok(_) => {} // Notices: "schema exists already" and the like.
            Err(error) => {
                notifications.put_last_words(describe(&error));
                return;
            }
        }
    }
    notifications.wake();
}
