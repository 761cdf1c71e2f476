//! A member of the group: joins when the topic and Redis are ready, applies what comes, leaves when one of them isn't.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::message::Message;
use common::shard::Shard;
use common::shutdown::Shutdown;
use futures_util::{FutureExt, StreamExt, stream};
use rdkafka::consumer::{CommitMode, Consumer, MessageStream};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::batch::Record;
use crate::kafka::client::{Client, Context, Rebalance};
use crate::kafka::dead_letter::DeadLetters;
use crate::kafka::partitions::{Partitions, Unopened, until};
use crate::redis::apply_batch::Progress;
use crate::redis::writer::{Away, CONCURRENCY, RedisWriter};
use crate::reset_log::ResetLog;
use common::log_limit::LogLimit;

/// Messages that are taken together at most. What is there is taken, nothing is waited for.
const BATCH_MAX: usize = 1_000;

/// Limit for leaving the group and for closing the client; whoever isn't heard is out by the session's timeout.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client lives on after it gave up its partitions, so that its farewell gets out.
const FAREWELL: Duration = Duration::from_millis(100);

/// After a lost connection to Kafka, a client that has got nothing for so long gets nothing any more: heartbeats come four
/// times a second. What it remembers of the log (its leaders' epochs) may be ahead of a Kafka that was put back to an older
/// copy, whose word it would take for outdated until then.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Errors of Kafka come with every try; a line a minute tells as much.
const ERROR_INTERVAL: Duration = Duration::from_secs(60);

/// Between two commits of what is applied; their offsets are for people to look at.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// What outlives a member.
pub(crate) struct Shared {
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

/// One client of the group.
pub(crate) struct Member<'a> {
    client: Arc<Client>,
    rebalances: mpsc::UnboundedReceiver<Rebalance>,
    partitions: Partitions,
    errors: LogLimit,
    last_commit: Option<Instant>,
    /// When the connection to Kafka was lost, until a message comes again.
    lost: Option<Instant>,
    shared: &'a mut Shared,
}

/// Why a member's life is over.
#[derive(Debug)]
pub(crate) enum MemberEnd {
    /// The program was asked to stop.
    Shutdown,
    /// The client gets nothing any more.
    Silent,
    /// The client is of no use any more.
    Failed(KafkaError),
}

/// Why the group is left.
#[derive(Debug)]
enum LeaveReason {
    Shutdown,
    TopicUnusable,
    Away(Away),
    Silent,
    Failed(KafkaError),
}

impl<'a> Member<'a> {
    /// A client that has not joined yet.
    pub(crate) fn new(
        client: Arc<Client>,
        rebalances: mpsc::UnboundedReceiver<Rebalance>,
        shared: &'a mut Shared,
    ) -> Self {
        let redis = Arc::clone(&shared.redis);
        let partitions = Partitions::new(&shared.topic, shared.backlog_limit, Arc::clone(&client), redis);
        let errors = LogLimit::new(ERROR_INTERVAL);
        Self { client, rebalances, partitions, errors, last_commit: None, lost: None, shared }
    }

    /// Joins and leaves as things are, until the program stops or the client fails for good.
    pub(crate) async fn run(mut self) -> MemberEnd {
        let mut redis_away = false;
        let ended = loop {
            if let Err(ended) = self.until_ready(redis_away).await {
                break ended;
            }
            let stop = match self.client.subscribe(&[&self.shared.topic]) {
                Ok(()) => self.consume().await,
                Err(error) => LeaveReason::Failed(error),
            };
            if let LeaveReason::Away(error) = &stop {
                log::warn!("redis can't be written to ({error}): leaving the group so that another consumer goes on");
            }
            self.leave().await;
            redis_away = matches!(stop, LeaveReason::Away(_));
            match stop {
                LeaveReason::Shutdown => break MemberEnd::Shutdown,
                LeaveReason::Silent => break MemberEnd::Silent,
                LeaveReason::Failed(error) => break MemberEnd::Failed(error),
                LeaveReason::TopicUnusable | LeaveReason::Away(_) => {}
            }
        };
        self.close().await;
        ended
    }

