//! The layers of a toolchain: what host work sees, and what each target adds.

use std::collections::BTreeMap;

use xbuild_base::{Digest, Tree, Triple};
use xbuild_describe::{ComponentName, Distribution, Glibc, Std, TargetSpec, Toolchain};

use super::composer::Composer;
use super::problem::ToolchainError;
use crate::error::FetchError;
use crate::official::{Official, Server};

/// A target that layers are wanted for, and the choice of its glibc (its own default where none is made).
pub type WantedTarget<'w> = (&'w TargetSpec, Option<Glibc>);

/// A toolchain's layers, each a tree laid out from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// What host work sees: the toolchain's components in their order, then an official distribution's rustc,
    /// cargo and std for the host.
    pub host: Vec<Digest<Tree>>,
    /// For each wanted target, in the order given.
    pub targets: Vec<TargetLayers>,
    /// std's source; only when a target's std must be built from it.
    pub source: Option<Digest<Tree>>,
    /// The trees of all components in them, by name.
    pub components: BTreeMap<ComponentName, Digest<Tree>>,
    /// The trees of an official distribution's archives in them, by package and target.
    pub archives: BTreeMap<(&'static str, Triple), Digest<Tree>>,
}

/// What work for a target sees beside the host's layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetLayers {
    /// Its sysroot.
    pub sysroot: Vec<Digest<Tree>>,
    /// Its prebuilt std; `None` when it must be built from [`Layers::source`].
    pub std: Option<Digest<Tree>>,
}

impl Composer<'_> {
    /// The layers of a toolchain for host work and for these targets. Whatever is missing is fetched: nothing that
    /// only other targets need.
    ///
    /// # Errors
    /// As [`Composer::trees`] and [`Official::trees`].
    pub fn layers(
        &self,
        toolchain: &Toolchain,
        targets: &[WantedTarget<'_>],
        server: &Server,
    ) -> Result<Layers, FetchError> {
        let is_official = toolchain.distribution == Distribution::Official;
        let prebuilt = |spec: &TargetSpec| match (&spec.std, is_official) {
            (_, true) => toolchain.archive("rust-std", &spec.triple).is_some(),
            (Std::Prebuilt(_), false) => true,
            (Std::Source, false) => false,
        };
        let needs_source = targets.iter().any(|(spec, _)| !prebuilt(spec));

        let mut names: Vec<&ComponentName> = toolchain.rust.iter().collect();
        for (spec, glibc) in targets {
            names.extend(spec.sysroot(*glibc));
            if let (Std::Prebuilt(name), false) = (&spec.std, is_official) {
                names.push(name);
            }
        }
        if needs_source {
            names.extend(&toolchain.source);
        }
        // Who plans runs what is for host work: that can't wait.
        let is_deferring = self.fetcher.deferred().is_some();
        if is_deferring {
            self.trees_now(&toolchain.rust)?;
        }
        let components = self.trees(names)?;
        let tree = |name: &ComponentName| components.get(name).copied();

        let official = Official { fetcher: self.fetcher, server, toolchain };
        let mut wanted = Vec::new();
        if is_official {
            wanted.extend(["rustc", "cargo", "rust-std"].map(|package| (package, self.host)));
            if is_deferring {
                official.trees_now(&wanted)?;
            }
            let others = targets.iter().filter(|(spec, _)| prebuilt(spec));
            wanted.extend(others.map(|(spec, _)| ("rust-std", &spec.triple)));
            if needs_source && toolchain.source.is_none() {
                wanted.push(("rust-src", self.host));
            }
        }
        let names = wanted.iter().map(|&(package, triple)| (package, triple.clone()));
        let archives: BTreeMap<_, Digest<Tree>> = names.zip(official.trees(&wanted)?).collect();
        let archive = |package, triple: &Triple| archives.get(&(package, triple.clone())).copied();

        let mut host: Vec<Digest<Tree>> = toolchain.rust.iter().filter_map(tree).collect();
        host.extend(["rustc", "cargo", "rust-std"].iter().filter_map(|&package| archive(package, self.host)));
        let layers = targets.iter().map(|(spec, glibc)| TargetLayers {
            sysroot: spec.sysroot(*glibc).into_iter().filter_map(tree).collect(),
            std: match (&spec.std, is_official) {
                (_, true) => archive("rust-std", &spec.triple),
                (Std::Prebuilt(name), false) => tree(name),
                (Std::Source, false) => None,
            },
        });
        let targets = layers.collect();
        let source = needs_source
            .then(|| toolchain.source.as_ref().map_or_else(|| archive("rust-src", self.host), tree))
            .flatten();
        Ok(Layers { host, targets, source, components, archives })
    }

    /// The tree of a toolchain's clippy, which lies over its host's layers.
    ///
    /// # Errors
    /// [`ToolchainError::NoTool`], or as [`Composer::trees`] and [`Official::trees`].
    pub fn clippy(&self, toolchain: &Toolchain, server: &Server) -> Result<Digest<Tree>, FetchError> {
        self.tool("clippy", toolchain.clippy.as_ref(), toolchain, server)
    }

    /// The tree of a toolchain's rustfmt, likewise.
    ///
    /// # Errors
    /// As [`Composer::clippy`].
    pub fn rustfmt(&self, toolchain: &Toolchain, server: &Server) -> Result<Digest<Tree>, FetchError> {
        self.tool("rustfmt", toolchain.rustfmt.as_ref(), toolchain, server)
    }

    fn tool(
        &self,
        tool: &'static str,
        component: Option<&ComponentName>,
        toolchain: &Toolchain,
        server: &Server,
    ) -> Result<Digest<Tree>, FetchError> {
        if let Some(name) = component {
            return self.tree(name);
        }
        let none = || ToolchainError::NoTool { version: toolchain.version.to_string(), tool };
        if toolchain.archive(tool, self.host).is_none() {
            return Err(none().into());
        }
        let trees = Official { fetcher: self.fetcher, server, toolchain }.trees(&[(tool, self.host)])?;
        Ok(*trees.first().ok_or_else(none)?)
    }
}
