//! The command line: what each verb's help says, flags that hold for all, and the verbs that build nothing.

mod common;

use common::printed::plain;
use common::{Project, Ran, Xbuild, xbuild};
use fs_err as fs;
use insta::assert_snapshot;
use xbuild_output::{Artefact, Extent, Place, install};
use xbuild_store::Disk;

const TARGET: &str = "x86_64-unknown-linux-musl";

#[test]
fn help_says_what_each_verb_does_and_takes() {
    for verb in [
        "",
        "build",
        "all",
        "run",
        "shell",
        "develop",
        "show",
        "init",
        "test",
        "check",
        "clippy",
        "doc",
        "fmt",
        "ci",
        "ci run",
        "ci github",
        "dist",
        "why",
        "diff",
        "plan",
        "reproduce",
        "fetch",
        "bundle",
        "log",
        "explain",
        "completions",
        "image",
        "image inspect",
        "update",
        "doctor",
        "toolchain",
        "toolchain list",
        "toolchain show",
        "toolchain add",
        "toolchain update",
        "toolchain verify",
        "store",
        "store verify",
        "store usage",
        "store export",
        "store import",
        "gc",
    ] {
        let mut arguments: Vec<&str> = verb.split_whitespace().collect();
        arguments.push("--help");
        let ran = Xbuild::new().env("COLUMNS", "100").run(&arguments);
        let name = if verb.is_empty() { "help".to_owned() } else { format!("help {verb}") };
        assert_snapshot!(name.replace(' ', "_"), ran.ok().stdout);
    }
}

