//! std as an input like any other: built once for each toolchain and target, from pinned source.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use xbuild_action::{Content as _, ContentExt as _, Entry, TreeBuilder};
use xbuild_base::{Digest, Hasher, RelPath, Sha256, Tree};
use xbuild_cargo::{ArtefactKind, Configuration, Flavour, UnitGraph};
use xbuild_describe::TargetSpec;
use xbuild_plan::graph::{Graph, Part};
use xbuild_plan::places::{self, place};
use xbuild_plan::planning::{Ground, Selection};
use xbuild_plan::sources::{Scope, Sources};
use xbuild_store::{Disk, Namespace};

use crate::engine::Engine;
use crate::error::RealiseError;
use crate::metadata::Metadata;
use crate::platform::{self, Layers};
use crate::project::plan;

/// The memo namespace: what a sysroot was built from → its tree.
const STD: Namespace = Namespace::new("std");

/// What one std is built from.
#[derive(Debug, Clone, Copy)]
pub struct StdRequest<'a> {
    /// The toolchain and the target's C world.
    pub layers: &'a Layers,
    /// The target.
    pub spec: &'a TargetSpec,
    /// The tree that has `usr/src/rustc-…/library`.
    pub source: Digest<Tree>,
}

impl StdRequest<'_> {
    fn key(&self, engine: &Engine<'_>) -> Sha256 {
        let mut key = Hasher::default();
        // Not all that decides what std's units run is looked at here: the code that does counts, whole (`build.rs`).
        key.update(env!("XBUILD_PLANNING").as_bytes());
        for layer in self.layers.target().iter().chain([&self.source]) {
            key.update(format!("{layer}\n").as_bytes());
        }
        let TargetSpec { triple, c, link, .. } = self.spec;
        key.update(format!("{triple:?}\n{c:?}\n{link:?}\n").as_bytes());
        key.update(xbuild_action::salt(engine.isolation).as_bytes());
        key.sha256()
    }

    /// The tree that was built of it before, if it was and is still there.
    #[must_use]
    pub fn known(&self, engine: &Engine<'_>) -> Option<Digest<Tree>> {
        let memo = engine.store.memo(STD, self.key(engine))?;
        let tree = String::from_utf8(memo).ok()?.parse().ok()?;
        engine.store.has_tree(tree).is_ok_and(|there| there).then_some(tree)
    }

    /// Plans it as a part of a graph.
    ///
    /// # Errors
    /// When the source has no `library` folder, or cargo can't plan it.
    pub fn part(&self, engine: &Engine<'_>) -> Result<Part, RealiseError> {
        let workspace = place(places::STD);
        let library = library(engine.store, self.source)?;
        let mut builder = TreeBuilder::default();
        builder.insert(engine.store, &workspace, Entry::Directory(library))?;
        let sources = Sources {
            scope: Scope::Workspace { vendor: workspace.join(&place("vendor")) },
            ..Sources::local(workspace.clone(), builder.build(engine.store)?)
        };
        let toolchain = platform::toolchain(
            engine,
            self.layers,
            self.spec,
            Flavour::StandardLibrary,
            Configuration::default(),
        )?;
        let folder = workspace.join(&place("sysroot"));
        let skeleton = sources.skeleton(engine.store)?;
        let layers = self.layers.host.as_slice();
        let ground = Ground { layers, skeleton, workspace: &folder };
        let selection = Selection {
            features: vec!["panic-unwind".to_owned(), "backtrace".to_owned()],
            profile: "release".to_owned(),
            options: vec!["-Zavoid-dev-deps".to_owned()],
            ..Selection::default()
        };
        let planned = plan(engine, &ground, &selection, &self.spec.triple)?;
        let printed = metadata(engine.store, skeleton, &planned, &workspace)?;
        let metadata = Metadata::read(engine, &printed, skeleton)?;
        let context = metadata.context(UnitGraph::parse(&planned)?, toolchain)?;
        let wanted = context.graph().roots().iter().copied().collect();
        Ok(Part {
            wanted,
            context,
            host_layers: self.layers.host.clone(),
            target_layers: self.layers.target(),
            sources: Arc::new(sources),
            include: BTreeMap::new(),
            wrapper: Vec::new(),
            native: BTreeMap::new(),
            private_docs: false,
            stamps: BTreeMap::new(),
            name: format!("std {}", self.spec.triple),
        })
    }

    /// Makes the sysroot of a part that was built, and remembers it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finish(
        &self,
        engine: &Engine<'_>,
        graph: &Graph<'_>,
        part: usize,
    ) -> Result<Digest<Tree>, RealiseError> {
        let folder = place("usr/lib/rustlib").join(&place(self.spec.triple.as_str())).join(&place("lib"));
        let mut builder = TreeBuilder::default();
        let context = &graph.parts()[part].context;
        for node in (0..graph.len()).filter(|&node| graph.unit(node).part == part) {
            let unit = graph.unit(node).unit;
            if context.unit(unit).platform.is_none() {
                continue;
            }
            for artefact in context.artefacts(unit) {
                let file = graph.files(node).get(&artefact.file);
                if let (ArtefactKind::Linkable, Some(file)) = (artefact.kind, file) {
                    builder.insert(engine.store, &folder.join(&place(&artefact.file)), Entry::File(*file))?;
                }
            }
        }
        let tree = builder.build(engine.store)?;
        engine.store.put_memo(STD, self.key(engine), tree.to_string().as_bytes())?;
        Ok(tree)
    }
}

