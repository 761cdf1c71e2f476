//! How each of the three programs starts and ends: arguments, settings, logging, signals, drain limit, exit code.

use std::process::ExitCode;

use crate::logging;
use crate::settings::{Environment, Settings};
use crate::shutdown::{self, Shutdown};

/// Exit code for wrong settings or arguments (`EX_USAGE` of sysexits.h): the only way a program ends by itself.
const EXIT_USAGE: u8 = 64;

/// Runs a program: checks every setting, then runs `service` until it has drained after a signal.
///
/// With the one argument `--check` it stops after the settings. Exit codes: 0, or 64 where a setting or an argument
/// is wrong, each named in a line of its own.
#[expect(clippy::print_stderr, reason = "there is no log before the settings are known to be right")]
pub fn start<Service>(name: &str, service: impl FnOnce(Settings, Shutdown) -> Service) -> ExitCode
where
    Service: Future<Output = ()>,
{
    let settings = match Arguments::read().and_then(|arguments| Ok((arguments, read_settings()?))) {
        Ok((Arguments::Check, _)) => return ExitCode::SUCCESS,
        Ok((Arguments::Run, settings)) => settings,
        Err(problems) => {
            for problem in problems {
                eprintln!("{name}: {problem}");
            }
            return ExitCode::from(EXIT_USAGE);
        }
    };
    logging::start(name, settings.logging);
    match run(name, settings, service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("could not start: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Arguments {
    Run,
    Check,
}

impl Arguments {
    fn read() -> Result<Self, Vec<String>> {
        let arguments: Vec<_> = std::env::args_os().skip(1).collect();
        match arguments.as_slice() {
            [] => Ok(Self::Run),
            [only] if only == "--check" => Ok(Self::Check),
            _ => Err(vec!["the only argument is --check; everything else is set by environment variables".to_owned()]),
        }
    }
}

fn read_settings() -> Result<Settings, Vec<String>> {
    let mut env = Environment::new(std::env::vars_os()).map_err(|error| vec![error.to_string()])?;
    let settings = Settings::read(&mut env);
    let problems = env.into_problems();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn run<Service>(
    name: &str,
    settings: Settings,
    service: impl FnOnce(Settings, Shutdown) -> Service,
) -> std::io::Result<()>
where
    Service: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let drain_limit = settings.drain_limit;
    runtime.block_on(async {
        let shutdown = shutdown::on_signal()?;
        let past_the_limit = {
            let shutdown = shutdown.clone();
            async move {
                shutdown.cancelled().await;
                tokio::time::sleep(drain_limit).await;
            }
        };
        log::info!("{name} {} starts", env!("CARGO_PKG_VERSION"));
        tokio::select! {
            () = service(settings, shutdown) => log::info!("{name} has stopped"),
            () = past_the_limit => {
                log::warn!("{name} did not finish within {} ms; ending", drain_limit.as_millis());
            }
        }
        std::io::Result::Ok(())
    })?;
    // What is still blocked in a library's thread must not hold the process.
    runtime.shutdown_background();
    Ok(())
}
