//! What actions are made from, in few bytes: whether a key that a node came to before is still its key.
//!
//! | an action is made from | where it is |
//! |---|---|
//! | graph, packages, manifests, toolchain, configuration; layers, what else crates need; what was fetched | in the graph's fingerprint |
//! | its own package's local sources, what lies beside them, the commit that it is told of | in its own |
//! | results of others, and what those were made from | in its own, by what it waits for |
//! | local sources of other packages, which a script has named | nowhere: it isn't [fingerprinted](crate::Bound::is_fingerprinted) |

use xbuild_action::{ActionResult, Output};
use xbuild_base::{Hasher, Sha256};

use super::{Graph, Part, UnitOf};
use crate::queue::Node;
use crate::sources::PackageSources;
use crate::work::PlanError;

impl Part {
    /// A checksum over all that its units' actions are made from, but for stamps, sources that people edit, and results.
    fn fingerprint(&self) -> Sha256 {
        let Self {
            context,
            host_layers,
            target_layers,
            sources,
            include,
            wrapper,
            native,
            private_docs,
            wanted,
            // Of a unit's own fingerprint.
            stamps: _,
            // It is in no action.
            name: _,
        } = self;
        let mut fingerprint = Hasher::default();
        fingerprint.update(context.fingerprint().as_bytes());
        fingerprint.update_framed(&format!("{host_layers:?} {target_layers:?} {wrapper:?}"));
        fingerprint.update_framed(&format!("{include:?} {native:?} {private_docs} {wanted:?}"));
        fingerprint.update_framed(&format!(
            "{} {:?} {:?}",
            sources.workspace,
            sources.scope,
            sources.fetched()
        ));
        fingerprint.sha256()
    }
}

impl Graph<'_> {
    /// A checksum over all that no node's own fingerprint is about.
    pub(super) fn whole_fingerprint(&self) -> Sha256 {
        let mut whole = Hasher::default();
        self.parts.iter().for_each(|part| whole.update(part.fingerprint().as_bytes()));
        whole.sha256()
    }

    /// A checksum over a node's own sources, and what it needs of others; `None` while something of that is missing.
    pub(super) fn node_fingerprint(&self, node: Node) -> Result<Option<Sha256>, PlanError> {
        let of = self.units[node];
        let UnitOf { part, unit } = of;
        let package = &self.parts[part].context.package(unit).id;
        let mut fingerprint = Hasher::default();
        fingerprint.update(&(part as u64).to_le_bytes());
        fingerprint.update(&(unit.number() as u64).to_le_bytes());
        fingerprint.update(self.package_sources(part, package)?.fingerprint.as_bytes());
        let beside = self.sources_beside(of)?;
        if beside != PackageSources::default() {
            fingerprint.update_framed(&format!("beside {beside:?}"));
        }
        if let Some(stamp) = self.parts[part].stamps.get(&unit) {
            fingerprint.update_framed(&format!("stamp {stamp:?}"));
        }
        Ok(self.add_made(node, &mut fingerprint).then(|| fingerprint.sha256()))
    }

    /// A checksum over a node's result and all that it was made from by others.
    pub(super) fn result_fingerprint(&self, node: Node, result: &ActionResult) -> Option<Sha256> {
        let mut fingerprint = Hasher::default();
        fingerprint.update(result.stdout.sha256().as_bytes());
        for (path, output) in &result.outputs {
            fingerprint.update_framed(path.as_str());
            match output {
                Output::File(file) => {
                    fingerprint.update_framed(if file.executable { "program" } else { "file" });
                    fingerprint.update(file.digest.sha256().as_bytes());
                }
                Output::Tree(tree) => {
                    fingerprint.update_framed("tree");
                    fingerprint.update(tree.sha256().as_bytes());
                }
            }
        }
        self.add_made(node, &mut fingerprint).then(|| fingerprint.sha256())
    }

    /// Adds what a node needs of others' results, with all that those were made from: a script's output may name a folder
    /// that another one has filled, and so lead further than to what the node waits for. Whether all of it is there.
    fn add_made(&self, node: Node, to: &mut Hasher) -> bool {
        self.edges[node].1.iter().all(|(dependency, _)| {
            let made = self.made[*dependency].fingerprint;
            made.inspect(|made| to.update(made.as_bytes())).is_some()
        })
    }
}
