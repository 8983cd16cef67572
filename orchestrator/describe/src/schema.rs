//! JSON schemas of the files that people write, for editors: made by reading documents and noting what is asked of them,
//! so that they say what the reading code does.

use std::collections::BTreeMap;
use std::sync::Arc;

use semver::Version;
use serde_json::{Map, Value as Json, json};
use xbuild_base::Triple;

use crate::description;
use crate::document::{At, Document, Entry, Node, Value};
use crate::problem::Source;
use crate::reader::{Fields, Reader, Shape};
use crate::target::{self, Targets};
use crate::toolchains::{self, Toolchains};

/// Names for the entries of a table whose keys are names: whatever a name must be, one of them is.
const NAMES: [&str; 5] = ["name", "1.2.3", "x86_64-unknown-linux-gnu", "/path", "2.31"];
/// The texts that stand where a text is wanted, each in a round of its own.
const TEXTS: [&str; 2] = [NAMES[0], NAMES[4]];
/// Tables don't lie deeper than this in one another.
const DEEPEST: usize = 12;

/// The schemas by the names of their files, as JSON.
#[must_use]
pub fn schemas() -> BTreeMap<&'static str, String> {
    let targets = Targets::default();
    let xbuild = schema("xbuild.toml", |document, reader| {
        description::read(document, &targets, reader);
    });
    let none = Toolchains {
        default: Version::new(0, 0, 0),
        suites: BTreeMap::new(),
        components: BTreeMap::new(),
        pins: BTreeMap::new(),
        toolchains: BTreeMap::new(),
    };
    let toolchains = schema(".xbuild/toolchains.toml", |document, reader| {
        toolchains::read_document(document, Some(&none), reader);
    });
    let triple: Option<Triple> = NAMES[2].parse().ok();
    let target = schema(".xbuild/targets/<triple>.toml", |document, reader| {
        triple.clone().map(|triple| target::read(triple, Fields::root(document), &none, reader));
    });
    [("xbuild.json", xbuild), ("toolchains.json", toolchains), ("target.json", target)]
        .map(|(name, schema)| (name, serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"))
        .into()
}

/// The schema of a file: documents are grown, key by key, as far as the reading asks for more.
fn schema(file: &str, read: impl Fn(&Document, &mut Reader)) -> Json {
    let mut asked: BTreeMap<String, Shape> = BTreeMap::new();
    // Where a value may be a text or a table, the one round finds the texts, the other the tables.
    let texts = TEXTS.map(|text| Probe::Text(text.to_owned()));
    for unknown in std::iter::once(Probe::Table(BTreeMap::new())).chain(texts) {
        // A file that has a format is read no further without it.
        let mut root = Probe::Table([("format".to_owned(), Probe::Number(1))].into());
        for _ in 0..DEEPEST {
            let document =
                Document { sources: vec![Arc::new(Source::new(file, ""))], files: 1, root: root.node() };
            let mut reader = Reader::asking(&document);
            read(&document, &mut reader);
            let shapes = reader.asked();
            root.grow("", &shapes, &unknown);
            for (path, shape) in shapes {
                asked.entry(path).or_default().join(shape);
            }
        }
    }
    let mut schema = json_of("", &asked);
    if let Json::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        schema.insert("title".to_owned(), json!(file));
    }
    schema
}

/// A value of a document that is grown.
#[derive(Debug, Clone, PartialEq)]
enum Probe {
    Text(String),
    Boolean,
    Number(u64),
    List(Box<Probe>),
    Table(BTreeMap<String, Probe>),
}

