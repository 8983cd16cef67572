//! What images take from outside, beside the outputs that are in them.

use std::collections::BTreeSet;

use xbuild_base::Triple;
use xbuild_describe::{Base, Description, FileSource, InputOutput};
use xbuild_image::Platform;
use xbuild_plan::graph::Graph;

use super::{base, select};
use crate::composed::spec;
use crate::error::XbuildError;
use crate::steps::Steps;
use crate::work::{Extra, Later, Planned, Work};

/// Tells a dry run of all that images take.
pub(crate) fn defer(
    work: &Work<'_>,
    later: &Later,
    planned: &Planned<'_>,
    graph: &Graph<'_>,
) -> Result<(), XbuildError> {
    let described = work.described();
    let Extra { components, files, development: _ } = select::extra(described, &[])?;
    work.trees(&described.toolchains, &components)?;
    files.iter().try_for_each(|file| work.fetch(file, false).map(drop))?;
    for (reference, platform) in bases(work, planned, graph)? {
        base::defer(work, later, &reference, &platform)?;
    }
    Beside::of_images(&described.description).fetch(work, planned)
}

/// What images are based on that must be pulled, each for a platform.
pub(crate) fn bases(
    work: &Work<'_>,
    planned: &Planned<'_>,
    graph: &Graph<'_>,
) -> Result<BTreeSet<(String, Platform)>, XbuildError> {
    let described = work.described();
    let images = &described.description.images;
    // Without any, each program has one that is called like it.
    let names: Vec<&str> = images.named.keys().map(String::as_str).collect();
    let names = if names.is_empty() { vec![""] } else { names };
    let mut wanted = BTreeSet::new();
    for (one, part) in planned.asked.iter().zip(graph.parts()) {
        let Some(ground) = &spec(described, &one.target)?.image else { continue };
        let cfgs = part.context.cfg(&one.target).unwrap_or_default();
        let holds = |platform: &cargo_platform::Platform| platform.matches(one.target.as_str(), cfgs);
        for name in &names {
            if let Base::Pulled(reference) = images.settings(name, one.variant.as_str(), holds).base {
                wanted.insert((reference, select::platform(ground)));
            }
        }
    }
    Ok(wanted)
}

/// What is taken that steps and other projects make.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) steps: BTreeSet<String>,
    pub(crate) inputs: BTreeSet<InputOutput>,
}

impl Beside {
    /// What all images take.
    pub(crate) fn of_images(description: &Description) -> Self {
        let mut beside = Self::default();
        let images = description.images.every(|_| true).into_iter();
        for file in images.flat_map(|settings| settings.files.into_values()) {
            match file.from {
                FileSource::Step(part) => drop(beside.steps.insert(part.name)),
                FileSource::Input(output) => drop(beside.inputs.insert(output)),
                _ => {}
            }
        }
        beside
    }

    /// Fetches what steps make it from, and other projects.
    pub(crate) fn fetch(&self, work: &Work<'_>, planned: &Planned<'_>) -> Result<(), XbuildError> {
        let targets: BTreeSet<&Triple> = planned.asked.iter().map(|one| &one.target).collect();
        let steps = if self.steps.is_empty() { None } else { Some(Steps::new(work)?) };
        for target in targets {
            for name in &self.steps {
                steps.as_ref().map_or(Ok(()), |steps| steps.fetch(name, target))?;
            }
            for output in &self.inputs {
                work.fetch_input(output, target)?;
            }
        }
        Ok(())
    }
}
