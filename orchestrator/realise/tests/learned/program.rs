//! Programs that look at files in every way, and say all that they see: made up by the tests, performed in the sandbox
//! by this program, with an argument.

use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use proptest::prelude::*;
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::package;

/// The first argument: perform, and write what is seen to [`LOG`].
pub(crate) const MAIN: &str = "__main";
/// The first argument: perform, and print what is seen.
const PERFORM: &str = "__perform";
/// The first argument of an interpreter: print the script.
pub(crate) const PRINT: &str = "__print";

/// Where what was seen is written to.
const LOG: &str = "/build/out/log";

/// One thing that a program does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Step {
    Read(String),
    /// Reads it by way of `O_PATH` and `/proc/self/fd`.
    Reopen(String),
    /// Reads a name in a folder that it has open.
    ReadIn(String, String),
    /// Reads the path that a file holds.
    ReadNamed(String),
    /// Reads a name behind a link that it makes itself.
    ReadThrough(String, String),
    Size(String),
    OwnSize(String),
    /// Opens the path alone, and asks for the size.
    OpenedSize(String),
    Exists(String),
    Target(String),
    List(String),
    /// Lists all folders, and asks for the size of whatever has this name.
    Search(String),
    Execute(String),
    Enter(String, Vec<Step>),
    Child(Vec<Step>),
    Thread(Vec<Step>),
    /// Goes on only if the file begins with this.
    If(String, String, Vec<Step>),
    /// Changes the sources, and reads what it has changed.
    Append(String),
    Rename(String, String),
    Link(String, String),
}

/// A program of a few steps.
pub(crate) fn programs() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(steps(), 1..6)
}

fn steps() -> impl Strategy<Value = Step> {
    let path = || paths().boxed();
    let name = || prop::sample::select(vec!["a", "b", "x", "p/a", "l"]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        6 => path().prop_map(Step::Read),
        1 => path().prop_map(Step::Reopen),
        1 => (path(), name()).prop_map(|(folder, name)| Step::ReadIn(folder, name)),
        2 => path().prop_map(Step::ReadNamed),
        2 => (path(), name()).prop_map(|(target, name)| Step::ReadThrough(target, name)),
        3 => path().prop_map(Step::Size),
        3 => path().prop_map(Step::OwnSize),
        1 => path().prop_map(Step::OpenedSize),
        2 => path().prop_map(Step::Exists),
        2 => path().prop_map(Step::Target),
        3 => path().prop_map(Step::List),
        1 => name().prop_map(Step::Search),
        3 => path().prop_map(Step::Execute),
    ];
    let changes = prop_oneof![
        path().prop_map(Step::Append),
        (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        (path(), path()).prop_map(|(from, to)| Step::Link(from, to)),
    ];
    let leaf = prop_oneof![30 => leaf, 1 => changes];
    leaf.prop_recursive(2, 8, 3, move |inner| {
        let steps = || prop::collection::vec(inner.clone(), 1..3);
        let start = prop::sample::select(vec!["o", "t", "p", "#", ""]).prop_map(str::to_owned);
        prop_oneof![
            (paths(), steps()).prop_map(|(folder, steps)| Step::Enter(folder, steps)),
            steps().prop_map(Step::Child),
            steps().prop_map(Step::Thread),
            (paths(), start, steps()).prop_map(|(path, start, steps)| Step::If(path, start, steps)),
        ]
    })
}

/// Paths as a program may write them; most lead to something.
fn paths() -> impl Strategy<Value = String> {
    let places: Vec<String> =
        package::FILES.iter().chain(&package::LINKS).map(|&path| path.to_owned()).collect();
    let others = [
        "", ".", "p", "p/q", "n", "n/p", "nowhere", "l/a", "p/l/b", "n/l", "p/../a", "l/../b", "p/l/l", "a/b",
    ];
    let place = prop_oneof![
        6 => prop::sample::select(places),
        3 => prop::sample::select(others.map(str::to_owned).to_vec()),
    ];
    let start = prop_oneof![
        6 => Just(""),
        1 => Just("./"),
        1 => Just("../"),
        2 => Just("/build/ws/"),
        1 => Just("/proc/self/root/build/ws/"),
        1 => Just("/build/other/"),
        1 => Just("/build/made/"),
        1 => Just("/build/made/../ws/"),
    ];
    (start, place).prop_map(|(start, place)| format!("{start}{place}"))
}

/// Performs a program if asked to, and ends the process.
pub(crate) fn run_if_asked() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [MAIN, program] => fs_err::write(LOG, seen(program)).unwrap(),
        [PERFORM, program] => print!("{}", seen(program)),
        [PRINT, ref scripts @ ..] => {
            for script in scripts {
                println!("{:?}", fs_err::read_to_string(script).map_err(|error| error.kind()));
            }
        }
        _ => return,
    }
    #[expect(clippy::disallowed_methods, reason = "a test program")]
    std::process::exit(0);
}

