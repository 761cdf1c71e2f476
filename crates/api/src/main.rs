//! The api: answers over HTTP from Redis, and from PostgreSQL where Redis has no answer that lives.

fn main() -> std::process::ExitCode {
    common::program::start("api", api::run)
}
