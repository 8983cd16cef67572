//! Git commits: the whole tree with its submodules, as git has it, with no filter or line-end conversion.
//!
//! The host's `git` does the talking, with the user's own configuration, since the credentials are there. A
//! commit names its content, but by SHA-1: the tree's digest is what should be pinned.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use xbuild_action::File;
use xbuild_base::{Digest, RelPath, Sha256, Tree};
use xbuild_describe::{GitReference, is_commit};

use super::lock::GitSource;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::mirror;
use crate::output::without_credentials;
use crate::progress::Event;
use crate::unpack::{ArchiveError, Assembler, checked_path};

/// The memo namespace: repository and commit → tree.
const TREES: &str = "git-tree";
/// The memo namespace: commit → the commit object's own bytes.
const OBJECTS: &str = "git-commit";
/// Counts up whenever a commit would become another tree.
const VERSION: u32 = 2;
/// How deep submodules may lie in submodules.
const DEEPEST: usize = 16;

/// A commit that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitCommit {
    /// Which one.
    pub source: GitSource,
    /// The digest that its tree was pinned to, where it was.
    pub tree: Option<Digest<Tree>>,
}

/// The trees of `commits`, in their order.
///
/// # Errors
/// [`FetchError::Offline`] with all that is missing, [`FetchError::Git`] when a commit can't be had,
/// [`FetchError::Mismatch`] when its tree is not the pinned one, [`FetchError::Archive`] when it holds links that
/// lead outside.
pub fn fetch(fetcher: &Fetcher<'_>, commits: &[GitCommit]) -> Result<Vec<Digest<Tree>>, FetchError> {
    let mut missing = Vec::new();
    let mut known = Vec::with_capacity(commits.len());
    for commit in commits {
        fetcher.note_commit(&commit.source);
        let tree = fetcher.remembered_tree(TREES, key(&commit.source))?;
        if tree.is_none() && fetcher.settings().offline && !is_there(fetcher, &commit.source) {
            missing.push(name(&commit.source));
        }
        known.push(tree);
    }
    if !missing.is_empty() {
        missing.sort();
        missing.dedup();
        return Err(FetchError::Offline { missing });
    }
    let mut trees = Vec::with_capacity(commits.len());
    for (GitCommit { source, tree: pinned }, known) in commits.iter().zip(known) {
        // The same commit may have come in by an earlier round of this loop.
        let tree = match known.map_or_else(|| fetcher.remembered_tree(TREES, key(source)), |t| Ok(Some(t)))? {
            Some(tree) => tree,
            None => one(fetcher, source)?,
        };
        if let Some(pinned) = pinned.filter(|pinned| *pinned != tree) {
            let (name, place) = (name(source), without_credentials(&source.url));
            let (expected, computed) = (pinned.sha256(), tree.sha256());
            return Err(FetchError::Mismatch { name, place, expected, computed });
        }
        trees.push(tree);
    }
    Ok(trees)
}

/// The bytes of a commit object (`git cat-file commit`) that [`fetch`] has brought.
///
/// # Errors
/// [`FetchError::Git`] when it isn't there.
pub fn commit_object(fetcher: &Fetcher<'_>, source: &GitSource) -> Result<Vec<u8>, FetchError> {
    fetcher.store().memo(OBJECTS, key(source))?.ok_or_else(|| FetchError::Git {
        repository: without_credentials(&source.url),
        commit: source.commit.clone(),
        problem: "its commit object is not in the store".to_owned(),
    })
}

/// What is wrong with a commit of a repository.
fn of(url: &str, commit: &str) -> impl Fn(String) -> FetchError + use<> {
    let (repository, commit) = (without_credentials(url), commit.to_owned());
    move |problem| FetchError::Git { repository: repository.clone(), commit: commit.clone(), problem }
}

fn name(source: &GitSource) -> String {
    format!("{}#{}", without_credentials(&source.url), &source.commit[..source.commit.len().min(12)])
}

/// Submodules may have addresses relative to the repository's, so that counts too.
fn key(source: &GitSource) -> Sha256 {
    let GitSource { url, reference: _, commit } = source;
    let url = without_credentials(url.trim_end_matches('/'));
    Sha256::of(format!("{VERSION}\0{}\0{commit}", url.strip_suffix(".git").unwrap_or(&url)).as_bytes())
}

