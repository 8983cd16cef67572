//! Git commits from repositories that the tests make.

use std::path::{Path, PathBuf};

use xbuild_base::Digest;
use xbuild_describe::GitReference;
use xbuild_fetch::source::git::{GitCommit, fetch, resolve, resolve_before};
use xbuild_fetch::source::lock::GitSource;
use xbuild_fetch::{ArchiveError, FetchError, Fetcher, Quiet};

use crate::support::{Counting, offline, quick, run};

/// A repository with one commit of everything in its folder; returns the commit.
fn commit(folder: &Path) -> String {
    if !folder.join(".git").exists() {
        run(folder, "git", &["init", "--quiet"]);
        run(folder, "git", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    }
    run(folder, "git", &["add", "--all"]);
    run(folder, "git", &["commit", "--quiet", "--allow-empty", "-m", "x"]);
    run(folder, "git", &["rev-parse", "HEAD"])
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn wanted(folder: &Path, commit: &str) -> GitCommit {
    let url = format!("file://{}", folder.display());
    GitCommit { source: GitSource { url, reference: None, commit: commit.to_owned() }, tree: None }
}

fn listing(store: &Counting, wanted: &GitCommit) -> Result<Vec<(String, String)>, FetchError> {
    let trees = fetch(&Fetcher::new(store, quick(), &Quiet), std::slice::from_ref(wanted))?;
    Ok(store.listing(trees[0]))
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_commit_comes_whole_with_submodules_links_and_modes() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (main, sub) = (folder.path().join("main"), folder.path().join("sub"));
    write(sub.join("data.txt"), "from the submodule");
    let of_sub = commit(&sub);
    write(main.join("crates/a/src/lib.rs"), "include_str!(\"../../../shared.txt\")");
    write(main.join("shared.txt"), "line\r\n");
    // What git would do on checkout must not happen.
    write(main.join(".gitattributes"), "*.txt text eol=lf export-ignore\n");
    write(main.join("run.sh"), "#!/bin/sh\n");
    std::fs::set_permissions(main.join("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("../shared.txt", main.join("crates/link")).unwrap();
    // The address is relative to the repository's own.
    write(main.join(".gitmodules"), "[submodule \"s\"]\n\tpath = vendor/sub\n\turl = ../sub\n");
    run(&main, "git", &["init", "--quiet"]);
    run(&main, "git", &["config", "core.autocrlf", "false"]);
    run(&main, "git", &["update-index", "--add", "--cacheinfo", &format!("160000,{of_sub},vendor/sub")]);
    run(&main, "git", &["update-index", "--add", "--cacheinfo", &format!("160000,{of_sub},unlisted")]);
    run(&main, "git", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    run(&main, "git", &["add", ".gitattributes", ".gitmodules", "crates", "run.sh"]);
    let blob = run(&main, "git", &["hash-object", "-w", "--no-filters", "shared.txt"]);
    run(&main, "git", &["update-index", "--add", "--cacheinfo", &format!("100644,{blob},shared.txt")]);
    run(&main, "git", &["commit", "--quiet", "-m", "x"]);
    let head = run(&main, "git", &["rev-parse", "HEAD"]);

    let store = Counting::new();
    let found = listing(&store, &wanted(&main, &head)).unwrap();
    let expected = pairs(&[
        (".gitattributes", "*.txt text eol=lf export-ignore\n"),
        (".gitmodules", "[submodule \"s\"]\n\tpath = vendor/sub\n\turl = ../sub\n"),
        ("crates/a/src/lib.rs", "include_str!(\"../../../shared.txt\")"),
        ("crates/link@", "../shared.txt"),
        ("run.sh*", "#!/bin/sh\n"),
        ("shared.txt", "line\r\n"),
        ("unlisted/", ""),
        ("vendor/sub/data.txt", "from the submodule"),
    ]);
    assert_eq!(found, expected);

    // Both repositories may go now.
    std::fs::remove_dir_all(&main).unwrap();
    std::fs::remove_dir_all(&sub).unwrap();
    assert_eq!(listing(&store, &wanted(&main, &head)).unwrap(), expected);
}

#[test]
fn a_commit_that_no_branch_ends_in_is_found_where_the_server_gives_no_single_ones() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("a"), "1");
    let first = commit(folder.path());
    write(folder.path().join("a"), "2");
    commit(folder.path());
    // An old server that sends only what its references name.
    run(folder.path(), "git", &["config", "uploadpack.allowAnySHA1InWant", "false"]);
    run(folder.path(), "git", &["config", "protocol.version", "0"]);
    assert_eq!(listing(&Counting::new(), &wanted(folder.path(), &first)).unwrap(), pairs(&[("a", "1")]));
}

#[test]
fn a_pinned_tree_is_held_to() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("a"), "1");
    let mut wanted = wanted(folder.path(), &commit(folder.path()));
    let store = Counting::new();
    let fetcher = Fetcher::new(&store, quick(), &Quiet);
    let tree = fetch(&fetcher, std::slice::from_ref(&wanted)).unwrap()[0];
    wanted.tree = Some(tree);
    fetch(&fetcher, std::slice::from_ref(&wanted)).unwrap();
    wanted.tree = Some(Digest::of(b"another"));
    let error = fetch(&fetcher, &[wanted]).unwrap_err();
    assert!(matches!(&error, FetchError::Mismatch { computed, .. } if *computed == tree.sha256()), "{error}");
}

#[test]
fn what_can_not_be_had_says_why() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("a"), "1");
    commit(folder.path());
    let missing = "0123456789abcdef0123456789abcdef01234567";
    let error = listing(&Counting::new(), &wanted(folder.path(), missing)).unwrap_err();
    assert!(
        matches!(&error, FetchError::Git { .. }) && error.to_string().contains("no such commit"),
        "{error}"
    );
    let error = listing(&Counting::new(), &wanted(Path::new("/nonexistent"), missing)).unwrap_err();
    assert!(
        matches!(&error, FetchError::Git { .. }) && error.to_string().contains("/nonexistent"),
        "{error}"
    );

    let source = |url: &str| GitSource { url: url.to_owned(), reference: None, commit: missing.to_owned() };
    let commits = ["https://me:pw@b.example/x", "https://a.example/y"];
    let commits = commits.map(|url| GitCommit { source: source(url), tree: None });
    let error = fetch(&Fetcher::new(&Counting::new(), offline(), &Quiet), &commits).unwrap_err();
    let FetchError::Offline { missing } = &error else { panic!("{error}") };
    assert_eq!(missing.len(), 2);
    assert!(missing[0].starts_with("https://a.example") && !missing[1].contains("pw"), "{missing:?}");
}

