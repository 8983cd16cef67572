//! Patches of packages: git makes them, and what comes of them must be what git made them from.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use xbuild_action::{ContentExt as _, Entry, File, Memory, TreeBuilder, walk};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_plan::patch::{PatchError, patched};

/// Files by path: their bytes, and whether they are executable.
type Files = Vec<(&'static str, &'static [u8], bool)>;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn tree(store: &Memory, files: &[(&str, &[u8], bool)]) -> Digest<Tree> {
    let mut builder = TreeBuilder::default();
    for &(at, bytes, executable) in files {
        let file = File { digest: store.put(bytes).unwrap(), executable };
        builder.insert(store, &path(at), Entry::File(file)).unwrap();
    }
    builder.build(store).unwrap()
}

/// The files of a tree, as text.
fn files(store: &Memory, tree: Digest<Tree>) -> Vec<(String, String, bool)> {
    let mut files = Vec::new();
    walk::<xbuild_action::TreeError>(store, tree, &mut |path, entry| {
        if let Entry::File(file) = entry {
            let text = String::from_utf8_lossy(&store.get(file.digest)?).into_owned();
            files.push((path.to_string(), text, file.executable));
        }
        Ok(())
    })
    .unwrap();
    files
}

fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let run = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output();
    let output = run.unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn lay_out(folder: &Path, files: &[(&str, &[u8], bool)]) {
    for entry in fs_err::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_name() != ".git" {
            if entry.file_type().unwrap().is_dir() {
                fs_err::remove_dir_all(entry.path()).unwrap();
            } else {
                fs_err::remove_file(entry.path()).unwrap();
            }
        }
    }
    for (at, bytes, executable) in files {
        let place = folder.join(at);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::write(&place, bytes).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(if *executable { 0o755 } else { 0o644 });
        fs_err::set_permissions(&place, mode).unwrap();
    }
}

/// What git says of the way from some files to others.
fn difference(before: &[(&str, &[u8], bool)], after: &[(&str, &[u8], bool)], options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet"]);
    let trees = [before, after].map(|files| {
        lay_out(folder.path(), files);
        git(folder.path(), &["-c", "core.autocrlf=false", "add", "--all"]);
        String::from_utf8(git(folder.path(), &["write-tree"])).unwrap()
    });
    let [before, after] = trees.each_ref().map(|tree| tree.trim());
    git(folder.path(), &[&["diff"], options, &[before, after]].concat())
}

const LONG: &[u8] = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n";

#[test]
fn what_git_says_of_two_trees_leads_from_one_to_the_other() {
    let before: Files = vec![
        ("src/lib.rs", LONG, false),
        ("src/gone.rs", b"a\nb\n", false),
        ("src/empty.rs", b"", false),
        ("run.sh", b"#!/bin/sh\n", false),
        ("tool.sh", b"#!/bin/sh\nexit\n", true),
        ("windows.rs", b"a\r\nb\r\nc\r\n", false),
        ("latin.txt", b"caf\xe9\nb\n", false),
        ("no-end.rs", b"x\ny", false),
    ];
    let after: Files = vec![
        ("src/lib.rs", b"0\n1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n18\n19\n20\n21", false),
        ("src/new/deep.rs", b"pub fn new() {}\n", false),
        ("src/also-empty.rs", b"", false),
        ("run.sh", b"#!/bin/sh\n", true),
        ("tool.sh", b"#!/bin/sh\nexit 1\n", true),
        ("windows.rs", b"a\r\nB\r\nc\r\n", false),
        ("latin.txt", b"caf\xe9\nB\n", false),
        ("no-end.rs", b"x\ny\n", false),
    ];
    let store = Memory::default();
    for options in [&[][..], &["--unified=0"], &["--no-renames"], &["--unified=25"]] {
        let patch = difference(&before, &after, options);
        let made = patched(&store, tree(&store, &before), &RelPath::root(), &patch).unwrap();
        assert_eq!(files(&store, made), files(&store, tree(&store, &after)), "git diff {options:?}");
    }
}

