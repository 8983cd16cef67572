//! Where packages come from, by what they are for.
//!
//! | packages | machine | suites | left out |
//! |---|---|---|---|
//! | libraries for a target | `packages.architecture` of its file | those of its sysroot | `packages.without` of its file |
//! | libraries for the host | the host's | those of the toolchain's first component | as of a target with that machine |
//! | tools | the host's | the same | what that component wants, and what installs packages |

use std::collections::BTreeSet;

use xbuild_base::Triple;
use xbuild_describe::{Component, Glibc, TargetSpec, Toolchain};
use xbuild_fetch::toolchain::debian_architecture;

use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::{PackageSet, Purpose};

/// Packages that install and configure others, which nobody does here.
const INSTALLERS: [&str; 8] =
    ["adduser", "debconf", "dpkg", "init-system-helpers", "install-info", "sensible-utils", "systemd", "ucf"];

/// Where packages come from, by what they are for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grounds<'d> {
    pub(crate) described: &'d Described,
    /// What the host's root begins with.
    base: &'d Component,
    /// Debian's word for the host's machine.
    architecture: &'static str,
}

impl<'d> Grounds<'d> {
    pub(crate) fn new(
        described: &'d Described,
        toolchain: &Toolchain,
        host: &Triple,
    ) -> Result<Self, XbuildError> {
        let missing = |what: String| XbuildError::user(what, "take the packages away from [native]");
        let first = toolchain.rust.first().and_then(|name| described.toolchains.components.get(name));
        let base = first.ok_or_else(|| missing(format!("Rust {} has no components", toolchain.version)))?;
        let architecture = debian_architecture(host)
            .ok_or_else(|| missing(format!("Debian has no packages for {host} hosts")))?;
        Ok(Self { described, base, architecture })
    }

    /// Programs for the host.
    pub(crate) fn tools(&self, roots: BTreeSet<String>) -> PackageSet {
        self.of_host(Purpose::Tools, roots)
    }

    /// Libraries for the host.
    pub(crate) fn host_libraries(&self, roots: BTreeSet<String>) -> PackageSet {
        self.of_host(Purpose::Libraries, roots)
    }

    fn of_host(&self, purpose: Purpose, roots: BTreeSet<String>) -> PackageSet {
        let (architecture, suites) = (self.architecture.to_owned(), self.base.suites.clone());
        PackageSet { purpose, architecture, suites, roots }
    }

    /// Libraries for a target with a choice of glibc, if there are packages for it.
    pub(crate) fn libraries(
        &self,
        spec: &TargetSpec,
        glibc: Option<Glibc>,
        roots: BTreeSet<String>,
    ) -> Option<PackageSet> {
        let architecture = spec.packages.as_ref()?.architecture.clone();
        let suites = spec.suites(glibc, &self.described.toolchains);
        Some(PackageSet { purpose: Purpose::Libraries, architecture, suites, roots })
    }

    /// What is left out of a set, with all that only that needs.
    pub(crate) fn without(&self, set: &PackageSet) -> BTreeSet<String> {
        match set.purpose {
            Purpose::Tools => {
                let installers = INSTALLERS.iter().map(|&name| name.to_owned());
                installers.chain(self.base.roots.iter().cloned()).collect()
            }
            Purpose::Libraries => {
                let packages = self.described.targets.iter().filter_map(|spec| spec.packages.as_ref());
                let same = packages.filter(|packages| packages.architecture == set.architecture);
                same.flat_map(|packages| packages.without.iter().cloned()).collect()
            }
        }
    }
}
