//! A way to each of a system's servers that breaks on command.

use crate::{Database, Proxy, Redis, Settings, settings};

/// One proxy for each server.
pub struct Links {
    /// To PostgreSQL.
    pub postgres: Proxy,
    /// To Redis.
    pub redis: Proxy,
    /// To Kafka.
    pub kafka: Proxy,
}

impl Links {
    /// Whole ones; `kafka` comes from [`crate::Kafka::start_with_link`] where it is to be cut later: a broker tells its
    /// clients where to go on.
    pub fn to(database: &Database, redis: &Redis, kafka: Proxy) -> Self {
        Self {
            postgres: Proxy::to(&format!("{}:{}", database.host, database.port)),
            redis: Proxy::to(&format!("127.0.0.1:{}", redis.port)),
            kafka,
        }
    }

    /// What a program that goes by them is told.
    pub fn settings(&self) -> Settings {
        settings([
            ("DB_HOST", "127.0.0.1"),
            ("DB_PORT", &self.postgres.port.to_string()),
            ("REDIS_PORT", &self.redis.port.to_string()),
            ("KAFKA_BOOTSTRAP_SERVERS", &format!("127.0.0.1:{}", self.kafka.port)),
        ])
    }

    /// All of them.
    pub fn all(&self) -> [&Proxy; 3] {
        [&self.postgres, &self.redis, &self.kafka]
    }
}
