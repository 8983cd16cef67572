//! From a few wanted packages to all that they need.
//!
//! The rules are apt's where they matter here: the first alternative that can be had, unless a later one has been
//! chosen already; a real package before one that provides the name; what conflicts is not looked at, since
//! packages are unpacked beside each other and never configured. Suites are asked in the recipe's order, and the
//! first that has a package wins, unless a version constraint needs another suite's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use xbuild_base::Sha256;
use xbuild_describe::nearest;

use super::index::{Index, Package};
use super::problem::DebianError;
use super::relation::{Constraint, Relation, parse_relation};
use crate::error::FetchError;

/// Where indexes come from.
pub trait IndexSource {
    /// The index of a suite for an architecture.
    ///
    /// # Errors
    /// When it can't be had.
    fn index(&self, suite: &str, arch: &str) -> Result<Rc<Index>, FetchError>;

    /// Lets go of indexes that were read, to save memory.
    fn forget(&self) {}
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Query<'q> {
    /// The component, for messages.
    pub component: &'q str,
    /// The suites, the preferred one first.
    pub suites: &'q [String],
    /// The architecture, in Debian's word for it.
    pub arch: &'q str,
    /// The packages wanted: `name`, `name:arch`, or either with a constraint.
    pub roots: &'q [String],
    /// Packages that are left out, with all that only they need: `name` or `name:arch`.
    pub without: &'q BTreeSet<String>,
    /// Files that are not chosen, though an index has them.
    pub except: &'q BTreeSet<Sha256>,
}

/// A package's identity: its name, and the architecture that it was asked for.
type Key = (String, String);

enum Attempt {
    Done(BTreeMap<Key, Package>),
    /// What was chosen for `Key` doesn't fit a constraint that came later.
    Again(Key, Constraint),
}

/// The closure of what is wanted, sorted by name.
///
/// # Errors
/// [`DebianError::NoPackage`] and [`DebianError::Unsatisfied`], or when an index can't be had.
pub fn resolve(query: &Query<'_>, source: &dyn IndexSource) -> Result<Vec<Package>, FetchError> {
    let mut resolver = Resolver { query, source, learned: BTreeMap::new() };
    // Each round learns a constraint that the last one did not know, and there are only so many.
    loop {
        match resolver.attempt()? {
            Attempt::Done(chosen) => return Ok(chosen.into_values().collect()),
            Attempt::Again(key, constraint) => resolver.learned.entry(key).or_default().push(constraint),
        }
    }
}

struct Resolver<'q> {
    query: &'q Query<'q>,
    source: &'q dyn IndexSource,
    learned: BTreeMap<Key, Vec<Constraint>>,
}

/// What stands for a relation.
enum Candidate {
    Package(Box<Package>),
    LeftOut,
    None,
}

