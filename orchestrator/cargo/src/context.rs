//! A graph with all that is known of its units before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cargo_platform::Cfg;
use semver::Version;
use xbuild_base::{Hasher, RelPath, Sha256, Triple};

use crate::artefact::Artefact;
use crate::directive::ScriptOutput;
use crate::error::Error;
use crate::hash::{Ingredients, UnitHash};
use crate::layout;
use crate::lto::{self, Lto};
use crate::manifest::{ManifestFacts, Manifests};
use crate::named::{PackageFolders, names_below};
use crate::package::{Package, Packages};
use crate::platform::{Flavour, Platform, Toolchain};
use crate::unit_graph::{Mode, TargetKind, Unit, UnitGraph, UnitIndex};

/// The effects of build scripts that have run, by the unit that runs the script.
pub type Effects = BTreeMap<UnitIndex, Arc<ScriptOutput>>;

/// A graph, its packages and its toolchain: it answers every question about a unit.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) graph: UnitGraph,
    pub(crate) packages: Arc<Packages>,
    pub(crate) toolchain: Toolchain,
    units: Vec<UnitFacts>,
    manifests: BTreeMap<String, ManifestFacts>,
    profile_roots: BTreeMap<String, &'static str>,
    primary: BTreeSet<String>,
    script_folders: BTreeMap<String, UnitIndex>,
    /// What the configuration says in the place of build scripts.
    overrides: Effects,
    package_folders: PackageFolders,
    /// What rustc makes of each unit.
    pub(crate) artefacts: Vec<Vec<Artefact>>,
    fingerprint: Sha256,
}

/// What was worked out for a unit.
#[derive(Debug, Clone)]
struct UnitFacts {
    lto: Lto,
    hash: UnitHash,
    rustflags: Vec<String>,
    /// Runs of build scripts whose `-L` it gets, in cargo's order: `BuildScripts::to_link`.
    linked_scripts: Vec<UnitIndex>,
    /// Runs of build scripts of what runs on the host for it: `BuildScripts::plugins`.
    plugin_scripts: BTreeSet<UnitIndex>,
    /// The runs of its own package's build script.
    own_scripts: Vec<UnitIndex>,
}

impl Context {
    /// Works out all that doesn't depend on what build scripts say.
    ///
    /// # Errors
    /// When the graph names packages or platforms that are not known, or a manifest is missing or wrong.
    pub fn new(
        mut graph: UnitGraph,
        packages: impl Into<Arc<Packages>>,
        manifests: &Manifests,
        toolchain: Toolchain,
    ) -> Result<Self, Error> {
        let packages = packages.into();
        let mut made_from = Hasher::default();
        for one in [graph.fingerprint(), packages.fingerprint(), manifests.fingerprint()] {
            made_from.update(one.as_bytes());
        }
        made_from.update_framed(&format!("{toolchain:?}"));
        if toolchain.flavour == Flavour::StandardLibrary {
            graph.drop_dylibs();
        }
        let order = graph.dependencies_first()?;
        let mut facts = BTreeMap::new();
        let mut profile_roots = BTreeMap::new();
        for (_, unit) in graph.units() {
            let package = packages.get(&unit.package)?;
            if !facts.contains_key(&unit.package) {
                facts.insert(unit.package.clone(), manifests.facts(package)?);
            }
            let name = &unit.profile.name;
            if !profile_roots.contains_key(name) {
                let inherited = toolchain.configuration.inherited_profiles();
                let root = manifests.profile_root(packages.workspace_root(), inherited, name)?;
                profile_roots.insert(name.clone(), root);
            }
            if let Some(triple) = unit.platform.as_ref().filter(|it| !toolchain.targets.contains_key(it)) {
                return Err(Error::UnknownPlatform(triple.to_string()));
            }
        }
        let primary = graph.roots().iter().map(|&root| graph.unit(root).package.clone()).collect();
        let units = work_out(&graph, &packages, &toolchain, &order)?;
        let folders = packages.iter().map(|package| (package.root.in_sandbox(), package.id.clone()));
        let mut context = Self {
            package_folders: PackageFolders::new(folders),
            graph,
            packages,
            toolchain,
            units,
            manifests: facts,
            profile_roots,
            primary,
            script_folders: BTreeMap::new(),
            overrides: Effects::new(),
            artefacts: Vec::new(),
            fingerprint: made_from.sha256(),
        };
        let runs = context.graph.units().filter(|(_, unit)| unit.is_script_run());
        context.script_folders = runs.map(|(index, _)| (context.script_folder(index), index)).collect();
        let overridden =
            context.graph.units().filter(|(_, unit)| unit.is_script_run()).filter_map(|(run, _)| {
                let links = context.package(run).links.as_deref()?;
                let output = context.toolchain.configuration.script_override(context.platform(run), links)?;
                Some((run, Arc::clone(output)))
            });
        context.overrides = overridden.collect();
        context.artefacts = context.graph.units().map(|(unit, _)| context.make_artefacts(unit)).collect();
        Ok(context)
    }

