//! `xbuild develop`: plain cargo, with the pinned toolchain, for every target.

mod common;

use std::process::Command;

use common::{Project, TARGETS, said};

#[test]
fn plain_cargo_builds_for_every_target_in_it() {
    let project = Project::program(
        "developed",
        "fn main() {\n    println!(\"developed {}\", std::env::consts::ARCH);\n}\n",
    );
    project.write("xbuild.toml", "[develop]\ntools = [\"jq\"]\nenv = { GREETING = \"hello\" }\n");
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
    assert_eq!(said(&mut Command::new(program)), "developed x86_64\n");
    let run = |target: &str| develop(&format!("cargo run --quiet --offline --target {target}")).ok().stdout;
    assert_eq!(run(arm), "developed aarch64\n");
    assert_eq!(run(windows).trim_end(), "developed x86_64");
    assert_eq!(develop("exit 7").code, Some(7));
}
