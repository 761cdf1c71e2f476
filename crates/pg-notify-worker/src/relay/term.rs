//! What one term of a leader works with: its connection, and what outlives it.

use std::sync::Arc;

use common::settings::Settings;
use common::shutdown::Shutdown;
use tokio::sync::watch;

use crate::relay::outbox::Outbox;
use common::log_once::LogOnce;

/// What a term works with.
pub(crate) struct Term<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) outbox: Outbox,
    pub(crate) kafka_away: &'a Arc<LogOnce>,
    pub(crate) topic_is_fit: watch::Receiver<bool>,
    pub(crate) shutdown: &'a Shutdown,
    /// What was said about the way to the lead; forgotten at the first acknowledgement.
    pub(crate) said: &'a LogOnce,
    /// What was said about a capture that isn't complete.
    pub(crate) incomplete: &'a LogOnce,
}
