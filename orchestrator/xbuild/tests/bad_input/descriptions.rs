//! Descriptions, requests, manifests and locks.

use insta::assert_snapshot;

use crate::common::{Project, Xbuild};
use crate::{built, refused, shown};

#[test]
fn an_unknown_key_is_marked_and_the_nearest_named() {
    let project = built();
    project.write("xbuild.toml", "[build]\nprofil = \"dev\"\n");
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @r#"
    error: unknown key `profil` in `[build]`
       ╭─[xbuild.toml:2:1]
     1 │ [build]
     2 │ profil = "dev"
       · ───┬──
       ·    ╰── unknown key
       ╰────
    help: did you mean `profile`? The keys here are `packages`, `bins`, `targets`, `profile`, `features`, `all-features`, `default-features`, `unify`, `glibc`, `rustflags` and `stamp`
    "#);
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let project = built();
    project.write(
        "xbuild.toml",
        "[build]\nprofil = \"dev\"\ntargets = [\"x86_64 linux\"]\nfeatures = \"all\"\n",
    );
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @r#"
    error: unknown key `profil` in `[build]`
       ╭─[xbuild.toml:2:1]
     1 │ [build]
     2 │ profil = "dev"
       · ───┬──
       ·    ╰── unknown key
     3 │ targets = ["x86_64 linux"]
       ╰────
    help: did you mean `profile`? The keys here are `packages`, `bins`, `targets`, `profile`, `features`, `all-features`, `default-features`, `unify`, `glibc`, `rustflags` and `stamp`

    error: there is no target `x86_64 linux`
       ╭─[xbuild.toml:3:12]
     2 │ profil = "dev"
     3 │ targets = ["x86_64 linux"]
       ·            ───────┬──────
       ·                   ╰── unknown target
     4 │ features = "all"
       ╰────
    help: the targets are `aarch64-unknown-linux-gnu`, `aarch64-unknown-linux-musl`, `armv7-unknown-linux-gnueabihf`, `x86_64-pc-windows-gnu`, `x86_64-unknown-linux-gnu` and `x86_64-unknown-linux-musl`; a new one is a file, .xbuild/targets/<triple>.toml

    error: `build.features` must be a list, not a string
       ╭─[xbuild.toml:4:12]
     3 │ targets = ["x86_64 linux"]
     4 │ features = "all"
       ·            ──┬──
       ·              ╰── a string, where a list is wanted
       ╰────
    help: put it in brackets: `["all"]`

    error: 3 problems in xbuild.toml
    "#);
}

