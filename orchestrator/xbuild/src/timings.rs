//! `--timings`: what is noted while a build goes on, and the page about it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use xbuild_describe::Asked;
use xbuild_output::{Ending, Fate, PageFile, Stage, Timings, Unit, Until, timings_page};
use xbuild_plan::Work as _;
use xbuild_plan::graph::Graph;
use xbuild_plan::queue::Wait;
use xbuild_realise::RealiseError;

use crate::cli::Build;
use crate::description::Described;
use crate::error::{XbuildError, counted};
use crate::ui::{BuildDisplay, Traced, Ui};

/// The file for the page, if one is wanted. That it can't be written is known before anything is built.
pub(crate) fn page_file(build: &Build, described: &Described) -> Result<Option<PageFile>, XbuildError> {
    let file = match &build.timings {
        None => return Ok(None),
        Some(None) => PageFile::of_project(described.results())?,
        Some(Some(path)) => PageFile::at(path)?,
    };
    Ok(Some(file))
}

/// What a page tells beside the times.
pub(crate) struct Told<'t> {
    pub(crate) described: &'t Described,
    pub(crate) asked: &'t [Asked],
    pub(crate) jobs: usize,
}

/// What happened since a beginning.
#[derive(Debug)]
pub(crate) struct Recorder {
    origin: Instant,
    began: u64,
    stages: Vec<(&'static str, Duration)>,
    units: Vec<Unit>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { origin: Instant::now(), began: now(), stages: Vec::new(), units: Vec::new() }
    }
}

impl Recorder {
    /// A stage begins, and the one before it has ended.
    pub(crate) fn stage(&mut self, name: &'static str) {
        self.stages.push((name, self.origin.elapsed()));
    }

    /// A graph was run, to its end or not.
    pub(crate) fn ran(&mut self, graph: &Graph<'_>, display: &BuildDisplay<'_>) {
        let (first, queued) = (self.units.len(), display.origin.saturating_duration_since(self.origin));
        // A graph is run when the one before it has been: std's.
        let before =
            self.units.iter().enumerate().filter_map(|(place, unit)| Some((unit.ended?, place))).max();
        for (traced, (_, waits)) in display.trace.iter().zip(graph.nodes()) {
            let need = |(node, wait)| match wait {
                Wait::Metadata => (first + node, Until::Metadata),
                Wait::End => (first + node, Until::End),
            };
            let mut needs: Vec<(usize, Until)> = waits.into_iter().map(need).collect();
            if needs.is_empty() {
                needs.extend(before.map(|(_, last)| (last, Until::End)));
            }
            self.units.push(unit(traced, queued, needs));
        }
    }

    /// Writes the page about a build that has ended, with an error or without.
    pub(crate) fn write(
        self,
        file: &PageFile,
        told: &Told<'_>,
        error: Option<&XbuildError>,
        ui: &Ui,
    ) -> Result<(), XbuildError> {
        let page = timings_page(&self.timings(told, error));
        match (file.write(&page), error) {
            (Ok(()), _) => {
                ui.status("Timings", format!("in {}", file.path().display()));
                Ok(())
            }
            // The build's own error is the one that is reported.
            (Err(problem), Some(_)) => {
                ui.warning(problem);
                Ok(())
            }
            (Err(problem), None) => Err(problem.into()),
        }
    }

    fn timings(self, told: &Told<'_>, error: Option<&XbuildError>) -> Timings {
        let wall = self.origin.elapsed();
        let ends = self.stages.iter().skip(1).map(|(_, from)| *from).chain([wall]);
        let stage = |(&(name, from), to): (&(&'static str, Duration), Duration)| Stage {
            name: name.to_owned(),
            from,
            to,
        };
        let folder = told.described.root.file_name().map(|name| name.to_string_lossy().into_owned());
        Timings {
            project: folder.unwrap_or_else(|| "/".to_owned()),
            request: request(told.asked),
            program: concat!("xbuild ", env!("CARGO_PKG_VERSION")).to_owned(),
            began: Some(self.began),
            wall,
            jobs: told.jobs,
            ending: match error {
                None => Ending::Succeeded,
                Some(XbuildError::Realise(RealiseError::Cancelled)) => Ending::Stopped,
                Some(_) => Ending::Failed,
            },
            stages: self.stages.iter().zip(ends).map(stage).collect(),
            units: self.units,
        }
    }
}

fn unit(traced: &Traced, queued: Duration, needs: Vec<(usize, Until)>) -> Unit {
    let Traced { unit, platform, action, started, metadata, ended, cached, learned: _, failed, times } =
        traced;
    let since = |time: &Option<Duration>| time.map(|time| queued + time);
    Unit {
        name: unit.clone(),
        target: platform.clone(),
        action: *action,
        queued,
        started: since(started),
        metadata: since(metadata),
        ended: since(ended),
        fate: match ended {
            Some(_) if *failed => Fate::Failed,
            Some(_) if *cached => Fate::Cached,
            Some(_) => Fate::Executed,
            None => Fate::Unfinished,
        },
        times: *times,
        needs,
    }
}

/// How it was asked for, in a few words.
fn request(asked: &[Asked]) -> String {
    let distinct = |part: &dyn Fn(&Asked) -> String| {
        let mut found: Vec<String> = asked.iter().map(part).collect();
        found.sort();
        found.dedup();
        found
    };
    let profiles = distinct(&|one| one.plan.profile.clone());
    let targets = distinct(&|one| one.target.to_string());
    let variants = distinct(&|one| one.variant.to_string());
    let mut words = vec![profiles.join(", "), counted(targets.len(), "target")];
    if variants.len() > 1 {
        words.push(counted(variants.len(), "variant"));
    }
    words.join(" · ")
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the page says when the build began; no key and no result does"
)]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
