//! The shards that are this consumer's: opened as the group assigns them, begun anew where that turns out necessary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common::protocol::apply::StoredState;
use common::shard::Shard;
use futures_util::{StreamExt, TryStreamExt, stream};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep_until};

use crate::kafka::client::{Client, Rebalance};
use crate::kafka::interruption::Interruption;
use crate::kafka::start_position::{LogBounds, SeekReason, StartPosition};
use crate::redis::apply_batch::OpenShard;
use crate::redis::writer::{Away, CONCURRENCY, RedisWriter};

/// Limit for asking after the bounds of one log; without them it is begun where Redis says, and Kafka objects later.
const BOUNDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Before shards are begun anew: what makes that necessary may come for many of them, or again and again.
const ANEW_PAUSE: Duration = Duration::from_millis(100);

/// The shards that are this consumer's.
pub(crate) struct Partitions {
    topic: String,
    backlog_limit: i64,
    client: Arc<Client>,
    redis: Arc<RedisWriter>,
    /// Shards whose messages are applied; those of any other are ignored.
    open: BTreeMap<Shard, OpenShard>,
    /// Shards that are begun anew, and when.
    anew: BTreeSet<Shard>,
    anew_at: Option<Instant>,
}

/// What a shard is opened with.
struct Start {
    shard: Shard,
    /// What stands in Redis.
    seen: StoredState,
    position: StartPosition,
}

impl Partitions {
    /// None yet.
    pub(crate) fn new(topic: &str, backlog_limit: i64, client: Arc<Client>, redis: Arc<RedisWriter>) -> Self {
        Self {
            topic: topic.to_owned(),
            backlog_limit,
            client,
            redis,
            open: BTreeMap::new(),
            anew: BTreeSet::new(),
            anew_at: None,
        }
    }

