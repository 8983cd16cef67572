//! What a node is called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The platform of what is made for the machine that builds.
pub(crate) const HOST: &str = "host";

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
    /// What the step makes that the description calls like the package.
    Step,
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
    /// The package's name, or a step's.
    pub package: String,
    /// Its version; a step has none.
    pub version: String,
    /// Cargo's id of the package, for messages to programs; a step is of none.
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

impl Label {
    /// Of a step that the description names.
    #[must_use]
    pub fn step(name: &str) -> Self {
        Self {
            package: name.to_owned(),
            version: String::new(),
            package_id: String::new(),
            what: What::Step,
            checker: None,
            platform: HOST.to_owned(),
            local: true,
        }
    }

    /// Cargo's id of the package that it is of.
    #[must_use]
    pub fn of_package(&self) -> Option<&str> {
        Some(self.package_id.as_str()).filter(|id| !id.is_empty())
    }

    /// Its name with what tells a test's run from a unit that is called like it.
    #[must_use]
    pub fn in_full(&self) -> String {
        if matches!(self.what, What::TestRun(_)) { format!("run of {self}") } else { self.to_string() }
    }

    /// Whether a program of the project's own is run for it, and not a compiler.
    #[must_use]
    pub const fn is_run(&self) -> bool {
        matches!(self.what, What::TestRun(_) | What::ScriptRun | What::Step)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, version, what, checker, .. } = self;
        if *what == What::Step {
            return write!(f, "step {package}");
        }
        write!(f, "{package} {version}")?;
        match checker {
            None => {}
            Some(Checker::Rustc) => f.write_str(" check")?,
            Some(Checker::Clippy) => f.write_str(" clippy")?,
        }
        match what {
            What::Library | What::Step => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_from_the_program_that_is_called_so_and_a_step_has_its_name_alone() {
        let of = |what| {
            let label =
                Label { package: "app".to_owned(), version: "0.1.0".to_owned(), what, ..Label::step("") };
            (label.to_string(), label.in_full())
        };
        let both = |name: &str, full: &str| (name.to_owned(), full.to_owned());
        assert_eq!(of(What::Binary("app".to_owned())), both("app 0.1.0 (bin app)", "app 0.1.0 (bin app)"));
        let run = both("app 0.1.0 (bin app)", "run of app 0.1.0 (bin app)");
        assert_eq!(of(What::TestRun("bin app".to_owned())), run);
        let step = Label::step("site");
        assert_eq!((step.to_string(), step.of_package()), ("step site".to_owned(), None));
    }
}
