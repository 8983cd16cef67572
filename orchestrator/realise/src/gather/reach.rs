//! Which crates of a lock a request can reach, so that no others are fetched.
//!
//! Cargo plans nothing without the manifest of every package that the lock names. For crates that no graph of the
//! request leads to, one is made up (`xbuild_cargo::StandIn`): what is known of them without having them is what the lock
//! says they depend on, and what others ask of them. Features that such a crate asks of others are not known; it is
//! given all of which the lock shows that they may be on, so that cargo comes to the very same lock.
//!
//! Left out is what only packages lead to that are not asked for, what tests alone need where none is asked for, and what
//! is for other platforms. The latter two only where cargo's resolver looks at features of those alone that are built
//! (Cargo book, "Feature resolver version 2"). Optional dependencies count as reached. All of this is proved against cargo's
//! graph before it is remembered; where it doesn't hold, everything is fetched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cargo_platform::Cfg;
use toml::{Table, Value};
use xbuild_action::{ContentExt as _, Entry, File, TreeBuilder, TreeError, lookup, walk};
use xbuild_base::{Digest, RelPath, Tree, Triple};
use xbuild_cargo::{
    Configuration, Declared, DeclaredDependency, Effect, Flavour, StandIn, StandInDependency, manifest_in,
};
use xbuild_describe::{Asked, TargetSpec, Task, TaskKind};
use xbuild_fetch::source::crates::{self, RegistryCrate};
use xbuild_fetch::source::lock::{LockedPackage, LockedSource};

use super::{Gathering, StandIns};
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

/// Names that manifests of one workspace give to packages: what is inherited is called by its key alone.
type Names = BTreeMap<String, BTreeSet<String>>;

/// The manifests that are there.
#[derive(Debug, Default)]
struct Known {
    /// All of local packages and of repositories.
    others: Vec<Declared>,
    names: Names,
    /// Those of fetched crates, by their index in the lock.
    crates: BTreeMap<usize, Declared>,
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
        let registry: BTreeMap<usize, &RegistryCrate> = locked.iter().map(|one| (one.index, one)).collect();
        let local = local_files(self.store, self.local)?;
        let root = local.manifests.get(&manifest_in(&self.local.workspace));
        let is_exact = root.is_some_and(|root| looks_at_what_is_built(root));
        let mut known = Known::default();
        let git = self.git()?;
        for tree in git.trees.iter().map(|git| git.tree).chain(git.replaced.iter().map(|(.., one)| one.tree))
        {
            self.add_manifests(tree, &mut known)?;
        }
        let from_elsewhere = known.others.len();
        known.others.extend(local.manifests.values().filter_map(|text| Declared::parse(text).ok()));
        known.name();

