//! From component names to trees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xbuild_action::{Content, ContentExt as _, Entry, File, TreeBuilder, TreeError};
use xbuild_base::{Digest, RelPath, Sha256, Tree, Triple};
use xbuild_describe::{Component, ComponentName, Pins, Toolchains};

use super::archive::{self, Builder};
use super::problem::ToolchainError;
use super::shape::{Patterns, below, choose, find, put_over};
use super::{key, pins};
use crate::debian::Mirrors;
use crate::deferred::{Deferred, stand_in};
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::FixedOutput;
use crate::source::wheel::PackageIndex;

/// The memo namespace: a component's key → its tree.
const COMPONENTS: &str = "component";

/// Fetches and composes components for one host.
#[derive(Clone, Copy)]
pub struct Composer<'c> {
    /// Where packages come from and trees go to.
    pub fetcher: &'c Fetcher<'c>,
    /// Where Debian's packages are.
    pub mirrors: &'c Mirrors,
    /// Where wheels are.
    pub wheels: &'c Arc<PackageIndex>,
    /// The recipes and pins.
    pub toolchains: &'c Toolchains,
    /// The host that builds.
    pub host: &'c Triple,
    /// Compiles what must be compiled.
    pub builder: &'c dyn Builder,
}

impl std::fmt::Debug for Composer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composer").field("host", &self.host).finish_non_exhaustive()
    }
}

/// A component that is being worked on.
struct Part<'c> {
    component: &'c Component,
    pins: Pins,
    key: Sha256,
    /// Whether something in it, or in what it uses, is compiled.
    compiled: bool,
}

