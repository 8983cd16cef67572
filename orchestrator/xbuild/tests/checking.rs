//! `xbuild check` and `xbuild clippy`: for every target at once, as cargo's, and cached like any output.

mod common;

use common::Project;

const GNU: &str = "x86_64-unknown-linux-gnu";
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// A workspace of a library `part` and a program `app`, over a package `beside` that is no member.
fn workspace(part: &str) -> Project {
    let package =
        |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    let locked =
        |name: &str, more: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{more}\n");
    let (on_part, on_beside) = ("dependencies = [\"part\"]\n", "dependencies = [\"beside\"]\n");
    let lock = [
        "version = 4\n\n".to_owned(),
        locked("app", on_part),
        locked("beside", ""),
        locked("part", on_beside),
    ];
    let project = Project::of(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"app\", \"part\"]\nexclude = [\"beside\"]\nresolver = \"3\"\n",
        ),
        ("Cargo.lock", &lock.concat()),
        ("xbuild.toml", &format!("[build]\ntargets = [\"{GNU}\", \"{WINDOWS}\"]\n")),
        ("app/Cargo.toml", &(package("app") + "[dependencies]\npart = { path = \"../part\" }\n")),
        ("app/src/main.rs", "fn main() {\n    println!(\"{}\", part::number());\n}\n"),
        ("part/Cargo.toml", &(package("part") + "[dependencies]\nbeside = { path = \"../beside\" }\n")),
        ("part/src/lib.rs", part),
        ("part/tests/it.rs", "#[test]\nfn it() {\n    assert_eq!(part::number(), 4);\n}\n"),
        ("beside/Cargo.toml", &package("beside")),
        // clippy would have something to say to it.
        ("beside/src/lib.rs", "pub fn three() -> u8 {\n    return 3;\n}\n"),
    ]);
    // Of what no other run has checked something is said.
    let unique = project.folder.path().display().to_string();
    for source in ["app/src/main.rs", "part/src/lib.rs"] {
        project.append(source, &format!("// {unique}\n"));
    }
    project
}

const FINE: &str = "pub fn number() -> u8 {\n    beside::three() + 1\n}\n";

#[test]
fn everything_is_checked_for_every_target_and_nothing_twice() {
    let unused = format!("{FINE}\n#[cfg(windows)]\nfn never_used_there() {{}}\n");
    let project = workspace(&unused);
    let first = project.xbuild(&["check"]).ok().says("never_used_there").says("part 0.1.0 check");
    let (built, cached) = first.finished();
    assert_eq!(built + cached, 6, "three packages for two targets");
    assert!(!project.root.join("result").exists(), "nothing is made");

    // What was said is said again.
    let again = project.xbuild(&["check"]).ok().says("never_used_there");
    assert_eq!(again.finished(), (0, 6));
    project.append("part/tests/it.rs", "// more\n");
    assert_eq!(project.xbuild(&["check"]).ok().finished(), (0, 6));

    // An error that one target alone has: the other is checked all the same.
    project.write("part/src/lib.rs", &format!("{FINE}\n#[cfg(windows)]\nconst WRONG: u8 = \"no number\";\n"));
    let failed = project.xbuild(&["check", "--keep-going"]).fails(1).says("mismatched types").says(WINDOWS);
    assert!(!failed.stderr.contains(&format!("failed for {GNU}")), "{}", failed.stderr);
    project.xbuild(&["check", "--target", GNU]).ok();
}

#[test]
fn tests_are_checked_where_they_are_asked_for() {
    let project = workspace(&format!("{FINE}\n#[cfg(test)]\nmod tests {{\n    const WRONG: u8 = -1;\n}}\n"));
    let check = |options: &[&str]| {
        let words = [&["check", "--target", GNU], options].concat();
        project.xbuild(&words)
    };
    check(&[]).ok();
    check(&["--lib", "--bins"]).ok();
    check(&["--all-targets"]).fails(1).says("cannot apply unary operator `-`").says("(lib test)");
    project.write("part/src/lib.rs", FINE);
    let (built, cached) = check(&["--all-targets"]).ok().finished();
    // Of `part` the library, as such and as a test, and its integration test; of `app` the program, twice too; `beside`.
    assert_eq!(built + cached, 6);
    check(&["--test", "its"]).fails(1).says("the packages have no test named `its`");
}

