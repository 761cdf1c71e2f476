//! How each of the three programs starts and ends: settings, logging, signals, drain limit, exit code.

use std::process::ExitCode;

use crate::arguments::Task;
use crate::settings::Settings;
use crate::shutdown::{self, Shutdown};
use crate::{container_health, logging};

/// Wrong settings or arguments (`EX_USAGE` of sysexits.h).
pub(crate) const EX_USAGE: u8 = 64;

/// A fault of the program itself (`EX_SOFTWARE`).
const EX_SOFTWARE: u8 = 70;

/// The operating system refuses what every program needs (`EX_OSERR`).
const EX_OSERR: u8 = 71;

/// Why a program ends by itself. A server that is away is never a reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}")]
pub struct Failure {
    /// Exit code, as sysexits.h numbers them.
    pub code: u8,
    /// One line for the log: what ended, and why.
    pub line: String,
}

impl Failure {
    /// A setting that turned out wrong while the program ran, such as a port that can't be bound. The line names it.
    pub fn usage(line: impl Into<String>) -> Self {
        Self { code: EX_USAGE, line: line.into() }
    }

    /// A part that must run has ended, or something happened that can't: a supervisor starts the program anew.
    pub fn software(line: impl Into<String>) -> Self {
        Self { code: EX_SOFTWARE, line: line.into() }
    }

    fn system(error: &std::io::Error) -> Self {
        Self { code: EX_OSERR, line: format!("could not start: {error}") }
    }
}

/// Runs a program: checks every setting, then runs `service` until it has drained after a signal, or failed.
///
/// Arguments may ask for something else instead (`--help` lists them). Exit codes: 0; 64 where a setting or an argument
/// is wrong, each named in a line of its own; else that of the [`Failure`], whose line is logged as an error.
#[expect(clippy::print_stderr, reason = "there is no log before the settings are known to be right")]
pub fn start<Service>(name: &'static str, service: impl FnOnce(Settings, Shutdown) -> Service) -> ExitCode
where
    Service: Future<Output = Result<(), Failure>>,
{
    let task = match Task::from_arguments(name) {
        Ok(task) => task,
        Err(told) => return told,
    };
    let (settings, warnings) = match Settings::read(std::env::vars_os()) {
        Ok(read) => read,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{name}: {problem}"));
            return ExitCode::from(EX_USAGE);
        }
    };
    match task {
        Task::CheckSettings => {
            warnings.iter().for_each(|warning| eprintln!("{name}: {warning}"));
            ExitCode::SUCCESS
        }
        Task::CheckHealth => match container_health::check(&settings.http) {
            Ok(()) => ExitCode::SUCCESS,
            Err(trouble) => {
                eprintln!("{name}: {trouble}");
                ExitCode::FAILURE
            }
        },
        Task::Run => {
            logging::start(name, settings.logging);
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            let Err(failure) = run(name, settings, service) else { return ExitCode::SUCCESS };
            log::error!("{failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn run<Service>(
    name: &str,
    settings: Settings,
    service: impl FnOnce(Settings, Shutdown) -> Service,
) -> Result<(), Failure>
where
    Service: Future<Output = Result<(), Failure>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::system(&error))?;
    let ended = runtime.block_on(drain(name, settings, service));
    // What is still blocked in a library's thread must not hold the process.
    runtime.shutdown_background();
    ended
}

/// Runs the service, and from a signal on no longer than the drain limit.
async fn drain<Service>(
    name: &str,
    settings: Settings,
    service: impl FnOnce(Settings, Shutdown) -> Service,
) -> Result<(), Failure>
where
    Service: Future<Output = Result<(), Failure>>,
{
    let drain_limit = settings.drain_limit;
    let shutdown = shutdown::on_signal().map_err(|error| Failure::system(&error))?;
    let past_the_limit = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.cancelled().await;
            tokio::time::sleep(drain_limit).await;
        }
    };
    log::info!("{name} {} starts", env!("CARGO_PKG_VERSION"));
    tokio::select! {
        ended = service(settings, shutdown) => {
            ended?;
            log::info!("{name} has stopped");
        }
        () = past_the_limit => log::warn!("{name} did not finish within {} ms; ending", drain_limit.as_millis()),
    }
    Ok(())
}
