//! What a person or a program sees while xbuild works: progress and messages on standard error, results on
//! standard output.

mod annotations;
mod build;
mod diagnostics;
mod failure;
mod fetch;
mod local_packages;
mod problems;
mod tests;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use xbuild_base::RelPath;

pub(crate) use annotations::{END_OF_GROUP, Level, group};
pub(crate) use build::{BuildDisplay, Traced};
pub(crate) use diagnostics::{Diagnostics, Said, rendered};
pub(crate) use failure::quoted;
pub(crate) use fetch::{FetchDisplay, Fetched};
pub(crate) use local_packages::LocalPackages;
pub(crate) use problems::show as show_problems;
pub(crate) use tests::{TestDisplay, summary as test_summary};

use self::annotations::Annotations;
use crate::cli::{Global, MessageFormat, When};
use crate::settings;

/// Where and how things are shown.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: u8,
    /// Whether standard error takes colour.
    pub(crate) color: bool,
    /// Whether standard error is a terminal that can be drawn on.
    pub(crate) live: bool,
    bars: MultiProgress,
    /// Where messages about files are shown beside them.
    annotations: Option<Arc<Annotations>>,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        use std::io::IsTerminal as _;
        let terminal = std::io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match global.color {
            When::Auto => terminal && !dumb && !no_color,
            When::Always => true,
            When::Never => false,
        };
        let json = global.message_format == MessageFormat::Json;
        let live = terminal && !dumb && !global.quiet;
        let target = if live { ProgressDrawTarget::stderr_with_hz(12) } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let annotations = settings::checkout().map(|folder| Arc::new(Annotations::new(folder)));
        Self { json, quiet: global.quiet, verbose: global.verbose, color, live, bars, annotations }
    }

    /// For another project, which has its files elsewhere: nothing is shown beside them.
    pub(crate) fn of_input(&self) -> Self {
        Self { annotations: None, ..self.clone() }
    }

    /// A line of progress, with a verb in front as cargo has it.
    pub(crate) fn status(&self, verb: &str, text: impl std::fmt::Display) {
        if !self.quiet {
            self.error_line(&format!(
                "{} {text}",
                self.paint(anstyle::AnsiColor::Green, &format!("{verb:>12}"))
            ));
        }
    }

    /// As [`Self::status`], only with `-v`.
    pub(crate) fn verbose(&self, verb: &str, text: impl std::fmt::Display) {
        if self.verbose > 0 {
            self.status(verb, text);
        }
    }

    /// Something that people should know of and that is no error.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            self.error_line(&format!("{}: {text}", self.paint(anstyle::AnsiColor::Cyan, "note")));
        }
    }

    /// That something failed, on what, and why.
    pub(crate) fn error(&self, text: impl std::fmt::Display) {
        let text = text.to_string();
        self.error_line(&format!("{}: {}", self.paint(anstyle::AnsiColor::Red, "error"), text.trim_end()));
    }

    /// What to do about an error: best something to paste.
    pub(crate) fn help(&self, text: &str) {
        let lines = text.trim_end().replace('\n', "\n      ");
        self.error_line(&format!("{}: {lines}", self.paint(anstyle::AnsiColor::Cyan, "help")));
    }

    /// Something that may be wrong, of the project's own.
    pub(crate) fn warning(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            self.error_line(&format!("{}: {text}", self.paint(anstyle::AnsiColor::Yellow, "warning")));
        }
    }

    /// Tells where the project's files lie, on the host and in the sandbox: messages name them by the latter.
    pub(crate) fn locate(&self, root: &Path, workspace: &RelPath) {
        self.annotations.iter().for_each(|annotations| annotations.locate(root, workspace));
    }

    /// Has a compiler's message, in rustc's JSON, shown at its place, where somebody reads that.
    fn annotate_message(&self, line: &str) {
        let command = self.annotations.as_ref().and_then(|annotations| annotations.of_message(line));
        command.iter().for_each(|command| self.error_line(command));
    }

    /// As [`Self::annotate_message`], of a line of a file.
    pub(crate) fn annotate(&self, level: Level, file: &str, line: usize, message: &str) {
        let command =
            self.annotations.as_ref().and_then(|annotations| annotations.of_line(level, file, line, message));
        command.iter().for_each(|command| self.error_line(command));
    }

    /// Lines on standard error, above what is drawn live.
    pub(crate) fn error_line(&self, text: &str) {
        self.bars.suspend(|| {
            // Nobody can be told when standard error itself is gone.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }

    /// A line on standard output.
    pub(crate) fn output_line(&self, text: &str) {
        self.bars.suspend(|| {
            // A reader that has gone away has seen enough.
            let _ = writeln!(std::io::stdout().lock(), "{text}");
        });
    }

    /// Text in bold colour where colour is wanted.
    pub(crate) fn paint(&self, color: anstyle::AnsiColor, text: &str) -> String {
        if self.color {
            let style = color.on_default().bold();
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// Takes away what is drawn live, for good: an error ends a verb wherever it is.
    pub(crate) fn stop_drawing(&self) {
        // Nobody can be told when standard error itself is gone.
        let _ = self.bars.clear();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// How the name of a live line is drawn, as the end of a placeholder in a template.
    pub(crate) const fn bar_style(&self) -> &'static str {
        if self.color { ".cyan.bold" } else { "" }
    }

    /// A live line: a name, which takes at least that many columns, how far of `total`, and a message.
    fn add_bar(&self, name: &str, width: usize, total: usize) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
        let style = self.bar_style();
        let template = format!("{{prefix:>{width}{style}}} {{bar:16}} {{pos:>4}}/{{len:4}} {{wide_msg}}");
        let style = ProgressStyle::with_template(&template).map(|style| style.progress_chars("━╸ "));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.to_owned());
        self.bars.add(bar)
    }

    /// Takes a live line away.
    fn remove_bar(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.bars.remove(bar);
    }

    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }
}
