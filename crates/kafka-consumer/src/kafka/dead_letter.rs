//! What can't be decoded: parked on a topic of its own beside apply, which never waits for it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::kafka::{Quiet, dead_letter_topic};
use common::log_limit::LogLimit;
use common::message::Undecodable;
use common::settings;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// A payload is cut here: enough to see what it was.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// A key is cut here; ours have three bytes.
const KEY_BYTES_MAX: usize = 1024;

/// A reason is cut here: the JSON reader quotes what it did not expect.
const REASON_BYTES_MAX: usize = 256;

/// What waits for an acknowledgement takes no more memory than this.
const QUEUE_BYTES: u32 = 4 * 1024 * 1024;

/// What a message counts as at least, with its headers and the task that waits for it: no more than 4,096 wait.
const MESSAGE_BYTES_MIN: usize = 1024;

/// Limit for an acknowledgement, in milliseconds; after that the message's origin is logged instead.
const ACKNOWLEDGEMENT_MS: &str = "5000";

/// Messages may be undecodable by the thousand; one line a second tells as much.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Parks messages.
pub(crate) struct DeadLetters {
    kafka: settings::Kafka,
    topic: String,
    /// Created by the first message: most programs never see one.
    producer: Option<FutureProducer<Quiet>>,
    room: Arc<Semaphore>,
    waiting: TaskTracker,
    unparked: Arc<Mutex<LogLimit>>,
}

/// Where a message came from, and what is wrong with it.
struct Origin {
    topic: String,
    partition: i32,
    offset: i64,
    reason: String,
}

impl DeadLetters {
    /// Connects to nothing yet.
    pub(crate) fn new(kafka: &settings::Kafka) -> Self {
        Self {
            kafka: kafka.clone(),
            topic: dead_letter_topic(&kafka.topic),
            producer: None,
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            waiting: TaskTracker::new(),
            unparked: Arc::new(Mutex::new(LogLimit::new(LOG_INTERVAL))),
        }
    }

    /// Hands a message over without waiting. Where it can't be parked, its origin is logged.
    pub(crate) fn park(&mut self, message: &BorrowedMessage<'_>, reason: &Undecodable) {
        let mut reason = reason.to_string();
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        let origin = Origin {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            reason,
        };
        log::debug!("{origin} can't be decoded");
        let key = message.key().map(|key| cut(key, KEY_BYTES_MAX));
        let payload = message.payload().map(|payload| cut(payload, PAYLOAD_BYTES_MAX));
        let bytes = key.map_or(0, <[u8]>::len) + payload.map_or(0, <[u8]>::len);
        let Some(room) = self.room(bytes) else { return log_unparked(&self.unparked, &origin, "too many wait") };
        match self.send(key, payload, &origin) {
            Ok(delivery) => {
                let unparked = Arc::clone(&self.unparked);
                self.waiting.spawn(async move {
                    let result = delivery.await;
                    drop(room);
                    match result {
                        Ok(Ok(_)) => {}
                        Ok(Err((error, _))) => log_unparked(&unparked, &origin, &error.to_string()),
                        Err(_) => log_unparked(&unparked, &origin, "the program ends"),
                    }
                });
            }
            Err(error) => log_unparked(&self.unparked, &origin, &error.to_string()),
        }
    }

    /// Waits for the last acknowledgements, each of which has its limit.
    pub(crate) async fn flush(&self) {
        self.waiting.close();
        self.waiting.wait().await;
    }

    fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.max(MESSAGE_BYTES_MIN)).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(bytes).ok()
    }

    fn send(&mut self, key: Option<&[u8]>, payload: Option<&[u8]>, origin: &Origin) -> KafkaResult<DeliveryFuture> {
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&self.topic).headers(origin.headers());
        record.key = key;
        record.payload = payload;
        let producer = match &mut self.producer {
            Some(producer) => producer,
            none => none.insert(create_producer(&self.kafka)?),
        };
        producer.send_result(record).map_err(|(error, _)| error)
    }
}

impl Origin {
    fn headers(&self) -> OwnedHeaders {
        let (partition, offset) = (self.partition.to_string(), self.offset.to_string());
        [
            ("origin-topic", self.topic.as_str()),
            ("origin-partition", &partition),
            ("origin-offset", &offset),
            ("reason", &self.reason),
        ]
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }
}

/// Without the reason, which may quote the payload: that is nothing for a log.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] offset {}", self.topic, self.partition, self.offset)
    }
}

fn create_producer(kafka: &settings::Kafka) -> Result<FutureProducer<Quiet>, KafkaError> {
    common::kafka::client_config(kafka, "kafka-consumer")
        .set("message.timeout.ms", ACKNOWLEDGEMENT_MS)
        .set("linger.ms", "0")
        // The topic is the worker's to create, with its retention.
        .set("allow.auto.create.topics", "false")
        .create_with_context(Quiet)
}

fn cut(bytes: &[u8], max: usize) -> &[u8] {
    &bytes[..bytes.len().min(max)]
}

fn log_unparked(limit: &Mutex<LogLimit>, origin: &Origin, why: &str) {
    let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(others) = limit.pass(Instant::now()) {
        log::warn!("{origin} can't be decoded and was not parked: {why} ({others} others before it)");
    }
}
