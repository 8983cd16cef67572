//! A workspace that the cargo at hand has built, and what was recorded of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wrapper under three names: of rustc, of the tests, of rustdoc.
const WRAPPERS: [&str; 3] = ["rustc", "run", "rustdoc"];

/// A call of rustc, or a build script's run.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) argv: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) working_directory: String,
}

pub(crate) struct Recording {
    root: tempfile::TempDir,
    workspace: PathBuf,
    cargo_home: PathBuf,
    arguments: Vec<String>,
    linker: String,
    triple: String,
}

impl Recording {
    /// Lays the workspace out and lets cargo build it, for the host's own triple as the target.
    pub(crate) fn make(arguments: &[&str], linker: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (workspace, cargo_home) = (root.path().join("ws"), root.path().join("home"));
        Self::of(root, workspace, cargo_home, arguments, linker)
    }

    /// As [`Self::make`] for a workspace that is there already, with the packages of the user's own cargo.
    pub(crate) fn of_workspace(workspace: &Path, arguments: &[&str], linker: &str) -> Self {
        let home = std::env::var("CARGO_HOME").unwrap_or(std::env::var("HOME").unwrap() + "/.cargo");
        Self::of(tempfile::tempdir().unwrap(), workspace.to_owned(), home.into(), arguments, linker)
    }

    fn of(
        root: tempfile::TempDir,
        workspace: PathBuf,
        cargo_home: PathBuf,
        arguments: &[&str],
        linker: &str,
    ) -> Self {
        let recording = Self {
            root,
            workspace,
            cargo_home,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            linker: linker.to_owned(),
            triple: String::new(),
        };
        for part in include_str!("../oracle/workspace.txt").split("--- ").skip(1) {
            let (path, text) = part.split_once('\n').unwrap();
            let path = recording.path(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        fs_err::create_dir_all(recording.path("record")).unwrap();
        fs_err::create_dir_all(recording.path("home")).unwrap();
        let path = |name: &str| recording.path(name).to_str().unwrap().to_owned();
        for name in WRAPPERS {
            recording.rustc(&[&path("wrapper.rs"), "--edition=2024", "-o", &path(name)]);
        }
        let host = recording.rustc(&["-vV"]);
        let triple = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
        let recording = Self { triple, ..recording };
        let mut arguments: Vec<&str> = recording.arguments.iter().map(String::as_str).collect();
        arguments.push("--message-format=json");
        let [rustc, run, rustdoc] = WRAPPERS.map(|name| recording.path(name));
        let runner = format!("target.{}.runner={run:?}", recording.triple);
        let real = Path::new(&recording.cargo_path()).with_file_name("rustdoc");
        let messages = recording.run(
            recording
                .build_command(&arguments)
                .args(["--config", &runner])
                .env("RUSTC_WRAPPER", rustc)
                .env("RUSTDOC", rustdoc)
                .env("REAL_RUSTDOC", real),
        );
        fs_err::write(recording.path("messages"), messages).unwrap();
        recording
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.workspace.clone()
    }

    /// The real programs, not rustup's shims, which would change the environment.
    pub(crate) fn cargo_path(&self) -> String {
        std::env::var("CARGO").unwrap()
    }

    pub(crate) fn rustc_path(&self) -> String {
        Path::new(&self.cargo_path()).with_file_name("rustc").to_str().unwrap().to_owned()
    }

    /// The environment that cargo is called with.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("HOME", text(self.path("home"))),
            ("CARGO_HOME", text(self.cargo_home.clone())),
            ("RUSTC", self.rustc_path()),
            ("RECORD", text(self.path("record"))),
            ("CARGO_TARGET_DIR", text(self.path("target"))),
            ("CARGO_INCREMENTAL", "0".to_owned()),
            ("LD_LIBRARY_PATH", "/opt/outer".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    fn command(&self, program: String, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.workspace()).env_clear().envs(self.environment());
        command
    }

    fn build_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(self.cargo_path(), arguments);
        let linker = format!("target.{}.linker=\"{}\"", self.triple, self.linker);
        command.args(["--target", &self.triple, "--config", &linker, "-j2", "--offline"]);
        command
    }

    fn run(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
        stdout
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> String {
        self.run(&mut self.command(self.cargo_path(), arguments))
    }

    pub(crate) fn rustc(&self, arguments: &[&str]) -> String {
        self.run(&mut self.command(self.rustc_path(), arguments))
    }

    pub(crate) fn is_check(&self) -> bool {
        self.arguments[0] == "check"
    }

    /// The unit graph of what was recorded, or of another command of cargo's with the same options.
    pub(crate) fn unit_graph(&self, command: Option<&str>) -> String {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        if let Some(command) = command {
            arguments[0] = command;
        }
        arguments.extend(["--unit-graph", "-Zunstable-options"]);
        self.run(self.build_command(&arguments).env("RUSTC_BOOTSTRAP", "1"))
    }

    /// OUT_DIR of every script that ran, with its package's id.
    pub(crate) fn script_folders(&self) -> Vec<(String, String)> {
        let messages = fs_err::read_to_string(self.path("messages")).unwrap();
        let messages = messages.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let ran = messages.filter(|message| message["reason"] == "build-script-executed");
        ran.map(|message| {
            let text = |key: &str| message[key].as_str().unwrap().to_owned();
            (text("package_id"), text("out_dir"))
        })
        .collect()
    }

    fn records(&self, prefix: &str) -> Vec<Vec<String>> {
        let files = files_below(&self.path("record")).into_iter();
        let wanted = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix));
        wanted
            .map(|path| {
                let text = fs_err::read_to_string(path).unwrap();
                text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
            })
            .collect()
    }

