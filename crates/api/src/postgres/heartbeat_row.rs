//! The heartbeat row, as one look finds it.

use common::heartbeat::Heartbeat;
use common::postgres::describe;
use common::random_name::Name;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use crate::postgres::database_error::DatabaseError;
use crate::postgres::sessions::is_standby;

/// What a look at the row found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeartbeatRow {
    /// No table: no worker was here yet.
    NoTable,
    /// The table, and no row of it that is valid: no relay leads here.
    NoRow,
    Heartbeat(Heartbeat),
}

impl HeartbeatRow {
    /// Looks on `session`.
    pub(crate) async fn read(session: &Client) -> Result<Self, DatabaseError> {
        let error = match session.query_opt(include_str!("../../sql/read_heartbeat.sql"), &[]).await {
            Ok(None) => return Ok(Self::NoRow),
            Ok(Some(row)) => return Self::parse(&row).map_err(|error| DatabaseError::Refused(describe(&error))),
            Err(error) => error,
        };
        let is_unsupported = error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED);
        let failure = DatabaseError::from(error);
        let is_missing = matches!(failure, DatabaseError::NoTable(_));
        // A standby can't read an unlogged table; and without that table nothing else tells that it is a standby.
        if (is_unsupported || is_missing) && is_standby(session).await? {
            return Err(DatabaseError::Standby);
        }
        if is_missing { Ok(Self::NoTable) } else { Err(failure) }
    }

    fn parse(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let (generation, number): (&str, i64) = (row.try_get("generation")?, row.try_get("number")?);
        let number = u64::try_from(number).unwrap_or_default();
        Ok(Name::parse(generation).map_or(Self::NoRow, |generation| Self::Heartbeat(Heartbeat { generation, number })))
    }

    /// The heartbeat, if there is one.
    pub(crate) fn heartbeat(self) -> Option<Heartbeat> {
        if let Self::Heartbeat(heartbeat) = self { Some(heartbeat) } else { None }
    }
}
