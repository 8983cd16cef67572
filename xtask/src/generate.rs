//! Parts of files that are made from others. Each is a row of [`PARTS`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Error;
use crate::{edges, workspace};

/// A part of a file, between a line `<!-- generated: NAME (cargo xtask generate) -->` and the line [`END`].
struct Part {
    file: &'static str,
    name: &'static str,
    make: fn(&Path) -> Result<String, Error>,
}

const PARTS: &[Part] = &[Part { file: edges::FILE, name: "edges", make: diagram }];

const END: &str = "<!-- end -->";

/// Fails when a part is not what would be written.
pub(crate) fn check(root: &Path) -> Result<(), Error> {
    let mut stale = Vec::new();
    for part in PARTS {
        let text = fs_err::read_to_string(root.join(part.file))?;
        if renewed(part, &text, &(part.make)(root)?)? != text {
            stale.push(format!("{}: {}", part.file, part.name));
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(Error::Stale(stale)) }
}

/// Writes every part.
pub(crate) fn write(root: &Path) -> Result<(), Error> {
    for part in PARTS {
        let path = root.join(part.file);
        let text = fs_err::read_to_string(&path)?;
        let renewed = renewed(part, &text, &(part.make)(root)?)?;
        if renewed != text {
            fs_err::write(&path, renewed)?;
            println!("{}: {} written", part.file, part.name);
        }
    }
    Ok(())
}

/// The file's text with the part made new.
fn renewed(part: &Part, text: &str, made: &str) -> Result<String, Error> {
    let start = format!("<!-- generated: {} (cargo xtask generate) -->\n", part.name);
    let parts = text.split_once(&start).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match parts {
        Some((before, after)) => Ok(format!("{before}{start}{made}{END}{after}")),
        None => Err(Error::Markers { path: part.file, start: start.trim_end().to_owned(), end: END }),
    }
}

/// The crates' edges as a Mermaid diagram, in the direction of the data.
fn diagram(root: &Path) -> Result<String, Error> {
    Ok(draw(&workspace::edges(root)?))
}

fn draw(edges: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut text = "```mermaid\nflowchart LR\n".to_owned();
    for (name, uses) in edges {
        for used in uses {
            // An edge that another path stands for only makes the picture harder to read.
            let is_implied = uses.iter().any(|other| other != used && reaches(edges, other, used));
            if !is_implied {
                text.push_str(&format!("    {used} --> {name}\n"));
            }
        }
    }
    text + "```\n"
}

/// Whether `from` uses `to`, directly or not. Cargo has made sure that there is no circle.
fn reaches(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    edges.get(from).is_some_and(|uses| uses.iter().any(|used| used == to || reaches(edges, used, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_others_imply_are_not_drawn() {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let edges = [("a", set(&[])), ("b", set(&["a"])), ("c", set(&["a", "b"]))]
            .map(|(name, uses)| (name.to_owned(), uses));
        assert_eq!(draw(&edges.into()), "```mermaid\nflowchart LR\n    a --> b\n    b --> c\n```\n");
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let part = &PARTS[0];
        let text = "before\n<!-- generated: edges (cargo xtask generate) -->\nold\n<!-- end -->\nafter\n";
        let renewed_text = renewed(part, text, "new\n").unwrap();
        assert_eq!(renewed_text, text.replace("old", "new"));
        assert_eq!(renewed(part, &renewed_text, "new\n").unwrap(), renewed_text);
        assert!(matches!(renewed(part, "no markers", ""), Err(Error::Markers { .. })));
    }
}
