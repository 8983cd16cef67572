//! `[stamp]`: what programs are told of the commit that they are made from.

use crate::problem::{Kind, Problem};
use crate::reader::{Field, Reader};

/// What is said of the commit in git's place: for sources that are in no repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The commit's hash, in hexadecimal digits.
    pub revision: Option<String>,
    /// What people call it, as `git describe` does.
    pub describe: Option<String>,
    /// The version, where it isn't what the nearest tag or the package says.
    pub version: Option<String>,
    /// Whether the sources differ from the commit.
    pub dirty: Option<bool>,
    /// When the commit was made, in seconds since 1970.
    pub commit_time: Option<u64>,
}

pub(super) fn read(field: &Field<'_>, reader: &mut Reader) -> Stamp {
    let Some(mut fields) = field.table(reader) else { return Stamp::default() };
    let revision = fields.get("revision").and_then(|field| {
        let text = field.text(reader)?;
        let is_hash = text.len() >= 7 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        if !is_hash {
            field.invalid(
                reader,
                format!("`{text}` is no commit"),
                "write its hash, as `git rev-parse HEAD` prints it",
            );
        }
        is_hash.then(|| text.to_owned())
    });
    let mut line = |key| {
        let field = fields.get(key)?;
        let text = field.text(reader)?;
        if text.contains(['\n', '\0']) {
            field.invalid(reader, "it has several lines", "write one line");
        }
        Some(text.to_owned())
    };
    let (describe, version) = (line("describe"), line("version"));
    let dirty = fields.get("dirty").and_then(|field| field.boolean(reader));
    let time_field = fields.get("commit-time");
    let commit_time = time_field.as_ref().and_then(|field| field.number(reader, 0));
    if let (None, Some(field)) = (&revision, &time_field) {
        let problem =
            Problem::new(Kind::Contradiction, "a `commit-time` without a `revision`: of which commit?");
        reader.report(field.at(), problem.help("say the `revision` too, or neither: git knows both"));
    }
    fields.finish(reader);
    Stamp { revision, describe, version, dirty, commit_time }
}
