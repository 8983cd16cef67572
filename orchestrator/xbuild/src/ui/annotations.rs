//! What GitHub's runner reads in a log: groups of lines, and messages at a file and line, which it shows beside the
//! change ("workflow commands" in its documentation).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use xbuild_base::RelPath;

/// Where the project lies, for messages about its files.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    /// The folder of the checkout.
    checkout: PathBuf,
    /// The workspace's folder from there, and its place in the sandbox.
    workspace: OnceLock<(String, RelPath)>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// An error.
    Error,
    /// A warning.
    Warning,
}

/// The part of rustc's JSON that tells where.
#[derive(Deserialize)]
struct Message {
    message: String,
    level: String,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    line_end: usize,
    column_start: usize,
    is_primary: bool,
}

impl Annotations {
    /// For a checkout that lies there.
    pub(crate) fn new(checkout: PathBuf) -> Self {
        Self { checkout, workspace: OnceLock::new() }
    }

    /// Tells where the workspace lies, on the host and in the sandbox.
    pub(crate) fn locate(&self, root: &Path, workspace: &RelPath) {
        let (Ok(root), Ok(checkout)) = (fs_err::canonicalize(root), fs_err::canonicalize(&self.checkout))
        else {
            return;
        };
        if let Ok(below) = root.strip_prefix(checkout) {
            // Every verb has one project.
            let _ = self.workspace.set((below.to_string_lossy().into_owned(), workspace.clone()));
        }
    }

    /// A compiler's message as a command, where it is about a file of the checkout. `line` is rustc's JSON.
    pub(crate) fn of_message(&self, line: &str) -> Option<String> {
        let Message { message, level, spans } = serde_json::from_str(line).ok()?;
        let level = match level.as_str() {
            "error" => Level::Error,
            "warning" => Level::Warning,
            _ => return None,
        };
        let span = spans.iter().find(|span| span.is_primary)?;
        let place = Place {
            file: self.file(&span.file_name)?,
            lines: (span.line_start, span.line_end),
            column: Some(span.column_start),
        };
        Some(command(level, &place, &message))
    }

    /// A message about a line of a file, which is named by its place in the sandbox or from the workspace's.
    pub(crate) fn of_line(&self, level: Level, file: &str, line: usize, message: &str) -> Option<String> {
        let place = Place { file: self.file(file)?, lines: (line, line), column: None };
        Some(command(level, &place, message))
    }

    /// The file's path from the checkout.
    fn file(&self, name: &str) -> Option<String> {
        let (folder, workspace) = self.workspace.get()?;
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        let below = match name.strip_prefix('/') {
            None => name.to_owned(),
            // Cargo names files of packages outside of the workspace's folder in full.
            Some(absolute) => {
                let (from, to) = (workspace.components(), RelPath::new(absolute).ok()?);
                let same = workspace.components().zip(to.components()).take_while(|(a, b)| a == b).count();
                let rest: Vec<&str> = to.components().skip(same).collect();
                format!("{}{}", "../".repeat(from.count() - same), rest.join("/"))
            }
        };
        for part in below.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()?),
                part => parts.push(part),
            }
        }
        Some(parts.join("/"))
    }
}

struct Place {
    file: String,
    lines: (usize, usize),
    column: Option<usize>,
}

fn command(level: Level, Place { file, lines: (line, end), column }: &Place, message: &str) -> String {
    let level = match level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    // A column counts only where message and line are of one line.
    let column = column.filter(|_| line == end).map_or_else(String::new, |column| format!(",col={column}"));
    format!("::{level} file={},line={line},endLine={end}{column}::{}", property(file), data(message))
}

/// The first line of a group: what follows is folded under it.
pub(crate) fn group(name: impl fmt::Display) -> String {
    format!("::group::{}", data(&name.to_string()))
}

/// The line after a group.
pub(crate) const END_OF_GROUP: &str = "::endgroup::";

/// A text as a command's message.
fn data(text: &str) -> String {
    text.trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations() -> Annotations {
        let annotations = Annotations::default();
        let place = RelPath::new("build/a/ws").unwrap();
        annotations.workspace.set(("tools/app".to_owned(), place)).unwrap();
        annotations
    }

    #[test]
    fn a_message_is_shown_where_its_file_lies_in_the_checkout() {
        let annotations = annotations();
        let message = |file: &str, level: &str| {
            let line = serde_json::json!({
                "$message_type": "diagnostic", "message": "100 % wrong\nand more", "level": level, "spans": [
                    { "file_name": "x", "line_start": 1, "line_end": 1, "column_start": 1, "is_primary": false },
                    { "file_name": file, "line_start": 3, "line_end": 3, "column_start": 5, "is_primary": true },
                ]
            });
            annotations.of_message(&line.to_string())
        };
        assert_eq!(
            message("src/a,b.rs", "error").unwrap(),
            "::error file=tools/app/src/a%2Cb.rs,line=3,endLine=3,col=5::100 %25 wrong%0Aand more"
        );
        let warning = message("/build/a/glaze/src/lib.rs", "warning").unwrap();
        assert!(warning.starts_with("::warning file=tools/glaze/src/lib.rs,line=3"), "{warning}");
        assert_eq!(message("src/lib.rs", "failure-note"), None);
    }

    #[test]
    fn without_a_checkout_around_it_nothing_is_annotated() {
        let annotations = Annotations::default();
        assert_eq!(annotations.of_line(Level::Error, "src/lib.rs", 1, "x"), None);
    }
}