/// Whether a commit can be had without a network.
fn is_there(fetcher: &Fetcher<'_>, source: &GitSource) -> bool {
    is_local(&source.url) || mirror::repository(&fetcher.settings().mirrors, &source.commit).is_some()
}

/// Lays commits, and those of their submodules, out as a mirror has them.
///
/// # Errors
/// When a commit can't be had, or `folder` can't be written.
pub fn mirror_commits(fetcher: &Fetcher<'_>, sources: &[GitSource], folder: &Path) -> Result<(), FetchError> {
    let mut open: Vec<(GitSource, usize)> = sources.iter().map(|source| (source.clone(), 0)).collect();
    while let Some((source, depth)) = open.pop() {
        let place = folder.join(mirror::path_of_commit(&source.commit));
        let error = of(&source.url, &source.commit);
        let repository = Repository::at_depth(fetcher, &source, depth)?;
        let submodules = repository.submodules(&source).map_err(&error)?;
        for Listed { mode, id, path } in repository.entries(&source.commit).map_err(&error)? {
            let url = submodules.get(String::from_utf8_lossy(&path).as_ref());
            if let Some(url) = url.filter(|_| mode == "160000") {
                open.push((GitSource { url: url.clone(), reference: None, commit: id }, depth + 1));
            }
        }
        if place.is_dir() {
            continue;
        }
        // A branch that has it: what no name leads to is not given out.
        repository.output(&["update-ref", "refs/heads/mirrored", &source.commit]).map_err(&error)?;
        let beside = place.with_extension("new");
        copy(repository.folder.path(), &beside)?;
        fs_err::rename(&beside, &place)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), FetchError> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs_err::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

fn is_local(url: &str) -> bool {
    url.starts_with("file:") || url.starts_with('/')
}

fn one(fetcher: &Fetcher<'_>, source: &GitSource) -> Result<Digest<Tree>, FetchError> {
    let name = name(source);
    fetcher.progress().event(&name, Event::Started { size: None });
    let answer = read_commit(fetcher, source, &name);
    fetcher.progress().event(&name, if answer.is_ok() { Event::Finished } else { Event::Failed });
    answer
}

fn read_commit(fetcher: &Fetcher<'_>, source: &GitSource, name: &str) -> Result<Digest<Tree>, FetchError> {
    let mut tree = Assembler::default();
    add(fetcher, source, &RelPath::root(), 0, &mut tree)?;
    let tree = tree.build(fetcher.store()).map_err(|error| error.named(name))?;
    fetcher.remember_tree(TREES, key(source), tree)?;
    Ok(tree)
}

/// Puts a commit's files, and those of its submodules, at `prefix`.
fn add(
    fetcher: &Fetcher<'_>,
    source: &GitSource,
    prefix: &RelPath,
    depth: usize,
    tree: &mut Assembler,
) -> Result<(), FetchError> {
    let error = of(&source.url, &source.commit);
    let repository = Repository::at_depth(fetcher, source, depth)?;
    if depth == 0 {
        let object = repository.output(&["cat-file", "commit", &source.commit]).map_err(&error)?;
        fetcher.store().put_memo(OBJECTS, key(source), &object)?;
    }
    let entries = repository.entries(&source.commit).map_err(&error)?;
    let submodules = repository.submodules(source).map_err(&error)?;
    let mut blobs = repository.blobs().map_err(&error)?;
    let shown = name(source);
    let refused = |problem: ArchiveError| FetchError::Archive { name: shown.clone(), problem };
    for Listed { mode, id, path } in entries {
        let path = checked_path(&path).map_err(refused)?;
        let place = prefix.join(&path);
        match mode.as_str() {
            "100644" | "100755" | "100664" => {
                let (store, executable) = (fetcher.store(), mode == "100755");
                let put = |blob: &mut dyn Read| match executable {
                    true => store.put_executable(blob),
                    false => store.put_reader(blob),
                };
                let digest = blobs.read(&id, &mut |blob| Ok(put(blob)?))?.map_err(&error)?;
                tree.file(&place, File { digest, executable }).map_err(refused)?;
            }
            "120000" => {
                let target = blobs.read(&id, &mut |blob| {
                    let mut target = String::new();
                    blob.take(4097).read_to_string(&mut target).map(|_| target).map_err(FetchError::Io)
                })?;
                tree.link(&place, target.map_err(&error)?).map_err(refused)?;
            }
            "160000" => {
                tree.directory(&place).map_err(refused)?;
                // A commit that `.gitmodules` doesn't speak of is an empty folder for git as well.
                let Some(url) = submodules.get(path.as_str()) else { continue };
                let below = GitSource { url: url.clone(), reference: None, commit: id };
                if fetcher.settings().offline && !is_there(fetcher, &below) {
                    let missing =
                        vec![format!("{} (submodule {path} of {shown})", without_credentials(&below.url))];
                    return Err(FetchError::Offline { missing });
                }
                add(fetcher, &below, &place, depth + 1, tree)?;
            }
            other => return Err(error(format!("`{path}` has the mode {other}, which is not known"))),
        }
    }
    Ok(())
}

/// The commit that a reference of a repository leads to now.
///
/// # Errors
/// [`FetchError::Reference`] when the repository can't be asked, or has no such branch or tag; [`FetchError::Offline`]
/// when it may not be asked.
pub fn resolve(fetcher: &Fetcher<'_>, url: &str, reference: &GitReference) -> Result<String, FetchError> {
    let (wanted, peeled) = match reference {
        GitReference::Commit(hash) => return Ok(hash.clone()),
        GitReference::Head => ("HEAD".to_owned(), None),
        GitReference::Branch(name) => (format!("refs/heads/{name}"), None),
        // An annotated tag is an object of its own; what it stands for is told beside it.
        GitReference::Tag(name) => (format!("refs/tags/{name}"), Some(format!("refs/tags/{name}^{{}}"))),
    };
    let shown = without_credentials(url);
    if fetcher.settings().offline && !is_local(url) {
        return Err(FetchError::Offline { missing: vec![format!("{shown} ({reference})")] });
    }
    let error = |problem: String| FetchError::Reference {
        repository: shown.clone(),
        reference: reference.to_string(),
        problem,
    };
    let repository = Repository::empty(fetcher.store().scratch(), "sha1", shown.clone())?;
    let mut arguments = vec!["ls-remote", "--quiet", "--end-of-options", url, &wanted];
    arguments.extend(peeled.as_deref());
    let listing = repository.output_of_remote(fetcher, &arguments).map_err(&error)?;
    let listing = String::from_utf8_lossy(&listing);
    let found = |name: &str| {
        let mut lines = listing.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(_, of)| *of == name).map(|(commit, _)| commit.to_owned())
    };
    let commit = peeled.and_then(|peeled| found(&peeled)).or_else(|| found(&wanted));
    commit
        .filter(|commit| is_commit(commit))
        .ok_or_else(|| error("the repository has no such name".to_owned()))
}

