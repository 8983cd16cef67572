//! A shell script in a sandbox: the pinned `sh` of the `tools` component, which must be among the layers.

use std::collections::BTreeSet;
use std::os::fd::RawFd;

use xbuild_action::{
    Cancel, Command, Executor, InputRoot, Isolation, Limits, Observer, Outcome, Request, Unkeyed,
};
use xbuild_base::RelPath;
use xbuild_plan::planning::environment;

/// A script and what it is given.
#[derive(Debug, Clone)]
pub struct Script<'s> {
    /// What the shell does.
    pub text: &'s str,
    /// The folder that it starts in.
    pub folder: &'s RelPath,
    /// All files that it sees.
    pub inputs: &'s InputRoot,
    /// What it may use.
    pub limits: Limits,
    /// Descriptors that it finds open under the same numbers.
    pub descriptors: Vec<RawFd>,
}

impl Script<'_> {
    /// Runs it to its end.
    pub fn run(&self, executor: &dyn Executor, cancel: &Cancel, observer: &mut dyn Observer) -> Outcome {
        let command = Command {
            argv: vec!["/usr/bin/sh".to_owned(), "-c".to_owned(), self.text.to_owned()],
            environment: environment(&[]),
            working_directory: self.folder.clone(),
            outputs: BTreeSet::new(),
        };
        let unkeyed = Unkeyed { descriptors: self.descriptors.clone(), ..Unkeyed::default() };
        let request = Request {
            command: &command,
            inputs: self.inputs,
            isolation: Isolation::Full,
            limits: self.limits,
            unkeyed: &unkeyed,
            observe: &BTreeSet::new(),
            cancel,
        };
        executor.execute(&request, observer)
    }
}

/// A word of a shell.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $x"), r"'it'\''s $x'");
    }
}
