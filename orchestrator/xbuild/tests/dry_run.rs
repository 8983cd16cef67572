//! What a dry run tells, edit by edit: just what the build after it executes, and why. It goes by keys that were
//! remembered; in a test's xbuild each of these is worked out as well. And what it leaves for the build.

mod common;

use std::collections::BTreeMap;

use common::mirror::{Mirror, lock, package};
use common::{Project, Ran, Xbuild};
use serde_json::{Value, json};
use xbuild_base::Sha256;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// 2 libraries, 2 programs, 3 scripts and their runs.
const UNITS: usize = 10;

/// `app` links `c-sys`, whose script names the folder that the script of `a-sys` has filled: what lies there is of the
/// action of `app`, and `app` waits for no more than what it depends on.
fn workspace() -> Project {
    let project = Project::workspace(&[
        ("a-sys", None, "links = \"a\"\n"),
        ("app", Some("c-sys"), ""),
        ("c-sys", Some("a-sys"), "links = \"c\"\n"),
        ("other", None, ""),
    ]);
    let unique = format!("// {}\n", project.folder.path().display());
    let put = |path: &str, text: &str| project.write(path, &format!("{unique}{text}"));
    put("a-sys/src/lib.rs", "");
    put(
        "a-sys/build.rs",
        "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    let text = std::fs::read_to_string(\"text\").unwrap();\n    \
         std::fs::write(format!(\"{out}/text\"), text).unwrap();\n    println!(\"cargo::metadata=out={out}\");\n}\n",
    );
    write_text(&project, "one");
    put("c-sys/src/lib.rs", "");
    put(
        "c-sys/build.rs",
        "fn main() {\n    let out = std::env::var(\"DEP_A_OUT\").unwrap();\n    println!(\"cargo::metadata=text={out}/text\");\n}\n",
    );
    put(
        "app/build.rs",
        "fn main() {\n    println!(\"cargo::rustc-env=TEXT={}\", std::env::var(\"DEP_C_TEXT\").unwrap());\n}\n",
    );
    put("app/src/main.rs", "fn main() {\n    println!(\"{}\", include_str!(env!(\"TEXT\")));\n}\n");
    put("other/src/main.rs", "fn main() {}\n");
    project
}

/// Has it told what would be built, twice, and builds: no more is executed, and less where a result turns out to be the
/// same as before.
#[track_caller]
fn told_and_built(project: &Project, would_build: usize, executed: usize) -> Ran {
    for _ in 0..2 {
        let told = project.xbuild(&["build", "--target", TARGET, "--dry-run"]).ok();
        let units = if would_build == 1 { "unit" } else { "units" };
        told.says(&format!("{would_build} {units} would be built, {} cached", UNITS - would_build));
    }
    let ran = project.xbuild(&["build", "--target", TARGET, "-v"]).ok();
    assert_eq!(ran.finished().0, executed, "{}", ran.stderr);
    ran
}

/// The text that `app` prints. No other run has the same, so that what is counted is this run's own.
fn write_text(project: &Project, text: &str) {
    project.write("a-sys/text", &format!("{text} of {}", project.folder.path().display()));
}

#[track_caller]
fn prints(project: &Project, text: &str) {
    let app = project.result(&format!("default/{TARGET}/bin/app"));
    let ran = std::process::Command::new(app).output().unwrap();
    let text = format!("{text} of {}\n", project.folder.path().display());
    assert_eq!(String::from_utf8_lossy(&ran.stdout), text);
}

#[test]
fn a_dry_run_tells_what_the_build_after_it_executes() {
    let project = workspace();
    // std may have to be built before anything can be told.
    let first = project.xbuild(&["build", "--target", TARGET, "-v"]).ok();
    assert_eq!(first.finished(), (UNITS, 0));
    prints(&project, "one");
    told_and_built(&project, 0, 0);

    project.append("other/src/main.rs", "// More.\n");
    told_and_built(&project, 1, 1);
    project.append("other/README.md", "More.\n");
    told_and_built(&project, 0, 0);

    // A script's output folder changes, and nothing that any script says. All that waits for its run can't be known before
    // it; but the library of `c-sys` sees nothing else than before.
    write_text(&project, "two");
    let ran = told_and_built(&project, 6, 5);
    assert!(ran.stderr.contains("Building app 0.1.0 (bin app)"), "{}", ran.stderr);
    prints(&project, "two");
    told_and_built(&project, 0, 0);

    // Back again, and another edit besides.
    write_text(&project, "one");
    project.append("other/src/main.rs", "// And more.\n");
    told_and_built(&project, 1, 1);
    prints(&project, "one");

    // The description says something else.
    project.write("xbuild.toml", "[env]\nGREETING = \"hello\"\n");
    let told = project.xbuild(&["build", "--target", TARGET, "--dry-run"]).ok();
    told.says("10 units would be built").says(": variable GREETING: `hello` is new");
    project.write("xbuild.toml", "[build]\nprofile = \"dev\"\n");
    let told = project.xbuild(&["build", "--target", TARGET, "--dry-run"]).ok();
    told.says("10 units would be built");
}

