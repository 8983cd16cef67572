//! Where things are in the sandbox of a unit. All of it in one place.
//!
//! | path | what |
//! |---|---|
//! | `build/deps` | artefacts of dependencies that are compiled for the target |
//! | `build/host-deps` | artefacts of dependencies that are compiled for the host |
//! | `build/out` | the output directory of a unit that rustc compiles |
//! | `build/script/<package>-<hash of the compiled script>/<script's name>` | the compiled script, to be run |
//! | `build/script/<package>-<hash of the run>/out` | OUT_DIR, for the script and for all who read it |
//! | `build/bin` | programs that an integration test runs |
//! | `build/bin/deps` | tests, where they run |
//! | `build/tmp` | CARGO_TARGET_TMPDIR |
//!
//! Cargo has one such folder per target and profile. The paths here hold neither, so that the same unit is the
//! same action in each of them; names can't clash, for they carry hashes.

use xbuild_base::RelPath;

pub(crate) const TARGET_DEPENDENCIES: &str = "build/deps";
pub(crate) const HOST_DEPENDENCIES: &str = "build/host-deps";
pub(crate) const OUTPUT: &str = "build/out";
pub(crate) const SCRIPTS: &str = "build/script";
pub(crate) const PROGRAMS: &str = "build/bin";
/// CARGO_TARGET_TMPDIR, below the root of the sandbox: a folder that must be there when a test runs.
pub const TEST_TEMPORARY: &str = "build/tmp";

/// One of the constants above, and names of cargo's below it, as a path.
///
/// Crate and package names hold no slashes and are not empty, so that the result is always a path.
pub(crate) fn path(folder: &str, names: &[&str]) -> RelPath {
    let text = std::iter::once(folder).chain(names.iter().copied()).collect::<Vec<_>>().join("/");
    RelPath::new(text).unwrap_or_default()
}

/// An absolute path in the sandbox.
pub(crate) fn absolute(folder: &str) -> String {
    format!("/{folder}")
}
