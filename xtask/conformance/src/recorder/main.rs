//! The recorder: what stands in the sandbox where rustc and compiled build scripts would be, writes down how it was
//! called, and becomes the real program. It is compiled there by the pinned rustc, so it uses nothing but std.
//!
//! What it is called as decides what it does:
//!
//! | name | what it does |
//! |---|---|
//! | `start` | puts itself in rustc's place and becomes the program that its arguments name: cargo |
//! | `rustc` | records cargo's calls; a build script that it has compiled is replaced by itself |
//! | anything else | it stands for a compiled build script |
//!
//! A record is a file of parts that each end in a zero byte: the working directory, the number of arguments, the
//! arguments from the program's own name on, and the environment.
#![allow(clippy::disallowed_methods, reason = "the sandbox has no fs_err")]

use std::ffi::OsString;
use std::fs;
use std::io::{Error, Result, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where it lies.
const SELF: &str = "/build/recorder/start";
/// Where records go.
const RECORDS: &str = "/build/record";
/// What rustc is called meanwhile.
const RUSTC: &str = "/usr/bin/rustc";
const REAL_RUSTC: &str = "/usr/bin/rustc-real";
/// Arguments for the real rustc where it compiles for the target: one a line.
const MORE: &str = "/build/recorder/arguments";

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let name = Path::new(&words[0]).file_name().map(|name| name.to_string_lossy().into_owned());
    let ended = match name.as_deref() {
        Some("start") => start(words.split_off(1)),
        Some("rustc") => rustc(&words),
        _ => script(&words),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("recorder, called as {:?}: {error}", words.first());
            ExitCode::FAILURE
        }
    }
}

fn start(words: Vec<OsString>) -> Result<ExitCode> {
    // Cargo's own folder is found by HOME: a variable would be seen by all that cargo starts.
    symlink("/build/home", "/tmp/.cargo")?;
    fs::rename(RUSTC, REAL_RUSTC)?;
    fs::copy(SELF, RUSTC)?;
    Err(Command::new(&words[0]).args(&words[1..]).exec())
}

fn rustc(words: &[OsString]) -> Result<ExitCode> {
    let mut command = Command::new(REAL_RUSTC);
    command.args(&words[1..]);
    let crate_name = value(words, "--crate-name");
    let compiles = crate_name.is_some_and(|name| name != "___");
    if !(compiles && is_started_by_cargo()) {
        return Err(command.exec());
    }
    record("rustc", words)?;
    if value(words, "--target").is_some() {
        command.args(fs::read_to_string(MORE)?.lines());
    }
    let folder = value(words, "--out-dir").map(PathBuf::from).unwrap_or_default();
    let is_script = crate_name.is_some_and(|name| name.to_string_lossy().starts_with("build_script_"))
        && folder.parent().is_some_and(|above| above.ends_with("build"));
    if !is_script {
        return Err(command.exec());
    }
    let status = command.status()?;
    if status.success() {
        let hash = words.iter().find_map(|word| word.to_str()?.strip_prefix("extra-filename="));
        let mut name = crate_name.cloned().unwrap_or_default();
        name.push(hash.unwrap_or_default());
        let compiled = folder.join(name);
        fs::rename(&compiled, folder.join("real"))?;
        fs::copy(SELF, &compiled)?;
    }
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn script(words: &[OsString]) -> Result<ExitCode> {
    record("script", words)?;
    // Cargo links what was compiled under another name in the same folder.
    let real = std::env::current_exe()?.with_file_name("real");
    Err(Command::new(real).arg0(&words[0]).args(&words[1..]).exec())
}

/// What follows a flag.
fn value<'w>(words: &'w [OsString], flag: &str) -> Option<&'w OsString> {
    words.iter().position(|word| word == flag).and_then(|at| words.get(at + 1))
}

/// Build scripts and proc macros may start rustc too.
fn is_started_by_cargo() -> bool {
    let parent = std::os::unix::process::parent_id();
    fs::read_to_string(format!("/proc/{parent}/comm")).is_ok_and(|name| name.trim() == "cargo")
}

fn record(what: &str, words: &[OsString]) -> Result<()> {
    let count = OsString::from(words.len().to_string());
    let mut parts = vec![std::env::current_dir()?.into_os_string(), count];
    parts.extend(words.iter().cloned());
    parts.extend(
        std::env::vars_os()
            .map(|(name, value)| OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat())),
    );
    let mut text = Vec::new();
    for part in parts {
        if part.as_bytes().contains(&0) {
            return Err(Error::other("a part with a zero byte"));
        }
        text.extend([part.as_bytes(), b"\0"].concat());
    }
    fs::File::create_new(format!("{RECORDS}/{what}.{}", std::process::id()))?.write_all(&text)
}
