//! `pg-notify-worker`: takes each change of the cities from PostgreSQL to Kafka.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::program::start("pg-notify-worker", pg_notify_worker::run)
}
