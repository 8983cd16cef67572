//! A build is a function: its variants are values side by side, what they share is built once, and none can stand in
//! for another.

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::{Project, Ran, runs};

const TARGET: &str = "x86_64-unknown-linux-musl";
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// Two programs, each with a muffin of its own, over a library that nobody asks anything of.
fn project() -> Project {
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{more}")
    };
    let locked =
        |name: &str, needs: &str| format!("\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{needs}");
    let needs_muffin = "dependencies = [\n \"muffin\",\n]\n";
    let program = "fn main() {\n    println!(\"{}\", muffin::describe());\n}\n";
    let project = Project::of(&[
        (
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"bar\", \"flour\", \"foo\", \"muffin\"]\n\n[profile.small]\ninherits = \"release\"\nopt-level = \"s\"\n",
        ),
        (
            "Cargo.lock",
            &[
                "version = 4\n".to_owned(),
                locked("bar", needs_muffin),
                locked("flour", ""),
                locked("foo", needs_muffin),
                locked("muffin", "dependencies = [\n \"flour\",\n]\n"),
            ]
            .concat(),
        ),
        (
            "foo/Cargo.toml",
            &package("foo", "[dependencies]\nmuffin = { path = \"../muffin\", features = [\"checker\"] }\n"),
        ),
        ("foo/src/main.rs", program),
        ("bar/Cargo.toml", &package("bar", "[dependencies]\nmuffin = { path = \"../muffin\" }\n")),
        ("bar/src/main.rs", program),
        ("flour/Cargo.toml", &package("flour", "")),
        ("flour/src/lib.rs", "pub const KIND: &str = \"wheat\";\n"),
        (
            "muffin/Cargo.toml",
            &package(
                "muffin",
                "[features]\nchecker = []\nraisins = []\n\n[dependencies]\nflour = { path = \"../flour\" }\n",
            ),
        ),
        (
            "muffin/src/lib.rs",
            "#![allow(unexpected_cfgs)]\n\npub fn describe() -> String {\n    let mut words = vec![flour::KIND];\n    \
             if cfg!(feature = \"checker\") {\n        words.push(\"checker\");\n    }\n    \
             if cfg!(feature = \"raisins\") {\n        words.push(\"raisins\");\n    }\n    \
             if cfg!(tiny) {\n        words.push(\"tiny\");\n    }\n    \
             words.extend(option_env!(\"SPOON\"));\n    words.extend(option_env!(\"FORK\"));\n    words.join(\" \")\n}\n",
        ),
    ]);
    // Nothing is known of these very packages from an earlier run.
    let unique = project.folder.path().display().to_string();
    project.append("flour/src/lib.rs", &format!("pub const BAG: &str = \"{unique}\";\n"));
    project
}

/// The units that were executed, without their platforms.
fn executed(ran: &Ran) -> Vec<String> {
    let unit = |line: &str| Some(line.split_once("Building ")?.1.trim().to_owned());
    ran.stderr.lines().filter_map(unit).collect()
}

fn said(project: &Project, output: &str) -> String {
    let [variant, target, name] = output.split('/').collect::<Vec<_>>()[..] else { panic!("{output}") };
    let ending = if target == WINDOWS { ".exe" } else { "" };
    runs(target, &project.result(&format!("{variant}/{target}/bin/{name}{ending}")), &[]).trim().to_owned()
}

#[test]
fn programs_and_variants_are_built_side_by_side_and_share_what_is_equal() {
    let project = project();
    project.write(
        "xbuild.toml",
        &format!(
            "[build]\npackages = [\"foo\", \"bar\"]\ntargets = [\"{TARGET}\"]\nunify = \"package\"\n\n\
                  [variant.sweet]\npackages = [\"foo\"]\nfeatures = [\"muffin/raisins\"]\n"
        ),
    );
    let ran = project.xbuild(&["all", "-v"]).ok();
    let units = executed(&ran);
    let count = |name: &str| units.iter().filter(|unit| unit.starts_with(&format!("{name} 0.1.0"))).count();
    assert_eq!(count("flour"), 1, "nobody asks anything of it: {units:?}");
    assert_eq!(count("muffin"), 3, "foo's, bar's, and foo's with raisins: {units:?}");
    assert_eq!((count("foo"), count("bar")), (2, 1), "{units:?}");

    let of = |output: &str| said(&project, &output.replace("TARGET", TARGET));
    assert_eq!(of("default/TARGET/foo"), "wheat checker");
    assert_eq!(of("default/TARGET/bar"), "wheat");
    assert_eq!(of("sweet/TARGET/foo"), "wheat checker raisins");

    // Each alone is what it is beside the others.
    let digests = |arguments: &[&str]| {
        project
            .xbuild(&[&["build", "--no-link", "--message-format", "json"], arguments].concat())
            .ok()
            .digests()
    };
    let all = digests(&[]);
    assert_eq!(all.values().collect::<BTreeSet<_>>().len(), 3, "{all:?}");
    for output in ["sweet/*/foo", "default/*/bar"] {
        let alone = digests(&[output]);
        assert!(alone.iter().all(|(name, digest)| all[name] == *digest) && alone.len() == 1, "{alone:?}");
    }

    // A second variant costs its own units, and no others.
    project.append(
        "xbuild.toml",
        "\n[variant.plain]\ninherits = \"sweet\"\nfeatures = []\nprofile = \"small\"\n",
    );
    let units = executed(&project.xbuild(&["all", "-v"]).ok());
    assert_eq!(units.len(), 3, "{units:?}");
    assert_eq!(of("plain/TARGET/foo"), "wheat checker");
}

