//! The machine, and what runs on it: figures mean nothing without them.

use std::fmt::Write;
use std::process::Command;

use crate::stage::Stage;

/// Knows the version of what it runs.
const KAFKA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../local/kafka");

/// How many processes wanted to run in the last minute: above all before a run, when they are others'.
pub(crate) fn load() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split(' ').next().unwrap_or_default().to_owned()
}

/// What the results begin with, one line a fact.
pub(crate) async fn describe(stage: &Stage, load_before: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let redis: String = stage.system.redis.command("INFO server").await;
    let folder = std::env::temp_dir();
    let facts = [
        ("date", output("date", &["-u", "+%F"])),
        ("commit", output("git", &["describe", "--always", "--dirty"])),
        ("processor", format!("{cores} cores, {}", line_of("/proc/cpuinfo", "model name"))),
        ("memory", line_of("/proc/meminfo", "MemTotal")),
        ("load before", load_before.to_owned()),
        ("kernel", output("uname", &["-sr"])),
        ("PostgreSQL", stage.system.database.text("show server_version").await.unwrap_or_default()),
        ("its files on", output("stat", &["-f", "-c", "%T", &folder.display().to_string()])),
        ("Redis", value(&redis, "redis_version")),
        ("Kafka", output(KAFKA, &["tool", "kafka-broker-api-versions", "--version"])),
    ];
    let mut text = String::new();
    for (name, fact) in facts {
        writeln!(text, "- {name}: {fact}").expect("there is memory");
    }
    text
}

/// What a command prints; why not, where it can't.
fn output(command: &str, arguments: &[&str]) -> String {
    match Command::new(command).args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("{command}: {error}"),
    }
}

fn line_of(path: &str, name: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|error| error.to_string(), |text| value(&text, name))
}

/// The value of the first line `name: value`.
fn value(text: &str, name: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned());
    values.next().unwrap_or_else(|| "unknown".to_owned())
}
