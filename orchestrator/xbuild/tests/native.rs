//! What crates need beside Rust: tools by the crates that are in a build script, and by the project's own word.

mod common;

use common::{Project, TARGETS, runs};

#[test]
fn scripts_find_the_tools_that_the_crates_in_them_need() {
    let project = Project::fixture("native");
    let targets = TARGETS.map(|target| ["--target", target]);
    project.xbuild(&[&["build", "--profile", "dev"], targets.as_flattened()].concat()).ok();
    for target in TARGETS {
        let (name, greeting) =
            if target.contains("windows") { ("shapes.exe", "hello, Windows") } else { ("shapes", "hello") };
        let file = project.result(&format!("default/{target}/bin/{name}"));
        let said = runs(target, &file, &[]);
        assert!(said.starts_with(&format!("{greeting}: 5 sides, libprotoc 3.")), "{target}: {said}");
    }

    // A script finds what it needs and nothing else: without its recipe there is no protoc.
    project.write("xbuild.toml", "[native.shapes]\nenv = { SHAPES_GREETING = \"hello\" }\n");
    project.xbuild(&["build", "--profile", "dev", "--target", TARGETS[0]]).fails(1).says("NotFound");

    project.write("xbuild.toml", "[native.shapes]\ntools = [\"protocc\"]\n");
    project.xbuild(&["build", "--target", TARGETS[0]]).fails(1).says("`protocc` is no component");
}
