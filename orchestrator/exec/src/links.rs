//! Symbolic links in outputs: kept, as relative ones.
//!
//! Every path in the sandbox is the same on every machine, so a relative link means the same wherever its output is
//! laid out again at the place where it was made. Whether something is there is not asked: programs leave links to
//! their sources (`cxx-build` to the crate's folder) and links that dangle, and whoever follows one finds what the
//! dependent's own inputs have there. Relative, because other executors refuse absolute ones.

use std::path::Path;

use xbuild_base::RelPath;

/// The relative target of the link at `place` on the host, which is `path` in the sandbox.
///
/// # Errors
/// Why it can't be kept: its target is not text, or no path.
pub(crate) fn relative(place: &Path, path: &RelPath) -> Result<String, String> {
    let target = fs_err::read_link(place).map_err(|error| error.to_string())?;
    let target = target
        .into_os_string()
        .into_string()
        .map_err(|target| format!("it is a link whose target {target:?} is not UTF-8"))?;
    let Some(absolute) = target.strip_prefix('/') else { return Ok(target) };
    let to = RelPath::root()
        .resolve(absolute)
        .map_err(|error| format!("it is a link to {target}, which is no path: {error}"))?;
    Ok(path.parent().unwrap_or_default().relative_to(&to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_targets_become_relative_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        for (at, target, expected) in [
            ("build/out/l", "nothing/here", "nothing/here"),
            ("build/out/l", "../../x", "../../x"),
            ("build/out/a/b/l", "/build/out/a/file", "../file"),
            ("build/out/l", "/build/out", "."),
            ("build/out/a/l", "/build/ws/x", "../../ws/x"),
            ("build/out/l", "/etc//./passwd", "../../etc/passwd"),
            ("build/out/l", "/", "../.."),
        ] {
            let place = folder.path().join("link");
            fs_err::os::unix::fs::symlink(target, &place).unwrap();
            assert_eq!(relative(&place, &RelPath::new(at).unwrap()).unwrap(), expected, "{at} -> {target}");
            fs_err::remove_file(&place).unwrap();
        }
    }
}
