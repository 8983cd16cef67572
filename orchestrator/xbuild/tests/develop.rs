//! `xbuild develop`: plain cargo, with the pinned toolchain, for every target.

mod common;

use std::process::Command;

use common::{Project, TARGETS, said};

#[test]
fn plain_cargo_builds_for_every_target_in_it() {
    let project = Project::program(
        "developed",
        "fn main() {\n    println!(\"developed {} {} {}\", std::env::consts::ARCH, env!(\"WORD\"), cfg!(described));\n}\n",
    );
    project.write(
        "xbuild.toml",
        "[build]\nrustflags = [\"--cfg\", \"described\"]\n[env]\nWORD = \"said\"\n\
         [develop]\ntools = [\"jq\"]\nenv = { GREETING = \"hello\" }\n",
    );
    let develop = |line: &str| {
        let targets: Vec<&str> = TARGETS.iter().flat_map(|target| ["--target", target]).collect();
        project.xbuild(&[&["develop", "-c", line], &targets[..]].concat())
    };
    let pinned = project.xbuild(&["toolchain", "list"]).ok().stdout;
    let pinned = pinned.lines().find_map(|line| line.strip_prefix("* ")?.split_whitespace().next()).unwrap();
    let versions = develop("command -v cargo; rustc --version; jq --version; echo $GREETING").ok().stdout;
    assert!(
        versions.starts_with("/usr/bin/cargo\n") && versions.contains(&format!("rustc {pinned} ")),
        "{versions}"
    );
    assert!(versions.contains("jq-") && versions.ends_with("hello\n"), "{versions}");

    let [musl, arm, windows] = TARGETS;
    let build = format!("cargo build --offline --locked --target {musl} --target {arm} --target {windows}");
    develop(&build).ok();
    let program = project.root.join(format!("target/{musl}/debug/developed"));
    assert_eq!(said(&mut Command::new(program)), "developed x86_64 said true\n");
    let run = |target: &str| develop(&format!("cargo run --quiet --offline --target {target}")).ok().stdout;
    assert_eq!(run(arm), "developed aarch64 said true\n");
    assert_eq!(run(windows).trim_end(), "developed x86_64 said true");
    assert_eq!(develop("exit 7").code, Some(7));
}

/// What a unit's sandbox shows: its sources, its toolchain, and nothing of the host's; its command line ends as the unit did.
#[test]
fn a_unit_that_failed_is_entered_with_its_command_line() {
    let project = Project::program("entered", "fn main() {\n    println!(\"{}\", entered::word());\n}\n");
    let unique = project.folder.path().display().to_string();
    project.write("src/lib.rs", &format!("pub fn word() -> &'static str {{\n    {unique:?}\n}}\n"));
    project.write("build.rs", "fn main() {\n    println!(\"cargo::rustc-env=WORD=said\");\n}\n");
    let build = ["build", "--target", "x86_64-unknown-linux-gnu"];
    let enter = |unit: &str, line: &str| project.xbuild(&["develop", "--unit", unit, "-c", line]);
    enter("entered", "true").fails(1).says("nothing is known of");
    project.append("src/main.rs", "fn broken() -> u8 { \"\" }\n");
    project.xbuild(&build).fails(1).says("mismatched types");

    let unit = "entered 0.1.0 (bin entered)";
    enter(unit, "/build/unit").fails(1).says("mismatched types");
    let seen = "pwd; ls /build/ws/src; ls -d /home /root /etc/hostname; ls /sys; env; ls /sys/class/net";
    let seen =
        enter(unit, &format!("{seen}; rustc --version; echo made > /build/ws/src/new && ls /build/ws/src"))
            .ok();
    let lines: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!(lines[..3], ["/build/ws", "lib.rs", "main.rs"], "{}", seen.stdout);
    assert!(!lines.iter().any(|line| ["/home", "/root", "/etc/hostname"].contains(line)), "{}", seen.stdout);
    assert!(lines.contains(&"CARGO_PKG_NAME=entered") && lines.contains(&"new"), "{}", seen.stdout);
    assert!(!lines.iter().any(|line| line.starts_with("XBUILD_STORE=")), "{}", seen.stdout);
    assert!(!project.root.join("src/new").exists());
    // A unit that was built, and a program that is one of its files.
    enter("entered 0.1.0 (build script run)", "/build/unit").ok().says("cargo::rustc-env=WORD=said");
    enter("entered 0.1.0", "/build/unit && ls /build/out").ok().says("libentered");
    enter("enterd", "true").fails(1).says("entered");
}
