//! The outputs for people and for programs.

use std::path::PathBuf;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use xbuild_base::Sha256;

use crate::artefact::{Artefact, Place};
use crate::error::OutputError;
use crate::overrides::Overrides;

/// How an output came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its last action ran now.
    Built,
    /// It was there.
    Cached,
}

/// An output and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The output.
    pub artefact: Artefact,
    /// Built or cached.
    pub status: Status,
    /// How long the actions took that ran now for it and for all that it needs, together.
    pub time: Duration,
    /// Where it was installed or copied to, if it was.
    pub path: Option<PathBuf>,
}

/// Whether escape sequences are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// Escape sequences around what matters.
    Always,
}

const HEADINGS: [&str; 6] = ["variant", "target", "file", "size", "sha-256", "status"];
const SIZE: usize = 3;
const STATUS: usize = 5;
/// Digits of a checksum that people are shown.
const SHORT: usize = 12;
const GAP: &str = "  ";

/// The outputs as an aligned table, a line each and one of headings, every line ended by a line break; where that is
/// too wide for `width` (in columns), as two lines an output. `overrides` are the values that this call has otherwise than
/// the description: they are part of what a variant is called.
#[must_use]
pub fn table(rows: &[Row], overrides: &Overrides, width: usize, colour: Colour) -> String {
    let cells: Vec<[String; 6]> = rows.iter().map(|row| cells(row, overrides)).collect();
    let mut widths = HEADINGS.map(|heading| heading.chars().count());
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let paint = |style: Style, text: &str| match colour {
        Colour::Always => format!("{style}{text}{style:#}"),
        Colour::Never => text.to_owned(),
    };
    let status = |text: &str| match text {
        "built" => paint(AnsiColor::Green.on_default().bold(), text),
        _ => paint(Style::new().dimmed(), text),
    };

    let mut shown = String::new();
    if widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1) > width {
        for [variant, target, file, size, sum, state] in &cells {
            let name = paint(Style::new().bold(), &format!("{variant}/{target}/{file}"));
            shown.push_str(&format!("{name}\n{GAP}{size}, {sum}, {}\n", status(state)));
        }
        return shown;
    }
    let line = |cells: [&str; 6], style: Option<Style>| {
        let mut line = String::new();
        for (column, (cell, &width)) in cells.into_iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { GAP };
            // No line ends in spaces.
            let text = match column {
                SIZE => format!("{cell:>width$}"),
                STATUS => cell.to_owned(),
                _ => format!("{cell:<width$}"),
            };
            let text = match (style, column) {
                (Some(style), _) => paint(style, &text),
                (None, STATUS) => status(&text),
                _ => text,
            };
            line.push_str(gap);
            line.push_str(&text);
        }
        line + "\n"
    };
    shown.push_str(&line(HEADINGS, Some(Style::new().bold())));
    for row in &cells {
        shown.push_str(&line(row.each_ref().map(String::as_str), None));
    }
    shown
}

fn cells(row: &Row, overrides: &Overrides) -> [String; 6] {
    let Row { artefact: Artefact { variant, target, place, name, file }, status, time: _, path: _ } = row;
    let mut sum = file.digest.to_hex();
    sum.truncate(SHORT);
    let status = match status {
        Status::Built => "built",
        Status::Cached => "cached",
    };
    let file_name = format!("{}/{name}", place.folder());
    [overrides.told(variant), target.to_string(), file_name, size(file.digest.size()), sum, status.to_owned()]
}

/// A number of bytes for people, in units of 1024: three digits at most before the unit, one after the point.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // 53 bits of a size are exact in a double: far more than is shown.
    #[expect(clippy::cast_precision_loss, reason = "rounded to one digit anyway")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be shown as 1024.0.
    while value >= 1023.95 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// One line of `--message-format json`.
#[derive(Serialize)]
struct Line<'a> {
    reason: &'static str,
    variant: &'a str,
    target: String,
    kind: Place,
    name: &'a str,
    /// `<variant>/<target>/{bin,lib}/<name>`
    output: String,
    /// In bytes.
    size: u64,
    sha256: Sha256,
    executable: bool,
    status: Status,
    seconds: f64,
    overrides: &'a Overrides,
    /// Null when it was neither installed nor copied.
    path: Option<&'a PathBuf>,
}

/// The outputs as lines of JSON, each ended by a line break, with the fields
/// `reason` (`"xbuild-output"`), `variant`, `target`, `kind` (`"bin"` or `"lib"`), `name`, `output` (its path below
/// `result/`), `size` (in bytes), `sha256` (`"sha256:…"`), `executable`, `status` (`"built"` or `"cached"`),
/// `seconds` (how long the actions took that ran now for it and for all that it needs), `overrides` (the values that this
/// call has otherwise than the description), `path` (where it was installed or copied to, or null).
///
/// # Errors
/// [`OutputError::Name`] when a variant or a name can't be part of a path.
pub fn json_lines(rows: &[Row], overrides: &Overrides) -> Result<String, OutputError> {
    let mut lines = String::new();
    for Row { artefact, status, time, path } in rows {
        let line = Line {
            reason: "xbuild-output",
            variant: &artefact.variant,
            target: artefact.target.to_string(),
            kind: artefact.place,
            name: &artefact.name,
            output: artefact.path()?.to_string(),
            size: artefact.file.digest.size(),
            sha256: artefact.file.digest.sha256(),
            executable: artefact.file.executable,
            status: *status,
            seconds: time.as_secs_f64(),
            overrides,
            path: path.as_ref(),
        };
        let line = serde_json::to_string(&line)
            .map_err(|error| OutputError::Name { name: artefact.name.clone(), problem: error.to_string() })?;
        lines.push_str(&line);
        lines.push('\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artefact::tests::artefact;

    fn rows() -> Vec<Row> {
        let row = |variant: &str, target: &str, name: &str, length: usize, status| Row {
            artefact: artefact(variant, target, name, &vec![0; length]),
            status,
            time: Duration::from_millis(if status == Status::Built { 1500 } else { 0 }),
            path: Some(PathBuf::from(format!("/p/result/{variant}/{target}/bin/{name}"))),
        };
        vec![
            row("default", "x86_64-unknown-linux-musl", "foo", 1_234_567, Status::Built),
            row("default", "aarch64-unknown-linux-gnu", "bar", 999, Status::Cached),
            row("checked", "x86_64-pc-windows-gnu", "foo.exe", 4096, Status::Cached),
        ]
    }

    fn none() -> Overrides {
        Overrides::default()
    }

    #[test]
    fn a_table_for_people() {
        insta::assert_snapshot!(table(&rows(), &none(), 100, Colour::Never));
    }

    #[test]
    fn a_narrow_terminal_gets_two_lines_an_output() {
        let overrides = Overrides::new(vec!["profile=dev".to_owned(), "features=a".to_owned()]);
        let told = table(&rows(), &overrides, 200, Colour::Never);
        assert!(told.contains("\ndefault[profile=dev features=a]  x86_64-unknown-linux-musl"), "{told}");
        let shown = table(&rows(), &none(), 60, Colour::Never);
        assert!(shown.lines().all(|line| line.chars().count() <= 60));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn colours_take_no_room() {
        let coloured = table(&rows(), &none(), 100, Colour::Always);
        assert!(coloured.contains("\u{1b}["));
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        assert_eq!(plain + rest, table(&rows(), &none(), 100, Colour::Never));
    }

    #[test]
    fn json_for_programs() {
        insta::assert_snapshot!(json_lines(&rows(), &none()).unwrap());
    }

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_048_576, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