impl Probe {
    fn node(&self) -> Node {
        let value = match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Boolean => Value::Boolean(true),
            Self::Number(number) => Value::Integer(i64::try_from(*number).ok()),
            Self::List(item) => Value::Array(vec![item.node()]),
            Self::Table(entries) => Value::Table(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), Entry { key_at: At::TOP, node: value.node() }))
                    .collect(),
            ),
        };
        Node { at: At::TOP, value, bare: None }
    }

    /// Becomes what was asked for at its path, with what may be in it.
    fn grow(&mut self, path: &str, asked: &BTreeMap<String, Shape>, unknown: &Self) {
        let Some(shape) = asked.get(path) else { return };
        let is_table = shape.named || shape.keys.is_some();
        let is_right = match self {
            Self::Text(text) => shape.text && (shape.words.is_empty() || shape.words.contains(text)),
            Self::Boolean => shape.boolean,
            Self::Number(_) => shape.number.is_some(),
            Self::List(_) => shape.list,
            Self::Table(_) => is_table,
        };
        if !is_right {
            *self = match shape {
                _ if is_table => Self::Table(BTreeMap::new()),
                Shape { list: true, .. } => Self::List(Box::new(unknown.clone())),
                Shape { number: Some(least), .. } => Self::Number(*least),
                Shape { boolean: true, .. } => Self::Boolean,
                Shape { words, .. } if !words.is_empty() => {
                    Self::Text(words.first().cloned().unwrap_or_default())
                }
                _ if matches!(unknown, Self::Text(_)) => unknown.clone(),
                _ => Self::Text(TEXTS[0].to_owned()),
            };
        }
        match self {
            Self::Table(entries) => {
                let names = NAMES.iter().filter(|_| shape.named).map(|&name| name.to_owned());
                for key in shape.keys.iter().flat_map(|keys| keys.keys().cloned()).chain(names) {
                    entries.entry(key.clone()).or_insert_with(|| unknown.clone()).grow(
                        &join(path, &key),
                        asked,
                        unknown,
                    );
                }
            }
            Self::List(item) => item.grow(&format!("{path}[0]"), asked, unknown),
            _ => {}
        }
    }
}

impl Shape {
    fn join(&mut self, other: Self) {
        let Self { text, words, boolean, number, list, named, keys } = other;
        self.text |= text;
        self.words.extend(words);
        self.boolean |= boolean;
        self.number = self.number.max(number);
        self.list |= list;
        self.named |= named;
        if let Some(keys) = keys {
            self.keys.get_or_insert_default().extend(keys);
        }
    }
}

/// The schema of what stands at a path.
fn json_of(path: &str, asked: &BTreeMap<String, Shape>) -> Json {
    let Some(shape) = asked.get(path) else { return json!(true) };
    let mut forms = Vec::new();
    if shape.text {
        let words: Vec<&String> = shape.words.iter().collect();
        forms.push(if words.is_empty() { json!({ "type": "string" }) } else { json!({ "enum": words }) });
    }
    if shape.boolean {
        forms.push(json!({ "type": "boolean" }));
    }
    if let Some(least) = shape.number {
        forms.push(json!({ "type": "integer", "minimum": least }));
    }
    if shape.list {
        forms.push(json!({ "type": "array", "items": json_of(&format!("{path}[0]"), asked) }));
    }
    if shape.named || shape.keys.is_some() {
        forms.push(table(path, shape, asked));
    }
    match <[Json; 1]>::try_from(forms) {
        Ok([form]) => form,
        Err(forms) => json!({ "anyOf": forms }),
    }
}

fn table(path: &str, shape: &Shape, asked: &BTreeMap<String, Shape>) -> Json {
    let mut table = Map::from_iter([("type".to_owned(), json!("object"))]);
    let keys = shape.keys.clone().unwrap_or_default();
    if !keys.is_empty() {
        let of = |key: &String| (key.clone(), json_of(&join(path, key), asked));
        table.insert("properties".to_owned(), Json::Object(keys.keys().map(of).collect()));
        let needed: Vec<&String> = keys.iter().filter(|(_, needed)| **needed).map(|(key, _)| key).collect();
        if !needed.is_empty() {
            table.insert("required".to_owned(), json!(needed));
        }
    }
    let others = if shape.named {
        // The names that don't fit lead to nothing that is asked for.
        let mut whole = asked.clone();
        let any = join(path, NAMES[0]);
        for name in &NAMES[1..] {
            let own = join(path, name);
            for (below, shape) in asked.iter().filter_map(|(at, shape)| Some((at.strip_prefix(&own)?, shape)))
            {
                whole.entry(format!("{any}{below}")).or_default().join(shape.clone());
            }
        }
        json_of(&any, &whole)
    } else {
        json!(false)
    };
    table.insert("additionalProperties".to_owned(), others);
    Json::Object(table)
}

/// The way to a key, as fields have it.
fn join(path: &str, key: &str) -> String {
    crate::reader::join(path, key)
}
