//! Programs that only some tests need: found on the machine, or unpacked by `local/install`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command that runs the program `name`, which `local/install` has found or unpacked.
pub fn tool(name: &str) -> Command {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/servers").join(name).join("usr");
    let unpacked = ["bin", "sbin"].map(|folder| tree.join(folder).join(name)).into_iter().find(|path| path.exists());
    let Some(path) = unpacked else { return Command::new(name) };
    // Libraries that the machine lacks are beside it, in a folder named for the processor.
    let libraries = std::fs::read_dir(tree.join("lib")).into_iter().flatten().flatten();
    let libraries: Vec<_> = libraries.map(|folder| folder.path().display().to_string()).collect();
    let mut command = Command::new(path);
    command.env("LD_LIBRARY_PATH", libraries.join(":"));
    command
}

/// Runs `command` with this input to its end.
///
/// # Panics
/// If it fails.
pub fn feed(command: &mut Command, input: &[u8]) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    let status = child.wait().expect("our own child can be waited for");
    assert!(status.success(), "{command:?}: {status}");
}
