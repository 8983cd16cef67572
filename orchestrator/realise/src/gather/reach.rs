//! Which crates of a lock a request can reach, so that no others are fetched.
//!
//! Cargo plans nothing without the manifest of every package that the lock names. For crates that no graph of the
//! request leads to, one is made up (`xbuild_cargo::StandIn`): what is known of them without having them is what the lock
//! says they depend on, and what others ask of them. Features that such a crate asks of others are not known; it is
//! given all of which the lock shows that they may be on, so that cargo comes to the very same lock.
//!
//! Left out is what only packages lead to that are not asked for, what tests alone need where none is asked for, and what
//! is for other platforms. The latter two only where cargo's resolver looks at features of those alone that are built
//! (Cargo book, "Feature resolver version 2"). Optional dependencies count as reached, and all packages of a git repository
//! with the first of them. All of this is proved against cargo's
//! graph before it is remembered; where it doesn't hold, everything is fetched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cargo_platform::Cfg;
use toml::{Table, Value};
use xbuild_action::{ContentExt as _, Entry, File, TreeBuilder, TreeError, lookup, walk};
use xbuild_base::{Digest, RelPath, Tree, Triple};
use xbuild_cargo::{
    Configuration, Declared, DeclaredDependency, Flavour, StandIn, StandInDependency, StandInOrigin,
    manifest_in,
};
use xbuild_describe::{Asked, TargetSpec, Task, TaskKind};
use xbuild_fetch::source::crates::{self, RegistryCrate};
use xbuild_fetch::source::git::{self, GitCommit};
use xbuild_fetch::source::lock::{GitSource, LockedPackage, LockedSource};

use super::known::Known;
use super::{Gathering, GitPackages, StandIns};
use crate::engine::Engine;
use crate::error::RealiseError;
use crate::platform::{self, Layers};
use crate::workspace::local_files;

/// How far a request reaches into a lock.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The names of the members that are planned.
    pub members: BTreeSet<String>,
    /// Whether with what their tests, examples and benchmarks need.
    pub development: bool,
    /// Features that are asked for, as cargo's `--features` takes them.
    pub features: BTreeSet<String>,
    /// The platforms that something is built for, this machine's among them.
    pub platforms: Vec<(Triple, Vec<Cfg>)>,
    /// Packages that are fetched in any case, by their index in the lock.
    pub besides: BTreeSet<usize>,
}

impl Reach {
    /// Adds what a graph reaches. The trees are the host's; what `rustc` says of a target is no matter of its sysroot.
    ///
    /// # Errors
    /// When rustc can't be asked.
    pub fn add(
        &mut self,
        engine: &Engine<'_>,
        asked: &Asked,
        spec: &TargetSpec,
        host: &[Digest<Tree>],
        configuration: &Configuration,
    ) -> Result<(), RealiseError> {
        self.members.extend(asked.plan.packages.iter().cloned());
        self.features.extend(asked.plan.features.iter().cloned());
        // Further options may choose examples, tests or benchmarks.
        let has_tests = |task: &Task| task.kind == TaskKind::Test || !task.options.is_empty();
        self.development |= asked.task.as_ref().is_some_and(|asked| has_tests(&asked.task));
        let layers = Layers { host: host.to_vec(), ..Layers::default() };
        let configuration = configuration.clone().with_rustflags(&asked.plan.rustflags);
        let toolchain = platform::toolchain(engine, &layers, spec, Flavour::Project, configuration)?;
        for platform in toolchain.targets.into_values().chain([toolchain.host]) {
            let platform = (platform.triple, platform.cfg);
            if !self.platforms.contains(&platform) {
                self.platforms.push(platform);
            }
        }
        Ok(())
    }
}

