//! Where the project's own packages lie: what a hint over a failed unit must know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xbuild_action::{Content, lookup};
use xbuild_base::RelPath;
use xbuild_plan::graph::Graph;
use xbuild_plan::label::Label;
use xbuild_plan::sources::Sources;
use xbuild_realise::engine::Failure;

use crate::hint::{Surroundings, hint};

/// The local packages of a graph, and all local sources.
pub(crate) struct LocalPackages<'s> {
    store: &'s dyn Content,
    /// All parts of a graph have the same.
    sources: Option<Arc<Sources>>,
    /// The packages' folders, by cargo's ids.
    folders: BTreeMap<String, RelPath>,
}

impl std::fmt::Debug for LocalPackages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalPackages").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl<'s> LocalPackages<'s> {
    pub(crate) fn of(store: &'s dyn Content, graph: &Graph<'_>) -> Self {
        let sources = graph.parts().first().map(|part| Arc::clone(&part.sources));
        let packages = graph.parts().iter().flat_map(|part| part.context.packages().iter());
        let local = packages.filter(|package| package.is_local());
        let folders = local.map(|package| (package.id.clone(), package.root.clone())).collect();
        Self { store, sources, folders }
    }

    /// What to add to the description for a unit that failed after it had looked for `missed` in vain.
    pub(crate) fn hint(&self, label: &Label, failure: &Failure, missed: &[RelPath]) -> Option<String> {
        let folder = self.folders.get(&label.package_id);
        let nested: BTreeSet<&RelPath> =
            self.folders.values().filter(|other| Some(*other) != folder).collect();
        let is_hidden = |path: &RelPath| {
            let nested = nested.iter().any(|nested| {
                path.strip_prefix(nested).is_some()
                    && folder.is_some_and(|own| nested.strip_prefix(own).is_some())
            });
            let own = folder.is_some_and(|own| path.strip_prefix(own).is_some()) && !nested;
            !own && self.exists(path)
        };
        let surroundings = folder.zip(failure.command.as_ref()).map(|(folder, command)| Surroundings {
            folder,
            command,
            missed,
            is_hidden: &is_hidden,
        });
        hint(label, surroundings.as_ref(), &failure.stdout, &failure.stderr)
    }

    /// Whether there is such a file or folder among the local sources.
    fn exists(&self, path: &RelPath) -> bool {
        let Some(sources) = &self.sources else { return false };
        lookup(self.store, sources.local, path).is_ok_and(|entry| entry.is_some())
    }
}
