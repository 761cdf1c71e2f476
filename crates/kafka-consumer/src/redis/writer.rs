//! The way to Redis: the typed calls of the protocol on one connection, repeated until they are known to be done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use common::keys::Keys;
use common::log_once::LogOnce;
use common::protocol::apply::{self, Applied, Change, StoredState};
use common::protocol::empty;
use common::protocol::state::State;
use common::random_name::Name;
use common::settings;
use common::shard::Shard;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{RedisError, RedisResult};
use log::Level;

use crate::batch::Deletions;

/// Shards that are worked on at once: enough to keep one Redis busy.
pub(crate) const CONCURRENCY: usize = 16;

/// How long a call is repeated: a restart or a failover that takes longer lets another consumer go on meanwhile.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3);

/// First and longest pause between two tries.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Between two looks whether Redis answers again.
const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// Redis can't be reached, or can't be written to, for longer than it is worth waiting with partitions in hand.
///
/// Whether the last call was carried out is unknown; reading the state tells.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Away(#[from] pub(crate) RedisError);

/// The cache in Redis.
pub(crate) struct RedisWriter {
    redis: settings::Redis,
    /// Opened by the first call, and shared by all until one fails: what is applied to several shards at once is one
    /// write and one answer.
    connection: Mutex<Option<Arc<MultiplexedConnection>>>,
    keys: Keys,
    unwritable: LogOnce,
}

impl RedisWriter {
    /// Connects to nothing yet.
    pub(crate) fn new(redis: &settings::Redis, keys: Keys) -> Self {
        Self { redis: redis.clone(), connection: Mutex::default(), keys, unwritable: LogOnce::default() }
    }

    /// How keys are spelled.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Reads a shard's state.
    pub(crate) async fn read(&self, shard: Shard) -> Result<StoredState, Away> {
        self.repeat(async |connection| apply::read_state(connection, &self.keys, shard).await).await
    }

    /// Moves a shard from `seen` to `next` and deletes, in one step.
    pub(crate) async fn apply(
        &self,
        shard: Shard,
        seen: &StoredState,
        next: &State,
        deletions: &Deletions,
    ) -> Result<Applied, Away> {
        let codes: Vec<_> = deletions.codes.iter().cloned().collect();
        let applied = self
            .repeat(async |connection| {
                apply::apply(connection, &self.keys, shard, seen, next, &codes, &deletions.changes).await
            })
            .await?;
        Ok(match applied {
            // An earlier try got through and only its answer was lost, or another consumer did the very same.
            Applied::Other(there) if there == StoredState::of(next) => Applied::Done,
            applied => applied,
        })
    }

    /// Deletes in a shard, and leaves its state alone.
    pub(crate) async fn delete(&self, shard: Shard, deletions: &Deletions) -> Result<(), Away> {
        let codes: Vec<_> = deletions.codes.iter().cloned().collect();
        self.repeat(async |connection| apply::delete(connection, &self.keys, shard, &codes, &deletions.changes).await)
            .await
    }

    /// Gives a shard a new epoch, whatever its state; one that has none is left alone.
    pub(crate) async fn empty(&self, shard: Shard, change: &Change) -> Result<(), Away> {
        // Another epoch at each try: an earlier one may have got through, and was left since.
        self.repeat(async |connection| empty::empty(connection, &self.keys, shard, Name::random(), change).await).await
    }

    /// Says once that Redis can't be written to, until [`RedisWriter::until_writable`] finds that it can; the causes that
    /// later tries meet are other ones, as a rule.
    pub(crate) fn log_unwritable(&self, error: &RedisError, so: &str) {
        if !self.unwritable.lasts() {
            self.unwritable
                .holds(Level::Warn, format!("redis at {} can't be written to ({error}): {so}", self.address()));
        }
    }

    /// Waits until Redis can be written to.
    pub(crate) async fn until_writable(&self) {
        while let Err(error) = self.probe().await {
            self.log_unwritable(&error, "waiting for it");
            tokio::time::sleep(PROBE_PAUSE).await;
        }
        self.unwritable.has_ended(format_args!("redis at {} can be written to again", self.address()));
    }

    fn address(&self) -> String {
        format!("{}:{}", self.redis.host, self.redis.port)
    }

    /// Asks for nothing to be deleted: refused wherever a real deletion would be (a replica, one that is loading, one
    /// that can't save), which a PING is not.
    async fn probe(&self) -> RedisResult<()> {
        self.once(&async |connection: &mut MultiplexedConnection| {
            apply::delete(connection, &self.keys, 0, &[], &[]).await
        })
        .await
    }

    async fn repeat<T>(&self, call: impl AsyncFn(&mut MultiplexedConnection) -> RedisResult<T>) -> Result<T, Away> {
        let deadline = Instant::now() + GIVE_UP_AFTER;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(RETRY_PAUSE.0)
            .with_max_delay(RETRY_PAUSE.1)
            .without_max_times();
        let tries = (|| self.once(&call)).retry(pauses).when(|_| Instant::now() < deadline);
        Ok(tries.notify(|error, _| log::debug!("redis: {error}; trying again")).await?)
    }

    async fn once<T>(&self, call: &impl AsyncFn(&mut MultiplexedConnection) -> RedisResult<T>) -> RedisResult<T> {
        let connection = self.connection().await?;
        let answer = call(&mut MultiplexedConnection::clone(&connection)).await;
        if answer.is_err() {
            // Not used again: it may lead to a server that was demoted, which goes on answering.
            self.held().take_if(|held| Arc::ptr_eq(held, &connection));
        }
        answer
    }

    async fn connection(&self) -> RedisResult<Arc<MultiplexedConnection>> {
        if let Some(connection) = &*self.held() {
            return Ok(Arc::clone(connection));
        }
        // Of several that are opened at once the last one stays; the others end with the calls that have them.
        let connection = Arc::new(common::redis::connect(&self.redis).await?);
        *self.held() = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<MultiplexedConnection>>> {
        // Every change to it is one step, so a panic elsewhere can't have left half of one.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
