//! Reading a document by its schema: every value that does not fit is noted, and reading goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use crate::document::{At, Document, Entry, Node, Value};
use crate::problem::{Kind, Problem, Problems, Source};
use crate::suggest;

/// Collects the problems of one document.
#[derive(Debug)]
pub(crate) struct Reader {
    sources: Vec<Arc<Source>>,
    /// How many of the sources are files.
    files: usize,
    problems: Vec<Problem>,
    /// What was asked of the values, by their paths; only where somebody wants to know.
    asked: Option<BTreeMap<String, Shape>>,
}

/// What a reading asks of a value: what it may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) text: bool,
    /// The words that a text must be one of.
    pub(crate) words: BTreeSet<String>,
    pub(crate) boolean: bool,
    /// A whole number, from this upwards.
    pub(crate) number: Option<u64>,
    pub(crate) list: bool,
    /// A table whose keys are names.
    pub(crate) named: bool,
    /// A table with these keys, and whether each must be there.
    pub(crate) keys: Option<BTreeMap<String, bool>>,
}

impl Reader {
    pub(crate) fn new(document: &Document) -> Self {
        Self { sources: document.sources.clone(), files: document.files, problems: Vec::new(), asked: None }
    }

    /// One that notes what is asked of values.
    pub(crate) fn asking(document: &Document) -> Self {
        Self { asked: Some(BTreeMap::new()), ..Self::new(document) }
    }

    /// What was asked of values, by their paths.
    pub(crate) fn asked(self) -> BTreeMap<String, Shape> {
        self.asked.unwrap_or_default()
    }

    fn ask(&mut self, path: &str, note: impl FnOnce(&mut Shape)) {
        if let Some(asked) = &mut self.asked {
            note(asked.entry(path.to_owned()).or_default());
        }
    }

    /// Whether something stands in a `--set` flag.
    pub(crate) const fn is_set(&self, at: At) -> bool {
        at.source >= self.files
    }

    /// Notes a problem.
    pub(crate) fn report(&mut self, at: At, problem: Problem) {
        self.problems.push(problem.at(&self.sources[at.source], at.span()));
    }

    /// What was read, if there was no problem.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Problems> {
        match Problems::new(self.problems) {
            Some(problems) => Err(problems),
            None => Ok(value),
        }
    }
}

/// A value at a key path.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    /// The way to it, for messages: `build.targets`.
    pub(crate) path: String,
    pub(crate) node: &'a Node,
}

impl<'a> Field<'a> {
    pub(crate) fn at(&self) -> At {
        self.node.at
    }

    fn wrong_type(&self, reader: &mut Reader, wanted: &str, help: Option<String>) {
        let kind = self.node.value.kind();
        let mut problem =
            Problem::new(Kind::WrongType, format!("`{}` must be {wanted}, not {kind}", self.path))
                .label(format!("{kind}, where {wanted} is wanted"));
        if let Some(help) = help {
            problem = problem.help(help);
        }
        reader.report(self.node.at, problem);
    }

    /// Notes that the value has the right type and does not parse.
    pub(crate) fn invalid(&self, reader: &mut Reader, why: impl Display, help: impl Into<String>) {
        let problem = Problem::new(Kind::Invalid, format!("`{}` is not valid: {why}", self.path)).help(help);
        reader.report(self.node.at, problem);
    }

