//! A build's progress: in a terminal a line a target, kept up to date; elsewhere a line a unit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use xbuild_action::ActionResult;
use xbuild_base::{Action, Digest};
use xbuild_plan::label::Label;
use xbuild_plan::queue::Node;
use xbuild_realise::engine::{Cause, Events, Failure, Source};

use super::{Diagnostics, Ui};

/// Shows a run over the nodes of a graph.
#[derive(Debug)]
pub(crate) struct BuildDisplay<'b> {
    ui: &'b Ui,
    labels: &'b [Label],
    diagnostics: Diagnostics,
    platforms: BTreeMap<&'b str, Platform>,
    running: BTreeMap<Node, Instant>,
    origin: Instant,
    /// When what happened to each node: for `--trace`.
    pub(crate) trace: Vec<Traced>,
    pub(crate) failures: usize,
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
}

#[derive(Debug)]
struct Platform {
    bar: ProgressBar,
    total: usize,
    done: usize,
    cached: usize,
}

impl<'b> BuildDisplay<'b> {
    pub(crate) fn new(ui: &'b Ui, labels: &'b [Label]) -> Self {
        let mut platforms: BTreeMap<&str, Platform> = BTreeMap::new();
        for label in labels {
            let platform = platforms.entry(&label.platform).or_insert_with(|| {
                let bar = ui.bars().add(ProgressBar::new(0));
                let template = "{prefix:>26.cyan.bold} {bar:18} {pos:>4}/{len:4} {wide_msg}";
                let style = ProgressStyle::with_template(template).map(|style| style.progress_chars("━╸ "));
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_prefix(label.platform.clone());
                Platform { bar, total: 0, done: 0, cached: 0 }
            });
            platform.total += 1;
        }
        for platform in platforms.values() {
            platform.bar.set_length(platform.total as u64);
        }
        let trace = labels.iter().map(|label| Traced {
            unit: label.to_string(),
            platform: label.platform.clone(),
            action: None,
            started: None,
            metadata: None,
            ended: None,
            cached: false,
        });
        Self {
            ui,
            labels,
            diagnostics: Diagnostics::default(),
            platforms,
            running: BTreeMap::new(),
            origin: Instant::now(),
            trace: trace.collect(),
            failures: 0,
        }
    }

    /// Takes the live lines away.
    pub(crate) fn finish(&mut self) {
        for platform in self.platforms.values() {
            platform.bar.finish_and_clear();
            self.ui.bars().remove(&platform.bar);
        }
    }

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
            let mut now = running.remove(name).unwrap_or_default();
            now.sort_by(|a, b| b.cmp(a));
            let mut message = now
                .iter()
                .map(|(time, label)| match time.as_secs() {
                    0..=4 => label.clone(),
                    seconds => format!("{label} {seconds}s"),
                })
                .collect::<Vec<_>>()
                .join(", ");
            if platform.done == platform.total {
                "done".clone_into(&mut message);
            }
            if platform.cached > 0 {
                message = format!("{} cached  {message}", platform.cached);
            }
            platform.bar.set_position(platform.done as u64);
            platform.bar.set_message(message);
        }
    }
}

impl Events for BuildDisplay<'_> {
    fn started(&mut self, node: Node, action: Digest<Action>) {
        self.running.insert(node, Instant::now());
        self.trace[node].started = Some(self.origin.elapsed());
        self.trace[node].action = Some(action);
        if !self.ui.live || self.ui.verbose > 0 {
            let label = &self.labels[node];
            self.ui.status("Building", format!("{label} [{}]", label.platform));
        }
        self.redraw();
    }

    fn metadata(&mut self, node: Node) {
        self.trace[node].metadata = Some(self.origin.elapsed());
    }

    fn succeeded(
        &mut self,
        node: Node,
        action: Digest<Action>,
        source: Source,
        _result: &ActionResult,
        stderr: &[u8],
    ) {
        self.running.remove(&node);
        let label = &self.labels[node];
        self.trace[node].ended = Some(self.origin.elapsed());
        self.trace[node].action = Some(action);
        self.trace[node].cached = source == Source::Cached;
        if let Some(platform) = self.platforms.get_mut(label.platform.as_str()) {
            platform.done += 1;
            platform.cached += usize::from(source == Source::Cached);
        }
        self.diagnostics.show(self.ui, label, stderr, false);
        if source == Source::Executed {
            self.redraw();
        }
    }

    fn failed(&mut self, node: Node, failure: &Failure) {
        self.running.remove(&node);
        self.failures += 1;
        let label = &self.labels[node];
        let Failure { action, command, cause, stdout, stderr, dependents } = failure;
        self.diagnostics.show(self.ui, label, stderr, true);
        if !stdout.is_empty() {
            self.ui.error_line(&format!("--- standard output of {label}\n{}", String::from_utf8_lossy(stdout)));
        }
        let why = match cause {
            Cause::Exit(code) => format!("it ended with exit code {code}"),
            Cause::Limit(limit) => format!("it went over its limit: {limit}"),
            Cause::Error(error) => error.to_string(),
        };
        let error = self.ui.paint(anstyle::AnsiColor::Red, "error");
        self.ui.error_line(&format!("{error}: could not build {label} for {}: {why}", label.platform));
        if let Some(command) = command {
            self.ui.error_line(&format!("  command: {}", shown(&command.argv)));
            self.ui.error_line(&format!("  in:      /{}", command.working_directory));
        }
        if let Some(action) = action {
            self.ui.error_line(&format!("  action:  {action}"));
        }
        if *dependents > 0 {
            self.ui.error_line(&format!("  {dependents} other units need it and were not built"));
        }
        if matches!(cause, Cause::Limit(_)) {
            self.ui.error_line("  help: raise the limit in xbuild.toml under [limits]");
        }
        self.redraw();
    }

    fn tick(&mut self) {
        self.redraw();
    }
}

/// An argument vector as people would type it.
fn shown(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = argv.iter().map(|argument| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