impl Gathering<'_> {
    /// What can stand in for the crates that a request doesn't reach. Those that it does are fetched, a layer of the
    /// graph at a time, for the next one is in their manifests. None where it can't be told: then all are to be fetched.
    ///
    /// # Errors
    /// When something can't be fetched.
    pub fn stand_ins(&self, reach: &Reach) -> Result<StandIns, RealiseError> {
        let Some(edges) = &self.lock.dependencies else { return Ok(StandIns::default()) };
        let packages = &self.lock.packages;
        let locked = crates::from_lock(self.lock, self.cargo)?;
        let GitPackages { repositories, folders } = self.git_packages()?;
        let fetched = Fetched { crates: locked.iter().map(|one| (one.index, one)).collect(), repositories };
        let local = local_files(self.store, self.local)?;
        let root = local.manifests.get(&manifest_in(&self.local.workspace));
        let is_exact = root.is_some_and(|root| looks_at_what_is_built(root));
        let mut known = Known::default();
        local.manifests.values().for_each(|text| known.add_local(text));
        for (index, replacement) in folders {
            self.add_manifests(self.vendored_from_git(index, &replacement)?, &mut known)?;
        }

        let mut reached: BTreeSet<usize> = BTreeSet::new();
        let is_member = |index: &usize| {
            packages[*index].source.is_none() && reach.members.contains(&packages[*index].name)
        };
        let mut queue: VecDeque<usize> = (0..packages.len()).filter(is_member).collect();
        let mut missing: Vec<usize> = Vec::new();
        while !queue.is_empty() {
            while let Some(index) = queue.pop_front() {
                if fetched.is_missing(index, &known) {
                    missing.push(index);
                    continue;
                }
                if !reached.insert(index) {
                    continue;
                }
                let manifest = match &packages[index].source {
                    Some(LockedSource::Registry(_)) => known.crates.get(&index),
                    Some(LockedSource::Git(_)) => None,
                    None => known.local(&packages[index].name),
                };
                // A crate's own tests are never built.
                let development = is_member(&index) && reach.development;
                let is_had = |one: &DeclaredDependency| {
                    !is_exact || ((development || !one.is_development) && one.is_for(&reach.platforms))
                };
                queue.extend(edges[index].iter().filter(|&&edge| {
                    manifest.is_none_or(|manifest| known.is_had(manifest, &packages[edge], is_had))
                }));
            }
            // The manifests of the next layer.
            missing.sort_unstable();
            missing.dedup();
            if !self.add(&fetched, &missing, &mut known)? {
                return Ok(StandIns::default());
            }
            queue.extend(missing.drain(..));
        }

        // What a patch leads elsewhere is told by the manifest alone.
        let leads_elsewhere = |index: usize| {
            edges[index].iter().any(|edge| match fetched.crates.contains_key(&index) {
                true => !fetched.crates.contains_key(edge),
                false => packages[*edge].source.is_none(),
            })
        };
        let is_besides = |&index: &usize| {
            fetched.is_missing(index, &known) && (reach.besides.contains(&index) || leads_elsewhere(index))
        };
        let besides: Vec<usize> = (0..packages.len()).filter(is_besides).collect();
        if !self.add(&fetched, &besides, &mut known)? {
            return Ok(StandIns::default());
        }
        let mut stand_ins = StandIns::default();
        let wanted = known.wanted(&reach.features);
        let allowed = known.allowed(packages, edges);
        for index in (0..packages.len()).filter(|&index| fetched.is_missing(index, &known)) {
            let LockedPackage { name, version, .. } = &packages[index];
            let dependencies = edges[index].iter().map(|edge| StandInDependency {
                name: &packages[*edge].name,
                version: &packages[*edge].version,
                origin: fetched.origin(*edge, &packages[*edge]),
                features: allowed.get(edge).cloned().unwrap_or_default(),
            });
            let features = [name.as_str(), ""].into_iter().filter_map(|name| wanted.get(name));
            let stand_in = StandIn {
                name,
                version,
                features: features.flatten().copied().collect(),
                dependencies: dependencies.collect(),
            };
            stand_ins.insert(index, self.put(&stand_in)?);
        }
        Ok(stand_ins)
    }

    /// The files of a stand-in: its manifest, and a library without anything.
    fn put(&self, stand_in: &StandIn<'_>) -> Result<Digest<Tree>, TreeError> {
        let mut tree = TreeBuilder::default();
        for (path, text) in [("Cargo.toml", stand_in.manifest()), ("src/lib.rs", String::new())] {
            let file = File { digest: self.store.put(text.as_bytes())?, executable: false };
            tree.insert(self.store, &xbuild_plan::places::place(path), Entry::File(file))?;
        }
        tree.build(self.store)
    }

    /// Fetches packages and reads their manifests. Whether all could be read.
    fn add(&self, fetched: &Fetched<'_>, wanted: &[usize], known: &mut Known) -> Result<bool, RealiseError> {
        let crates = wanted.iter().filter_map(|index| fetched.crates.get(index));
        let crates: Vec<RegistryCrate> = crates.map(|one| RegistryCrate::clone(one)).collect();
        for (one, tree) in crates.iter().zip(crates::fetch(self.fetcher, &crates)?) {
            let manifest = lookup(self.store, tree, &manifest_in(&RelPath::root()))?;
            let Some(Entry::File(file)) = manifest else { return Ok(false) };
            let text = self.store.get(file.digest)?;
            let Ok(declared) = Declared::parse(&String::from_utf8_lossy(&text)) else { return Ok(false) };
            known.crates.insert(one.index, declared);
        }
        let sources = wanted.iter().filter_map(|index| fetched.repositories.get(index));
        let sources: BTreeSet<GitSource> = sources.map(|source| GitSource::clone(source)).collect();
        let commits: Vec<GitCommit> =
            sources.iter().map(|source| GitCommit { source: source.clone(), tree: None }).collect();
        // All at once: who is offline is told all that is missing.
        for tree in git::fetch(self.fetcher, &commits)? {
            self.add_manifests(tree, known)?;
        }
        known.repositories.extend(sources);
        Ok(true)
    }

    /// Adds all manifests of a repository.
    fn add_manifests(&self, tree: Digest<Tree>, known: &mut Known) -> Result<(), RealiseError> {
        walk::<TreeError>(self.store, tree, &mut |path, entry| {
            if let (Entry::File(file), Some("Cargo.toml")) = (entry, path.file_name()) {
                known.add_other(&String::from_utf8_lossy(&self.store.get(file.digest)?));
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// What is fetched for the packages of a lock, by their index.
struct Fetched<'l> {
    crates: BTreeMap<usize, &'l RegistryCrate>,
    repositories: BTreeMap<usize, &'l GitSource>,
}

impl<'l> Fetched<'l> {
    /// Whether a package would have to be fetched for its manifest.
    fn is_missing(&self, index: usize, known: &Known) -> bool {
        let is_crate = self.crates.contains_key(&index) && !known.crates.contains_key(&index);
        is_crate || self.repositories.get(&index).is_some_and(|source| !known.repositories.contains(*source))
    }

    /// Where a package comes from, as who depends on it says; `None`: the default registry.
    fn origin(&self, index: usize, package: &'l LockedPackage) -> Option<StandInOrigin<'l>> {
        if let Some(LockedSource::Git(GitSource { url, reference, commit: _ })) = &package.source {
            let reference = reference.as_ref().map(|(kind, value)| (kind.as_str(), value.as_str()));
            return Some(StandInOrigin::Git { url, reference });
        }
        let other = self.crates.get(&index).filter(|one| !one.is_default_registry())?;
        Some(StandInOrigin::Registry(other.registry.strip_prefix("registry+").unwrap_or(&other.registry)))
    }
}

/// Whether cargo's resolver looks at the features of what is built alone: from version 2 on. The Cargo book, "Resolver
/// versions", has which one is meant where none is said.
fn looks_at_what_is_built(root: &str) -> bool {
    let Ok(root) = root.parse::<Table>() else { return false };
    let workspace = root.get("workspace");
    let package = root.get("package");
    let resolver =
        [workspace, package].into_iter().flatten().find_map(|table| table.get("resolver")?.as_str());
    if let Some(resolver) = resolver {
        return resolver != "1";
    }
    let edition = match package.and_then(|package| package.get("edition")) {
        Some(Value::Table(_)) => workspace.and_then(|workspace| workspace.get("package")?.get("edition")),
        edition => edition,
    };
    edition.and_then(Value::as_str).is_some_and(|edition| !matches!(edition, "2015" | "2018"))
}
