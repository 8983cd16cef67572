//! Target triples.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text is not a [`Triple`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a target triple such as `x86_64-unknown-linux-musl`")]
pub struct TripleError(String);

/// A rustc target triple, `<arch>-<vendor>-<os>[-<abi>]`: only its form is checked here; which triples can be
/// built is told by the files in `targets/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Triple(String);

impl Triple {
    /// The triple as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in environment variable names: `-` and `.` become `_`, lower case kept.
    #[must_use]
    pub fn underscored(&self) -> String {
        self.0.replace(['-', '.'], "_")
    }
}

impl FromStr for Triple {
    type Err = TripleError;

    fn from_str(text: &str) -> Result<Self, TripleError> {
        let parts: Vec<&str> = text.split('-').collect();
        let word = |part: &&str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
        };
        if (2..=5).contains(&parts.len()) && parts.iter().all(word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TripleError(text.to_owned()))
        }
    }
}

impl fmt::Display for Triple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Triple {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
