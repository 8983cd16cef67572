//! Symbolic links in outputs: relative, leading to something in the same output, or refused.

use std::path::{Path, PathBuf};

use xbuild_base::RelPath;

/// As many links are followed, as the kernel does it.
const MOST_LINKS: usize = 40;

/// The relative target of the link at `parts` below `top`, which is the output `output` of the sandbox.
///
/// # Errors
/// Why it can't be kept: it dangles, or leads out of the output.
pub(crate) fn normalise(top: &Path, output: &RelPath, parts: &[String]) -> Result<String, String> {
    let place = parts.iter().fold(top.to_owned(), |place, part| place.join(part));
    let target = read(&place)?;
    let leads = |why: &str| format!("it is a link to {target}, {why}");
    let folder: Vec<String> = parts[..parts.len().saturating_sub(1)].to_vec();
    resolve(top, output, folder.clone(), &target).map_err(leads)?;
    match target.strip_prefix('/') {
        None => Ok(target),
        Some(_) => {
            let below = below_output(output, &target).ok_or_else(|| leads(OUTSIDE))?;
            let from = RelPath::new(folder.join("/")).map_err(|error| error.to_string())?;
            let to = RelPath::root().resolve(&below).map_err(|error| error.to_string())?;
            Ok(from.relative_to(&to))
        }
    }
}

const OUTSIDE: &str = "outside of it: copy what it leads to";
const DANGLING: &str = "where nothing is";

fn read(place: &Path) -> Result<String, String> {
    let target = fs_err::read_link(place).map_err(|error| error.to_string())?;
    target.into_os_string().into_string().map_err(|target| format!("its target {target:?} is not UTF-8"))
}

/// What comes after the output's own path in an absolute target.
fn below_output(output: &RelPath, target: &str) -> Option<String> {
    let rest = target.trim_start_matches('/').strip_prefix(output.as_str())?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/').to_owned())
}

/// Follows `target` from `folder`, as the kernel would, but never out of the output.
fn resolve(top: &Path, output: &RelPath, folder: Vec<String>, target: &str) -> Result<(), &'static str> {
    let mut here = folder;
    let mut pending: Vec<String> = Vec::new();
    let mut links = 0;
    let enter = |here: &mut Vec<String>, pending: &mut Vec<String>, target: &str| {
        let target = if target.starts_with('/') {
            here.clear();
            below_output(output, target).ok_or(OUTSIDE)?
        } else {
            target.to_owned()
        };
        pending.extend(target.split('/').rev().map(str::to_owned));
        Ok(())
    };
    enter(&mut here, &mut pending, target)?;
    while let Some(part) = pending.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                here.pop().ok_or(OUTSIDE)?;
                continue;
            }
            _ => here.push(part),
        }
        let place: PathBuf = here.iter().fold(top.to_owned(), |place, part| place.join(part));
        let metadata = place.symlink_metadata().map_err(|_| DANGLING)?;
        if metadata.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err("which leads round in a circle");
            }
            here.pop();
            let target = read(&place).map_err(|_| DANGLING)?;
            enter(&mut here, &mut pending, &target)?;
        } else if !metadata.is_dir() && pending.iter().any(|part| !part.is_empty()) {
            return Err(DANGLING);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_link(at: &str, target: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        fs_err::create_dir_all(top.join("a/b")).unwrap();
        fs_err::write(top.join("a/file"), "").unwrap();
        fs_err::os::unix::fs::symlink("a/b", top.join("to-b")).unwrap();
        fs_err::os::unix::fs::symlink("loop", top.join("loop")).unwrap();
        fs_err::os::unix::fs::symlink(target, top.join(at)).unwrap();
        let parts: Vec<String> = at.split('/').map(str::to_owned).collect();
        normalise(top, &RelPath::new("build/out").unwrap(), &parts)
    }

    #[test]
    fn links_inside_are_kept_and_absolute_ones_become_relative() {
        assert_eq!(try_link("a/b/l", "../file").unwrap(), "../file");
        assert_eq!(try_link("l", ".").unwrap(), ".");
        assert_eq!(try_link("l", "to-b/../file").unwrap(), "to-b/../file");
        assert_eq!(try_link("a/b/l", "/build/out/a/file").unwrap(), "../file");
        assert_eq!(try_link("l", "/build/out").unwrap(), ".");
    }

    #[test]
    fn links_that_dangle_or_lead_outside_are_refused() {
        for (at, target, why) in [
            ("l", "nothing", "where nothing is"),
            ("l", "a/file/x", "where nothing is"),
            ("l", "/build/out/nothing", "where nothing is"),
            ("l", "../file", "outside of it"),
            ("a/l", "../../out/a/file", "outside of it"),
            ("l", "/etc/passwd", "outside of it"),
            ("l", "/build/outer", "outside of it"),
            ("l", "loop", "circle"),
        ] {
            let error = try_link(at, target).unwrap_err();
            assert!(error.contains(why) && error.contains(target), "{at} -> {target}: {error}");
        }
    }
}
