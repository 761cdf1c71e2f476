//! Log lines: to stderr, which is the container's log, and where asked to stdout too, which supervisord keeps in a file.

use std::io::{self, Write};

use env_logger::{Builder, Target};

use crate::settings::Logging;

/// Starts logging; every line names its program by its log target. A panic becomes a line as well.
pub fn start(settings: Logging) {
    let mut builder = Builder::new();
    builder
        // Libraries below warning level tell what only their authors can use.
        .filter_level(settings.level.min(log::LevelFilter::Warn))
        .target(Target::Pipe(Box::new(Output { both: settings.both })));
    for program in ["api", "kafka_consumer", "pg_notify_worker", "common"] {
        builder.filter_module(program, settings.level);
    }
    builder.init();
    std::panic::set_hook(Box::new(|panic| log::error!("panic: {}", one_line(&panic.to_string()))));
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
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
