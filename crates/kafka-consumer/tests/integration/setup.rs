//! A topic, a Redis, consumers, and a relay that the test plays.

use std::fmt::Debug;
use std::time::Duration;

use common::keys::Keys;
use common::message::{Action, Message, Position};
use common::protocol::apply::read_state;
use common::protocol::state::State;
use common::random_name::Name;
use common::shard::Shard;
use deadpool_redis::redis::cmd;
use harness::{Kafka, Program, Record, Redis, Settings, Topic, eventually};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// Partitions of a test's topic: enough to have neighbours, few enough to read in a log.
pub(crate) const SHARDS: u32 = 3;

/// Limit for what takes milliseconds on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Limit for an orderly stop, as supervisord has it.
pub(crate) const STOP: Duration = Duration::from_secs(8);

/// A topic and a Redis of the test's own.
pub(crate) struct Setup {
    pub(crate) topic: Topic,
    pub(crate) redis: Redis,
    pub(crate) keys: Keys,
}

impl Setup {
    /// With an empty topic on the shared broker.
    pub(crate) async fn new() -> Self {
        Self::with_shards(SHARDS).await
    }

    /// The same, with another number of partitions and shards.
    pub(crate) async fn with_shards(shards: u32) -> Self {
        let topic = Kafka::shared().topic();
        topic.create(shards.cast_signed(), &[]).await;
        Self { topic, redis: Redis::start().await, keys: Keys::new("test", shards) }
    }

    /// Without the topic.
    pub(crate) async fn without_topic() -> Self {
        Self::on(Kafka::shared().topic()).await
    }

    /// With this topic, which may be anywhere and needn't exist.
    pub(crate) async fn on(topic: Topic) -> Self {
        Self { topic, redis: Redis::start().await, keys: Keys::new("test", SHARDS) }
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = self.topic.settings();
        settings.extend(self.redis.settings());
        settings.extend(harness::settings([
            ("REDIS_KEY_PREFIX", "test"),
            ("SHARDS", &self.keys.shards().to_string()),
            ("LOG_LEVEL", "debug"),
        ]));
        settings
    }

    /// Starts a consumer.
    pub(crate) fn start(&self) -> Program {
        Program::kafka_consumer(self.settings())
    }

    /// Starts a consumer that has every shard open.
    pub(crate) async fn consumer(&self) -> Program {
        let consumer = self.start();
        consumer.wait_log(SOON, "are this consumer's").await;
        consumer
    }

    /// Starts a consumer and a relay, with every shard reset to the relay's generation.
    pub(crate) async fn consumer_and_relay(&self) -> (Program, Relay) {
        let consumer = self.consumer().await;
        let mut relay = Relay::new(self);
        self.heard(&mut relay).await;
        (consumer, relay)
    }

    /// Has the relay beat until every shard has its newest number: what comes in before a consumer's seek to the end is
    /// not heard.
    pub(crate) async fn heard(&self, relay: &mut Relay) {
        eventually(SOON, "every shard has the relay's newest number", async || {
            let number = relay.beat().await;
            self.are_at(relay.generation, number).await
        })
        .await;
    }

    /// Succeeds if every shard has this heartbeat.
    pub(crate) async fn are_at(&self, generation: Name, number: u64) -> Result<(), String> {
        for shard in 0..self.keys.shards() {
            let state = self.state(shard).await;
            let there = state.is_some_and(|state| (state.generation, state.number) == (generation, Some(number)));
            harness::holds(there, (shard, state))?;
        }
        Ok(())
    }

    pub(crate) async fn state(&self, shard: Shard) -> Option<State> {
        let mut connection = self.redis.connection().await;
        read_state(&mut connection, &self.keys, shard).await.unwrap().state()
    }

    /// Writes a shard's state, as a failover of Redis or an operator might.
    pub(crate) async fn put_state(&self, shard: Shard, text: &str) {
        let mut connection = self.redis.connection().await;
        cmd("SET").arg(self.keys.state(shard)).arg(text).exec_async(&mut connection).await.unwrap();
    }

    pub(crate) async fn epochs(&self) -> Vec<Option<Name>> {
        let mut epochs = Vec::new();
        for shard in 0..self.keys.shards() {
            epochs.push(self.state(shard).await.map(|state| state.epoch));
        }
        epochs
    }

    /// How many changes of this shard are noted.
    pub(crate) async fn changes(&self, shard: Shard) -> u32 {
        self.redis.command(&format!("XLEN {}", self.keys.changes(shard))).await
    }

