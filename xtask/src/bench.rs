//! xbuild against cargo, and its images: builds what is measured and what measures, and runs it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::{cargo, run as execute};
use crate::workspace;

/// The store that end-to-end tests share, in the target folder: it has the toolchains.
const STORE: &str = "xbuild-test-store";

/// Options with which nothing that counts is measured: debug builds do.
const UNMEASURED: [&str; 5] = ["--sample", "--dry-run", "--report", "--help", "-h"];

/// Runs the benchmark with its own arguments (`--help` tells them).
pub(crate) fn run(root: &Path, arguments: &[OsString]) -> Result<(), Error> {
    let has = |name: &str| arguments.iter().any(|argument| argument.to_string_lossy().starts_with(name));
    let (profile, folder) =
        if UNMEASURED.into_iter().any(has) { ("dev", "debug") } else { ("release", "release") };
    let build =
        ["build", "--locked", "--profile", profile, "--package", "xbuild", "--package", "xtask-bench"];
    execute(&mut cargo(root, &build))?;

    let target = workspace::target_folder(root)?;
    let mut bench = std::process::Command::new(target.join(folder).join("xtask-bench"));
    bench.arg("--root").arg(root).arg("--xbuild").arg(target.join(folder).join("xbuild"));
    if !has("--store") {
        bench.arg("--store").arg(store(&target, "XBUILD_TEST_STORE"));
    }
    execute(bench.args(arguments))
}

/// The store that a variable names, else the one that tests share.
pub(crate) fn store(target: &Path, variable: &str) -> PathBuf {
    let named = std::env::var_os(variable).filter(|store| !store.is_empty());
    named.map_or_else(|| target.join(STORE), Into::into)
}

/// Shows that the benchmark of builds, or of what is named, works: one round of what is as small as can be.
pub(crate) fn sample(root: &Path, what: &[&str]) -> Result<(), Error> {
    let arguments: Vec<OsString> = what.iter().chain(&["--sample"]).map(OsString::from).collect();
    run(root, &arguments)
}