impl Resolver<'_> {
    fn attempt(&self) -> Result<Attempt, FetchError> {
        let mut chosen: BTreeMap<Key, Package> = BTreeMap::new();
        let mut queue: VecDeque<Key> = VecDeque::new();
        let add =
            |chosen: &mut BTreeMap<Key, Package>, queue: &mut VecDeque<Key>, arch: &str, package: Package| {
                let key = (package.name.clone(), arch.to_owned());
                if !chosen.contains_key(&key) {
                    chosen.insert(key.clone(), package);
                    queue.push_back(key);
                }
            };
        for root in self.query.roots {
            let relation = parse_relation(root);
            let arch =
                relation.as_ref().map_or(self.query.arch, |relation| self.arch_of(relation, self.query.arch));
            let candidate =
                relation.as_ref().map_or(Ok(Candidate::None), |relation| self.find(relation, arch))?;
            match candidate {
                Candidate::Package(package) => add(&mut chosen, &mut queue, arch, *package),
                Candidate::LeftOut | Candidate::None => {
                    let name = relation.as_ref().map_or(root.as_str(), |relation| relation.name.as_str());
                    return Err(self.no_package(root, name, arch)?.into());
                }
            }
        }
        while let Some(key) = queue.pop_front() {
            let (package, arch) = (chosen[&key].clone(), key.1);
            for group in &package.depends {
                if group
                    .iter()
                    .any(|relation| self.is_left_out(&relation.name, self.arch_of(relation, &arch)))
                    || group
                        .iter()
                        .any(|relation| is_satisfied(&chosen, relation, self.arch_of(relation, &arch)))
                {
                    continue;
                }
                let mut found = false;
                for relation in group {
                    let arch = self.arch_of(relation, &arch);
                    match self.find(relation, arch)? {
                        Candidate::None => continue,
                        Candidate::LeftOut => {}
                        Candidate::Package(next) => {
                            let key = (next.name.clone(), arch.to_owned());
                            match (&relation.constraint, chosen.contains_key(&key)) {
                                // An older one was chosen before this constraint was known.
                                (Some(constraint), true) if next.name == relation.name => {
                                    return Ok(Attempt::Again(key, constraint.clone()));
                                }
                                (_, true) => {}
                                (_, false) => add(&mut chosen, &mut queue, arch, *next),
                            }
                        }
                    }
                    found = true;
                    break;
                }
                if !found {
                    return Err(self.unsatisfied(&package, group, &arch).into());
                }
            }
        }
        Ok(Attempt::Done(chosen))
    }

    fn arch_of<'a>(&self, relation: &'a Relation, depending: &'a str) -> &'a str {
        match relation.qualifier.as_deref() {
            None | Some("any" | "native") => depending,
            Some(arch) => arch,
        }
    }

    fn is_left_out(&self, name: &str, arch: &str) -> bool {
        self.query.without.contains(name) || self.query.without.contains(&format!("{name}:{arch}"))
    }

    fn find(&self, relation: &Relation, arch: &str) -> Result<Candidate, FetchError> {
        for suite in self.query.suites {
            let index = self.source.index(suite, arch)?;
            if let Some(package) = self.read(&index, suite, &relation.name)?
                && self.fits(&package, arch)
                && relation.constraint.as_ref().is_none_or(|constraint| constraint.admits(&package.version))
            {
                return Ok(Candidate::Package(Box::new(package)));
            }
        }
        for suite in self.query.suites {
            let index = self.source.index(suite, arch)?;
            for name in index.providers(&relation.name) {
                let Some(package) = self.read(&index, suite, name)? else { continue };
                if !provides(&package, relation) || !self.fits(&package, arch) {
                    continue;
                }
                if self.is_left_out(name, arch) {
                    return Ok(Candidate::LeftOut);
                }
                return Ok(Candidate::Package(Box::new(package)));
            }
        }
        Ok(Candidate::None)
    }

    fn fits(&self, package: &Package, arch: &str) -> bool {
        if self.query.except.contains(&package.sha256) {
            return false;
        }
        let learned = self.learned.get(&(package.name.clone(), arch.to_owned()));
        learned.into_iter().flatten().all(|constraint| constraint.admits(&package.version))
    }

    fn read(&self, index: &Index, suite: &str, name: &str) -> Result<Option<Package>, FetchError> {
        index.package(name).map_err(|error| {
            DebianError::Index { suite: suite.to_owned(), problem: error.to_string() }.into()
        })
    }

    /// That there is no package for a root, which is called `name`.
    fn no_package(&self, root: &str, name: &str, arch: &str) -> Result<DebianError, FetchError> {
        let suites = self.query.suites.iter().map(|suite| self.source.index(suite, arch));
        let indexes: Vec<Rc<Index>> = suites.collect::<Result<_, _>>()?;
        let near = nearest(name, indexes.iter().flat_map(|index| index.names())).map(Box::from);
        Ok(DebianError::NoPackage {
            component: self.query.component.to_owned(),
            package: root.to_owned(),
            arch: arch.to_owned(),
            suites: self.query.suites.join(", "),
            near,
        })
    }

    fn unsatisfied(&self, package: &Package, group: &[Relation], arch: &str) -> DebianError {
        DebianError::Unsatisfied {
            component: self.query.component.to_owned(),
            package: format!("{} {}", package.name, package.version),
            needs: group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "),
            arch: arch.to_owned(),
            suites: self.query.suites.join(", "),
        }
    }
}

/// Whether something chosen stands for the relation, by its own name or by one that it provides.
fn is_satisfied(chosen: &BTreeMap<Key, Package>, relation: &Relation, arch: &str) -> bool {
    let admits = |package: &Package| {
        relation.constraint.as_ref().is_none_or(|constraint| constraint.admits(&package.version))
    };
    chosen.get(&(relation.name.clone(), arch.to_owned())).is_some_and(admits)
        || chosen.iter().any(|((_, own), package)| own == arch && provides(package, relation))
}

/// Whether a package provides what the relation names. A constraint needs a provision with a version (Debian
/// Policy, 7.5).
fn provides(package: &Package, relation: &Relation) -> bool {
    package.provides.iter().filter(|provided| provided.name == relation.name).any(|provided| {
        match (&relation.constraint, &provided.constraint) {
            (None, _) => true,
            (Some(wanted), Some(provided)) => wanted.admits(&provided.version),
            (Some(_), None) => false,
        }
    })
}
