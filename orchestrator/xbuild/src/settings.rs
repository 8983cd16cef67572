//! What the machine and its user say: the only place that reads the environment.
//!
//! | variable | what |
//! |---|---|
//! | `XBUILD_STORE` | the store's folder |
//! | `XBUILD_SANDBOX_USER` | as root: the unprivileged user id that sandboxes run as (default 65534) |
//! | `GITHUB_ACTIONS`, `GITHUB_WORKSPACE`, `GITHUB_STEP_SUMMARY` | of GitHub's runner: that it is one, the checkout, the page about a step |
//!
//! The sources' own settings (mirrors, credentials) are documented in the `fetch` crate.

use std::path::PathBuf;

use xbuild_action::Cancel;
use xbuild_store::Disk;

use crate::cli::Global;
use crate::error::XbuildError;
use crate::ui::Ui;

/// The user id that root's sandboxes run as: `nobody`'s.
const NOBODY: u32 = 65534;

/// A variable of the environment, when it is set to text.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The names of all variables of the environment.
pub(crate) fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// Whether GitHub's runner reads what is printed.
pub(crate) fn is_on_github() -> bool {
    variable("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The folder of the checkout, on GitHub.
pub(crate) fn checkout() -> Option<PathBuf> {
    variable("GITHUB_WORKSPACE").filter(|_| is_on_github()).map(Into::into)
}

/// The file of which GitHub makes a page about a step.
pub(crate) fn step_summary() -> Option<PathBuf> {
    variable("GITHUB_STEP_SUMMARY").filter(|_| is_on_github()).map(Into::into)
}

/// Opens the store that the environment names; says so where another process has it to itself, and waits.
pub(crate) fn open_store(cancel: &Cancel, ui: &Ui) -> Result<Disk, XbuildError> {
    let folder: PathBuf = xbuild_store::default_folder(
        variable("XBUILD_STORE").map(Into::into),
        variable("XDG_CACHE_HOME").map(Into::into),
        variable("HOME").map(Into::into),
    )?;
    let owner = if rustix::process::geteuid().is_root() {
        let user = match variable("XBUILD_SANDBOX_USER") {
            None => NOBODY,
            Some(text) => text.parse().ok().filter(|user| *user != 0).ok_or_else(|| {
                XbuildError::environment(
                    format!("XBUILD_SANDBOX_USER is `{text}`: expected the number of an unprivileged user"),
                    "unset XBUILD_SANDBOX_USER",
                )
            })?,
        };
        Some((user, user))
    } else {
        None
    };
    let mut waits = || ui.status("Waiting", "for another xbuild, which tidies up the store");
    Ok(Disk::open_waiting(&folder, owner, cancel, &mut waits)?)
}

/// How many processors this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Whether the network may not be used: by `--offline` or the environment.
pub(crate) fn is_offline(global: &Global) -> Result<bool, XbuildError> {
    Ok(global.offline || xbuild_fetch::Settings::from_environment(&variable)?.offline)
}