    fn calls(&self, prefix: &str) -> impl Iterator<Item = Call> {
        self.records(prefix).into_iter().map(|parts| {
            let (arguments, variables) = parts[2..].split_at(parts[1].parse().unwrap());
            Call {
                working_directory: parts[0].clone(),
                argv: arguments.to_vec(),
                environment: environment(variables),
            }
        })
    }

    /// The calls of rustc that compile something.
    pub(crate) fn rustc_calls(&self) -> Vec<Call> {
        let compiles = |call: &Call| {
            let name = call.argv.iter().position(|argument| argument == "--crate-name");
            name.is_some_and(|at| call.argv[at + 1] != "___")
        };
        // The wrapper's first argument is rustc itself.
        let without_program = |call: Call| Call { argv: call.argv[1..].to_vec(), ..call };
        self.calls("rustc.").map(without_program).filter(compiles).collect()
    }

    /// The tests that were run: each with its program as the first argument.
    pub(crate) fn runs(&self) -> Vec<Call> {
        // rustdoc runs what it compiles by the same wrapper.
        let folder = self.target_folder();
        self.calls("run.").filter(|call| Path::new(&call.argv[0]).starts_with(&folder)).collect()
    }

    /// The calls of rustdoc that test something, or that make documentation.
    pub(crate) fn rustdoc_calls(&self, tests: bool) -> Vec<Call> {
        let what = if tests { "--test" } else { "-o" };
        self.calls("rustdoc.").filter(|call| call.argv.iter().any(|argument| argument == what)).collect()
    }

    /// A text about a run with cargo's folder for finished programs under the name of ours.
    pub(crate) fn in_runs(&self, text: &str) -> String {
        text.replace(self.target_folder().to_str().unwrap(), "/build/bin")
    }

    /// What runs the tests.
    pub(crate) fn runner(&self) -> String {
        self.path("run").to_str().unwrap().to_owned()
    }

    pub(crate) fn scripts(&self) -> Vec<Call> {
        self.calls("script.").collect()
    }

    pub(crate) fn script_stdout(&self, out_directory: &str) -> PathBuf {
        Path::new(out_directory).with_file_name("output")
    }

    fn profile_folder(&self) -> String {
        let profile = self.arguments.iter().skip_while(|argument| *argument != "--profile").nth(1);
        let release = self.arguments.iter().any(|argument| argument == "--release");
        profile.cloned().unwrap_or_else(|| if release { "release" } else { "debug" }.to_owned())
    }

    fn host_folder(&self) -> PathBuf {
        self.path("target").join(self.profile_folder())
    }

    fn target_folder(&self) -> PathBuf {
        self.path("target").join(&self.triple).join(self.profile_folder())
    }

    pub(crate) fn is_host_folder(&self, path: &str) -> bool {
        Path::new(path).starts_with(self.host_folder())
    }

    /// The names of all files that rustc made.
    pub(crate) fn artefacts(&self) -> BTreeSet<String> {
        let folders = [
            self.host_folder().join("deps"),
            self.target_folder().join("deps"),
            self.target_folder().join("examples"),
        ];
        let mut names: BTreeSet<String> =
            folders.iter().flat_map(|folder| files_below(folder)).map(name).collect();
        let scripts = files_below(&self.host_folder().join("build")).into_iter().map(name);
        names.extend(scripts.filter(|name| name.starts_with("build_script_")));
        // Programs and libraries are linked under their plain names beside the examples.
        names.retain(|name| !matches!(name.as_str(), "example-one" | "example-one.d"));
        names
    }

