//! Which crates of the lock a request needs: worked out from manifests, proved against cargo's graphs, and remembered.

use std::collections::BTreeSet;

use xbuild_base::{Digest, Hasher, RelPath, Sha256, Tree};
use xbuild_describe::{Asked, evaluate};
use xbuild_plan::sources::Sources;
use xbuild_realise::gather::{Gathering, Reach, StandIns};
use xbuild_realise::{RealiseError, in_threads, this_program, workspace};
use xbuild_store::Namespace;

use super::{Extra, Planned, Work, request};
use crate::composed::{Ground, spec};
use crate::error::XbuildError;

/// The memo namespace: what is asked of which manifests → what stands in for the crates that it doesn't need.
const NEEDED: Namespace = Namespace::new("stand-ins-1");

/// Which crates of the lock a request needs.
pub(super) struct Needed {
    key: Sha256,
    /// What stands in for the others.
    pub(super) stand_ins: StandIns,
    /// What is asked for by the manifests alone, where it is not proved yet that the others aren't needed.
    open: Option<Vec<Asked>>,
}

impl Needed {
    /// What an equal request before this one needed; or, before anything is fetched, what is asked for.
    pub(super) fn new(work: &Work<'_>, extra: &Extra) -> Result<Self, XbuildError> {
        let Work { described, build, wanted, .. } = work;
        let request = request(build, wanted);
        let mut key = Hasher::default();
        key.update_framed(&this_program());
        key.update_framed(&described.fingerprint.to_string());
        // Lock and configuration are in it.
        let local = Sources::local(work.local.workspace.clone(), work.local.tree);
        let manifests = local.skeleton(work.content()).map_err(RealiseError::from)?;
        key.update_framed(&format!("{manifests} {} {request:?} {}", local.workspace, extra.development));
        let key = key.sha256();
        if let Some(stand_ins) = recall(work, key) {
            return Ok(Self { key, stand_ins, open: None });
        }
        // What the manifests alone don't tell, cargo will.
        let Ok(facts) = workspace::of_manifests(work.content(), &work.local, &work.lock) else {
            return Ok(Self { key, stand_ins: StandIns::default(), open: None });
        };
        let asked = evaluate(&described.description, &facts, &described.targets, &request)?;
        Ok(Self { key, stand_ins: StandIns::default(), open: Some(asked) })
    }

    /// Works out what is needed, if that isn't known yet.
    pub(super) fn work_out(
        &mut self,
        work: &Work<'_>,
        gathering: &Gathering<'_>,
        extra: &Extra,
        host: &[Digest<Tree>],
    ) -> Result<(), XbuildError> {
        let Some(asked) = &self.open else { return Ok(()) };
        let besides = work.patches.of_lock(&work.lock);
        let mut reach = Reach { development: extra.development, besides, ..Reach::default() };
        for one in asked {
            reach.add(&work.engine, one, spec(work.described, &one.target)?, host, &work.configuration)?;
        }
        self.stand_ins = gathering.stand_ins(&reach)?;
        Ok(())
    }

    /// Everything is needed: what was worked out doesn't hold.
    pub(super) fn take_all(&mut self) {
        self.stand_ins.clear();
    }

    /// Whether no graph leads to what is left out.
    pub(super) fn holds(&self, work: &Work<'_>, planned: &Planned<'_>) -> bool {
        if self.open.is_none() || self.stand_ins.is_empty() {
            return true;
        }
        let Planned { project, composed, metadata, .. } = planned;
        let (described, engine) = (work.described, &work.engine);
        let stand_ins: BTreeSet<RelPath> = project.sources.stand_ins().collect();
        let is_free = |one: &Asked| -> Result<bool, XbuildError> {
            let metadata = &metadata[&Ground::of(described, one)?.rust];
            let (spec, layers) = (spec(described, &one.target)?, composed.layers_of(one)?);
            let context = project.context(engine, one, spec, layers, metadata, &[])?;
            Ok(!context.graph().units().any(|(unit, _)| stand_ins.contains(&context.package(unit).root)))
        };
        let all = in_threads(engine.jobs, &planned.asked, is_free);
        all.into_iter().all(|is_free| is_free.unwrap_or(false))
    }

    /// Keeps what was found. That it can't be written costs time later, and no more.
    pub(super) fn remember(&self, work: &Work<'_>) {
        if self.open.is_some()
            && let Ok(bytes) = serde_json::to_vec(&self.stand_ins)
        {
            let _ = work.store().put_memo(NEEDED, self.key, &bytes);
        }
    }
}

/// What was remembered, if all of it is still in the store.
fn recall(work: &Work<'_>, key: Sha256) -> Option<StandIns> {
    let stand_ins: StandIns = serde_json::from_slice(&work.store().memo(NEEDED, key)?).ok()?;
    stand_ins.values().all(|&tree| work.content().directory(tree).is_ok()).then_some(stand_ins)
}