    /// Whether it is a string.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.node.value, Value::String(_)) || self.node.bare.is_some()
    }

    /// A string. Empty ones are noted.
    pub(crate) fn text(&self, reader: &mut Reader) -> Option<&'a str> {
        let text = self.any_text(reader)?;
        if text.is_empty() {
            reader.report(
                self.node.at,
                Problem::new(Kind::Empty, format!("`{}` must not be empty", self.path)).label("empty"),
            );
            return None;
        }
        Some(text)
    }

    /// A string, empty or not.
    pub(crate) fn any_text(&self, reader: &mut Reader) -> Option<&'a str> {
        reader.ask(&self.path, |shape| shape.text = true);
        if let Value::String(text) = &self.node.value {
            return Some(text);
        }
        if let Some(text) = &self.node.bare {
            return Some(text);
        }
        let words = match &self.node.value {
            Value::Float(text) => Some(text.clone()),
            Value::Integer(Some(number)) => Some(number.to_string()),
            Value::Boolean(boolean) => Some(boolean.to_string()),
            _ => None,
        };
        let help = words.map(|words| format!("put it in quotes: `\"{words}\"`"));
        self.wrong_type(reader, "a string", help);
        None
    }

    /// A boolean.
    pub(crate) fn boolean(&self, reader: &mut Reader) -> Option<bool> {
        reader.ask(&self.path, |shape| shape.boolean = true);
        match &self.node.value {
            Value::Boolean(boolean) => Some(*boolean),
            Value::String(text) if text == "true" || text == "false" => {
                self.wrong_type(reader, "a boolean", Some(format!("leave the quotes away: `{text}`")));
                None
            }
            _ => {
                self.wrong_type(reader, "a boolean", None);
                None
            }
        }
    }

    /// A whole number from `least` upwards.
    pub(crate) fn number(&self, reader: &mut Reader, least: u64) -> Option<u64> {
        reader.ask(&self.path, |shape| shape.number = Some(least));
        let Value::Integer(number) = &self.node.value else {
            self.wrong_type(reader, "an integer", None);
            return None;
        };
        let number = number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number >= least);
        if number.is_none() {
            self.invalid(reader, "it is out of range", format!("write a whole number from {least} upwards"));
        }
        number
    }

    /// A string that parses as `T`.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, reader: &mut Reader, help: &str) -> Option<T> {
        let text = self.text(reader)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.invalid(reader, error, help);
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, reader: &mut Reader, choices: &[(&str, T)]) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| (*word).to_owned());
        reader.ask(&self.path, |shape| shape.words.extend(words()));
        let text = self.text(reader)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.invalid(reader, format!("there is no `{text}`"), suggest::help(text, "choices", &words));
        }
        found
    }

    /// The items of a list.
    pub(crate) fn items(&self, reader: &mut Reader) -> Option<Vec<Field<'a>>> {
        reader.ask(&self.path, |shape| shape.list = true);
        let Value::Array(items) = &self.node.value else {
            let help = match &self.node.value {
                Value::String(text) => Some(format!("put it in brackets: `[\"{text}\"]`")),
                _ => None,
            };
            self.wrong_type(reader, "a list", help);
            return None;
        };
        let field = |(at, node)| Field { path: format!("{}[{at}]", self.path), node };
        Some(items.iter().enumerate().map(field).collect())
    }

    /// The items of a list that must have some.
    pub(crate) fn some_items(&self, reader: &mut Reader) -> Option<Vec<Field<'a>>> {
        let items = self.items(reader)?;
        if items.is_empty() {
            reader.report(
                self.node.at,
                Problem::new(Kind::Empty, format!("`{}` is an empty list", self.path))
                    .label("nothing in it")
                    .help("name at least one, or take the key away to have the default"),
            );
            return None;
        }
        Some(items)
    }

    /// The strings of a list, which may be empty.
    pub(crate) fn texts(&self, reader: &mut Reader) -> Option<Vec<String>> {
        let items = self.items(reader)?;
        Some(items.iter().filter_map(|item| item.text(reader)).map(str::to_owned).collect())
    }

    /// The items of a list that must have some, each parsed by `read`; one named twice is noted.
    pub(crate) fn distinct<T: PartialEq + Display>(
        &self,
        reader: &mut Reader,
        read: impl FnMut(&Field<'a>, &mut Reader) -> Option<T>,
    ) -> Option<Vec<(T, At)>> {
        let items = self.some_items(reader)?;
        Some(self.distinct_of(items, reader, read))
    }

    /// As [`Self::distinct`] of a list that may have none.
    pub(crate) fn distinct_or_none<T: PartialEq + Display>(
        &self,
        reader: &mut Reader,
        read: impl FnMut(&Field<'a>, &mut Reader) -> Option<T>,
    ) -> Option<Vec<(T, At)>> {
        let items = self.items(reader)?;
        Some(self.distinct_of(items, reader, read))
    }

    fn distinct_of<T: PartialEq + Display>(
        &self,
        items: Vec<Field<'a>>,
        reader: &mut Reader,
        mut read: impl FnMut(&Field<'a>, &mut Reader) -> Option<T>,
    ) -> Vec<(T, At)> {
        let mut found: Vec<(T, At)> = Vec::new();
        for item in items {
            let Some(value) = read(&item, reader) else { continue };
            if found.iter().any(|(other, _)| *other == value) {
                reader.report(
                    item.at(),
                    Problem::new(Kind::Duplicate, format!("`{value}` stands twice in `{}`", self.path))
                        .label("named before")
                        .help("take one of them away"),
                );
            } else {
                found.push((value, item.at()));
            }
        }
        found
    }

    /// A table whose keys are known.
    pub(crate) fn table(&self, reader: &mut Reader) -> Option<Fields<'a>> {
        reader.ask(&self.path, |shape| {
            shape.keys.get_or_insert_default();
        });
        let entries = self.raw_table(reader)?;
        Some(Fields {
            path: self.path.clone(),
            at: self.node.at,
            entries,
            known: Vec::new(),
            needed: Vec::new(),
            settled: Vec::new(),
        })
    }

    /// The entries of a table whose keys are names: key, its place, value.
    pub(crate) fn entries(&self, reader: &mut Reader) -> Vec<(&'a str, At, Field<'a>)> {
        reader.ask(&self.path, |shape| shape.named = true);
        let Some(entries) = self.raw_table(reader) else { return Vec::new() };
        entries
            .iter()
            .map(|(key, entry)| {
                let field = Field { path: join(&self.path, key), node: &entry.node };
                (key.as_str(), entry.key_at, field)
            })
            .collect()
    }

    fn raw_table(&self, reader: &mut Reader) -> Option<&'a BTreeMap<String, Entry>> {
        match &self.node.value {
            Value::Table(entries) => Some(entries),
            _ => {
                self.wrong_type(reader, "a table", None);
                None
            }
        }
    }
}

