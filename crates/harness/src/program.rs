//! The three programs, as real processes with settings of the test's own.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use crate::process::{Process, Signal};
use crate::{Http, Settings, free_port};

/// One running program.
pub struct Program {
    name: &'static str,
    settings: Settings,
    process: Process,
}

impl Program {
    /// The api, and a client of it, on a free port.
    pub fn api(settings: Settings) -> (Self, Http) {
        Self::serving("api", settings)
    }

    /// A program that takes the api's settings and serves HTTP as it does, and a client of it, on a free port.
    pub fn serving(name: &'static str, settings: Settings) -> (Self, Http) {
        let port = free_port();
        // A folder that is there, unless the test names one: `/status` says what is missing.
        let folder = crate::settings([("IMAGE_FOLDER", "/")]);
        let address = crate::settings([("HTTP_HOST", "127.0.0.1"), ("HTTP_PORT", &port.to_string())]);
        (Self::start(name, [folder, settings, address].concat()), Http::new(port))
    }

    /// The consumer.
    pub fn kafka_consumer(settings: Settings) -> Self {
        Self::start("kafka-consumer", settings)
    }

    /// The worker.
    pub fn pg_notify_worker(settings: Settings) -> Self {
        Self::start("pg-notify-worker", settings)
    }

    /// Runs the program `name` with these variables and arguments to its end.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn run(name: &str, settings: &Settings, arguments: &[&str]) -> Output {
        command(name, settings).args(arguments).output().expect("the programs are built")
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Asks it to stop, as `supervisorctl stop` does.
    ///
    /// # Panics
    /// If it hasn't ended with code 0 within `limit`.
    pub async fn stop(&mut self, limit: Duration) {
        self.signal(Signal::TERM);
        let status = self.process.wait_exit(limit).await;
        assert_eq!(status.code(), Some(0), "{} ends with {status}", self.name);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with the same settings; kills it first where it runs. Its log begins anew.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = Process::spawn(self.name, &mut command(self.name, &self.settings));
    }

    /// Starts it again with these settings on top.
    pub fn restart_with(&mut self, settings: Settings) {
        self.settings.extend(settings);
        self.restart();
    }

    /// What it wrote until now.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// Those of its lines that contain `text`.
    pub fn log_lines(&self, text: &str) -> Vec<String> {
        self.process.log_lines(text)
    }

    /// Whether a line contains `text`.
    pub fn log_contains(&self, text: &str) -> bool {
        self.process.log_contains(text)
    }

    /// Waits for a line that contains `text`, and returns it.
    pub async fn wait_log(&self, limit: Duration, text: &str) -> String {
        self.process.wait_log(limit, text).await
    }

    fn start(name: &'static str, settings: Settings) -> Self {
        let process = Process::spawn(name, &mut command(name, &settings));
        Self { name, settings, process }
    }
}

/// The environment is the test's alone: what stands in the developer's must not change a result.
fn command(name: &str, settings: &Settings) -> Command {
    let mut command = Command::new(executable(name));
    command.env_clear().env("RUST_BACKTRACE", "1");
    // Of two with one name the later one counts.
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command
}

/// Cargo puts the programs beside each other, and tests into a folder below.
fn executable(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its own path");
    let mut beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    beside.find(|path| path.is_file()).unwrap_or_else(|| panic!("{name} is missing: cargo build --workspace"))
}
