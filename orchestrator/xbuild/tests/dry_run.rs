//! What a dry run tells, edit by edit: just what the build after it executes. It goes by keys that were remembered; in
//! a test's xbuild each of these is worked out as well.

mod common;

use common::{Project, Ran};

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
    told.says("10 units would be built");
    project.write("xbuild.toml", "[build]\nprofile = \"dev\"\n");
    let told = project.xbuild(&["build", "--target", TARGET, "--dry-run"]).ok();
    told.says("10 units would be built");
}