fn seen(program: &str) -> String {
    let mut log = String::new();
    perform(&serde_json::from_str::<Vec<Step>>(program).unwrap(), &mut log);
    log
}

fn perform(steps: &[Step], log: &mut String) {
    for step in steps {
        let said = one(step, log);
        let said = said.unwrap_or_else(|error| format!("error {:?}", error.raw_os_error()));
        writeln!(log, "{step:?}: {said}").unwrap();
    }
}

fn one(step: &Step, log: &mut String) -> std::io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let open = |path: &str, more| rustix::fs::open(path, flags | more, Mode::empty());
    Ok(match step {
        Step::Read(path) => read(path)?,
        Step::Reopen(path) => {
            use std::os::fd::AsRawFd as _;
            let opened = open(path, OFlags::PATH)?;
            read(&format!("/proc/self/fd/{}", opened.as_raw_fd()))?
        }
        Step::ReadIn(folder, name) => {
            let folder = open(folder, OFlags::DIRECTORY)?;
            let file = rustix::fs::openat(folder, name.as_str(), flags, Mode::empty())?;
            std::io::read_to_string(std::fs::File::from(file))?
        }
        Step::ReadNamed(path) => read(read(path)?.trim_end())?,
        Step::ReadThrough(target, name) => {
            let link = format!("/tmp/{}", log.len());
            fs_err::os::unix::fs::symlink(std::path::absolute(target)?, &link)?;
            read(&format!("{link}/{name}")).or_else(|_| read(&link))?
        }
        Step::Size(path) => metadata(&std::fs::metadata(path)?),
        Step::OwnSize(path) => metadata(&std::fs::symlink_metadata(path)?),
        Step::OpenedSize(path) => rustix::fs::fstat(open(path, OFlags::PATH)?)?.st_size.to_string(),
        Step::Exists(path) => {
            rustix::fs::accessat(CWD, path.as_str(), Access::EXEC_OK, AtFlags::empty())?;
            "there, to be executed".to_owned()
        }
        Step::Target(path) => format!("{:?}", std::fs::read_link(path)?),
        Step::List(path) => listed(path)?.join(" "),
        Step::Search(name) => search(".", name)?,
        Step::Execute(path) => {
            let output = Command::new(std::path::absolute(path)?).output()?;
            format!("{:?} {:?}", output.status.code(), String::from_utf8_lossy(&output.stdout))
        }
        Step::Enter(path, steps) => {
            let before = std::env::current_dir()?;
            std::env::set_current_dir(path)?;
            perform(steps, log);
            std::env::set_current_dir(before)?;
            "back".to_owned()
        }
        Step::Child(steps) => {
            let program = serde_json::to_string(steps)?;
            let output = Command::new("/proc/self/exe").args([PERFORM, &program]).output()?;
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Step::Thread(steps) => {
            std::thread::scope(|scope| scope.spawn(|| perform(steps, log)).join().unwrap());
            "joined".to_owned()
        }
        Step::If(path, start, steps) => {
            let holds = read(path)?.starts_with(start);
            if holds {
                perform(steps, log);
            }
            holds.to_string()
        }
        Step::Append(path) => {
            let mut text = read(path)?;
            text.push('+');
            fs_err::write(path, text)?;
            read(path)?
        }
        Step::Rename(from, to) => {
            fs_err::rename(from, to)?;
            read(to)?
        }
        Step::Link(from, to) => {
            fs_err::hard_link(from, to)?;
            read(to)?
        }
    })
}

/// The error's number is what is said: `fs_err` would hide it.
#[expect(clippy::disallowed_methods, reason = "the error's number is wanted, and no path")]
fn read(path: &str) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// All but what the machine decides: numbers of inodes and devices, and how many links a file of the store has.
fn metadata(of: &std::fs::Metadata) -> String {
    let links = if of.is_dir() { of.nlink() } else { 0 };
    format!("{} {:o} {} {links} {}", of.len(), of.permissions().mode(), of.mtime(), of.uid())
}

#[expect(clippy::disallowed_methods, reason = "the error's number is wanted, and no path")]
fn listed(path: &str) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        names.push(format!("{}:{:?}", entry.file_name().to_string_lossy(), entry.file_type()?));
    }
    names.sort();
    Ok(names)
}

fn search(folder: &str, wanted: &str) -> std::io::Result<String> {
    let mut found = String::new();
    let opened =
        rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&opened)? {
        let entry = entry?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.file_type()));
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in names {
        let path = format!("{folder}/{name}");
        if name == wanted {
            let stat = rustix::fs::statat(&opened, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)?;
            write!(found, "{path} {} ", stat.st_size).unwrap();
        } else if kind == FileType::Directory && name != "." && name != ".." {
            found += &search(&path, wanted)?;
        }
    }
    Ok(found)
}