/// `usr/src/rustc-<version>/library` of the source component.
fn library(store: &Disk, source: Digest<Tree>) -> Result<Digest<Tree>, RealiseError> {
    let missing = || RealiseError::Source {
        problem: "the toolchain's source has no usr/src/rustc-*/library".to_owned(),
    };
    let mut builder = TreeBuilder::from_tree(source);
    let Some(Entry::Directory(versions)) = builder.get(store, &place("usr/src"))? else {
        return Err(missing());
    };
    let versions = store.directory(versions)?;
    let name = versions.entries.keys().find(|name| name.starts_with("rustc-")).ok_or_else(missing)?;
    let path: RelPath = place("usr/src").join(&place(name)).join(&place("library"));
    match builder.get(store, &path)? {
        Some(Entry::Directory(tree)) => Ok(tree),
        _ => Err(missing()),
    }
}

/// What `cargo metadata` would print of the graph's packages.
///
/// It can't be asked: it wants all optional and development dependencies of members, and `library/vendor` has
/// only what the build needs.
fn metadata(
    store: &Disk,
    skeleton: Digest<Tree>,
    graph: &str,
    workspace: &RelPath,
) -> Result<String, RealiseError> {
    let wrong = |problem: &str| RealiseError::Source { problem: format!("std's unit graph {problem}") };
    let graph: Value = serde_json::from_str(graph).map_err(|error| wrong(&error.to_string()))?;
    let mut builder = TreeBuilder::from_tree(skeleton);
    let mut packages: BTreeMap<String, Value> = BTreeMap::new();
    for unit in graph["units"].as_array().into_iter().flatten() {
        let id = unit["pkg_id"].as_str().ok_or_else(|| wrong("has a unit without a package"))?;
        if let Some(known) = packages.get_mut(id) {
            let targets = known["targets"].as_array_mut().ok_or_else(|| wrong("has no targets"))?;
            if !targets.contains(&unit["target"]) {
                targets.push(unit["target"].clone());
            }
            continue;
        }
        let source = unit["target"]["src_path"].as_str().unwrap_or_default().trim_start_matches('/');
        let source = RelPath::new(source).map_err(|error| wrong(&error.to_string()))?;
        let (path, text) = manifest_above(store, &mut builder, &source)?
            .ok_or_else(|| wrong(&format!("names {source}, and no manifest lies above it")))?;
        let table: toml::Table = text.parse().unwrap_or_default();
        let package = table.get("package").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        let text = |key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let version = id.rsplit(['#', '@']).next().unwrap_or_default();
        let registry =
            id.split_once('#').map(|(source, _)| source).filter(|source| source.starts_with("registry+"));
        packages.insert(
            id.to_owned(),
            json!({
                "name": text("name"), "version": version, "id": id, "source": registry,
                "targets": [unit["target"]], "features": {}, "manifest_path": path.in_sandbox(),
                "authors": package.get("authors").and_then(toml::Value::as_array).cloned().unwrap_or_default(),
                "description": text("description"), "license": text("license"), "license_file": null,
                "readme": text("readme"), "repository": text("repository"), "homepage": text("homepage"),
                "links": text("links"), "rust_version": text("rust-version"),
            }),
        );
    }
    let members: Vec<&String> = packages.keys().filter(|id| !id.starts_with("registry+")).collect();
    Ok(json!({
        "workspace_members": members, "workspace_default_members": members,
        "workspace_root": workspace.in_sandbox(), "packages": packages.values().collect::<Vec<_>>(),
    })
    .to_string())
}

/// The nearest manifest in the folders above a file, and its text.
fn manifest_above(
    store: &Disk,
    builder: &mut TreeBuilder,
    file: &RelPath,
) -> Result<Option<(RelPath, String)>, RealiseError> {
    for folder in std::iter::successors(file.parent(), RelPath::parent) {
        let path = folder.join(&place("Cargo.toml"));
        if let Some(Entry::File(file)) = builder.get(store, &path)? {
            return Ok(Some((path, String::from_utf8_lossy(&store.get(file.digest)?).into_owned())));
        }
    }
    Ok(None)
}
