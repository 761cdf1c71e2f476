//! The whole decision about one request: the cache if what it holds lives, else PostgreSQL.

use std::sync::Arc;

use crate::Api;
use crate::answer::Answer;
use crate::cities::country_code::CountryCode;
use crate::deadline::Deadline;
use crate::fill;
use crate::http::problem::Problem;
use crate::redis::cache::{Cache, Lookup};

/// Answers for `code` before `deadline`; `cache` is the connection of the thread that serves the request.
pub(crate) async fn read(
    api: &Arc<Api>,
    cache: &Cache,
    code: CountryCode,
    deadline: Deadline,
) -> Result<Answer, Problem> {
    // Where Redis can't be asked, nothing is known about the code's place, and nothing is filled.
    let seen =
        if api.shards.are_away() { None } else { deadline.wait(cache.look(code)).await.ok().and_then(Result::ok) };
    // A value is as good as the epoch that it was filled in: whatever may have been missed gives its shard a new one.
    if let Some(body) = seen.as_ref().and_then(Lookup::living_body) {
        return Ok(Answer { body });
    }
    let work = |start| fill::read(Arc::clone(api), code, seen, deadline, start);
    let read = api.flights.join_or_begin(code, api.bound, deadline, work).await;
    Ok(read.map_err(|_| Problem::DatabaseUnavailable)??)
}
