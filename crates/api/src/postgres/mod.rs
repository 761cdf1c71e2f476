//! PostgreSQL: statements, sessions, and which server is the primary that the relay serves.

pub(crate) mod database; // The pool: reads a code on a connection to the primary.
pub(crate) mod database_error; // Why there is no answer.
pub(crate) mod heartbeat_row; // One look at the heartbeat row.
pub(crate) mod outbox_watch; // How many changes wait for the relay.
pub(crate) mod primary_watch; // Looks at it again and again.
pub(crate) mod sessions; // How a session is opened.
pub(crate) mod unreadable_codes; // Codes whose data can't be read.
pub(crate) mod vouched_query; // One statement with the generation that vouches for it.
