//! What a linked file asks of the machine it runs on.
//!
//! The facts are read from the file as the system's loader reads them, not from what the build was told to do:
//! a wrong library on a linker's path, a flag in somebody's build script or a moved sysroot all show here.
//!
//! | | fact | violated when |
//! |---|---|---|
//! | ELF, PE, archives | format and machine | another than the target's |
//! | ELF | interpreter (`PT_INTERP`) and needed libraries (`DT_NEEDED`) | there are any, and the target is static; a library that the target doesn't list; an interpreter outside `/lib` and `/lib64` |
//! | ELF | versions of glibc's symbols (`.gnu.version_r`) | newer than the floor, or private to glibc |
//! | ELF | search paths (`DT_RPATH`, `DT_RUNPATH`) | there are any |
//! | PE | DLLs that are imported, at once or delayed | one that the target doesn't list as part of Windows |
//! | PE | time stamp | never: shown |

mod archive;
mod elf;
mod pe;
mod violation;

use std::fmt;

use object::{FileKind, ReadCache, ReadRef};
use serde::{Deserialize, Serialize};
use xbuild_action::File;
use xbuild_store::Disk;

use crate::error::OutputError;

pub use violation::Violation;

/// A file format that programs are linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Linux and most other Unix systems.
    Elf,
    /// Windows. Object files in an archive for it are COFF.
    Pe,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::Pe => "PE",
        })
    }
}

/// What kind of linked file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A program.
    Program,
    /// A shared library: it has no interpreter of its own.
    Shared,
    /// An archive of object files. Of these only the machine is known before somebody links them.
    Archive,
}

/// How a program finds the code that is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Linking {
    /// All code is in it. Position-independent ones are among these.
    Static,
    /// It has an interpreter, or needs libraries.
    Dynamic,
}

/// What a target allows of its outputs: `[check]` of its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The format.
    pub format: Format,
    /// The machine, as Rust calls it in `target_arch`.
    pub machine: String,
    /// Whether it must be static. Of no meaning for PE, where the system is a set of DLLs.
    pub static_link: bool,
    /// Libraries or DLLs that may be needed. A `*` stands for any text; case counts for ELF alone.
    pub libraries: Vec<String>,
    /// The newest version (major, minor) of glibc whose symbols may be needed.
    pub glibc: Option<(u32, u32)>,
}

/// The newest glibc that is needed, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlibcNeed {
    /// Major and minor version.
    pub version: (u32, u32),
    /// The symbols that need it, sorted.
    pub symbols: Vec<String>,
}

/// What was found in a linked file, and what of it is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The format.
    pub format: Format,
    /// Program, shared library or archive.
    pub form: Form,
    /// The machine, as Rust calls it in `target_arch`.
    pub machine: String,
    /// Static or dynamic; nothing for an archive.
    pub linking: Option<Linking>,
    /// The interpreter that the kernel would start.
    pub interpreter: Option<String>,
    /// Needed libraries or imported DLLs, sorted.
    pub libraries: Vec<String>,
    /// The newest glibc that is needed, when any is.
    pub glibc: Option<GlibcNeed>,
    /// Folders that it would look for libraries in, in their order.
    pub search_paths: Vec<String>,
    /// A PE file's time stamp, in seconds since 1970 or any other number that its linker put there.
    pub time_stamp: Option<u32>,
    /// What is not allowed.
    pub violations: Vec<Violation>,
}

impl Proof {
    fn new(format: Format, form: Form, machine: String) -> Self {
        Self {
            format,
            form,
            machine,
            linking: None,
            interpreter: None,
            libraries: Vec::new(),
            glibc: None,
            search_paths: Vec::new(),
            time_stamp: None,
            violations: Vec::new(),
        }
    }

    /// The proof itself when nothing is violated.
    ///
    /// # Errors
    /// [`OutputError::Violated`], naming `output`.
    pub fn accept(self, output: &str) -> Result<Self, OutputError> {
        if self.violations.is_empty() {
            return Ok(self);
        }
        Err(OutputError::Violated { output: output.to_owned(), proof: Box::new(self) })
    }
}

/// Reads a linked file and compares it with what its
/// target allows.
///
/// # Errors
/// [`OutputError::Unreadable`] when it is damaged, or nothing that a linker or archiver makes.
pub fn prove<'data, R: ReadRef<'data>>(data: R, expectation: &Expectation) -> Result<Proof, OutputError> {
    let unreadable = |error: object::Error| OutputError::Unreadable { problem: error.to_string() };
    let mut found = match FileKind::parse(data).map_err(unreadable)? {
        FileKind::Elf32 => elf::read::<object::elf::FileHeader32<_>, R>(data)?,
        FileKind::Elf64 => elf::read::<object::elf::FileHeader64<_>, R>(data)?,
        FileKind::Pe32 => pe::read::<object::pe::ImageNtHeaders32, R>(data)?,
        FileKind::Pe64 => pe::read::<object::pe::ImageNtHeaders64, R>(data)?,
        FileKind::Archive => archive::read(data)?,
        other => {
            return Err(OutputError::Unreadable { problem: format!("its format is {other:?}") });
        }
    };
    found.proof.violations = violation::compare(&found, expectation);
    Ok(found.proof)
}

/// As [`prove`], of a stored file, of which only the parts that matter are read.
///
/// # Errors
/// As [`prove`], and when the file is missing.
pub fn prove_stored(store: &Disk, file: File, expectation: &Expectation) -> Result<Proof, OutputError> {
    let path = store.path_of(file)?;
    let open = fs_err::File::open(&path).map_err(OutputError::io("open", &path))?;
    prove(&ReadCache::new(open), expectation)
}

/// A proof before it is compared, and what only the comparison needs.
struct Found {
    proof: Proof,
    /// All versions of glibc that are needed, as the file spells them, and the symbols that need each.
    glibc: Vec<(String, Vec<String>)>,
    /// An archive's members by machine.
    members: Vec<(String, String)>,
}

impl Found {
    fn new(proof: Proof) -> Self {
        Self { proof, glibc: Vec::new(), members: Vec::new() }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl fmt::Display for Proof {
    /// A block of lines, `name  value`, with no line break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Program => "program",
            Form::Shared => "shared library",
            Form::Archive => "archive",
        };
        write!(f, "{:<12}{} {form}, {}", "format", self.format, self.machine)?;
        match (self.linking, &self.interpreter) {
            (Some(Linking::Static), _) => write!(f, "\n{:<12}static", "linking")?,
            (Some(Linking::Dynamic), Some(interpreter)) => {
                write!(f, "\n{:<12}dynamic, by {interpreter}", "linking")?;
            }
            (Some(Linking::Dynamic), None) => write!(f, "\n{:<12}dynamic", "linking")?,
            (None, _) => {}
        }
        if !self.libraries.is_empty() {
            write!(f, "\n{:<12}{}", "libraries", self.libraries.join(" "))?;
        }
        if let Some(GlibcNeed { version: (major, minor), symbols }) = &self.glibc {
            write!(f, "\n{:<12}{major}.{minor} or later", "glibc")?;
            if !symbols.is_empty() {
                write!(f, ", for {}", violation::some_of(symbols))?;
            }
        }
        if !self.search_paths.is_empty() {
            write!(f, "\n{:<12}{}", "looks in", self.search_paths.join(" "))?;
        }
        if let Some(time) = self.time_stamp {
            write!(f, "\n{:<12}{time}", "time stamp")?;
        }
        for violation in &self.violations {
            write!(f, "\n{:<12}{violation}", "VIOLATED")?;
        }
        Ok(())
    }
}
