//! Runs of tests as they end: a line for each, what a failed one printed, and at the end how many there were.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use xbuild_action::{Content, ContentExt as _};
use xbuild_base::{Action, Digest};
use xbuild_output::testing::{Case, Suite, Totals, Verdict, read};
use xbuild_plan::label::Label;
use xbuild_plan::queue::Node;
use xbuild_realise::engine::{Cause, Events, Failure, Source, Success};

use super::Ui;
use super::build::exit;
use crate::error::{USER, counted, of_realise as code, realise_help};

/// Shows runs of tests.
pub(crate) struct TestDisplay<'t> {
    ui: &'t Ui,
    store: &'t dyn Content,
    labels: &'t [Label],
    running: BTreeMap<Node, Instant>,
    bar: Option<ProgressBar>,
    done: usize,
    /// What has ended, in the order of the nodes.
    suites: BTreeMap<Node, Suite>,
    /// Runs that failed for a reason of the machine's.
    pub(crate) broken: usize,
}

impl<'t> TestDisplay<'t> {
    pub(crate) fn new(ui: &'t Ui, store: &'t dyn Content, labels: &'t [Label]) -> Self {
        let (running, suites) = (BTreeMap::new(), BTreeMap::new());
        Self { ui, store, labels, running, bar: None, done: 0, suites, broken: 0 }
    }

    /// Takes the live line away; what has ended, in the order of the tests.
    pub(crate) fn finish(&mut self) -> Vec<Suite> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.ui.bars().remove(&bar);
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
        let total = self.labels.len();
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
            let template =
                format!("{{prefix{}}} {{bar:16}} {{pos:>4}}/{{len:4}} {{wide_msg}}", self.ui.bar_style());
            let style = ProgressStyle::with_template(&template).map(|style| style.progress_chars("━╸ "));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix("tests");
            self.ui.bars().add(bar)
        });
        let mut running: Vec<(Duration, Node)> =
            self.running.iter().map(|(&node, since)| (since.elapsed(), node)).collect();
        running.sort_by(|a, b| b.cmp(a));
        let parts = running.into_iter().map(|(time, node)| {
            let label = &self.labels[node];
            match time.as_secs() {
                0 | 1 => format!("{label} [{}]", label.platform),
                seconds => format!("{label} [{}] {seconds}s", label.platform),
            }
        });
        bar.set_message(parts.collect::<Vec<_>>().join(", "));
        bar.set_position(self.done as u64);
    }

    fn ended(&mut self, node: Node, suite: Suite, is_cached: bool) {
        self.running.remove(&node);
        self.done += 1;
        if self.ui.json {
            self.ui.output_line(&line(&self.labels[node], &suite, is_cached).to_string());
        }
        self.suites.insert(node, suite);
        self.redraw();
    }
}

impl Events for TestDisplay<'_> {
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
        let Failure { cause, stdout, stderr, times, command, action, .. } = failure;
        let (why, help) = match cause {
            Cause::Exit(code) => (exit(*code), None),
            Cause::Limit(limit) => (
                format!("it went over its limit: {limit}"),
                Some("raise the limit in xbuild.toml under [limits]".to_owned()),
            ),
            Cause::Error(error) => {
                self.broken += usize::from(code(error) != USER);
                (error.to_string(), realise_help(error))
            }
        };
        let time = times.unwrap_or_default().wall;
        let suite = suite(&self.labels[node], Some(why.clone()), stdout, stderr, time);
        for (what, text) in [("output", &suite.stdout), ("error", &suite.stderr)] {
            if !text.trim().is_empty() {
                self.ui.error_line(&format!("--- standard {what} of {}", self.name(node)));
                self.ui.error_line(text.trim_end());
            }
        }
        let said = suite.report.totals.map_or(why, |_| told(&suite));
        self.ui.error(format!("{} failed: {said}", self.name(node)));
        if let Some(command) = command {
            self.ui.error_line(&format!("  command: {}", super::build::shown(&command.argv)));
            self.ui.error_line(&format!("  in:      /{}", command.working_directory));
        }
        if let Some(action) = action {
            self.ui.error_line(&format!("  action:  {action}"));
        }
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

fn line(label: &Label, suite: &Suite, is_cached: bool) -> serde_json::Value {
    let of_case = |Case { name, verdict }: &Case| match verdict {
        Verdict::Passed => json!({ "name": name, "verdict": "passed" }),
        Verdict::Failed(output) => json!({ "name": name, "verdict": "failed", "output": output }),
        Verdict::Ignored(reason) => json!({ "name": name, "verdict": "ignored", "why": reason }),
    };
    json!({
        "reason": "xbuild-test",
        "package_id": label.package_id,
        "run": suite.name,
        "platform": suite.platform,
        "failure": suite.failure,
        "totals": suite.report.totals,
        "tests": suite.report.cases.iter().map(of_case).collect::<Vec<_>>(),
        "cached": is_cached,
        "seconds": suite.time.as_secs_f64(),
    })
}
