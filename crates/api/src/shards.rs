//! Looks at the states of all shards again and again: is Redis there, and which shards can hold something?

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::shard::Shard;
use common::shutdown::Shutdown;
use log::Level;
use tokio::time::{MissedTickBehavior, interval};

use crate::cache::Cache;
use crate::episode::Episode;

/// Between two looks: Redis is used again this long after its return at most.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// What the looks have found.
pub(crate) struct Shards {
    cache: Arc<Cache>,
    away: AtomicBool,
    without_state: Mutex<Vec<Shard>>,
    trouble: Episode,
}

impl Shards {
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            away: AtomicBool::new(false),
            without_state: Mutex::default(),
            trouble: Episode::new("Redis is reached, and used again"),
        }
    }

    /// Whether the last look failed: then no request waits for Redis.
    pub(crate) fn are_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// The shards whose state the last successful look didn't find.
    pub(crate) fn without_state(&self) -> Vec<Shard> {
        self.without_state.lock().expect("nobody panics with it").clone()
    }

    /// Looks until the program stops.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let mut ticks = interval(LOOK_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.cache.shards_without_state().await {
                Ok(shards) => {
                    *self.without_state.lock().expect("nobody panics with it") = shards;
                    self.away.store(false, Ordering::Relaxed);
                    self.trouble.works();
                }
                Err(error) => {
                    self.away.store(true, Ordering::Relaxed);
                    let text = format!("Redis can't be reached, so cities are read from PostgreSQL: {error}");
                    self.trouble.fails(Level::Warn, &text);
                }
            }
        }
    }
}
