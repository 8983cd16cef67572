//! Runs of tests as they end: a line for each, what a failed one printed, and at the end how many there were.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::json;
use xbuild_action::{Content, ContentExt as _};
use xbuild_base::{Action, Digest};
use xbuild_output::testing::{Case, Suite, Totals, Verdict, read};
use xbuild_plan::Bound;
use xbuild_plan::label::Label;
use xbuild_plan::queue::Node;
use xbuild_realise::engine::{Events, Failure, Source, Success};

use super::Ui;
use super::build::with_time;
use super::failure::{Why, show_action};
use crate::error::counted;
use crate::history::Gathered;

/// Shows runs of tests.
pub(crate) struct TestDisplay<'t> {
    ui: &'t Ui,
    store: &'t dyn Content,
    labels: &'t [Label],
    /// The variant that each run is of.
    variants: Vec<String>,
    running: BTreeMap<Node, Instant>,
    bar: Option<ProgressBar>,
    done: usize,
    /// What has ended, in the order of the nodes.
    suites: BTreeMap<Node, Suite>,
    /// What each was made of, and what it said.
    pub(crate) gathered: Gathered,
    /// Runs that failed for a reason of the machine's.
    pub(crate) broken: usize,
}

impl<'t> TestDisplay<'t> {
    pub(crate) fn new(
        ui: &'t Ui,
        store: &'t dyn Content,
        labels: &'t [Label],
        variants: Vec<String>,
    ) -> Self {
        let (running, suites, gathered) = (BTreeMap::new(), BTreeMap::new(), Gathered::default());
        Self { ui, store, labels, variants, running, bar: None, done: 0, suites, gathered, broken: 0 }
    }

    /// Takes the live line away; what has ended, in the order of the tests.
    pub(crate) fn finish(&mut self) -> Vec<Suite> {
        if let Some(bar) = self.bar.take() {
            self.ui.remove_bar(&bar);
        }
        std::mem::take(&mut self.suites).into_values().collect()
    }

    fn name(&self, node: Node) -> String {
        let label = &self.labels[node];
        format!("{label} [{}]", label.platform)
    }

    fn redraw(&mut self) {
        if !self.ui.live {
            return;
        }
        let mut now: Vec<(Duration, Node)> =
            self.running.iter().map(|(&node, since)| (since.elapsed(), node)).collect();
        now.sort_by(|a, b| b.cmp(a));
        let parts = now.into_iter().map(|(time, node)| with_time(self.name(node), time));
        let parts: Vec<String> = parts.collect();
        let bar = self.bar.get_or_insert_with(|| self.ui.add_bar("tests", "tests".len(), self.labels.len()));
        bar.set_message(parts.join(", "));
        bar.set_position(self.done as u64);
    }

    fn ended(&mut self, node: Node, suite: Suite, is_cached: bool) {
        self.running.remove(&node);
        self.done += 1;
        if self.ui.json {
            self.ui.output_line(
                &line((&self.variants[node], &self.labels[node]), &suite, is_cached).to_string(),
            );
        }
        self.suites.insert(node, suite);
        self.redraw();
    }
}

impl Events for TestDisplay<'_> {
    fn bound(&mut self, node: Node, action: Digest<Action>, bound: &Bound) {
        self.gathered.bound(node, &self.labels[node], action, bound);
    }

    fn started(&mut self, node: Node, _: Digest<Action>) {
        self.running.insert(node, Instant::now());
        self.ui.verbose("Testing", self.name(node));
        self.redraw();
    }

    fn waits(&mut self, node: Node) {
        self.ui.status("Waiting", format!("for another xbuild, which tests {}", self.name(node)));
    }

    fn metadata(&mut self, _: Node) {}

    fn succeeded(&mut self, node: Node, success: &Success<'_>) {
        let Success { result, stderr, source, .. } = *success;
        self.gathered.succeeded(node, success);
        // What can't be read back is shown as nothing: that the tests passed is known.
        let stdout = self.store.get(result.stdout).unwrap_or_default();
        let suite = suite(&self.labels[node], None, &stdout, stderr, result.times.wall);
        let (name, said) = (self.name(node), told(&suite));
        if self.ui.verbose > 0 && !self.ui.json {
            self.ui.output_line(suite.stdout.trim_end());
        }
        let is_cached = source != Source::Executed;
        let how = if is_cached { "cached".to_owned() } else { format!("{:.2} s", suite.time.as_secs_f64()) };
        self.ui.status("Passed", format!("{name}: {said} ({how})"));
        self.ended(node, suite, is_cached);
    }

    fn failed(&mut self, node: Node, failure: &Failure) {
        self.gathered.failed(node, failure, self.store);
        let Why { text: why, help, is_broken } = Why::of(failure);
        self.broken += usize::from(is_broken);
        let time = failure.times.unwrap_or_default().wall;
        let (stdout, stderr) = (&failure.stdout, &failure.stderr);
        let suite = suite(&self.labels[node], Some(why.clone()), stdout, stderr, time);
        for (what, text) in [("output", &suite.stdout), ("error", &suite.stderr)] {
            if !text.trim().is_empty() {
                self.ui.error_line(&format!("--- standard {what} of {}", self.name(node)));
                self.ui.error_line(text.trim_end());
            }
        }
        let said = suite.report.totals.map_or(why, |_| told(&suite));
        self.ui.error(format!("{} failed: {said}", self.name(node)));
        show_action(self.ui, failure);
        if let Some(help) = help {
            self.ui.help(&help);
        }
        self.ended(node, suite, false);
    }

    fn tick(&mut self) {
        self.redraw();
    }
}

fn suite(label: &Label, failure: Option<String>, stdout: &[u8], stderr: &[u8], time: Duration) -> Suite {
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(text).replace("\r\n", "\n"));
    let report = read(&stdout);
    Suite { name: label.to_string(), platform: label.platform.clone(), failure, report, stdout, stderr, time }
}

/// How many tests ended how, in words.
fn told(suite: &Suite) -> String {
    let Some(totals) = suite.report.totals else { return "it counts no tests".to_owned() };
    words(totals)
}

/// `3 passed, 1 failed`
pub(crate) fn words(totals: Totals) -> String {
    let Totals { passed, failed, ignored } = totals;
    let mut parts = Vec::new();
    if passed > 0 || (failed == 0 && ignored == 0) {
        parts.push(format!("{passed} passed"));
    }
    for (count, what) in [(failed, "failed"), (ignored, "ignored")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// `12 passed, 1 ignored in 3 runs`
pub(crate) fn summary(suites: &[Suite]) -> String {
    let mut totals = Totals::default();
    for suite in suites {
        totals += suite.report.totals.unwrap_or_default();
    }
    format!("{} in {}", words(totals), counted(suites.len(), "run"))
}

fn line((variant, label): (&str, &Label), suite: &Suite, is_cached: bool) -> serde_json::Value {
    let of_case = |Case { name, verdict }: &Case| match verdict {
        Verdict::Passed => json!({ "name": name, "verdict": "passed" }),
        Verdict::Failed(output) => json!({ "name": name, "verdict": "failed", "output": output }),
        Verdict::Ignored(reason) => json!({ "name": name, "verdict": "ignored", "why": reason }),
    };
    json!({
        "reason": "xbuild-test",
        "package_id": label.package_id,
        "variant": variant,
        "run": suite.name,
        "platform": suite.platform,
        "failure": suite.failure,
        "totals": suite.report.totals,
        "tests": suite.report.cases.iter().map(of_case).collect::<Vec<_>>(),
        "cached": is_cached,
        "seconds": suite.time.as_secs_f64(),
    })
}
