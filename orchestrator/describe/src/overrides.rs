//! `--set KEY=VALUE`: one value of the description, for one call.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::document::{At, Node, Value, convert, syntax_problem};
use crate::problem::{Kind, Problem, Problems, Source};

/// The value of one `--set` flag, parsed but not yet checked against the description's schema.
///
/// `KEY` is a dotted TOML key (`build.profile`, `target.x86_64-unknown-linux-gnu.glibc`, parts with dots in
/// quotes). `VALUE` is a TOML value; what does not start like a quoted string, a list or a table and is none
/// either is taken as a string, so that `--set build.profile=dev` needs no quotes inside quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    source: Arc<Source>,
    key: Vec<String>,
    value_start: usize,
}

impl Override {
    /// Parses what follows `--set`.
    ///
    /// # Errors
    /// When there is no `=`, the key is no TOML key, or the value starts like a quoted string, a list or a table
    /// and is none.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let source = Arc::new(Source::new("--set", text));
        let Some(equals) = unquoted_equals(text) else {
            return Err(Problem::new(Kind::Syntax, format!("`--set {text}` has no `=`"))
                .at(&source, 0..text.len())
                .help("write `--set KEY=VALUE`, such as `--set build.profile=dev`")
                .into());
        };
        let Some(key) = parse_key(&text[..equals]) else {
            return Err(Problem::new(Kind::Syntax, format!("`{}` is not a key", &text[..equals]))
                .at(&source, 0..equals)
                .help("write `--set KEY=VALUE` with a dotted key, such as `--set build.profile=dev`")
                .into());
        };
        let flag = Self { source, key, value_start: equals + 1 };
        let value = flag.value();
        match DeValue::parse(value) {
            Err(error) if value.trim_start().starts_with(['"', '\'', '[', '{']) => {
                Err(syntax_problem(&error, &flag.source, flag.value_start).into())
            }
            _ => Ok(flag),
        }
    }

    /// The parts of the key.
    #[must_use]
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// The flag's text, `KEY=VALUE`, as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// The value as it was given: TOML, or bare words.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.text()[self.value_start..]
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    pub(crate) fn key_span(&self) -> Range<usize> {
        0..self.value_start - 1
    }

    /// The value as a node of a document in which the flag is the source of this number.
    pub(crate) fn node(&self, source: usize) -> Node {
        let text = self.value();
        let whole = At::new(source, self.value_start..self.text().len());
        match DeValue::parse(text) {
            Ok(value) => {
                let node = convert(&value, source, self.value_start);
                match node.value {
                    Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime => {
                        Node { bare: Some(text.trim().to_owned()), ..node }
                    }
                    _ => node,
                }
            }
            Err(_) => Node { at: whole, value: Value::String(text.to_owned()), bare: None },
        }
    }
}

/// The flags that count, in the order of their keys: whatever order others stood in, they are the same. Left out is one
/// whose value a later flag replaces, by the same key or by that of a table above it.
pub(crate) fn in_force(flags: &[Override]) -> Vec<&Override> {
    let mut counting: Vec<&Override> = Vec::new();
    for flag in flags {
        counting.retain(|earlier| !earlier.key.starts_with(&flag.key));
        counting.push(flag);
    }
    // A table comes before what is in it, as it must.
    counting.sort_by_key(|flag| &flag.key);
    counting
}

/// Where the first `=` outside quotes is.
fn unquoted_equals(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    None
}

/// The parts of a dotted key, by TOML's own rules.
fn parse_key(text: &str) -> Option<Vec<String>> {
    if text.contains(['\n', '#', '[', '{']) {
        return None;
    }
    let line = format!("{text} = 0");
    let document = DeTable::parse(&line).ok()?;
    let mut table = document.get_ref();
    let mut parts = Vec::new();
    loop {
        let (key, value) = table.iter().next()?;
        parts.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Vec<String> {
        Override::parse(text).unwrap().key().to_vec()
    }

    #[test]
    fn keys_are_dotted_and_may_be_quoted() {
        assert_eq!(key("build.profile=dev"), ["build", "profile"]);
        assert_eq!(key("a.\"b=c.d\".e=1"), ["a", "b=c.d", "e"]);
        assert_eq!(key("x = y = z"), ["x"]);
    }

    #[test]
    fn what_is_no_key_or_no_value_is_refused() {
        for bad in ["", "build.profile", "=x", "a..b=x", "a b=x", "[a]=x", "k=[1,", "k=\"open", "k={a"] {
            assert!(Override::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn of_two_flags_for_one_value_the_later_one_counts() {
        let counting = |texts: &[&str]| -> Vec<String> {
            let flags: Vec<Override> = texts.iter().map(|text| Override::parse(text).unwrap()).collect();
            in_force(&flags).into_iter().map(|flag| flag.text().to_owned()).collect()
        };
        assert_eq!(counting(&["b=1", "a=2"]), ["a=2", "b=1"]);
        assert_eq!(counting(&["a=1", "b=1", "a=2"]), ["a=2", "b=1"]);
        // A table takes away what was in it; what is set in it later does not take it away.
        assert_eq!(counting(&["a.b=1", "ab=1", "a={c=2}"]), ["a={c=2}", "ab=1"]);
        assert_eq!(counting(&["a={c=2}", "a.b=1"]), ["a={c=2}", "a.b=1"]);
    }

    #[test]
    fn bare_words_are_a_string_and_numbers_remember_their_words() {
        let node = |text: &str| Override::parse(text).unwrap().node(1);
        assert!(
            matches!(node("k=x86_64-unknown-linux-musl").value, Value::String(text) if text.starts_with("x86"))
        );
        assert!(matches!(node("k=1.96.1").value, Value::String(text) if text == "1.96.1"));
        assert_eq!(node("k=1.96").bare.as_deref(), Some("1.96"));
        assert!(matches!(node("k=[\"a\", \"b\"]").value, Value::Array(items) if items.len() == 2));
    }
}
