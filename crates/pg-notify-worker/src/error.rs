//! Why a leader's term ends: each variant is what is done next.

use std::time::Duration;

use common::postgres::{Unfit, describe};

/// Why a term ended, or could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// Somebody has to put something right; asked again every few seconds.
    #[error("{0}")]
    Refused(String),
    /// The connection is lost, or a statement failed on it: a new one.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Kafka acknowledged nothing for so long that another worker may do better.
    #[error("nothing could be published for {} s, so another worker may lead", .0.as_secs())]
    NothingPublished(Duration),
}

/// Why a connection to PostgreSQL is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
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

impl Lost {
    /// What PostgreSQL said, where it was a statement that failed.
    pub(crate) fn sql_state(&self) -> Option<&tokio_postgres::error::SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Closed(_) | Self::Timeout(_) => None,
        }
    }

    /// Whether the same statement would fail on a new connection as well: a missing right, a changed table. Classes 08,
    /// 53, 57 and 58 are about connections, resources, operators and the system.
    pub(crate) fn is_lasting(&self) -> bool {
        let class = self.sql_state().and_then(|state| state.code().get(..2));
        class.is_some_and(|class| !["08", "53", "57", "58"].contains(&class))
    }
}

impl From<Unfit> for Ended {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Postgres(error) => Self::Lost(Lost::Postgres(error)),
            Unfit::Pooler => Self::Refused(unfit.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Lost;

    #[test]
    fn a_connection_that_ended_or_took_too_long_does_not_last() {
        assert!(!Lost::Closed("the database system is shutting down".to_owned()).is_lasting());
        assert!(!Lost::Timeout(Duration::from_secs(3)).is_lasting());
    }
}