        let mut reached: BTreeSet<usize> = BTreeSet::new();
        let is_member = |index: &usize| {
            packages[*index].source.is_none() && reach.members.contains(&packages[*index].name)
        };
        let mut queue: VecDeque<usize> = (0..packages.len()).filter(is_member).collect();
        let mut missing: Vec<usize> = Vec::new();
        while !queue.is_empty() {
            while let Some(index) = queue.pop_front() {
                if registry.contains_key(&index) && !known.crates.contains_key(&index) {
                    missing.push(index);
                    continue;
                }
                if !reached.insert(index) {
                    continue;
                }
                let manifest = match &packages[index].source {
                    Some(LockedSource::Registry(_)) => known.crates.get(&index),
                    Some(LockedSource::Git(_)) => None,
                    None => only_of_name(&known.others[from_elsewhere..], &packages[index].name),
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
            if !self.add_crates(&registry, &missing, &mut known)? {
                return Ok(StandIns::default());
            }
            queue.extend(missing.drain(..));
        }

        // What a patch leads elsewhere is told by the manifest alone.
        let leads_elsewhere = |index: &usize| edges[*index].iter().any(|edge| !registry.contains_key(edge));
        let besides = registry.keys().copied().filter(|index| {
            !known.crates.contains_key(index) && (reach.besides.contains(index) || leads_elsewhere(index))
        });
        let besides: Vec<usize> = besides.collect();
        if !self.add_crates(&registry, &besides, &mut known)? {
            return Ok(StandIns::default());
        }
        let mut stand_ins = StandIns::default();
        let wanted = known.wanted(&reach.features);
        let allowed = known.allowed(packages, edges);
        for (&index, one) in registry.iter().filter(|(index, _)| !known.crates.contains_key(*index)) {
            let dependencies = edges[index].iter().map(|edge| StandInDependency {
                name: &packages[*edge].name,
                version: &packages[*edge].version,
                index: registry
                    .get(edge)
                    .filter(|one| !one.is_default_registry())
                    .map(|one| one.registry.strip_prefix("registry+").unwrap_or(&one.registry)),
                features: allowed.get(edge).cloned().unwrap_or_default(),
            });
            let of_all = wanted.get("").into_iter().flatten();
            let stand_in = StandIn {
                name: &one.name,
                version: &one.version,
                features: wanted
                    .get(one.name.as_str())
                    .into_iter()
                    .flatten()
                    .chain(of_all)
                    .copied()
                    .collect(),
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

    /// Fetches crates and reads their manifests. Whether all could be read.
    fn add_crates(
        &self,
        registry: &BTreeMap<usize, &RegistryCrate>,
        wanted: &[usize],
        known: &mut Known,
    ) -> Result<bool, RealiseError> {
        let wanted: Vec<RegistryCrate> = wanted.iter().map(|index| registry[index].clone()).collect();
        for (one, tree) in wanted.iter().zip(crates::fetch(self.fetcher, &wanted)?) {
            let manifest = lookup(self.store, tree, &manifest_in(&RelPath::root()))?;
            let Some(Entry::File(file)) = manifest else { return Ok(false) };
            let text = self.store.get(file.digest)?;
            let Ok(declared) = Declared::parse(&String::from_utf8_lossy(&text)) else { return Ok(false) };
            known.crates.insert(one.index, declared);
        }
        Ok(true)
    }

    /// Adds all manifests of a repository.
    fn add_manifests(&self, tree: Digest<Tree>, known: &mut Known) -> Result<(), RealiseError> {
        walk::<TreeError>(self.store, tree, &mut |path, entry| {
            if let (Entry::File(file), Some("Cargo.toml")) = (entry, path.file_name()) {
                let text = self.store.get(file.digest)?;
                // One that is none may be a test's.
                known.others.extend(Declared::parse(&String::from_utf8_lossy(&text)).ok());
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Known {
    /// Collects what packages are called where they are inherited.
    fn name(&mut self) {
        for one in self.others.iter().flat_map(|declared| &declared.dependencies) {
            if one.key != one.package {
                self.names.entry(one.key.clone()).or_default().insert(one.package.clone());
            }
        }
    }

    /// Whether a package has another one: one of the dependencies that it may be is had, or none is known.
    fn is_had(
        &self,
        manifest: &Declared,
        other: &LockedPackage,
        is_had: impl Fn(&DeclaredDependency) -> bool,
    ) -> bool {
        let mut meant = manifest.meant(&other.name, &other.version, &self.names).peekable();
        meant.peek().is_none() || meant.any(is_had)
    }

    fn manifests(&self) -> impl Iterator<Item = &Declared> {
        self.others.iter().chain(self.crates.values())
    }

    /// The features that are asked of each package, by its name; those that may be any package's by none.
    fn wanted<'k>(&'k self, features: &'k BTreeSet<String>) -> BTreeMap<&'k str, BTreeSet<&'k str>> {
        let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for manifest in self.manifests() {
            let mut packages: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for one in &manifest.dependencies {
                let of_key = packages.entry(&one.key).or_default();
                of_key.insert(&one.package);
                of_key.extend(self.names.get(&one.key).into_iter().flatten().map(String::as_str));
            }
            for (key, feature) in manifest.asked() {
                for &package in packages.get(key).into_iter().flatten() {
                    wanted.entry(package).or_default().insert(feature);
                }
            }
        }
        let of_request = features.iter().filter_map(|feature| feature.rsplit_once('/'));
        wanted.entry("").or_default().extend(of_request.map(|(_, feature)| feature));
        wanted
    }

    /// For each crate the features that may be on by what the lock says: all that turn nothing on that it leaves out.
    fn allowed<'k>(
        &'k self,
        packages: &[LockedPackage],
        edges: &[Vec<usize>],
    ) -> BTreeMap<usize, BTreeSet<&'k str>> {
        let names = Names::new();
        // What each crate's dependencies are, by their names in its manifest.
        let mut dependencies: BTreeMap<usize, BTreeMap<&str, BTreeSet<usize>>> = BTreeMap::new();
        for (&index, manifest) in &self.crates {
            let of_crate = dependencies.entry(index).or_default();
            for &edge in &edges[index] {
                for one in manifest.meant(&packages[edge].name, &packages[edge].version, &names) {
                    of_crate.entry(&one.key).or_default().insert(edge);
                }
            }
        }
        let mut allowed: BTreeMap<usize, BTreeSet<&str>> =
            self.crates.iter().map(|(&index, manifest)| (index, manifest.feature_names())).collect();
        loop {
            let holds = |index: usize, effect: &Effect<'_>| {
                let of_key = |key: &str| dependencies[&index].get(key);
                match *effect {
                    Effect::Feature(name) => allowed[&index].contains(name),
                    Effect::Dependency(key) => of_key(key).is_some(),
                    Effect::FeatureOf { dependency, feature, is_weak } => match of_key(dependency) {
                        Some(edges) => edges
                            .iter()
                            .all(|edge| allowed.get(edge).is_none_or(|features| features.contains(feature))),
                        None => is_weak,
                    },
                }
            };
            let mut off: Vec<(usize, &str)> = Vec::new();
            for (&index, features) in &allowed {
                let manifest = &self.crates[&index];
                let fails = |feature: &&&str| !manifest.effects(feature).iter().all(|one| holds(index, one));
                off.extend(features.iter().filter(fails).map(|&feature| (index, feature)));
            }
            if off.is_empty() {
                return allowed;
            }
            for (index, feature) in off {
                allowed.get_mut(&index).map(|features| features.remove(feature));
            }
        }
    }
}

/// The manifest of a name, if there is just one.
fn only_of_name<'d>(manifests: &'d [Declared], name: &str) -> Option<&'d Declared> {
    let mut found = manifests.iter().filter(|manifest| manifest.name.as_deref() == Some(name));
    found.next().filter(|_| found.next().is_none())
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
