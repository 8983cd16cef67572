//! What xbuild's recipes give to crates, for cargo: without it a comparison would tell of tools, not of builds.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::{Digest, Tree};
use xbuild_cargo::Toolchain;
use xbuild_describe::{ComponentName, Native, Natives};
use xbuild_fetch::source::lock::Lock;
use xbuild_fetch::toolchain::Composer;

use crate::error::Error;

/// Adds the variables of all recipes for crates in a lock to what cargo is told, and gives the trees of their tools. A
/// cargo in one sandbox has one environment for all scripts: those of other crates see them too.
///
/// # Errors
/// When a tool can't be fetched.
pub(crate) fn provide(
    composer: &Composer<'_>,
    recipes: &Natives,
    lock: &Lock,
    toolchain: &mut Toolchain,
) -> Result<BTreeSet<Digest<Tree>>, Error> {
    let platforms: Vec<_> = std::iter::once(&toolchain.host).chain(toolchain.targets.values()).collect();
    let by_platform: Vec<BTreeMap<String, Native>> =
        platforms.iter().map(|platform| recipes.for_target(&platform.triple, &platform.cfg)).collect();
    let mut trees = BTreeSet::new();
    for native in lock
        .packages
        .iter()
        .flat_map(|package| by_platform.iter().filter_map(|by_crate| by_crate.get(package.name.as_str())))
    {
        for tool in native.tools.iter().flatten() {
            // The built-in recipes name components alone.
            if let Ok(component) = tool.parse::<ComponentName>() {
                trees.insert(composer.tree(&component)?);
            }
        }
        toolchain.environment.extend(native.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(trees)
}
