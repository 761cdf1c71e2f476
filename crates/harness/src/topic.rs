//! A topic of a test's own: made, filled, read and deleted.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::Settings;
use crate::kafka::client_config;
use crate::server::script;
use crate::tool::feed;

/// Limit for one request to the broker.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);

/// Messages that wait for the broker at once.
const CONCURRENCY: usize = 500;

/// A topic, and the group of the same name.
#[derive(Clone)]
pub struct Topic {
    /// `host:port` of its broker.
    pub broker: String,
    /// Its name.
    pub name: String,
}

/// One message, to be produced or as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its partition; `None` lets the client choose one by the key, as Kafka's own do.
    pub partition: Option<i32>,
    /// Its place in the partition; not for producing.
    pub offset: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None`: a tombstone.
    pub payload: Option<Vec<u8>>,
    /// The headers; of several with one name the last one.
    pub headers: HashMap<String, Vec<u8>>,
}

impl Record {
    /// A message without a key.
    pub fn of(payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: Some(payload.into()), ..Self::default() }
    }

    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.payload.as_deref().unwrap_or_default()).into_owned()
    }
}

impl Topic {
    /// What our programs are told about it.
    pub fn settings(&self) -> Settings {
        crate::settings([
            ("KAFKA_BOOTSTRAP_SERVERS", &self.broker),
            ("KAFKA_TOPIC", &self.name),
            ("KAFKA_GROUP", &self.name),
        ])
    }

    /// Where what can't be decoded goes.
    pub fn dead_letters(&self) -> Self {
        Self { broker: self.broker.clone(), name: format!("{}.dlq", self.name) }
    }

    /// Creates it, with `configuration` as in `[("cleanup.policy", "compact")]`.
    ///
    /// # Panics
    /// If the broker refuses.
    pub async fn create(&self, partitions: i32, configuration: &[(&str, &str)]) {
        let mut topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        for (name, value) in configuration {
            topic = topic.set(name, value);
        }
        let results = self.admin().create_topics(&[topic], &AdminOptions::new()).await.expect("the broker answers");
        for result in results {
            result.unwrap_or_else(|(name, error)| panic!("topic {name} can't be created: {error}"));
        }
    }

    /// Deletes it.
    ///
    /// # Panics
    /// If the broker refuses.
    pub async fn delete(&self) {
        let results = self.admin().delete_topics(&[&self.name], &AdminOptions::new()).await;
        for result in results.expect("the broker answers") {
            result.unwrap_or_else(|(name, error)| panic!("topic {name} can't be deleted: {error}"));
        }
    }

    /// Adds partitions, so that there are `total`.
    ///
    /// # Panics
    /// If the broker refuses.
    pub async fn grow(&self, total: usize) {
        let partitions = NewPartitions::new(&self.name, total);
        let results = self.admin().create_partitions([&partitions], &AdminOptions::new()).await;
        for result in results.expect("the broker answers") {
            result.unwrap_or_else(|(name, error)| panic!("topic {name} can't grow: {error}"));
        }
    }

    /// Produces one message without compression and waits for the broker.
    pub async fn produce(&self, record: Record) {
        self.produce_with("none", record).await;
    }

    /// Produces one message with a codec (`none`, `gzip`, `snappy`, `lz4`, `zstd`) and waits for the broker. What a
    /// codec can't make smaller is sent as it is.
    pub async fn produce_with(&self, codec: &str, record: Record) {
        self.produce_all(codec, [record]).await;
    }

    /// Produces these messages, many at a time, and waits for the broker.
    ///
    /// # Panics
    /// If the broker doesn't take one.
    pub async fn produce_all(&self, codec: &str, records: impl IntoIterator<Item = Record>) {
        let producer: FutureProducer = client_config(&self.broker)
            .set("compression.codec", codec)
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0")
            .create()
            .expect("it is a configuration");
        let produce = async |record: Record| {
            let message = message(&self.name, &record);
            let delivery = producer.send(message, REQUEST_LIMIT).await;
            delivery.unwrap_or_else(|(error, _)| panic!("topic {}: {error}", self.name));
        };
        stream::iter(records).for_each_concurrent(CONCURRENCY, produce).await;
    }

    /// Produces these messages in a transaction that stays open until the producer is dropped.
    ///
    /// # Panics
    /// If the broker doesn't take one.
    pub async fn produce_in_open_transaction(&self, records: impl IntoIterator<Item = Record>) -> FutureProducer {
        let producer: FutureProducer =
            client_config(&self.broker).set("transactional.id", &self.name).create().expect("it is a configuration");
        let begin = {
            let producer = producer.clone();
            move || producer.init_transactions(REQUEST_LIMIT).and_then(|()| producer.begin_transaction())
        };
        tokio::task::spawn_blocking(begin).await.expect("it ends").expect("the broker knows transactions");
        for record in records {
            let delivery = producer.send(message(&self.name, &record), REQUEST_LIMIT).await;
            delivery.unwrap_or_else(|(error, _)| panic!("topic {}: {error}", self.name));
        }
        producer
    }

    /// Denies everybody everything on it, by an access list (see [`Kafka::start_guarded`](crate::Kafka::start_guarded)), or
    /// no longer.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn deny(&self, denied: bool) {
        let mut command = Command::new(script("kafka"));
        command.args(["tool", "kafka-acls", "--bootstrap-server", &self.broker, "--topic", &self.name, "--force"]);
        command.args([if denied { "--add" } else { "--remove" }, "--deny-principal", "User:*"]);
        feed(&mut command, b"");
    }

    /// Gives `lines` to `kafka-console-producer`.
    ///
    /// # Panics
    /// If it fails.
    pub fn console_producer(&self, arguments: &[&str], lines: &[u8]) {
        let mut command = Command::new(script("kafka"));
        command.args(["tool", "kafka-console-producer", "--bootstrap-server", &self.broker, "--topic", &self.name]);
        feed(command.args(arguments), lines);
    }

    /// All messages that are there now, ordered by partition and offset.
    ///
    /// # Panics
    /// If the broker doesn't answer.
    pub async fn read(&self) -> Vec<Record> {
        let topic = self.clone();
        tokio::task::spawn_blocking(move || topic.read_blocking()).await.expect("reading ends")
    }

    /// The messages that are there now and contain `text`.
    pub async fn read_containing(&self, text: &str) -> Vec<Record> {
        self.read().await.into_iter().filter(|record| record.text().contains(text)).collect()
    }

    /// How many partitions it has; 0: there is no such topic.
    ///
    /// # Panics
    /// If the broker doesn't answer.
    pub async fn partitions(&self) -> usize {
        let topic = self.clone();
        let ask = move || topic.partitions_blocking(&topic.consumer()).len();
        tokio::task::spawn_blocking(ask).await.expect("asking ends")
    }

    /// The id of the broker that leads each partition.
    ///
    /// # Panics
    /// If the broker doesn't answer.
    pub async fn leaders(&self) -> Vec<i32> {
        let topic = self.clone();
        let ask = move || {
            let metadata =
                topic.consumer().fetch_metadata(Some(&topic.name), REQUEST_LIMIT).expect("the broker answers");
            let mut partitions: Vec<_> = metadata.topics()[0].partitions().iter().collect();
            partitions.sort_by_key(|partition| partition.id());
            partitions.into_iter().map(MetadataPartition::leader).collect()
        };
        tokio::task::spawn_blocking(ask).await.expect("asking ends")
    }

    fn consumer(&self) -> BaseConsumer {
        // It belongs to no group, but may not be made without the name of one.
        client_config(&self.broker).set("group.id", "unused").create().expect("it is a configuration")
    }

    fn partitions_blocking(&self, consumer: &BaseConsumer) -> Vec<i32> {
        let metadata = consumer.fetch_metadata(Some(&self.name), REQUEST_LIMIT).expect("the broker answers");
        metadata.topics()[0].partitions().iter().map(MetadataPartition::id).collect()
    }

    fn watermarks_blocking(&self, consumer: &BaseConsumer) -> Vec<(i64, i64)> {
        let partitions = self.partitions_blocking(consumer);
        assert!(!partitions.is_empty(), "there is no topic {}", self.name);
        let ask = |partition| consumer.fetch_watermarks(&self.name, partition, REQUEST_LIMIT);
        partitions.into_iter().map(|partition| ask(partition).expect("the broker answers")).collect()
    }

    fn read_blocking(&self) -> Vec<Record> {
        let consumer = self.consumer();
        let watermarks = self.watermarks_blocking(&consumer);
        let mut assignment = TopicPartitionList::new();
        for (partition, (low, _)) in (0..).zip(&watermarks) {
            assignment.add_partition_offset(&self.name, partition, Offset::Offset(*low)).expect("it is an offset");
        }
        consumer.assign(&assignment).expect("it is an assignment");
        let mut missing = watermarks.iter().map(|(low, high)| usize::from(low < high)).sum::<usize>();
        let mut records = Vec::new();
        while missing > 0 {
            let message = consumer.poll(REQUEST_LIMIT).expect("messages are there").expect("the broker answers");
            let (_, high) = watermarks[usize::try_from(message.partition()).expect("it isn't negative")];
            if message.offset() < high {
                missing -= usize::from(message.offset() + 1 == high);
                records.push(record(&message));
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        client_config(&self.broker).create().expect("it is a configuration")
    }
}

fn message<'a>(topic: &'a str, record: &'a Record) -> FutureRecord<'a, [u8], [u8]> {
    let headers = record
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let mut message = FutureRecord::to(topic).headers(headers);
    message.partition = record.partition;
    message.key = record.key.as_deref();
    message.payload = record.payload.as_deref();
    message
}

fn record(message: &impl Message) -> Record {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Record {
        partition: Some(message.partition()),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
    }
}
