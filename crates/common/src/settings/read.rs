//! Reads every setting: name, default, limits.

use std::ops::RangeInclusive;
use std::time::Duration;

use log::LevelFilter;

use super::{Cache, Environment, Http, Images, Kafka, Logging, Postgres, Redis, Relay, Settings};

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
            request_limit: env.milliseconds("HTTP_REQUEST_LIMIT_MS", 3_000, 100..=60_000),
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
