//! The shards that are this consumer's: where each begins, by its state in Redis and the bounds of its log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common::protocol::apply::StoredState;
use common::protocol::state::State;
use common::shard::Shard;
use futures_util::{StreamExt, TryStreamExt, stream};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep_until};

use crate::kafka::client::{Client, Rebalance};
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
    /// Those whose messages are applied; those of any other are ignored.
    open: BTreeMap<Shard, OpenShard>,
    /// Those that are to be begun anew, and when.
    anew: BTreeSet<Shard>,
    anew_at: Option<Instant>,
}

/// What keeps a shard from being begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    /// Redis doesn't say where.
    #[error(transparent)]
    Away(#[from] Away),
    /// librdkafka refuses.
    #[error(transparent)]
    Kafka(#[from] rdkafka::error::KafkaError),
}

/// First offset that is there, and the next one to be written.
type Bounds = (i64, i64);

/// Where a shard's log is begun.
#[derive(Debug, PartialEq, Eq)]
enum Begin {
    At(State),
    End(EndReason),
}

/// Why a shard's log is begun at its end.
#[derive(Debug, PartialEq, Eq)]
enum EndReason {
    NoState,
    Outside { offset: i64, bounds: Bounds },
    Backlog { messages: i64, limit: i64 },
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
    pub(crate) async fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), Unopened> {
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
    pub(crate) async fn begin_due(&mut self) -> Result<(), Unopened> {
        self.anew_at = None;
        let shards: Vec<_> = std::mem::take(&mut self.anew).into_iter().collect();
        if shards.is_empty() {
            return Ok(());
        }
        let begins = self.begins(&shards).await?;
        // Not a seek: that is refused where fetching has stopped, as it has after an offset outside the log.
        self.client.incremental_unassign(&self.list(&shards, |_| Offset::Invalid)?)?;
        self.begin(begins)
    }

    async fn assign(&mut self, shards: Vec<Shard>) -> Result<(), Unopened> {
        match self.begins(&shards).await {
            Ok(begins) => {
                // A rebalance that leaves all as it was assigns none.
                if !shards.is_empty() {
                    log::info!("shards {} are this consumer's", List(&shards));
                }
                self.begin(begins)
            }
            Err(away) => {
                self.decline(Rebalance::Assigned(shards))?;
                Err(away.into())
            }
        }
    }

    /// Reads where each shard begins: first its state, then the bounds, so that a log that still is the state's
    /// reaches at least as far.
    async fn begins(&self, shards: &[Shard]) -> Result<Vec<(Shard, StoredState, Begin)>, Away> {
        let begin = async |shard| {
            let seen = self.redis.read(shard).await?;
            let begin = Begin::of(seen.state(), self.bounds(shard).await, self.backlog_limit);
            Ok((shard, seen, begin))
        };
        stream::iter(shards.iter().copied()).map(begin).buffer_unordered(CONCURRENCY).try_collect().await
    }

    async fn bounds(&self, shard: Shard) -> Option<Bounds> {
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

    fn begin(&mut self, begins: Vec<(Shard, StoredState, Begin)>) -> Result<(), Unopened> {
        log_ends(&begins);
        let offsets: BTreeMap<_, _> = begins.iter().map(|(shard, _, begin)| (*shard, begin.offset())).collect();
        let shards: Vec<_> = offsets.keys().copied().collect();
        self.client.incremental_assign(&self.list(&shards, |shard| offsets[&shard])?)?;
        self.open.extend(begins.into_iter().map(|(shard, seen, begin)| {
            let open = match begin {
                Begin::At(state) => OpenShard::at_state(shard, seen, state),
                Begin::End(_) => OpenShard::at_end(shard, seen),
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

impl Begin {
    fn of(state: Option<State>, bounds: Option<Bounds>, backlog_limit: i64) -> Self {
        let Some(state) = state else { return Self::End(EndReason::NoState) };
        let Some(bounds @ (low, high)) = bounds else { return Self::At(state) };
        if !(low..=high).contains(&state.offset) {
            return Self::End(EndReason::Outside { offset: state.offset, bounds });
        }
        let messages = high - state.offset;
        if messages > backlog_limit {
            return Self::End(EndReason::Backlog { messages, limit: backlog_limit });
        }
        Self::At(state)
    }

    fn offset(&self) -> Offset {
        match self {
            Self::At(state) => Offset::Offset(state.offset),
            Self::End(_) => Offset::End,
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoState => f.write_str("no state in redis"),
            Self::Outside { offset, bounds: (low, high) } => {
                write!(f, "its offset {offset} is outside the log, which reaches from {low} to {high}")
            }
            Self::Backlog { messages, limit } => {
                write!(f, "its backlog of {messages} messages is above the limit of {limit}")
            }
        }
    }
}

/// One line for each seek to the end, and one for all shards without a state: a first start has no other ones.
fn log_ends(begins: &[(Shard, StoredState, Begin)]) {
    let mut stateless = Vec::new();
    for (shard, _, begin) in begins {
        match begin {
            Begin::At(_) => {}
            Begin::End(EndReason::NoState) => stateless.push(*shard),
            Begin::End(reason) => log::info!("shard {shard}: seeking to the end of its log: {reason}"),
        }
    }
    if !stateless.is_empty() {
        stateless.sort_unstable();
        log::info!("shards {}: seeking to the ends of their logs: {}", List(&stateless), EndReason::NoState);
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
    use common::protocol::state::State;
    use common::random::Name;

    use super::{Begin, EndReason, List};

    const LIMIT: i64 = 100;

    fn state(offset: i64) -> State {
        State { epoch: Name::random(), generation: Name::random(), sequence: 4, number: None, offset }
    }

    fn begin(state: State, bounds: Option<(i64, i64)>) -> Begin {
        Begin::of(Some(state), bounds, LIMIT)
    }

    #[test]
    fn a_state_is_gone_on_from() {
        let state = state(17);
        for bounds in [(0, 17), (17, 17), (17, 20), (0, 17 + LIMIT)] {
            assert_eq!(begin(state, Some(bounds)), Begin::At(state), "{bounds:?}");
        }
    }

    #[test]
    fn without_a_state_the_log_begins_at_its_end() {
        assert_eq!(Begin::of(None, Some((0, 5)), LIMIT), Begin::End(EndReason::NoState));
        assert_eq!(Begin::of(None, None, LIMIT), Begin::End(EndReason::NoState));
    }

    #[test]
    fn an_offset_outside_the_log_is_not_gone_on_from() {
        for bounds in [(0, 16), (18, 20), (0, 0)] {
            assert_eq!(begin(state(17), Some(bounds)), Begin::End(EndReason::Outside { offset: 17, bounds }));
        }
    }

    #[test]
    fn a_backlog_above_the_limit_is_not_replayed() {
        let reason = EndReason::Backlog { messages: LIMIT + 1, limit: LIMIT };
        assert_eq!(begin(state(17), Some((0, 17 + LIMIT + 1))), Begin::End(reason));
    }

    #[test]
    fn without_bounds_the_state_is_believed() {
        let state = state(17);
        assert_eq!(begin(state, None), Begin::At(state));
    }

    #[test]
    fn shards_are_listed_as_people_do() {
        assert_eq!(List(&[0, 1, 7]).to_string(), "0, 1, 7");
        assert_eq!(List(&[]).to_string(), "");
    }
}
