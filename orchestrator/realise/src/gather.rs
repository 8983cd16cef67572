//! A project's sources: its own, and those that its lock names, fetched where they are not in the store.

mod reach;

use std::collections::BTreeMap;
use std::sync::Arc;

use xbuild_action::Content;
use xbuild_base::{Digest, Tree};
use xbuild_cargo::Configuration;
use xbuild_fetch::Fetcher;
use xbuild_fetch::source::cargo_config::{CargoConfig, GitReplacement};
use xbuild_fetch::source::crates::{self, RegistryCrate};
use xbuild_fetch::source::git::{self, GitCommit};
use xbuild_fetch::source::lock::{Lock, LockedSource};
use xbuild_plan::sources::{GitTree, Origin, Registry, Scope, Sources, Vendored};

pub use reach::Reach;

use crate::error::RealiseError;
use crate::local::LocalSources;
use crate::project::{DescribedVariables, Project};

/// Crates that are not fetched, by their index in the lock, each with the tree that stands in for it. None of them can
/// be reached by what is asked for.
pub type StandIns = BTreeMap<usize, Digest<Tree>>;

/// What sources are gathered from.
#[derive(Clone, Copy)]
pub struct Gathering<'g> {
    /// Fetches what is not in the store.
    pub fetcher: &'g Fetcher<'g>,
    /// The store.
    pub store: &'g dyn Content,
    /// The project's own sources.
    pub local: &'g LocalSources,
    /// What it has from elsewhere.
    pub lock: &'g Lock,
    /// Where cargo's configuration says that this is.
    pub cargo: &'g CargoConfig,
}

/// What is of git repositories.
#[derive(Debug, Default)]
struct Git {
    trees: Vec<GitTree>,
    /// Packages of repositories that the configuration replaces with a folder, by what they come from and the name that
    /// it has for that.
    replaced: Vec<(Origin, String, Vendored)>,
}

impl Gathering<'_> {
    /// Fetches what the lock names, but for what others stand in for, and puts all sources in their places.
    ///
    /// # Errors
    /// When something can't be fetched.
    pub fn project(
        &self,
        configuration: Configuration,
        stand_ins: &StandIns,
    ) -> Result<Project, RealiseError> {
        let locked = crates::from_lock(self.lock, self.cargo)?;
        let is_fetched = |one: &&RegistryCrate| !stand_ins.contains_key(&one.index);
        let fetched: Vec<RegistryCrate> = locked.iter().filter(is_fetched).cloned().collect();
        let trees: BTreeMap<usize, Digest<Tree>> =
            fetched.iter().map(|one| one.index).zip(crates::fetch(self.fetcher, &fetched)?).collect();
        // The default registry first, whatever spelling the lock has for it; then the others in order.
        let mut registries = BTreeMap::from([(Origin::CratesIo, (None, Vec::new()))]);
        for one in &locked {
            let (tree, is_stand_in) = match (stand_ins.get(&one.index), trees.get(&one.index)) {
                (Some(&stand_in), _) => (stand_in, true),
                (None, Some(&tree)) => (tree, false),
                (None, None) => continue,
            };
            let (origin, name) = match one.is_default_registry() {
                true => (Origin::CratesIo, None),
                false => (Origin::Registry(one.registry.clone()), self.cargo.source_name(&one.registry)),
            };
            registries.entry(origin).or_insert((name, Vec::new())).1.push(Vendored {
                name: one.name.clone(),
                version: one.version.clone(),
                checksum: Some(one.checksum),
                tree,
                is_stand_in,
            });
        }
        let git = self.git()?;
        for (origin, name, package) in git.replaced {
            registries.entry(origin).or_insert((Some(name), Vec::new())).1.push(package);
        }
        let sources = Sources {
            workspace: self.local.workspace.clone(),
            local: self.local.tree,
            registries: registries
                .into_iter()
                .map(|(origin, (name, packages))| Registry { origin, name, packages })
                .collect(),
            git: git.trees,
            scope: Scope::Package,
        };
        let skeleton = sources.skeleton(self.store)?;
        let variables = DescribedVariables::default();
        Ok(Project { sources: Arc::new(sources), skeleton, configuration, variables })
    }

    /// Fetches all that the lock has of git repositories.
    fn git(&self) -> Result<Git, RealiseError> {
        let Self { fetcher, lock, cargo, .. } = self;
        let mut replaced = Vec::new();
        let mut commits: Vec<GitCommit> = Vec::new();
        for package in &lock.packages {
            let Some(LockedSource::Git(source)) = &package.source else { continue };
            if let Some(GitReplacement { name, folder }) = cargo.git_replacement(source)? {
                let tree = crates::vendored_from_git(fetcher, &package.name, &package.version, &folder)?;
                let origin = Origin::Git { url: source.url.clone(), reference: source.reference.clone() };
                let (own_name, version) = (package.name.clone(), package.version.clone());
                let package = Vendored { name: own_name, version, checksum: None, tree, is_stand_in: false };
                replaced.push((origin, name, package));
                continue;
            }
            let same = |commit: &GitCommit| {
                (&commit.source.url, &commit.source.commit) == (&source.url, &source.commit)
            };
            if !commits.iter().any(same) {
                commits.push(GitCommit { source: source.clone(), tree: None });
            }
        }
        let mut trees = Vec::new();
        for (commit, tree) in commits.iter().zip(git::fetch(fetcher, &commits)?) {
            trees.push(GitTree {
                url: commit.source.url.clone(),
                commit: commit.source.commit.clone(),
                object: git::commit_object(fetcher, &commit.source)?,
                tree,
            });
        }
        Ok(Git { trees, replaced })
    }
}
