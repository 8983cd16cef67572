//! What the machine and its user say: the only place that reads the environment.
//!
//! | variable | what |
//! |---|---|
//! | `XBUILD_STORE` | the store's folder |
//! | `XBUILD_SANDBOX_USER` | as root: the unprivileged user id that sandboxes run as (default 65534) |
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
