//! The page's text: what is said in words and tables, with the data and the script that draws it.
//!
//! The page loads nothing, from nowhere: its own policy forbids it, and lets no script run but the one here. Names
//! come from packages of others. They are escaped where they stand in the page's text, and the script makes text of
//! them and never elements.

use std::fmt::Write as _;
use std::time::Duration;

use xbuild_base::Sha256;

use super::analysis::{Analysis, State, analyse};
use super::data::data;
use super::tables::{by_target, critical_path};
use super::words::{counted, escaped, shown};
use super::{Ending, Timings};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = concat!(
    include_str!("page/model.js"),
    include_str!("page/view.js"),
    include_str!("page/chart.js"),
    include_str!("page/load.js"),
    include_str!("page/table.js"),
    include_str!("page/main.js"),
);
/// The parts of the page that are the same for every build.
const CHARTS: &str = include_str!("page/charts.html");
const UNITS: &str = include_str!("page/units.html");
const HELP: &str = include_str!("page/help.html");

/// The page about a build. The same build gives the same bytes.
#[must_use]
pub fn timings_page(timings: &Timings) -> String {
    let analysis = analyse(timings);
    let title = format!("{} · timings", escaped(&timings.project));
    let [style, script] = [STYLE, SCRIPT].map(|text| base64(Sha256::of(text.as_bytes()).as_bytes()));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'; \
         form-action 'none'"
    );
    let (heading, sums) = (heading(timings), sums(timings, &analysis));
    let (by_target, path) = (by_target(timings, &analysis), critical_path(timings, &analysis));
    let data = data(timings, &analysis);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         {heading}{sums}{CHARTS}<div class=\"columns\">\n{path}{by_target}</div>\n{UNITS}{HELP}\
         <script id=\"data\" type=\"application/json\">{data}</script>\n\
         <script type=\"module\">{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn heading(timings: &Timings) -> String {
    let Timings { project, request, program, ending, jobs, .. } = timings;
    let (class, word) = match ending {
        Ending::Succeeded => ("good", "succeeded"),
        Ending::Failed => ("bad", "failed"),
        Ending::Stopped => ("stopped", "stopped"),
    };
    let (project, request, program) = (escaped(project), escaped(request), escaped(program));
    format!(
        "<header>\n<h1>{project} <span class=\"badge {class}\">{word}</span></h1>\n\
         <p>{request} · {} at once · {program}<span id=\"began\"></span></p>\n</header>\n",
        counted(*jobs, "action")
    )
}

/// What there is to say in numbers.
fn sums(timings: &Timings, analysis: &Analysis) -> String {
    let Analysis { entries, path, longest_chain, busy, cpu, saved } = analysis;
    let mut tiles = String::new();
    let mut tile = |label: &str, value: &str, more: &str| {
        let _ = writeln!(tiles, "<div><dt>{label}</dt><dd>{value}</dd><dd class=\"more\">{more}</dd></div>");
    };
    tile("Wall time", &shown(timings.wall), &format!("{} with actions running", shown(*busy)));
    let actions = |state: State| entries.iter().filter(|entry| entry.state == state).count();
    let failed = actions(State::Failed);
    let executed = (actions(State::Executed) + failed).to_string();
    tile("Executed", &executed, &of_all(timings, analysis));
    if failed > 0 {
        tile("Failed", &failed.to_string(), "marked red");
    }
    let cached = analysis.units(State::Cached);
    let saved = match cached {
        0 => "nothing was there".to_owned(),
        _ => format!("saved {}, {} of CPU", shown(saved.wall), shown(saved.cpu)),
    };
    tile("From the cache", &cached.to_string(), &saved);
    if !path.is_empty() {
        let cores = cpu.as_secs_f64() / busy.as_secs_f64().max(1e-6);
        let more = format!("{} of CPU, while actions ran", shown(*cpu));
        tile("Cores in use", &format!("{cores:.2} <small>of {}</small>", timings.jobs), &more);
        let waited: Duration = path.iter().map(|step| step.waited).sum();
        let length: Duration = path.iter().map(|step| step.waited + step.took).sum();
        let more = format!("{}, {} of it waiting", counted(path.len(), "action"), shown(waited));
        tile("Critical path", &shown(length), &more);
        tile("Longest chain", &shown(*longest_chain), "no number of cores makes it shorter");
    }
    format!("<dl class=\"sums\">\n{tiles}</dl>\n")
}

/// What the executed actions are a part of.
fn of_all(timings: &Timings, analysis: &Analysis) -> String {
    let executed = analysis.entries.iter().filter(|entry| entry.state == State::Executed).count();
    let mut words = vec![format!("of {}", counted(timings.units.len(), "unit"))];
    for (count, what) in [
        (analysis.units(State::Executed).saturating_sub(executed), "more shared them"),
        (analysis.units(State::Elsewhere), "built by another xbuild"),
        (analysis.units(State::Interrupted), "interrupted"),
        (analysis.units(State::Untried), "not tried"),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    words.join(", ")
}

/// RFC 4648, with padding: how a policy wants a checksum.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