/// A table of which each key that is asked for becomes known, so that [`Fields::finish`] can tell the others.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    path: String,
    at: At,
    entries: &'a BTreeMap<String, Entry>,
    known: Vec<&'static str>,
    /// Those of them that must be there.
    needed: Vec<&'static str>,
    /// Keys that were told of already, or are names.
    settled: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// The document's own table.
    pub(crate) fn root(document: &'a Document) -> Self {
        let Value::Table(entries) = &document.root.value else {
            unreachable!("a document's root is made as a table and replaced by nothing");
        };
        Self {
            path: String::new(),
            at: At::TOP,
            entries,
            known: Vec::new(),
            needed: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// The value of a key that may be there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let entry = self.entries.get(key)?;
        Some(Field { path: join(&self.path, key), node: &entry.node })
    }

    /// Notes a key that has no meaning here, if it is there.
    pub(crate) fn refuse(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        problem: impl FnOnce() -> Problem,
    ) {
        if let Some(entry) = self.entries.get(key) {
            self.settled.push(key);
            reader.report(entry.key_at, problem());
        }
    }

    /// Whether a key is there, to be read later.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&mut self, reader: &mut Reader, key: &'static str) -> Option<Field<'a>> {
        let field = self.get(key);
        self.needed.push(key);
        if field.is_none() {
            let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            reader.report(self.at, Problem::new(Kind::Missing, format!("`{key}` is missing{place}")));
        }
        field
    }

    /// The entries whose keys were not asked for yet.
    fn rest(&self) -> Vec<(&'a str, At, Field<'a>)> {
        self.entries
            .iter()
            .filter(|(key, _)| !self.known.contains(&key.as_str()) && !self.settled.contains(&key.as_str()))
            .map(|(key, entry)| {
                (key.as_str(), entry.key_at, Field { path: join(&self.path, key), node: &entry.node })
            })
            .collect()
    }

    /// Tells which keys were asked for until now.
    fn tell_keys(&self, reader: &mut Reader) {
        reader.ask(&self.path, |shape| {
            let keys = self.known.iter().map(|key| ((*key).to_owned(), self.needed.contains(key)));
            shape.keys.get_or_insert_default().extend(keys);
        });
    }

    /// The entries whose keys were not asked for yet, of a table that mixes fixed keys and names.
    pub(crate) fn named(&self, reader: &mut Reader) -> Vec<(&'a str, At, Field<'a>)> {
        self.tell_keys(reader);
        reader.ask(&self.path, |shape| shape.named = true);
        self.rest()
    }

    /// As [`Self::named`], where names are those of tables: any other value has a key that nobody asked for.
    pub(crate) fn tables(&mut self, reader: &mut Reader) -> Vec<(&'a str, At, Field<'a>)> {
        let mut tables = self.named(reader);
        tables.retain(|(.., field)| matches!(field.node.value, Value::Table(_)));
        self.settled.extend(tables.iter().map(|(key, ..)| *key));
        tables
    }

    /// Notes the keys that nobody asked for.
    pub(crate) fn finish(self, reader: &mut Reader) {
        self.tell_keys(reader);
        for (key, at, _) in self.rest() {
            let place = if self.path.is_empty() { String::new() } else { format!(" in `[{}]`", self.path) };
            let problem = Problem::new(Kind::UnknownKey, format!("unknown key `{key}`{place}"));
            let help = suggest::help(key, "keys here", &self.known);
            reader.report(at, problem.label("unknown key").help(help));
        }
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let key = if plain { key.to_owned() } else { format!("\"{key}\"") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
