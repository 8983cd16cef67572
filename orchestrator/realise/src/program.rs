//! Which xbuild this is.

/// What tells this build of xbuild from another of the same version: the size of its file, and when that was written.
/// Hashing the file would take longer than all that is kept by it; where it can't be told, the version alone must do.
#[must_use]
pub fn this_program() -> String {
    let told = std::env::current_exe().and_then(fs_err::metadata);
    let told = told.map(|file| format!("{} {:?}", file.len(), file.modified().ok())).unwrap_or_default();
    format!("{} {told}", env!("CARGO_PKG_VERSION"))
}