    /// Waits for the topic and for Redis. The client is polled meanwhile, since its events would pile up.
    async fn until_ready(&mut self, redis_away: bool) -> Result<(), MemberEnd> {
        let Shared { redis, usable, shutdown, .. } = &mut *self.shared;
        let mut ready = pin!(async {
            // Only at the end of the program nobody watches the topic any more.
            let _ = usable.wait_for(|usable| *usable).await;
            redis.until_writable(redis_away).await;
        });
        let mut messages = self.client.stream();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(MemberEnd::Shutdown),
                () = &mut ready => return Ok(()),
                Some(rebalance) = self.rebalances.recv() => {
                    self.partitions.decline(rebalance).map_err(MemberEnd::Failed)?;
                }
                Some(received) = messages.next() => {
                    if let Err(error @ KafkaError::MessageConsumptionFatal(_)) = received {
                        return Err(MemberEnd::Failed(error));
                    }
                }
            }
        }
    }

    /// Applies what comes, until there is a reason to leave.
    async fn consume(&mut self) -> LeaveReason {
        let client = Arc::clone(&self.client);
        let mut messages = client.stream();
        loop {
            let silent = self.lost.filter(|_| self.partitions.open().next().is_some()).map(|lost| lost + SILENCE_MAX);
            let done = tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => Err(LeaveReason::Shutdown),
                () = self.shared.usable.wait_for(|usable| !usable).map(drop) => Err(LeaveReason::TopicUnusable),
                Some(rebalance) = self.rebalances.recv() => {
                    self.partitions.rebalance(rebalance).await.map_err(LeaveReason::from)
                }
                () = self.partitions.anew_due() => self.partitions.begin_due().await.map_err(LeaveReason::from),
                Some(first) = messages.next() => self.take(first, &mut messages).await,
                () = until(silent.map(Into::into)) => Err(LeaveReason::Silent),
            };
            if let Err(stop) = done {
                return stop;
            }
        }
    }

    /// Applies the first message and those that are there already.
    async fn take(
        &mut self,
        first: KafkaResult<BorrowedMessage<'_>>,
        messages: &mut MessageStream<'_, Context>,
    ) -> Result<(), LeaveReason> {
        let mut batches = BTreeMap::new();
        let mut received = Some(first);
        let mut room = BATCH_MAX;
        while let Some(result) = received {
            match result {
                Ok(message) => {
                    self.lost = None;
                    self.add(&message, &mut batches);
                }
                Err(error) => self.note(error)?,
            }
            room -= 1;
            received = if room > 0 { messages.next().now_or_never().flatten() } else { None };
        }
        self.apply(batches).await
    }

    /// Adds a message to its shard's batch, unless that isn't open or has it behind it.
    fn add(&mut self, message: &BorrowedMessage<'_>, batches: &mut BTreeMap<Shard, Vec<Record>>) {
        let offset = message.offset();
        let Some(shard) = self.partitions.expecting(message.partition(), offset) else { return };
        let decoded = Message::decode(message.payload());
        if let Err(reason) = &decoded {
            self.shared.dead_letters.park(message, reason);
        }
        batches.entry(shard).or_default().push(Record { offset, message: decoded.ok() });
    }

    async fn apply(&mut self, mut batches: BTreeMap<Shard, Vec<Record>>) -> Result<(), LeaveReason> {
        let redis = &*self.shared.redis;
        let applications = self.partitions.open().filter_map(|(shard, open)| {
            let records = batches.remove(&shard)?;
            Some(async move { (shard, open.apply(redis, &records).await) })
        });
        let progress: Vec<_> = stream::iter(applications).buffer_unordered(CONCURRENCY).collect().await;
        let mut committed = TopicPartitionList::new();
        for (shard, progress) in progress {
            match progress.map_err(LeaveReason::Away)? {
                Progress::Applied { next_offset, resets } => {
                    let offset = Offset::Offset(next_offset);
                    committed
                        .add_partition_offset(&self.shared.topic, shard.cast_signed(), offset)
                        .map_err(LeaveReason::Failed)?;
                    for (offset, reset) in resets {
                        self.shared.resets.log(shard, offset, reset);
                    }
                }
                Progress::Overtaken => {
                    log::info!("shard {shard}: somebody else has moved it: beginning where it is now");
                    self.partitions.begin_anew(shard);
                }
            }
        }
        if let Err(error) = self.commit(&committed) {
            log::debug!("offsets are not committed: {error}");
        }
        Ok(())
    }

    /// For lag dashboards alone: it doesn't matter whether it succeeds.
    ///
    /// Not by librdkafka's own timer: that goes on when no message comes, and what it sends to a broker that has stopped
    /// answering keeps this member from the group until its retries are used up (11 s, tried).
    fn commit(&mut self, committed: &TopicPartitionList) -> KafkaResult<()> {
        self.client.store_offsets(committed)?;
        if self.last_commit.is_some_and(|last| last.elapsed() < COMMIT_INTERVAL) {
            return Ok(());
        }
        self.last_commit = Some(Instant::now());
        self.client.commit_consumer_state(CommitMode::Async)
    }

    /// Decides what an error means; librdkafka tries again by itself, at its own pace.
    fn note(&mut self, error: KafkaError) -> Result<(), LeaveReason> {
        use RDKafkaErrorCode::{
            AllBrokersDown, AutoOffsetReset, BrokerTransportFailure, Resolve, UnknownTopicOrPartition,
        };
        match error {
            KafkaError::MessageConsumptionFatal(_) => return Err(LeaveReason::Failed(error)),
            KafkaError::MessageConsumption(AutoOffsetReset) => self.partitions.begin_all_anew(),
            // What watches the topic logs these, once.
            KafkaError::MessageConsumption(AllBrokersDown | BrokerTransportFailure) => {
                log::debug!("{error}");
                self.lost.get_or_insert_with(Instant::now);
            }
            KafkaError::MessageConsumption(Resolve | UnknownTopicOrPartition) => log::debug!("{error}"),
            _ => {
                if let Some(others) = self.errors.pass(Instant::now()) {
                    let hint = hint(&error);
                    log::warn!("kafka: {error}{hint} ({others} others before it)");
                }
            }
        }
        Ok(())
    }

    /// Leaves the group, so that others have the partitions at once: closing alone wouldn't tell them.
    async fn leave(&mut self) {
        self.client.unsubscribe();
        self.partitions.clear();
        let client = Arc::clone(&self.client);
        let mut messages = client.stream();
        let given_up = async {
            loop {
                tokio::select! {
                    biased;
                    Some(rebalance) = self.rebalances.recv() => self.partitions.decline(rebalance)?,
                    Some(_) = messages.next() => {}
                    () = sleep(FAREWELL) => {
                        if self.client.assignment()?.count() == 0 {
                            return KafkaResult::Ok(());
                        }
                    }
                }
            }
        };
        match timeout(LEAVE_TIMEOUT, given_up).await {
            Ok(Ok(())) => log::info!("left the group"),
            Ok(Err(error)) => log::warn!("leaving the group failed: {error}"),
            Err(_) => log::warn!("the group did not hear the farewell within {} ms", LEAVE_TIMEOUT.as_millis()),
        }
    }

    /// Closes the client, which blocks.
    async fn close(self) {
        let Self { client, rebalances, partitions, .. } = self;
        let closing = tokio::task::spawn_blocking(move || drop((rebalances, partitions, client)));
        if timeout(LEAVE_TIMEOUT, closing).await.is_err() {
            log::debug!("the kafka client takes long to close");
        }
    }
}

/// What an operator can do about an error.
fn hint(error: &KafkaError) -> &'static str {
    match error.rdkafka_error_code() {
        // As the consumers of other clients do it by default.
        Some(RDKafkaErrorCode::InconsistentGroupProtocol) => {
            "; consumers in this group (KAFKA_GROUP) share its partitions in another way: it is joined once they have left"
        }
        _ => "",
    }
}

impl From<Unopened> for LeaveReason {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Away(away) => Self::Away(away),
            Unopened::Kafka(error) => Self::Failed(error),
        }
    }
}
