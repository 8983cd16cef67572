//! The commit that the sources are of. It stands in images' configuration and annotations, never in a layer, and in
//! programs that are stamped.
//!
//! git is asked, and a repository may come from anywhere: nothing that it configures is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xbuild_describe::suggest_or;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// Its hash.
    pub(crate) commit: String,
    /// Its time, as RFC 3339 has it, in UTC.
    pub(crate) time: String,
}

/// What git says of a folder's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The hash of the commit.
    pub(crate) commit: String,
    /// Whether a file differs from it, or is new. What xbuild and cargo make does not count.
    pub(crate) is_dirty: bool,
}

/// The commit of the repository that holds `root`; `None` outside git, without the git command, before the first
/// commit, and where a file of the repository differs from it, or where it doesn't have the folder (an ignored one):
/// then what is made is no commit's.
pub(crate) fn find(root: &Path) -> Option<Revision> {
    let Head { commit, is_dirty } = head(root)?;
    if is_dirty {
        return None;
    }
    let date = "--date=format-local:%Y-%m-%dT%H:%M:%SZ";
    let time = log(root, &["--format=%cd", date, &commit])?;
    Some(Revision { commit, time })
}

/// As [`find`], where files may differ.
pub(crate) fn head(root: &Path) -> Option<Head> {
    git(root, &[], &["rev-parse", "--verify", "--quiet", "HEAD:./"])?;
    let filters = filters(root);
    let status = [
        "status",
        "--porcelain=v2",
        "--branch",
        "--untracked-files=normal",
        "--ignore-submodules=dirty",
        "--",
        ":/",
        ":(exclude)result",
        ":(exclude)target",
    ];
    let status = git(root, &filters, &status)?;
    let (head, changes): (Vec<&str>, Vec<&str>) = status.lines().partition(|line| line.starts_with('#'));
    let commit = head.iter().find_map(|line| line.strip_prefix("# branch.oid "))?;
    let is_hash = commit.chars().all(|c| c.is_ascii_hexdigit());
    is_hash.then(|| Head { commit: commit.to_owned(), is_dirty: !changes.is_empty() })
}

/// When a commit was made, in seconds since 1970.
pub(crate) fn time(root: &Path, commit: &str) -> Option<u64> {
    log(root, &["--format=%ct", commit])?.parse().ok()
}

/// The nearest tag before a commit, and how many commits lie between.
pub(crate) fn tag(root: &Path, commit: &str) -> Option<(String, u64)> {
    let said = git(root, &[], &["describe", "--tags", "--long", commit])?;
    let mut parts = said.trim().rsplitn(3, '-').skip(1);
    let (distance, tag) = (parts.next()?, parts.next()?);
    Some((tag.to_owned(), distance.parse().ok()?))
}

/// The files that differ from a commit or are new, by their paths from `root`; `None` when there is no such commit.
pub(crate) fn changed(root: &Path, commit: &str) -> Option<Vec<String>> {
    let commit = commit_of(root, commit)?;
    let filters = filters(root);
    // From the root of the work tree, each of both.
    let differ = ["diff", "--name-only", "--no-ext-diff", "--no-renames", "-z", &commit, "--", ":/"];
    let differ = git(root, &filters, &differ)?;
    let new = git(
        root,
        &filters,
        &["ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", ":/"],
    )?;
    let prefix = prefix(root)?;
    let names = differ.split('\0').chain(new.split('\0')).filter(|name| !name.is_empty());
    Some(names.map(|name| from(&prefix, name)).collect())
}

/// Lays a commit, branch or tag of the repository that holds `root` out in `folder`; the place of `root` below it. `None`
/// when there is no such commit.
///
/// # Errors
/// When git or tar fails.
pub(crate) fn check_out(root: &Path, revision: &str, folder: &Path) -> std::io::Result<Option<String>> {
    let (Some(commit), Some(prefix)) = (commit_of(root, revision), prefix(root)) else { return Ok(None) };
    // Of a folder below the repository's own git would take that folder alone.
    let mut archive = command(&top(root, &prefix), &filters(root), &["archive", "--format=tar", &commit]);
    let mut archive = archive.stdout(Stdio::piped()).spawn()?;
    let stdout = archive.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let tar = Command::new("tar").args(["-x", "-C"]).arg(folder).stdin(stdout).status();
    match (archive.wait()?.success(), tar?.success()) {
        (true, true) => Ok(Some(prefix)),
        _ => Err(std::io::Error::other(format!("`git archive {commit}` could not be unpacked"))),
    }
}

