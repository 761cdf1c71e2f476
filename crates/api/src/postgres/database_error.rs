//! Why PostgreSQL gave no answer: each variant is a decision about the connection, the log and the client.

use common::postgres::{UnfitSession, describe};
use deadpool_postgres::{HookError, PoolError, TimeoutType};
use log::Level;
use tokio::time::error::Elapsed;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why PostgreSQL gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// All connections are in use, and none became free in time.
    #[error("no connection to PostgreSQL became free in time; DB_POOL_SIZE of them are in use")]
    Busy,
    /// No connection, or it broke.
    #[error("PostgreSQL can't be reached: {0}")]
    Unreachable(String),
    /// The statement, or the way to it, took longer than it may.
    #[error("PostgreSQL did not answer in time")]
    TooSlow,
    /// It answers, but isn't the primary: what it holds may be old.
    #[error("PostgreSQL is a standby; the api reads the primary only")]
    Standby,
    /// A table is missing; whose it is tells the statement.
    #[error("{0}")]
    NoTable(String),
    /// It answers, and refuses: a column, a right, a pooler in between.
    #[error("{0}")]
    Refused(String),
    /// It would answer about other codes: a value of this one can't be read or computed.
    #[error("{0}")]
    Unreadable(String),
}

impl DatabaseError {
    /// What is away comes back by itself; what refuses needs somebody who acts.
    pub(crate) fn level(&self) -> Level {
        match self {
            Self::Busy | Self::Unreachable(_) | Self::TooSlow => Level::Warn,
            Self::Standby | Self::NoTable(_) | Self::Refused(_) | Self::Unreadable(_) => Level::Error,
        }
    }

    /// Whether another connection may do better: this one broke, or leads to what was the primary once.
    pub(crate) fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Standby)
    }
}

impl From<Error> for DatabaseError {
    fn from(error: Error) -> Self {
        let Some(code) = error.code() else { return Self::Unreachable(describe(&error)) };
        match code.clone() {
            // Locks that somebody's DDL holds are given back, and a deadlock with it is over with this statement.
            SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED => Self::TooSlow,
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME => Self::NoTable(describe(&error)),
            // The statement that this session had prepared is gone, so the session isn't ours any more.
            SqlState::INVALID_SQL_STATEMENT_NAME => Self::Unreachable(describe(&error)),
            // A pooler that doesn't know our start-up parameters.
            SqlState::PROTOCOL_VIOLATION => Self::Refused(describe(&error)),
            // Operator intervention (a shutdown, for instance) and connection exceptions.
            code if code.code().starts_with("57P") || code.code().starts_with("08") => {
                Self::Unreachable(describe(&error))
            }
            // Data exceptions: bytes that are no text, a number that doesn't fit, a division by zero in a view.
            code if code.code().starts_with("22") => Self::Unreadable(describe(&error)),
            _ => Self::Refused(describe(&error)),
        }
    }
}

impl From<Elapsed> for DatabaseError {
    fn from(_: Elapsed) -> Self {
        Self::TooSlow
    }
}

impl From<UnfitSession> for DatabaseError {
    fn from(unfit: UnfitSession) -> Self {
        match unfit {
            UnfitSession::Postgres(error) => error.into(),
            UnfitSession::Pooler => Self::Refused(unfit.to_string()),
        }
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy,
            PoolError::Timeout(_) => Self::TooSlow,
            PoolError::PostCreateHook(HookError::Message(why)) => Self::Refused(why.into_owned()),
            PoolError::Closed | PoolError::NoRuntimeSpecified => Self::Unreachable(error.to_string()),
        }
    }
}
