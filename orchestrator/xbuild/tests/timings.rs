//! `--timings`: the page about where a build's time went.

mod common;

use common::Project;
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
struct Told(serde_json::Value);

impl Told {
    #[track_caller]
    fn of(page: &str) -> Self {
        let data =
            page.split("type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
        Self(serde_json::from_str(data).unwrap())
    }

    /// The place of a unit in the columns. Before those of the project there may be std's.
    #[track_caller]
    fn place(&self, unit: &str) -> usize {
        let names = self.0["names"].as_array().unwrap();
        let name =
            names.iter().position(|name| name == unit).unwrap_or_else(|| panic!("{unit} in {names:?}"));
        self.0["entries"]["name"].as_array().unwrap().iter().position(|one| *one == name).unwrap()
    }

    #[track_caller]
    fn number(&self, column: &str, unit: &str) -> u64 {
        let value = &self.0["entries"][column][self.place(unit)];
        value.as_u64().unwrap_or_else(|| panic!("the {column} of {unit} is {value}"))
    }

    fn states(&self) -> [&str; 2] {
        [BASE, APP].map(|unit| self.0["entries"]["state"][self.place(unit)].as_str().unwrap())
    }
}

const BASE: &str = "base 0.2.0";
const APP: &str = "app 0.1.0 (bin app)";

#[test]
fn the_page_tells_of_what_ran_and_of_what_was_cached() {
    let project = project("fn main() {\n    println!(\"{}\", base::NEW);\n}\n");
    let page = project.result("timings.html");
    let build = || project.xbuild(&["build", "--target", TARGET, "-j", "3", "--timings"]).ok();
    build().says(&format!("Timings in {}", page.display()));
    let first = fs::read_to_string(&page).unwrap();
    assert!(first.contains("<h1>project <span class=\"badge good\">succeeded</span></h1>"));
    assert!(first.contains("release · 1 target · 3 actions at once"));
    let told = Told::of(&first);
    assert_eq!(told.states(), ["executed", "executed"]);
    let path: Vec<u64> = told.0["path"].as_array().unwrap().iter().map(|one| one.as_u64().unwrap()).collect();
    assert!(
        path.ends_with(&[BASE, APP].map(|unit| told.place(unit) as u64)),
        "one needs the other: {path:?}"
    );
    let number = |column, unit| told.number(column, unit);
    assert!(number("metadata", BASE) <= number("end", BASE), "the library gives out its metadata");
    assert!(number("end", BASE) <= number("start", APP), "a program links what has ended");
    assert!(number("end", APP) <= told.0["wall"].as_u64().unwrap());
    assert!(number("cpu", BASE) > 0 && number("memory", APP) > 0);
    let stages = told.0["stages"].as_array().unwrap().iter().map(|stage| stage[0].as_str().unwrap());
    let stages: Vec<&str> = stages.filter(|stage| *stage != "std").collect();
    assert_eq!(stages, ["sources", "fetch", "plan", "fetch", "plan", "build", "prove"]);

    // The page is no source. And though nothing has changed, every unit is looked up.
    assert_eq!(build().finished(), (0, 2));
    let told = Told::of(&fs::read_to_string(&page).unwrap());
    assert_eq!(told.states(), ["cached", "cached"]);
    assert!(told.number("wall", BASE) > 0, "what it took is on record");
}

#[test]
fn a_build_that_fails_leaves_a_page_too() {
    let project = project("fn main() {\n    base::missing();\n}\n");
    let ran = project
        .xbuild(&["build", "--target", TARGET, "--timings=../page.html"])
        .fails(1)
        .says("could not build app 0.1.0 (bin app)");
    assert!(ran.stderr.contains(&format!("Timings in {}", project.root.join("../page.html").display())));
    let page = fs::read_to_string(project.folder.path().join("page.html")).unwrap();
    assert!(page.contains("<span class=\"badge bad\">failed</span>"));
    assert_eq!(Told::of(&page).states(), ["executed", "failed"]);
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
