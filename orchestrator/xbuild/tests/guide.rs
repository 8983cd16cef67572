//! The commands of the guide: each is one that xbuild takes, and those that take no long are run over the example, which
//! the guide speaks of.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Project, XBUILD, repository, shared_store};
use fs_err as fs;

/// How commands begin that are run, as they stand there. The others go over the network to somebody, change this
/// machine's store, or build what other tests build.
const RUN: [&str; 27] = [
    "xbuild show",
    "xbuild run",
    "xbuild shell",
    "xbuild log",
    "xbuild explain foo",
    "xbuild build --record",
    "xbuild build --set",
    "xbuild why",
    "xbuild diff x86",
    "xbuild plan",
    "xbuild check -p",
    "xbuild doc --no-deps",
    "xbuild store usage",
    "xbuild gc --dry-run",
    "xbuild image foo --target",
    "xbuild image inspect",
    "xbuild ci run --skip",
    "xbuild ci github",
    "xbuild test -p foo",
    "xbuild develop -c",
    "xbuild fetch",
    "xbuild bundle mirror --target",
    "xbuild store export pack",
    "xbuild store export delta",
    "xbuild store import pack",
    "xbuild dist 'x86_64-*/*'",
    "source <(xbuild completions",
];

/// The commands in blocks of shell in a text.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let lines = blocks.flat_map(str::lines).filter(|line| line.contains("xbuild "));
    // Comments stand behind two blanks.
    lines.map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned()).collect()
}

fn shell(folder: &Path, command: &str) -> (bool, String) {
    let programs = Path::new(XBUILD).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euc", command]).current_dir(folder).env("PATH", path).env("XBUILD_STORE", shared_store());
    let output = shell.output().unwrap();
    let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    (output.status.success(), said)
}

/// The command with a request for help in it, which is answered where everything before is known.
fn for_help(command: &str) -> String {
    let command = command.split(" | ").next().unwrap_or_default();
    match command.split_once(" -- ") {
        Some((before, after)) => format!("{before} --help -- {after}"),
        None => format!("{command} --help"),
    }
}

#[test]
fn commands_of_the_guide_do_what_they_say() {
    let project = Project::example();
    let folder = repository().join("docs/guide");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.push(repository().join("README.md"));
    // Which a project with a workflow has.
    let workflow = project.root.join(".github/workflows/ci.yml");
    fs::create_dir_all(workflow.parent().unwrap()).unwrap();
    fs::copy(repository().join("orchestrator/xbuild/tests/fixtures/workflows/matrix.yml"), workflow).unwrap();
    let (mut run, mut known) = (0, 0);
    for file in files {
        for command in commands(&fs::read_to_string(&file).unwrap()) {
            let at = format!("{}: {command}", file.file_name().unwrap().display());
            if RUN.iter().any(|start| command.starts_with(start)) {
                let (ok, said) = shell(&project.root, &command);
                assert!(ok, "{at}\n{said}");
                run += 1;
            } else if command.starts_with("xbuild ") {
                let (ok, said) = shell(&project.root, &for_help(&command));
                assert!(ok && said.contains("Usage: xbuild"), "{at}\n{said}");
                known += 1;
            }
            // What `explain --against` compares with comes from another machine.
            if command.contains("--record here.run") {
                fs::copy(project.root.join("here.run"), project.root.join("there.run")).unwrap();
            }
        }
    }
    assert!(run > 20 && known > 20, "{run} {known}");
}
