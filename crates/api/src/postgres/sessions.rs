//! Opens sessions with PostgreSQL, for the pool and for what looks at the heartbeat row and the outbox.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use common::postgres::verify;
use common::settings::Postgres;
use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{CancelToken, Client, Config, Error, NoTls};

use crate::postgres::database_error::DatabaseError;

/// Name of our sessions in `pg_stat_activity`.
const PROGRAM: &str = "api";

/// The server ends a statement at its timeout and says so; only where that doesn't arrive in this time more is the
/// connection given up.
const GRACE: Duration = Duration::from_millis(250);

/// How long a read stands in the queue for a lock on a table, which only somebody's DDL or TRUNCATE makes it do. Below the
/// `deadlock_timeout` of PostgreSQL (1 s): a user who locks one table and then the other, as a reload of both does, while
/// a read has the second and waits for the first, would else be the one whose statement is ended.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(750);

/// How to connect, and how long that and a statement may take.
#[derive(Clone)]
pub(crate) struct Sessions {
    config: Config,
    /// `host:port`, for the log.
    pub(crate) address: String,
    /// For opening a session, each of its round trips included.
    pub(crate) open_limit: Duration,
    /// For one statement, by our clock.
    pub(crate) statement_limit: Duration,
}

impl Sessions {
    pub(crate) fn new(settings: &Postgres) -> Self {
        let limit = settings.statement_timeout;
        Self {
            config: common::postgres::config(settings, PROGRAM, limit, limit.min(LOCK_WAIT_MAX)),
            address: format!("{}:{}", settings.host, settings.port),
            open_limit: settings.connect_timeout,
            statement_limit: limit + GRACE,
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Opens a session that is as we need it.
    pub(crate) async fn open(&self) -> Result<Client, DatabaseError> {
        let open = async {
            let (client, _driver) = Quietly.connect(&self.config).await?;
            verify(&client).await?;
            Ok(client)
        };
        timeout(self.open_limit, open).await.unwrap_or(Err(DatabaseError::TooSlow))
    }

    /// Asks the server to end what a session does, beside the caller, who doesn't wait.
    pub(crate) fn cancel(&self, session: CancelToken) {
        let limit = self.open_limit;
        tokio::spawn(async move { drop(timeout(limit, session.cancel_query(NoTls)).await) });
    }
}

/// Whether the server of this session is a standby.
pub(crate) async fn is_standby(session: &Client) -> Result<bool, DatabaseError> {
    let row = session.query_one("select pg_catalog.pg_is_in_recovery()", &[]).await?;
    Ok(row.try_get(0)?)
}

/// The pool's own way to connect writes a line for each connection that breaks; we say once that PostgreSQL is away.
pub(crate) struct Quietly;

impl Connect for Quietly {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        let config = config.clone();
        Box::pin(async move {
            let (client, connection) = config.connect(NoTls).await?;
            Ok((client, tokio::spawn(async { drop(connection.await) })))
        })
    }
}