#[test]
fn an_unknown_target_in_the_request_is_marked_there() {
    let project = built();
    let ran = project.xbuild(&["build", "--target", "x86_64-unknown-linux-mus"]).fails(1);
    assert_snapshot!(shown(&project, &ran), @"
    error: there is no target `x86_64-unknown-linux-mus`
       ╭─[--target:1:1]
     1 │ x86_64-unknown-linux-mus
       · ────────────┬───────────
       ·             ╰── unknown target
       ╰────
    help: did you mean `x86_64-unknown-linux-musl`? The targets are `aarch64-unknown-linux-gnu`, `aarch64-unknown-linux-musl`, `armv7-unknown-linux-gnueabihf`, `x86_64-pc-windows-gnu`, `x86_64-unknown-linux-gnu` and `x86_64-unknown-linux-musl`; a new one is a file, .xbuild/targets/<triple>.toml
    ");
    project
        .xbuild(&["build", "--set", "build.targets=['riscv']"])
        .fails(1)
        .says("--set")
        .says("there is no target `riscv`");
    project.xbuild(&["build", "riscv/hello"]).fails(1).says("riscv/hello").says("there is no target `riscv`");
}

#[test]
fn a_project_without_a_lock_is_told_how_to_make_one() {
    let project = built();
    fs_err::remove_file(project.root.join("Cargo.lock")).unwrap();
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @"
    error: [project] has no Cargo.lock
    help: cargo generate-lockfile
    ");
}

#[test]
fn a_lock_that_does_not_fit_the_manifest_is_told_so_in_our_words() {
    let project = built();
    let manifest = project.read("Cargo.toml");
    project.write("Cargo.toml", &manifest.replace("0.1.0", "0.2.0"));
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @"
    error: Cargo.lock does not fit the manifests: cargo would have to change it
    help: cargo update --workspace
    ");

    project.write("Cargo.toml", &(manifest.clone() + "[dependencies]\nserde = \"1\"\n"));
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @"
    error: Cargo.lock does not fit the manifests: no matching package named `serde` found
      required by package `hello v0.1.0`
    help: cargo update --workspace
    ");

    project.write("Cargo.toml", &manifest);
    project.xbuild(&["build", "--target", crate::TARGET]).ok();
}

#[test]
fn a_lock_or_a_manifest_that_is_no_toml_is_shown_where() {
    let project = built();
    let lock = project.read("Cargo.lock");
    project.write("Cargo.lock", &lock.replace("0.1.0\"", "0.1.0"));
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @r#"
    error: Cargo.lock: TOML parse error at line 5, column 17
      |
    5 | version = "0.1.0
      |                 ^
    invalid basic string, expected `"`
    help: run `cargo generate-lockfile`, or `cargo update` when the file is damaged
    "#);
    project.write("Cargo.lock", &lock);
    project.write("Cargo.toml", "[package\n");
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @"
    error: reading the manifests with cargo failed: it ended with exit code 101
    error: unclosed table, expected `]`
     --> Cargo.toml:1:9
      |
    1 | [package
      |         ^
    ");
}

#[test]
fn a_folder_without_a_project_is_told_so() {
    let project = Project::empty();
    assert_snapshot!(shown(&project, &project.xbuild(&["build"]).fails(1)), @"
    error: there is no Cargo.toml in [project] or above it
    help: name the project's folder: xbuild build --project DIR
    ");
    let ran = Xbuild::new().run(&["build", "--project", "/there/is/no/such/folder"]).fails(1);
    assert_snapshot!(ran.stderr, @"
    error: there is no folder /there/is/no/such/folder
    help: name the project's folder: xbuild build --project DIR
    ");
}

#[test]
fn a_profile_or_a_package_that_is_not_there_is_named() {
    let project = built();
    assert_snapshot!(shown(&project, &refused(&project, 1, &["--profile", "relase"])), @"
    error: neither Cargo.toml nor cargo's configuration has a profile `relase`
       ╭─[--profile:1:1]
     1 │ relase
       · ───┬──
       ·    ╰── no such profile
       ╰────
    help: did you mean `release`? The profiles are `bench`, `dev`, `release` and `test`
    ");
    assert_snapshot!(shown(&project, &refused(&project, 1, &["-p", "hallo"])), @"
    error: the build has no package `hallo`
       ╭─[-p:1:1]
     1 │ hallo
       · ──┬──
       ·   ╰── selects nothing
       ╰────
    help: did you mean `hello`?
    ");
}

#[test]
fn files_for_a_fetched_package_are_refused() {
    let project = Project::example();
    project.append("xbuild.toml", "\n[package.serde]\ninclude = [\"words/\"]\n");
    let ran = project.xbuild(&["build", "--target", crate::TARGET, "--dry-run"]).fails(1);
    assert_snapshot!(shown(&project, &ran), @"error: [package.serde] include: `serde` is fetched, and only the project's own packages can be given files");
}

#[test]
fn a_rust_version_that_is_not_pinned_names_both_ways_out() {
    let project = built();
    project.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.80.0\"\n");
    let text = shown(&project, &refused(&project, 1, &[]));
    assert_snapshot!(text.split("\n      (pinned are").next().unwrap(), @"
    error: no toolchain is pinned for Rust 1.80.0, which rust-toolchain.toml asks for
    help: pin it: xbuild toolchain add 1.80.0
          or use one that is pinned: --set toolchain.version=1.96.1
    ");
    // A package as a registry has it.
    project.write("Cargo.toml.orig", "");
    project.xbuild(&["build", "--target", crate::TARGET]).ok();
    fs_err::remove_file(project.root.join("Cargo.toml.orig")).unwrap();
    project.write("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n");
    project.xbuild(&["build", "--target", crate::TARGET]).ok();
}

#[test]
fn a_package_in_the_folder_of_another_workspace_is_not_taken_for_it() {
    let project = built();
    let manifest = project.read("Cargo.toml");
    project.write("Cargo.toml", &format!("{manifest}\n[workspace]\n"));
    project.write(
        "beside/Cargo.toml",
        "[package]\nname = \"beside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    project.write("beside/src/main.rs", "fn main() {}\n");
    let xbuild = Xbuild::new().folder(&project.root.join("beside"));
    let refused = xbuild.run(&["build", "--target", "x86_64-unknown-linux-musl"]).fails(1);
    refused.says("beside lies in the workspace of").says("is none of its members").says("workspace.exclude");
}
