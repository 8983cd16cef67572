//! What the description adds to a build, where it doesn't fit; and units that fail for want of it, which say the lines
//! to add.

use insta::assert_snapshot;

use crate::common::Project;
use crate::{TARGET, built, refused, shown, unique};

/// From the line that says that a unit failed: what is above is the compiler's or the script's. Without the command,
/// which holds hashes.
fn failure(text: &str) -> String {
    let start = text.find("error: could not build").unwrap();
    let kept = text[start..].lines().filter(|line| !line.trim_start().starts_with("command:"));
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_patch_that_does_not_apply_names_patch_file_hunk_and_line() {
    let project = built();
    project.write("xbuild.toml", "[package.hello]\npatches = [\"a.patch\", \"b.patch\"]\n");
    project.write("b.patch", "");
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @r#"
    error: there is no file `a.patch` in the workspace's folder
       ╭─[xbuild.toml:2:12]
     1 │ [package.hello]
     2 │ patches = ["a.patch", "b.patch"]
       ·            ────┬────
       ·                ╰── no such file
       ╰────
    "#);
    project.write(
        "a.patch",
        "--- a/src/main.rs\n+++ b/src/main.rs\n@@ -1,3 +1,3 @@\n fn main() {\n-    println!(\"goodbye\");\n+    println!(\"hello\");\n }\n",
    );
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @r#"
    error: `a.patch` can't be applied to hello 0.1.0: hunk 1 of `src/main.rs`, at line 1, does not apply: the file has these changes already
       ╭─[xbuild.toml:2:12]
     1 │ [package.hello]
     2 │ patches = ["a.patch", "b.patch"]
       ·            ────┬────
       ·                ╰── this patch
       ╰────
    "#);
    project.write("a.patch", "--- a/../src/main.rs\n+++ b/../src/main.rs\n@@ -1 +1 @@\n-a\n+b\n");
    refused(&project, 1, &[])
        .says("`a.patch` can't be applied to hello 0.1.0: `a/../src/main.rs`: it leads out of the package");
}

#[test]
fn a_package_that_the_graph_does_not_have_is_marked() {
    let project = built();
    project.write(
        "xbuild.toml",
        "[package.helo]\nenv = { A = \"1\" }\n\n[package.\"hello@0.2.0\"]\npatches = [\"a.patch\"]\n",
    );
    project.write("a.patch", "");
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @r#"
    error: neither the workspace nor Cargo.lock has a package `helo`
       ╭─[xbuild.toml:1:10]
     1 │ [package.helo]
       ·          ──┬─
       ·            ╰── no such package
     2 │ env = { A = "1" }
       ╰────
    help: did you mean `hello`?

    error: the graph has no package `hello@0.2.0`
       ╭─[xbuild.toml:4:10]
     3 │
     4 │ [package."hello@0.2.0"]
       ·          ──────┬──────
       ·                ╰── no such version
     5 │ patches = ["a.patch"]
       ╰────
    help: did you mean `hello@0.1.0`?

    error: 2 problems in xbuild.toml
    "#);
}

#[test]
fn a_file_outside_the_package_says_the_line_that_includes_it() {
    let project = Project::empty();
    let package =
        |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"compiled\", \"scripted\"]\n");
    let lock = ["compiled", "scripted"]
        .map(|name| format!("\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n"));
    project.write("Cargo.lock", &format!("version = 4\n{}", lock.concat()));
    project.write("words/hello.txt", "hello");
    project.write("compiled/Cargo.toml", &package("compiled"));
    let read = "include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../words/hello.txt\"))";
    project.write(
        "compiled/src/main.rs",
        &format!("{}fn main() {{\n    println!(\"{{}}\", {read});\n}}\n", unique()),
    );
    project.write("scripted/Cargo.toml", &package("scripted"));
    project.write("scripted/src/main.rs", "fn main() {}\n");
    let script = "std::fs::read(\"../words/hello.txt\").expect(\"reading ../words/hello.txt\");";
    project.write("scripted/build.rs", &format!("{}fn main() {{\n    {script}\n}}\n", unique()));

    assert_snapshot!(failure(&shown(&project, &refused(&project, 1, &["-p", "compiled"]))), @r#"
    error: could not build compiled 0.1.0 (bin compiled) for x86_64-unknown-linux-musl: it ended with exit code 1
      in:      /build/ws
      action:  [digest]
    help: add to xbuild.toml:
          [package.compiled]
          include = ["../words/hello.txt"]
    error: 1 of 1 unit could not be built
    "#);
    assert_snapshot!(failure(&shown(&project, &refused(&project, 1, &["-p", "scripted"]))), @r#"
    error: could not build scripted 0.1.0 (build script run) for x86_64-unknown-linux-musl: it ended with exit code 101
      in:      /build/ws/scripted
      action:  [digest]
      1 other unit needs it and was not built
    help: add to xbuild.toml:
          [package.scripted]
          include = ["../words/hello.txt"]
    error: 1 of 3 units could not be built, 1 was not tried
    "#);
    // The lines as they are said.
    let include = |name: &str| format!("[package.{name}]\ninclude = [\"../words/hello.txt\"]\n");
    project.write("xbuild.toml", &(include("compiled") + &include("scripted")));
    project.xbuild(&["build", "--target", TARGET]).ok();
}

#[test]
fn a_library_that_pkg_config_does_not_find_says_the_line_that_names_its_package() {
    let project = Project::program("nosuch-sys", "fn main() {}\n");
    project.append("Cargo.toml", "[build-dependencies]\npkg-config = \"=0.3.34\"\n");
    let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let checksum = "checksum = \"f6b464fbc74e149a392436b17d523f769e057cb6877f6a5c4618bc6f11800548\"";
    project.write(
        "Cargo.lock",
        &format!(
            "version = 4\n\n[[package]]\nname = \"nosuch-sys\"\nversion = \"0.1.0\"\ndependencies = [\n \"pkg-config\",\n]\n\n\
             [[package]]\nname = \"pkg-config\"\nversion = \"0.3.34\"\n{registry}\n{checksum}\n"
        ),
    );
    project.write(
        "build.rs",
        &format!("{}fn main() {{\n    pkg_config::probe_library(\"nosuch\").unwrap();\n}}\n", unique()),
    );
    let ran = project.xbuild(&["build", "--target", "x86_64-unknown-linux-gnu"]).fails(1);
    assert_snapshot!(failure(&shown(&project, &ran)), @r#"
    error: could not build nosuch-sys 0.1.0 (build script run) for x86_64-unknown-linux-gnu: it ended with exit code 101
      in:      /build/ws
      action:  [digest]
      1 other unit needs it and was not built
    help: add to xbuild.toml:
          [target.x86_64-unknown-linux-gnu.native.nosuch-sys]
          packages = ["libnosuch-dev"]   # or what Debian's package of it is called
    error: 1 of 4 units could not be built, 1 was not tried
    "#);
}

#[test]
fn a_program_that_is_missing_says_the_line_that_names_it() {
    let project = built();
    let run = "std::process::Command::new(\"gperf\").status().expect(\"failed to run gperf\");";
    project.write("build.rs", &format!("{}fn main() {{\n    {run}\n}}\n", unique()));
    assert_snapshot!(failure(&shown(&project, &refused(&project, 1, &[]))), @r#"
    error: could not build hello 0.1.0 (build script run) for x86_64-unknown-linux-musl: it ended with exit code 101
      in:      /build/ws
      action:  [digest]
      1 other unit needs it and was not built
    help: add to xbuild.toml:
          [native.hello]
          tools = ["gperf"]
    error: 1 of 3 units could not be built, 1 was not tried
    "#);
}

#[test]
fn what_a_script_looked_for_last_is_told_where_its_words_name_nothing() {
    let project = built();
    // The program's own folder is a package's, whose units see all of it: what they don't is another package's.
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"one\", \"other\"]\n");
    for name in ["one", "other"] {
        let manifest = "version = \"0.1.0\"\nedition = \"2024\"\n";
        project.write(&format!("{name}/Cargo.toml"), &format!("[package]\nname = \"{name}\"\n{manifest}"));
        project.write(&format!("{name}/src/main.rs"), "fn main() {}\n");
    }
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"other\"\nversion = \"0.1.0\"\n");
    project.write("other/words.txt", "hello");
    let fails = |script: &str| {
        project.write("one/build.rs", &format!("{}fn main() {{\n    {script}\n}}\n", unique()));
        failure(&shown(&project, &refused(&project, 1, &["-p", "one"])))
    };
    assert_snapshot!(fails("std::fs::read_to_string(\"../other/words.txt\").unwrap();"), @r#"
    error: could not build one 0.1.0 (build script run) for x86_64-unknown-linux-musl: it ended with exit code 101
      in:      /build/ws/one
      action:  [digest]
      1 other unit needs it and was not built
    help: it looked for `../other/words.txt`, which this package's units don't see; if it needs that, add to xbuild.toml:
          [package.one]
          include = ["../other/words.txt"]
    error: 1 of 3 units could not be built, 1 was not tried
    "#);
    assert_snapshot!(fails("std::process::Command::new(\"gperf\").status().unwrap();"), @r#"
    error: could not build one 0.1.0 (build script run) for x86_64-unknown-linux-musl: it ended with exit code 101
      in:      /build/ws/one
      action:  [digest]
      1 other unit needs it and was not built
    help: the last that it looked for is the program `gperf`, which isn't there; if it needs that, add to xbuild.toml:
          [native.one]
          tools = ["gperf"]
    error: 1 of 3 units could not be built, 1 was not tried
    "#);
    assert_snapshot!(fails("let _ = env!(\"FOO_STYLE\");"), @r#"
    error: could not build one 0.1.0 (build script) for host: it ended with exit code 1
      in:      /build/ws
      action:  [digest]
      2 other units need it and were not built
    help: no variable of the machine's reaches a unit; add to xbuild.toml, with its value:
          [package.one]
          env = { FOO_STYLE = "…" }
    error: 1 of 3 units could not be built, 2 were not tried
    "#);
}
