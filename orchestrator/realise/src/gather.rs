//! A project's sources: its own, and those that its lock names, fetched where they are not in the store.

mod known;
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
use xbuild_fetch::source::lock::{GitSource, Lock, LockedPackage, LockedSource};
use xbuild_plan::sources::{GitTree, Origin, Registry, Scope, Sources, Vendored};

pub use reach::Reach;

use crate::error::RealiseError;
use crate::local::LocalSources;
use crate::project::{DescribedVariables, Project};

/// Packages that are not fetched, by their index in the lock, each with the tree that stands in for it. None of them can
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
    /// Packages in the place of a repository's, by what they come from, and the name that the configuration has for that
    /// where it has them there; else they stand in for those that are not fetched.
    replaced: Vec<(Origin, Option<String>, Vendored)>,
}

/// Packages of git repositories, by their index in the lock.
struct GitPackages<'l> {
    /// Those that come from there.
    repositories: BTreeMap<usize, &'l GitSource>,
    /// Those of which the configuration says that a folder has them.
    folders: BTreeMap<usize, GitReplacement>,
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
        let git = self.git(stand_ins)?;
        for (origin, name, package) in git.replaced {
            registries.entry(origin).or_insert((name, Vec::new())).1.push(package);
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

    /// Fetches what the lock has of git repositories, but for those whose packages others stand in for.
    fn git(&self, stand_ins: &StandIns) -> Result<Git, RealiseError> {
        let mut git = Git::default();
        let GitPackages { repositories, folders } = self.git_packages()?;
        for (index, replacement) in folders {
            let tree = self.vendored_from_git(index, &replacement)?;
            git.replaced.extend(self.replaced(index, Some(replacement.name), (tree, false)));
        }
        let mut commits: Vec<GitCommit> = Vec::new();
        for (index, source) in repositories {
            let same = |commit: &GitCommit| {
                (&commit.source.url, &commit.source.commit) == (&source.url, &source.commit)
            };
            match stand_ins.get(&index) {
                Some(&tree) => git.replaced.extend(self.replaced(index, None, (tree, true))),
                None if commits.iter().any(same) => {}
                None => commits.push(GitCommit { source: source.clone(), tree: None }),
            }
        }
        for (commit, tree) in commits.iter().zip(git::fetch(self.fetcher, &commits)?) {
            git.trees.push(GitTree {
                url: commit.source.url.clone(),
                commit: commit.source.commit.clone(),
                object: git::commit_object(self.fetcher, &commit.source)?,
                tree,
            });
        }
        Ok(git)
    }

    /// A package in the place of its repository's.
    fn replaced(
        &self,
        index: usize,
        name: Option<String>,
        (tree, is_stand_in): (Digest<Tree>, bool),
    ) -> Option<(Origin, Option<String>, Vendored)> {
        let LockedPackage { name: own_name, version, source, checksum: _ } = &self.lock.packages[index];
        let Some(LockedSource::Git(GitSource { url, reference, commit: _ })) = source else { return None };
        let origin = Origin::Git { url: url.clone(), reference: reference.clone() };
        let (own_name, version) = (own_name.clone(), version.clone());
        Some((origin, name, Vendored { name: own_name, version, checksum: None, tree, is_stand_in }))
    }

    /// A package of a repository that the configuration replaces with a folder.
    fn vendored_from_git(
        &self,
        index: usize,
        GitReplacement { name: _, folder }: &GitReplacement,
    ) -> Result<Digest<Tree>, RealiseError> {
        let LockedPackage { name, version, .. } = &self.lock.packages[index];
        Ok(crates::vendored_from_git(self.fetcher, name, version, folder)?)
    }

    /// The packages of the lock that are of git repositories.
    fn git_packages(&self) -> Result<GitPackages<'_>, RealiseError> {
        let (mut repositories, mut folders) = (BTreeMap::new(), BTreeMap::new());
        for (index, package) in self.lock.packages.iter().enumerate() {
            let Some(LockedSource::Git(source)) = &package.source else { continue };
            match self.cargo.git_replacement(source)? {
                Some(replacement) => drop(folders.insert(index, replacement)),
                None => drop(repositories.insert(index, source)),
            }
        }
        Ok(GitPackages { repositories, folders })
    }
}
