//! `xbuild develop`: plain cargo, with the pinned toolchain, for every target.

mod common;

use std::process::Command;

use common::{Project, TARGETS, Xbuild, said};

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

/// A named shell has what every shell has, and its own over it; nobody else needs what is its own.
#[test]
fn a_shell_is_entered_by_its_name_and_another_s_tools_are_not_looked_for() {
    let project = Project::program("shells", "fn main() {}\n");
    project.write(
        "xbuild.toml",
        "[develop]\ntools = [\"jq\"]\nenv = { GREETING = \"hello\", WORD = \"word\" }\n\
         [develop.greeting]\ntools = [\"hello\"]\nenv = { GREETING = \"good day\" }\n\
         [develop.broken]\ntools = [\"no-such-tool\"]\n",
    );
    let develop = |words: &[&str], line: &str| {
        project.xbuild(&[&["develop"], words, &["--target", TARGETS[0], "-c", line]].concat())
    };
    let line = "jq --version; echo $GREETING $WORD; ls /usr/bin/hello";
    develop(&[], "jq --version; echo $GREETING $WORD").ok().says("hello word\n");
    assert!(!project.read("xbuild.lock").contains("hello"));

    let ran = develop(&["greeting"], line).ok().says("good day word\n");
    assert!(ran.stdout.starts_with("jq-") && ran.stdout.ends_with("/usr/bin/hello\n"), "{}", ran.stdout);
    let lock = project.read("xbuild.lock");
    assert!(lock.contains("hello"), "{lock}");
    develop(&["greeting", "--locked", "--offline"], line).ok();
    let named = format!("{}#greeting", project.root.display());
    Xbuild::new().run(&["develop", &named, "--target", TARGETS[0], "-c", line]).ok().says("good day word\n");
    assert_eq!(project.read("xbuild.lock"), lock);

    develop(&["broken"], "true").fails(1).says("develop.broken tools: `no-such-tool`");
    develop(&["greting"], "true")
        .fails(1)
        .says("the build has no shell and no output `greting`")
        .says("did you mean `greeting`?");
}

#[test]
fn the_name_of_an_output_chooses_what_the_shell_is_for() {
    let project = Project::program("chosen", "fn main() {}\n");
    project.write("xbuild.toml", "[variant.other]\nenv = { VARIANT = \"other\" }\n");
    let develop = |name: &str| project.xbuild(&["develop", name, "-c", "env"]).ok().stdout;
    let (musl, windows) = (TARGETS[0], TARGETS[2]);
    let linker = |target: &str| format!("CARGO_TARGET_{}_LINKER=", target.to_uppercase().replace('-', "_"));
    let environment = develop(&format!("other/{windows}/chosen"));
    assert!(
        environment.contains(&linker(windows)) && environment.contains("VARIANT=other\n"),
        "{environment}"
    );
    assert!(!environment.contains(&linker(musl)), "{environment}");
    let environment = develop(&format!("default/{musl}/*"));
    assert!(environment.contains(&linker(musl)) && !environment.contains("VARIANT=other"), "{environment}");
    assert!(!environment.contains(&linker(windows)), "{environment}");
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
