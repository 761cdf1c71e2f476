//! PostgreSQL: killed, frozen, cut off, absent.
