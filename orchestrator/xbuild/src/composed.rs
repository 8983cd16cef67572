//! The toolchains of all asked-for targets: fetched, composed, std built where it must be.

use std::collections::BTreeMap;

use xbuild_base::{Digest, Tree, Triple};
use xbuild_describe::{Asked, Glibc, TargetSpec, Toolchain};
use xbuild_fetch::official::Server;
use xbuild_fetch::toolchain::Composer;
use xbuild_plan::graph::Graph;
use xbuild_realise::RealiseError;
use xbuild_realise::engine::Engine;
use xbuild_realise::platform::Layers;
use xbuild_realise::std_library::StdRequest;

use crate::description::Described;
use crate::error::XbuildError;
use crate::history::History;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::verb::build::run_graph;

/// A target with the glibc that was chosen for it.
pub(crate) type Ground = (Triple, Option<Glibc>);

/// The trees of each target, std not yet built where it must be.
pub(crate) struct Composed<'d> {
    pub(crate) layers: BTreeMap<Ground, Layers>,
    described: &'d Described,
    /// std's source, where some std must be built.
    source: Option<Digest<Tree>>,
}

impl<'d> Composed<'d> {
    /// Fetches and composes what the targets need, and nothing else.
    pub(crate) fn new(
        described: &'d Described,
        toolchain: &Toolchain,
        composer: &Composer<'_>,
        server: &Server,
        asked: &[Asked],
    ) -> Result<Self, XbuildError> {
        let mut grounds: Vec<Ground> = asked.iter().map(|one| (one.target.clone(), one.glibc)).collect();
        grounds.sort();
        grounds.dedup();
        let mut wanted: Vec<(&TargetSpec, Option<Glibc>)> = Vec::new();
        for (target, glibc) in &grounds {
            wanted.push((spec(described, target)?, *glibc));
        }
        let composed = composer.layers(toolchain, &wanted, server)?;
        let layers = grounds.into_iter().zip(composed.targets).map(|(ground, of_target)| {
            let layers =
                Layers { host: composed.host.clone(), sysroot: of_target.sysroot, std: of_target.std };
            (ground, layers)
        });
        Ok(Self { layers: layers.collect(), described, source: composed.source })
    }

    /// The grounds whose std is neither there nor prebuilt; those that are there are filled in.
    pub(crate) fn without_std(&mut self, engine: &Engine<'_>) -> Result<Vec<Ground>, XbuildError> {
        let mut missing = Vec::new();
        for (ground, layers) in &mut self.layers {
            if layers.std.is_some() {
                continue;
            }
            let spec = spec(self.described, &ground.0)?;
            let source = self.source.ok_or_else(|| {
                XbuildError::user(
                    format!("the toolchain has neither a std for {} nor the source to build one", ground.0),
                    "use a toolchain that has: xbuild toolchain list",
                )
            })?;
            match (StdRequest { layers, spec, source }).known(engine) {
                Some(tree) => layers.std = Some(tree),
                None => missing.push(ground.clone()),
            }
        }
        Ok(missing)
    }

    /// Builds each std that is missing, all targets' in one go.
    pub(crate) fn build_std(
        &mut self,
        engine: &Engine<'_>,
        (ui, history): (&Ui, &History),
        recorder: &mut Recorder,
    ) -> Result<(), XbuildError> {
        let missing = self.without_std(engine)?;
        let Some(source) = self.source.filter(|_| !missing.is_empty()) else { return Ok(()) };
        recorder.stage("std");
        let mut requests = Vec::new();
        for ground in &missing {
            requests.push((spec(self.described, &ground.0)?, self.layers[ground].clone()));
        }
        let mut parts = Vec::new();
        for (spec, layers) in &requests {
            parts.push(StdRequest { layers, spec, source }.part(engine)?);
        }
        let mut graph = Graph::new(engine.store, parts).map_err(RealiseError::from)?;
        run_graph(engine, &mut graph, (ui, history), recorder)?;
        for (part, (ground, (spec, layers))) in missing.iter().zip(&requests).enumerate() {
            let tree = StdRequest { layers, spec, source }.finish(engine, &graph, part)?;
            if let Some(of_ground) = self.layers.get_mut(ground) {
                of_ground.std = Some(tree);
            }
        }
        Ok(())
    }
}

/// The target of a triple that evaluation has let through.
pub(crate) fn spec<'d>(described: &'d Described, target: &Triple) -> Result<&'d TargetSpec, XbuildError> {
    let missing = || XbuildError::user(format!("there is no target {target}"), "xbuild build --help");
    described.targets.get(target).ok_or_else(missing)
}
