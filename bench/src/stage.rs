//! The servers and the three programs that are looked at.

use std::time::Duration;

use harness::system::System;
use harness::{Kafka, Postgres, Program, Redis, Settings};

/// Until all is up, on a machine that does other things as well.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(60);

/// Until a program that is told to stop has ended.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// As a server for production is set, as far as it matters here: what is committed is on the disk (the server that
/// tests share doesn't care), and no checkpoint falls into one of two runs that are compared.
const POSTGRES: [&str; 5] =
    ["fsync=on", "shared_buffers=256MB", "max_connections=200", "max_wal_size=8GB", "checkpoint_timeout=1h"];

/// All that is there; what uses the others is dropped first.
pub(crate) struct Stage {
    pub(crate) system: System,
    pub(crate) postgres: Postgres,
    is_up: bool,
}

impl Stage {
    /// Starts PostgreSQL, Redis and the three programs, which find an empty database. Kafka is the broker that
    /// `tests/with-servers` has started.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with further settings of PostgreSQL.
    pub(crate) async fn start_with(further: &[&str]) -> Self {
        let arguments: Vec<&str> = POSTGRES.iter().chain(further).flat_map(|setting| ["-c", setting]).collect();
        let postgres = Postgres::start(&arguments).await;
        let (database, redis) = (postgres.database().await, Redis::start().await);
        let system = System::launch_with(database, redis, Kafka::shared().topic(), Settings::new());
        system.whole_within(START_LIMIT).await;
        Self { system, postgres, is_up: true }
    }

    /// Stops the three programs where they run.
    pub(crate) async fn down(&mut self) {
        if std::mem::take(&mut self.is_up) {
            for program in self.programs() {
                program.stop(STOP_LIMIT).await;
            }
        }
    }

    /// Starts the three programs, all at once as supervisord would, and waits for nothing.
    pub(crate) fn launch(&mut self) {
        self.programs().into_iter().for_each(Program::restart);
        self.is_up = true;
    }

    /// Starts the three programs where they don't run, until all is well.
    pub(crate) async fn up(&mut self) {
        if !self.is_up {
            self.launch();
            self.system.whole_within(START_LIMIT).await;
        }
    }

    /// The three programs.
    pub(crate) fn programs(&mut self) -> [&mut Program; 3] {
        let System { worker, consumer, api, .. } = &mut self.system;
        [worker, consumer, api]
    }
}
