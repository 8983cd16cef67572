//! A program that knows nothing of xbuild: ripgrep, as it was published.

mod common;

use common::{Program, Project, TARGETS, run, succeeds, text};

#[test]
fn ripgrep_is_built_unmodified_and_searches_on_all_three_targets() {
    let project = Project::published(
        "ripgrep",
        "14.1.1",
        "f77b8032dc584527975f34aa5a897d0ef5a785573fda778771a614ff9da501d9",
    );
    assert!(!project.root.join("xbuild.toml").exists());
    let targets = TARGETS.map(|target| ["--target", target]);
    // Unoptimised: what is shown here is that it is built at all, and it takes half as long.
    project.xbuild(&[&["build", "--profile", "dev"], targets.as_flattened()].concat()).ok();

    let files =
        [("poem.txt", "the muffin rises\nthe oven waits\nMUFFINS fall\n"), ("other.txt", "nothing\n")];
    for target in TARGETS {
        let name = if target.contains("windows") { "rg.exe" } else { "rg" };
        let file = project.result(&format!("default/{target}/bin/{name}"));
        let program = |arguments| Program { target, file: &file, arguments, files: &files, project: None };
        let found = succeeds(&program(&["-i", "--line-number", "--sort", "path", r"muffin\w*", "."]));
        let found = found.replace('\\', "/");
        assert_eq!(found, "./poem.txt:1:the muffin rises\n./poem.txt:3:MUFFINS fall\n", "{target}");
        let nothing = run(&program(&["scone", "poem.txt"]));
        assert_eq!((nothing.exit_code, text(&nothing.stdout).as_str()), (1, ""), "{target}");
    }
}
