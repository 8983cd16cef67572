//! Commits of repositories, laid out in the store.

use std::path::PathBuf;
use std::sync::PoisonError;

use xbuild_action::Staging as _;
use xbuild_base::RelPath;
use xbuild_describe::{GitReference, is_commit, suggest_or};
use xbuild_fetch::FetchError;
use xbuild_fetch::source::git::{self, GitCommit};
use xbuild_fetch::source::lock::GitSource;

use super::Hands;
use crate::age::MinAge;
use crate::error::XbuildError;
use crate::session::Fetching;

/// How an address begins that is one of a repository.
const GIT: &str = "git+";

/// What may be said of the project after the address.
const KEYS: [&str; 4] = ["branch", "tag", "rev", "folder"];

const HELP: &str = "write git+URL#OUTPUT; with ?branch=NAME, ?tag=NAME or ?rev=COMMIT, and &folder=PATH where the project is not at the top";

/// A commit that is laid out.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// The folder in the store that has all of its files.
    pub(crate) top: PathBuf,
    /// Its hash.
    pub(crate) hash: String,
    /// Its object's own bytes, as `git cat-file commit` prints them.
    pub(crate) object: Vec<u8>,
}

impl Commit {
    /// When it was made, in seconds since 1970 (git-hash-object(1), the `committer` line).
    pub(crate) fn time(&self) -> Option<u64> {
        let object = String::from_utf8_lossy(&self.object);
        let committer = object.lines().find(|line| line.starts_with("committer "))?;
        committer.rsplit(' ').nth(1)?.parse().ok()
    }
}

/// The commit that a reference leads to now.
pub(super) fn resolve(url: &str, reference: &GitReference, hands: Hands<'_>) -> Result<String, XbuildError> {
    let known = || hands.session.commits.lock().unwrap_or_else(PoisonError::into_inner);
    let question = (url.to_owned(), reference.to_string());
    if let Some(commit) = known().get(&question) {
        return Ok(commit.clone());
    }
    let fetching = Fetching::new(hands.session, hands.global, hands.ui)?;
    let commit = git::resolve(&fetching.fetcher(), url, reference)?;
    fetching.display.finish();
    known().insert(question, commit.clone());
    Ok(commit)
}

/// The newest commit on the way there that is so old, unless it lies behind what is pinned.
pub(super) fn resolve_aged(
    (url, reference): (&str, &GitReference),
    age: MinAge,
    pinned: Option<&str>,
    hands: Hands<'_>,
) -> Result<Option<String>, XbuildError> {
    let fetching = Fetching::new(hands.session, hands.global, hands.ui)?;
    let commit = git::resolve_before(&fetching.fetcher(), url, reference, age.before(), pinned)?;
    fetching.display.finish();
    Ok(commit)
}

/// Whether a commit is in the store.
pub(super) fn is_fetched(url: &str, hash: &str, hands: Hands<'_>) -> Result<bool, XbuildError> {
    let fetching = Fetching::new(hands.session, hands.global, hands.ui)?;
    let source = GitSource { url: url.to_owned(), reference: None, commit: hash.to_owned() };
    Ok(git::is_fetched(&fetching.fetcher(), &source)?)
}

/// Lays a commit out, which is fetched where it must be.
pub(super) fn bring(url: &str, hash: String, hands: Hands<'_>) -> Result<Commit, XbuildError> {
    let fetching = Fetching::new(hands.session, hands.global, hands.ui)?;
    let fetcher = fetching.fetcher();
    let source = GitSource { url: url.to_owned(), reference: None, commit: hash.clone() };
    let commits = [GitCommit { source, tree: None }];
    let trees = git::fetch(&fetcher, &commits)?;
    fetching.display.finish();
    let object = git::commit_object(&fetcher, &commits[0].source)?;
    let tree = trees.first().copied().ok_or(FetchError::Cancelled)?;
    let store = &hands.session.store;
    let top = store.folder().join(store.materialise(tree)?);
    // What leads out of it is told by its path.
    let top = fs_err::canonicalize(top).map_err(|error| XbuildError::machine(&error))?;
    Ok(Commit { top, hash, object })
}

/// A project in a repository, as a command line names it: `git+URL?branch=NAME&folder=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    url: String,
    reference: GitReference,
    folder: RelPath,
}

impl Address {
    /// Reads one; `None`: this is a folder.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, XbuildError> {
        let Some(rest) = text.strip_prefix(GIT) else { return Ok(None) };
        let wrong = |what: String| XbuildError::user(format!("`{text}`: {what}"), HELP);
        let (url, query) = rest.split_once('?').unwrap_or((rest, ""));
        if url.is_empty() || url.starts_with('-') {
            return Err(wrong("there is no repository's address".to_owned()));
        }
        let (mut references, mut folder) = (Vec::new(), RelPath::root());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.to_owned();
            match key {
                _ if value.is_empty() || value.starts_with('-') => {
                    return Err(wrong(format!("`{key}` names nothing")));
                }
                "branch" => references.push(GitReference::Branch(value)),
                "tag" => references.push(GitReference::Tag(value)),
                "rev" if is_commit(&value) => references.push(GitReference::Commit(value)),
                "rev" => return Err(wrong(format!("`{value}` is not the whole hash of a commit"))),
                "folder" => folder = RelPath::new(value).map_err(|error| wrong(error.to_string()))?,
                _ => {
                    let what = format!("`{text}`: nothing is called `{key}`");
                    return Err(XbuildError::user(what, suggest_or(key, KEYS, HELP)));
                }
            }
        }
        if references.len() > 1 {
            return Err(wrong("several things lead to the commit".to_owned()));
        }
        Ok(Some(Self { url: url.to_owned(), reference: references.pop().unwrap_or_default(), folder }))
    }

    /// Lays it out: the project's folder, and the commit.
    pub(crate) fn bring(&self, hands: Hands<'_>) -> Result<(PathBuf, Commit), XbuildError> {
        let hash = resolve(&self.url, &self.reference, hands)?;
        let commit = bring(&self.url, hash, hands)?;
        Ok((commit.top.join(self.folder.as_str()), commit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_which() {
        let parse = |text: &str| Address::parse(text).unwrap().unwrap();
        let plain = parse("git+https://git.example/a.git");
        assert_eq!(
            (plain.url.as_str(), &plain.reference),
            ("https://git.example/a.git", &GitReference::Head)
        );
        let whole = parse("git+file:///a?tag=v1&folder=tools/gen");
        assert_eq!(whole.reference, GitReference::Tag("v1".to_owned()));
        assert_eq!(whole.folder.as_str(), "tools/gen");
        assert_eq!(Address::parse("../a").unwrap(), None);
        for wrong in [
            "git+",
            "git+u?brnch=a",
            "git+u?branch=",
            "git+u?rev=abc",
            "git+u?branch=a&tag=b",
            "git+u?folder=../a",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
        for (slip, near) in [("brnch", "branch"), ("tga", "tag"), ("fodler", "folder")] {
            let help = Address::parse(&format!("git+u?{slip}=a")).unwrap_err().help().unwrap();
            assert_eq!(help, format!("did you mean `{near}`? Else {HELP}"));
        }
    }

    #[test]
    fn a_commit_tells_its_time() {
        let object = b"tree 00\nauthor a <a> 1 +0000\ncommitter b c <d> 1700000000 +0200\n\nx".to_vec();
        let commit = Commit { top: PathBuf::new(), hash: String::new(), object };
        assert_eq!(commit.time(), Some(1_700_000_000));
    }
}
