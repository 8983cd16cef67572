//! Units that can't be built, and what compilers and build scripts say.

use fs_err as fs;
use insta::assert_snapshot;

use crate::common::{Project, Ran, shared_store};
use crate::{TARGET, built, refused, shown, unique};

/// `broken` doesn't compile, `dependent` needs it, `fine` doesn't.
fn workspace() -> Project {
    let project = Project::empty();
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}")
    };
    project.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"broken\", \"dependent\", \"fine\"]\n",
    );
    project.write("broken/Cargo.toml", &package("broken", ""));
    project.write("broken/src/lib.rs", "pub fn number() -> u32 {\n    \"one\"\n}\n");
    project.write(
        "dependent/Cargo.toml",
        &package("dependent", "[dependencies]\nbroken = { path = \"../broken\" }\n"),
    );
    project.write("dependent/src/main.rs", "fn main() {\n    println!(\"{}\", broken::number());\n}\n");
    project.write("fine/Cargo.toml", &package("fine", ""));
    project.write("fine/src/main.rs", &format!("{}fn main() {{}}\n", unique()));
    let lock = ["broken", "dependent", "fine"].map(|name| {
        let needs = if name == "dependent" { "dependencies = [\n \"broken\",\n]\n" } else { "" };
        format!("\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{needs}")
    });
    project.write("Cargo.lock", &format!("version = 4\n{}", lock.concat()));
    project
}

/// What was begun, in order.
fn begun(ran: &Ran) -> Vec<&str> {
    let units = ran.stderr.lines().filter_map(|line| line.trim_start().strip_prefix("Building "));
    units.filter_map(|unit| unit.split_once(" [")).map(|(unit, _)| unit).collect()
}

