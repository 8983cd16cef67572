//! Fixtures: small workspaces, each a text file.
//!
//! A file begins with a header in TOML, what it covers and how it is built:
//!
//! ```toml
//! covers = "what for"
//! [[case]]                               # one or more; without any: one with nothing in it
//! set = ["build.profile=dev"]            # as xbuild's --set
//! options = ["--examples"]               # further options of `cargo build`
//! targets = ["aarch64-unknown-linux-gnu"] # else all
//! notices = ["build.jobs"]               # the keys of cargo's configuration of which xbuild says something
//! refused = "paths"                      # xbuild says this and builds nothing; cargo is not asked
//! fails = "the key `x` is not known"     # cargo can't build it, and xbuild says this
//! cargo-says = "Unknown key"             # what cargo says then
//! config = "[env]\nA = \"b\""              # `.cargo/config.toml` of the workspace
//! config-for-cargo = ""                  # what cargo is given in its place
//! ```
//!
//! Files follow, each after a line with its path; the workspace is in `ws`:
//!
//! | line | what follows |
//! |---|---|
//! | `--- PATH` | a file |
//! | `--- link PATH -> TARGET` | nothing: it is a symbolic link |
//! | `--- git/NAME/PATH` | a file of a git repository at `{git}/NAME`, whose commit is `{commit:NAME}` |
//!
//! Folders in a folder `vendor…` of the workspace become a directory source. A lock that is not there is made.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

/// A workspace and how it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fixture {
    /// The file's name without its ending.
    pub(crate) name: String,
    /// What it covers.
    pub(crate) covers: String,
    /// How it is built, in turn.
    pub(crate) cases: Vec<Case>,
    /// What lies where.
    pub(crate) files: Vec<(String, Content)>,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A file.
    Text(String),
    /// A symbolic link.
    Link(String),
}

/// One way to build a fixture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Case {
    #[serde(default)]
    pub(crate) set: Vec<String>,
    #[serde(default)]
    pub(crate) options: Vec<String>,
    #[serde(default)]
    pub(crate) targets: Vec<String>,
    #[serde(default)]
    pub(crate) notices: Vec<String>,
    pub(crate) refused: Option<String>,
    pub(crate) fails: Option<String>,
    pub(crate) cargo_says: Option<String>,
    pub(crate) config: Option<String>,
    pub(crate) config_for_cargo: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    covers: String,
    #[serde(default)]
    case: Vec<Case>,
}

impl Case {
    /// What tells it from the fixture's others.
    pub(crate) fn name(&self) -> String {
        let config = self.config.iter().flat_map(|text| text.lines());
        let words = self.set.iter().chain(&self.options).map(String::as_str).chain(config);
        words.map(str::trim).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl Fixture {
    /// Reads all fixtures of a folder, by name.
    pub(crate) fn all(folder: &Path) -> Result<Vec<Self>, Error> {
        let mut paths = Vec::new();
        for entry in fs_err::read_dir(folder)? {
            paths.push(entry?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        paths.sort();
        let read = |path: &std::path::PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Self::parse(name, &fs_err::read_to_string(path)?)
        };
        paths.iter().map(read).collect()
    }

    fn parse(name: String, text: &str) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Fixture { name: name.clone(), problem };
        // So that a file may follow the header at once.
        let mut parts = text.split("\n--- ");
        let header: Header =
            toml::from_str(parts.next().unwrap_or_default()).map_err(|error| wrong(error.to_string()))?;
        let mut files = Vec::new();
        for part in parts {
            let (line, text) = part.split_once('\n').unwrap_or((part, ""));
            let text = format!("{text}\n");
            files.push(match line.strip_prefix("link ") {
                Some(link) => {
                    let (path, target) =
                        link.split_once(" -> ").ok_or_else(|| wrong(format!("`{line}` names no target")))?;
                    (path.to_owned(), Content::Link(target.to_owned()))
                }
                None => (line.to_owned(), Content::Text(text)),
            });
        }
        if files.is_empty() {
            return Err(wrong("it has no files".to_owned()));
        }
        let cases = if header.case.is_empty() { vec![Case::default()] } else { header.case };
        Ok(Self { name, covers: header.covers, cases, files })
    }

    /// The repositories of git, by name: the files of each.
    pub(crate) fn repositories(&self) -> BTreeMap<&str, Vec<(&str, &Content)>> {
        let mut repositories: BTreeMap<&str, Vec<(&str, &Content)>> = BTreeMap::new();
        for (path, content) in &self.files {
            if let Some((name, path)) = path.strip_prefix("git/").and_then(|path| path.split_once('/')) {
                repositories.entry(name).or_default().push((path, content));
            }
        }
        repositories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_is_a_header_and_files() {
        let text = "covers = \"x\"\n[[case]]\nset = [\"a=b\"]\noptions = [\"--examples\"]\n\
                    --- ws/a b\none\n--- link ws/l -> ../z\n--- git/g/d/e\ntwo\n\n";
        let fixture = Fixture::parse("f".to_owned(), text).unwrap();
        assert_eq!(fixture.cases[0].name(), "a=b --examples");
        let text = |text: &str| Content::Text(text.to_owned());
        let expected = [
            ("ws/a b", text("one\n")),
            ("ws/l", Content::Link("../z".to_owned())),
            ("git/g/d/e", text("two\n\n\n")),
        ];
        assert_eq!(fixture.files, expected.map(|(path, content)| (path.to_owned(), content)));
        assert_eq!(fixture.repositories()["g"][0].0, "d/e");
    }

    #[test]
    fn a_header_with_a_strange_key_is_refused() {
        let error = Fixture::parse("f".to_owned(), "covers = \"\"\nset = []\n--- a\n").unwrap_err();
        assert!(error.to_string().contains("set"), "{error}");
    }
}