    /// The runs of build scripts that don't take place, for the configuration says what they would have said.
    #[must_use]
    pub const fn overrides(&self) -> &Effects {
        &self.overrides
    }

    /// The units that some need, themselves among them.
    pub fn reachable(&self, units: impl IntoIterator<Item = UnitIndex>) -> BTreeSet<UnitIndex> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<UnitIndex> = units.into_iter().collect();
        while let Some(unit) = open.pop() {
            if reached.insert(unit) {
                open.extend(self.unit(unit).dependencies.iter().map(|edge| edge.index));
            }
        }
        reached
    }

    /// A checksum over everything that it was made from: graph, packages, manifests and toolchain. Whoever answers
    /// otherwise with an equal one is another xbuild.
    #[must_use]
    pub const fn fingerprint(&self) -> Sha256 {
        self.fingerprint
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &UnitGraph {
        &self.graph
    }

    /// The packages.
    #[must_use]
    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    /// The toolchain.
    #[must_use]
    pub const fn toolchain(&self) -> &Toolchain {
        &self.toolchain
    }

    /// A unit.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn unit(&self, index: UnitIndex) -> &Unit {
        self.graph.unit(index)
    }

    /// The package of a unit.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn package(&self, index: UnitIndex) -> &Package {
        // Every unit's package was looked up when the context was made.
        self.packages.get(&self.unit(index).package).unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// The hashes that name a unit. They are the same in every graph that holds the same unit.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn hash(&self, index: UnitIndex) -> &UnitHash {
        &self.facts(index).hash
    }

    /// What `rustc --print cfg` says of a target of the graph.
    #[must_use]
    pub fn cfg(&self, target: &Triple) -> Option<&[Cfg]> {
        self.toolchain.targets.get(target).map(|platform| platform.cfg.as_slice())
    }

    /// What a unit is compiled for.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn platform(&self, index: UnitIndex) -> &Platform {
        platform(&self.toolchain, self.unit(index))
    }

    /// The user's rustflags for a unit: none for the host's.
    #[must_use]
    pub fn rustflags(&self, index: UnitIndex) -> &[String] {
        &self.facts(index).rustflags
    }

    /// The user's rustdocflags for a unit, likewise.
    pub(crate) fn rustdocflags(&self, index: UnitIndex) -> Vec<String> {
        let platform = self.unit(index).platform.is_some().then(|| self.platform(index));
        platform.map(|platform| self.toolchain.configuration.rustdocflags(platform)).unwrap_or_default()
    }

    /// Whether the package was asked for: cargo's primary packages, which see `CARGO_PRIMARY_PACKAGE`.
    #[must_use]
    pub fn is_primary(&self, index: UnitIndex) -> bool {
        self.primary.contains(&self.unit(index).package)
    }

    /// What people call a unit: `serde 1.0.229 (lib)`, `foo 0.1.0 (run build script)`.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn title(&self, index: UnitIndex) -> String {
        let unit = self.unit(index);
        let package = self.package(index);
        let name = &unit.target.name;
        let what = match unit.target.target_kind() {
            _ if unit.is_script_run() => "run build script".to_owned(),
            TargetKind::BuildScript => "build script".to_owned(),
            TargetKind::Library if unit.target.is_proc_macro() => "proc macro".to_owned(),
            TargetKind::Library => "lib".to_owned(),
            TargetKind::Binary => format!("bin {name}"),
            TargetKind::Test => format!("test {name}"),
            TargetKind::Benchmark => format!("bench {name}"),
            TargetKind::Example => format!("example {name}"),
        };
        let test = match unit.mode {
            Mode::Test | Mode::CheckTest if unit.target.is_library() => " test",
            Mode::Doctest => " doc test",
            Mode::Doc => " doc",
            _ => "",
        };
        format!("{} {} ({what}{test})", package.name, package.version)
    }

    /// OUT_DIR of a unit that runs a build script.
    #[must_use]
    pub fn script_output_directory(&self, run: UnitIndex) -> RelPath {
        layout::path(layout::SCRIPTS, &[&self.script_folder(run), "out"])
    }

    fn facts(&self, index: UnitIndex) -> &UnitFacts {
        &self.units[index.number()]
    }

    pub(crate) fn lto(&self, index: UnitIndex) -> &Lto {
        &self.facts(index).lto
    }

    pub(crate) fn linked_scripts(&self, index: UnitIndex) -> &[UnitIndex] {
        &self.facts(index).linked_scripts
    }

    pub(crate) fn plugin_scripts(&self, index: UnitIndex) -> &BTreeSet<UnitIndex> {
        &self.facts(index).plugin_scripts
    }

    pub(crate) fn own_scripts(&self, index: UnitIndex) -> &[UnitIndex] {
        &self.facts(index).own_scripts
    }

    pub(crate) fn manifest(&self, index: UnitIndex) -> &ManifestFacts {
        &self.manifests[&self.unit(index).package]
    }

    pub(crate) fn profile_root(&self, index: UnitIndex) -> &'static str {
        self.profile_roots.get(&self.unit(index).profile.name).copied().unwrap_or("debug")
    }

    /// `<package>-<hash>`: a compiled script's or a run's own folder.
    pub(crate) fn script_folder(&self, index: UnitIndex) -> String {
        format!("{}-{}", self.package(index).name, self.hash(index).name)
    }

    /// The packages whose own folder, or a path in it, is named in a text: of nested ones the innermost.
    pub(crate) fn packages_named_in<'t>(&'t self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.package_folders.named_in(text)
    }

    /// The runs of build scripts whose folder is named in a text.
    pub(crate) fn scripts_named_in(&self, text: &str) -> Vec<UnitIndex> {
        let below = format!("/{}/", layout::SCRIPTS);
        names_below(text, &below).filter_map(|name| self.script_folders.get(name)).copied().collect()
    }
}

