//! Calls of rustc and of build scripts, whoever makes them.

use std::collections::BTreeMap;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// rustc compiles a crate.
    Rustc,
    /// A compiled build script.
    Script,
}

/// A call, with all that the program sees of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    /// The program first.
    pub(crate) argv: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) working_directory: String,
}

impl Call {
    /// Reads a record of the recorder's.
    pub(crate) fn from_record(kind: Kind, record: &str) -> Option<Self> {
        let mut parts = record.strip_suffix('\0')?.split('\0').map(str::to_owned);
        let working_directory = parts.next()?;
        let count: usize = parts.next()?.parse().ok()?;
        let argv: Vec<String> = parts.by_ref().take(count).collect();
        let variables = parts.map(|part| part.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())));
        let environment = variables.collect::<Option<_>>()?;
        (argv.len() == count).then_some(Self { kind, argv, environment, working_directory })
    }

    /// What follows a flag.
    pub(crate) fn value(&self, flag: &str) -> Option<&str> {
        let at = self.argv.iter().position(|argument| argument == flag)?;
        self.argv.get(at + 1).map(String::as_str)
    }

    /// Of whatever else it may differ, the same unit has the same.
    pub(crate) fn identity(&self) -> [Option<&str>; 4] {
        let variable = |name: &str| self.environment.get(name).map(String::as_str);
        match self.kind {
            Kind::Rustc => [
                self.value("--crate-name"),
                self.value("--crate-type"),
                self.value("--target"),
                variable("CARGO_PKG_NAME"),
            ],
            Kind::Script => [
                Some("build script"),
                variable("TARGET"),
                variable("CARGO_PKG_VERSION"),
                variable("CARGO_PKG_NAME"),
            ],
        }
    }

    /// What people call it, by what it says of itself.
    pub(crate) fn title(&self) -> String {
        let text = |value: Option<&str>| value.unwrap_or("?").to_owned();
        let package = text(self.environment.get("CARGO_PKG_NAME").map(String::as_str));
        match self.kind {
            Kind::Rustc => format!(
                "{package}: rustc --crate-name {}{}",
                text(self.value("--crate-name")),
                self.value("--target").map(|triple| format!(" --target {triple}")).unwrap_or_default()
            ),
            Kind::Script => {
                format!(
                    "{package}: build script for {}",
                    text(self.environment.get("TARGET").map(String::as_str))
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let call =
            Call::from_record(Kind::Rustc, "/w\u{0}2\u{0}rustc\u{0}a b\u{0}A=1=2\u{0}B=\n\u{0}").unwrap();
        assert_eq!(call.argv, ["rustc", "a b"]);
        assert_eq!(call.environment["A"], "1=2");
        assert_eq!(call.environment["B"], "\n");
        assert_eq!(call.working_directory, "/w");
        assert_eq!(Call::from_record(Kind::Rustc, "/w\u{0}2\u{0}rustc\u{0}"), None);
    }
}