#[test]
fn a_wrong_command_line_is_refused_with_code_2() {
    for arguments in [
        &["biuld"][..],
        &["build", "--nonsense"],
        &["build", "-j", "0"],
        &["build", "--profile", "dev", "--release"],
        &["build", "-v", "-q"],
        &["develop", "docs", "--unit", "foo"],
        &[],
    ] {
        let ran = xbuild(arguments).fails(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
    xbuild(&["biuld"]).says("similar subcommands exist: 'bundle', 'build'");
}

#[test]
fn how_much_is_said_is_a_choice() {
    let project = Project::program("hello", "fn main() {\n    println!(\"hello\");\n}\n");
    let build = |more: &[&str]| project.xbuild(&[&["build", "--target", TARGET], more].concat()).ok();
    build(&[]);
    let quiet = build(&["-q"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    assert!(build(&["-v"]).stderr.contains("    Finished 1 unit: 0 built, 1 cached\n"));
    assert!(
        build(&["-vv"]).stderr.contains("      Cached hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]\n")
    );
    let colored = |ran: &Ran| ran.stderr.contains('\u{1b}') || ran.stdout.contains('\u{1b}');
    assert!(!colored(&build(&["-v"])), "there is no terminal");
    assert!(colored(&build(&["-v", "--color", "always"])));
    let no_color = Xbuild::new().folder(&project.root).env("NO_COLOR", "1");
    assert!(!colored(&no_color.run(&["build", "--target", TARGET, "-v"])));
    let json = build(&["--message-format", "json"]);
    assert_eq!(json.json().len(), 1);
    assert_eq!(json.json()[0]["reason"], "xbuild-output");
    assert_eq!(
        json.json()[0]["path"],
        project.result(&format!("default/{TARGET}/bin/hello")).to_str().unwrap()
    );
    // From another folder; and a flag before the verb.
    let arguments = ["--project", project.root.to_str().unwrap(), "-q", "build", "--target", TARGET];
    assert_eq!(xbuild(&arguments).ok().stdout, "");
}

#[test]
fn a_projects_own_toolchains_count_in_all_its_folders() {
    let project = Project::program("hello", "fn main() {}\n");
    project.write(".xbuild/toolchains.toml", "format = 1\ndefault = \"1.95.0\"\n");
    for folder in ["", "src"] {
        let ran = Xbuild::new().folder(&project.root.join(folder)).run(&["toolchain", "list"]).ok();
        assert!(ran.stdout.contains("* 1.95.0"), "in {folder:?}: {}", ran.stdout);
    }
}

#[test]
fn pinned_toolchains_are_told_and_looked_at() {
    let (folder, xbuild) = small_store();
    assert_snapshot!(xbuild.run(&["toolchain", "list"]).ok().stdout.trim_end(), @r"
      1.95.0     official
    * 1.96.1     debian
    ");
    assert_snapshot!(xbuild.run(&["toolchain", "show", "1.2.3"]).fails(1).stderr, @r"
    error: no toolchain 1.2.3 is pinned
    help: the toolchains are `1.95.0` and `1.96.1`
          pin another: xbuild toolchain add 1.2.3
    ");
    let update = xbuild.run(&["toolchain", "update", "--offline"]).fails(1);
    update.says("the network may not be used (offline)");
    let whole = xbuild.run(&["toolchain", "verify", "--offline"]).ok();
    assert!(whole.stdout.ends_with(" pins: 0 bad, 0 superseded\n"), "{}", whole.stdout);

    // A pin of the project's own, of what the store has: it is shown, and when it is damaged it is told.
    let sha256 = xbuild_base::Sha256::of(b"three").to_hex();
    let own = folder.path().join(".xbuild/toolchains.toml");
    fs::create_dir(own.parent().unwrap()).unwrap();
    let pin = format!(
        "name = \"musl-dev\", version = \"9.9\", arch = \"amd64\", suite = \"trixie\", path = \"pool/m.deb\", size = 5, \
         sha256 = \"{sha256}\""
    );
    fs::write(&own, format!("format = 1\n\n[pins.any.musl-x86_64]\npackages = [{{ {pin} }}]\n")).unwrap();
    let shown = xbuild.run(&["toolchain", "show"]).ok().stdout;
    let of_pin = shown.lines().skip_while(|line| !line.starts_with("any  musl-x86_64")).take(2);
    let shown: Vec<&str> = shown.lines().take(1).chain(of_pin).collect();
    assert_snapshot!(shown.join("\n"), @r"
    1.96.1, debian
    any  musl-x86_64  5 B  (for targets)
        musl-dev 9.9 (amd64, trixie)
    ");
    let blob = folder.path().join("store/blobs").join(&sha256[..2]).join(&sha256);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "thrxe").unwrap();
    let damaged = xbuild.run(&["toolchain", "verify", "--offline"]).fails(3);
    assert_snapshot!(damaged.stdout.lines().next().unwrap(), @"any musl-x86_64: musl-dev:amd64 9.9: what was fetched is damaged: xbuild store verify --repair");
    assert!(damaged.stdout.ends_with(" pins: 1 bad, 0 superseded\n"), "{}", damaged.stdout);
    assert_snapshot!(damaged.stderr, @r"
    error: 1 pin can't be relied on
    help: xbuild toolchain update
    ");
    fs::write(&own, "format = 2\n").unwrap();
    xbuild.run(&["toolchain", "list"]).fails(1).says("toolchains.toml");
}

#[test]
fn a_toolchain_that_is_none_is_told_with_the_nearest() {
    let project = Project::empty();
    project
        .xbuild(&["toolchain", "show", "1.59.0"])
        .fails(1)
        .says("no toolchain 1.59.0 is pinned")
        .says("did you mean `1.95.0`?")
        .says("xbuild toolchain add 1.59.0");
    let added = project.xbuild(&["toolchain", "add", "nigthly-2026-01-31"]).fails(1);
    added.says("did you mean `nightly-2026-01-31`?");
}

#[test]
fn doctor_names_every_part_of_the_sandbox_in_aligned_columns() {
    let ran = xbuild(&["doctor"]);
    assert!(matches!(ran.code, Some(0 | 3)), "{ran:?}");
    let lines: Vec<&str> =
        ran.stdout.lines().filter(|line| !line.trim_start().starts_with("help:")).collect();
    for part in ["kernel", "user namespaces", "overlays in a user namespace", "a delegated cgroup"] {
        assert!(lines.iter().any(|line| line[4..].starts_with(part)), "{part}: {}", ran.stdout);
    }
    let column =
        lines.iter().map(|line| line[4..].trim_end().split("  ").next().unwrap().len()).max().unwrap();
    for line in lines {
        assert!(["ok  ", "--  ", "NO  "].iter().any(|mark| line.starts_with(mark)), "{line}");
        assert_eq!(&line[4 + column..4 + column + 2], "  ", "{line}");
        assert_ne!(&line[4 + column + 2..4 + column + 3], " ", "{line}");
    }
    // Everything that does not hold says what to run.
    let (missing, help) = (ran.stdout.matches("NO  ").count(), ran.stdout.matches("help: ").count());
    assert!(help >= missing.min(1), "{}", ran.stdout);
    assert_eq!(ran.code, Some(if missing == 0 { 0 } else { 3 }));
}

/// A store of its own with a few small things in it: no toolchain, so no build.
fn small_store() -> (tempfile::TempDir, Xbuild) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let xbuild = Xbuild::new().store(&store).folder(folder.path());
    xbuild.run(&["gc"]).ok();
    let disk = open(&folder);
    for text in ["one", "two", "three"] {
        xbuild_action::Content::put_reader(&disk, &mut text.as_bytes()).unwrap();
    }
    (folder, xbuild)
}

#[test]
fn verify_finds_a_flipped_byte_and_repair_removes_it() {
    let (folder, xbuild) = small_store();
    let whole = xbuild.run(&["store", "verify"]).ok();
    assert_snapshot!(plain(&whole.stdout), @r"
    actions  0 checked
    blobs  3 checked
    directories  0 checked
    [size] in the store, all of it whole
    ");
    assert_snapshot!(plain(&xbuild.run(&["store", "usage"]).ok().stdout), @r"
    [size]  nothing (3 files)
    [size]  in all
    ");

    let digest = xbuild_base::Sha256::of(b"two").to_hex();
    let blob = folder.path().join("store/blobs").join(&digest[..2]).join(&digest);
    // Read-only files can be replaced all the same.
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "twp").unwrap();
    let ran = xbuild.run(&["store", "verify"]).fails(3).says(&format!("damaged: {}: ", blob.display()));
    assert!(
        ran.stderr.ends_with("error: the store has 1 damaged file\nhelp: xbuild store verify --repair\n"),
        "{ran:?}"
    );
    assert!(blob.exists(), "verify only looks");

    xbuild
        .run(&["store", "verify", "--repair"])
        .ok()
        .says("removed 1 damaged file; what needs it is made again\n");
    assert!(!blob.exists());
    xbuild.run(&["store", "verify"]).ok();
}

#[test]
fn gc_says_what_would_go_and_then_removes_it() {
    let (folder, xbuild) = small_store();
    let digest = xbuild_base::Sha256::of(b"two").to_hex();
    let blob = folder.path().join("store/blobs").join(&digest[..2]).join(&digest);
    let row = |ran: &Ran| {
        let line = ran.stdout.lines().find(|line| line.starts_with("blobs")).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let dry = xbuild.run(&["gc", "--dry-run", "--keep-days", "0"]).ok();
    assert_snapshot!(dry.stdout.trim_end(), @r"
    blobs         3 would go         11 B         0 kept
    would free 11 B, 0 B left
    ");
    assert!(blob.exists(), "a dry run removes nothing");
    let kept = xbuild.run(&["gc"]).ok();
    assert_eq!(row(&kept), "blobs 0 removed 0 B 3 kept", "what is young is kept");
    let ran = xbuild.run(&["gc", "--keep-days", "0"]).ok();
    assert_eq!(row(&ran), "blobs 3 removed 11 B 0 kept");
    assert!(!blob.exists());
}

#[test]
fn a_result_is_a_root_of_collection() {
    let (folder, xbuild) = small_store();
    let (disk, project) = (open(&folder), folder.path().join("project"));
    fs::create_dir(&project).unwrap();
    let digest = xbuild_action::Content::put_reader(&disk, &mut &b"a program"[..]).unwrap();
    let artefact = Artefact {
        variant: "default".to_owned(),
        target: TARGET.parse().unwrap(),
        place: Place::Bin,
        name: "hello".to_owned(),
        file: xbuild_action::File { digest, executable: true },
    };
    let links = install(&disk, &project, &[artefact], Extent::Part).unwrap();
    drop(disk);
    xbuild.run(&["gc", "--keep-days", "0"]).ok().says("freed 11 B, ");
    assert_eq!(fs::read_to_string(&links[0]).unwrap(), "a program");
    xbuild.run(&["store", "verify"]).ok();

    // Where the bytes are, and what a link keeps however small the store is to be.
    let usage = xbuild.run(&["store", "usage"]).ok();
    assert!(
        usage.stdout.contains("in all") && usage.stdout.contains("results that links keep"),
        "{}",
        usage.stdout
    );
    usage.says(&links[0].display().to_string());
    let lines = xbuild.run(&["store", "usage", "--message-format", "json"]).ok().json();
    assert!(
        lines.iter().any(|line| line["reason"] == "xbuild-store-root" && line["bytes"].as_u64() > Some(8))
    );
    xbuild.run(&["gc", "--max-size", "1B"]).ok().says("links in projects keep the rest");
    assert_eq!(fs::read_to_string(&links[0]).unwrap(), "a program");
    xbuild.run(&["gc", "--max-size", "1"]).fails(2).says("has no unit of size");

    fs::remove_dir_all(&project).unwrap();
    xbuild.run(&["gc", "--keep-days", "0"]).ok();
    assert!(
        !fs::exists(
            folder
                .path()
                .join("store/blobs")
                .join(&digest.sha256().to_hex()[..2])
                .join(digest.sha256().to_hex())
        )
        .unwrap()
    );
}

/// The store of [`small_store`].
fn open(folder: &tempfile::TempDir) -> Disk {
    let owner = rustix::process::geteuid().is_root().then_some((65534, 65534));
    Disk::open(&folder.path().join("store"), owner).unwrap()
}
