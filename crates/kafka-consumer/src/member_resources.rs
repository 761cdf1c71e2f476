//! What outlives a member of the group.

use std::sync::Arc;

use common::shutdown::Shutdown;
use tokio::sync::watch;

use crate::kafka::dead_letter::DeadLetters;
use crate::redis::writer::RedisWriter;
use crate::reset_log::ResetLog;

/// What one member after the other works with.
pub(crate) struct Resources {
    /// Name of the topic.
    pub(crate) topic: String,
    /// Messages; a shard that has more before it is emptied instead.
    pub(crate) backlog_limit: i64,
    /// The cache.
    pub(crate) redis: Arc<RedisWriter>,
    /// Where undecodable messages go.
    pub(crate) dead_letters: DeadLetters,
    /// Resets in the log.
    pub(crate) resets: ResetLog,
    /// Whether the topic is as it must be.
    pub(crate) usable: watch::Receiver<bool>,
    /// Asks to stop.
    pub(crate) shutdown: Shutdown,
}
