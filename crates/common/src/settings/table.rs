//! Every setting, once: what is read, what `--help` prints and what stands in the README all come from here.

use log::LevelFilter;

use super::addresses::{BIND_ADDRESS, BROKERS, ENDPOINT, HOST, HOST_OR_FOLDER};
use super::definition::{Definition, Milliseconds, Password, Seconds, Secret, Setting, Text, Whole, Word};
use super::limits::{DRAIN_LIMIT_MAX_MS, HEARTBEAT_INTERVAL_MAX_MS, POLL_INTERVAL_MAX_MS};

/// Declares each setting as a static of its own name, and all of them as [`ALL`].
macro_rules! settings {
    ($($name:ident: $type:ty = $kind:expr, $default:literal, $what:literal;)+) => {
        $(pub(super) static $name: Setting<$type> =
            Setting { name: stringify!($name), kind: $kind, default: $default, what: $what };)+

        /// Every setting, in the order of the README.
        pub(super) static ALL: &[&dyn Definition] = &[$(&$name),+];
    };
}

settings! {
    DB_HOST: Text = HOST_OR_FOLDER, "localhost", "PostgreSQL";
    DB_PORT: Whole<u16> = PORT, "5432", "";
    DB_USER: Text = Text::ANY, "postgres", "";
    DB_PASSWORD: Password = Password, "postgres", "`DB_PASSWORD=`: none";
    DB_NAME: Text = Text::ANY, "tutorial", "database";
    DB_POOL_SIZE: Whole<usize> = Whole(1..=1_000), "8", "connections of one api, and statements it runs at once";
    DB_CONNECT_TIMEOUT_MS: Milliseconds = Milliseconds(50..=60_000), "1000", "";
    DB_STATEMENT_TIMEOUT_MS: Milliseconds = Milliseconds(50..=60_000), "1500",
        "of the api; below `BOUND_MS` and `HTTP_REQUEST_LIMIT_MS`";

    REDIS_HOST: Text = HOST, "localhost", "Redis";
    REDIS_PORT: Whole<u16> = PORT, "6379", "";
    REDIS_TIMEOUT_MS: Milliseconds = Milliseconds(5..=10_000), "250", "one round trip";
    REDIS_KEY_PREFIX: Text = KEY_PREFIX, "cities-cache", "keeps two installations apart in one Redis";

    KAFKA_BOOTSTRAP_SERVERS: Text = BROKERS, "localhost:9092", "Kafka";
    KAFKA_TOPIC: Text = TOPIC, "city_updates", "undecodable messages go to the same name with `.dlq`";
    KAFKA_GROUP: Text = Text::ANY, "cache_cleaners", "consumer group";
    KAFKA_GROUP_INSTANCE_ID: Text = Text::ANY, "",
        "static membership: who comes back under its name has its shards at once; in the image the host's name, else random";
    KAFKA_REPLICATION: Whole<i32> = Whole(0..=15), "0", "of topics that the worker creates; 0: the broker's default";
    SHARDS: Whole<u32> = Whole(1..=1_024), "8", "partitions of the topic; another number starts with an empty cache";
    BACKLOG_LIMIT_MESSAGES: Whole<i64> = Whole(1_000..=100_000_000), "100000",
        "a shard further behind is emptied instead of replayed";

    MINIO_ENDPOINT: Text = ENDPOINT, "",
        "S3-compatible store, else a local folder; an authority of your own: its certificate's path in `SSL_CERT_FILE`";
    MINIO_ACCESS_KEY: Text = Text::ANY, "minioadmin", "";
    MINIO_SECRET_KEY: Secret = Secret, "minioadmin", "";
    MINIO_BUCKET: Text = Text::ANY, "images", "";
    IMAGE_FOLDER: Text = FOLDER, "images", "images without a store";

    HTTP_HOST: Text = BIND_ADDRESS, "0.0.0.0", "where the api listens";
    HTTP_PORT: Whole<u16> = PORT, "8000", "";
    HTTP_WORKERS: Whole<usize> = Whole(0..=256), "0", "threads that serve; 0: one a core";
    HTTP_CONNECTIONS_MAX: Whole<usize> = Whole(16..=1_000_000), "4096",
        "open at once; each is an open file, of which the system must allow as many (`ulimit -Hn`)";
    HTTP_REQUEST_LIMIT_MS: Milliseconds = Milliseconds(100..=60_000), "3000",
        "within it a request is answered, whatever it waits for";

    BOUND_MS: Milliseconds = Milliseconds(250..=60_000), "2000", "how old an answer may be (today: what a request may join)";
    TIME_TO_LIVE_S: Seconds = Seconds(1..=86_400), "320", "of a cached answer, ±10 %";
    HEARTBEAT_INTERVAL_MS: Milliseconds = Milliseconds(20..=HEARTBEAT_INTERVAL_MAX_MS), "250", "at most a quarter of `BOUND_MS`";
    POLL_INTERVAL_MS: Milliseconds = Milliseconds(1..=POLL_INTERVAL_MAX_MS), "5",
        "of the outbox, while busy; up to 50 ms while each read finds eight changes or more";
    OUTBOX_LIMIT_ROWS: Whole<usize> = Whole(100..=1_000_000), "10000",
        "changes that wait in the worker's memory (150 MB for a million with 8 shards); more become one \"all\"";
    ALLOW_PUBLICATION_FOR_ALL_TABLES: Word<bool> = Word(&[("false", false), ("true", true)]), "false",
        "create our tables although such a publication would carry them along";

    LOG_LEVEL: Word<LevelFilter> = Word(LEVELS), "info", "";
    LOG_TO: Word<bool> = Word(&[("stderr", false), ("both", true)]), "stderr",
        "`both`: to stdout as well, for supervisord's files; the default in the image";
    DRAIN_LIMIT_MS: Milliseconds = Milliseconds(100..=DRAIN_LIMIT_MAX_MS), "8000",
        "to finish what has begun when told to stop; below `stopwaitsecs` in `supervisord.conf`";
}

const PORT: Whole<u16> = Whole(1..=u16::MAX);

const FOLDER: Text = Text { limits: "path", ..Text::ANY };

const KEY_PREFIX: Text = Text {
    limits: "100 characters, no braces",
    expected: "at most 100 printable ASCII characters without braces",
    parse: |prefix| {
        let is_right = prefix.len() <= 100 && prefix.bytes().all(|b| b.is_ascii_graphic() && !b"{}".contains(&b));
        is_right.then(|| prefix.to_owned())
    },
};

const TOPIC: Text = Text {
    limits: "Kafka's rules, 245 characters",
    expected: "at most 245 letters, digits, dots, underscores and hyphens",
    // Kafka's own limit is 249; `.dlq` must fit as well.
    parse: |name| {
        let is_right = name.len() <= 245
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && ![".", ".."].contains(&name);
        is_right.then(|| name.to_owned())
    },
};

const LEVELS: &[(&str, LevelFilter)] = &[
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("warning", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];