    /// Cargo's folders under the names of ours.
    pub(crate) fn renaming(&self) -> Renaming {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Renaming {
            texts: vec![
                (text(self.target_folder().join("deps")), "/build/deps".to_owned()),
                (text(self.host_folder().join("deps")), "/build/host-deps".to_owned()),
                (text(self.path("target").join(&self.triple).join("tmp")), "/build/tmp".to_owned()),
            ],
            host_folder: text(self.host_folder()),
            target_folder: text(self.target_folder()),
            checks: self.arguments[0] == "check",
            hashes: BTreeMap::new(),
        }
    }
}

fn name(path: PathBuf) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn environment(parts: &[String]) -> BTreeMap<String, String> {
    let pairs = parts.iter().filter_map(|part| part.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// How cargo's folders and hashes are called with us.
pub(crate) struct Renaming {
    texts: Vec<(String, String)>,
    host_folder: String,
    target_folder: String,
    checks: bool,
    hashes: BTreeMap<String, String>,
}

/// What cargo's job server and its TLS library add, and what only the recording needs.
const NOT_COMPARED: [&str; 8] = [
    "CARGO_MAKEFLAGS",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "REAL_RUSTDOC",
    "MAKEFLAGS",
    "MFLAGS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

impl Renaming {
    pub(crate) fn learn_text(&mut self, theirs: &str, ours: &str) {
        self.texts.push((theirs.to_owned(), ours.to_owned()));
    }

    /// Takes the hashes of `-C metadata` and `-C extra-filename` for each other's.
    pub(crate) fn learn_hashes(&mut self, theirs: &[String], ours: &[String]) {
        let pick = |argv: &[String], name: &str| {
            argv.iter().find_map(|argument| argument.strip_prefix(name)).map(str::to_owned)
        };
        for name in ["metadata=", "extra-filename=-"] {
            if let (Some(theirs), Some(ours)) = (pick(theirs, name), pick(ours, name)) {
                assert_eq!(ours.len(), 16);
                let before = self.hashes.insert(theirs, ours.clone());
                assert!(before.is_none_or(|before| before == ours), "one hash of cargo's is two of ours");
            }
        }
    }

    pub(crate) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (theirs, ours) in &self.texts {
            text = text.replace(theirs, ours);
        }
        for (theirs, ours) in &self.hashes {
            text = text.replace(theirs, ours);
        }
        text
    }

    pub(crate) fn argv(&self, argv: &[String]) -> Vec<String> {
        let links = !argv.iter().any(|argument| argument.starts_with("--emit=dep-info,metadata"));
        let mut result: Vec<String> = Vec::new();
        for argument in argv {
            let previous = result.last().map(String::as_str);
            if previous == Some("--out-dir") {
                result.push("(out)".to_owned());
            } else if previous == Some("-C") && argument.starts_with("linker=") && !links {
                // Passed on where something is linked, only.
                result.pop();
            } else {
                result.push(self.apply(argument));
            }
        }
        result
    }

    pub(crate) fn environment(&self, environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let compared = environment.iter().filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()));
        compared
            .map(|(name, value)| {
                let value = match name.as_str() {
                    // Cargo has its folder for finished programs there, which is none of ours.
                    "LD_LIBRARY_PATH" => {
                        let kept: Vec<String> = value
                            .split(':')
                            .filter(|path| *path != self.host_folder)
                            .map(|path| self.apply(path))
                            // Checks have no folder for finished programs, and leave out what lies in it.
                            .filter(|path| !self.checks || !path.starts_with("/build/script/"))
                            .collect();
                        kept.join(":")
                    }
                    name if name.starts_with("CARGO_BIN_EXE_") => {
                        value.replace(&format!("{}/", self.target_folder), "/build/bin/")
                    }
                    _ => self.apply(value),
                };
                (name.clone(), value)
            })
            .collect()
    }
}

/// With every run of 16 hexadecimal digits called the same.
pub(crate) fn without_hashes(argv: &[String]) -> Vec<String> {
    argv.iter()
        .map(|argument| {
            let mut text = String::new();
            let mut run = String::new();
            for c in argument.chars().chain(['\n']) {
                if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() {
                    run.push(c);
                } else {
                    text.push_str(if run.len() == 16 { "(hash)" } else { &run });
                    run.clear();
                    text.push(c);
                }
            }
            text
        })
        .collect()
}
