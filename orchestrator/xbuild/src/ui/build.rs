//! A build's progress: in a terminal a line a target, kept up to date; elsewhere a line a unit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use xbuild_action::{Content, Times};
use xbuild_base::{Action, Digest};
use xbuild_plan::Bound;
use xbuild_plan::label::{Label, What};
use xbuild_plan::queue::Node;
use xbuild_realise::engine::{Cause, Events, Failure, Source, Success};

use super::failure::{Why, show_action};
use super::{Diagnostics, LocalPackages, Said, Ui};
use crate::history::Gathered;

/// Shows a run over the nodes of a graph.
pub(crate) struct BuildDisplay<'b> {
    ui: &'b Ui,
    labels: &'b [Label],
    store: &'b dyn Content,
    sources: LocalPackages<'b>,
    diagnostics: Diagnostics,
    platforms: BTreeMap<&'b str, Platform>,
    running: BTreeMap<Node, Instant>,
    /// When it began.
    pub(crate) origin: Instant,
    /// What each node was made of, and what it said.
    pub(crate) gathered: Gathered,
    /// When what happened to each node: for `--trace` and `--timings`.
    pub(crate) trace: Vec<Traced>,
    /// Nodes that failed for a reason of the machine's.
    pub(crate) broken: usize,
}

/// A node's way through a run. Times are since its beginning.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Traced {
    pub(crate) unit: String,
    pub(crate) platform: String,
    pub(crate) action: Option<Digest<Action>>,
    pub(crate) started: Option<Duration>,
    pub(crate) metadata: Option<Duration>,
    pub(crate) ended: Option<Duration>,
    pub(crate) cached: bool,
    /// Whether the cached result is another action's, which saw the same.
    pub(crate) learned: bool,
    #[serde(skip)]
    pub(crate) failed: bool,
    /// What its execution took, now or when it was recorded.
    #[serde(skip)]
    pub(crate) times: Option<Times>,
}

impl Traced {
    /// How long its execution took in this run; nothing where it was there.
    pub(crate) fn executed(&self) -> Duration {
        let span = self.started.zip(self.ended).filter(|_| !self.cached);
        span.map_or(Duration::ZERO, |(started, ended)| ended.saturating_sub(started))
    }
}

#[derive(Debug, Default)]
struct Platform {
    /// Its line, once something runs: what is all cached draws nothing.
    bar: Option<ProgressBar>,
    total: usize,
    done: usize,
    cached: usize,
}

impl<'b> BuildDisplay<'b> {
    pub(crate) fn new(
        ui: &'b Ui,
        labels: &'b [Label],
        store: &'b dyn Content,
        sources: LocalPackages<'b>,
    ) -> Self {
        let mut platforms: BTreeMap<&str, Platform> = BTreeMap::new();
        for label in labels {
            platforms.entry(&label.platform).or_default().total += 1;
        }
        let trace = labels.iter().map(|label| Traced {
            unit: label.to_string(),
            platform: label.platform.clone(),
            action: None,
            started: None,
            metadata: None,
            ended: None,
            cached: false,
            learned: false,
            failed: false,
            times: None,
        });
        Self {
            ui,
            labels,
            store,
            sources,
            diagnostics: Diagnostics::default(),
            platforms,
            running: BTreeMap::new(),
            gathered: Gathered::default(),
            origin: Instant::now(),
            trace: trace.collect(),
            broken: 0,
        }
    }

    /// What compilers and build scripts said that must be said again next time.
    pub(crate) fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.diagnostics).into_said()
    }

    /// Takes the live lines away.
    pub(crate) fn finish(&mut self) {
        for bar in self.platforms.values_mut().filter_map(|platform| platform.bar.take()) {
            self.ui.remove_bar(&bar);
        }
    }

    /// Draws a line for each target, if nothing does yet.
    fn draw(&mut self) {
        let width = self.platforms.keys().map(|name| name.len()).max().unwrap_or(0);
        for (name, platform) in self.platforms.iter_mut().filter(|(_, platform)| platform.bar.is_none()) {
            platform.bar = Some(self.ui.add_bar(name, width, platform.total));
        }
    }

    /// What has been done of each target, what runs, and for how long: the slowest first.
    fn redraw(&self) {
        if !self.ui.live {
            return;
        }
        let mut running: BTreeMap<&str, Vec<(Duration, String)>> = BTreeMap::new();
        for (&node, since) in &self.running {
            let label = &self.labels[node];
            running.entry(&label.platform).or_default().push((since.elapsed(), label.to_string()));
        }
        for (name, platform) in &self.platforms {
            let Some(bar) = &platform.bar else { continue };
            let mut now = running.remove(name).unwrap_or_default();
            now.sort_by(|a, b| b.cmp(a));
            let mut parts = Vec::new();
            if platform.cached > 0 {
                parts.push(format!("{} cached", platform.cached));
            }
            if platform.done == platform.total {
                parts.push("done".to_owned());
            }
            parts.extend(now.into_iter().map(|(time, label)| with_time(label, time)));
            bar.set_position(platform.done as u64);
            bar.set_message(parts.join(", "));
        }
    }
}

