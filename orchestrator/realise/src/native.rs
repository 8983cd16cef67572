//! What crates need beside Rust: which recipes a run of a build script falls under, and which units see what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_platform::Cfg;
use xbuild_base::Triple;
use xbuild_cargo::{Context, UnitIndex};
use xbuild_describe::{Native, Natives};

/// What the runs of build scripts among `units` need, by unit: the recipes of all crates that are in the script, but for
/// those that another crate in it makes needless. A run for the host has those for the host. Runs that need nothing are
/// left out.
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
        let crates = context.script_crates(run);
        let is_needed =
            |native: &&Native| native.unless.iter().flatten().all(|other| !crates.contains(other.as_str()));
        for native in crates.iter().filter_map(|&name| by_crate.get(name)).filter(is_needed) {
            join(&mut needed, native);
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
    needed.stamp = needed.stamp.max(native.stamp);
    needed.env.extend(native.env.iter().map(|(name, value)| (name.clone(), value.clone())));
}

/// Which units see the packages of which runs of build scripts.
///
/// | unit | sees those of | for |
/// |---|---|---|
/// | a run | itself; the runs that tell it something; the script itself and the proc macros in it | headers that `DEP_*` leads to; libraries that the script is linked with |
/// | what is linked | all that is linked into it | the linker |
/// | a library | its own run | static libraries that become part of it |
/// | a unit with proc macros, its own or those of what it depends on | theirs | the compiler loads them |
#[must_use]
pub fn reach(
    context: &Context,
    units: impl IntoIterator<Item = UnitIndex>,
    runs: &BTreeSet<UnitIndex>,
) -> BTreeMap<UnitIndex, BTreeSet<UnitIndex>> {
    let mut reached = BTreeMap::new();
    let mut of_macros: BTreeMap<UnitIndex, BTreeSet<UnitIndex>> = BTreeMap::new();
    if runs.is_empty() {
        return reached;
    }
    for index in units {
        let (unit, needs) = (context.unit(index), context.needs(index));
        let is_linked = unit.is_script_run() || unit.requires_upstream_objects();
        let mut sees: BTreeSet<UnitIndex> = needs.script_directories;
        // A library's effects tell what is linked into it later from what its proc macros need by the platform alone: a
        // library for the host sees a little more than it must.
        sees.extend(
            needs.effects.into_iter().filter(|&run| is_linked || context.unit(run).platform.is_none()),
        );
        let macros =
            needs.artefacts.keys().filter(|&&artefact| context.unit(artefact).target.is_proc_macro());
        for &one in macros {
            sees.extend(&*of_macros.entry(one).or_insert_with(|| context.needs(one).effects));
        }
        sees.insert(index);
        sees.retain(|run| runs.contains(run));
        if !sees.is_empty() {
            reached.insert(index, sees);
        }
    }
    reached
}