impl<'c> Composer<'c> {
    /// The trees of components, each laid out from the root (`usr/…`). What is not in the store yet is fetched,
    /// all of it at once, and composed; by a fetcher that [defers](Fetcher::deferring), what can't be composed of what is
    /// there has a stand-in.
    ///
    /// # Errors
    /// When a component is unknown, not pinned for the host, can't be fetched or can't be composed.
    pub fn trees<'n>(
        &self,
        names: impl IntoIterator<Item = &'n ComponentName>,
    ) -> Result<BTreeMap<ComponentName, Digest<Tree>>, FetchError> {
        self.trees_or(self.fetcher.deferred(), names)
    }

    /// As [`Self::trees`], with nothing deferred.
    pub(super) fn trees_now<'n>(
        &self,
        names: impl IntoIterator<Item = &'n ComponentName>,
    ) -> Result<BTreeMap<ComponentName, Digest<Tree>>, FetchError> {
        self.trees_or(None, names)
    }

    fn trees_or<'n>(
        &self,
        deferred: Option<&Deferred>,
        names: impl IntoIterator<Item = &'n ComponentName>,
    ) -> Result<BTreeMap<ComponentName, Digest<Tree>>, FetchError> {
        let names: Vec<&ComponentName> = names.into_iter().collect();
        let (mut parts, mut done, mut missing) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for name in &names {
            self.part(name, &mut parts, &mut Vec::new())?;
            self.gather(name, &parts, &mut done, &mut missing)?;
        }
        if self.fetcher.is_noting() {
            for part in parts.values() {
                self.fetcher.note(&self.sources(part)?);
            }
        }
        if let Some(deferred) = deferred {
            missing = self.defer(missing, &parts, &mut done, deferred)?;
        }
        if !missing.is_empty() {
            let mut wanted = Vec::new();
            for name in &missing {
                wanted.extend(self.sources(&parts[name])?);
            }
            pins::fetch(self.fetcher, &wanted)?;
        }
        // `missing` has what a component uses before itself.
        for name in missing {
            let tree = self.compose(&parts[&name], &done)?;
            self.fetcher.remember_tree(COMPONENTS, parts[&name].key, tree)?;
            done.insert(name, tree);
        }
        Ok(done.into_iter().filter(|(name, _)| names.contains(&name)).collect())
    }

    /// The tree of one component.
    ///
    /// # Errors
    /// As [`Self::trees`].
    pub fn tree(&self, name: &ComponentName) -> Result<Digest<Tree>, FetchError> {
        let trees = self.trees([name])?;
        trees.get(name).copied().ok_or_else(|| TreeError::Missing(RelPath::root()).into())
    }

    /// Everything that would have to be in the store to compose these components: their packages and wheels, and
    /// those of what they use.
    ///
    /// # Errors
    /// When a component is unknown or not pinned for the host.
    pub fn outputs<'n>(
        &self,
        names: impl IntoIterator<Item = &'n ComponentName>,
    ) -> Result<Vec<FixedOutput>, FetchError> {
        let mut parts = BTreeMap::new();
        for name in names {
            self.part(name, &mut parts, &mut Vec::new())?;
        }
        let mut outputs = Vec::new();
        for part in parts.values() {
            outputs.extend(self.sources(part)?);
        }
        Ok(outputs)
    }

    /// Looks a component up, with all that it uses.
    fn part(
        &self,
        name: &ComponentName,
        parts: &mut BTreeMap<ComponentName, Part<'c>>,
        circle: &mut Vec<String>,
    ) -> Result<(), FetchError> {
        if parts.contains_key(name) {
            return Ok(());
        }
        circle.push(name.to_string());
        if circle.iter().filter(|other| *other == name.as_str()).count() > 1 {
            let (component, circle) = (name.to_string(), std::mem::take(circle));
            return Err(ToolchainError::Circle { component, circle }.into());
        }
        let component = self.toolchains.component(name.as_str()).map_err(ToolchainError::from)?;
        let pinned = !component.roots.is_empty() || component.wheel.is_some();
        let pins = match pinned {
            true => self.toolchains.pins(name, self.host).map_err(ToolchainError::from)?.clone(),
            false => Pins::default(),
        };
        let (mut uses, mut compiled) = (Vec::new(), !component.archives.is_empty());
        for used in &component.uses {
            self.part(used, parts, circle)?;
            uses.push(parts[used].key);
            compiled |= parts[used].compiled;
        }
        let salt = if compiled { xbuild_action::salt(self.builder.isolation()) } else { String::new() };
        let key = key::key(component, &pins, &uses, &salt);
        circle.pop();
        parts.insert(name.clone(), Part { component, pins, key, compiled });
        Ok(())
    }

    /// Sorts a component, and what it uses where it is needed, into those that are remembered and those that are
    /// not.
    fn gather(
        &self,
        name: &ComponentName,
        parts: &BTreeMap<ComponentName, Part<'_>>,
        done: &mut BTreeMap<ComponentName, Digest<Tree>>,
        missing: &mut Vec<ComponentName>,
    ) -> Result<(), FetchError> {
        if done.contains_key(name) || missing.contains(name) {
            return Ok(());
        }
        if let Some(tree) = self.fetcher.remembered_tree(COMPONENTS, parts[name].key)? {
            done.insert(name.clone(), tree);
            return Ok(());
        }
        for used in &parts[name].component.uses {
            self.gather(used, parts, done, missing)?;
        }
        missing.push(name.clone());
        Ok(())
    }

    /// Puts stand-ins for those of `missing` that take a download or a compiler, and for what uses them. Those that are
    /// left can be composed.
    fn defer(
        &self,
        missing: Vec<ComponentName>,
        parts: &BTreeMap<ComponentName, Part<'_>>,
        done: &mut BTreeMap<ComponentName, Digest<Tree>>,
        deferred: &Deferred,
    ) -> Result<Vec<ComponentName>, FetchError> {
        let (mut left, mut absent) = (Vec::new(), BTreeSet::new());
        for name in missing {
            let part = &parts[&name];
            let sources = self.sources(part)?;
            let unfetched = self.fetcher.missing(&sources)?;
            deferred.add(name.as_str(), unfetched.iter().map(|&index| sources[index].clone()));
            let Component { archives, uses, .. } = part.component;
            if !archives.is_empty() {
                deferred.add_compiled(name.as_str());
            }
            let is_ready = unfetched.is_empty() && archives.is_empty();
            if is_ready && uses.iter().all(|used| !absent.contains(used)) {
                left.push(name);
                continue;
            }
            done.insert(name.clone(), stand_in(self.fetcher.store(), &part.key.to_hex())?);
            absent.insert(name);
        }
        Ok(left)
    }

    /// What a component's own tree is made of, in the order of its pins: packages, then wheels.
    fn sources(&self, part: &Part<'_>) -> Result<Vec<FixedOutput>, FetchError> {
        let mut outputs = Vec::new();
        for pin in &part.pins.packages {
            outputs.push(pins::package_output(pin, self.toolchains, self.mirrors)?);
        }
        if let Some(wheel) = &part.component.wheel {
            for pin in &part.pins.wheels {
                outputs.extend(pins::wheel_outputs(pin, wheel, self.wheels));
            }
        }
        Ok(outputs)
    }

    fn compose(
        &self,
        part: &Part<'_>,
        done: &BTreeMap<ComponentName, Digest<Tree>>,
    ) -> Result<Digest<Tree>, FetchError> {
        let (store, component): (&dyn Content, _) = (self.fetcher.store(), part.component);
        let uses: Vec<Digest<Tree>> =
            component.uses.iter().filter_map(|used| done.get(used).copied()).collect();
        let mut builder = TreeBuilder::from_tree(self.merge(part)?);
        let mut own = self.write(component, &mut builder)?;
        for (to, from) in &component.copies {
            let so_far = builder.clone().build(store)?;
            let mut found = None;
            for tree in std::iter::once(so_far).chain(uses.iter().copied()) {
                found = find(store, tree, from)?;
                if found.is_some() {
                    break;
                }
            }
            let entry = found.ok_or_else(|| ToolchainError::NothingAt {
                component: component.name.to_string(),
                path: from.to_string(),
            })?;
            put_over(store, &mut builder, to, &entry)?;
        }
        own.extend(link(store, component, &mut builder)?);
        for archive in &component.archives {
            let so_far = builder.clone().build(store)?;
            let layers: Vec<Digest<Tree>> = std::iter::once(so_far).chain(uses.iter().copied()).collect();
            let file =
                archive::build(store, self.builder, component, archive, &layers, self.fetcher.progress())?;
            builder.replace(store, &archive.output, Entry::File(file))?;
            own.push((archive.output.clone(), Entry::File(file)));
        }
        let all = builder.build(store)?;
        if component.keep.is_empty() && component.drop.is_empty() {
            return Ok(all);
        }
        let keep = Patterns::new(component.name.as_str(), &component.keep)?;
        let drop = Patterns::new(component.name.as_str(), &component.drop)?;
        let chosen = choose(store, all, &|path| {
            (component.keep.is_empty() || keep.matches(path)) && !drop.matches(path)
        })?;
        let mut builder = TreeBuilder::from_tree(chosen);
        for (path, entry) in own {
            builder.replace(store, &path, entry)?;
        }
        Ok(builder.build(store)?)
    }

    /// The packages and wheels of a component, in one tree.
    fn merge(&self, part: &Part<'_>) -> Result<Digest<Tree>, FetchError> {
        let store: &dyn Content = self.fetcher.store();
        let outputs = self.sources(part)?;
        let trees = pins::fetch(self.fetcher, &outputs)?;
        let wheel_keep = part.component.wheel.as_ref().filter(|wheel| !wheel.keep.is_empty());
        let mut builder = TreeBuilder::default();
        for (index, (output, tree)) in outputs.iter().zip(&trees).enumerate() {
            let mut tree = *tree;
            if let Some(wheel) = wheel_keep
                && index >= part.pins.packages.len()
            {
                let keep = Patterns::new(part.component.name.as_str(), &wheel.keep)?;
                tree = choose(store, tree, &|path| {
                    path.strip_prefix(&wheel.prefix).is_some_and(|path| keep.matches(&path))
                })?;
            }
            match builder.insert(store, &RelPath::root(), Entry::Directory(tree)) {
                Ok(()) => {}
                Err(TreeError::Conflict(path)) => {
                    let mut first = "another".to_owned();
                    for (other, tree) in outputs.iter().zip(&trees).take(index) {
                        if find(store, *tree, &path)?.is_some() {
                            first.clone_from(&other.name);
                            break;
                        }
                    }
                    let (component, second) = (part.component.name.to_string(), output.name.clone());
                    return Err(ToolchainError::Conflict { component, first, second, path }.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(builder.build(store)?)
    }

    /// Writes the recipe's text files, and returns them.
    fn write(
        &self,
        component: &Component,
        builder: &mut TreeBuilder,
    ) -> Result<Vec<(RelPath, Entry)>, FetchError> {
        let store: &dyn Content = self.fetcher.store();
        let mut written = Vec::new();
        for (path, text) in &component.files {
            // A script is one by its first line.
            let file = File { digest: store.put(text.as_bytes())?, executable: text.starts_with("#!") };
            builder.replace(store, path, Entry::File(file))?;
            written.push((path.clone(), Entry::File(file)));
        }
        Ok(written)
    }
}

/// Makes the recipe's links, and returns them.
fn link(
    store: &dyn Content,
    component: &Component,
    builder: &mut TreeBuilder,
) -> Result<Vec<(RelPath, Entry)>, FetchError> {
    let mut made = Vec::new();
    for (path, target) in &component.links {
        made.push((path.clone(), Entry::Symlink(target.clone())));
    }
    for (file, names) in &component.aliases {
        let (folder, target) = (file.parent().unwrap_or_default(), file.file_name().unwrap_or_default());
        for name in names {
            made.push((below(&folder, name)?, Entry::Symlink(target.to_owned())));
        }
    }
    for (path, entry) in &made {
        builder.replace(store, path, entry.clone())?;
    }
    Ok(made)
}
