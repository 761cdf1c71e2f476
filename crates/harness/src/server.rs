//! A server of a test's own, started by a script in `local/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::eventually::eventually;
use crate::ports::free_port;
use crate::process::{Process, Signal};

/// Limit for a start, a first one with its files included (measured alone: PostgreSQL 2 s, Kafka 6 s; among many: 75 s).
const START_LIMIT: Duration = Duration::from_secs(180);

/// Limit for an orderly stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Name of a script in `local/`, folder, port, arguments behind them, and the process while there is one.
pub(crate) struct Server {
    script: &'static str,
    folder: PathBuf,
    pub(crate) port: u16,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Server {
    /// A server that isn't started yet, with a folder and a port of its own.
    pub(crate) fn new(script: &'static str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { script, folder: new_folder(script), port: free_port(), arguments, process: None }
    }

    /// More arguments, for those that name its port.
    pub(crate) fn add_arguments(&mut self, arguments: &[String]) {
        self.arguments.extend_from_slice(arguments);
    }

    /// Starts it, on the same port and with the same files each time, until `ready` succeeds.
    pub(crate) async fn start(&mut self, mut ready: impl AsyncFnMut() -> Result<(), String>) {
        let what = format!("{} answers on port {}", self.script, self.port);
        eventually(START_LIMIT, &what, async || {
            self.spawn_if_ended();
            ready().await
        })
        .await;
    }

    /// A server that was killed may have left what makes the next one give up at once: a port or memory in use.
    fn spawn_if_ended(&mut self) {
        if self.process.as_mut().is_none_or(|process| process.exit_status().is_some()) {
            let mut command = Command::new(script(self.script));
            command.arg("run").arg(&self.folder).arg(self.port.to_string()).args(&self.arguments);
            self.process = Some(Process::spawn(self.script, &mut command));
        }
    }

    /// Asks it to stop by `signal` and waits for its end.
    pub(crate) async fn stop(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            process.signal(signal);
            process.wait_exit(STOP_LIMIT).await;
        }
    }

    /// Ends it at once, as a loss of power would.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.as_mut().expect("it was started").signal(signal);
    }

    /// Sends a signal to each of its processes.
    pub(crate) fn signal_all(&mut self, signal: Signal) {
        self.process.as_mut().expect("it was started").signal_family(signal);
    }

    /// Copies its data as they are now; it doesn't run.
    pub(crate) fn copy_data(&self) {
        copy(&self.folder.join("data"), &self.folder.join("copy"));
    }

    /// Puts its data back to the copy; it doesn't run.
    pub(crate) fn put_data_back(&self) {
        self.erase_data();
        copy(&self.folder.join("copy"), &self.folder.join("data"));
    }

    /// Removes its data; it doesn't run, and begins from nothing.
    pub(crate) fn erase_data(&self) {
        std::fs::remove_dir_all(self.folder.join("data")).expect("a server that ran has data");
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// With owner and rights: as root, PostgreSQL runs as another user.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().expect("every system has it");
    assert!(status.success(), "{} can't be copied to {}", from.display(), to.display());
}

/// A script in `local/`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../local").join(name)
}

/// A new folder for files of `what`; in the one of `tests/with-servers`, which removes it, where that runs.
pub(crate) fn new_folder(what: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let parent = std::env::var_os("TEST_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = parent.join(format!("cities-cache-{}-{number}-{what}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{} can't be made: {error}", folder.display()));
    folder
}
