//! `--timings`: the page about where a build's time went.

mod common;

use common::{Project, Xbuild};
use fs_err as fs;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// A program over a library, new to every store.
fn project(main: &str) -> Project {
    let project = Project::program("app", main);
    project.append("Cargo.toml", "\n[dependencies]\nbase = { path = \"base\" }\n\n[workspace]\n");
    project.append(
        "Cargo.lock",
        "dependencies = [\n \"base\",\n]\n\n[[package]]\nname = \"base\"\nversion = \"0.2.0\"\n",
    );
    project.write("base/Cargo.toml", "[package]\nname = \"base\"\nversion = \"0.2.0\"\nedition = \"2024\"\n");
    let new = format!("{} {:?}", std::process::id(), std::time::Instant::now());
    project.write("base/src/lib.rs", &format!("pub const NEW: &str = {new:?};\n"));
    project
}

/// What the page's script gets.
#[track_caller]
fn data(page: &str) -> serde_json::Value {
    let data = page.split("type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(data).unwrap()
}

#[test]
fn the_page_tells_of_what_ran_and_of_what_was_cached() {
    let project = project("fn main() {\n    println!(\"{}\", base::NEW);\n}\n");
    let page = project.result("timings.html");
    let build = || project.xbuild(&["build", "--target", TARGET, "-j", "3", "--timings"]).ok();
    build().says(&format!("Timings in {}", page.display()));
    let first = fs::read_to_string(&page).unwrap();
    assert!(first.contains("<h1>project <span class=\"badge good\">succeeded</span></h1>"));
    assert!(first.contains("release · 1 target · 3 actions at once"));
    let told = data(&first);
    assert_eq!(told["names"], serde_json::json!(["base 0.2.0", "app 0.1.0 (bin app)"]));
    assert_eq!(told["targets"], serde_json::json!([TARGET]));
    assert_eq!(told["entries"]["state"], serde_json::json!(["executed", "executed"]));
    assert_eq!(told["path"], serde_json::json!([0, 1]), "one needs the other");
    let times = |column: &str, of: usize| told["entries"][column][of].as_u64().unwrap();
    assert!(times("metadata", 0) <= times("end", 0), "the library gives out its metadata");
    assert!(times("end", 0) <= times("start", 1), "a program links what has ended");
    assert!(
        times("cpu", 0) > 0 && times("memory", 1) > 0 && times("end", 1) <= told["wall"].as_u64().unwrap()
    );
    let stages: Vec<&str> =
        told["stages"].as_array().unwrap().iter().map(|stage| stage[0].as_str().unwrap()).collect();
    assert!(stages.starts_with(&["sources", "fetch", "plan"]), "{stages:?}");
    assert!(stages.ends_with(&["plan", "build", "prove"]), "{stages:?}");

    // The page is no source. And though nothing has changed, every unit is looked up.
    assert_eq!(build().finished(), (0, 2));
    let told = data(&fs::read_to_string(&page).unwrap());
    assert_eq!(told["entries"]["state"], serde_json::json!(["cached", "cached"]));
    assert!(told["entries"]["wall"][0].as_u64().unwrap() > 0, "what it took is on record");
}

#[test]
fn a_build_that_fails_leaves_a_page_too() {
    let project = project("fn main() {\n    base::missing();\n}\n");
    let page = project.folder.path().join("page.html");
    let ran = Xbuild::new()
        .folder(&project.root)
        .run(&["build", "--target", TARGET, "--timings=../page.html"])
        .fails(1)
        .says("could not build app 0.1.0 (bin app)");
    assert!(ran.stderr.contains(&format!("Timings in {}", project.root.join("../page.html").display())));
    let text = fs::read_to_string(page).unwrap();
    assert!(text.contains("<span class=\"badge bad\">failed</span>"));
    assert_eq!(data(&text)["entries"]["state"], serde_json::json!(["executed", "failed"]));
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_before_anything_is_built() {
    let project = project("fn main() {}\n");
    for file in ["missing/page.html", "src"] {
        let ran = project.xbuild(&["build", "--target", TARGET, &format!("--timings={file}")]).fails(3);
        assert!(
            ran.stderr.contains(&format!("{}", project.root.join(file.split('/').next().unwrap()).display()))
        );
        assert!(!ran.stderr.contains("Building"), "{}", ran.stderr);
    }
    // A page about nothing is not what was asked for.
    project.xbuild(&["build", "--timings", "--dry-run"]).fails(2);
}
