//! Fixtures on disk: as xbuild sees them, and as cargo does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use xbuild_base::Sha256;

use crate::error::Error;
use crate::fixture::{Content, Fixture};

/// A time for git's commits, so that they are always the same.
const TIME: &str = "2026-01-01T00:00:00Z";

/// Cargo's configuration in a workspace.
const CONFIGURATION: &str = ".cargo/config.toml";

/// A fixture on disk.
#[derive(Debug)]
pub(crate) struct Placed {
    folder: tempfile::TempDir,
}

impl Placed {
    /// Writes a fixture; its git repositories into a folder of their own, `git`, whose path is in their addresses.
    pub(crate) fn new(fixture: &Fixture, git: &Path) -> Result<Self, Error> {
        let placed = Self { folder: tempfile::tempdir()? };
        let mut words = BTreeMap::from([("{git}".to_owned(), format!("file://{}", git.display()))]);
        for (name, files) in fixture.repositories() {
            let repository = git.join(name);
            for (path, content) in files {
                write(&repository.join(path), content, &words)?;
            }
            words.insert(format!("{{commit:{name}}}"), commit(&repository)?);
        }
        for (path, content) in fixture.files.iter().filter(|(path, _)| !path.starts_with("git/")) {
            write(&placed.folder.path().join(path), content, &words)?;
        }
        for entry in fs_err::read_dir(placed.workspace())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("vendor") {
                for package in fs_err::read_dir(entry.path())? {
                    checksums(&package?.path())?;
                }
            }
        }
        if !placed.workspace().join("Cargo.lock").exists() {
            lock(&placed.workspace(), &placed.folder.path().join("home"))?;
        }
        Ok(placed)
    }

    /// The workspace's folder.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("ws")
    }

    /// Gives the workspace another `.cargo/config.toml`.
    pub(crate) fn configure(&self, text: &str) -> Result<(), Error> {
        write(&self.workspace().join(CONFIGURATION), &Content::Text(text.to_owned()), &BTreeMap::new())
    }
}

fn write(path: &Path, content: &Content, words: &BTreeMap<String, String>) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    match content {
        Content::Link(target) => fs_err::os::unix::fs::symlink(target, path)?,
        Content::Text(text) => {
            let text = words.iter().fold(text.clone(), |text, (word, value)| text.replace(word, value));
            fs_err::write(path, text)?;
        }
    }
    Ok(())
}

/// Makes a repository of a folder; returns its commit.
fn commit(folder: &Path) -> Result<String, Error> {
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "--all"],
        &["commit", "--quiet", "--message=all of it"],
        &["tag", "v1"],
    ] {
        run(&mut git(folder, arguments))?;
    }
    Ok(run(&mut git(folder, &["rev-parse", "HEAD"]))?.trim().to_owned())
}

fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]);
    git.args(arguments).current_dir(folder).env("GIT_AUTHOR_DATE", TIME).env("GIT_COMMITTER_DATE", TIME);
    git
}

/// Lets the cargo at hand make a lock: which packages there are is no part of what is compared.
fn lock(workspace: &Path, home: &Path) -> Result<(), Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // From the root: what the project's configuration says is for those who build it.
    command.args(["generate-lockfile", "--quiet", "--manifest-path"]).arg(workspace.join("Cargo.toml"));
    command.current_dir("/").env("CARGO_HOME", home).env("CARGO_NET_GIT_FETCH_WITH_CLI", "true");
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "protocol.file.allow");
    command.env("GIT_CONFIG_VALUE_0", "always");
    let configuration = workspace.join(CONFIGURATION);
    if fs_err::read_to_string(&configuration).is_ok_and(|text| text.contains("[source")) {
        command.arg("--config").arg(configuration);
    }
    run(&mut command).map(drop)
}

/// Writes what `cargo vendor` writes beside a package.
fn checksums(package: &Path) -> Result<(), Error> {
    let mut files = BTreeMap::new();
    let mut open = vec![package.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(below) = path.strip_prefix(package) {
                files.insert(below.display().to_string(), Sha256::of(&fs_err::read(&path)?).to_hex());
            }
        }
    }
    let sum = Sha256::of(serde_json::json!(files).to_string().as_bytes()).to_hex();
    let text = serde_json::json!({ "files": files, "package": sum }).to_string();
    Ok(fs_err::write(package.join(".cargo-checksum.json"), text)?)
}

fn run(command: &mut Command) -> Result<String, Error> {
    let program = format!("{command:?}");
    let output = command.output().map_err(|source| Error::Start { program: program.clone(), source })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(Error::Failed { program, output: text(&output.stderr) })
    }
}
