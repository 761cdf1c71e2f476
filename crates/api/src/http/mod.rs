//! HTTP: the server, its routes, and errors as clients see them.

pub(crate) mod open_file_limit; // Each connection is an open file.
pub(crate) mod problem; // RFC 9457.
pub(crate) mod routes; // Which path is answered by what.
pub mod server; // Listens, serves, drains.