/// One file of the commit that `HEAD` of a repository is, as registries with a git index have `config.json`.
pub(super) fn file_of_head(fetcher: &Fetcher<'_>, url: &str, path: &str) -> Result<Vec<u8>, FetchError> {
    let error = of(url, "HEAD");
    let repository = Repository::empty(fetcher.store().scratch(), "sha1", without_credentials(url))?;
    repository.fetch(fetcher, url, &["--depth=1"], &["HEAD"])?.map_err(&error)?;
    repository.output(&["show", &format!("FETCH_HEAD:{path}")]).map_err(&error)
}

/// A bare repository in a folder that goes away.
struct Repository {
    folder: tempfile::TempDir,
    name: String,
}

/// A line of `git ls-tree`.
struct Listed {
    mode: String,
    id: String,
    path: Vec<u8>,
}

impl Repository {
    /// `format` is git's word for the hash that names objects; `name` is for the display.
    fn empty(scratch: &Path, format: &str, name: String) -> Result<Self, FetchError> {
        let folder = tempfile::Builder::new().prefix("git-").tempdir_in(scratch)?;
        let repository = Self { folder, name };
        let format = format!("--object-format={format}");
        let init = ["init", "--quiet", "--bare", "--template=", &format, "."];
        repository
            .output(&init)
            .map_err(|problem| FetchError::Program { program: "git".to_owned(), problem })?;
        Ok(repository)
    }

    /// A repository with the commit in it, which lies as a submodule in so many others.
    fn at_depth(fetcher: &Fetcher<'_>, source: &GitSource, depth: usize) -> Result<Self, FetchError> {
        if depth > DEEPEST {
            let problem = format!("its submodules lie more than {DEEPEST} deep in each other");
            return Err(of(&source.url, &source.commit)(problem));
        }
        Self::with_commit(fetcher, source)
    }

