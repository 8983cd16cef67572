//! Where things lie in the sandbox. Everything that an action sees is below one of these.
//!
//! | path | what |
//! |---|---|
//! | `usr/` | the toolchain, composed for the action |
//! | `build/ws` | the workspace's root (deeper where manifests lead outside it, see `realise::local`) |
//! | `build/crates/<name>-<version>` | a package of the default registry |
//! | `build/registry-<n>/<name>-<version>` | a package of the n-th other registry, in the order of their URLs |
//! | `build/home/git/checkouts/<name>-<hash>/<commit>` | a git repository at a commit, whole, where cargo has it |
//! | `build/rust/library` | std's own workspace, when std is what is built |
//! | `build/deps`, `build/out`, `build/script` | artefacts, as the `cargo` crate names them |
//! | `build/home` | `$CARGO_HOME` of planning steps: configuration, and what makes cargo find git's commits |

use xbuild_base::RelPath;

/// A path that is written in this program and known to be one.
///
/// # Panics
/// When it isn't a normalised relative path.
#[must_use]
pub fn place(text: &str) -> RelPath {
    match RelPath::new(text) {
        Ok(path) => path,
        Err(error) => unreachable!("{error}"),
    }
}

/// `$CARGO_HOME` of planning steps.
pub const CARGO_HOME: &str = "build/home";
/// Configuration that outranks the project's own, given to cargo by `--config`.
pub const CARGO_CONFIG: &str = "build/home/xbuild.toml";
/// Packages of the default registry.
pub const CRATES: &str = "build/crates";
/// std's workspace.
pub const STD: &str = "build/rust/library";