#[test]
fn variants_inherit_and_targets_differ() {
    let project = project();
    project.write(
        "xbuild.toml",
        &format!(
            "[build]\npackages = [\"foo\"]\ntargets = [\"{TARGET}\", \"{WINDOWS}\"]\nprofile = \"dev\"\n\n\
             [env]\nSPOON = \"steel\"\n\n\
             [target.'cfg(windows)']\nrustflags = [\"--cfg\", \"tiny\"]\n\n\
             [target.'cfg(windows)'.env]\nSPOON = \"silver\"\n\n\
             [variant.base]\nenv = {{ FORK = \"one\" }}\ntargets = [\"{TARGET}\"]\n\n\
             [variant.child]\ninherits = \"base\"\nenv = {{ SPOON = \"wooden\" }}\nrustflags = [\"--cfg\", \"tiny\"]\n"
        ),
    );
    project.xbuild(&["all"]).ok();
    let of = |output: &str| said(&project, output);
    assert_eq!(of(&format!("default/{TARGET}/foo")), "wheat checker steel");
    assert_eq!(of(&format!("default/{WINDOWS}/foo")), "wheat checker tiny silver");
    assert_eq!(of(&format!("base/{TARGET}/foo")), "wheat checker steel one");
    assert_eq!(of(&format!("child/{TARGET}/foo")), "wheat checker tiny wooden one");
    // A variant's own value counts more than a target's.
    project.xbuild(&["build", &format!("child/{WINDOWS}/foo")]).ok();
    assert_eq!(of(&format!("child/{WINDOWS}/foo")), "wheat checker tiny wooden one");

    project.xbuild(&["show"]).ok();
    project.append("xbuild.toml", "\n[variant.lost]\ninherits = \"chidl\"\n");
    project.xbuild(&["show"]).fails(1).says("there is no variant `chidl`").says("did you mean `child`");
}

#[test]
fn a_value_of_a_variant_is_set_by_its_name_and_stands_in_the_output_s() {
    let project = project();
    let describe = |profile: &str| {
        project.write(
            "xbuild.toml",
            &format!(
                "[build]\npackages = [\"foo\"]\ntargets = [\"{TARGET}\"]\nprofile = \"dev\"\n\n\
                 [variant.small]\nprofile = \"{profile}\"\n"
            ),
        );
    };
    describe("small");
    let set = ["--set", "variant.small.profile=release"];
    project.xbuild(&[&["show"], &set[..]].concat()).ok().says("small  release");
    let told = project.xbuild(&[&["build", "small/*/foo"], &set[..]].concat()).ok().stdout;
    assert!(told.contains(&format!("small[variant.small.profile=release]  {TARGET}  bin/foo")), "{told}");

    let lines = |arguments: &[&str]| {
        let words = ["build", "--no-link", "--message-format", "json", "small/*/foo"];
        project.xbuild(&[&words[..], arguments].concat()).ok()
    };
    let (release, small) = (lines(&set), lines(&[]));
    assert_eq!(release.json()[0]["overrides"], serde_json::json!(["variant.small.profile=release"]));
    assert_ne!(release.digests(), small.digests());
    // It is what the description would have said.
    describe("release");
    assert_eq!(lines(&[]).digests(), release.digests());
}

#[test]
fn what_a_condition_means_for_a_target_is_what_its_compiler_says() {
    // Each built-in target: conditions that its triple decides are decided like rustc's own cfg.
    let project = project();
    let triples: Vec<String> = common::repository()
        .join("targets")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    for triple in triples {
        let rustc = Command::new("rustc").args(["--print", "cfg", "--target", &triple]).output().unwrap();
        let cfg = String::from_utf8(rustc.stdout).unwrap();
        let keys = [
            "target_os",
            "target_arch",
            "target_env",
            "target_abi",
            "target_vendor",
            "target_family",
            "target_pointer_width",
            "target_endian",
        ];
        let says = |line: &&str| {
            keys.iter().any(|key| line.starts_with(&format!("{key}="))) || ["unix", "windows"].contains(line)
        };
        let conditions: Vec<&str> = cfg.lines().filter(says).collect();
        assert!(conditions.len() >= 6, "{triple}: {cfg}");
        project.write(
            "xbuild.toml",
            &format!(
                "[build]\npackages = [\"foo\"]\ntargets = [\"{triple}\"]\n\n[target.'cfg(all({}))']\nprofile = \"small\"\n",
                conditions.join(", ")
            ),
        );
        project.xbuild(&["show"]).ok().says(&format!("{triple}  small"));
    }
}

#[test]
fn a_toolchain_that_is_not_pinned_is_an_error_for_its_variant_alone() {
    let project = project();
    project.write(
        "xbuild.toml",
        &format!(
            "[build]\npackages = [\"foo\"]\ntargets = [\"{TARGET}\"]\nprofile = \"dev\"\n\n\
             [variant.old.toolchain]\nversion = \"1.80.0\"\n"
        ),
    );
    project.xbuild(&["build", "--variant", "default"]).ok();
    project.xbuild(&["run", "-q", "foo"]).ok().says("wheat checker");
    for arguments in [&["build", "old/*/foo"][..], &["all"], &["run", "--variant", "old"]] {
        project.xbuild(arguments).fails(1).says("no toolchain is pinned for Rust 1.80.0");
    }
}
