//! The official Rust distribution, without its server: the toolchain that rustup installed here is packed again
//! under a manifest of its own, served on loopback, pinned, fetched, and builds the example.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Project, Xbuild};

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn rustc(argument: &[&str]) -> String {
    let output = Command::new("rustc").args(argument).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// That of the toolchain that is packed.
fn version() -> String {
    rustc(&["-V"]).split(' ').nth(1).unwrap().to_owned()
}

/// The distribution's folder, with that toolchain under these versions, and the server's address.
fn distribution(versions: &[&str]) -> (tempfile::TempDir, String) {
    let served = tempfile::tempdir().unwrap();
    let server = common::serve_folder(served.path().to_owned());
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"]));
    for version in versions {
        common::rustup_mirror::mirror(&sysroot, TARGET, version, &server, served.path()).unwrap();
    }
    (served, server)
}

#[test]
fn the_official_distribution_builds_the_example() {
    let version = version();
    let (served, server) = distribution(&[&version]);

    let project = Project::example();
    let official = Xbuild::new().folder(&project.root).env("XBUILD_RUST_DIST_SERVER", server);
    let manifest = served.path().join(format!("dist/channel-rust-{version}.toml"));
    official.run(&["toolchain", "add", &version, "--manifest", manifest.to_str().unwrap()]).ok();
    let pins = project.read(".xbuild/toolchains.toml");
    assert!(!pins.contains("127.0.0.1"), "pins name no server:\n{pins}");
    official.run(&["toolchain", "show", &version]).ok().says("official");

    let chosen = format!("toolchain.version={version}");
    official.run(&["build", "--target", TARGET, "--set", &chosen]).ok();
    let foo =
        Command::new(project.result(&format!("default/{TARGET}/bin/foo"))).arg("check").output().unwrap();
    let said = String::from_utf8(foo.stdout).unwrap();
    assert!(foo.status.success() && said.contains("conflict-checker on: 1 conflict"), "{said}");

    // A variant has a toolchain of its own: both in one request, and each with its own compiler's word.
    let dated = Project::program("dated", "fn main() {\n    println!(\"{}\", env!(\"COMPILER\"));\n}\n");
    dated.write(
        "build.rs",
        "fn main() {\n    let rustc = std::env::var_os(\"RUSTC\").unwrap();\n    let said = \
         std::process::Command::new(rustc).arg(\"-V\").output().unwrap().stdout;\n    \
         println!(\"cargo::rustc-env=COMPILER={}\", String::from_utf8(said).unwrap().trim());\n}\n",
    );
    dated.write(".xbuild/toolchains.toml", &pins);
    dated.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.96\"\n");
    dated.write(
        "xbuild.toml",
        &format!("[build]\ntargets = [\"{TARGET}\"]\n\n[variant.old.toolchain]\nversion = \"{version}\"\n"),
    );
    official.clone().folder(&dated.root).run(&["all"]).ok();
    let says = |variant: &str| {
        let program = dated.result(&format!("{variant}/{TARGET}/bin/dated"));
        String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap()
    };
    assert!(says("default").starts_with("rustc 1.96."), "{}", says("default"));
    assert!(says("old").starts_with(&format!("rustc {version} ")), "{}", says("old"));

    // It is a stable cargo, and refuses what one refuses, though it is asked for its unit graph.
    let manifest = project.read("Cargo.toml");
    project.write("Cargo.toml", &format!("cargo-features = [\"trim-paths\"]\n{manifest}"));
    let ran = official.run(&["build", "--target", TARGET, "--set", &chosen]).fails(1);
    ran.says("requires a nightly version of Cargo");
}

#[test]
fn a_nightly_compiles_what_a_release_refuses_and_a_release_s_cargo_plans_it() {
    let version = version();
    let (served, server) = distribution(&[&version, "1.99.0-nightly"]);

    let project = Project::program(
        "early",
        "#![feature(never_type)]\nfn four() -> Result<u32, !> {\n    Ok(4)\n}\nfn main() {\n    let Ok(four) = four();\n    \
         println!(\"{four} {}\", env!(\"CARGO\").len() + cfg!(nightly) as usize);\n}\n",
    );
    // As crates find out what the compiler takes.
    project.write(
        "build.rs",
        "fn main() {\n    let rustc = std::env::var_os(\"RUSTC\").unwrap();\n    let said = \
         std::process::Command::new(rustc).arg(\"-vV\").output().unwrap().stdout;\n    \
         println!(\"cargo::rustc-check-cfg=cfg(nightly)\");\n    \
         if String::from_utf8(said).unwrap().contains(\"-nightly\") {\n        \
         println!(\"cargo::rustc-cfg=nightly\");\n    }\n}\n",
    );
    let xbuild = Xbuild::new().folder(&project.root).env("XBUILD_RUST_DIST_SERVER", server);
    let manifest = served.path().join(format!("dist/channel-rust-{version}.toml"));
    let day = format!("nightly-{}", common::rustup_mirror::DATE);
    project.write("rust-toolchain.toml", &format!("[toolchain]\nchannel = \"{day}\"\n"));
    xbuild.run(&["build"]).fails(1).says(&format!("xbuild toolchain add {day}"));
    xbuild.run(&["toolchain", "add", "nightly"]).fails(1).says("nightly-2026-01-31");
    xbuild.run(&["toolchain", "add", &version, "--manifest", manifest.to_str().unwrap()]).ok();
    let added = xbuild.run(&["toolchain", "add", &day]).ok();
    added.says(&format!("cargo {version} plans for it"));
    xbuild.run(&["toolchain", "show", &day]).ok().says("official");

    let ran = xbuild.run(&["run", "-q", "--target", TARGET]).ok();
    assert_eq!(ran.stdout.trim_end(), format!("4 {}", "/usr/bin/cargo".len() + 1));
    let chosen = format!("toolchain.version={version}");
    xbuild.run(&["build", "--target", TARGET, "--set", &chosen]).fails(1).says("E0554");
}
