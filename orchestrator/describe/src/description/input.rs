//! `[inputs.NAME]`: other projects of xbuild's, whose outputs this one uses.

use std::collections::BTreeMap;
use std::fmt;

use xbuild_base::RelPath;

use super::source;
use super::step::{Named, can_be_name, is_name};
use crate::problem::{Kind, Problem};
use crate::reader::{Field, Fields, Reader};

const PLACE_HELP: &str = "write `path = \"../project\"`, or `git = \"https://…\"`";

/// Other projects by the names that this one has for them.
pub type Inputs = BTreeMap<String, Input>;

/// `[inputs.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where the project is.
    pub place: InputPlace,
    /// Which of its own inputs are inputs of this project: its name for each → this project's.
    pub follows: BTreeMap<String, String>,
    /// Whether the pins in its own `xbuild.lock` count; else this project's lock has them.
    pub own_lock: bool,
}

/// Where another project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputPlace {
    /// In a folder, by its path from the workspace's root, or absolute.
    Folder(String),
    /// In a commit of a repository.
    Repository {
        /// The repository's address, as git takes it.
        url: String,
        /// What leads to the commit when it is pinned.
        reference: GitReference,
        /// The project's folder in it.
        folder: RelPath,
    },
}

/// What leads to a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GitReference {
    /// What the repository itself leads to.
    #[default]
    Head,
    /// The last one of a branch.
    Branch(String),
    /// That of a tag.
    Tag(String),
    /// Itself: its whole hash.
    Commit(String),
}

impl fmt::Display for GitReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("HEAD"),
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Commit(hash) => f.write_str(hash),
        }
    }
}

/// An output of another project: `codegen/gen`, `codegen/small/*/gen`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputOutput {
    /// The project, by its name here.
    pub input: String,
    /// The output, by its name there.
    pub output: String,
}

impl InputOutput {
    /// What is written `INPUT/OUTPUT`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (input, output) = text.split_once('/')?;
        let is_both = can_be_name(input) && !output.is_empty() && !output.ends_with('/');
        is_both.then(|| Self { input: input.to_owned(), output: output.to_owned() })
    }

    /// The last part of the output's name: what its file is called but for a target's ending.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.output.rsplit('/').next().unwrap_or(&self.output)
    }
}

impl fmt::Display for InputOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.input, self.output)
    }
}

/// Reads `[inputs]`.
pub(super) fn read(field: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Inputs {
    let mut inputs = Inputs::new();
    for (name, at, field) in field.entries(reader) {
        if !is_name(name, at, "an input", reader) {
            continue;
        }
        let Some(mut fields) = field.table(reader) else { continue };
        let place = read_place(&field, &mut fields, reader);
        let mut follows = BTreeMap::new();
        for (own, _, field) in fields.get("follows").map(|field| field.entries(reader)).unwrap_or_default() {
            let Some(ours) = field.text(reader) else { continue };
            if ours == name {
                let problem = Problem::new(Kind::Contradiction, format!("the input `{name}` follows itself"));
                reader.report(field.at(), problem.help("name another input of this project"));
                continue;
            }
            named.project(ours, field.at());
            follows.insert(own.to_owned(), ours.to_owned());
        }
        let own_lock = fields.get("own-lock").and_then(|field| field.boolean(reader)).unwrap_or(false);
        fields.finish(reader);
        if let Some(place) = place {
            inputs.insert(name.to_owned(), Input { place, follows, own_lock });
        }
    }
    inputs
}

/// Makes a reference of a name.
type OfName = fn(String) -> GitReference;

fn read_place(field: &Field<'_>, fields: &mut Fields<'_>, reader: &mut Reader) -> Option<InputPlace> {
    let mut places = Vec::new();
    if let Some(path) = fields.get("path").and_then(|field| field.text(reader)) {
        places.push(InputPlace::Folder(path.to_owned()));
    }
    let git = fields.get("git");
    let url = git.as_ref().and_then(|field| read_repository(field, reader));
    let mut references = Vec::new();
    let kinds: [(&str, OfName); 3] =
        [("branch", GitReference::Branch), ("tag", GitReference::Tag), ("rev", GitReference::Commit)];
    for (key, kind) in kinds {
        if let Some(field) = fields.get(key)
            && let Some(text) = field.text(reader)
        {
            let (why, help) = match kind(text.to_owned()) {
                _ if git.is_none() => ("this is for repositories", PLACE_HELP),
                GitReference::Commit(hash) if !is_commit(&hash) => {
                    ("this is no commit's hash", "write all of its digits: git rev-parse HEAD")
                }
                _ if text.starts_with('-') => ("no branch or tag begins so", "write its name"),
                reference => {
                    references.push(reference);
                    continue;
                }
            };
            field.invalid(reader, why, help);
        }
    }
    let folder = fields.get("folder").and_then(|field| {
        let folder = RelPath::new(field.text(reader)?.trim_end_matches('/'));
        let help = "write the project's folder, by its path from the repository's";
        folder.map_err(|error| field.invalid(reader, error, help)).ok()
    });
    if references.len() > 1 {
        field.invalid(reader, "several things lead to the commit", "keep one of `branch`, `tag` and `rev`");
    }
    if let Some(url) = url {
        let reference = references.pop().unwrap_or_default();
        places.push(InputPlace::Repository { url, reference, folder: folder.unwrap_or_default() });
    } else if git.is_some() {
        // The mistake has been told.
        return None;
    }
    source::only(places, field, PLACE_HELP, reader)
}

/// Whether a text is the whole hash of a commit.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// Reads a repository's address: a URL, or `user@host:path`.
fn read_repository(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let text = field.text(reader)?;
    let is_address =
        !text.starts_with('-') && (text.contains("://") || text.contains(':') && text.contains('@'));
    if !is_address {
        let help = "write a URL such as `https://…`, `ssh://…` or `file:///…`; a folder is `path = \"…\"`";
        field.invalid(reader, "this is no repository's address", help);
    }
    is_address.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_named_by_its_project_first() {
        let output = InputOutput::parse("gen/small/*/tool").unwrap();
        assert_eq!((output.input.as_str(), output.output.as_str()), ("gen", "small/*/tool"));
        assert_eq!((output.file_name(), output.to_string().as_str()), ("tool", "gen/small/*/tool"));
        for wrong in ["gen", "gen/", "/tool", "../tool", "gen/tool/"] {
            assert_eq!(InputOutput::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_commit_is_named_by_all_of_its_hash() {
        assert!(is_commit(&"0a".repeat(20)) && is_commit(&"0a".repeat(32)));
        assert!(!is_commit("0a1b2c3") && !is_commit(&"0A".repeat(20)));
    }
}
