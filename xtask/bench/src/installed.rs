//! Programs to compare with, installed from the default registry.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::process::call;

/// A program, and how it is installed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Installed {
    /// Of the package and of the program.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// More arguments of `cargo install`.
    pub(crate) options: &'static [&'static str],
}

pub(crate) const MBX: Installed = Installed { name: "mbx", version: "1.29.1", options: &[] };

/// What its features add is other places for its cache than this disk.
pub(crate) const SCCACHE: Installed =
    Installed { name: "sccache", version: "0.19.0", options: &["--no-default-features"] };

impl Installed {
    /// The program below `tools`, installed there if it isn't yet: that takes minutes.
    pub(crate) fn program(&self, tools: &Path) -> Result<PathBuf, Error> {
        let Self { name, version, options } = self;
        let program = tools.join("bin").join(name);
        if self.is_there(&program) {
            return Ok(program);
        }
        println!("  installing {name} {version}");
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "--locked", "--force"]).args(*options);
        cargo.arg(format!("{name}@{version}")).arg("--root").arg(tools);
        // Not where this repository is built: that folder may be in use, and has other flags.
        cargo.env("CARGO_TARGET_DIR", tools.join("build"));
        call(&mut cargo, None)?;
        if !self.is_there(&program) {
            let problem = format!("it is not {name} {version}, though it has just been installed");
            return Err(Error::Unexpected { path: program, problem });
        }
        Ok(program)
    }

    fn is_there(&self, program: &Path) -> bool {
        let Ok(called) = call(Command::new(program).arg("--version"), None) else { return false };
        called.stdout.split_whitespace().any(|word| word.trim_start_matches('v') == self.version)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::project::write;

    #[test]
    fn a_program_of_just_that_version_is_there() {
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("bin/mbx");
        let says = |text: &str| {
            write(&program, format!("#!/bin/sh\necho '{text}'\n").as_bytes()).unwrap();
            let permissions = std::fs::Permissions::from_mode(0o755);
            fs_err::set_permissions(&program, permissions).unwrap();
            MBX.is_there(&program)
        };
        assert!(says("mbx 1.29.1 linux-x64"));
        assert!(!says("mbx 1.29.10"));
        assert!(!MBX.is_there(&place.path().join("bin/other")));
    }
}
