//! An answer about a code, wherever it comes from.

use actix_web::web::Bytes;

/// An answer about a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The finished HTTP body; empty: neither table has the code.
    pub(crate) body: Bytes,
}
