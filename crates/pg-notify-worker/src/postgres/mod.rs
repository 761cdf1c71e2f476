//! PostgreSQL: the one connection that a term stands on, what must be there first, and the upkeep of the capture.

pub(crate) mod capture_check; // Is the capture complete, and as it was? Mends it.
pub(crate) mod migrate; // Our schema and its history.
pub(crate) mod notifications; // What PostgreSQL sends unasked.
pub(crate) mod prepare; // All that must be there before anything is relayed.
pub(crate) mod sample_data; // The cities that ship.
pub(crate) mod session; // The connection.
pub(crate) mod system_columns; // PostgreSQL's names of a row and of a transaction.
