//! What the end-to-end tests have in common.
//!
//! Each test runs the real binary as its own process, over one store that all of them share (`XBUILD_TEST_STORE`,
//! else `xbuild-test-store` in the target folder), so that toolchains are fetched and std is built once. A test
//! that is about an empty store names another: [`Xbuild::store`].
//!
//! ```ignore
//! let project = Project::example();
//! let ran = project.xbuild(&["all"]).ok();
//! assert!(ran.stdout.contains("foo"));
//! project.xbuild(&["build", "nonsense"]).fails(1).says("nonsense");
//! ```

#![allow(dead_code, unused_imports, reason = "each test takes what it needs")]

pub(crate) mod base;
pub(crate) mod image;
pub(crate) mod machine;
pub(crate) mod mirror;
pub(crate) mod printed;
pub(crate) mod processes;
mod program;
pub(crate) mod registry;
pub(crate) mod rustup_mirror;
pub(crate) mod trace;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;

pub(crate) use program::{Program, run, runs, said, succeeds, text};

/// The targets that the example is built for, and that everything must work on.
pub(crate) const TARGETS: [&str; 3] =
    ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu"];

/// The binary under test.
pub(crate) const XBUILD: &str = env!("CARGO_BIN_EXE_xbuild");

/// What a user's environment says of the way to the network: the tests' own environment, but for these and
/// [`KEPT`], is nothing that xbuild should see.
const KEPT_PREFIXES: [&str; 8] = [
    "XBUILD_",
    "PIP_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "SSL_CERT_",
    "GIT_SSL_",
];
const KEPT: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "CARGO_HOME",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// The store that the tests share.
pub(crate) fn shared_store() -> PathBuf {
    match std::env::var_os("XBUILD_TEST_STORE").filter(|store| !store.is_empty()) {
        Some(store) => PathBuf::from(store),
        // The binary lies in <target folder>/<profile>.
        None => Path::new(XBUILD).ancestors().nth(2).unwrap().join("xbuild-test-store"),
    }
}

/// Runs xbuild over the shared store, in the current folder.
pub(crate) fn xbuild(arguments: &[&str]) -> Ran {
    Xbuild::new().run(arguments)
}

/// One call of xbuild, to be adjusted.
#[derive(Debug, Clone)]
pub(crate) struct Xbuild {
    store: PathBuf,
    folder: Option<PathBuf>,
    environment: BTreeMap<String, OsString>,
    pub(crate) through: Vec<String>,
    program: PathBuf,
    user: Option<u32>,
}

impl Xbuild {
    pub(crate) fn new() -> Self {
        Self {
            store: shared_store(),
            folder: None,
            environment: BTreeMap::new(),
            through: Vec::new(),
            program: PathBuf::from(XBUILD),
            user: None,
        }
    }

    /// Over another store.
    pub(crate) fn store(mut self, store: &Path) -> Self {
        self.store = store.to_owned();
        self
    }

    /// In a folder.
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// With a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Started by another program, which is given `xbuild` and its arguments after its own: `taskset -c 0`. The first
    /// one that is named is the outermost.
    pub(crate) fn through(mut self, program: &[&str]) -> Self {
        self.through.extend(program.iter().map(|&word| word.to_owned()));
        self
    }

    /// Another xbuild than the one under test.
    pub(crate) fn program(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// As another user, and a group of the same number: for tests that root runs.
    pub(crate) fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// The process, not yet started: for tests that send it signals.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = self.program.to_str().unwrap();
        let words: Vec<&str> = self.through.iter().map(String::as_str).chain([program]).collect();
        let mut command = Command::new(words[0]);
        if let Some(user) = self.user {
            std::os::unix::process::CommandExt::uid(&mut command, user);
            std::os::unix::process::CommandExt::gid(&mut command, user);
        }
        command.args(&words[1..]).args(arguments).env_clear().stdin(Stdio::null());
        for (name, value) in std::env::vars_os() {
            let kept = name.to_str().is_some_and(|name| {
                KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            });
            if kept {
                command.env(name, value);
            }
        }
        command.env_remove("XBUILD_TEST_STORE").env("XBUILD_STORE", &self.store).envs(&self.environment);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let start = Instant::now();
        let output = self.command(arguments).output().unwrap();
        let ran = Ran {
            command: format!("xbuild {}", arguments.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            time: start.elapsed(),
        };
        // nextest and libtest show it when the test fails.
        println!("{} [{:.1} s, {:?}]", ran.command, ran.time.as_secs_f64(), ran.code);
        ran
    }
}

/// What a call of xbuild came to.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) command: String,
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) time: Duration,
}

