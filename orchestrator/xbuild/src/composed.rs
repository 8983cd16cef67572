//! The toolchains of all asked-for targets: fetched, composed, std built where it must be.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use xbuild_base::{Digest, Tree, Triple};
use xbuild_describe::{Asked, Glibc, TargetSpec, TaskKind, Toolchain};
use xbuild_fetch::official::Server;
use xbuild_fetch::toolchain::Composer;
use xbuild_fetch::{FetchError, is_stand_in, stand_in};
use xbuild_plan::graph::Graph;
use xbuild_plan::reasons::{Component, Components};
use xbuild_realise::RealiseError;
use xbuild_realise::engine::Engine;
use xbuild_realise::platform::Layers;
use xbuild_realise::std_library::StdRequest;
use xbuild_store::Disk;

use crate::description::Described;
use crate::error::XbuildError;
use crate::history::History;
use crate::pinned;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::work::run_graph;

/// A toolchain for a target, with the glibc that was chosen for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ground {
    pub(crate) rust: Version,
    pub(crate) target: Triple,
    pub(crate) glibc: Option<Glibc>,
}

impl Ground {
    /// What a graph is built on.
    pub(crate) fn of(described: &Described, one: &Asked) -> Result<Self, XbuildError> {
        let rust = described.toolchain(&one.variant)?.version.clone();
        Ok(Self { rust, target: one.target.clone(), glibc: one.glibc })
    }
}

/// The trees of each target, std not yet built where it must be.
pub(crate) struct Composed<'d> {
    pub(crate) layers: BTreeMap<Ground, Layers>,
    /// What these trees are.
    pub(crate) components: Components,
    described: &'d Described,
    /// std's source, by Rust version, where some std must be built.
    sources: BTreeMap<Version, Digest<Tree>>,
}

impl<'d> Composed<'d> {
    /// Fetches and composes what the targets need, and nothing else.
    pub(crate) fn new(
        described: &'d Described,
        composer: &Composer<'_>,
        server: &Server,
        asked: &[Asked],
    ) -> Result<Self, XbuildError> {
        let (layers, components, sources) = Default::default();
        let mut composed = Self { layers, components, described, sources };
        let mut grounds: BTreeMap<&Version, (&Toolchain, BTreeSet<Ground>)> = BTreeMap::new();
        let mut with_clippy: BTreeSet<&Version> = BTreeSet::new();
        for one in asked {
            let toolchain = described.toolchain(&one.variant)?;
            if one.task.as_ref().is_some_and(|asked| asked.task.kind == TaskKind::Clippy) {
                with_clippy.insert(&toolchain.version);
            }
            let (_, of_toolchain) = grounds.entry(&toolchain.version).or_insert((toolchain, BTreeSet::new()));
            of_toolchain.insert(Ground::of(described, one)?);
        }
        for (version, (toolchain, grounds)) in &grounds {
            let mut wanted: Vec<(&TargetSpec, Option<Glibc>)> = Vec::new();
            for Ground { target, glibc, .. } in grounds {
                wanted.push((spec(described, target)?, *glibc));
            }
            let layers = composer.layers(toolchain, &wanted, server)?;
            let clippy =
                with_clippy.contains(version).then(|| composer.clippy(toolchain, server)).transpose()?;
            composed.components.extend(pinned::layers(composer, toolchain, &layers));
            if let Some(tree) = clippy {
                let versions = [("clippy".to_owned(), toolchain.channel())].into();
                let is_pending = is_stand_in(composer.fetcher.store(), tree);
                let name = pinned::component("clippy");
                composed.components.insert(tree, Component { name, versions, is_pending });
            }
            composed.sources.extend(layers.source.map(|source| ((*version).clone(), source)));
            let host = &layers.host;
            composed.layers.extend(grounds.iter().zip(layers.targets).map(|(ground, of_target)| {
                let (sysroot, std) = (of_target.sysroot, of_target.std);
                (ground.clone(), Layers { host: host.clone(), sysroot, std, clippy })
            }));
        }
        Ok(composed)
    }

