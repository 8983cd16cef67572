//! What crates need beside Rust: which recipes a run of a build script falls under.

use std::collections::{BTreeMap, BTreeSet};

use cargo_platform::Cfg;
use xbuild_base::Triple;
use xbuild_cargo::{Context, UnitIndex};
use xbuild_describe::{Native, Natives};

/// What the runs of build scripts among `units` need, by unit: the recipes of all crates that are in the script. A
/// run for the host has those for the host. Runs that need nothing are left out.
///
/// `natives` are laid over each other, the later over the earlier.
#[must_use]
pub fn recipes(
    context: &Context,
    units: impl IntoIterator<Item = UnitIndex>,
    natives: &[&Natives],
) -> BTreeMap<UnitIndex, Native> {
    let mut platforms: BTreeMap<Triple, BTreeMap<String, Native>> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for run in units.into_iter().filter(|&run| context.unit(run).is_script_run()) {
        let platform = context.platform(run);
        let by_crate = platforms
            .entry(platform.triple.clone())
            .or_insert_with(|| laid_over(natives, &platform.triple, &platform.cfg));
        let mut needed = Native::default();
        for name in context.script_crates(run) {
            if let Some(native) = by_crate.get(name) {
                join(&mut needed, native);
            }
        }
        if needed != Native::default() {
            found.insert(run, needed);
        }
    }
    found
}

fn laid_over(natives: &[&Natives], triple: &Triple, cfg: &[Cfg]) -> BTreeMap<String, Native> {
    let mut laid: BTreeMap<String, Native> = BTreeMap::new();
    for (name, native) in natives.iter().flat_map(|natives| natives.for_target(triple, cfg)) {
        laid.entry(name).or_default().lay(&native);
    }
    laid
}

/// Adds what another crate needs.
fn join(needed: &mut Native, native: &Native) {
    let add = |to: &mut Option<BTreeSet<String>>, from: &Option<BTreeSet<String>>| {
        if let Some(from) = from.as_ref().filter(|from| !from.is_empty()) {
            to.get_or_insert_default().extend(from.iter().cloned());
        }
    };
    add(&mut needed.tools, &native.tools);
    add(&mut needed.packages, &native.packages);
    needed.env.extend(native.env.iter().map(|(name, value)| (name.clone(), value.clone())));
}
