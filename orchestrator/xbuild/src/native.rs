//! What crates need beside Rust: the built-in recipes under the project's own, and the trees that they name.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::{Digest, Tree};
use xbuild_describe::{ComponentName, Native};
use xbuild_plan::graph::{self, Part};
use xbuild_realise::native;

use crate::description::Described;
use crate::error::XbuildError;

/// Gives runs of build scripts the tools and variables that the crates in them need. `trees` fetches components.
pub(crate) fn provide(
    described: &Described,
    parts: &mut [Part],
    trees: impl FnOnce(&BTreeSet<ComponentName>) -> Result<BTreeMap<ComponentName, Digest<Tree>>, XbuildError>,
) -> Result<(), XbuildError> {
    let natives = [&described.recipes, &described.description.natives];
    let mut recipes = Vec::new();
    let mut names = BTreeSet::new();
    for part in &*parts {
        let of_part = native::recipes(&part.context, part.needed(), &natives);
        for needed in of_part.values() {
            if let Some(package) = needed.packages.iter().flatten().next() {
                return Err(XbuildError::user(
                    format!("native packages: `{package}`: system libraries are not implemented yet"),
                    "take it away, and have the crate build its own copy (often a feature `vendored` or `bundled`)",
                ));
            }
            for tool in needed.tools.iter().flatten() {
                names.insert(component(described, tool)?);
            }
        }
        recipes.push(of_part);
    }
    if names.is_empty() && recipes.iter().all(BTreeMap::is_empty) {
        return Ok(());
    }
    let trees = trees(&names)?;
    for (part, of_part) in parts.iter_mut().zip(recipes) {
        part.native = of_part.into_iter().map(|(unit, needed)| (unit, with_trees(needed, &trees))).collect();
    }
    Ok(())
}

fn component(described: &Described, tool: &str) -> Result<ComponentName, XbuildError> {
    let known = described.toolchains.component(tool).is_ok();
    tool.parse().ok().filter(|_| known).ok_or_else(|| {
        let names = described.toolchains.components.keys().map(ToString::to_string).collect::<Vec<_>>();
        XbuildError::user(
            format!("native tools: `{tool}` is no component of toolchains.toml"),
            format!("name one of: {} (Debian packages are not implemented yet)", names.join(", ")),
        )
    })
}

fn with_trees(needed: Native, trees: &BTreeMap<ComponentName, Digest<Tree>>) -> graph::Native {
    let named = needed.tools.into_iter().flatten().filter_map(|tool| trees.get(tool.as_str()).copied());
    graph::Native { layers: named.collect(), environment: needed.env }
}
