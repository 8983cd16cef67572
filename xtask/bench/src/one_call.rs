//! What one call of cargo for all targets would build.
//!
//! Cargo merges the features that the targets of one call ask for, so that its graph may be another than those of a
//! call for each target.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use xbuild_action::ContentExt as _;
use xbuild_base::Triple;
use xbuild_describe::PlanSettings;
use xbuild_plan::planning::{self, Selection};
use xbuild_realise::engine::Engine;
use xtask_ground::{Ground, Shape};

use crate::error::Error;

/// How the graph of one call for all targets differs from those of a call for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OneCall {
    /// The units of the one call.
    pub(crate) units: usize,
    /// Those of them that no other call has.
    pub(crate) other: usize,
}

impl OneCall {
    /// Asks cargo for the units of each target and for those of all targets at once. `None` where graphs have
    /// packages or features of their own.
    pub(crate) fn look(ground: &Ground, workspace: &Path) -> Result<Option<Self>, Error> {
        ground.with(|kit| {
            let description = ground.description(workspace, &[])?;
            let ready = ground.ready(kit, workspace, &description, &Shape::default().request())?;
            let Some((first, layers)) = ready.asked.first() else { return Ok(None) };
            if ready.asked.iter().any(|(one, _)| one.plan != first.plan) {
                return Ok(None);
            }
            let sources = ready.project.ground(&layers.host);
            let mut single = BTreeSet::new();
            for (one, _) in &ready.asked {
                single.append(&mut units(kit.engine, &sources, &first.plan, &[&one.target])?);
            }
            let targets: Vec<&Triple> = ready.asked.iter().map(|(one, _)| &one.target).collect();
            let together = units(kit.engine, &sources, &first.plan, &targets)?;
            Ok(Some(Self { units: together.len(), other: together.difference(&single).count() }))
        })
    }

    /// In words of the report.
    pub(crate) fn told(&self) -> String {
        let Self { units, other } = self;
        if *other == 0 {
            return format!("One call of cargo for all targets would build the same {units} units.");
        }
        format!(
            "One call of cargo for all targets would be another graph: of its {units} units {other} have features \
             that no target's own call asks for."
        )
    }
}

/// The units of one call of cargo for these targets.
fn units(
    engine: &Engine<'_>,
    sources: &planning::Ground<'_>,
    plan: &PlanSettings,
    targets: &[&Triple],
) -> Result<BTreeSet<String>, Error> {
    let [first, others @ ..] = targets else { return Ok(BTreeSet::new()) };
    let selection = Selection {
        packages: plan.packages.iter().cloned().collect(),
        features: plan.features.iter().cloned().collect(),
        all_features: plan.all_features,
        no_default_features: !plan.default_features,
        profile: plan.profile.clone(),
        ..Selection::default()
    };
    let (mut command, inputs) = planning::unit_graph(sources, &selection, first);
    command.argv.extend(others.iter().flat_map(|target| ["--target".to_owned(), target.to_string()]));
    let result = engine.run_one("planning with cargo", &command, &inputs)?;
    Ok(identities(&engine.store.get(result.stdout)?))
}

/// What tells the units of a unit graph apart, as text.
fn identities(graph: &[u8]) -> BTreeSet<String> {
    let graph: Value = serde_json::from_slice(graph).unwrap_or_default();
    let identity = |unit: &Value| {
        ["pkg_id", "target", "mode", "platform", "features"].map(|key| unit[key].to_string()).join(" ")
    };
    graph["units"].as_array().into_iter().flatten().map(identity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_differ_by_their_features_and_not_by_their_place() {
        let unit = |features: &str| {
            format!(
                r#"{{"pkg_id": "a", "target": {{"name": "a"}}, "mode": "build", "platform": null,
                     "features": [{features}], "dependencies": [{{"index": 1}}]}}"#
            )
        };
        let graph =
            |units: &[String]| identities(format!(r#"{{"units": [{}]}}"#, units.join(",")).as_bytes());
        let (plain, more) = (unit(""), unit(r#""x""#));
        assert_eq!(
            graph(&[plain.clone(), more.clone()]).difference(&graph(&[plain, more.clone()])).count(),
            0
        );
        assert_eq!(graph(&[unit(""), more]).difference(&graph(&[unit("")])).count(), 1);
        let told = OneCall { units: 9, other: 2 }.told();
        assert!(told.contains("of its 9 units 2 have"), "{told}");
    }
}