/// What a dry run tells of each unit that would be built.
fn told_of_units(project: &Project) -> BTreeMap<String, Value> {
    let told = ["build", "--target", TARGET, "--dry-run", "--message-format", "json"];
    let lines = project.xbuild(&told).ok().json().into_iter();
    let units = lines.filter(|line| line["reason"] == "xbuild-would-build");
    units.map(|line| (line["unit"].as_str().unwrap().to_owned(), line)).collect()
}

#[test]
fn a_dry_run_tells_why_each_unit_would_be_built() {
    let project = workspace();
    let dry_run = || project.xbuild(&["build", "--target", TARGET, "--dry-run"]).ok();
    dry_run()
        .says(&format!("would build other 0.1.0 (bin other) [{TARGET}]: for the first time"))
        .says(&format!("would build app 0.1.0 (bin app) [{TARGET}]: needs "));
    let first = told_of_units(&project);
    assert_eq!((first.len(), &first["other 0.1.0 (bin other)"]["why"]), (UNITS, &json!("first")));
    project.xbuild(&["build", "-q", "--target", TARGET]).ok();

    project.append("other/src/main.rs", "// More.\n");
    let told = told_of_units(&project);
    let mut other = told["other 0.1.0 (bin other)"].clone();
    let difference = other["differences"][0].take();
    let path = json!("build/ws/other/src/main.rs");
    assert_eq!((&difference["what"], &difference["path"]), (&json!("source"), &path), "{difference}");
    assert_eq!(difference["change"], "changed");
    let expected = json!({
        "reason": "xbuild-would-build",
        "unit": "other 0.1.0 (bin other)",
        "platform": TARGET,
        "graph": format!("default/{TARGET}"),
        "why": "changed",
        "differences": [null],
        "unseen": [],
    });
    assert_eq!((told.len(), other), (1, expected));
    dry_run().says("(bin other) [x86_64-unknown-linux-musl]: /build/ws/other/src/main.rs has changed");

    // What waits for a change is told with what it waits for.
    write_text(&project, "two");
    let told = told_of_units(&project);
    let run = &told["a-sys 0.1.0 (build script run)"];
    assert_eq!(
        (&run["why"], &run["differences"][0]["path"]),
        (&json!("changed"), &json!("build/ws/a-sys/text"))
    );
    let of_c = &told["c-sys 0.1.0 (build script run)"];
    assert_eq!(of_c["why"], "needs");
    assert!(of_c["needs"][0].as_str().unwrap().starts_with("a-sys 0.1.0 (build script run)"), "{of_c}");

    // A run that has failed is known too, and what was before it.
    project.write("other/src/main.rs", "fn main() {\n    nonsense();\n}\n");
    project.xbuild(&["build", "-q", "--target", TARGET, "other"]).fails(1);
    assert_eq!(told_of_units(&project)["other 0.1.0 (bin other)"]["why"], "failed");
}

