//! A bare repository for a while, and the `git` that works in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{DEEPEST, name, of};
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::mirror;
use crate::progress::Event;
use crate::source::lock::GitSource;

/// A bare repository in a folder that goes away.
pub(super) struct Repository {
    pub(super) folder: tempfile::TempDir,
    name: String,
}

/// A line of `git ls-tree`.
pub(super) struct Listed {
    pub(super) mode: String,
    pub(super) id: String,
    pub(super) path: Vec<u8>,
}

/// Git's word for the hash that a commit is named by.
pub(super) fn format_of(commit: &str) -> &'static str {
    if commit.len() == 64 { "sha256" } else { "sha1" }
}

impl Repository {
    /// `format` is git's word for the hash that names objects; `name` is for the display.
    pub(super) fn empty(scratch: &Path, format: &str, name: String) -> Result<Self, FetchError> {
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
    pub(super) fn at_depth(
        fetcher: &Fetcher<'_>,
        source: &GitSource,
        depth: usize,
    ) -> Result<Self, FetchError> {
        if depth > DEEPEST {
            let problem = format!("its submodules lie more than {DEEPEST} deep in each other");
            return Err(of(&source.url, &source.commit)(problem));
        }
        Self::with_commit(fetcher, source)
    }

    /// A repository with the commit in it.
    fn with_commit(fetcher: &Fetcher<'_>, source: &GitSource) -> Result<Self, FetchError> {
        let GitSource { url, reference, commit } = source;
        let repository = Self::empty(fetcher.store().scratch(), format_of(commit), name(source))?;
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
    pub(super) fn fetch(
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
    pub(super) fn output_of_remote(
        &self,
        fetcher: &Fetcher<'_>,
        arguments: &[&str],
    ) -> Result<Vec<u8>, String> {
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

    pub(super) fn entries(&self, commit: &str) -> Result<Vec<Listed>, String> {
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
    pub(super) fn submodules(&self, source: &GitSource) -> Result<BTreeMap<String, String>, String> {
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

    pub(super) fn blobs(&self) -> Result<Blobs, String> {
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

    pub(super) fn output(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
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
pub(super) struct Blobs {
    child: std::process::Child,
    stdin: Option<std::process::ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Blobs {
    /// Reads a blob. The inner error is about the repository.
    pub(super) fn read<T>(
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
