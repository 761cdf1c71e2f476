//! Kafka to Redis: applies what changed to the cache.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::program::start("kafka-consumer", kafka_consumer::run)
}
