//! The whole decision about one request: the cache if what it holds lives, else PostgreSQL.

use std::sync::Arc;

use actix_web::web::Bytes;

use crate::Api;
use crate::cache::{Cache, Seen};
use crate::cities::Code;
use crate::fill;
use crate::problem::Problem;

/// An answer about a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The finished HTTP body; empty: neither table has the code.
    pub(crate) body: Bytes,
}

/// Answers for `code`; `cache` is the connection of the thread that serves the request.
pub(crate) async fn read(api: &Arc<Api>, cache: &Cache, code: Code) -> Result<Answer, Problem> {
    // Where Redis can't be asked, nothing is known about the code's place, and nothing is filled.
    let seen = if api.shards.are_away() { None } else { cache.look(code).await.ok() };
    // A value is as good as the epoch that it was filled in: whatever may have been missed gives its shard a new one.
    if let Some(body) = seen.as_ref().and_then(Seen::living_body) {
        return Ok(Answer { body });
    }
    let work = |begun| fill::read(Arc::clone(api), code, seen, begun);
    let landed = api.flights.join_or_begin(code, api.bound, work).await;
    Ok(landed.map_err(|_| Problem::DatabaseUnavailable)??)
}
