//! Which crate may use which: the table in `docs/architecture.md` against what cargo says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Error;
use crate::workspace;

/// Where the table is.
pub(crate) const FILE: &str = "docs/architecture.md";

/// A crate and those that it may use, by their folders' names.
type Row = (String, BTreeSet<String>);

/// Fails when a crate uses another that its row doesn't name, when a row is missing or left over, or when a row
/// names a crate that is not above it.
pub(crate) fn check(root: &Path) -> Result<(), Error> {
    let text = fs_err::read_to_string(root.join(FILE))?;
    let problems = problems(&table(&text)?, &workspace::edges(root)?);
    if problems.is_empty() { Ok(()) } else { Err(Error::Edges(problems)) }
}

/// Reads the table whose first column is headed `crate` and whose last is headed `may use`: names in backticks,
/// and the word `all` for everything above.
fn table(text: &str) -> Result<Vec<Row>, Error> {
    let problem = |problem: String| Error::Table { path: FILE, problem };
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let is_heading = |cells: &Vec<String>| {
        cells.first().is_some_and(|cell| cell == "crate")
            && cells.last().is_some_and(|cell| cell == "may use")
    };
    let mut lines = text.lines().map(cells).skip_while(|line| !line.as_ref().is_some_and(is_heading));
    // The heading and the line below it.
    lines.by_ref().take(2).for_each(drop);

    let mut rows: Vec<Row> = Vec::new();
    for row in lines.map_while(|line| line) {
        let (Some(first), Some(last)) = (row.first(), row.last()) else { break };
        let name =
            names(first).next().ok_or_else(|| problem(format!("`{first}` names no crate")))?.to_owned();
        let above: BTreeSet<String> = rows.iter().map(|(name, _)| name.clone()).collect();
        let uses = match last.as_str() {
            "all" => above,
            text => {
                let uses: BTreeSet<String> = names(text).map(str::to_owned).collect();
                if let Some(below) = uses.difference(&above).next() {
                    return Err(problem(format!("`{name}` may use `{below}`, which is not above it")));
                }
                uses
            }
        };
        rows.push((name, uses));
    }
    if rows.is_empty() { Err(problem("there is none".to_owned())) } else { Ok(rows) }
}

/// The words in backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn problems(table: &[Row], edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, uses) in edges {
        match table.iter().find(|(of, _)| of == name) {
            None => problems.push(format!("`{name}` has no row")),
            Some((_, allowed)) => {
                let extra = uses.difference(allowed);
                problems.extend(extra.map(|used| format!("`{name}` uses `{used}` and may not")));
            }
        }
    }
    let gone = table.iter().filter(|(name, _)| !edges.contains_key(name));
    problems.extend(gone.map(|(name, _)| format!("`{name}` has a row, and there is no such crate")));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Some text, and another table:

| a | b |
|---|---|
| x | y |

| crate | owns | may use |
|---|---|---|
| `base` | words | – |
| `action` | actions, see `input` | `base` |
| `xbuild` | the binary | all |

| crate | size |
|---|---|
";

    fn edges(of: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        of.iter().map(|&(name, uses)| (name.to_owned(), set(uses))).collect()
    }

    #[test]
    fn the_table_is_read_from_the_text() {
        let rows = table(TABLE).unwrap().into_iter().collect::<BTreeMap<_, _>>();
        let expected = [("base", &[][..]), ("action", &["base"]), ("xbuild", &["action", "base"])];
        assert_eq!(rows, edges(&expected));
    }

    #[test]
    fn a_crate_uses_only_what_is_above_it() {
        let error = table(&TABLE.replace('–', "`action`")).unwrap_err().to_string();
        assert!(error.contains("`base` may use `action`, which is not above it"), "{error}");
        assert!(table("no table").is_err());
    }

    #[test]
    fn each_disagreement_is_told() {
        let rows = table(TABLE).unwrap();
        assert_eq!(
            problems(&rows, &edges(&[("base", &[]), ("action", &["base"]), ("xbuild", &["action"])])),
            Vec::<String>::new()
        );
        assert_eq!(
            problems(&rows, &edges(&[("base", &["action"]), ("action", &[]), ("new", &[])])),
            [
                "`base` uses `action` and may not",
                "`new` has no row",
                "`xbuild` has a row, and there is no such crate"
            ]
        );
    }
}