impl Events for BuildDisplay<'_> {
    fn bound(&mut self, node: Node, action: Digest<Action>, bound: &Bound) {
        self.gathered.bound(node, &self.labels[node], action, bound);
    }

    fn started(&mut self, node: Node, action: Digest<Action>) {
        self.running.insert(node, Instant::now());
        self.trace[node].started = Some(self.origin.elapsed());
        self.trace[node].action = Some(action);
        if self.ui.live {
            self.draw();
        }
        if !self.ui.live || self.ui.verbose > 0 {
            let label = &self.labels[node];
            self.ui.status("Building", format!("{label} [{}]", label.platform));
        }
        self.redraw();
    }

    fn waits(&mut self, node: Node) {
        let label = &self.labels[node];
        self.ui.status("Waiting", format!("for another xbuild, which builds {label} [{}]", label.platform));
    }

    fn metadata(&mut self, node: Node) {
        self.trace[node].metadata = Some(self.origin.elapsed());
    }

    fn succeeded(&mut self, node: Node, success: &Success<'_>) {
        let Success { action, source, stderr, warnings, result, seen: _ } = *success;
        self.running.remove(&node);
        let label = &self.labels[node];
        self.trace[node].ended = Some(self.origin.elapsed());
        self.trace[node].action = Some(action);
        self.trace[node].cached = source != Source::Executed;
        self.trace[node].learned = matches!(source, Source::Learned(_));
        self.trace[node].times = Some(result.times);
        self.gathered.succeeded(node, success);
        if let Some(platform) = self.platforms.get_mut(label.platform.as_str()) {
            platform.done += 1;
            platform.cached += usize::from(source != Source::Executed);
        }
        if source != Source::Executed && self.ui.verbose > 1 {
            self.ui.status("Cached", format!("{label} [{}]", label.platform));
        }
        self.diagnostics.hear(self.ui, label, stderr, warnings);
        if source == Source::Executed {
            self.redraw();
        }
    }

    fn failed(&mut self, node: Node, failure: &Failure) {
        self.running.remove(&node);
        let label = &self.labels[node];
        let Failure { cause, stdout, stderr, dependents, times, .. } = failure;
        self.gathered.failed(node, failure, self.store);
        let traced = &mut self.trace[node];
        (traced.ended, traced.failed, traced.times) = (Some(self.origin.elapsed()), true, *times);
        let script = label.what == What::ScriptRun;
        if script && !stderr.is_empty() {
            self.ui.error_line(&format!("--- standard error of {label}"));
        }
        self.diagnostics.show(self.ui, label, stderr, true);
        if !stdout.is_empty() {
            self.ui.error_line(&format!("--- standard output of {label}"));
            self.ui.error_line(String::from_utf8_lossy(stdout).trim_end());
        }
        let Why { text, mut help, is_broken } = Why::of(failure);
        if help.is_none()
            && let Cause::Exit { missed, .. } = cause
        {
            help = self.sources.hint(label, failure, missed);
        }
        self.broken += usize::from(is_broken);
        self.ui.error(format!("could not build {label} for {}: {text}", label.platform));
        show_action(self.ui, failure);
        match dependents {
            0 => {}
            1 => self.ui.error_line("  1 other unit needs it and was not built"),
            count => self.ui.error_line(&format!("  {count} other units need it and were not built")),
        }
        if let Some(help) = help {
            self.ui.help(&help);
        }
        self.redraw();
    }

    fn tick(&mut self) {
        self.redraw();
    }
}

/// What runs, and for how long once that is long.
pub(super) fn with_time(label: String, time: Duration) -> String {
    match time.as_secs() {
        0 | 1 => label,
        seconds => format!("{label} {seconds}s"),
    }
}