impl Ran {
    /// It must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ends_with(0)
    }

    /// It must have failed with an exit code (see `xbuild`'s `error` module), and said why.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Self {
        assert!(!self.stderr.trim().is_empty(), "`{}` failed and said nothing", self.command);
        self.ends_with(code)
    }

    #[track_caller]
    fn ends_with(self, code: i32) -> Self {
        let Self { command, code: was, stdout, stderr, .. } = &self;
        assert_eq!(*was, Some(code), "`{command}` ended with {was:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Standard output or standard error must have a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let Self { command, stdout, stderr, .. } = &self;
        let said = stdout.contains(text) || stderr.contains(text);
        assert!(said, "`{command}` doesn't say {text:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// How many units were built and how many were cached, by the line that ends a build.
    #[track_caller]
    pub(crate) fn finished(&self) -> (usize, usize) {
        let line = self.stderr.lines().rfind(|line| line.contains("Finished"));
        let numbers: Vec<usize> = line
            .unwrap_or_else(|| {
                panic!("`{}` doesn't say that it has finished:\n{}", self.command, self.stderr)
            })
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect();
        (numbers[1], numbers[2])
    }

    /// The lines of `--message-format json`, each of which must parse.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in this line: {line}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The outputs that JSON lines tell of: output name → SHA-256.
    #[track_caller]
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        let text = |line: &serde_json::Value, key: &str| line[key].as_str().map(str::to_owned);
        self.json().iter().filter_map(|line| Some((text(line, "output")?, text(line, "sha256")?))).collect()
    }
}

/// A project in a temporary folder that is removed in the end. It lies in no git repository.
#[derive(Debug)]
pub(crate) struct Project {
    /// What is above the project's own folder, for what lies beside it.
    pub(crate) folder: tempfile::TempDir,
    /// The project's own folder.
    pub(crate) root: PathBuf,
}

impl Project {
    /// A project with no files.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        fs::create_dir(&root).unwrap();
        Self { folder, root }
    }

    /// `examples/rust-app`, with `examples/glaze` beside it.
    pub(crate) fn example() -> Self {
        let project = Self::empty();
        let examples = repository().join("examples");
        copy(&examples.join("rust-app"), &project.root);
        copy(&examples.join("glaze"), &project.folder.path().join("glaze"));
        project
    }

    /// A folder of `tests/fixtures`.
    pub(crate) fn fixture(name: &str) -> Self {
        let project = Self::empty();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), &project.root);
        project
    }

    /// A package with one program of no dependencies, and its lock.
    pub(crate) fn program(name: &str, main: &str) -> Self {
        let project = Self::empty();
        project.write(
            "Cargo.toml",
            &format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        );
        project.write(
            "Cargo.lock",
            &format!("version = 4\n\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n"),
        );
        project.write("src/main.rs", main);
        project
    }

    /// A workspace of packages and its lock, in the lock's order: of each its name, the one of the others that it needs (or
    /// none), and further lines of `[package]`. Each has a README; the sources are still to be written.
    pub(crate) fn workspace(packages: &[(&str, Option<&str>, &str)]) -> Self {
        let project = Self::empty();
        let mut lock = String::from("version = 4\n");
        for (name, needs, more) in packages {
            let dependency =
                needs.map(|needs| format!("[dependencies]\n{needs} = {{ path = \"../{needs}\" }}\n"));
            let locked = needs.map(|needs| format!("dependencies = [\n \"{needs}\",\n]\n"));
            let head =
                format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}");
            project.write(&format!("{name}/Cargo.toml"), &(head + &dependency.unwrap_or_default()));
            project.write(&format!("{name}/README.md"), "# It has a README.\n");
            let locked = locked.unwrap_or_default();
            lock.push_str(&format!("\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{locked}"));
        }
        project.write("Cargo.lock", &lock);
        let members: Vec<&str> = packages.iter().map(|(name, ..)| *name).collect();
        project.write("Cargo.toml", &format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n"));
        project
    }

    /// A project of these files: path and text of each.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let project = Self::empty();
        files.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    /// Writes a file, by its path from the project's folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Adds text at the end of a file.
    pub(crate) fn append(&self, path: &str, text: &str) {
        self.write(path, &(self.read(path) + text));
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    /// Runs xbuild in the project's folder, over the shared store.
    pub(crate) fn xbuild(&self, arguments: &[&str]) -> Ran {
        Xbuild::new().folder(&self.root).run(arguments)
    }

    /// An output's link below `result`, such as `default/x86_64-unknown-linux-musl/bin/foo`.
    pub(crate) fn result(&self, output: &str) -> PathBuf {
        self.root.join("result").join(output)
    }
}

/// Copies a folder: what of it is source.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if entry.file_name() == "target" || entry.file_name() == "result" {
            continue;
        } else if kind.is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Serves one file of this name to whoever asks, once. Gives its address.
pub(crate) fn serve_once(name: &str, bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
        stream.write_all(&[head.as_bytes(), bytes].concat()).unwrap();
    });
    format!("http://{address}/{name}")
}

/// Serves the files below `folder` until the test ends.
pub(crate) fn serve_folder(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || answer(stream, &folder));
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    match fs::File::open(folder.join(path)) {
        Ok(mut file) => {
            let size = file.metadata().ok()?.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n").ok()?;
            std::io::copy(&mut file, &mut stream).ok()?;
        }
        Err(_) => {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .ok()?;
        }
    }
    Some(())
}
