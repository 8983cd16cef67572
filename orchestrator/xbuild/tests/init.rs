//! `xbuild init`: a description that changes nothing, and templates that build at once.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use common::{Project, TARGETS, XBUILD, repository, said, xbuild};
use fs_err as fs;

const MUSL: &str = TARGETS[0];

/// A new project from a template, in a folder of that name.
fn new(template: &str, name: &str) -> Project {
    let project = Project::empty();
    let root = project.root.join(name);
    xbuild(&["init", "--template", template, "--project", root.to_str().unwrap()])
        .ok()
        .says(&format!("Created {name}"));
    Project { root, ..project }
}

#[test]
fn every_template_is_built_in_and_is_a_whole_project() {
    let mut folders: Vec<String> = fs::read_dir(repository().join("templates"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    for template in &folders {
        let project = new(template, "new-thing");
        let files = |root: &std::path::Path| {
            let walk = ignored_walk(root);
            walk.into_iter().filter(|path| path != ".gitignore" && path != "gitignore").collect::<Vec<_>>()
        };
        assert_eq!(files(&project.root), files(&repository().join("templates").join(template)), "{template}");
        has_schema(&project);
        for path in ignored_walk(&project.root) {
            assert!(
                !project.read(&path).contains("app-name") && !project.read(&path).contains("app_name"),
                "{path}"
            );
        }
        let shown = project.xbuild(&["show", "--locked"]).ok().stdout;
        assert!(shown.contains("new-thing") || shown.contains("new_thing"), "{shown}");
        // `Cargo.lock` is cargo's own.
        let cargo = std::env::var("CARGO").unwrap();
        said(
            Command::new(cargo)
                .args(["metadata", "--locked", "--format-version=1"])
                .current_dir(&project.root),
        );
    }
    let wrong = xbuild(&["init", "--template", "workspce", "--project", "/nonexistent/x"]).fails(1);
    wrong.says("there is no template `workspce`").says("did you mean `workspace`?");
}

/// The first line of a description names the schema by which editors complete and check it: the one of this release.
#[track_caller]
fn has_schema(project: &Project) {
    let text = project.read("xbuild.toml");
    let line = text.lines().next().unwrap();
    let file = line.strip_prefix("#:schema ").unwrap_or_else(|| panic!("{line}"));
    let version = concat!("/raw/v", env!("CARGO_PKG_VERSION"), "/");
    let (_, file) = file.split_once(version).unwrap_or_else(|| panic!("{line}"));
    assert!(repository().join(file).is_file(), "{line}");
}

/// The files below a folder, by their paths from it, in order.
fn ignored_walk(root: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    files.sort();
    files
}

#[test]
fn templates_build_at_once_and_do_what_they_say() {
    let application = new("application", "greeter");
    application.xbuild(&["build", "--target", MUSL]).ok();
    let greeter = application.result(&format!("default/{MUSL}/bin/greeter"));
    assert_eq!(said(Command::new(greeter).arg("you")), "Hello, you, from linux!\n");
    application.xbuild(&["test", "--target", MUSL]).ok();

    let workspace = new("workspace", "pair");
    workspace.xbuild(&["build", "--target", MUSL]).ok();
    let pair =
        |variant: &str| said(&mut Command::new(workspace.result(&format!("{variant}/{MUSL}/bin/pair"))));
    assert_eq!(
        [pair("default"), pair("loud"), pair("small")],
        ["Hello, world!\n", "HELLO, WORLD!\n", "Hello, world!\n"]
    );

    let library = new("c-library", "fletcher");
    let gnu = "x86_64-unknown-linux-gnu";
    library.xbuild(&["build", "--target", gnu]).ok();
    library.write("main.c", "int fletcher_checksum(const char *);\nint main(void) { return fletcher_checksum(\"abcde\") != 0xc8f0; }\n");
    let program = library.folder.path().join("main");
    let mut cc = Command::new("cc");
    cc.arg(library.root.join("main.c")).arg("-o").arg(&program);
    cc.arg(library.result(&format!("default/{gnu}/lib/libfletcher.a"))).args(["-lpthread", "-ldl", "-lm"]);
    said(&mut cc);
    said(&mut Command::new(program));
}

#[test]
fn the_service_answers_from_its_image_s_program() {
    let service = new("service", "hello");
    service.xbuild(&["image", "--target", MUSL]).ok();
    service.xbuild(&["build", "--target", MUSL]).ok();
    let program = service.result(&format!("default/{MUSL}/bin/hello"));
    let mut child = Command::new(program).env("PORT", "0").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    let port = line.trim().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let [root, health, other] = ["/", "/health", "/none"].map(get);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(root.starts_with("HTTP/1.1 200 OK") && root.ends_with("Hello from hello.\n"), "{root}");
    assert!(health.ends_with("well\n") && other.starts_with("HTTP/1.1 404"), "{health} {other}");
}

#[test]
fn a_project_gets_a_description_that_changes_nothing() {
    let project = Project::program("plain", "fn main() {}\n");
    let before = project.xbuild(&["show"]).ok().stdout;
    project.xbuild(&["init"]).ok().says("xbuild.toml").says("xbuild show");
    assert_eq!(project.xbuild(&["show"]).ok().stdout, before);
    has_schema(&project);
    assert!(!project.root.join(".gitignore").exists(), "there is no git");
    project.append("xbuild.toml", "# mine\n");
    project.xbuild(&["init"]).fails(1).says("is there already, and is left as it is");
    assert!(project.read("xbuild.toml").ends_with("# mine\n"));

    // What it suggests can be said.
    let text = project.read("xbuild.toml");
    let taken: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .collect();
    let taken =
        taken.join("\n").replace("foo-sys", "plain").replace("foo/extra\"", "x\"").replace("foo", "plain");
    project.write("xbuild.toml", &taken);
    let said = project.xbuild(&["show"]).stderr;
    assert!(!said.contains("unknown key") && !said.contains("expected"), "{said}");

    let in_git = Project::program("versioned", "fn main() {}\n");
    fs::create_dir(in_git.root.join(".git")).unwrap();
    in_git.write(".gitignore", "/target");
    in_git.xbuild(&["init"]).ok().says("Added /result");
    assert_eq!(in_git.read(".gitignore"), "/target\n/result\n");
    fs::remove_file(in_git.root.join("xbuild.toml")).unwrap();
    in_git.xbuild(&["init"]).ok();
    assert_eq!(in_git.read(".gitignore"), "/target\n/result\n");
}

#[test]
fn a_new_project_is_not_laid_among_other_files_nor_under_a_wrong_name() {
    let project = Project::program("plain", "fn main() {}\n");
    let init = |folder: &std::path::Path| {
        xbuild(&["init", "-t", "application", "--project", folder.to_str().unwrap()])
    };
    init(&project.root).fails(1).says("is not empty");
    init(&project.folder.path().join("1st")).fails(1).says("`1st` can't be a package's name");
    init(&project.folder.path().join("core")).fails(1).says("`core` can't be a package's name");
    let none = Project::empty();
    let mut command = Command::new(XBUILD);
    let output = command.arg("init").arg("--project").arg(&none.root).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no Cargo.toml"), "{output:?}");
}
