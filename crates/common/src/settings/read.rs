//! Reads every setting into the part of the program that it belongs to.

use std::ffi::OsString;

use super::environment::Environment;
use super::limits;
use super::table::*;
use super::{Cache, Http, Images, Kafka, Logging, Postgres, Redis, Relay, Settings};

impl Settings {
    /// Reads every setting from these variables; returns them with lines to be logged once there is a log.
    ///
    /// # Errors
    /// One line for each variable that is wrong.
    pub fn read(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(Self, Vec<String>), Vec<String>> {
        let mut env = Environment::new(variables).map_err(|error| vec![error.to_string()])?;
        let settings = Self {
            postgres: Postgres::read(&mut env),
            redis: Redis::read(&mut env),
            kafka: Kafka::read(&mut env),
            http: Http::read(&mut env),
            cache: Cache::read(&mut env),
            images: Images::read(&mut env),
            relay: Relay::read(&mut env),
            logging: Logging::read(&mut env),
            drain_limit: env.get(&DRAIN_LIMIT_MS),
        };
        // In the place of a wrong value stands the default, which would only contradict the right ones.
        if env.is_right() {
            limits::check(&settings, &mut env);
        }
        env.finish().map(|warnings| (settings, warnings))
    }
}

impl Postgres {
    fn read(env: &mut Environment) -> Self {
        Self {
            host: env.get(&DB_HOST),
            port: env.get(&DB_PORT),
            user: env.get(&DB_USER),
            password: env.get(&DB_PASSWORD),
            database: env.get(&DB_NAME),
            pool_size: env.get(&DB_POOL_SIZE),
            connect_timeout: env.get(&DB_CONNECT_TIMEOUT_MS),
            statement_timeout: env.get(&DB_STATEMENT_TIMEOUT_MS),
        }
    }
}

impl Redis {
    fn read(env: &mut Environment) -> Self {
        Self {
            host: env.get(&REDIS_HOST),
            port: env.get(&REDIS_PORT),
            timeout: env.get(&REDIS_TIMEOUT_MS),
            key_prefix: env.get(&REDIS_KEY_PREFIX),
        }
    }
}

impl Kafka {
    fn read(env: &mut Environment) -> Self {
        Self {
            bootstrap_servers: env.get(&KAFKA_BOOTSTRAP_SERVERS),
            topic: env.get(&KAFKA_TOPIC),
            shards: env.get(&SHARDS),
            replication: Some(env.get(&KAFKA_REPLICATION)).filter(|replicas| *replicas > 0),
            group: env.get(&KAFKA_GROUP),
            group_instance_id: env.optional(&KAFKA_GROUP_INSTANCE_ID),
            backlog_limit: env.get(&BACKLOG_LIMIT_MESSAGES),
        }
    }
}

impl Http {
    fn read(env: &mut Environment) -> Self {
        Self {
            host: env.get(&HTTP_HOST),
            port: env.get(&HTTP_PORT),
            workers: Some(env.get(&HTTP_WORKERS)).filter(|workers| *workers > 0),
            connections_max: env.get(&HTTP_CONNECTIONS_MAX),
            request_limit: env.get(&HTTP_REQUEST_LIMIT_MS),
        }
    }
}

impl Cache {
    fn read(env: &mut Environment) -> Self {
        Self { bound: env.get(&BOUND_MS), time_to_live: env.get(&TIME_TO_LIVE_S) }
    }
}

impl Images {
    fn read(env: &mut Environment) -> Self {
        let folder = env.get(&IMAGE_FOLDER);
        let access_key = env.get(&MINIO_ACCESS_KEY);
        let secret_key = env.get(&MINIO_SECRET_KEY);
        let bucket = env.get(&MINIO_BUCKET);
        match env.optional(&MINIO_ENDPOINT) {
            Some(endpoint) => Self::Store { endpoint, access_key, secret_key, bucket },
            None => Self::Folder(folder),
        }
    }
}

impl Relay {
    fn read(env: &mut Environment) -> Self {
        Self {
            heartbeat_interval: env.get(&HEARTBEAT_INTERVAL_MS),
            poll_interval: env.get(&POLL_INTERVAL_MS),
            outbox_limit: env.get(&OUTBOX_LIMIT_ROWS),
            publication_for_all_tables: env.get(&ALLOW_PUBLICATION_FOR_ALL_TABLES),
        }
    }
}

impl Logging {
    fn read(env: &mut Environment) -> Self {
        Self { level: env.get(&LOG_LEVEL), both: env.get(&LOG_TO) }
    }
}
