//! Every setting of the three programs: name, default, limits.
//!
//! They run in one container with one environment, so each program checks the whole of it and uses its part: a wrong
//! value is found whichever program looks first. The README's table says the same in prose.

mod environment;

use std::ops::RangeInclusive;
use std::time::Duration;

use log::LevelFilter;
use secrecy::SecretString;

pub use environment::Environment;

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
    /// Host name, address, or the folder of a Unix socket.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: SecretString,
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
    /// Host name or address.
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
    /// Comma-separated `host:port`.
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
    /// Address to listen on.
    pub host: String,
    /// TCP port to listen on.
    pub port: u16,
    /// Threads that serve; `None`: one for each core.
    pub workers: Option<usize>,
    /// Connections that are open at once; further ones wait in the listener's queue.
    pub connections_max: usize,
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
        /// `http://host:port`.
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
    /// While Kafka is away, an outbox of more rows than this becomes one ALL row.
    pub outbox_limit: i64,
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

const PORTS: RangeInclusive<u16> = 1..=u16::MAX;

impl Settings {
    /// Reads every setting; what is wrong is noted in `env` and replaced by its default.
    pub fn read(env: &mut Environment) -> Self {
        let settings = Self {
            postgres: Postgres::read(env),
            redis: Redis::read(env),
            kafka: Kafka::read(env),
            http: Http::read(env),
            cache: Cache::read(env),
            images: Images::read(env),
            relay: Relay::read(env),
            logging: Logging::read(env),
            drain_limit: env.milliseconds("DRAIN_LIMIT_MS", 8_000, 100..=600_000),
        };
        if settings.postgres.statement_timeout >= settings.cache.bound {
            env.problem("DB_STATEMENT_TIMEOUT_MS", "must be below BOUND_MS");
        }
        settings
    }
}

impl Postgres {
    fn read(env: &mut Environment) -> Self {
        Self {
            host: env.text("DB_HOST", "localhost"),
            port: env.number("DB_PORT", 5432, PORTS),
            user: env.text("DB_USER", "postgres"),
            password: env.secret("DB_PASSWORD", "postgres"),
            database: env.text("DB_NAME", "tutorial"),
            pool_size: env.number("DB_POOL_SIZE", 8, 1..=1_000),
            connect_timeout: env.milliseconds("DB_CONNECT_TIMEOUT_MS", 1_000, 50..=60_000),
            statement_timeout: env.milliseconds("DB_STATEMENT_TIMEOUT_MS", 1_500, 50..=60_000),
        }
    }
}

impl Redis {
    fn read(env: &mut Environment) -> Self {
        let braceless =
            |prefix: &str| prefix.len() <= 100 && prefix.bytes().all(|b| b.is_ascii_graphic() && !b"{}".contains(&b));
        Self {
            host: env.text("REDIS_HOST", "localhost"),
            port: env.number("REDIS_PORT", 6379, PORTS),
            timeout: env.milliseconds("REDIS_TIMEOUT_MS", 250, 5..=10_000),
            key_prefix: env.checked_text(
                "REDIS_KEY_PREFIX",
                "cities-cache",
                "at most 100 printable ASCII characters without braces",
                braceless,
            ),
        }
    }
}

impl Kafka {
    fn read(env: &mut Environment) -> Self {
        // Kafka's own rule is 249 characters; `.dlq` must fit as well.
        let topic = |name: &str| {
            name.len() <= 245
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
                && ![".", ".."].contains(&name)
        };
        let servers = |list: &str| {
            list.split(',').all(|server| {
                server
                    .trim()
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
            })
        };
        Self {
            bootstrap_servers: env.checked_text(
                "KAFKA_BOOTSTRAP_SERVERS",
                "localhost:9092",
                "a comma-separated list of host:port",
                servers,
            ),
            topic: env.checked_text(
                "KAFKA_TOPIC",
                "city_updates",
                "at most 245 letters, digits, dots, underscores and hyphens",
                topic,
            ),
            shards: env.number("SHARDS", 8, 1..=1_024),
            replication: match env.number("KAFKA_REPLICATION", 0, 0..=15) {
                0 => None,
                replicas => Some(replicas),
            },
            group: env.text("KAFKA_GROUP", "cache_cleaners"),
            group_instance_id: env.optional_text("KAFKA_GROUP_INSTANCE_ID"),
            backlog_limit: env.number("BACKLOG_LIMIT_MESSAGES", 100_000, 1_000..=100_000_000),
        }
    }
}

impl Http {
    fn read(env: &mut Environment) -> Self {
        Self {
            host: env.text("HTTP_HOST", "0.0.0.0"),
            port: env.number("HTTP_PORT", 8_000, PORTS),
            workers: match env.number("HTTP_WORKERS", 0, 0..=256) {
                0 => None,
                workers => Some(workers),
            },
            connections_max: env.number("HTTP_CONNECTIONS_MAX", 4_096, 16..=1_000_000),
        }
    }
}

impl Cache {
    fn read(env: &mut Environment) -> Self {
        Self {
            bound: env.milliseconds("BOUND_MS", 2_000, 250..=60_000),
            time_to_live: Duration::from_secs(env.number("TIME_TO_LIVE_S", 320, 1..=86_400)),
        }
    }
}

impl Images {
    fn read(env: &mut Environment) -> Self {
        let folder = env.text("IMAGE_FOLDER", "images");
        let access_key = env.text("MINIO_ACCESS_KEY", "minioadmin");
        let secret_key = env.secret("MINIO_SECRET_KEY", "minioadmin");
        let bucket = env.text("MINIO_BUCKET", "images");
        let Some(endpoint) = env.optional_text("MINIO_ENDPOINT") else { return Self::Folder(folder) };
        let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['@', ' ', '?', '#'])) {
            // Not shown: somebody may have put a password into it.
            env.problem("MINIO_ENDPOINT", "must be http://host:port or https://host:port");
        }
        Self::Store { endpoint, access_key, secret_key, bucket }
    }
}

impl Relay {
    fn read(env: &mut Environment) -> Self {
        Self {
            heartbeat_interval: env.milliseconds("HEARTBEAT_INTERVAL_MS", 250, 20..=10_000),
            poll_interval: env.milliseconds("POLL_INTERVAL_MS", 5, 1..=1_000),
            outbox_limit: env.number("OUTBOX_LIMIT_ROWS", 10_000, 100..=100_000_000),
            publication_for_all_tables: env
                .choice("ALLOW_PUBLICATION_FOR_ALL_TABLES", &[("false", false), ("true", true)]),
        }
    }
}

impl Logging {
    fn read(env: &mut Environment) -> Self {
        let levels = [
            ("info", LevelFilter::Info),
            ("error", LevelFilter::Error),
            ("warn", LevelFilter::Warn),
            ("debug", LevelFilter::Debug),
            ("trace", LevelFilter::Trace),
        ];
        Self {
            level: env.choice("LOG_LEVEL", &levels),
            both: env.choice("LOG_TO", &[("stderr", false), ("both", true)]),
        }
    }
}

#[cfg(test)]
mod tests;
