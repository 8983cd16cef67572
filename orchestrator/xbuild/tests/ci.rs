//! `xbuild ci`: the gate, the workflow that runs it, and what an existing one has.

mod common;

use std::path::Path;
use std::process::Command;

use common::registry::Registry;
use common::{Project, Ran, TARGETS, XBUILD, Xbuild, said, serve_folder, shared_store};
use fs_err as fs;
use serde_json::Value;

const MUSL: &str = TARGETS[0];

/// A program for one target, formatted and documented, whose units no other test has.
fn project() -> Project {
    let project = Project::program("gated", "fn main() {\n    println!(\"{}\", gated::word());\n}\n");
    let unique = project.folder.path().display().to_string();
    let library = format!(
        "//! A word.\n\n/// The word.\n#[must_use]\npub fn word() -> &'static str {{\n    {unique:?}\n}}\n\n\
         #[test]\nfn it_is_one() {{\n    assert!(!word().is_empty());\n}}\n"
    );
    project.write("src/lib.rs", &library);
    project.write("xbuild.toml", &format!("[build]\ntargets = [\"{MUSL}\"]\n"));
    project.write("README.md", "A program.\n");
    project
}

/// The call, as GitHub's runner makes it in a checkout.
fn on_github(project: &Project, arguments: &[&str]) -> Ran {
    let xbuild = Xbuild::new().folder(&project.root).env("GITHUB_ACTIONS", "true");
    let xbuild = xbuild.env("GITHUB_WORKSPACE", project.folder.path());
    xbuild.env("GITHUB_STEP_SUMMARY", project.folder.path().join("summary.md")).run(arguments)
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_gate_goes_through_all_stages_and_tells_what_came_of_them() {
    let project = project();
    let record = project.folder.path().join("outputs.json");
    let record = record.to_str().unwrap();
    let run = |more: &[&str]| {
        on_github(&project, &[&["ci", "run", "--against", record, "--record", record], more].concat())
    };
    let summary = || fs::read_to_string(project.folder.path().join("summary.md")).unwrap();

    let first = run(&[]).ok().says("there is no").says("1 passed");
    let groups: Vec<&str> = first.stderr.lines().filter_map(|line| line.strip_prefix("::group::")).collect();
    assert_eq!(
        groups,
        [
            "xbuild show",
            "xbuild fmt --check",
            "xbuild clippy --all-targets --keep-going -- -D warnings",
            "xbuild doc --no-deps --keep-going",
            "xbuild test --no-fail-fast",
            "xbuild all --keep-going",
        ]
    );
    assert_eq!(first.stderr.matches("::endgroup::").count(), groups.len());
    let page = summary();
    assert_eq!(page.matches("| ✅ |").count(), groups.len(), "{page}");
    let output = format!("| `default/{MUSL}/bin/gated` |");
    let of_output = page.lines().find(|line| line.starts_with(&output)).unwrap_or_else(|| panic!("{page}"));
    assert!(of_output.contains("| built | ") && of_output.ends_with(" s |"), "with the time: {page}");

    // Stages after one that has failed are run all the same, and the record stays what the last good run made.
    let before = fs::read_to_string(record).unwrap();
    project.append("src/lib.rs", "pub fn  unformatted() { return; }\n");
    fs::remove_file(project.folder.path().join("summary.md")).unwrap();
    let broken =
        run(&["--skip", "test,doc"]).fails(1).says("2 of 4 stages failed").says("1 file is not formatted");
    broken.says("::error file=project/src/lib.rs,line=13,endLine=13,col=25::unneeded `return` statement");
    assert_eq!(fs::read_to_string(record).unwrap(), before);
    let page = summary();
    assert_eq!((page.matches("| ❌ |").count(), page.matches("| ✅ |").count()), (2, 2), "{page}");
    assert!(page.lines().any(|line| line.starts_with(&output) && line.contains("KiB | ")), "{page}");

    fs::write(record, "{").unwrap();
    run(&["--skip", "show,fmt,clippy,doc,test,all"]).fails(1).says("outputs.json").says("--record");
}

#[test]
fn without_check_nothing_is_formatted() {
    let project = project();
    project.xbuild(&["fmt"]).fails(1).says("changes no sources").says("cargo fmt --all");
    project.write("src/main.rs", "fn main( {\n");
    project.xbuild(&["fmt", "--check"]).fails(1).says("rustfmt");
}

#[test]
fn the_workflow_is_one_by_its_schema() {
    let project = project();
    let schema =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/workflows/github-workflow.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let file = ".github/workflows/xbuild.yml";
    let github = |more: &[&str]| project.xbuild(&[&["ci", "github"], more].concat());
    github(&["--check"]).fails(1).says("xbuild ci github");
    github(&[]).ok().says("Wrote");
    insta::assert_snapshot!("workflow", project.read(file));
    let check = |text: &str| {
        let errors: Vec<String> = schema.iter_errors(&yaml(text)).map(|error| error.to_string()).collect();
        assert_eq!(errors, [] as [String; 0], "{text}");
    };
    check(&project.read(file));
    github(&["--check"]).ok();
    project.append(file, "# mine\n");
    github(&["--check"]).fails(1).says("is not what xbuild writes");

    // With images, other targets, and in a folder of a repository.
    let targets = TARGETS.map(|target| format!("\"{target}\"")).join(", ");
    project.write(
        "xbuild.toml",
        &format!(
            "[build]\ntargets = [{targets}]\n[image]\nrepository = \"registry.example/it's/{{name}}\"\n"
        ),
    );
    let whole = project.folder.path();
    said(Command::new("git").args(["init", "--quiet"]).current_dir(whole));
    github(&["--native", "--branch", "trunk"]).ok();
    let text = fs::read_to_string(whole.join(file)).unwrap();
    check(&text);
    let jobs = &yaml(&text)["jobs"];
    assert_eq!(jobs["xbuild"]["defaults"]["run"]["working-directory"], "project");
    // A pull request starts no job that may write.
    assert_eq!(yaml(&text)["permissions"], serde_json::json!({ "contents": "read" }));
    let may_write = |job: &Value| job["permissions"].to_string().contains("write");
    let writers: Vec<(&String, &Value)> =
        jobs.as_object().unwrap().iter().filter(|(_, job)| may_write(job)).collect();
    let [(name, writer)] = writers[..] else { panic!("{writers:?}") };
    assert_eq!((name.as_str(), &writer["if"]), ("push", &"startsWith(github.ref, 'refs/tags/v')".into()));
    let rows = jobs["native"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let machines: Vec<&str> = rows.iter().filter_map(|row| row["os"].as_str()).collect();
    assert_eq!(machines, ["ubuntu-24.04-arm", "windows-2025"]);
    assert!(text.contains("branches: [trunk]") && text.contains("REGISTRY: 'registry.example'"), "{text}");
}

/// What a release has, as `xbuild dist` makes it of xbuild itself: the archive and its checksum.
fn release(folder: &Path) {
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("xbuild-{version}-x86_64-unknown-linux-musl");
    let place = folder.join(format!("v{version}"));
    fs::create_dir_all(place.join(&name)).unwrap();
    fs::copy(XBUILD, place.join(&name).join("xbuild")).unwrap();
    let shell = format!("tar -czf {name}.tar.gz {name} && sha256sum {name}.tar.gz > SHA256SUMS");
    said(Command::new("sh").args(["-c", &shell]).current_dir(&place));
}

/// The address at which a folder with a release is served.
fn serve_release(folder: &Path) -> String {
    release(folder);
    serve_folder(folder.to_owned())
}

/// Whether the step that changes the machine would do so.
fn is_restricted() -> bool {
    let setting = fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    setting.is_ok_and(|value| value.trim() == "1")
}

/// A runner: its folder, in which `bin` stands before all other programs, and the store.
struct Runner<'r> {
    folder: &'r Path,
    store: &'r Path,
    releases: &'r str,
    /// What differs from the first run of a job.
    environment: &'r [(&'r str, &'r str)],
}

/// Runs the steps of a job that are commands, as the runner does; what actions do, the test does.
fn run_steps(project: &Project, job: &str, runner: &Runner<'_>) -> String {
    let Runner { folder, store, releases, environment } = runner;
    let job = &yaml(&project.read(".github/workflows/xbuild.yml"))["jobs"][job];
    fs::create_dir_all(folder).unwrap();
    let (paths, mut log) = (folder.join("path"), String::new());
    for step in job["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str() else { continue };
        // This machine's settings are not the test's to change; where the sandbox runs they need not be.
        if step["name"] == "Allow user namespaces" && is_restricted() {
            continue;
        }
        let more = fs::read_to_string(&paths).unwrap_or_default();
        let (own, path) = (folder.join("bin").display().to_string(), std::env::var("PATH").unwrap());
        let path = [own.as_str()].into_iter().chain(more.lines()).chain([path.as_str()]);
        let path = path.collect::<Vec<_>>().join(":");
        let mut shell = Command::new("bash");
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(&project.root);
        shell.env("PATH", path).env("RUNNER_TEMP", folder).env("GITHUB_PATH", &paths);
        shell.env("GITHUB_STEP_SUMMARY", folder.join("summary.md")).env("GITHUB_WORKSPACE", &project.root);
        shell
            .env("BASE_IS_OF_THESE_LOCKS", "")
            .env("GITHUB_ACTIONS", "true")
            .env("XBUILD_STORE", store)
            .env("XBUILD_RELEASES", releases)
            .envs(environment.iter().copied());
        let output = shell.output().unwrap();
        let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        assert!(output.status.success(), "{}: {script}\n{said}", step["name"]);
        log += &said;
    }
    log
}

#[test]
fn the_job_s_steps_run_on_a_bare_checkout_and_then_from_its_packs() {
    let project = project();
    project.xbuild(&["ci", "github"]).ok();
    let served = tempfile::tempdir().unwrap();
    let releases = serve_release(served.path());
    let runner = project.folder.path().join("runner");
    let first = Runner { folder: &runner, store: &shared_store(), releases: &releases, environment: &[] };
    let log = run_steps(&project, "xbuild", &first);
    assert!(log.contains("1 passed") && log.contains("Packed"), "{log}");
    assert!(project.result("dist/SHA256SUMS").exists(), "{log}");
    assert!(fs::read_to_string(runner.join("summary.md")).unwrap().contains("## xbuild"));

    // Another machine with nothing but the packs, which the cache has brought.
    let there = project.folder.path().join("there");
    fs::create_dir_all(&there).unwrap();
    for name in ["base.pack", "run.pack", "outputs.json"] {
        fs::rename(runner.join(name), there.join(name)).unwrap();
    }
    let store = tempfile::tempdir().unwrap();
    // There is no network.
    let environment = [("XBUILD_OFFLINE", "1"), ("BASE_IS_OF_THESE_LOCKS", "true")];
    let (store, environment) = (&store.path().join("store"), &environment);
    let second = Runner { folder: &there, store, releases: &releases, environment };
    let log = run_steps(&project, "xbuild", &second);
    assert!(log.contains("Took in") && !log.contains("Building "), "nothing is built anew: {log}");
    assert!(fs::read_to_string(there.join("summary.md")).unwrap().contains("| same |"));
}

#[test]
fn a_tag_s_images_are_pushed_by_a_job_that_builds_nothing() {
    let registry = Registry::new();
    let project = project();
    project
        .append("xbuild.toml", &format!("[image]\nrepository = \"{}/team/{{name}}\"\n", registry.address()));
    project.xbuild(&["ci", "github"]).ok();
    let served = tempfile::tempdir().unwrap();
    let releases = serve_release(served.path());
    let runner = project.folder.path().join("runner");
    let first = Runner { folder: &runner, store: &shared_store(), releases: &releases, environment: &[] };
    run_steps(&project, "xbuild", &first);
    assert_eq!(registry.digest("team/gated", "1.2.3"), None);
    let page = fs::read_to_string(runner.join("summary.md")).unwrap();
    let image = "| `image default/gated linux/amd64` |";
    assert!(page.lines().any(|line| line.starts_with(image) && line.contains("| built | ")), "{page}");

    // Another machine with the packs, the one from the cache, the other handed over.
    let there = project.folder.path().join("there");
    fs::create_dir_all(there.join("bin")).unwrap();
    for name in ["base.pack", "run.pack"] {
        fs::rename(runner.join(name), there.join(name)).unwrap();
    }
    let docker = there.join("bin/docker");
    fs::write(&docker, "#!/bin/sh\necho \"$@\" > \"$RUNNER_TEMP/login\"\ncat >> \"$RUNNER_TEMP/login\"\n")
        .unwrap();
    fs::set_permissions(&docker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let nobody = there.join("nobody").display().to_string();
    let environment = [
        ("GITHUB_REF_NAME", "v1.2.3"),
        ("REGISTRY", registry.address()),
        ("REGISTRY_USER", "somebody"),
        ("REGISTRY_TOKEN", "t0ken"),
        ("DOCKER_CONFIG", nobody.as_str()),
    ];
    let store = tempfile::tempdir().unwrap();
    let (store, environment) = (&store.path().join("store"), &environment);
    let second = Runner { folder: &there, store, releases: &releases, environment };
    let log = run_steps(&project, "push", &second);
    assert!(!log.contains("Building ") && !log.contains("Fetched"), "nothing is made anew: {log}");
    let login = format!("login {} --username somebody --password-stdin\nt0ken\n", registry.address());
    assert_eq!(fs::read_to_string(there.join("login")).unwrap(), login);
    let digest = registry.digest("team/gated", "1.2.3").expect("the tag leads to it");
    let line = format!("\n- `{}/team/gated@{digest}`\n", registry.address());
    assert_eq!(fs::read_to_string(there.join("summary.md")).unwrap(), line);
}

#[test]
fn the_native_job_starts_what_its_machine_starts_and_fails_for_the_rest() {
    let project = project();
    let targets = TARGETS.map(|target| format!("\"{target}\"")).join(", ");
    project.write("xbuild.toml", &format!("[build]\ntargets = [{targets}]\n"));
    project.xbuild(&["ci", "github", "--native"]).ok();
    project.xbuild(&["dist"]).ok();
    let job = &yaml(&project.read(".github/workflows/xbuild.yml"))["jobs"]["native"];
    let step = job["steps"].as_array().unwrap().iter().find(|step| step["name"] == "Start it").unwrap();
    let start = |target: &str| {
        // The action before it has brought the archives.
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(project.result("dist")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let mut shell = Command::new("bash");
        shell.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        shell.env("TARGET", target).env("PROGRAM", "gated").current_dir(folder.path()).output().unwrap()
    };
    let started = start(TARGETS[0]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    assert_eq!(String::from_utf8_lossy(&started.stdout).lines().count(), 1, "its word");
    let has_unzip = Command::new("unzip").arg("-v").output().is_ok();
    let why = if has_unzip { "gated.exe" } else { "unzip" };
    for (target, why) in [(TARGETS[2], why), ("riscv64gc-unknown-linux-gnu", "")] {
        let failed = start(target);
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(!failed.status.success() && said.contains(why), "{target}: {said}");
    }
}

#[test]
fn a_matrix_is_told_row_by_row() {
    let project = project();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/workflows/matrix.yml");
    let file = file.to_str().unwrap();
    let told = project.xbuild(&["ci", "github", "--from", file]).ok();
    insta::assert_snapshot!("matrix", told.stdout);
    let lines = project.xbuild(&["--message-format", "json", "ci", "github", "--from", file]).ok().json();
    assert_eq!(lines.len(), told.stdout.lines().filter(|line| !line.starts_with(' ')).count());
    assert_eq!(lines[0]["reason"], "xbuild-matrix-row");
    project.xbuild(&["ci", "github", "--from", "nothing.yml"]).fails(1).says("nothing.yml");
    project.write("broken.yml", "jobs: [\n");
    project.xbuild(&["ci", "github", "--from", "broken.yml"]).fails(1).says("broken.yml").says("YAML");
    project.write("other.yml", "a: 1\n");
    project.xbuild(&["ci", "github", "--from", "other.yml"]).fails(1).says("has no jobs");
}