    /// A repository with the commit in it.
    fn with_commit(fetcher: &Fetcher<'_>, source: &GitSource) -> Result<Self, FetchError> {
        let GitSource { url, reference, commit } = source;
        let format = if commit.len() == 64 { "sha256" } else { "sha1" };
        let repository = Self::empty(fetcher.store().scratch(), format, name(source))?;
        let error = of(url, commit);
        if let Some(place) = mirror::repository(&fetcher.settings().mirrors, commit) {
            let place = place.to_string_lossy();
            if repository.fetch(fetcher, &place, &["--depth=1"], &[commit])?.is_ok() && repository.has(commit)
            {
                return Ok(repository);
            }
        }
        // Most servers give a commit alone; those that don't give all their branches and tags, in which it is
        // unless a manifest names a reference of another kind (a merge request).
        if repository.fetch(fetcher, url, &["--depth=1"], &[commit])?.is_err() {
            let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            repository.fetch(fetcher, url, &[], &all)?.map_err(&error)?;
            let named = reference.as_ref().filter(|(_, value)| value.starts_with("refs/"));
            if let (false, Some((_, value))) = (repository.has(commit), named) {
                repository.fetch(fetcher, url, &[], &[value])?.map_err(&error)?;
            }
        }
        if repository.has(commit) {
            Ok(repository)
        } else {
            Err(error("the repository has no such commit on any branch or tag".to_owned()))
        }
    }

    fn has(&self, commit: &str) -> bool {
        self.output(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok()
    }

    /// Fetches. The inner error is git's text.
    fn fetch(
        &self,
        fetcher: &Fetcher<'_>,
        url: &str,
        options: &[&str],
        references: &[&str],
    ) -> Result<Result<(), String>, FetchError> {
        let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force"];
        arguments.extend(options);
        arguments.extend(["--end-of-options", url]);
        arguments.extend(references);
        Ok(self.output_of_remote(fetcher, &arguments).map(drop))
    }

    /// What a command prints that talks to another machine; again after a pause where the network seems to be the reason
    /// that it failed.
    fn output_of_remote(&self, fetcher: &Fetcher<'_>, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let settings = fetcher.settings();
        let mut attempt = 1;
        loop {
            let problem = match self.output(arguments) {
                Err(problem) if attempt <= settings.retries && is_transient(&problem) => problem,
                ended => return ended,
            };
            let pause = settings.pause.saturating_mul(1 << (attempt - 1).min(6));
            let event = Event::Retrying { attempt, pause, problem: &problem };
            fetcher.progress().event(&self.name, event);
            std::thread::sleep(pause);
            attempt += 1;
        }
    }

    fn entries(&self, commit: &str) -> Result<Vec<Listed>, String> {
        let listing = self.output(&["ls-tree", "-r", "-z", "--full-tree", commit])?;
        let mut entries = Vec::new();
        for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let tab =
                line.iter().position(|byte| *byte == b'\t').ok_or("`git ls-tree` has a strange line")?;
            let (fields, path) = (String::from_utf8_lossy(&line[..tab]), line[tab + 1..].to_owned());
            match fields.split(' ').collect::<Vec<_>>()[..] {
                [mode, _, id] => entries.push(Listed { mode: mode.to_owned(), id: id.to_owned(), path }),
                _ => return Err(format!("`git ls-tree` has a strange line: {fields}")),
            }
        }
        Ok(entries)
    }

