//! The tables that stand in the page's text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::analysis::{Analysis, Entry, State, Step};
use super::data::{targets, word};
use super::words::{counted, escaped, shown};
use super::{Timings, Until};

/// What became of a target's units.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// How many came to each of [`STATES`].
    counts: [usize; STATES.len()],
    /// What executing them cost.
    cpu: Duration,
    /// What executing those cost that were cached.
    saved: Duration,
}

/// In the order in which a line's bar has them.
const STATES: [State; 6] =
    [State::Executed, State::Elsewhere, State::Cached, State::Failed, State::Interrupted, State::Untried];

/// The lines of all targets, by their places.
fn lines(timings: &Timings, analysis: &Analysis, places: &BTreeMap<&str, usize>) -> Vec<Line> {
    let mut lines = vec![Line::default(); places.len()];
    for entry in &analysis.entries {
        let state = STATES.iter().position(|state| *state == entry.state).unwrap_or(0);
        for (position, &unit) in entry.units.iter().enumerate() {
            let line = &mut lines[places[timings.units[unit].target.as_str()]];
            line.counts[state] += 1;
            // What shares an execution has cost nothing.
            let spent = entry.times.filter(|_| position == 0).map_or(Duration::ZERO, |times| times.cpu);
            match entry.state {
                State::Cached => line.saved += spent,
                State::Elsewhere => {}
                _ => line.cpu += spent,
            }
        }
    }
    lines
}

/// Units by what became of them, a line a target.
pub(super) fn by_target(timings: &Timings, analysis: &Analysis) -> String {
    let places = targets(timings);
    let lines = lines(timings, analysis, &places);
    let widest = lines.iter().map(|line| line.counts.iter().sum()).max().unwrap_or(1);
    let mut named: Vec<(&str, usize)> = places.into_iter().collect();
    named.sort_by_key(|(_, place)| *place);
    let rows: String =
        named.into_iter().map(|(name, place)| row(name, place, &lines[place], widest)).collect();
    format!(
        "<section>\n<h2>By target</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>target</th><th></th>\
         <th>units</th><th>executed</th><th>cached</th><th>CPU</th><th>CPU saved</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n</section>\n"
    )
}

/// A line of the table. The bar of the target with the most units, `widest`, takes all of its column.
fn row(name: &str, place: usize, line: &Line, widest: usize) -> String {
    let Line { counts, cpu, saved } = line;
    let (mut bar, mut left) = (String::new(), 0);
    for (state, &count) in STATES.into_iter().zip(counts).filter(|(_, count)| **count > 0) {
        let class = word(state);
        let _ = write!(
            bar,
            "<rect class=\"{class}\" x=\"{left}\" width=\"{count}\" height=\"1\"><title>{count} \
             {class}</title></rect>"
        );
        left += count;
    }
    let [executed, elsewhere, cached, ..] = counts;
    format!(
        "<tr><td><i class=\"key\" data-target=\"{place}\"></i>{}</td><td class=\"bar\"><svg viewBox=\"0 0 {widest} \
         1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{bar}</svg></td><td>{left}</td><td>{executed}</td>\
         <td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escaped(name),
        cached + elsewhere,
        shown(*cpu),
        shown(*saved)
    )
}

/// The critical path, an action a line, with its sum; nothing where nothing ran.
pub(super) fn critical_path(timings: &Timings, analysis: &Analysis) -> String {
    if analysis.path.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for Step { entry: place, waited, took, until } in &analysis.path {
        let entry = &analysis.entries[*place];
        let unit = &timings.units[entry.units[0]];
        let event = match (until, entry.state) {
            (_, State::Failed) => "failure",
            (Until::Metadata, _) => "metadata",
            (Until::End, _) => "end",
        };
        let _ = writeln!(
            rows,
            "<tr data-entry=\"{place}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{event}</td></tr>",
            escaped(&unit.name),
            escaped(&targets_of(timings, entry)),
            entry.span.map(|span| shown(span.start)).unwrap_or_default(),
            if waited.is_zero() { String::new() } else { shown(*waited) },
            shown(*took),
        );
    }
    let waited: Duration = analysis.path.iter().map(|step| step.waited).sum();
    let took: Duration = analysis.path.iter().map(|step| step.took).sum();
    format!(
        "<section>\n<h2>Critical path</h2>\n<div class=\"wide\"><table id=\"path\">\n<thead><tr><th>unit</th>\
         <th>target</th><th>started</th><th>waited</th><th>took</th><th>to its</th></tr></thead>\n<tbody>\n{rows}</tbody>\n\
         <tfoot><tr><td>{}</td><td></td><td></td><td>{}</td><td>{}</td><td>= {}</td></tr></tfoot>\n</table></div>\n\
         </section>\n",
        counted(analysis.path.len(), "action"),
        shown(waited),
        shown(took),
        shown(waited + took)
    )
}

/// The targets that an action is for, each once.
fn targets_of(timings: &Timings, entry: &Entry) -> String {
    let mut names: Vec<&str> = entry.units.iter().map(|&unit| timings.units[unit].target.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
