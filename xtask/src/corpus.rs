//! Other people's programs: builds xbuild and what calls it, and runs it.

use std::ffi::OsString;
use std::path::Path;

use crate::bench::store;
use crate::error::Error;
use crate::process::{cargo, run as execute};
use crate::workspace;

/// The folder below the target folder in which it works.
const FOLDER: &str = "corpus";

/// Runs the corpus with its own arguments (`--help` tells them).
pub(crate) fn run(root: &Path, arguments: &[OsString]) -> Result<(), Error> {
    let has = |name: &str| arguments.iter().any(|argument| argument.to_string_lossy().starts_with(name));
    let target = workspace::target_folder(root)?;
    execute(&mut cargo(root, &["build", "--locked", "--package", "xtask-corpus"]))?;

    let mut corpus = std::process::Command::new(target.join("debug").join("xtask-corpus"));
    corpus.arg("--root").arg(root).arg("--folder").arg(target.join(FOLDER));
    if !has("--xbuild") && !has("--help") && !has("-h") {
        execute(&mut cargo(root, &["build", "--locked", "--release", "--package", "xbuild"]))?;
        corpus.arg("--xbuild").arg(target.join("release").join("xbuild"));
    }
    if !has("--store") {
        corpus.arg("--store").arg(store(&target, "XBUILD_STORE"));
    }
    execute(corpus.args(arguments))
}
