//! Private keys in PEM (RFC 7468), OpenSSH's and PGP's too.

use super::bytes::is_base64;

/// In so many bytes after its first line's start a private key must show itself: less than [`AHEAD`].
pub(super) const KEY_WINDOW: usize = 2048;

/// So much base64 makes a key: the shortest, of Ed25519, has exactly that.
const KEY_LENGTH: usize = 64;

/// What a private key is called in PEM, and what it is.
pub(super) const KEYS: [(&str, &str); 7] = [
    ("RSA PRIVATE KEY", "RSA"),
    ("EC PRIVATE KEY", "EC"),
    ("DSA PRIVATE KEY", "DSA"),
    ("OPENSSH PRIVATE KEY", "OpenSSH"),
    ("ENCRYPTED PRIVATE KEY", "encrypted"),
    ("PRIVATE KEY", "PKCS #8"),
    ("PGP PRIVATE KEY BLOCK", "PGP"),
];

/// What private key PEM holds, if it does; `pem` follows `-----BEGIN `. A program that reads PEM has the
/// first line of it too, and no key behind it.
pub(super) fn private_key(pem: &[u8]) -> Option<&'static str> {
    let (kind, rest) = KEYS.iter().find_map(|(label, kind)| {
        let rest = pem.strip_prefix(label.as_bytes())?.strip_prefix(b"-----")?;
        Some((*kind, rest))
    })?;
    let mut rest = line_break(rest)?;
    // Lines such as `Version: …`, and an empty one.
    while let Some(after) = header(rest) {
        rest = after;
    }
    rest = line_break(rest).unwrap_or(rest);
    let mut base64 = Vec::with_capacity(KEY_LENGTH);
    while base64.len() < KEY_LENGTH {
        let byte = *rest.first()?;
        if is_base64(byte) {
            base64.push(byte);
            rest = &rest[1..];
        } else {
            rest = line_break(rest)?;
        }
    }
    // What reads PEM may have a table of base64's letters right behind.
    let is_table = base64.windows(8).any(|run| run.is_sorted_by(|one, next| *one + 1 == *next));
    (!is_table).then_some(kind)
}

/// What follows a line of the form `Name: value`.
pub(super) fn header(bytes: &[u8]) -> Option<&[u8]> {
    let name = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let value = bytes[name..].strip_prefix(b": ").filter(|_| name > 0)?;
    let end = value.iter().position(|byte| matches!(byte, b'\r' | b'\n' | b'\\'))?;
    line_break(&value[end..])
}

/// What follows a line break and the next line's indentation. In JSON and in sources a line break is written
/// out, in JSON within JSON with two backslashes.
pub(super) fn line_break(bytes: &[u8]) -> Option<&[u8]> {
    const BREAKS: [&[u8]; 6] = [b"\n", b"\r\n", br"\n", br"\r\n", br"\\n", br"\\r\\n"];
    let rest = BREAKS.iter().find_map(|form| bytes.strip_prefix(*form))?;
    let indent = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    Some(&rest[indent..])
}
