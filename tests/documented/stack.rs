//! The compose project under test: its ports, commands in its folder, and its end.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::{Database, Http, Postgres, Process, free_port};

/// For anything but a build.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// Services and their containers.
pub(crate) const CONTAINERS: [&str; 5] =
    ["cities-cache-app", "postgres-tutorial", "kafka-test", "redis-for-cache", "minio-test"];

/// The compose project of this test.
pub(crate) struct Stack {
    pub(crate) http_port: u16,
    postgres_port: u16,
    moved: Vec<(&'static str, u16)>,
}

/// What a command has printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<String>,
}

impl Stack {
    /// Nothing is started.
    ///
    /// # Panics
    /// If containers of the documented names are there already: they are somebody's.
    pub(crate) fn new() -> Self {
        let port = |documented: u16| {
            if TcpListener::bind(("0.0.0.0", documented)).is_ok() { documented } else { free_port() }
        };
        let ports = [
            ("HTTP_PORT", 8000),
            ("POSTGRES_PORT", 5432),
            ("KAFKA_PORT", 9092),
            ("REDIS_PORT", 6379),
            ("MINIO_PORT", 9000),
        ];
        let moved = ports.map(|(variable, documented)| (variable, port(documented)));
        let stack = Self { http_port: moved[0].1, postgres_port: moved[1].1, moved: moved.into() };
        let names = stack.shell("docker ps -a --format '{{.Names}}'").output().expect("docker is there");
        let names = String::from_utf8_lossy(&names.stdout).into_owned();
        let taken: Vec<_> = names.lines().filter(|name| CONTAINERS.contains(name)).collect();
        assert!(taken.is_empty(), "containers {taken:?} are there already; `make down` removes them");
        // Compose builds an image only where there is none: what was left by an older checkout would be tested.
        let _ = stack.shell("docker image rm -f cities-cache-app").output();
        stack
    }

    /// Starts a command, word for word but for ports that had to be moved, in the project's folder.
    pub(crate) fn start(&self, command: &str) -> Process {
        Process::spawn(command, &mut self.shell(command))
    }

    fn shell(&self, command: &str) -> Command {
        let http_port = self.http_port;
        let moved = command
            .replace("http://localhost:8000", &format!("http://localhost:{http_port}"))
            .replace("-p 8000:8000", &format!("-p {http_port}:8000"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {moved}")]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        // Volumes of its own: nobody's data are touched.
        shell.env("COMPOSE_PROJECT_NAME", "cities-cache-documented");
        shell.envs(self.moved.iter().map(|(variable, port)| (variable, port.to_string())));
        shell
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, command: &str) -> Ended {
        self.run_within(COMMAND_LIMIT, command).await
    }

    /// The same, for one that takes its time.
    pub(crate) async fn run_within(&self, limit: Duration, command: &str) -> Ended {
        let mut process = self.start(command);
        let code = process.wait_exit(limit).await.code();
        // Its last lines may still be on their way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ended { code, lines: process.log() }
    }

    /// A client of the API.
    pub(crate) fn http(&self) -> Http {
        Http::new(self.http_port)
    }

    /// The database, as the host reaches it.
    pub(crate) fn database(&self) -> Database {
        Postgres::at("127.0.0.1", self.postgres_port).existing("tutorial")
    }
}

impl Ended {
    /// The first line that begins with `start`.
    pub(crate) fn line(&self, start: &str) -> &str {
        let line = self.lines.iter().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line begins with `{start}`: {self:#?}"))
    }

    /// Fails unless the command succeeded.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for command in ["docker rm -f cities-cache-run", "docker-compose down -v --remove-orphans"] {
            let _ = self.shell(command).output();
        }
    }
}
