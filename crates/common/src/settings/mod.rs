//! Every setting of the three programs.
//!
//! They run in one container with one environment, so each program checks the whole of it and uses its part: a wrong
//! value is found whichever program looks first.

mod addresses; // What a host, a list of brokers and an endpoint may look like.
mod definition; // What a setting is, and what its value may be.
mod table; // Every setting, once: name, limits, default, text.

mod environment; // The variables of a process, and what is wrong with them.
mod service_links; // What Kubernetes sets for a server next door.
mod unknown_variables; // Variables with our prefixes that are not settings.

pub mod limits; // What must hold between times.
mod read; // From the variables into the parts below.

mod help; // The table as `--help` prints it.

use std::time::Duration;

use log::LevelFilter;
use secrecy::SecretString;

pub(crate) use addresses::reachable;
pub use help::help;

/// All settings, by the part that they belong to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where PostgreSQL is.
    pub postgres: Postgres,
    /// Where Redis is.
    pub redis: Redis,
    /// Where Kafka is, and what the topic is like.
    pub kafka: Kafka,
    /// The api's HTTP server.
    pub http: Http,
    /// The api's answers.
    pub cache: Cache,
    /// Where images come from.
    pub images: Images,
    /// The relay in pg-notify-worker.
    pub relay: Relay,
    /// Where log lines go.
    pub logging: Logging,
    /// How long a program may take to finish what it has begun when it is told to stop.
    pub drain_limit: Duration,
}

/// `DB_…`: PostgreSQL.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// Host name, address (IPv6 without brackets), or the folder of a Unix socket.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Its password, where it has one.
    pub password: Option<SecretString>,
    /// Database.
    pub database: String,
    /// Connections of one api instance, which is also how many of its statements run at once.
    pub pool_size: usize,
    /// Limit for opening a connection.
    pub connect_timeout: Duration,
    /// Limit for one statement; below [`Cache::bound`].
    pub statement_timeout: Duration,
}

/// `REDIS_…`: Redis.
#[derive(Clone, Debug)]
pub struct Redis {
    /// Host name or address (IPv6 without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Limit for one round trip; a cache that takes longer is no cache.
    pub timeout: Duration,
    /// Keeps two installations apart in one Redis.
    pub key_prefix: String,
}

/// `KAFKA_…` and `SHARDS`: Kafka and the topic.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Comma-separated `host:port`, IPv6 addresses in brackets.
    pub bootstrap_servers: String,
    /// The topic of changes; undecodable messages go to the topic of this name with `.dlq` behind it.
    pub topic: String,
    /// Partitions of the topic, shards of the cache.
    pub shards: u32,
    /// Replication factor of topics that the worker creates; `None`: the broker's default.
    pub replication: Option<i32>,
    /// Consumer group.
    pub group: String,
    /// Static membership, so that a killed consumer that comes back has its partitions at once.
    pub group_instance_id: Option<String>,
    /// A shard whose backlog is larger than this many messages is emptied instead of replayed.
    pub backlog_limit: i64,
}

/// `HTTP_…`: the api's server.
#[derive(Clone, Debug)]
pub struct Http {
    /// Address to listen on (IPv6 without brackets), or `localhost`.
    pub host: String,
    /// TCP port to listen on.
    pub port: u16,
    /// Threads that serve; `None`: one for each core.
    pub workers: Option<usize>,
    /// Connections that are open at once; further ones wait in the listener's queue.
    pub connections_max: usize,
    /// Within this time a request is answered, whatever it has to wait for.
    pub request_limit: Duration,
}

/// The api's answers.
#[derive(Clone, Copy, Debug)]
pub struct Cache {
    /// How old an answer may be that didn't ask for anything else.
    pub bound: Duration,
    /// How long a value stays in Redis at most: the last resort, ±10 %.
    pub time_to_live: Duration,
}

/// `MINIO_…` and `IMAGE_FOLDER`: where images come from.
#[derive(Clone, Debug)]
pub enum Images {
    /// An S3-compatible store.
    Store {
        /// `http(s)://host:port`.
        endpoint: String,
        /// Access key.
        access_key: String,
        /// Its secret.
        secret_key: SecretString,
        /// Bucket.
        bucket: String,
    },
    /// A folder on this machine.
    Folder(String),
}

/// The relay.
#[derive(Clone, Copy, Debug)]
pub struct Relay {
    /// Between two heartbeats.
    pub heartbeat_interval: Duration,
    /// Between two polls of the outbox while there is something to do.
    pub poll_interval: Duration,
    /// Outbox rows that wait for Kafka; more of them become one that says "anything may have changed".
    pub outbox_limit: usize,
    /// Create our tables although a publication FOR ALL TABLES will carry them to its subscribers.
    pub publication_for_all_tables: bool,
}

/// `LOG_…`: log lines.
#[derive(Clone, Copy, Debug)]
pub struct Logging {
    /// The least important lines that are written.
    pub level: LevelFilter,
    /// To stdout as well as to stderr, as supervisord.conf needs it.
    pub both: bool,
}

#[cfg(test)]
mod tests;