    /// Carries out what the group decided.
    pub(crate) async fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), Interruption> {
        match rebalance {
            Rebalance::Assigned(shards) => self.assign(shards).await,
            Rebalance::Revoked(shards) => {
                log::info!("shards {} are no longer this consumer's", List(&shards));
                for shard in &shards {
                    self.open.remove(shard);
                    self.anew.remove(shard);
                }
                Ok(())
            }
        }
    }

    /// Answers an assignment without opening anything: librdkafka waits for an answer before it can leave the group.
    pub(crate) fn decline(&mut self, rebalance: Rebalance) -> KafkaResult<()> {
        match rebalance {
            Rebalance::Assigned(shards) => self.client.incremental_assign(&self.list(&shards, |_| Offset::End)?),
            Rebalance::Revoked(_) => Ok(()),
        }
    }

    /// The open shard whose message at `offset` is still to be applied.
    pub(crate) fn expecting(&self, partition: i32, offset: i64) -> Option<Shard> {
        let shard = Shard::try_from(partition).ok()?;
        self.open.get(&shard).filter(|open| open.expects(offset)).map(|_| shard)
    }

    /// All open shards.
    pub(crate) fn open(&mut self) -> impl Iterator<Item = (Shard, &mut OpenShard)> {
        self.open.iter_mut().map(|(shard, open)| (*shard, open))
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.anew.clear();
        self.anew_at = None;
    }

    /// Has `shard` begun anew, soon.
    pub(crate) fn begin_anew(&mut self, shard: Shard) {
        self.open.remove(&shard);
        self.anew.insert(shard);
        self.anew_at.get_or_insert_with(|| Instant::now() + ANEW_PAUSE);
    }

    /// Has all shards begun anew, soon: Kafka doesn't say which one it means.
    pub(crate) fn begin_all_anew(&mut self) {
        for shard in self.open.keys().copied().collect::<Vec<_>>() {
            self.begin_anew(shard);
        }
    }

    /// Waits until shards are to be begun anew; for ever where there are none.
    pub(crate) async fn anew_due(&self) {
        until(self.anew_at).await;
    }

    /// Begins anew what is due.
    pub(crate) async fn begin_due(&mut self) -> Result<(), Interruption> {
        self.anew_at = None;
        let shards: Vec<_> = std::mem::take(&mut self.anew).into_iter().collect();
        if shards.is_empty() {
            return Ok(());
        }
        let starts = self.starts(&shards).await?;
        // Not a seek: that is refused where fetching has stopped, as it has after an offset outside the log.
        self.client.incremental_unassign(&self.list(&shards, |_| Offset::Invalid)?)?;
        self.open_at(starts)
    }

    async fn assign(&mut self, shards: Vec<Shard>) -> Result<(), Interruption> {
        match self.starts(&shards).await {
            Ok(starts) => {
                // A rebalance that leaves all as it was assigns none.
                if !shards.is_empty() {
                    log::info!("shards {} are this consumer's", List(&shards));
                }
                self.open_at(starts)
            }
            Err(away) => {
                self.decline(Rebalance::Assigned(shards))?;
                Err(away.into())
            }
        }
    }

    /// Reads each shard's state, then the bounds of its log: in this order a log that still is the state's reaches at
    /// least as far.
    async fn starts(&self, shards: &[Shard]) -> Result<Vec<Start>, Away> {
        let start = async |shard| {
            let seen = self.redis.read(shard).await?;
            let position = StartPosition::of(seen.state(), self.bounds(shard).await, self.backlog_limit);
            Ok(Start { shard, seen, position })
        };
        stream::iter(shards.iter().copied()).map(start).buffer_unordered(CONCURRENCY).try_collect().await
    }

    async fn bounds(&self, shard: Shard) -> Option<LogBounds> {
        let (client, topic, partition) = (Arc::clone(&self.client), self.topic.clone(), i32::try_from(shard).ok()?);
        let ask = move || client.fetch_watermarks(&topic, partition, BOUNDS_TIMEOUT);
        match tokio::task::spawn_blocking(ask).await.ok()? {
            Ok(bounds) => Some(bounds),
            Err(error) => {
                log::debug!("shard {shard}: no bounds of its log: {error}");
                None
            }
        }
    }

    fn open_at(&mut self, starts: Vec<Start>) -> Result<(), Interruption> {
        log_seeks(&starts);
        let offsets: BTreeMap<_, _> = starts.iter().map(|start| (start.shard, start.position.offset())).collect();
        let shards: Vec<_> = offsets.keys().copied().collect();
        self.client.incremental_assign(&self.list(&shards, |shard| offsets[&shard])?)?;
        self.open.extend(starts.into_iter().map(|Start { shard, seen, position }| {
            let open = match position {
                StartPosition::AtState(state) => OpenShard::at_state(shard, seen, state),
                StartPosition::AtEnd(_) => OpenShard::at_end(shard, seen),
            };
            (shard, open)
        }));
        Ok(())
    }

    fn list(&self, shards: &[Shard], offset: impl Fn(Shard) -> Offset) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(shards.len());
        for shard in shards {
            // Every shard was a partition's number once.
            list.add_partition_offset(&self.topic, shard.cast_signed(), offset(*shard))?;
        }
        Ok(list)
    }
}

/// One line for each seek to the end, and one for all shards without a state: a first start has no other ones.
fn log_seeks(starts: &[Start]) {
    let mut stateless = Vec::new();
    for Start { shard, position, .. } in starts {
        match position {
            StartPosition::AtState(_) => {}
            StartPosition::AtEnd(SeekReason::NoState) => stateless.push(*shard),
            StartPosition::AtEnd(reason) => log::info!("shard {shard}: seeking to the end of its log: {reason}"),
        }
    }
    if !stateless.is_empty() {
        stateless.sort_unstable();
        log::info!("shards {}: seeking to the ends of their logs: {}", List(&stateless), SeekReason::NoState);
    }
}

/// Numbers as `0, 1, 2`.
struct List<'a>(&'a [Shard]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, shard) in self.0.iter().enumerate() {
            write!(f, "{}{shard}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Waits until then; without a time, for ever.
pub(crate) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn shards_are_listed_as_people_do() {
        assert_eq!(List(&[0, 1, 7]).to_string(), "0, 1, 7");
        assert_eq!(List(&[]).to_string(), "");
    }
}