#[test]
fn a_crate_that_does_not_compile_is_shown_as_rustc_shows_it_and_its_dependents_are_not_tried() {
    let project = workspace();
    let ran = refused(&project, 1, &["-j1"]);
    let text = shown(&project, &ran);
    let text = text.split_once("error[E0308]").unwrap().1;
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("  command: ")).collect();
    assert_snapshot!(text.join("\n"), @r#"
    : mismatched types
     --> broken/src/lib.rs:2:5
      |
    1 | pub fn number() -> u32 {
      |                    --- expected `u32` because of return type
    2 |     "one"
      |     ^^^^^ expected `u32`, found `&str`

    For more information about this error, try `rustc --explain E0308`.
    error: could not build broken 0.1.0 for x86_64-unknown-linux-musl: it ended with exit code 1
      in:      /build/ws
      action:  [digest]
      1 other unit needs it and was not built
    error: 1 of 3 units could not be built, 2 were not tried
    "#);
    ran.clone().says("  command: /usr/bin/rustc --crate-name broken ");
    assert!(!begun(&ran).contains(&"dependent 0.1.0 (bin dependent)"), "{}", ran.stderr);

    // What doesn't need it is built; the outputs are not delivered in part.
    let ran = refused(&project, 1, &["--keep-going"]);
    let begun = begun(&ran);
    assert!(begun.contains(&"broken 0.1.0") && begun.contains(&"fine 0.1.0 (bin fine)"), "{}", ran.stderr);
    assert!(!begun.contains(&"dependent 0.1.0 (bin dependent)"), "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with("error: 1 of 3 units could not be built, 1 was not tried\n"),
        "{}",
        ran.stderr
    );
    let ran = project.xbuild(&["build", "--target", TARGET, "-p", "fine"]).ok();
    assert_eq!(ran.finished(), (0, 1), "`fine` was built although `broken` had failed");

    project.write("broken/src/lib.rs", "pub fn number() -> u32 {\n    1\n}\n");
    project.xbuild(&["build", "--target", TARGET]).ok().says("dependent");
}

#[test]
fn warnings_of_the_projects_own_packages_are_shown_once_and_again_from_the_cache() {
    let project = built();
    project.write("src/main.rs", "fn main() {\n    let unused = 1;\n    println!(\"hello\");\n}\n");
    let first = project.xbuild(&["build", "--target", TARGET]).ok();
    assert_snapshot!(shown(&project, &first), @"
    warning: unused variable: `unused`
     --> src/main.rs:2:9
      |
    2 |     let unused = 1;
      |         ^^^^^^ help: if this is intentional, prefix it with an underscore: `_unused`
      |
      = note: `#[warn(unused_variables)]` (part of `#[warn(unused)]`) on by default
    ");
    assert_eq!(first.stderr.matches("unused variable").count(), 1, "{}", first.stderr);
    let again = project.xbuild(&["build", "--target", TARGET]).ok();
    assert!(!again.stderr.contains("Finished"), "nothing is looked at again: {}", again.stderr);
    assert_eq!(again.stderr.matches("unused variable").count(), 1, "{}", again.stderr);
    let quiet = project.xbuild(&["build", "--target", TARGET, "-q"]).ok();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let colored = project.xbuild(&["build", "--target", TARGET, "--color", "always"]).ok();
    assert!(colored.stderr.contains("\u{1b}[33mwarning\u{1b}[0m"), "{:?}", colored.stderr);
}

#[test]
fn a_build_script_that_fails_shows_both_its_streams() {
    let project = built();
    let script =
        "println!(\"looking for foo\");\n    eprintln!(\"there is no foo\");\n    std::process::exit(3);";
    project.write("build.rs", &format!("fn main() {{\n    {script}\n}}\n"));
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @"
    --- standard error of hello 0.1.0 (build script run)
    there is no foo
    --- standard output of hello 0.1.0 (build script run)
    looking for foo
    error: could not build hello 0.1.0 (build script run) for x86_64-unknown-linux-musl: it ended with exit code 3
      command: /build/script/hello-4e3cbcc1ce059ec1/build-script-build
      in:      /build/ws
      action:  [digest]
      1 other unit needs it and was not built
    error: 1 of 3 units could not be built, 1 was not tried
    ");
}

#[test]
fn the_action_of_a_failed_unit_is_kept() {
    let project = built();
    project.write("src/main.rs", &format!("fn main() {{ nonsense }}\n{}", unique()));
    let ran = refused(&project, 1, &[]);
    let action = ran.stderr.lines().find_map(|line| line.trim().strip_prefix("action:")).unwrap().trim();
    // With the command and the input root that it names, it is all that is needed to run it again.
    let hex = action.strip_prefix("sha256:").unwrap().split('/').next().unwrap();
    let message = fs::read(shared_store().join("blobs").join(&hex[..2]).join(hex)).unwrap();
    assert_eq!(format!("sha256:{hex}/{}", message.len()), action);
}

#[test]
fn a_build_script_that_reports_an_error_has_failed_although_it_ended_well() {
    let project = built();
    project.write("build.rs", "fn main() {\n    println!(\"cargo::error=no foo found\");\n}\n");
    assert_snapshot!(shown(&project, &refused(&project, 1, &[])), @"
    --- standard output of hello 0.1.0 (build script run)
    cargo::error=no foo found
    error: could not build hello 0.1.0 (build script run) for x86_64-unknown-linux-musl: the build script of `hello` reported no foo found
      action:  [digest]
      1 other unit needs it and was not built
    error: 1 of 3 units could not be built, 1 was not tried
    ");
    // Such a result is not kept: the script may find its foo next time.
    let again = refused(&project, 1, &[]).says("reported no foo found");
    assert!(again.stderr.contains("Building hello 0.1.0 (build script run)"), "{}", again.stderr);
    project.write("build.rs", "fn main() {\n    println!(\"cargo::rustc-nonsense=1\");\n}\n");
    refused(&project, 1, &[]).says("the key `rustc-nonsense` is not known");
    let of_program = "fn main() {\n    println!(\"cargo::rustc-link-arg-bin=helo=-s\");\n}\n";
    project.write("build.rs", of_program);
    refused(&project, 1, &[]).says("no bin target named `helo`").says("did you mean `hello`?");
    project.write("build.rs", "fn main() {\n    println!(\"cargo::warning=foo is too old\");\n}\n");
    for _ in 0..2 {
        project.xbuild(&["build", "--target", TARGET]).ok().says("warning: hello@0.1.0: foo is too old\n");
    }
}
