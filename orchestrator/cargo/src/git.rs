//! Where cargo keeps git dependencies below `$CARGO_HOME`: `git/db/<name>-<hash>` is a bare repository,
//! `git/checkouts/<name>-<hash>/<short commit>` a work tree of one commit.
//!
//! Source: `ident` in `src/cargo/sources/git/source.rs`, `CanonicalUrl`, and `util/hex.rs` of cargo 1.95 and
//! 1.96. A test holds it against what cargo makes.

use std::hash::{Hash as _, Hasher};

/// The folders of one commit, relative to `$CARGO_HOME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitFolders {
    /// The bare repository.
    pub database: String,
    /// The work tree.
    pub checkout: String,
}

/// Where cargo looks for a commit of the repository at `url` (as `Cargo.lock` has it, without `git+`, query and
/// commit).
#[must_use]
pub fn git_folders(url: &str, commit: &str) -> GitFolders {
    let url = canonical(url);
    let name = url.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("_empty");
    let mut hasher = rustc_stable_hash::StableSipHasher128::new();
    url.as_str().hash(&mut hasher);
    let hash: String =
        Hasher::finish(&hasher).to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let ident = format!("{name}-{hash}");
    // libgit2 abbreviates to seven digits where that is enough, and one commit is all there is.
    let short = commit.get(..7).unwrap_or(commit);
    GitFolders { database: format!("git/db/{ident}"), checkout: format!("git/checkouts/{ident}/{short}") }
}

/// Cargo's `CanonicalUrl`: no slash and no `.git` at the end; GitHub doesn't tell upper from lower case, and is the
/// same by whatever scheme.
fn canonical(url: &str) -> String {
    let mut url = url.trim_end_matches('/').to_owned();
    if let Some((authority, path)) = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')) {
        let host = authority.rsplit('@').next().and_then(|host| host.split(':').next());
        if host == Some("github.com") {
            url = format!("https://{authority}/{}", path.to_lowercase());
        }
    }
    url.strip_suffix(".git").map(str::to_owned).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_are_those_that_cargo_makes() {
        // Seen with cargo 1.95.
        let folders = git_folders("file:///srv/git/kneading.git", "5802dfd097d6fd7cd4cc7ae622e985e4ac05b384");
        assert_eq!(folders.database, "git/db/kneading-739bcdc564fca29f");
        assert_eq!(folders.checkout, "git/checkouts/kneading-739bcdc564fca29f/5802dfd");
        assert_eq!(
            folders,
            git_folders("file:///srv/git/kneading/", "5802dfd097d6fd7cd4cc7ae622e985e4ac05b384")
        );
    }

    #[test]
    fn github_is_the_same_by_every_scheme_and_in_either_case() {
        for (url, same) in [
            ("ssh://git@github.com/Org/Repo.git", "https://git@github.com/org/repo"),
            ("https://github.com/Org/Repo/", "https://github.com/org/repo"),
            ("https://h.example/Org/Repo.git", "https://h.example/Org/Repo"),
        ] {
            assert_eq!(canonical(url), same);
        }
    }
}
