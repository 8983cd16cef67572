//! What references of repositories lead to.

use xbuild_describe::{GitReference, is_commit, nearest};

use super::repository::{Repository, format_of};
use super::{is_local, of};
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::without_credentials;

/// What a repository calls a reference, unless that is a commit's own hash.
fn name_of(reference: &GitReference) -> Result<String, &str> {
    match reference {
        GitReference::Commit(hash) => Err(hash),
        GitReference::Head => Ok("HEAD".to_owned()),
        GitReference::Branch(name) => Ok(format!("refs/heads/{name}")),
        GitReference::Tag(name) => Ok(format!("refs/tags/{name}")),
    }
}

/// The commit that a reference of a repository leads to now.
///
/// # Errors
/// [`FetchError::Reference`] when the repository can't be asked, or has no such branch or tag; [`FetchError::Offline`]
/// when it may not be asked.
pub fn resolve(fetcher: &Fetcher<'_>, url: &str, reference: &GitReference) -> Result<String, FetchError> {
    let wanted = match name_of(reference) {
        Ok(wanted) => wanted,
        Err(hash) => return Ok(hash.to_owned()),
    };
    // An annotated tag is an object of its own; what it stands for is told beside it.
    let peeled = matches!(reference, GitReference::Tag(_)).then(|| format!("{wanted}^{{}}"));
    let shown = without_credentials(url);
    if fetcher.settings().offline && !is_local(url) {
        return Err(FetchError::Offline { missing: vec![format!("{shown} ({reference})")] });
    }
    let error = |problem: String, near: Option<&str>| FetchError::Reference {
        repository: shown.clone(),
        reference: reference.to_string(),
        problem,
        near: near.map(str::to_owned),
    };
    let repository = Repository::empty(fetcher.store().scratch(), "sha1", shown.clone())?;
    let list = |names: &[&str]| {
        let arguments = [&["ls-remote", "--quiet", "--end-of-options", url], names].concat();
        let listing = repository.output_of_remote(fetcher, &arguments);
        listing.map(|listing| String::from_utf8_lossy(&listing).into_owned())
    };
    let names: Vec<&str> = std::iter::once(wanted.as_str()).chain(peeled.as_deref()).collect();
    let listing = list(&names).map_err(|problem| error(problem, None))?;
    let found = |name: &str| {
        let mut lines = listing.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(_, of)| *of == name).map(|(commit, _)| commit.to_owned())
    };
    let commit = peeled.as_deref().and_then(found).or_else(|| found(&wanted));
    commit.filter(|commit| is_commit(commit)).ok_or_else(|| {
        let folder = if peeled.is_some() { "refs/tags/" } else { "refs/heads/" };
        let all = list(&[&format!("{folder}*")]).unwrap_or_default();
        let names = all.lines().filter_map(|line| line.split_once('\t')?.1.strip_prefix(folder));
        let names = names.filter(|name| !name.ends_with("^{}"));
        let name = wanted.strip_prefix(folder).unwrap_or(&wanted);
        error("the repository has no such name".to_owned(), nearest(name, names))
    })
}

/// How much of a history is fetched until a commit is found in it that is old enough: then all of it.
const DEPTHS: [&str; 2] = ["--depth=64", "--depth=4096"];

/// The newest commit on the way to what a reference leads to now, by first parents, that was made (its `committer` line)
/// no later than `before`, in seconds since 1970. `None`: there is none, or it lies behind `pinned`.
///
/// # Errors
/// As [`resolve()`].
pub fn resolve_before(
    fetcher: &Fetcher<'_>,
    url: &str,
    reference: &GitReference,
    before: u64,
    pinned: Option<&str>,
) -> Result<Option<String>, FetchError> {
    let tip = resolve(fetcher, url, reference)?;
    let Ok(name) = name_of(reference) else { return Ok(Some(tip)) };
    let scratch = fetcher.store().scratch();
    let repository = Repository::empty(scratch, format_of(&tip), without_credentials(url))?;
    let error = of(url, &tip);
    let age = format!("--min-age={before}");
    // Another commit than the one that a tag names is no release.
    let way: &[&str] = match reference {
        GitReference::Tag(_) => &["rev-list", "--no-walk", &age, "FETCH_HEAD"],
        _ => &["rev-list", "--max-count=1", "--first-parent", &age, "FETCH_HEAD"],
    };
    for depth in DEPTHS.iter().map(Some).chain([None]) {
        let options: &[&str] = match depth {
            Some(depth) => &[depth],
            None => &["--unshallow"],
        };
        repository.fetch(fetcher, url, options, &[&name])?.map_err(&error)?;
        let found = repository.output(way).map_err(&error)?;
        let found = String::from_utf8_lossy(&found).trim().to_owned();
        if is_commit(&found) {
            let is_behind = |pinned: &str| {
                let behind = ["merge-base", "--is-ancestor", &found, pinned];
                pinned != found && repository.output(&behind).is_ok()
            };
            return Ok((!pinned.is_some_and(is_behind)).then_some(found));
        }
        let shallow = repository.output(&["rev-parse", "--is-shallow-repository"]).map_err(&error)?;
        if shallow.trim_ascii() == b"false" || matches!(reference, GitReference::Tag(_)) {
            break;
        }
    }
    Ok(None)
}

/// One file of the commit that `HEAD` of a repository is, as registries with a git index have `config.json`.
pub(in crate::source) fn file_of_head(
    fetcher: &Fetcher<'_>,
    url: &str,
    path: &str,
) -> Result<Vec<u8>, FetchError> {
    let error = of(url, "HEAD");
    let repository = Repository::empty(fetcher.store().scratch(), "sha1", without_credentials(url))?;
    repository.fetch(fetcher, url, &["--depth=1"], &["HEAD"])?.map_err(&error)?;
    repository.output(&["show", &format!("FETCH_HEAD:{path}")]).map_err(&error)
}
