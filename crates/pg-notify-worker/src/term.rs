//! One term of a leader: generation after generation on one connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::settings::Settings;
use common::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::condition::Condition;
use crate::error::Ended;
use crate::outbox::Outbox;
use crate::relay::{Relay, Stop};

/// A generation begins at most this often: each one costs a refill of the cache.
const GENERATION_INTERVAL: Duration = Duration::from_millis(500);

/// What a term works with.
pub(crate) struct Term<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) outbox: Outbox,
    pub(crate) kafka_away: &'a Arc<Condition>,
    pub(crate) topic_is_fit: watch::Receiver<bool>,
    pub(crate) shutdown: &'a Shutdown,
    /// What was said about the way to the lead; forgotten at the first acknowledgement.
    pub(crate) said: &'a Condition,
    /// What was said about a capture that isn't complete.
    pub(crate) incomplete: &'a Condition,
}

impl Term<'_> {
    /// Relays, one generation after the other.
    ///
    /// # Errors
    /// If the term is over; without an error the program is told to stop.
    pub(crate) async fn run(&self) -> Result<(), Ended> {
        loop {
            let began = Instant::now();
            let mut relay = Relay::new(self).await?;
            match relay.run().await? {
                Stop::Shutdown => return Ok(()),
                Stop::Broken(why) => log::warn!("generation {} ends: {why}", relay.generation()),
            }
            if relay.is_parked() {
                self.outbox.unpark().await?;
            }
            sleep_until((began + GENERATION_INTERVAL).into()).await;
        }
    }
}
