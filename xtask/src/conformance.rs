//! xbuild's commands against cargo's: builds what compares them, and runs it.

use std::ffi::OsString;
use std::path::Path;

use crate::error::Error;
use crate::process::{cargo, run as execute};
use crate::{bench, workspace};

/// Runs the suite with its own arguments (`--help` tells them).
pub(crate) fn run(root: &Path, arguments: &[OsString]) -> Result<(), Error> {
    execute(&mut cargo(root, &["build", "--locked", "--package", "xtask-conformance"]))?;
    let target = workspace::target_folder(root)?;
    let mut suite = std::process::Command::new(target.join("debug/xtask-conformance"));
    suite.arg("--root").arg(root).arg("--work").arg(target.join("xbuild-conformance"));
    if !arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--store")) {
        suite.arg("--store").arg(bench::store(&target, "XBUILD_TEST_STORE"));
    }
    execute(suite.args(arguments))
}

/// Shows that the suite works, with a few fixtures.
pub(crate) fn sample(root: &Path) -> Result<(), Error> {
    run(root, &["--sample".into()])
}