    /// Puts something under the code's key, as the api does.
    pub(crate) async fn fill(&self, code: &str) {
        self.redis.command::<()>(&format!("SET {} filled", self.keys.code(code))).await;
    }

    pub(crate) async fn is_filled(&self, code: &str) -> bool {
        self.redis.command(&format!("EXISTS {}", self.keys.code(code))).await
    }

    /// Waits until nothing stands under the code's key.
    pub(crate) async fn dropped(&self, code: &str) {
        let what = format!("{code} is dropped");
        eventually(SOON, &what, async || harness::holds(!self.is_filled(code).await, "filled")).await;
    }

    /// Waits until the shard's state satisfies `condition`, and returns it.
    pub(crate) async fn state_that(&self, what: &str, shard: Shard, condition: impl Fn(&State) -> bool) -> State {
        eventually(SOON, what, async || {
            let state = self.state(shard).await;
            state.filter(&condition).ok_or_else(|| shown(&state))
        })
        .await
    }

    /// Removes every message of one partition, as its retention does.
    pub(crate) async fn cut_log(&self, partition: Shard) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic.name, partition.cast_signed(), Offset::End).unwrap();
        self.admin().delete_records(&list, &AdminOptions::new()).await.unwrap();
    }

    /// Deletes the topic and makes it again as soon as the broker lets us.
    pub(crate) async fn make_topic_again(&self) {
        self.topic.delete().await;
        let topic = NewTopic::new(&self.topic.name, partitions(), TopicReplication::Fixed(1));
        eventually(SOON, "the topic can be made again", async || {
            let made = self.admin().create_topics([&topic], &AdminOptions::new()).await.unwrap();
            made.into_iter().collect::<Result<Vec<_>, _>>().map_err(|(_, error)| error)
        })
        .await;
    }

    /// Changes a setting of the topic.
    pub(crate) async fn configure_topic(&self, name: &str, value: &str) {
        let config = AlterConfig::new(ResourceSpecifier::Topic(&self.topic.name)).set(name, value);
        let results = self.admin().alter_configs([&config], &AdminOptions::new()).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.topic.broker).create().unwrap()
    }

    /// A code of this shard, and another one for each `number`.
    pub(crate) fn code_of(&self, shard: Shard, number: usize) -> String {
        let codes = (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| format!("X{}{}", a as char, b as char)));
        codes.filter(|code| self.keys.shard_of(code) == shard).nth(number).unwrap()
    }

    /// A message by hand, without a key, in this partition.
    pub(crate) async fn by_hand(&self, partition: Shard, payload: &str) {
        self.topic.produce(Record { partition: Some(partition.cast_signed()), ..Record::of(payload) }).await;
    }
}

/// Plays the relay: counts the sequences of one generation.
pub(crate) struct Relay {
    topic: Topic,
    keys: Keys,
    pub(crate) generation: Name,
    sequences: Vec<u64>,
    number: u64,
}

impl Relay {
    /// A new generation.
    pub(crate) fn new(setup: &Setup) -> Self {
        let (topic, keys, generation) = (setup.topic.clone(), setup.keys.clone(), Name::random());
        let sequences = vec![0; keys.shards() as usize];
        Self { topic, keys, generation, sequences, number: 0 }
    }

    /// Publishes a change of `code`.
    pub(crate) async fn change(&mut self, code: &str) {
        let shard = self.keys.shard_of(code);
        self.publish(shard, Action::Invalidate(code.to_owned())).await;
    }

    /// Publishes the next heartbeat to every partition, and returns its number.
    pub(crate) async fn beat(&mut self) -> u64 {
        self.number += 1;
        for shard in 0..self.keys.shards() {
            self.publish(shard, Action::Heartbeat(self.number)).await;
        }
        self.number
    }

    /// Publishes to one partition under the next sequence.
    pub(crate) async fn publish(&mut self, shard: Shard, action: Action) {
        let message = self.next(shard, action);
        let record = Record { partition: Some(shard.cast_signed()), ..Record::of(message.encode()) };
        self.topic.produce(record).await;
    }

    /// Counts a message that never reaches the log.
    pub(crate) fn lose(&mut self, shard: Shard) {
        let _ = self.next(shard, Action::InvalidateAll);
    }

    fn next(&mut self, shard: Shard, action: Action) -> Message {
        let sequence = &mut self.sequences[shard as usize];
        *sequence += 1;
        Message { action, position: Some(Position { generation: self.generation, sequence: *sequence }) }
    }
}

pub(crate) fn partitions() -> i32 {
    SHARDS.cast_signed()
}

fn shown(seen: &impl Debug) -> String {
    format!("{seen:?}")
}
