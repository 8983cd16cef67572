//! What a node is called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is made of a package's target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum What {
    /// Its library.
    Library,
    /// Its proc macro.
    ProcMacro,
    /// The program of this name.
    Binary(String),
    /// The test of this target: `lib`, `bin foo`, `test it`.
    Test(String),
    /// A run of the test of this target, `doc` for the library's documentation.
    TestRun(String),
    /// The documentation of the library, or of the program of this name.
    Docs(Option<String>),
    /// The example of this name.
    Example(String),
    /// Its build script, compiled.
    BuildScript,
    /// Its build script, run.
    ScriptRun,
}

/// Who looks at a unit of which nothing but metadata is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Checker {
    /// rustc.
    Rustc,
    /// clippy.
    Clippy,
}

/// A node's name for people, and what a display must know of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Cargo's id of the package, for messages to programs.
    pub package_id: String,
    /// What is made, or only checked.
    pub what: What,
    /// Who checks it, where it is only checked.
    #[serde(default)]
    pub checker: Option<Checker>,
    /// The triple that it is made for, as people named it; `host` for host units.
    pub platform: String,
    /// Whether the package is the project's own: its warnings are shown.
    pub local: bool,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, version, what, checker, .. } = self;
        write!(f, "{package} {version}")?;
        match checker {
            None => {}
            Some(Checker::Rustc) => f.write_str(" check")?,
            Some(Checker::Clippy) => f.write_str(" clippy")?,
        }
        match what {
            What::Library => Ok(()),
            What::ProcMacro => f.write_str(" (proc macro)"),
            What::Binary(name) => write!(f, " (bin {name})"),
            What::Test(name) if name.starts_with("test ") => write!(f, " ({name})"),
            What::Test(name) => write!(f, " ({name} test)"),
            What::TestRun(name) => write!(f, " ({name})"),
            What::Docs(None) => f.write_str(" (docs)"),
            What::Docs(Some(name)) => write!(f, " (docs of bin {name})"),
            What::Example(name) => write!(f, " (example {name})"),
            What::BuildScript => f.write_str(" (build script)"),
            What::ScriptRun => f.write_str(" (build script run)"),
        }
    }
}
