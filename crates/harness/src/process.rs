//! A child process whose lines are kept, that takes signals, and that never outlives its owner.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::eventually::eventually;

/// Lines that are kept of each process; the oldest ones go first.
const LINES_MAX: usize = 20_000;

/// Lines that are shown of each process where a test fails.
const LINES_SHOWN: usize = 60;

/// A running (or ended) child process.
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} can't be started as {command:?}: {error}"));
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        keep(child.stdout.take().expect("it is piped"), Arc::clone(&lines));
        keep(child.stderr.take().expect("it is piped"), Arc::clone(&lines));
        Self { name: name.to_owned(), child, lines }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; nothing happens where the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.exit_status().is_none() {
            kill_process(Pid::from_child(&self.child), signal).expect("our own child takes our signals");
        }
    }

    /// Sends a signal to it and to what it has started, itself first, so that it starts nothing between the two.
    pub fn signal_family(&mut self, signal: Signal) {
        self.signal(signal);
        let children = format!("/proc/{0}/task/{0}/children", self.id());
        let children = std::fs::read_to_string(children).expect("Linux tells the children of a process");
        for child in children.split_whitespace().filter_map(|id| id.parse().ok()).filter_map(Pid::from_raw) {
            // One that has just ended needs no signal.
            let _ = kill_process(child, signal);
        }
    }

    /// How it ended; `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it hasn't within `limit`.
    pub async fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(limit, &what, async || self.exit_status().ok_or("it still runs")).await
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("our own child can be waited for");
    }

    /// Processor time that it has used until now, in user and system mode; none where it has ended.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // The name in brackets may hold blanks; user and system time are the 12th and 13th field behind it (proc(5)).
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
    }

    /// Bytes of memory that it takes; pages that several processes share count in parts (PSS).
    ///
    /// # Panics
    /// If it has ended.
    pub fn memory(&self) -> u64 {
        self.counted("Pss:")
    }

    /// Bytes of memory that it has written to and shares with nobody: others come and go without a change of these.
    ///
    /// # Panics
    /// If it has ended.
    pub fn own_memory(&self) -> u64 {
        self.counted("Private_Dirty:")
    }

    fn counted(&self, what: &str) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.id());
        let rollup = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = rollup.lines().find_map(|line| line.strip_prefix(what)).expect("the kernel counts it");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
        kilobytes * 1_024
    }

    /// From now on it may have no more than so many files open; what it has stays open.
    ///
    /// # Panics
    /// If the system refuses.
    #[cfg(target_os = "linux")]
    pub fn limit_files(&mut self, files: u64) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(files), maximum: Some(files) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).expect("our own child can be limited");
    }

    /// How many files and connections it has open; none where it has ended.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// What it wrote until now, to stdout and stderr.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().expect("reading lines never panics").iter().cloned().collect()
    }

    /// Those of its lines that contain `text`.
    pub fn log_lines(&self, text: &str) -> Vec<String> {
        self.log().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// Whether a line contains `text`.
    pub fn log_contains(&self, text: &str) -> bool {
        !self.log_lines(text).is_empty()
    }

    /// Waits for a line that contains `text`, and returns it.
    ///
    /// # Panics
    /// If there is none within `limit`.
    pub async fn wait_log(&self, limit: Duration, text: &str) -> String {
        let what = format!("{} writes `{text}`", self.name);
        let last = || self.log().pop().unwrap_or_default();
        eventually(limit, &what, async || self.log_lines(text).pop().ok_or_else(last)).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let shown = log.len().saturating_sub(LINES_SHOWN);
            #[expect(clippy::print_stderr, reason = "the test harness shows it with the failed test")]
            {
                eprintln!("--- {} ---\n{}", self.name, log[shown..].join("\n"));
            }
        }
    }
}

/// Lets this process, and those that it starts from now on, have as many files open as the system allows.
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Some systems name a maximum that they refuse to give; what there is may do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn keep(output: impl Read + Send + 'static, lines: Arc<Mutex<VecDeque<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let mut lines = lines.lock().expect("reading lines never panics");
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    });
}