#[test]
fn a_link_that_leads_outside_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("passwd")).unwrap();
    let head = commit(folder.path());
    let store = Counting::new();
    let error = listing(&store, &wanted(folder.path(), &head)).unwrap_err();
    let outside = matches!(&error, FetchError::Archive { problem: ArchiveError::LinkOutside { .. }, .. });
    assert!(outside, "{error}");
    assert_eq!(store.directories(), 0);
}

#[test]
fn a_repository_that_names_by_sha_256_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("a"), "1");
    run(folder.path(), "git", &["init", "--quiet", "--object-format=sha256"]);
    let head = commit(folder.path());
    assert_eq!(head.len(), 64);
    assert_eq!(listing(&Counting::new(), &wanted(folder.path(), &head)).unwrap(), pairs(&[("a", "1")]));
}

/// An empty commit that was made then, in seconds since 1970.
fn commit_at(folder: &Path, seconds: u64) -> String {
    let date = format!("GIT_COMMITTER_DATE=@{seconds} +0000");
    run(folder, "env", &[&date, "git", "commit", "--quiet", "--allow-empty", "-m", "x"]);
    run(folder, "git", &["rev-parse", "HEAD"])
}

#[test]
fn the_newest_commit_before_a_date_is_found_however_deep_it_lies() {
    const START: u64 = 1_700_000_000;
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "git", &["init", "--quiet", "--initial-branch=main"]);
    let commits: Vec<String> = (0..100).map(|at| commit_at(folder.path(), START + at)).collect();
    let store = Counting::new();
    let fetcher = Fetcher::new(&store, quick(), &Quiet);
    let url = format!("file://{}", folder.path().display());
    let before = |reference: &GitReference, at: u64, pinned: Option<&str>| {
        resolve_before(&fetcher, &url, reference, START + at, pinned).unwrap()
    };
    let branch = GitReference::Branch("main".to_owned());
    for at in [0, 10, 50, 99] {
        let expected = Some(commits[usize::try_from(at).unwrap()].clone());
        assert_eq!(before(&branch, at, None), expected, "{at}");
        assert_eq!(before(&GitReference::Head, at, Some(&commits[0])), expected, "{at}");
    }
    assert_eq!(resolve_before(&fetcher, &url, &branch, START - 1, None).unwrap(), None);
    // Never back.
    assert_eq!(before(&branch, 90, Some(&commits[95])), None);
    assert_eq!(before(&branch, 90, Some(&commits[90])), Some(commits[90].clone()));

    run(folder.path(), "git", &["tag", "-a", "-m", "x", "v1", &commits[98]]);
    let tag = GitReference::Tag("v1".to_owned());
    assert_eq!(before(&tag, 97, None), None, "another commit is no release");
    assert_eq!(before(&tag, 98, None), Some(commits[98].clone()));

    // What a second parent brings is of the day on which it was merged.
    run(folder.path(), "git", &["checkout", "--quiet", "-b", "side", &commits[0]]);
    commit_at(folder.path(), START + 99);
    run(folder.path(), "git", &["checkout", "--quiet", "main"]);
    let date = format!("GIT_COMMITTER_DATE=@{} +0000", START + 200);
    run(folder.path(), "env", &[&date, "git", "merge", "--quiet", "--no-ff", "-m", "x", "side"]);
    assert_eq!(before(&branch, 150, None), Some(commits[99].clone()));
}

#[test]
fn a_branch_or_tag_that_is_not_there_is_told_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("a"), "1");
    let tip = commit(folder.path());
    run(folder.path(), "git", &["branch", "feature/spoons"]);
    run(folder.path(), "git", &["-c", "tag.gpgSign=false", "tag", "-a", "-m", "x", "Release-1"]);
    let store = Counting::new();
    let fetcher = Fetcher::new(&store, quick(), &Quiet);
    let url = format!("file://{}", folder.path().display());
    let help = |reference: GitReference| {
        let error = resolve(&fetcher, &url, &reference).unwrap_err();
        assert!(matches!(error, FetchError::Reference { .. }), "{error}");
        error.help()
    };
    let (branch, tag) =
        (|name: &str| GitReference::Branch(name.into()), |name: &str| GitReference::Tag(name.into()));
    assert_eq!(help(branch("feature/spons")).unwrap(), "did you mean `feature/spoons`?");
    assert_eq!(help(tag("relase-1")).unwrap(), "did you mean `Release-1`?");
    assert_eq!(help(tag("feature/spons")), None, "that is a branch");
    assert_eq!(resolve(&fetcher, &url, &branch("feature/spoons")).unwrap(), tip);
}
