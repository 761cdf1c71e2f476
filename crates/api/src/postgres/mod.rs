//! PostgreSQL: statements, sessions, and which server is the primary that the relay serves.

pub(crate) mod database; // The pool, and one statement with the generation that vouches for it.
pub(crate) mod database_error; // Why there is no answer.
pub(crate) mod heartbeat_watch; // Looks at the heartbeat row again and again.
pub(crate) mod sessions; // How a session is opened.
