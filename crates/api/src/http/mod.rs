//! HTTP: the server, its routes, and errors as clients see them.

pub mod server; // Listens, serves, drains.

pub(crate) mod open_file_limit; // Each connection is an open file.

mod connection; // Between socket and parser: one request at a time, and a document for what is none.

pub(crate) mod routes; // Which path is answered by what.

pub(crate) mod conditional; // If-Match and the like: which answer an image's version makes of them.
pub(crate) mod presentation; // What a browser may do with an object of the store.

pub(crate) mod problem; // Errors as RFC 9457 has them.
