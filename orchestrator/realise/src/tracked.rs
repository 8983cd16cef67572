//! What git tracks: such a file is a source even where a pattern would have it ignored (gitignore(5): "files already
//! tracked by Git are not affected").

use std::path::{Path, PathBuf};

use xbuild_base::RelPath;

use crate::error::RealiseError;

/// The files below `folder` that git tracks and that are there; none outside a work tree. Submodules have an index of
/// their own, and what it tracks is not among these.
///
/// # Errors
/// When git's index can't be read.
pub(crate) fn tracked(folder: &Path) -> Result<Vec<RelPath>, RealiseError> {
    // By way of `..` or a link, the folders above would be others.
    let folder = &fs_err::canonicalize(folder).map_err(RealiseError::io("find the sources"))?;
    let Some((top, index)) = index_above(folder)? else { return Ok(Vec::new()) };
    let options = gix_index::decode::Options::default();
    let read = |hash| gix_index::File::at(&index, hash, true, options);
    // Which hash a repository names objects by stands in its configuration; an index of the other kind is no index.
    let read = read(gix_index::hash::Kind::Sha1)
        .or_else(|error| read(gix_index::hash::Kind::Sha256).map_err(|_| error));
    let index = read.map_err(|error| RealiseError::Source {
        problem: format!("{} is not an index that git would write: {error}", index.display()),
    })?;

    let below = folder.strip_prefix(&top).unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for entry in index.entries() {
        let mode = entry.mode;
        if mode.is_sparse() || mode.is_submodule() {
            continue;
        }
        // A name that is not text is an error where the file is listed.
        let Ok(path) = std::str::from_utf8(entry.path(&index)) else { continue };
        let Ok(path) = Path::new(path).strip_prefix(below) else { continue };
        // A link in a folder's place leads to files that are not these.
        let is_link = |above: &Path| folder.join(above).is_symlink();
        if folder.join(path).symlink_metadata().is_ok_and(|there| !there.is_dir())
            && !path.ancestors().skip(1).filter(|above| *above != Path::new("")).any(is_link)
            && let Some(Ok(path)) = path.to_str().map(RelPath::new)
        {
            files.push(path);
        }
    }
    Ok(files)
}

/// The work tree that a folder lies in, and its index.
fn index_above(folder: &Path) -> Result<Option<(PathBuf, PathBuf)>, RealiseError> {
    for top in folder.ancestors() {
        let git = top.join(".git");
        let Ok(there) = git.symlink_metadata() else { continue };
        // A linked work tree, or a submodule: a file that says where the folder is (gitrepository-layout(5)).
        let git = if there.is_file() {
            let text =
                fs_err::read_to_string(&git).map_err(RealiseError::io("read where git's folder is"))?;
            let Some(path) = text.strip_prefix("gitdir:") else { continue };
            top.join(path.trim())
        } else {
            git
        };
        let index = git.join("index");
        return Ok(index.is_file().then(|| (top.to_owned(), index)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let mut git = std::process::Command::new("git");
        git.args([
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.invalid",
            "-c",
            "init.defaultBranch=main",
        ]);
        let output = git.args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    }

    fn paths(folder: &Path) -> Vec<String> {
        tracked(folder).unwrap().iter().map(|path| path.as_str().to_owned()).collect()
    }

    #[test]
    fn tracked_files_are_those_of_the_index_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("repository");
        fs_err::create_dir_all(top.join("app/src")).unwrap();
        assert_eq!(paths(&top), [""; 0], "outside git");
        git(&top, &["init", "--quiet"]);
        assert_eq!(paths(&top), [""; 0], "before the first file is added");
        for path in [".gitignore", "app/src/made.rs", "app/src/gone.rs", "beside"] {
            fs_err::write(top.join(path), "made.rs\n").unwrap();
        }
        git(&top, &["add", "--force", "."]);
        fs_err::remove_file(top.join("app/src/gone.rs")).unwrap();
        assert_eq!(paths(&top), [".gitignore", "app/src/made.rs", "beside"]);
        assert_eq!(paths(&top.join("app")), ["src/made.rs"]);
        assert_eq!(paths(&top.join("app/src/../../app")), ["src/made.rs"]);

        // Another work tree of the same repository has a file in place of the folder, and its own index.
        git(&top, &["commit", "--quiet", "--message", "x"]);
        git(&top, &["worktree", "add", "--quiet", "../other"]);
        assert_eq!(paths(&top.join("../other/app/src")), ["gone.rs", "made.rs"]);

        fs_err::rename(top.join("app"), top.join("moved")).unwrap();
        fs_err::os::unix::fs::symlink("moved", top.join("app")).unwrap();
        assert_eq!(paths(&top), [".gitignore", "beside"], "a link has taken the folder's place");
        fs_err::write(top.join(".git/index"), "DIRC, but no more").unwrap();
        assert!(tracked(&top).unwrap_err().to_string().contains("is not an index"));
    }

    #[test]
    fn a_repository_that_names_by_sha_256_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        git(top, &["init", "--quiet", "--object-format=sha256"]);
        fs_err::write(top.join("a"), "").unwrap();
        git(top, &["add", "a"]);
        assert_eq!(paths(top), ["a"]);
    }
}
