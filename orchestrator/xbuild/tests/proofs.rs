//! What is proved of an output, and what fails the build: the glibc floor and the libraries that it needs.

mod common;

use common::{Project, Ran, repository, runs};
use fs_err as fs;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const OUTPUT: &str = "default/aarch64-unknown-linux-gnu/bin/crumb";
const MAIN: &str = r#"
fn main() {
    let crumbs = std::thread::spawn(|| std::fs::metadata("/").is_ok()).join();
    println!("crumbs {crumbs:?}");
}
"#;

/// The newest glibc that the printed proof names.
fn needed(ran: &Ran) -> (u32, u32) {
    let line = ran.stdout.lines().find_map(|line| line.strip_prefix("glibc"));
    let line = line.unwrap_or_else(|| panic!("no proof is printed:\n{}", ran.stdout));
    let (major, minor) = line.split_whitespace().next().unwrap().split_once('.').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

/// The target's own file, changed, as the project's.
fn override_target(project: &Project, from: &str, to: &str) {
    let text = fs::read_to_string(repository().join("targets").join(format!("{TARGET}.toml"))).unwrap();
    assert!(text.contains(from), "{from}");
    project.write(&format!(".xbuild/targets/{TARGET}.toml"), &text.replacen(from, to, 1));
}

#[test]
fn a_program_needs_no_newer_glibc_than_the_floor() {
    let project = Project::program("crumb", MAIN);
    let build = |more: &[&str]| {
        let ran = project.xbuild(&[&["build", "--target", TARGET, "--proof"], more].concat()).ok();
        assert!(ran.stdout.contains("ELF program, aarch64"), "{}", ran.stdout);
        assert!(ran.stdout.contains("libc.so.6"), "{}", ran.stdout);
        needed(&ran)
    };
    let oldest = build(&[]);
    assert!(oldest <= (2, 31), "the default floor is 2.31, and the program needs {oldest:?}");
    assert_eq!(runs(TARGET, &project.result(OUTPUT), &[]), "crumbs Ok(true)\n");
    let [middle, newest] = [build(&["--set", "build.glibc=2.36"]), build(&["--set", "build.glibc=2.41"])];
    assert!(middle <= (2, 36) && newest <= (2, 41), "{middle:?} {newest:?}");
    // glibc 2.34 took libpthread in: what is linked with a newer one asks for that. So the floor is really a choice.
    assert!(middle >= (2, 34) && newest >= (2, 34), "{middle:?} {newest:?}");

    // A floor that there is no sysroot for.
    project.xbuild(&["build", "--target", TARGET, "--set", "build.glibc=2.17"]).fails(1).says("2.31");
}

#[test]
fn a_violated_promise_fails_the_build() {
    // A sysroot that is newer than it says.
    let project = Project::program("crumb", MAIN);
    override_target(&project, "\"2.31\" = [\"glibc-2.31-aarch64\"]", "\"2.31\" = [\"glibc-2.41-aarch64\"]");
    let ran = project.xbuild(&["build", "--target", TARGET]).fails(1);
    assert!(ran.stderr.contains("2.34") && ran.stderr.contains("2.31"), "{}", ran.stderr);
    assert!(ran.stderr.contains(OUTPUT), "{}", ran.stderr);
    assert!(!project.result(OUTPUT).exists(), "it was installed all the same");

    // A library that the target doesn't allow.
    override_target(&project, "libraries = [\"libc.so.6\", ", "libraries = [");
    let ran = project.xbuild(&["build", "--target", TARGET]).fails(1).says("libc.so.6");
    assert!(ran.stderr.contains(OUTPUT), "{}", ran.stderr);
    assert!(!project.result(OUTPUT).exists(), "it was installed all the same");
}
