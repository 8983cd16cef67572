//! Debian's control files (deb822): stanzas of fields, an empty line between them.
//!
//! The form is Debian Policy's, section 5.1. One stanza at a time is in memory.

use std::io::BufRead;

/// The longest stanza that is read, in bytes: a `Release` file's list of checksums is about a megabyte.
const LONGEST: usize = 16 << 20;

/// One stanza: its fields in order, with continuation lines joined by `\n` and their indent taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stanza {
    fields: Vec<(String, String)>,
    /// Where its first line begins, in bytes from the start.
    pub(crate) offset: u64,
    /// How long it is, in bytes.
    pub(crate) length: u64,
}

impl Stanza {
    /// A field's value; names are compared without case.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The words of a field's value; none when there is no such field.
    pub(crate) fn words<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s str> + use<'s> {
        self.get(name).unwrap_or_default().split_whitespace()
    }
}

/// Reads stanzas one after the other.
#[derive(Debug)]
pub(crate) struct Stanzas<R> {
    reader: R,
    position: u64,
}

impl<R: BufRead> Stanzas<R> {
    /// Starts at the reader's place.
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader, position: 0 }
    }

    /// The next stanza; `None` at the end. Lines that begin with `#` are comments.
    ///
    /// # Errors
    /// When reading fails, or a line is neither a field nor a continuation (`InvalidData`).
    pub(crate) fn read(&mut self) -> std::io::Result<Option<Stanza>> {
        let invalid = |problem: String| std::io::Error::new(std::io::ErrorKind::InvalidData, problem);
        let mut stanza = Stanza::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.reader.read_until(b'\n', &mut line)? as u64;
            let start = self.position;
            self.position += read;
            let text = std::str::from_utf8(&line)
                .map_err(|_| invalid(format!("the line at byte {start} is not UTF-8")))?
                .trim_end();
            if read == 0 || text.is_empty() {
                if stanza.fields.is_empty() && read != 0 {
                    continue;
                }
                return Ok((!stanza.fields.is_empty()).then_some(stanza));
            }
            if text.starts_with('#') {
                continue;
            }
            if stanza.fields.is_empty() {
                stanza.offset = start;
            }
            stanza.length = self.position - stanza.offset;
            if stanza.length > LONGEST as u64 {
                return Err(invalid(format!("the stanza at byte {} has no end", stanza.offset)));
            }
            if text.starts_with([' ', '\t']) {
                let (_, value) = stanza.fields.last_mut().ok_or_else(|| {
                    invalid(format!("the stanza at byte {start} begins with a continuation line"))
                })?;
                value.push('\n');
                value.push_str(text.trim_start());
            } else {
                let (name, value) = text
                    .split_once(':')
                    .ok_or_else(|| invalid(format!("`{text}` at byte {start} is not a field")))?;
                stanza.fields.push((name.to_owned(), value.trim_start().to_owned()));
            }
        }
    }
}

/// Reads all stanzas of a text.
///
/// # Errors
/// As [`Stanzas::read`].
pub(crate) fn parse_stanzas(text: &str) -> std::io::Result<Vec<Stanza>> {
    let mut stanzas = Stanzas::new(text.as_bytes());
    std::iter::from_fn(|| stanzas.read().transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_fields_and_continuations() {
        let text =
            "\n# comment\nPackage: a\nDescription: first\n second\n .\n\n\nPackage: b\nX:\n 1 2\n 3 4\n";
        let stanzas = parse_stanzas(text).unwrap();
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("package"), Some("a"));
        assert_eq!(stanzas[0].get("Description"), Some("first\nsecond\n."));
        assert_eq!(stanzas[1].words("X").collect::<Vec<_>>(), ["1", "2", "3", "4"]);
        assert_eq!(stanzas[1].get("Y"), None);
        for stanza in &stanzas {
            let (start, end) = (stanza.offset as usize, (stanza.offset + stanza.length) as usize);
            let again = parse_stanzas(&text[start..end]).unwrap();
            assert_eq!(again[0].fields, stanza.fields);
        }
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for text in [" continuation first\n", "Package: a\nno field\n"] {
            assert!(parse_stanzas(text).is_err(), "{text:?}");
        }
        assert!(Stanzas::new(&b"A: \xff\n"[..]).read().is_err());
    }
}
