//! A TOML document as a tree of values that know where they stand, with overrides laid over it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::overrides::Override;
use crate::problem::{Kind, Problem, Problems, Source};

/// A place in one of a document's sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    /// Index into [`Document::sources`].
    pub(crate) source: usize,
    start: usize,
    end: usize,
}

impl At {
    /// The start of the first source: for what stands nowhere.
    pub(crate) const TOP: Self = Self { source: 0, start: 0, end: 0 };

    pub(crate) fn new(source: usize, span: Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }

    pub(crate) fn span(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) value: Value,
    /// The words of a scalar as they were written in an override: there `1.96` may mean the text `"1.96"`.
    pub(crate) bare: Option<String>,
}

/// TOML's types.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    String(String),
    /// With its value, unless it does not fit.
    Integer(Option<i64>),
    Float(String),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(BTreeMap<String, Entry>),
}

impl Value {
    /// The type's name with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key_at: At,
    pub(crate) node: Node,
}

/// A parsed document: a file, and the flags that were laid over it.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) sources: Vec<Arc<Source>>,
    /// How many of the sources are files; the others are flags.
    pub(crate) files: usize,
    pub(crate) root: Node,
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// All syntax errors at once.
    pub(crate) fn parse(source: Arc<Source>) -> Result<Self, Problems> {
        let (table, errors) = DeTable::parse_recoverable(source.text());
        let problems = errors.iter().map(|error| syntax_problem(error, &source, 0)).collect();
        if let Some(problems) = Problems::new(problems) {
            return Err(problems);
        }
        let root = Node { at: At::TOP, value: convert_table(table.get_ref(), 0, 0), bare: None };
        Ok(Self { sources: vec![source], files: 1, root })
    }

    /// A document with nothing in it.
    pub(crate) fn empty(name: &str) -> Self {
        Self {
            sources: vec![Arc::new(Source::new(name, ""))],
            files: 1,
            root: Node { at: At::TOP, value: Value::Table(BTreeMap::new()), bare: None },
        }
    }

    /// Lays another file over this one: tables are joined, key by key; of everything else the other one's counts.
    pub(crate) fn lay(&mut self, over: Self) {
        let shift = self.sources.len();
        self.sources.extend(over.sources);
        self.files += over.files;
        lay(&mut self.root, shifted(over.root, shift));
    }

    /// Sets a value, making the tables on the way.
    ///
    /// # Errors
    /// When something on the way is no table.
    pub(crate) fn set(&mut self, flag: &Override) -> Result<(), Problem> {
        let source = self.sources.len();
        self.sources.push(Arc::clone(flag.source()));
        let key_at = At::new(source, flag.key_span());
        let mut node = &mut self.root;
        let (last, way) = flag.key().split_last().expect("an override's key has at least one part");
        for (depth, part) in way.iter().enumerate() {
            let kind = node.value.kind();
            let Value::Table(table) = &mut node.value else {
                return Err(not_a_table(flag, depth, kind));
            };
            let empty = Node { at: key_at, value: Value::Table(BTreeMap::new()), bare: None };
            node = &mut table.entry(part.clone()).or_insert(Entry { key_at, node: empty }).node;
        }
        let kind = node.value.kind();
        let Value::Table(table) = &mut node.value else {
            return Err(not_a_table(flag, way.len(), kind));
        };
        table.insert(last.clone(), Entry { key_at, node: flag.node(source) });
        Ok(())
    }
}

fn lay(under: &mut Node, over: Node) {
    let is_table = |node: &Node| matches!(node.value, Value::Table(_));
    if !is_table(under) || !is_table(&over) {
        *under = over;
        return;
    }
    if let (Value::Table(under), Value::Table(over)) = (&mut under.value, over.value) {
        for (key, entry) in over {
            match under.get_mut(&key) {
                Some(there) => {
                    there.key_at = entry.key_at;
                    lay(&mut there.node, entry.node);
                }
                None => drop(under.insert(key, entry)),
            }
        }
    }
}

/// A value with the numbers of its sources moved.
fn shifted(node: Node, by: usize) -> Node {
    let moved = |at: At| At { source: at.source + by, ..at };
    let value = match node.value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| shifted(item, by)).collect()),
        Value::Table(entries) => Value::Table(
            entries
                .into_iter()
                .map(|(key, Entry { key_at, node })| {
                    (key, Entry { key_at: moved(key_at), node: shifted(node, by) })
                })
                .collect(),
        ),
        other => other,
    };
    Node { at: moved(node.at), value, bare: node.bare }
}

fn not_a_table(flag: &Override, depth: usize, kind: &str) -> Problem {
    let parent = flag.key()[..depth].join(".");
    Problem::new(Kind::WrongType, format!("`{parent}` is {kind}: it has no keys that could be set"))
        .at(flag.source(), flag.key_span())
}

/// A syntax error of the parser, whose spans start `shift` bytes into the source.
pub(crate) fn syntax_problem(error: &toml::de::Error, source: &Arc<Source>, shift: usize) -> Problem {
    let span = error.span().unwrap_or(0..0);
    Problem::new(Kind::Syntax, format!("not valid TOML: {}", error.message()))
        .at(source, span.start + shift..span.end + shift)
}

fn convert_table(table: &DeTable<'_>, source: usize, shift: usize) -> Value {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<toml::de::DeString<'_>> = key;
        let key_at = At::new(source, key.span().start + shift..key.span().end + shift);
        (key.get_ref().to_string(), Entry { key_at, node: convert(value, source, shift) })
    };
    Value::Table(table.iter().map(entry).collect())
}

/// Takes over a parsed value, whose spans start `shift` bytes into the source.
pub(crate) fn convert(value: &Spanned<DeValue<'_>>, source: usize, shift: usize) -> Node {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(number) => Value::Float(number.as_str().to_owned()),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| convert(item, source, shift)).collect())
        }
        DeValue::Table(table) => convert_table(table, source, shift),
    };
    Node { at: At::new(source, span.start + shift..span.end + shift), value, bare: None }
}
