//! Builds a program as a newcomer would: `xbuild all`, in a folder with nothing but what was published.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde::Deserialize;
use xtask_corpus::App;
use xtask_ground::{Ground, processor_time, write_tree};

use crate::error::Error;
use crate::stop::Stop;

/// xbuild, and where it works.
#[derive(Debug)]
pub(crate) struct Builder<'b> {
    /// The program.
    pub(crate) xbuild: &'b Path,
    /// Its store.
    pub(crate) store: &'b Path,
    /// How many actions run at once.
    pub(crate) jobs: Option<u16>,
    /// A folder for programs' sources and for logs.
    pub(crate) folder: &'b Path,
    pub(crate) stop: &'b Stop,
}

/// What a build came to.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// The program's file, or why there is none.
    pub(crate) program: Result<PathBuf, Failure>,
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time of all its processes.
    pub(crate) cpu: Duration,
    /// `None` when it did not come to its end.
    pub(crate) units: Option<Units>,
}

/// Why there is no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// An extract of what was said.
    pub(crate) reason: String,
    /// Whether it is the machine's: another day it may go.
    pub(crate) of_machine: bool,
}

/// Units of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) total: usize,
    /// Those that were not in the store.
    pub(crate) built: usize,
}

/// The part that is needed of a unit's line in `--trace`.
#[derive(Deserialize)]
struct Traced {
    cached: bool,
}

/// The part that is needed of a line of `--message-format json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<serde_json::Value>,
    name: Option<String>,
    path: Option<PathBuf>,
}

/// Fetches a program's sources and lays them out as they were published, and nothing beside them; tells where.
pub(crate) fn unpack(ground: &Ground, app: &App, folder: &Path) -> Result<PathBuf, Error> {
    let App { name, version, sha256, .. } = app;
    let lock = format!(
        "version = 4\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
         source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{sha256}\"\n"
    );
    let tree = ground.fetched_crate(&lock)?;
    let project = folder.join(name);
    if project.exists() {
        fs_err::remove_dir_all(&project)?;
    }
    write_tree(&ground.store, tree, &project)?;
    Ok(project)
}

impl Builder<'_> {
    /// Builds a program for a target, in the folder that [`unpack`] made.
    pub(crate) fn build(&self, app: &App, project: &Path, target: &str) -> Result<Built, Error> {
        let log = |kind: &str| self.folder.join("log").join(format!("{}-{target}.{kind}", app.name));
        fs_err::create_dir_all(self.folder.join("log"))?;
        let trace = log("trace");
        if trace.exists() {
            fs_err::remove_file(&trace)?;
        }
        let mut command = Command::new(self.xbuild);
        command.args(["all", "--target", target, "--message-format", "json", "--trace"]).arg(&trace);
        if let Some(jobs) = self.jobs {
            command.args(["--jobs", &jobs.to_string()]);
        }
        command.arg("--project").arg(project).env("XBUILD_STORE", self.store);

        let (before, start) = (processor_time()?, Instant::now());
        let output = self.stop.output(&mut command)?;
        let (wall, cpu) = (start.elapsed(), processor_time()?.saturating_sub(before));
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        fs_err::write(log("log"), &stderr)?;

        if !output.status.success() {
            return Ok(Built { program: Err(failure(&output, &stderr)), wall, cpu, units: None });
        }
        let traced: Vec<Traced> = serde_json::from_str(&fs_err::read_to_string(&trace)?)?;
        let built = traced.iter().filter(|unit| !unit.cached).count();
        let file = app.file(target);
        let program = program(&stdout, target, &file).ok_or_else(|| {
            let reason = format!("xbuild says nothing of {file}");
            Failure { reason, of_machine: false }
        });
        Ok(Built { program, wall, cpu, units: Some(Units { total: traced.len(), built }) })
    }
}

/// Why a call of xbuild's failed.
pub(crate) fn failure(output: &Output, stderr: &str) -> Failure {
    // xbuild says 3 when the machine is in the way; with no code at all something has killed it.
    let of_machine = matches!(output.status.code(), Some(3) | None);
    Failure { reason: extract(stderr), of_machine }
}

/// Where the JSON lines say that a program is.
fn program(lines: &str, target: &str, file: &str) -> Option<PathBuf> {
    lines.lines().find_map(|line| {
        let message: Message = serde_json::from_str(line).ok()?;
        let is_it = message.reason == "xbuild-output"
            && message.target.as_ref().and_then(|target| target.as_str()) == Some(target)
            && message.name.as_deref() == Some(file);
        message.path.filter(|_| is_it)
    })
}

/// What of a failed build's standard error says most: which unit could not be built, and the first complaint.
fn extract(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let unit = lines.iter().position(|line| line.starts_with("error: could not build "));
    let before = &lines[..unit.unwrap_or(lines.len())];
    let panicked = before.iter().position(|line| line.contains("panicked at "));
    let complaint = before.iter().find(|line| line.starts_with("error"));
    let complaint = complaint.or_else(|| before.get(panicked? + 1)).or(before.last());
    let parts: Vec<&str> = unit.map(|unit| lines[unit]).into_iter().chain(complaint.copied()).collect();
    if parts.is_empty() {
        return "it says nothing".to_owned();
    }
    shortened(&parts.join(": ").replace("error: ", ""))
}

/// At most some 300 characters.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_among_the_messages() {
        let lines = "{\"reason\":\"compiler-message\",\"target\":{\"name\":\"rg\"},\"message\":{}}\n\
            {\"reason\":\"xbuild-output\",\"target\":\"t\",\"name\":\"rg\",\"path\":\"/r/bin/rg\"}\n";
        assert_eq!(program(lines, "t", "rg"), Some(PathBuf::from("/r/bin/rg")));
        assert_eq!(program(lines, "u", "rg"), None);
    }

    #[test]
    fn an_extract_names_the_unit_and_the_complaint() {
        let compiler = "    Building a 1.0.0 [t]\nerror[E0425]: cannot find value `x`\n --> src/main.rs:1\n\n\
            error: could not build a 1.0.0 for t: it ended with exit code 1\n  command: rustc\n\
            error: 1 of 9 units could not be built\n";
        assert_eq!(
            extract(compiler),
            "could not build a 1.0.0 for t: it ended with exit code 1: error[E0425]: cannot find value `x`"
        );
        let script = "--- standard error of z (build script run)\nthread 'main' panicked at build.rs:3:5:\n\
            no cmake\nnote: run with `RUST_BACKTRACE=1`\n\
            error: could not build z (build script run) for t: it ended with exit code 101\n";
        assert!(extract(script).ends_with("exit code 101: no cmake"), "{}", extract(script));
        assert_eq!(extract("     Fetched 3 things\nerror: no mirror is known\n"), "no mirror is known");
        assert_eq!(shortened(&"x".repeat(400)).chars().count(), 301);
    }
}