    /// The trees that a graph is built on.
    pub(crate) fn layers_of(&self, one: &Asked) -> Result<&Layers, XbuildError> {
        let ground = Ground::of(self.described, one)?;
        let missing =
            || XbuildError::user(format!("nothing is composed for {}", one.target), "xbuild build --help");
        self.layers.get(&ground).ok_or_else(missing)
    }

    /// The grounds whose std is neither there nor prebuilt; those that are there are filled in.
    pub(crate) fn without_std(&mut self, engine: &Engine<'_>) -> Result<Vec<Ground>, XbuildError> {
        let (mut missing, mut known) = (Vec::new(), Vec::new());
        for (ground, layers) in &self.layers {
            if layers.std.is_some() {
                continue;
            }
            let spec = spec(self.described, &ground.target)?;
            let source = self.sources.get(&ground.rust).copied().ok_or_else(|| {
                let Ground { rust, target, .. } = ground;
                XbuildError::user(
                    format!("Rust {rust} has neither a std for {target} nor the source to build one"),
                    "use a toolchain that has: xbuild toolchain list",
                )
            })?;
            match (StdRequest { layers, spec, source }).known(engine) {
                Some(tree) => known.push((ground.clone(), tree)),
                None => missing.push(ground.clone()),
            }
        }
        known.into_iter().for_each(|(ground, tree)| self.set_std(&ground, tree, false));
        Ok(missing)
    }

    /// Lets something stand in the place of a std that is not built.
    pub(crate) fn set_no_std(&mut self, ground: &Ground, store: &Disk) -> Result<(), XbuildError> {
        let tree = stand_in(store, &format!("std {ground:?}")).map_err(FetchError::from)?;
        self.set_std(ground, tree, true);
        Ok(())
    }

    /// What a target's std is, and that it was made with the toolchain's trees.
    fn set_std(&mut self, ground: &Ground, tree: Digest<Tree>, is_pending: bool) {
        let Some(layers) = self.layers.get_mut(ground) else { return };
        let made_with = layers.target().into_iter().filter_map(|tree| self.components.get(&tree));
        let mut versions: BTreeMap<String, String> =
            made_with.flat_map(|component| component.versions.clone()).collect();
        versions.insert("std".to_owned(), ground.rust.to_string());
        layers.std = Some(tree);
        let name = pinned::std_of(&ground.target);
        self.components.insert(tree, Component { name, versions, is_pending });
    }

    /// Builds each std that is missing, all targets' in one go.
    pub(crate) fn build_std(
        &mut self,
        engine: &Engine<'_>,
        (ui, history): (&Ui, &History),
        recorder: &mut Recorder,
    ) -> Result<(), XbuildError> {
        let missing = self.without_std(engine)?;
        if missing.is_empty() {
            return Ok(());
        }
        recorder.stage("std");
        let mut requests = Vec::new();
        for ground in &missing {
            // Those that are missing have one.
            let Some(&source) = self.sources.get(&ground.rust) else { continue };
            requests.push((spec(self.described, &ground.target)?, self.layers[ground].clone(), source));
        }
        let mut parts = Vec::new();
        for &(spec, ref layers, source) in &requests {
            parts.push(StdRequest { layers, spec, source }.part(engine)?);
        }
        let mut graph = Graph::new(engine.store, parts).map_err(RealiseError::from)?;
        run_graph(engine, &mut graph, (ui, history, &[]), recorder)?;
        for (part, (ground, &(spec, ref layers, source))) in missing.iter().zip(&requests).enumerate() {
            let tree = StdRequest { layers, spec, source }.finish(engine, &graph, part)?;
            self.set_std(ground, tree, false);
        }
        Ok(())
    }
}

/// The target of a triple that evaluation has let through.
pub(crate) fn spec<'d>(described: &'d Described, target: &Triple) -> Result<&'d TargetSpec, XbuildError> {
    let missing = || XbuildError::user(format!("there is no target {target}"), "xbuild build --help");
    described.targets.get(target).ok_or_else(missing)
}