/// The hash of a commit, branch or tag.
fn commit_of(root: &Path, revision: &str) -> Option<String> {
    let commit = format!("{revision}^{{commit}}");
    let said = git(root, &[], &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])?;
    Some(said.trim().to_owned())
}

/// What to do where there is no such commit, branch or tag: the nearest branch or tag of the repository that holds `root`,
/// if there is one, and what to do `otherwise`.
pub(crate) fn help(root: &Path, revision: &str, otherwise: &str) -> String {
    let list = ["for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags"];
    let names = git(root, &[], &list).unwrap_or_default();
    suggest_or(revision, names.lines(), otherwise)
}

/// Where a folder lies in its repository, with a slash at the end; nothing where it is the repository's own.
pub(crate) fn prefix(root: &Path) -> Option<String> {
    git(root, &[], &["rev-parse", "--show-prefix"]).map(|said| said.trim_end_matches('\n').to_owned())
}

/// The repository's own folder, seen from one that has this [`prefix`] in it.
pub(crate) fn top(root: &Path, prefix: &str) -> PathBuf {
    prefix.split('/').filter(|part| !part.is_empty()).fold(root.to_owned(), |top, _| top.join(".."))
}

/// The way from a folder to a file, both by their paths from one root: up as far as it must be, and no further.
fn from(folder: &str, file: &str) -> String {
    let folder: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let file: Vec<&str> = file.split('/').collect();
    let same = folder.iter().zip(&file).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..", folder.len() - same);
    up.chain(file[same..].iter().copied()).collect::<Vec<_>>().join("/")
}

/// The bytes of a commit's object.
pub(crate) fn object(root: &Path, commit: &str) -> Option<Vec<u8>> {
    git(root, &[], &["cat-file", "commit", commit]).map(String::into_bytes)
}

fn log(root: &Path, arguments: &[&str]) -> Option<String> {
    let plain = ["-c", "log.showSignature=false"].map(str::to_owned);
    let arguments = [&["log", "-1", "--no-show-signature"], arguments].concat();
    git(root, &plain, &arguments).map(|said| said.trim().to_owned())
}

/// Settings that take the repository's own filters away: `git status` would run them. The user's stay.
fn filters(root: &Path) -> Vec<String> {
    let pattern = r"^filter\..*\.(clean|smudge|process|required)$";
    let found = git(root, &[], &["config", "--show-scope", "--name-only", "--get-regexp", pattern]);
    let own = found.iter().flat_map(|found| found.lines()).filter_map(|line| line.split_once('\t'));
    own.filter(|(scope, _)| ["local", "worktree"].contains(scope))
        .flat_map(|(_, name)| ["-c".to_owned(), format!("{name}=")])
        .collect()
}

