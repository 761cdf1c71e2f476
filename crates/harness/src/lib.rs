//! What every test against real servers uses: servers, the three programs, a network that breaks on command.
//!
//! The shared servers are started by `tests/with-servers`, which `tests/run` (so `make test`) calls; what a test wants
//! to break it starts for itself. In reading order: waiting, processes, servers, programs, the whole.

mod background;
pub mod eventually;
mod ports;
pub mod process;
mod server;

pub mod kafka;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod store;
pub mod topic;

pub mod http;
pub mod load;
pub mod oracle;
pub mod program;
pub mod system;
pub mod system_links;
pub mod tool;

pub use background::block_on;
pub use eventually::{eventually, holds};
pub use http::{Answer, Http};
pub use kafka::Kafka;
pub use load::Load;
pub use ports::free_port;
pub use postgres::{Database, Postgres};
pub use process::Process;
pub use program::Program;
pub use proxy::Proxy;
pub use redis::Redis;
pub use store::Store;
pub use system::System;
pub use system_links::Links;
pub use topic::{Record, Topic};

/// Environment variables for one of our programs.
pub type Settings = Vec<(String, String)>;

/// Spells out pairs as [`Settings`].
pub fn settings<const N: usize>(pairs: [(&str, &str); N]) -> Settings {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The value of a variable that `tests/with-servers` sets.
///
/// # Panics
/// If it isn't set.
fn given(variable: &str) -> String {
    let Ok(value) = std::env::var(variable) else {
        panic!("{variable} is not set: run `make test`, or tests/with-servers cargo test …");
    };
    value
}
