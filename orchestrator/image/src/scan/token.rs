//! Tokens of services, by the form that each gives them.

use super::bytes::{is_alphanumeric, is_any_base64, is_upper, is_word, is_word_or_hyphen};

/// A service's token: how it starts and what follows.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) start: &'static str,
    pub(super) what: &'static str,
    /// Which bytes follow.
    pub(super) body: fn(u8) -> bool,
    /// How many of them.
    pub(super) length: usize,
    pub(super) beside: Beside,
}

/// What may stand beside a token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beside {
    /// Nothing of a word.
    NoWord,
    /// The same, unless the token's last six characters are the checksum of the others.
    NoWordOrChecked,
    /// Nothing of base64: the start is short, and base64 is long.
    NoBase64,
    /// Nothing of a word before it; it may be longer.
    NoWordBefore,
    /// Anything: the start is like nothing else. It may be longer.
    Anything,
    /// Anything; the body starts with a digit.
    AnythingNumbered,
}

pub(super) const fn token(
    start: &'static str,
    what: &'static str,
    body: fn(u8) -> bool,
    length: usize,
    beside: Beside,
) -> Token {
    Token { start, what, body, length, beside }
}

pub(super) static TOKENS: [Token; 19] = [
    token("AKIA", "an access key id of AWS (AKIA…)", is_upper, 16, Beside::NoWord),
    token("ASIA", "an access key id of AWS (ASIA…)", is_upper, 16, Beside::NoWord),
    token("ghp_", "a token of GitHub (ghp_…)", is_alphanumeric, 36, Beside::NoWordOrChecked),
    token("gho_", "a token of GitHub (gho_…)", is_alphanumeric, 36, Beside::NoWordOrChecked),
    token("ghu_", "a token of GitHub (ghu_…)", is_alphanumeric, 36, Beside::NoWordOrChecked),
    token("ghs_", "a token of GitHub (ghs_…)", is_alphanumeric, 36, Beside::NoWordOrChecked),
    token("ghr_", "a token of GitHub (ghr_…)", is_alphanumeric, 36, Beside::NoWordOrChecked),
    token("github_pat_", "a token of GitHub (github_pat_…)", is_word, 82, Beside::Anything),
    token("glpat-", "a token of GitLab (glpat-…)", is_word_or_hyphen, 20, Beside::Anything),
    token("xoxa-", "a token of Slack (xoxa-…)", is_word_or_hyphen, 20, Beside::AnythingNumbered),
    token("xoxb-", "a token of Slack (xoxb-…)", is_word_or_hyphen, 20, Beside::AnythingNumbered),
    token("xoxp-", "a token of Slack (xoxp-…)", is_word_or_hyphen, 20, Beside::AnythingNumbered),
    token("xoxr-", "a token of Slack (xoxr-…)", is_word_or_hyphen, 20, Beside::AnythingNumbered),
    token("xoxs-", "a token of Slack (xoxs-…)", is_word_or_hyphen, 20, Beside::AnythingNumbered),
    token("AIza", "a key of Google's APIs (AIza…)", is_word_or_hyphen, 35, Beside::NoWordBefore),
    token("npm_", "a token of npm (npm_…)", is_alphanumeric, 36, Beside::NoWordOrChecked),
    // After the hyphen, in base64, what all of them start with: `pypi.org`.
    token("pypi-AgEIcHlwaS5vcmc", "a token of PyPI (pypi-…)", is_word_or_hyphen, 50, Beside::Anything),
    token("cio", "a token of crates.io (cio…)", is_alphanumeric, 32, Beside::NoBase64),
    token("sk_live_", "a live key of Stripe (sk_live_…)", is_alphanumeric, 24, Beside::Anything),
];

impl Token {
    /// What follows the start at `at`, when the right bytes do.
    pub(super) fn body<'b>(&self, bytes: &'b [u8], at: usize) -> Option<&'b [u8]> {
        let body = bytes.get(at..)?.strip_prefix(self.start.as_bytes())?.get(..self.length)?;
        body.iter().all(|byte| (self.body)(*byte)).then_some(body)
    }

    /// Where the token at `at` ends, when there is one.
    pub(super) fn end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let body = self.body(bytes, at)?;
        let end = at + self.start.len() + self.length;
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(end).copied();
        let none = |is: fn(u8) -> bool| !before.is_some_and(is) && !after.is_some_and(is);
        let is_token = match self.beside {
            Beside::NoWord => none(is_word),
            Beside::NoWordOrChecked => none(is_word) || has_checksum(body),
            Beside::NoBase64 => none(is_any_base64),
            Beside::NoWordBefore => !before.is_some_and(is_word),
            Beside::Anything => true,
            Beside::AnythingNumbered => body.first().is_some_and(u8::is_ascii_digit),
        };
        (is_token && !is_example(body)).then_some(end)
    }
}

/// Whether a token's body is one that documentation writes, as in `AKIAIOSFODNN7` + `EXAMPLE`.
pub(super) fn is_example(body: &[u8]) -> bool {
    let is_filled = b"xX0".iter().any(|filler| body.iter().all(|byte| byte == filler));
    let has = |word: &str| body.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    is_filled || ["example", "your", "token"].into_iter().any(has)
}

/// Whether the last six characters are the others' CRC-32 in base 62, as in tokens of GitHub and npm.
pub(super) fn has_checksum(body: &[u8]) -> bool {
    let Some((random, checksum)) = body.split_last_chunk::<6>() else { return false };
    let mut value = 0_u64;
    for byte in checksum {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return false,
        };
        value = value * 62 + u64::from(digit);
    }
    let mut crc = flate2::Crc::new();
    crc.update(random);
    u64::from(crc.sum()) == value
}