/// What git prints.
fn git(root: &Path, settings: &[String], arguments: &[&str]) -> Option<String> {
    let output = command(root, settings, arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// git in a folder, with nothing that the repository would have it run.
fn command(root: &Path, settings: &[String], arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args([
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.excludesFile=/dev/null",
    ]);
    // Whose files they are does not matter where none of them is run.
    git.args(["-c", "safe.directory=*", "--no-optional-locks", "--no-pager"]).args(settings).args(arguments);
    // A hook that calls us would have us look at another repository.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        git.env_remove(name);
    }
    git.envs([("TZ", "UTC"), ("LC_ALL", "C"), ("GIT_NO_LAZY_FETCH", "1"), ("GIT_TERMINAL_PROMPT", "0")]);
    git.current_dir(root).stdin(Stdio::null()).stderr(Stdio::null());
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    /// git in a folder, as whoever commits there calls it.
    fn run(root: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"];
        let mut git = Command::new("git");
        git.args(identity).args(arguments).current_dir(root);
        git.env("GIT_COMMITTER_DATE", "2024-02-03T04:05:06+02:00").env("GIT_CONFIG_GLOBAL", "/dev/null");
        assert!(git.output().unwrap().status.success(), "{arguments:?}");
    }

    #[test]
    fn a_commit_counts_where_nothing_differs_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(find(root), None);
        run(root, &["init", "--quiet"]);
        assert_eq!(find(root), None, "there is no commit yet");
        fs_err::create_dir(root.join("app")).unwrap();
        fs_err::write(root.join("app/a"), "1").unwrap();
        fs_err::write(root.join("beside"), "1").unwrap();
        run(root, &["add", "."]);
        run(root, &["commit", "--quiet", "-m", "a"]);
        let app = root.join("app");
        let found = find(&app).unwrap();
        assert_eq!(found.time, "2024-02-03T02:05:06Z");
        assert_eq!(found.commit.len(), 40);
        assert_eq!(time(&app, &found.commit), Some(1_706_925_906));
        assert_eq!(tag(&app, &found.commit), None);
        run(root, &["tag", "v1.0.0-rc.1"]);
        assert_eq!(tag(&app, &found.commit), Some(("v1.0.0-rc.1".to_owned(), 0)));
        assert!(object(&app, &found.commit).unwrap().starts_with(b"tree "));
        for (path, after) in [("app/a", "1"), ("beside", "1")] {
            fs_err::write(root.join(path), "2").unwrap();
            assert_eq!(find(&app), None, "{path} has changed");
            assert_eq!(head(&app), Some(Head { commit: found.commit.clone(), is_dirty: true }));
            fs_err::write(root.join(path), after).unwrap();
        }
        fs_err::create_dir(app.join("result")).unwrap();
        fs_err::write(app.join("result/x"), "").unwrap();
        assert_eq!(find(&app), Some(found), "what is made here is no change");
        let ignored = root.join("target/app");
        fs_err::create_dir_all(&ignored).unwrap();
        fs_err::write(ignored.join("a"), "1").unwrap();
        assert_eq!(find(&ignored), None, "a folder that isn't the commit's");
        fs_err::write(app.join("new"), "").unwrap();
        assert_eq!(find(&app), None, "a new file");
    }

    #[test]
    fn a_branch_or_tag_that_is_not_there_is_told_with_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let near = |revision: &str| help(root, revision, "name one");
        assert_eq!(near("mian"), "name one", "there is no repository");
        run(root, &["init", "--quiet", "--initial-branch", "main"]);
        run(root, &["commit", "--quiet", "--allow-empty", "-m", "a"]);
        run(root, &["tag", "v1.0.0"]);
        run(root, &["update-ref", "refs/remotes/origin/stable", "main"]);
        assert_eq!(near("mian"), "did you mean `main`? Else name one");
        assert_eq!(near("v1.0"), "did you mean `v1.0.0`? Else name one");
        assert_eq!(near("orgin/stable"), "did you mean `origin/stable`? Else name one");
        assert_eq!(near("0a1b2c3"), "name one");
    }

    #[test]
    fn the_way_to_a_file_goes_up_no_further_than_it_must() {
        assert_eq!(from("", "a/b"), "a/b");
        assert_eq!(from("a/", "a/b"), "b");
        assert_eq!(from("a/b/c/", "a/d/e"), "../../d/e");
        assert_eq!(from("ab/", "a/b"), "../a/b");
    }

    #[test]
    fn nothing_that_a_repository_configures_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs_err::create_dir(&root).unwrap();
        let mark = folder.path().join("was-run");
        run(&root, &["init", "--quiet"]);
        fs_err::write(root.join("a"), "1").unwrap();
        fs_err::write(root.join(".gitattributes"), "* filter=evil\n").unwrap();
        run(&root, &["add", "."]);
        run(&root, &["commit", "--quiet", "-m", "a"]);
        let script = format!("touch '{}'; cat", mark.display());
        for key in ["filter.evil.clean", "filter.evil.process", "core.fsmonitor"] {
            run(&root, &["config", key, &script]);
        }
        run(&root, &["config", "log.showSignature", "true"]);
        run(&root, &["config", "gpg.program", &script]);
        // Another time, and git looks into it.
        fs_err::write(root.join("a"), "1").unwrap();
        find(&root);
        assert!(!mark.exists());
    }
}
