//! What a made-up build script does: it looks at files in many ways, and says all that it sees.
//!
//! The test has this text compiled into the scripts of its projects, and performs it itself to know what they must have
//! seen. So it needs nothing but std.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a path begins that leads from the folder of the package that this code is in.
const THEIRS: &str = "@/";

/// Somebody who looks.
pub(crate) struct Looker<'l> {
    /// The folder that paths lead from.
    pub(crate) own: &'l Path,
    /// The folder of the package that this code is in.
    pub(crate) theirs: &'l Path,
    /// Is told of every path that is looked at.
    pub(crate) looked: &'l mut dyn FnMut(&Path),
}

impl Looker<'_> {
    /// Performs a program, of which each line is a verb and a path; gives what is seen.
    pub(crate) fn perform(&mut self, program: &str) -> String {
        let mut log = String::new();
        for line in program.lines() {
            let (verb, path) = line.split_once(' ').expect("a verb and a path");
            // The number alone: releases of std have different words for it.
            let failed = |error: io::Error| format!("error {}", error.raw_os_error().unwrap_or_default());
            let seen = self.step(verb, path).unwrap_or_else(failed);
            log += &format!("{line}: {seen}\n");
        }
        log
    }

    fn step(&mut self, verb: &str, path: &str) -> io::Result<String> {
        let at = self.at(path);
        Ok(match verb {
            "read" => read(&at)?,
            // What it holds is the path of another.
            "named" => read(&self.at(&read(&at)?))?,
            "size" => metadata(&std::fs::metadata(at)?),
            "own-size" => metadata(&std::fs::symlink_metadata(at)?),
            "executable" => format!("{:o}", std::fs::metadata(at)?.permissions().mode() & 0o100),
            "exists" => at.try_exists()?.to_string(),
            "link" => format!("{:?}", std::fs::read_link(at)?),
            "list" => format!("{:?}", list(&at)?),
            "glob" => format!("{:?}", self.glob(path)?),
            "child" => {
                let output = Command::new("cat").arg(at).output()?;
                format!("{} {}", output.status.success(), String::from_utf8_lossy(&output.stdout))
            }
            verb => unreachable!("{verb}"),
        })
    }

    /// Where a path leads that is looked at now.
    fn at(&mut self, path: &str) -> PathBuf {
        let at = path.strip_prefix(THEIRS).map_or_else(|| self.own.join(path), |path| self.theirs.join(path));
        (self.looked)(&at);
        at
    }

    /// All files below a folder whose names end with `.txt`, and what they hold.
    fn glob(&mut self, folder: &str) -> io::Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        let at = self.at(folder);
        for (name, kind) in list(&at)? {
            let path = format!("{folder}/{name}");
            match kind {
                'd' => found.extend(self.glob(&path)?),
                'f' if name.ends_with(".txt") => {
                    let at = self.at(&path);
                    found.push((path, read(&at)?));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

#[expect(clippy::disallowed_methods, reason = "the error's number is wanted, and no path")]
fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// All but what the machine decides.
fn metadata(of: &std::fs::Metadata) -> String {
    if of.is_file() {
        format!("file {}", of.len())
    } else if of.is_dir() {
        "folder".to_owned()
    } else {
        "link".to_owned()
    }
}

/// The names in a folder with their kinds, sorted.
#[expect(clippy::disallowed_methods, reason = "the error's number is wanted, and no path")]
fn list(folder: &Path) -> io::Result<Vec<(String, char)>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = match entry.file_type()? {
            kind if kind.is_dir() => 'd',
            kind if kind.is_file() => 'f',
            _ => 'l',
        };
        names.push((entry.file_name().to_string_lossy().into_owned(), kind));
    }
    names.sort();
    Ok(names)
}

/// A number that stands for a text (FNV-1a).
pub(crate) fn digest(text: &str) -> u64 {
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, add)
}
