//! The list of reasoned exceptions: `exceptions.toml`.

use serde::Deserialize;

use crate::call::{Call, Kind};
use crate::error::Error;

const LIST: &str = include_str!("../exceptions.toml");

/// Arguments that nobody compares.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    exception: Vec<Exception>,
}

/// An argument of rustc that only one side has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// The whole argument.
    pub(crate) argument: String,
    /// Why that is right.
    pub(crate) reason: String,
}

/// What no exception may begin with.
const NEVER: [&str; 9] =
    ["-C", "--codegen", "--cfg", "--check-cfg", "--extern", "-L", "-l", "feature", "cfg("];

impl Exceptions {
    /// The repository's list.
    pub(crate) fn read() -> Result<Self, Error> {
        Self::parse(LIST)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let list: Self = toml::from_str(text).map_err(|error| Error::Exceptions(error.to_string()))?;
        for Exception { argument, reason } in &list.exception {
            let wrong = |problem: &str| Err(Error::Exceptions(format!("`{argument}` {problem}")));
            if !argument.starts_with('-') || NEVER.iter().any(|never| argument.starts_with(never)) {
                return wrong("is none that may be left out");
            }
            if reason.trim().is_empty() {
                return wrong("has no reason");
            }
        }
        Ok(list)
    }

    /// The list.
    pub(crate) fn list(&self) -> &[Exception] {
        &self.exception
    }

    /// A call without them.
    pub(crate) fn apply(&self, mut call: Call) -> Call {
        if call.kind == Kind::Rustc {
            call.argv.retain(|argument| !self.exception.iter().any(|one| one.argument == *argument));
        }
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_what_is_compiled_is_never_an_exception() {
        let list = |argument: &str, reason: &str| {
            Exceptions::parse(&format!("[[exception]]\nargument = '{argument}'\nreason = '{reason}'"))
        };
        for argument in ["-Copt-level=3", "--cfg", "--extern=a", "feature=\"a\"", "HOME=/", "-lfoo"] {
            assert!(matches!(list(argument, "so"), Err(Error::Exceptions(_))), "{argument}");
        }
        assert!(matches!(list("--color=always", " "), Err(Error::Exceptions(_))));
        assert_eq!(list("--color=always", "so").unwrap().list().len(), 1);
    }

    #[test]
    fn the_repository_s_list_is_sound() {
        Exceptions::read().unwrap();
    }
}
