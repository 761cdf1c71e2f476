//! Why a leader's term ends: each variant is what is done next.

use std::time::Duration;

use common::postgres::{UnfitSession, describe};
use tokio_postgres::error::SqlState;

/// Between two tries where somebody has to change something: a standby that is to be promoted, a dump that is being
/// restored. Below 5 s, so that all is right within 5 s after that, the start of a term included.
pub(crate) const REFUSED_INTERVAL: Duration = Duration::from_secs(3);

/// Why a term ended, or could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TermEnd {
    /// Somebody has to put something right; asked again every few seconds.
    #[error("{0}")]
    Refused(String),
    /// The connection is lost, or a statement failed on it: a new one.
    #[error(transparent)]
    ConnectionLost(#[from] ConnectionLost),
    /// Kafka acknowledged nothing for so long that another worker may do better.
    #[error("nothing could be published for {} s, so another worker may lead", .0.as_secs())]
    NothingPublished(Duration),
}

/// Why a connection to PostgreSQL is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionLost {
    /// PostgreSQL, or the way to it, says why.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The connection had ended; PostgreSQL's last words.
    #[error("{0}")]
    Closed(String),
    /// A statement took too long. It was cancelled.
    #[error("PostgreSQL did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl ConnectionLost {
    /// What PostgreSQL said, where it was a statement that failed.
    pub(crate) fn sql_state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Closed(_) | Self::Timeout(_) => None,
        }
    }

    /// Whether the same statement would fail on a new connection as well: a missing right, a changed table. Classes 08,
    /// 53, 57 and 58 are about connections, resources, operators and the system.
    pub(crate) fn is_lasting(&self) -> bool {
        let state = self.sql_state().filter(|state| !is_passing(state));
        let class = state.and_then(|state| state.code().get(..2));
        class.is_some_and(|class| !["08", "53", "57", "58"].contains(&class))
    }
}

/// Whether the same statement may well succeed soon: somebody has locked a table, for a dump that is being restored.
pub(crate) fn is_passing(code: &SqlState) -> bool {
    [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::QUERY_CANCELED].contains(code)
}

impl From<UnfitSession> for TermEnd {
    fn from(unfit: UnfitSession) -> Self {
        match unfit {
            UnfitSession::Postgres(error) => Self::ConnectionLost(ConnectionLost::Postgres(error)),
            UnfitSession::Pooler => Self::Refused(unfit.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ConnectionLost;

    #[test]
    fn a_connection_that_ended_or_took_too_long_does_not_last() {
        assert!(!ConnectionLost::Closed("the database system is shutting down".to_owned()).is_lasting());
        assert!(!ConnectionLost::Timeout(Duration::from_secs(3)).is_lasting());
    }
}