#[test]
fn renames_and_copies_are_done_with_their_changes() {
    let before: Files = vec![("src/old.rs", LONG, true), ("src/same.rs", LONG, false)];
    let after: Files = vec![
        ("src/a/new.rs", b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\nlast\n", true),
        ("src/same.rs", LONG, false),
        ("src/copy.rs", LONG, false),
    ];
    let patch = difference(&before, &after, &["--find-renames", "--find-copies-harder"]);
    let text = String::from_utf8(patch.clone()).unwrap();
    assert!(text.contains("rename from") && text.contains("copy from"), "{text}");
    let store = Memory::default();
    let made = patched(&store, tree(&store, &before), &RelPath::root(), &patch).unwrap();
    assert_eq!(files(&store, made), files(&store, tree(&store, &after)));
}

#[test]
fn a_series_of_mails_is_applied_in_order() {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet"]);
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
    for (number, text) in ["one\n", "one\ntwo\n", "one\n2\n"].iter().enumerate() {
        lay_out(folder.path(), &[("a.rs", text.as_bytes(), false)]);
        git(folder.path(), &["add", "--all"]);
        let message = format!("change {number}\n\n--- not a header\n");
        git(folder.path(), &[&identity[..], &["commit", "--quiet", "-m", &message]].concat());
    }
    let patch = git(folder.path(), &["format-patch", "--stdout", "HEAD~2"]);
    let store = Memory::default();
    let made = patched(&store, tree(&store, &[("a.rs", b"one\n", false)]), &RelPath::root(), &patch).unwrap();
    assert_eq!(files(&store, made), [("a.rs".to_owned(), "one\n2\n".to_owned(), false)]);
}

#[test]
fn a_hunk_may_lie_elsewhere_and_the_package_may_be_a_folder_of_the_tree() {
    let store = Memory::default();
    let moved: Vec<u8> = [b"// new\n// lines\n", LONG].concat();
    let whole = tree(&store, &[("crates/a/src/lib.rs", &moved, false), ("src/lib.rs", b"other\n", false)]);
    let patch = b"--- a-1.0/src/lib.rs.orig\t2024-01-01 00:00:00\n+++ a-1.0-new/src/lib.rs\n\
        @@ -4,3 +4,3 @@ fn f() {\n 4\n-5\n+five\n 6\n@@ -18,3 +18,4 @@\n 18\n 19\n+19.5\n 20\n";
    let made = files(&store, patched(&store, whole, &path("crates/a"), patch).unwrap());
    assert_eq!(
        made[0].1,
        String::from_utf8(moved).unwrap().replace("\n5\n", "\nfive\n").replace("19\n", "19\n19.5\n")
    );
    assert_eq!(made[1].1, "other\n");
}

#[test]
fn a_hunk_without_context_lies_where_it_says() {
    let store = Memory::default();
    let patch = b"--- a/l\n+++ b/l\n@@ -1 +0,0 @@\n-a\n@@ -4 +2,0 @@\n-x\n";
    let of = |text: &[u8]| {
        let made = patched(&store, tree(&store, &[("l", text, false)]), &RelPath::root(), patch);
        made.map(|made| files(&store, made)[0].1.clone())
    };
    assert_eq!(of(b"a\nx\nab\nx\n").unwrap(), "x\nab\n", "not the first of two equal lines");
    assert!(of(b"a\nx\nab\n\nx\n").is_err());
}

fn refusal(files: &[(&str, &[u8], bool)], patch: &str) -> String {
    let store = Memory::default();
    patched(&store, tree(&store, files), &RelPath::root(), patch.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_hunk_that_does_not_fit_says_what_is_there() {
    let hunk = "--- a/l\n+++ b/l\n@@ -1,2 +1,2 @@\n 1\n-2\n+two\n@@ -9,3 +9,3 @@\n 9\n-10\n+ten\n 11\n";
    let of = |text: &[u8]| refusal(&[("l", text, false)], hunk);
    assert_eq!(
        of(b"1\n2\n3\n4\n5\n6\n7\n8\n9\nTEN\n11\n"),
        "hunk 2 of `l`, at line 9, does not apply: line 10 is `TEN`, where the patch has `10`"
    );
    assert_eq!(
        of(b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"),
        "hunk 2 of `l`, at line 9, does not apply: the file ends before line 11, where the patch has `11`"
    );
    assert_eq!(
        of(b"1\r\n2\r\n9\r\n10\r\n11\r\n"),
        "hunk 1 of `l`, at line 1, does not apply: line 1 ends in CR LF, and the patch's does not"
    );
    assert_eq!(
        of(b"1\ntwo\n3\n4\n5\n6\n7\n8\n9\nten\n11\n"),
        "hunk 1 of `l`, at line 1, does not apply: the file has these changes already"
    );
    assert_eq!(
        of(b""),
        "hunk 1 of `l`, at line 1, does not apply: the file ends before line 1, where the patch has `1`"
    );
}

#[test]
fn what_a_patch_may_not_do_is_refused_by_name() {
    let there: Files =
        vec![("a.rs", b"a\n", false), ("in/Cargo.toml", b"[package]\n", false), ("in/x.rs", b"a\n", false)];
    let of = |patch: &str| refusal(&there, patch);
    let change = "@@ -1 +1 @@\n-a\n+b\n";
    assert_eq!(
        of(&format!("--- a/../x.rs\n+++ b/../x.rs\n{change}")),
        "`a/../x.rs`: it leads out of the package"
    );
    assert_eq!(of(&format!("--- /etc/x\n+++ /etc/x\n{change}")), "`/etc/x`: its path is absolute");
    assert_eq!(
        of(&format!("--- a/in/x.rs\n+++ b/in/x.rs\n{change}")),
        "`a/in/x.rs`: it is a file of another package, that of `in/Cargo.toml`"
    );
    assert_eq!(
        of(&format!("--- a.rs\n+++ a.rs\n{change}")),
        "`a.rs`: the first part of each path is left out, and this has only one: write `a/…` and `b/…`"
    );
    assert_eq!(
        of(&format!("--- a/b.rs\n+++ b/b.rs\n{change}")),
        "`b/b.rs`: the package has no `b.rs`; paths start in its folder, after `a/` or `b/`"
    );
    assert_eq!(
        of(&format!("--- a/a.rs\n+++ b/b.rs\n{change}")),
        "`a/a.rs`: renaming it needs git's format: git diff"
    );
    assert_eq!(
        of("--- /dev/null\n+++ b/a.rs\n@@ -0,0 +1 @@\n+b\n"),
        "`b/a.rs`: the patch makes it, and it is there already"
    );
    assert_eq!(of("--- /dev/null\n+++ b/a.rs/b.rs\n@@ -0,0 +1 @@\n+b\n"), "`a.rs`: it is no folder");
    let binary =
        "diff --git a/a.rs b/a.rs\nindex 1234567..89abcde 100644\nBinary files a/a.rs and b/a.rs differ\n";
    assert_eq!(of(binary), "`b/a.rs`: binary patches can't be applied");
    let link = "diff --git a/l b/l\nnew file mode 120000\nindex 0000000..1234567\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+a.rs\n\\ No newline at end of file\n";
    assert_eq!(of(link), "`b/l`: symbolic links can't be patched");
    let mixed = format!(
        "diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n{change}--- a/in/x.rs\n+++ b/in/x.rs\n{change}"
    );
    assert_eq!(
        of(&mixed),
        "it is no unified diff: some of its files have a header of git's, `diff --git`, and some have none"
    );
    for nothing in ["", "hello\n"] {
        assert!(matches!(
            patched(&Memory::default(), tree(&Memory::default(), &[]), &RelPath::root(), nothing.as_bytes()),
            Err(PatchError::Syntax(_))
        ));
    }
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(prop_oneof!["[ab]{0,2}", Just("x\r".to_owned())], 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever has changed and however much context there is; a file with no end of its last line too.
    #[test]
    fn applying_a_difference_is_the_change(before in lines(), after in lines(), context in 0_usize..5, ends: bool) {
        let text = |lines: &[String]| lines.join("\n") + if ends { "\n" } else { "" };
        let (before, after) = (text(&before), text(&after));
        prop_assume!(before != after);
        let made = diffy::DiffOptions::new().set_context_len(context).create_patch(&before, &after).to_string();
        let patch = made.replace("--- original", "--- a/f").replace("+++ modified", "+++ b/f");
        let store = Memory::default();
        let tree = tree(&store, &[("f", before.as_bytes(), false)]);
        let made = patched(&store, tree, &RelPath::root(), patch.as_bytes()).unwrap();
        prop_assert_eq!(&files(&store, made)[0].1, &after);
    }
}
