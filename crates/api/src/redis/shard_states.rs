//! Looks at the states of all shards again and again: is Redis there, which shards can hold something, and do changes
//! still arrive in them?

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::log_once::LogOnce;
use common::protocol::state::State;
use common::random_name::Name;
use common::settings::Redis;
use common::shard::Shard;
use common::shutdown::Shutdown;
use log::Level;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Moment;
use crate::redis::cache::Cache;

/// Between two looks: Redis is used again this long after its return at most.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// What the looks have found.
pub(crate) struct ShardStates {
    cache: Arc<Cache>,
    /// `host:port`.
    address: String,
    away: AtomicBool,
    found: Mutex<Vec<SeenState>>,
    /// The epoch that each shard was seen with last, by a look or by a reader, and when that one was seen first.
    epochs: Mutex<HashMap<Shard, (Name, Moment)>>,
    trouble: LogOnce,
}

/// A shard's state, and when a look first found it as it is.
struct SeenState {
    state: Option<State>,
    moved: Moment,
}

/// Shards that have something in common, and for how long the first of them has had it.
pub(crate) struct FailingShards {
    pub(crate) shards: Vec<Shard>,
    pub(crate) longest: Duration,
}

impl ShardStates {
    /// No look has been made yet.
    pub(crate) fn new(cache: Arc<Cache>, settings: &Redis) -> Self {
        Self {
            cache,
            address: format!("{}:{}", settings.host, settings.port),
            away: AtomicBool::new(false),
            found: Mutex::default(),
            epochs: Mutex::default(),
            trouble: LogOnce::for_requests(),
        }
    }

    /// Whether the last look failed: then no request waits for Redis.
    pub(crate) fn are_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// For how long looks have failed, where the last one did.
    pub(crate) fn away_for(&self) -> Option<Duration> {
        self.are_away().then(|| self.trouble.lasts_for().unwrap_or_default())
    }

    /// `host:port` of Redis.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether the last successful look found the state of any shard: the others can hold nothing.
    pub(crate) fn have_state(&self) -> bool {
        self.found.lock().expect("nobody panics with it").iter().any(|found| found.state.is_some())
    }

    /// The shards whose state the last successful look didn't find.
    pub(crate) fn without_state(&self) -> FailingShards {
        self.those(|found| found.state.is_none())
    }

    /// The shards whose state has been the same for longer than `bound`, although each heartbeat moves it on.
    pub(crate) fn standing_still(&self, bound: Duration) -> FailingShards {
        self.those(|found| found.state.is_some() && found.moved.elapsed() > bound)
    }

    fn those(&self, fails: impl Fn(&SeenState) -> bool) -> FailingShards {
        let found = self.found.lock().expect("nobody panics with it");
        let failing = || (0..).zip(found.iter()).filter(|(_, found)| fails(found));
        FailingShards {
            shards: failing().map(|(shard, _)| shard).collect(),
            longest: failing().map(|(_, found)| found.moved.elapsed()).max().unwrap_or_default(),
        }
    }

    /// When it was first seen that a shard has this epoch.
    pub(crate) fn epoch_since(&self, shard: Shard, epoch: Name) -> Moment {
        let mut epochs = self.epochs.lock().expect("nobody panics with it");
        let seen = epochs.entry(shard).or_insert_with(|| (epoch, Moment::now()));
        if seen.0 != epoch {
            *seen = (epoch, Moment::now());
        }
        seen.1
    }

    fn note(&self, states: Vec<Option<State>>) {
        let mut found = self.found.lock().expect("nobody panics with it");
        found.resize_with(states.len(), || SeenState { state: None, moved: Moment::now() });
        for (shard, (found, state)) in (0..).zip(found.iter_mut().zip(states)) {
            if found.state != state {
                *found = SeenState { state, moved: Moment::now() };
            }
            if let Some(state) = state {
                self.epoch_since(shard, state.epoch);
            }
        }
    }

    /// Looks until the program stops.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let mut ticks = interval(LOOK_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.cache.states().await {
                Ok(states) => {
                    self.note(states);
                    self.away.store(false, Ordering::Relaxed);
                    self.trouble.has_ended("Redis is reached, and used again");
                }
                Err(error) => {
                    self.away.store(true, Ordering::Relaxed);
                    let address = &self.address;
                    let text = format!(
                        "Redis can't be reached, so cities are read from PostgreSQL: {error} (server {address})"
                    );
                    self.trouble.holds(Level::Warn, text);
                }
            }
        }
    }
}
