//! xbuild, called as a user calls it for images.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::process::{Called, call};
use crate::xbuild::Fetch;

/// The tag that is pushed.
pub(crate) const TAG: &str = "v1";

/// xbuild and its store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Xbuild<'x> {
    pub(crate) program: &'x Path,
    pub(crate) store: &'x Path,
    pub(crate) fetch: Fetch,
}

impl Xbuild<'_> {
    /// Builds a project's programs.
    pub(crate) fn build(&self, project: &Path, targets: &[&str]) -> Result<Called, Error> {
        call(&mut self.command(&["build"], project, targets), None)
    }

    /// Makes one image, with more arguments.
    pub(crate) fn image(
        &self,
        project: &Path,
        name: &str,
        targets: &[&str],
        more: &[&str],
    ) -> Result<Called, Error> {
        call(self.command(&["image", name], project, targets).args(more), None)
    }

    /// Makes one image and pushes it to a repository on loopback.
    pub(crate) fn push(
        &self,
        project: &Path,
        name: &str,
        targets: &[&str],
        repository: &str,
    ) -> Result<Called, Error> {
        // A registry is on the network, even here.
        let online = Self { fetch: Fetch::Missing, ..*self };
        let mut command = online.command(&["image", name], project, targets);
        command.args(["--push", "-t", TAG, "--repository", repository]);
        // Nobody is logged in, and no proxy leads to this machine.
        command
            .env("DOCKER_CONFIG", "/nonexistent")
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1");
        call(&mut command, None)
    }

    fn command(&self, verb: &[&str], project: &Path, targets: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(verb);
        for target in targets {
            command.args(["--target", target]);
        }
        if self.fetch == Fetch::Never {
            command.arg("--offline");
        }
        command.arg("--project").arg(project).env("XBUILD_STORE", self.store);
        command
    }
}