    /// The addresses of the submodules by their paths; those with `update = none` are left out, as in cargo.
    fn submodules(&self, source: &GitSource) -> Result<BTreeMap<String, String>, String> {
        let blob = format!("{}:.gitmodules", source.commit);
        if self.output(&["cat-file", "-e", &blob]).is_err() {
            return Ok(BTreeMap::new());
        }
        let listing = self.output(&["config", "--blob", &blob, "-z", "--list"])?;
        let mut modules: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for entry in String::from_utf8_lossy(&listing).split('\0') {
            let Some((key, value)) = entry.split_once('\n') else { continue };
            let Some((name, key)) = key.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.'))
            else {
                continue;
            };
            modules.entry(name.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        }
        Ok(modules
            .into_values()
            .filter(|module| module.get("update").is_none_or(|update| update != "none"))
            .filter_map(|mut module| {
                let (path, url) = (module.remove("path")?, module.remove("url")?);
                Some((path, submodule_url(&source.url, &url)))
            })
            .collect())
    }

    fn blobs(&self) -> Result<Blobs, String> {
        let mut child = self
            .git(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| cannot_run(&error))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        match (stdin, stdout) {
            (Some(stdin), Some(stdout)) => {
                Ok(Blobs { child, stdin: Some(stdin), stdout: BufReader::with_capacity(1 << 16, stdout) })
            }
            _ => Err("`git cat-file` has no pipes".to_owned()),
        }
    }

    fn output(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let output = self.git(arguments).stdin(Stdio::null()).output().map_err(|error| cannot_run(&error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(if problem.is_empty() {
            format!("git {} failed ({})", arguments[0], output.status)
        } else {
            problem
        })
    }

    fn git(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.folder.path());
        // Of the environment only what would point git elsewhere is taken away.
        for name in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
            "GIT_COMMON_DIR",
            "GIT_NAMESPACE",
            "GIT_SHALLOW_FILE",
            "GIT_PREFIX",
        ] {
            command.env_remove(name);
        }
        // Nobody answers a prompt; messages are looked at, so they are in one language.
        command.env("GIT_DIR", self.folder.path()).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command
    }
}

/// A running `git cat-file --batch`.
struct Blobs {
    child: std::process::Child,
    stdin: Option<std::process::ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Blobs {
    /// Reads a blob. The inner error is about the repository.
    fn read<T>(
        &mut self,
        id: &str,
        take: &mut dyn FnMut(&mut dyn Read) -> Result<T, FetchError>,
    ) -> Result<Result<T, String>, FetchError> {
        let stdin = self.stdin.as_mut().ok_or_else(|| std::io::Error::other("git cat-file has ended"))?;
        stdin.write_all(format!("{id}\n").as_bytes())?;
        stdin.flush()?;
        let mut header = String::new();
        self.stdout.read_line(&mut header)?;
        let fields: Vec<&str> = header.split_whitespace().collect();
        let size = match fields[..] {
            [_, "blob", size] => size.parse::<u64>().ok(),
            _ => None,
        };
        let Some(size) = size else { return Ok(Err(format!("object {id} is missing in the repository"))) };
        let mut blob = (&mut self.stdout).take(size);
        let answer = take(&mut blob)?;
        // What was left unread, and the line end after each blob.
        std::io::copy(&mut blob, &mut std::io::sink())?;
        self.stdout.read_exact(&mut [0])?;
        Ok(Ok(answer))
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It ends when its input does; where it doesn't, nobody needs it any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cannot_run(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "the program `git` is not installed".to_owned(),
        _ => format!("git could not be run: {error}"),
    }
}

fn is_transient(problem: &str) -> bool {
    let signs = [
        "Could not resolve host",
        "timed out",
        "Connection",
        "early EOF",
        "RPC failed",
        "unexpected disconnect",
        "HTTP 5",
        "error: 5",
    ];
    signs.iter().any(|sign| problem.contains(sign))
}

/// A submodule's address: `./` and `../` are relative to the repository's own (gitmodules(5)).
fn submodule_url(parent: &str, url: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return url.to_owned();
    }
    let mut base = parent.trim_end_matches('/').to_owned();
    let mut rest = url;
    loop {
        if let Some(below) = rest.strip_prefix("./") {
            rest = below;
        } else if let Some(below) = rest.strip_prefix("../") {
            rest = below;
            // `host:path` has no slash before its first component.
            let cut = base.rfind('/').or_else(|| base.rfind(':').map(|at| at + 1));
            base.truncate(cut.unwrap_or(0));
        } else {
            break;
        }
    }
    let slash = if base.ends_with(':') || base.is_empty() { "" } else { "/" };
    format!("{base}{slash}{}", rest.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::submodule_url;

    #[test]
    fn submodules_have_addresses_relative_to_their_repository() {
        for (parent, url, expected) in [
            ("https://h.example/a/b.git", "../c.git", "https://h.example/a/c.git"),
            ("https://h.example/a/b/", "../../c", "https://h.example/c"),
            ("git@h.example:a/b.git", "../c", "git@h.example:a/c"),
            ("git@h.example:b.git", "../c", "git@h.example:c"),
            ("/srv/b", "./c", "/srv/b/c"),
            ("/srv/b", "https://h.example/c", "https://h.example/c"),
        ] {
            assert_eq!(submodule_url(parent, url), expected, "{parent} {url}");
        }
    }
}