pub(crate) fn platform<'t>(toolchain: &'t Toolchain, unit: &Unit) -> &'t Platform {
    unit.platform.as_ref().and_then(|triple| toolchain.targets.get(triple)).unwrap_or(&toolchain.host)
}

fn work_out(
    graph: &UnitGraph,
    packages: &Packages,
    toolchain: &Toolchain,
    order: &[UnitIndex],
) -> Result<Vec<UnitFacts>, Error> {
    let flavours = lto::flavours(graph);
    let mut facts: Vec<Option<UnitFacts>> = vec![None; graph.len()];
    for &index in order {
        let unit = graph.unit(index);
        let package = packages.get(&unit.package)?;
        let lto = match toolchain.flavour {
            Flavour::StandardLibrary if unit.platform.is_some() => Lto::ObjectAndBitcode,
            _ => flavours[index.number()].clone(),
        };
        let rustflags = match unit.platform {
            Some(_) => toolchain.configuration.rustflags(platform(toolchain, unit)),
            None => Vec::new(),
        };
        // Dependencies come first in the order.
        let below = |index: UnitIndex| facts[index.number()].as_ref();
        let edges: Vec<UnitIndex> = unit.dependencies.iter().map(|edge| edge.index).collect();
        let hash = Ingredients {
            unit,
            package,
            workspace_root: packages.workspace_root(),
            lto: &lto,
            rustc: &toolchain.version,
            flavour: toolchain.flavour,
            rustflags: &rustflags,
            dependencies: edges.iter().filter_map(|&edge| below(edge)).map(|facts| &facts.hash).collect(),
        }
        .hash();
        let own_scripts: Vec<UnitIndex> = edges
            .iter()
            .copied()
            .filter(|&edge| graph.unit(edge).is_script_run() && graph.unit(edge).package == unit.package)
            .collect();
        let (linked_scripts, plugin_scripts) = scripts(graph, packages, unit, &own_scripts, &below)?;
        facts[index.number()] =
            Some(UnitFacts { lto, hash, rustflags, linked_scripts, plugin_scripts, own_scripts });
    }
    let facts: Option<Vec<UnitFacts>> = facts.into_iter().collect();
    facts.ok_or_else(|| Error::Graph("a unit was left out of the order".to_owned()))
}

/// Cargo's `build_map`: which scripts' effects a unit sees, in the order of the command line.
fn scripts<'f>(
    graph: &UnitGraph,
    packages: &Packages,
    unit: &Unit,
    own: &[UnitIndex],
    below: &dyn Fn(UnitIndex) -> Option<&'f UnitFacts>,
) -> Result<(Vec<UnitIndex>, BTreeSet<UnitIndex>), Error> {
    let (mut linked, mut plugins) = (Vec::new(), BTreeSet::new());
    if !unit.target.is_build_script() {
        linked.extend_from_slice(own);
    }
    let mut edges = Vec::new();
    for edge in &unit.dependencies {
        let id = package_order(packages.get(&graph.unit(edge.index).package)?);
        edges.push((id, edge.index));
    }
    edges.sort_by_key(|(id, _)| *id);
    for (_, edge) in edges {
        let Some(facts) = below(edge) else { continue };
        if graph.unit(edge).target.for_host() {
            plugins.extend(&facts.linked_scripts);
        } else if graph.unit(edge).target.is_linkable() {
            for &script in &facts.linked_scripts {
                if !linked.contains(&script) {
                    linked.push(script);
                }
            }
        }
    }
    Ok((linked, plugins))
}

/// The order of cargo's `PackageId`: name, version, kind of source, URL.
fn package_order(package: &Package) -> (&str, &Version, u8, &str) {
    let source = package.source.as_deref().unwrap_or_default();
    let kind = match source.split('+').next() {
        Some("") => 0,
        Some("registry") => 1,
        Some("sparse") => 2,
        Some("git") => 4,
        _ => 3,
    };
    (&package.name, &package.version, kind, source)
}
