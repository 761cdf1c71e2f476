//! The command line, which all three programs share: everything else is set by environment variables.

use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};

use crate::program::EX_USAGE;
use crate::settings;

/// What a program was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// To serve.
    Run,
    /// To say whether the settings are right (`--check`).
    CheckSettings,
    /// To say whether the container that it is in is healthy (`--healthy`).
    CheckHealth,
}

impl Task {
    /// Reads the arguments. As the error, the program ends with this code: what was asked for (`--help`, `--version`)
    /// or what is wrong has been printed.
    pub(crate) fn from_arguments(program: &'static str) -> Result<Self, ExitCode> {
        match parse(program, std::env::args_os()) {
            Ok(task) => Ok(task),
            Err(told) => {
                // There is nobody left to tell if this fails.
                let _ = told.print();
                Err(if told.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS })
            }
        }
    }
}

fn parse(program: &'static str, arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Task, clap::Error> {
    let matches = command(program).try_get_matches_from(arguments)?;
    Ok(if matches.get_flag("check") {
        Task::CheckSettings
    } else if matches.get_flag("healthy") {
        Task::CheckHealth
    } else {
        Task::Run
    })
}

fn command(program: &'static str) -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new(program)
        .version(env!("CARGO_PKG_VERSION"))
        .arg(flag("check", "Only check the settings: exit code 64 if one is wrong, with a line for each of them"))
        .arg(
            flag(
                "healthy",
                "Only check the container: exit code 1 unless supervisord runs all programs and the api answers",
            )
            .conflicts_with("check"),
        )
        .after_help(settings::help())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Task, clap::Error> {
        parse("api", std::iter::once("api").chain(arguments.iter().copied()).map(Into::into))
    }

    #[test]
    fn the_command_line_makes_sense() {
        command("api").debug_assert();
    }

    #[test]
    fn arguments_choose_the_task() {
        assert_eq!(parsed(&[]).unwrap(), Task::Run);
        assert_eq!(parsed(&["--check"]).unwrap(), Task::CheckSettings);
        assert_eq!(parsed(&["--healthy"]).unwrap(), Task::CheckHealth);
        assert!(parsed(&["--check", "--healthy"]).unwrap_err().use_stderr());
        assert!(parsed(&["--port=1"]).unwrap_err().use_stderr());
    }

    #[test]
    fn help_and_version_are_no_errors() {
        let help = parsed(&["--help"]).unwrap_err();
        assert!(!help.use_stderr() && help.to_string().contains("DB_HOST=localhost"), "{help}");
        let version = parsed(&["--version"]).unwrap_err();
        assert!(!version.use_stderr());
        assert_eq!(version.to_string(), concat!("api ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}
