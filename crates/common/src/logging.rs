//! Log lines: to stderr, which is the container's log, and where asked to stdout too, which supervisord keeps in a file.

use std::io::{self, Write};

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::settings::Logging;

/// Starts logging for `program`, whose name stands in every line. A panic becomes a line as well.
pub fn start(program: &str, settings: Logging) {
    // As supervisord names it, and as the log targets of its own modules begin.
    let program = program.replace('-', "_");
    let mut builder = Builder::new();
    builder
        // Libraries below warning level tell what only their authors can use.
        .filter_level(settings.level.min(LevelFilter::Warn))
        .filter_module(&program, settings.level)
        .filter_module(SHARED, settings.level)
        // An error for every try, beside ours for the first one that names the same cause.
        .filter_module("rustls_platform_verifier", LevelFilter::Off)
        // An error for each request that can't be read, which anybody can send: the api counts them.
        .filter_module("actix_http::h1", LevelFilter::Off)
        .target(Target::Pipe(Box::new(Output { both: settings.both })))
        .format(move |line, record| {
            let (time, level, text) = (line.timestamp(), record.level(), one_line(&record.args().to_string()));
            let target = record.target();
            if target.starts_with(&program) || target.starts_with(SHARED) {
                writeln!(line, "[{time} {level:<5} {program}] {text}")
            } else {
                writeln!(line, "[{time} {level:<5} {program}] {target}: {text}")
            }
        })
        .init();
    std::panic::set_hook(Box::new(|panic| log::error!("panic: {panic}")));
}

/// Log target of what the programs share: this crate.
const SHARED: &str = env!("CARGO_CRATE_NAME");

/// A line stands alone, whatever is told in it.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Writes each record to one or both outputs. `env_logger` hands over a whole record at once.
struct Output {
    both: bool,
}

impl Write for Output {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.write_all(record)?;
        Ok(record.len())
    }

    fn write_all(&mut self, record: &[u8]) -> io::Result<()> {
        let to_stderr = io::stderr().write_all(record);
        if self.both {
            let mut stdout = io::stdout().lock();
            stdout.write_all(record)?;
            stdout.flush()?;
        }
        to_stderr
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
