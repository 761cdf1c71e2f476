//! What the states of shards tell about a trial: whether heartbeats go on, and whether anything was emptied.

use harness::{System, eventually, holds};

use crate::HEAL_LIMIT;

/// Places of fields in a state.
const EPOCH: usize = 0;
const NUMBER: usize = 3;

/// The epochs of these shards: another one, and the shard was emptied.
pub(crate) async fn epochs(system: &System, shards: &[usize]) -> Vec<Option<String>> {
    fields(system, EPOCH, shards).await
}

/// Waits until these shards have applied a heartbeat that is younger than the call.
///
/// # Panics
/// If they don't within [`HEAL_LIMIT`].
pub(crate) async fn heartbeats_go_on(system: &System, shards: &[usize]) {
    let newest = system.database.number("select number from cities_cache.heartbeat").await;
    eventually(HEAL_LIMIT, "a younger heartbeat is applied", async || {
        let numbers = fields(system, NUMBER, shards).await;
        let younger = |number: &Option<String>| number.as_ref()?.parse().ok().map(|number: i64| number > newest);
        holds(numbers.iter().all(|number| younger(number) == Some(true)), (newest, numbers))
    })
    .await;
}

/// One field of each state.
async fn fields(system: &System, field: usize, shards: &[usize]) -> Vec<Option<String>> {
    let states = system.states().await.expect("Redis answers");
    shards.iter().map(|shard| Some(states[*shard].as_ref()?.split(' ').nth(field)?.to_owned())).collect()
}
