//! What the manifests say that are there: who asks what of whom.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_cargo::{Declared, DeclaredDependency, Effect};
use xbuild_fetch::source::lock::{GitSource, LockedPackage};

/// Names that manifests of one workspace give to packages: what is inherited is called by its key alone.
type Names = BTreeMap<String, BTreeSet<String>>;

/// The manifests that are there.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Those of local packages.
    local: Vec<Declared>,
    /// Those in repositories, and in folders that stand for some.
    others: Vec<Declared>,
    names: Names,
    /// Those of fetched crates, by their index in the lock.
    pub(super) crates: BTreeMap<usize, Declared>,
    /// The repositories among whose files all manifests are known.
    pub(super) repositories: BTreeSet<GitSource>,
}

impl Known {
    /// Adds a manifest of the project's own files.
    pub(super) fn add_local(&mut self, text: &str) {
        // One that is none may be a test's.
        let Ok(declared) = Declared::parse(text) else { return };
        self.name(&declared);
        self.local.push(declared);
    }

    /// Adds a manifest of a repository.
    pub(super) fn add_other(&mut self, text: &str) {
        let Ok(declared) = Declared::parse(text) else { return };
        self.name(&declared);
        self.others.push(declared);
    }

    /// Notes what packages are called where they are inherited.
    fn name(&mut self, declared: &Declared) {
        for one in declared.dependencies.iter().filter(|one| one.key != one.package) {
            self.names.entry(one.key.clone()).or_default().insert(one.package.clone());
        }
    }

    /// The manifest of a local package, if there is just one of its name.
    pub(super) fn local(&self, name: &str) -> Option<&Declared> {
        let mut found = self.local.iter().filter(|manifest| manifest.name.as_deref() == Some(name));
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether a package has another one: one of the dependencies that it may be is had, or none is known.
    pub(super) fn is_had(
        &self,
        manifest: &Declared,
        other: &LockedPackage,
        is_had: impl Fn(&DeclaredDependency) -> bool,
    ) -> bool {
        let mut meant = manifest.meant(&other.name, &other.version, &self.names).peekable();
        meant.peek().is_none() || meant.any(is_had)
    }

    fn manifests(&self) -> impl Iterator<Item = &Declared> {
        self.local.iter().chain(&self.others).chain(self.crates.values())
    }

    /// The features that are asked of each package, by its name; those that may be any package's by none.
    pub(super) fn wanted<'k>(
        &'k self,
        features: &'k BTreeSet<String>,
    ) -> BTreeMap<&'k str, BTreeSet<&'k str>> {
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
    pub(super) fn allowed<'k>(
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
