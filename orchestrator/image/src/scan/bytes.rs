//! Kinds of bytes.

/// What names of files are mostly made of. UTF-8's further bytes are letters here.
pub(super) const fn is_name(byte: u8) -> bool {
    is_word_or_hyphen(byte) || byte == b'.' || !byte.is_ascii()
}

pub(super) const fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(super) const fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) const fn is_word_or_hyphen(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

pub(super) const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Base64 in either alphabet; `=` is what stands before a value, too.
pub(super) const fn is_any_base64(byte: u8) -> bool {
    is_word_or_hyphen(byte) || matches!(byte, b'+' | b'/')
}
