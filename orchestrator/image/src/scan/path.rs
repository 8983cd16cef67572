//! Paths: whose home folder one is in, and how it is shown.

use super::bytes::{is_name, is_word};
use super::token::TOKENS;

/// Bytes of a path that are shown.
pub(super) const EXTRACT: usize = 80;

/// Bytes of a user's name.
pub(super) const LONGEST_NAME: usize = 64;

/// Names that are nobody's own, or stand for any.
pub(super) const NOBODY: [&str; 16] = [
    "all users",
    "default",
    "default user",
    "linuxbrew",
    "me",
    "name",
    "nonroot",
    "public",
    "shared",
    "someone",
    "user",
    "username",
    "you",
    "your-name",
    "your_name",
    "yourname",
];

/// Whether somebody's name follows, and in the folder of that name something. A variable's marks (`$`, `{`,
/// `<`, `%`) are in no name.
pub(super) fn names_somebody(bytes: &[u8], separator: &str) -> bool {
    let has_spaces = separator.starts_with('\\');
    let is_part = |byte: &u8| is_name(*byte) || (has_spaces && *byte == b' ');
    let length = bytes.iter().take(LONGEST_NAME + 1).take_while(|byte| is_part(byte)).count();
    let (name, rest) = bytes.split_at(length);
    let starts = name.first().is_some_and(|byte| is_word(*byte) || !byte.is_ascii());
    let goes_on =
        rest.strip_prefix(separator.as_bytes()).and_then(<[u8]>::first).is_some_and(|byte| is_name(*byte));
    let is_example = name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"example"));
    let is_nobody = NOBODY.iter().any(|nobody| name.eq_ignore_ascii_case(nobody.as_bytes()));
    starts && goes_on && length <= LONGEST_NAME && !is_example && !is_nobody
}

/// Whether a Windows drive's letter is the last before a path.
pub(super) fn is_drive(before: &[u8]) -> bool {
    match before {
        [.., previous, letter] => letter.is_ascii_alphabetic() && !is_word(*previous),
        [letter] => letter.is_ascii_alphabetic(),
        [] => false,
    }
}

/// Whether a path that starts after `before` is only the rest of a longer one, or of a URL.
pub(super) fn is_within(before: &[u8]) -> bool {
    let is_part = |byte: &u8| is_name(*byte) || b"+@%~:".contains(byte);
    let start = before.iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
    let (rest, name) = before.split_at(start);
    match name.last() {
        // As in `http://home/…`.
        None => rest.ends_with(b":/"),
        // As in `PATH=/usr/bin:/home/…`.
        Some(b':') => false,
        // As in `../home/…`.
        Some(_) if name.iter().all(|byte| *byte == b'.') => true,
        // In programs of Rust the path of a source stands right behind another's.
        Some(_) => rest.ends_with(b"/") && !name.ends_with(b".rs"),
    }
}

/// A path for people, from `start` to at least `end`. It ends where a token starts.
pub(super) fn extract(bytes: &[u8], start: usize, end: usize) -> String {
    let mut to = end;
    while let Some(byte) = bytes.get(to) {
        let is_part = is_name(*byte) || br"+@%~/\".contains(byte);
        if !is_part || to - start >= EXTRACT || TOKENS.iter().any(|token| token.body(bytes, to).is_some()) {
            break;
        }
        to += 1;
    }
    let text = String::from_utf8_lossy(&bytes[start..to]);
    // A character that is cut in two, and what would disturb a terminal.
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    let is_shown = |letter: char| letter.is_alphanumeric() || letter.is_ascii_graphic() || letter == ' ';
    text.chars().map(|letter| if is_shown(letter) { letter } else { char::REPLACEMENT_CHARACTER }).collect()
}
