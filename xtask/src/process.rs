//! Running a program: an argument vector, from the repository's root.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

/// The cargo that runs this.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root);
    command
}

/// Runs a command with its output where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let shown = show(command);
    println!("$ {shown}");
    let status = command.status().map_err(start(command))?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: shown, status }) }
}

/// Whether a command succeeds; what it prints is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a command prints to standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, Error> {
    let output = command.stderr(Stdio::inherit()).output().map_err(start(command))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Failed { command: show(command), status: output.status })
    }
}

fn start(command: &Command) -> impl FnOnce(std::io::Error) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    move |source| Error::Start { program, source }
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
