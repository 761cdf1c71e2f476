//! What a member does with what comes: takes messages together, applies them shard by shard, commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::message::Message;
use common::shard::Shard;
use futures_util::{FutureExt, StreamExt, stream};
use rdkafka::consumer::{CommitMode, Consumer, MessageStream};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::batch::Record;
use crate::kafka::client::{Client, Context};
use crate::kafka::client_errors::{ClientErrors, Consequence};
use crate::kafka::interruption::Interruption;
use crate::kafka::partitions::Partitions;
use crate::member_resources::Resources;
use crate::redis::apply_batch::Progress;
use crate::redis::writer::CONCURRENCY;

/// Messages that are taken together at most. What is there is taken, nothing is waited for.
const BATCH_MAX: usize = 1_000;

/// Between two commits of what is applied; their offsets are for people to look at.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Where a member's messages go.
pub(crate) struct Intake {
    client: Arc<Client>,
    /// The shards that they are applied to.
    pub(crate) partitions: Partitions,
    errors: ClientErrors,
    last_commit: Option<Instant>,
}

impl Intake {
    /// Nothing has come yet.
    pub(crate) fn new(client: Arc<Client>, partitions: Partitions) -> Self {
        Self { client, partitions, errors: ClientErrors::new(), last_commit: None }
    }

    /// When the client counts as silent, if no message comes until then.
    pub(crate) fn silent_at(&mut self) -> Option<Instant> {
        // Without a shard, nothing is expected.
        self.partitions.open().next()?;
        self.errors.silent_at()
    }

    /// Applies the first message and those that are there already.
    pub(crate) async fn take(
        &mut self,
        first: KafkaResult<BorrowedMessage<'_>>,
        messages: &mut MessageStream<'_, Context>,
        resources: &mut Resources,
    ) -> Result<(), Interruption> {
        let mut batches = BTreeMap::new();
        let mut received = Some(first);
        let mut room = BATCH_MAX;
        while let Some(result) = received {
            match result {
                Ok(message) => {
                    self.errors.heard();
                    self.add(&message, &mut batches, resources);
                }
                Err(error) => match self.errors.judge(error) {
                    Consequence::GoOn => {}
                    Consequence::BeginAllAnew => self.partitions.begin_all_anew(),
                    Consequence::GiveUp(error) => return Err(error.into()),
                },
            }
            room -= 1;
            received = if room > 0 { messages.next().now_or_never().flatten() } else { None };
        }
        self.apply(batches, resources).await
    }

    /// Adds a message to its shard's batch, unless that isn't open or has it behind it.
    fn add(
        &self,
        message: &BorrowedMessage<'_>,
        batches: &mut BTreeMap<Shard, Vec<Record>>,
        Resources { dead_letters, .. }: &mut Resources,
    ) {
        let offset = message.offset();
        let Some(shard) = self.partitions.expecting(message.partition(), offset) else { return };
        let decoded = Message::decode(message.payload());
        if let Err(reason) = &decoded {
            dead_letters.park(message, reason);
        }
        batches.entry(shard).or_default().push(Record { offset, message: decoded.ok() });
    }

    async fn apply(
        &mut self,
        mut batches: BTreeMap<Shard, Vec<Record>>,
        Resources { redis, resets, topic, .. }: &mut Resources,
    ) -> Result<(), Interruption> {
        let redis = &**redis;
        let applications = self.partitions.open().filter_map(|(shard, open)| {
            let records = batches.remove(&shard)?;
            Some(async move { (shard, open.apply(redis, &records).await) })
        });
        let progress: Vec<_> = stream::iter(applications).buffer_unordered(CONCURRENCY).collect().await;
        let mut applied = TopicPartitionList::new();
        for (shard, progress) in progress {
            match progress? {
                Progress::Done { next_offset, resets: found } => {
                    let offset = Offset::Offset(next_offset);
                    applied.add_partition_offset(topic, shard.cast_signed(), offset)?;
                    for (offset, reset) in found {
                        resets.log(shard, offset, reset);
                    }
                }
                Progress::Overtaken => {
                    log::info!("shard {shard}: somebody else has moved it: beginning where it is now");
                    self.partitions.begin_anew(shard);
                }
            }
        }
        if let Err(error) = self.commit(&applied) {
            log::debug!("offsets are not committed: {error}");
        }
        Ok(())
    }

    /// For lag dashboards alone: it doesn't matter whether it succeeds.
    ///
    /// Not by librdkafka's own timer: that goes on when no message comes, and what it sends to a broker that has stopped
    /// answering keeps this member from the group until its retries are used up (11 s, tried).
    fn commit(&mut self, applied: &TopicPartitionList) -> KafkaResult<()> {
        self.client.store_offsets(applied)?;
        if self.last_commit.is_some_and(|last| last.elapsed() < COMMIT_INTERVAL) {
            return Ok(());
        }
        self.last_commit = Some(Instant::now());
        self.client.commit_consumer_state(CommitMode::Async)
    }
}