#[test]
fn a_dry_run_leaves_to_the_build_what_planning_can_do_without() {
    let project = Project::program(
        "speaker",
        "fn main() {\n    print!(\"{}\", include_str!(concat!(env!(\"XBUILD_INPUT_SPOKEN\"), \"/spoken.txt\")));\n}\n",
    );
    project.write("build.rs", "fn main() {}\n");
    let words = format!("hello from {}", project.folder.path().display());
    let greeters =
        ["1.0", "1.1"].map(|version| package("greeter", &format!("#!/bin/sh\n# {version}, {words}\n")));
    let sha256 = Sha256::of(words.as_bytes()).to_hex();
    project.write(
        "xbuild.toml",
        &format!(
            "[native.speaker]\ntools = [\"greeter\"]\n\n\
             [package.speaker]\ninputs = [\"spoken\"]\n\n\
             [fetch.words]\nurl = \"http://127.0.0.1:9/words.txt\"\nsha256 = \"{sha256}\"\n\n\
             [step.spoken]\nargv = [\"cp\", \"words\", \"spoken.txt\"]\ninputs = [{{ fetch = \"words\" }}]\n\
             outputs = [\"spoken.txt\"]\n"
        ),
    );
    project.write("xbuild.lock", &lock("greeter", "1.0", &greeters[0]));
    let mirror = Mirror::new();
    let xbuild = |arguments: &[&str]| {
        let xbuild = Xbuild::new().folder(&project.root).env("XBUILD_MIRRORS", mirror.path());
        xbuild.run(&[&["build", "--target", TARGET], arguments].concat())
    };
    // Nobody has any of it yet.
    for _ in 0..2 {
        xbuild(&["--dry-run", "-v"])
            .ok()
            .says("would fetch words.txt: 1 file")
            .says("-trixie-greeter: 1 file, ")
            .says("  greeter 1.0 (")
            .says("would run step spoken [host]: for the first time")
            .says("(bin speaker) [x86_64-unknown-linux-musl]: needs step spoken, speaker 0.1.0 (build script run)")
            .says("1 step would be run; 3 units would be built, 0 cached; 2 files would be fetched, ");
    }
    let lines = xbuild(&["--dry-run", "--message-format", "json"]).ok().json();
    let file = lines.iter().find(|line| line["name"] == "words.txt").unwrap();
    let expected = json!({
        "reason": "xbuild-would-fetch", "for": "words.txt", "name": "words.txt", "sha256": format!("sha256:{sha256}"),
        "size": null,
    });
    assert_eq!(file, &expected);
    let step = json!({
        "reason": "xbuild-would-run", "unit": "step spoken", "platform": "host", "graph": "", "why": "first",
    });
    assert!(lines.contains(&step), "{lines:?}");
    let last = lines.last().unwrap();
    let size = greeters[0].len();
    assert_eq!((&last["would-fetch"], &last["would-fetch-bytes"]), (&json!(2), &json!(size)));
    // As a build would say.
    xbuild(&["--dry-run", "--offline"]).fails(1).says("greeter 1.0");

    mirror.add(&greeters[0]);
    mirror.add(words.as_bytes());
    xbuild(&[]).ok();
    xbuild(&["--dry-run"]).ok().says("0 units would be built, 3 cached");

    // A pin that has moved is the reason before it is fetched, and after it was built with.
    project.write("xbuild.lock", &lock("greeter", "1.1", &greeters[1]));
    xbuild(&["--dry-run"])
        .ok()
        .says("-trixie-greeter: 1 file, ")
        .says("]: greeter 1.0 → 1.1")
        .says("; 1 file would be fetched, ");
    mirror.add(&greeters[1]);
    xbuild(&[]).ok();
    project.xbuild(&["explain", "speaker 0.1.0 (build script run)"]).ok().says("- greeter 1.0 → 1.1\n");
}

#[test]
fn a_dry_run_of_all_tells_what_images_take_from_outside() {
    let project = Project::program("shown", "fn main() {}\n");
    let sha256 = Sha256::of(project.folder.path().display().to_string().as_bytes()).to_hex();
    project.write(
        "xbuild.toml",
        &format!(
            "[image]\nbase = \"registry.example/base:1\"\n\n\
             [image.files]\n\"/srv/logo\" = {{ url = \"https://files.example/logo.svg\", sha256 = \"{sha256}\" }}\n"
        ),
    );
    project.xbuild(&["build", "-q", "--target", TARGET]).ok();
    let of_build = project.xbuild(&["build", "--target", TARGET, "--dry-run"]).ok();
    assert_eq!(of_build.stdout, "0 units would be built, 1 cached\n");
    project
        .xbuild(&["all", "--target", TARGET, "--dry-run"])
        .ok()
        .says("would fetch logo.svg: 1 file\n")
        .says("would pin and pull registry.example/base:1 for linux/amd64: xbuild.lock has no digest of it")
        .says("0 units would be built, 1 cached; 1 file would be fetched\n");
    assert!(!project.root.join("xbuild.lock").exists());
}
