//! Problems of what people wrote, in the same grammar as every other error: `error:`, the place, `help:`.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use xbuild_describe::{Problem, Problems};

use super::Ui;

/// Shows each problem with its place and what to do about it, and how many there are.
pub(crate) fn show(ui: &Ui, problems: &Problems) {
    for problem in problems.as_slice() {
        ui.error(problem);
        let place = place(ui, problem);
        if !place.is_empty() {
            ui.error_line(&place);
        }
        if let Some(help) = problem.help_text() {
            ui.help(help);
        }
        if problems.as_slice().len() > 1 {
            ui.error_line("");
        }
    }
    if problems.as_slice().len() > 1 {
        ui.error(problems);
    }
}

/// The lines of the text with the place marked; nothing when there is no place.
fn place(ui: &Ui, problem: &Problem) -> String {
    let theme = if ui.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    // Wrapped lines break triples and commands at their hyphens.
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_wrap_lines(false);
    let mut text = String::new();
    if problem.place().is_none() || handler.render_report(&mut text, &Place(problem)).is_err() {
        return String::new();
    }
    // The headline is shown already; the place begins at its corner.
    let lines = text.lines().skip_while(|line| !line.contains('╭'));
    lines.map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A problem of which only the place is shown.
#[derive(Debug)]
struct Place<'p>(&'p Problem);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("-")
    }
}

impl std::error::Error for Place<'_> {}

impl Diagnostic for Place<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.labels()
    }
}
