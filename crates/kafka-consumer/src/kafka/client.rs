//! The Kafka consumer: what librdkafka is told, and how the group's decisions reach the program.

use std::sync::Arc;

use common::kafka::Quiet;
use common::settings;
use common::shard::Shard;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

/// A consumer of the group.
pub(crate) type Client = StreamConsumer<Context>;

/// What the group decided.
#[derive(Debug)]
pub(crate) enum Rebalance {
    /// These shards are ours; librdkafka waits to be told the offsets to begin at.
    Assigned(Vec<Shard>),
    /// These shards are no longer ours, and are given up already.
    Revoked(Vec<Shard>),
}

/// Creates the client, which connects by itself and isn't a member of the group yet.
///
/// `instance` is its name in the group, which makes it a static member. At most one assignment is outstanding, so the
/// receiver's queue stays short.
pub(crate) fn create(
    kafka: &settings::Kafka,
    instance: &str,
) -> KafkaResult<(Arc<Client>, mpsc::UnboundedReceiver<Rebalance>)> {
    let mut config = common::kafka::client_config(kafka, "kafka-consumer");
    for (name, value) in SETTINGS {
        config.set(*name, *value);
    }
    config.set("group.id", &kafka.group).set("group.instance.id", instance);
    let (sender, rebalances) = mpsc::unbounded_channel();
    let client = config.create_with_context(Context { rebalances: sender })?;
    Ok((Arc::new(client), rebalances))
}

const SETTINGS: &[(&str, &str)] = &[
    // Redis holds the truth about offsets; `Member` commits what is applied.
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    // An open transaction made by hand would hide every heartbeat behind it.
    ("isolation.level", "read_uncommitted"),
    ("allow.auto.create.topics", "false"),
    // Partitions that stay where they are are read on while others move: an eager rebalance stops all of them for up
    // to a heartbeat's interval, which is why that one is short as well.
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "500"),
    // A member that is stuck holds up the others' rebalance for no longer than this.
    ("max.poll.interval.ms", "30000"),
    // A partition that begins anew waits for the fetch that is under way; the relay's heartbeats are as frequent.
    ("fetch.wait.max.ms", "100"),
    ("fetch.error.backoff.ms", "100"),
    // What is fetched ahead is most of this program's memory: 2 MiB and some 1,000 messages suffice to keep it busy,
    // if fetching goes on soon after the queue has room again.
    ("queued.max.messages.kbytes", "2048"),
    ("queued.min.messages", "1000"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.message.max.bytes", "262144"),
    // A broker that was cut off without a word is given up soon, and connected to again.
    ("socket.timeout.ms", "6000"),
    // A topic that was deleted and made again is seen soon.
    ("topic.metadata.refresh.interval.ms", "5000"),
];

/// Receives what librdkafka has to say besides messages.
pub(crate) struct Context {
    rebalances: mpsc::UnboundedSender<Rebalance>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Quiet.error(error, reason);
    }
}

/// An assignment isn't answered here, in the thread that polls, but by the program, once it has read each shard's
/// offset in Redis: until then librdkafka fetches nothing, so that no message comes before its shard's state is known.
impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let shards = shards(partitions);
        let result = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            match self.rebalances.send(Rebalance::Assigned(shards)) {
                Ok(()) => Ok(()),
                // Nobody reads any more, but an assignment without an answer would keep the client from closing.
                Err(_) => {
                    partitions.set_all_offsets(Offset::End).and_then(|()| consumer.incremental_assign(partitions))
                }
            }
        } else {
            // What is applied of it afterwards does no harm: every application is a swap against the state as seen.
            let _ = self.rebalances.send(Rebalance::Revoked(shards));
            consumer.incremental_unassign(partitions)
        };
        if let Err(error) = result {
            log::debug!("rebalance: {error}");
        }
    }
}

fn shards(partitions: &TopicPartitionList) -> Vec<Shard> {
    partitions.elements().iter().filter_map(|element| Shard::try_from(element.partition()).ok()).collect()
}
