//! Readers: load over HTTP, made by wrk.

use std::process::Command;
use std::time::Duration;

use harness::Process;
use harness::process::Signal;
use harness::tool::tool;

/// Threads of wrk: its own need is small beside that of what it asks.
const THREADS: &str = "2";

/// Asks for one of its arguments after the other.
const ANY_OF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/readers.lua");

/// A time that no measurement reaches: it is told when to end.
const UNTIL_STOPPED: Duration = Duration::from_secs(3_600);

/// Until wrk has ended, when it should.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Readers, each of whom asks again as soon as the answer is there.
pub(crate) struct Readers {
    process: Process,
}

/// What they have got.
pub(crate) struct Answers {
    pub(crate) count: f64,
    pub(crate) per_second: f64,
}

impl Readers {
    /// `connections` of them ask for `path`, for a time; what did they get?
    pub(crate) async fn of(port: u16, path: &str, connections: usize, time: Duration) -> Answers {
        let readers = Self::start(&mut wrk(port, path, connections, time));
        readers.answers(time + END_LIMIT).await
    }

    /// `connections` of them ask for the cities of all these countries, until they are stopped.
    pub(crate) fn of_all(port: u16, codes: &[String], connections: usize) -> Self {
        let mut command = wrk(port, "/", connections, UNTIL_STOPPED);
        Self::start(command.args(["-s", ANY_OF, "--"]).args(codes))
    }

    /// Ends them; what did they get?
    pub(crate) async fn stop(mut self) -> Answers {
        self.process.signal(Signal::INT);
        self.answers(END_LIMIT).await
    }

    fn start(command: &mut Command) -> Self {
        Self { process: Process::spawn("wrk", command) }
    }

    /// What wrk says at its end; each answer must be there, and be what was asked for.
    async fn answers(self, limit: Duration) -> Answers {
        let rate = self.process.wait_log(limit, "Requests/sec:").await;
        for failure in ["Socket errors", "Non-2xx"] {
            assert!(!self.process.log_contains(failure), "{}", self.process.log().join("\n"));
        }
        let count = self.process.wait_log(limit, " requests in ").await;
        Answers { count: number(&count, 0), per_second: number(&rate, 1) }
    }
}

fn wrk(port: u16, path: &str, connections: usize, time: Duration) -> Command {
    let mut command = tool("wrk");
    command.args(["-t", THREADS, "-c", &connections.to_string(), "-d", &format!("{}s", time.as_secs())]);
    command.arg(format!("http://127.0.0.1:{port}{path}"));
    command
}

/// The `n`th word of a line, a number.
fn number(line: &str, n: usize) -> f64 {
    let word = line.split_whitespace().nth(n).and_then(|word| word.parse().ok());
    word.unwrap_or_else(|| panic!("wrk wrote another line than expected: {line}"))
}