#[test]
fn clippy_looks_at_members_with_the_project_s_lints_and_configuration() {
    let project = workspace("pub fn number() -> u8 {\n    return beside::three() + 1;\n}\n");
    let clippy = |options: &[&str]| {
        let words = [&["clippy", "--target", GNU], options].concat();
        project.xbuild(&words)
    };
    let warned = clippy(&[]).ok().says("unneeded `return` statement").says("part 0.1.0 clippy");
    assert!(!warned.stderr.contains("beside/src/lib.rs"), "no member: {}", warned.stderr);
    assert_eq!(clippy(&[]).ok().says("unneeded `return` statement").finished().0, 0);
    clippy(&["--", "-D", "warnings"]).fails(1).says("implied by `-D warnings`").says("needless_return");
    clippy(&["--", "-A", "clippy::needless_return"]).ok();

    // The configuration lies above the packages, and what is in it counts.
    let many = "pub fn number() -> u8 {\n    sum(beside::three(), 1, 0)\n}\n\nfn sum(one: u8, two: u8, three: u8) -> u8 {\n    \
                one + two + three\n}\n";
    project.write("part/src/lib.rs", many);
    clippy(&["--", "-D", "warnings"]).ok();
    project.write("clippy.toml", "too-many-arguments-threshold = 2\n");
    clippy(&["--", "-D", "warnings"]).fails(1).says("too many arguments (3/2)");
}

#[test]
fn variants_are_checked_side_by_side_and_share_what_is_equal() {
    let project = workspace(&format!(
        "{FINE}\n#[cfg(feature = \"loud\")]\nfn never_used_when_loud() {{}}\n\n\
         #[cfg(feature = \"loud\")]\npub fn louder() -> u8 {{\n    return 5;\n}}\n"
    ));
    project.append("part/Cargo.toml", "\n[features]\nloud = []\n");
    project.append("xbuild.toml", "\n[variant.loud]\nfeatures = [\"part/loud\"]\n");
    for (verb, told) in [("check", "never_used_when_loud"), ("clippy", "unneeded `return` statement")] {
        let run = |options: &[&str]| project.xbuild(&[&[verb, "--target", GNU], options].concat());
        let default = run(&["--variant", "default"]).ok();
        assert!(!default.stderr.contains(told), "{}", default.stderr);
        let both = run(&[]).ok().says(told);
        assert!(!both.stderr.contains("Building beside"), "it is the same in both: {}", both.stderr);
        let loud = run(&["--variant", "loud"]).ok().says(told);
        assert_eq!(loud.finished().0, 0, "{}", loud.stderr);
        assert_eq!(run(&[]).ok().says(told).finished().0, 0);
        run(&["--variant", "lowd"]).fails(1).says("loud");
    }
    // A mistake of the one doesn't touch the other.
    project.append("part/src/lib.rs", "#[cfg(feature = \"loud\")]\nconst WRONG: u8 = \"no number\";\n");
    let check = |options: &[&str]| project.xbuild(&[&["check", "--target", GNU], options].concat());
    check(&["--keep-going"]).fails(1).says("mismatched types");
    check(&["--variant", "default"]).ok();
}

#[test]
fn a_toolchain_without_clippy_says_so() {
    let project = Project::program("plain", "fn main() {}\n");
    project.write(
        ".xbuild/toolchains.toml",
        "format = 1\n\n[toolchain.\"1.96.1\"]\ndistribution = \"debian\"\nrust = [\"base\", \"llvm\", \"rust\", \
         \"cargo\", \"clang\", \"host-sysroot\", \"tools\"]\nsource = \"rust-src\"\n",
    );
    let ran = project.xbuild(&["clippy", "--target", GNU]).fails(1);
    ran.says("Rust 1.96.1 has no clippy").says("clippy = \"COMPONENT\"");
}
