//! Reads a code's place in Redis together with the state of its shard, in one round trip, and changes it by swaps.

use std::time::Duration;

use actix_web::web::Bytes;
use common::keys::Keys;
use common::protocol::state::State;
use common::protocol::swap::{Swapped, release, swap};
use common::protocol::value_or_lease::{Entry, Lease, Value, identity};
use common::redis::shared_connection;
use common::settings::Redis;
use common::shard::Shard;
use deadpool_redis::redis::aio::ConnectionManager;
use deadpool_redis::redis::{RedisResult, cmd, pipe};

use crate::cities::country_code::CountryCode;

/// A way to Redis that many requests share.
///
/// The one that serves hits is made in each thread of the HTTP server and stays there: woken across threads, it would
/// serve about a seventh less.
pub(crate) struct Cache {
    connection: ConnectionManager,
    keys: Keys,
    states: Vec<String>,
}

/// A code's place and its shard's state, as they stood in the same instant.
#[derive(Default)]
pub(crate) struct Lookup {
    entry: Option<Bytes>,
    /// `None`: the shard has no state, so nothing may be filled.
    pub(crate) state: Option<State>,
}

impl Cache {
    /// Connects at the first command, and again whenever the connection is lost.
    pub(crate) fn new(settings: &Redis, keys: Keys) -> Self {
        let connection = shared_connection(settings).expect("a host and a port are an address");
        let states = (0..keys.shards()).map(|shard| keys.state(shard)).collect();
        Self { connection, keys, states }
    }

    /// The shard of a code.
    pub(crate) fn shard_of(&self, code: CountryCode) -> Shard {
        self.keys.shard_of(code.as_str())
    }

    /// Reads a code's place and its shard's state.
    pub(crate) async fn look(&self, code: CountryCode) -> RedisResult<Lookup> {
        let state = &self.states[self.shard_of(code) as usize];
        let mut command = cmd("MGET");
        command.arg(self.keys.code(code.as_str())).arg(state);
        let (entry, state): (Option<Vec<u8>>, Option<Vec<u8>>) =
            command.query_async(&mut self.connection.clone()).await?;
        Ok(Lookup { entry: entry.map(Bytes::from), state: state.as_deref().and_then(parse_state) })
    }

    /// Puts a new lease of the state's epoch in place of what was seen, if that is still there.
    pub(crate) async fn take_lease(
        &self,
        code: CountryCode,
        seen: &Lookup,
        state: &State,
        life: Duration,
    ) -> RedisResult<Option<Lease>> {
        let lease = Lease::new(state.epoch);
        let seen = seen.entry.as_deref().map(identity);
        let key = self.keys.code(code.as_str());
        let swapped = swap(&mut self.connection.clone(), &key, seen, &lease.encode(), life).await?;
        Ok((swapped == Swapped::Done).then_some(lease))
    }

    /// Puts a value in place of the lease, if that is still there; says whether it was.
    pub(crate) async fn fill(
        &self,
        code: CountryCode,
        lease: &Lease,
        value: &[u8],
        life: Duration,
    ) -> RedisResult<bool> {
        let key = self.keys.code(code.as_str());
        let swapped = swap(&mut self.connection.clone(), &key, Some(&lease.encode()), value, life).await?;
        Ok(swapped == Swapped::Done)
    }

    /// Takes the lease away, if it is still there.
    pub(crate) async fn free(&self, code: CountryCode, lease: &Lease) -> RedisResult<()> {
        let key = self.keys.code(code.as_str());
        release(&mut self.connection.clone(), &key, &lease.encode()).await.map(drop)
    }

    /// The state of each shard. Not one MGET for all, since in a cluster each shard's keys are elsewhere; and not GET,
    /// which fails where somebody put a list.
    pub(crate) async fn states(&self) -> RedisResult<Vec<Option<State>>> {
        let mut commands = pipe();
        for state in &self.states {
            commands.cmd("MGET").arg(state);
        }
        let states: Vec<[Option<Vec<u8>>; 1]> = commands.query_async(&mut self.connection.clone()).await?;
        Ok(states.iter().map(|[state]| state.as_deref().and_then(parse_state)).collect())
    }
}

fn parse_state(text: &[u8]) -> Option<State> {
    State::parse(str::from_utf8(text).ok()?)
}

impl Lookup {
    /// The value's body, if there is one that lives: of the same epoch as the shard.
    pub(crate) fn living_body(&self) -> Option<Bytes> {
        match self.living_entry()? {
            Entry::Value(Value { body, .. }) => Some(self.entry.as_ref()?.slice_ref(body)),
            Entry::Lease(_) => None,
        }
    }

    /// Whether somebody is about to fill it.
    pub(crate) fn is_leased(&self) -> bool {
        matches!(self.living_entry(), Some(Entry::Lease(_)))
    }

    fn living_entry(&self) -> Option<Entry<'_>> {
        let entry = Entry::parse(self.entry.as_deref()?)?;
        (entry.epoch() == self.state?.epoch).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;
    use common::protocol::state::State;
    use common::protocol::value_or_lease::Lease;
    use common::random_name::Name;

    use super::Lookup;

    const TAG: &str = "0123456789abcdef";

    fn state() -> State {
        State { epoch: Name::random(), generation: Name::random(), sequence: 1, number: None, offset: 0 }
    }

    fn seen(entry: Vec<u8>, state: Option<State>) -> Lookup {
        Lookup { entry: Some(entry.into()), state }
    }

    #[test]
    fn a_value_of_the_shards_epoch_lives() {
        let state = state();
        let value = Lease::new(state.epoch).value(TAG, b"{}");
        assert_eq!(seen(value, Some(state)).living_body(), Some(Bytes::from_static(b"{}")));
    }

    #[test]
    fn a_value_of_another_epoch_or_beside_no_state_is_dead() {
        let value = Lease::new(Name::random()).value(TAG, b"{}");
        assert_eq!(seen(value.clone(), Some(state())).living_body(), None);
        assert_eq!(seen(value, None).living_body(), None);
    }

    #[test]
    fn only_a_lease_of_the_shards_epoch_is_waited_for() {
        let state = state();
        assert!(seen(Lease::new(state.epoch).encode(), Some(state)).is_leased());
        assert!(!seen(Lease::new(Name::random()).encode(), Some(state)).is_leased());
        assert!(!seen(b"what somebody else wrote".to_vec(), Some(state)).is_leased());
        assert!(!Lookup { entry: None, state: Some(state) }.is_leased());
    }
}
