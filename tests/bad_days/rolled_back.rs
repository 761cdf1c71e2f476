//! PostgreSQL put back to what it was before.
