//! The Kafka producer of one generation: each message gets its place in it, each one a report.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::kafka::{Quiet, client_config};
use common::log_once::LogOnce;
use common::message::{Action, Message, Position};
use common::random_name::Name;
use common::settings::Kafka;
use common::shard::Shard;
use log::Level;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;

use crate::kafka::topics::{BACK_LINE, PROGRAM, away_line};
use crate::relay::in_flight::Outgoing;

/// After this long a message is reported as failed, and repeated under the next sequence. Until then the library
/// repeats it itself, so that a broker's short absence is no gap in the sequence.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a broker may wait for its replicas before it answers.
const ACK_TIMEOUT: Duration = Duration::from_secs(2);

/// Limit for a request on a connection that has gone silent; above [`MESSAGE_TIMEOUT`], which rules for messages.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(4);

/// Limit for opening a connection; the library takes no less than a second.
const CONNECTION_SETUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Messages that the library takes before any is acknowledged: a wave of all partitions is smaller by far.
const QUEUE_MESSAGES_MAX: u32 = 100_000;

/// How long one call waits for reports, which it passes on as they come. The library's own thread asks ten times a
/// second, and spins for the last part of a millisecond each time: most of what an idle worker would cost.
const POLL_LIMIT: Duration = Duration::from_secs(1);

/// Where another partition acknowledged something so lately, Kafka is there, and it is one partition that isn't.
const ALIVE: Duration = Duration::from_secs(1);

/// What became of one message.
pub(crate) struct Report {
    /// Its partition.
    pub(crate) shard: Shard,
    /// What it asked for.
    pub(crate) action: Action,
    /// Whether Kafka has it, on every replica that is in sync.
    pub(crate) acknowledged: bool,
}

/// One generation's producer.
pub(crate) struct Publisher {
    producer: Arc<BaseProducer<Reporter>>,
    reports: UnboundedReceiver<Report>,
    topic: String,
    generation: Name,
    /// The sequence used last, by partition.
    sequences: Vec<u64>,
}

impl Publisher {
    /// A producer for `generation`; it connects when there is something to send.
    pub(crate) async fn new(settings: &Kafka, generation: Name, kafka_away: &Arc<LogOnce>) -> Result<Self, KafkaError> {
        // Bounded by the queue of the library: a message has one report.
        let (sender, reports) = unbounded_channel();
        let reporter = Reporter {
            sender,
            kafka_away: Arc::clone(kafka_away),
            away_line: away_line(settings),
            topic: settings.topic.clone(),
            partition_away: (0..settings.shards).map(|_| LogOnce::default()).collect(),
            last_acknowledgement: Mutex::new(None),
        };
        let config = producer_config(settings);
        // Creating it starts threads and looks up names.
        let create = move || BaseProducer::from_config_and_context(&config, reporter).map(Arc::new);
        let producer = spawn_blocking(create).await.map_err(|_panic| KafkaError::Canceled)??;
        let polled = Arc::clone(&producer);
        spawn_blocking(move || {
            // Until the publisher is dropped.
            while Arc::strong_count(&polled) > 1 {
                polled.poll(POLL_LIMIT);
            }
        });
        Ok(Self {
            producer,
            reports,
            topic: settings.topic.clone(),
            generation,
            sequences: vec![0; settings.shards as usize],
        })
    }

    /// Hands one message over, with the next sequence of its partition; false where the library takes none.
    pub(crate) fn send(&mut self, message: &Outgoing) -> bool {
        let (shard, action) = (message.shard(), message.action());
        let sequence = self.sequences[shard as usize] + 1;
        let message =
            Message { action: action.clone(), position: Some(Position { generation: self.generation, sequence }) };
        let payload = message.encode();
        let mut record = BaseRecord::with_opaque_to(&self.topic, Box::new((shard, action.clone())))
            .partition(shard.cast_signed())
            .payload(payload.as_slice());
        if let Action::Invalidate(code) = action {
            record = record.key(code.as_bytes());
        }
        match self.producer.send::<[u8], [u8]>(record) {
            Ok(()) => {
                self.sequences[shard as usize] = sequence;
                true
            }
            Err((error, _)) => {
                log::debug!("a message for partition {shard} is not taken: {error}");
                false
            }
        }
    }

    /// The next report; never, where no message is on its way.
    pub(crate) async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// A report that has arrived already.
    pub(crate) fn arrived(&mut self) -> Option<Report> {
        self.reports.try_recv().ok()
    }

    /// Why the producer can't go on, if it can't: it no longer knows what Kafka has.
    pub(crate) fn fatal(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(_, reason)| reason)
    }
}

fn producer_config(settings: &Kafka) -> ClientConfig {
    let mut config = client_config(settings, PROGRAM);
    config
        // A row is deleted only when every replica in sync has its message, in order and once.
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // A change waits for nobody; a batch is what comes at once.
        .set("linger.ms", "0")
        .set("message.timeout.ms", MESSAGE_TIMEOUT.as_millis().to_string())
        .set("request.timeout.ms", ACK_TIMEOUT.as_millis().to_string())
        .set("socket.timeout.ms", SOCKET_TIMEOUT.as_millis().to_string())
        .set("socket.connection.setup.timeout.ms", CONNECTION_SETUP_TIMEOUT.as_millis().to_string())
        .set("queue.buffering.max.messages", QUEUE_MESSAGES_MAX.to_string());
    config
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // What is still queued is not sent any more: its generation has ended.
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}

/// Turns what the library calls back with into reports, and into one line when Kafka, or a partition, goes or comes.
struct Reporter {
    sender: UnboundedSender<Report>,
    kafka_away: Arc<LogOnce>,
    away_line: String,
    topic: String,
    partition_away: Vec<LogOnce>,
    last_acknowledgement: Mutex<Option<Instant>>,
}

impl Reporter {
    fn acknowledged(&self, shard: Shard) {
        *self.last_acknowledgement.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.kafka_away.has_ended(BACK_LINE);
        if let Some(partition_away) = self.partition_away.get(shard as usize) {
            partition_away.has_ended(format_args!("partition {shard} of topic {} takes messages again", self.topic));
        }
    }

    fn failed(&self, shard: Shard, error: &KafkaError) {
        log::debug!("a message for partition {shard} failed: {error}");
        let code = error.rdkafka_error_code();
        if matches!(code, Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)) {
            return; // Our own doing: the generation has ended.
        }
        let last = *self.last_acknowledgement.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() > ALIVE) {
            self.kafka_away.holds(Level::Warn, &self.away_line);
        } else if let Some(partition_away) = self.partition_away.get(shard as usize) {
            // Without the cause: it may be another one each time.
            partition_away.holds(
                Level::Warn,
                format!("partition {shard} of topic {} takes no messages; the outbox keeps its changes", self.topic),
            );
        }
    }
}

impl ProducerContext for Reporter {
    type DeliveryOpaque = Box<(Shard, Action)>;

    fn delivery(&self, result: &DeliveryResult<'_>, message: Box<(Shard, Action)>) {
        let (shard, action) = *message;
        match result {
            Ok(_) => self.acknowledged(shard),
            Err((error, _)) => self.failed(shard, error),
        }
        // Nobody listens any more where the generation has ended.
        let _ = self.sender.send(Report { shard, action, acknowledged: result.is_ok() });
    }
}

impl ClientContext for Reporter {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Quiet.error(error.clone(), reason);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.kafka_away.holds(Level::Warn, &self.away_line);
        }
    }
}
