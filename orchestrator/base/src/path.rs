//! Paths inside trees and sandboxes.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text is not a [`RelPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` can't be used as a path inside a tree: {problem}")]
pub struct PathError {
    path: String,
    problem: &'static str,
}

/// A normalised relative path with forward slashes: no `.`, `..`, empty component or NUL. The empty path is the
/// root. It means a place inside a tree or inside the sandbox's root, never one on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct RelPath(String);

impl RelPath {
    /// The root of the tree.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Checks a text.
    ///
    /// # Errors
    /// When it is absolute, holds `.`, `..`, an empty component or a NUL, or ends in a slash.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let path = text.into();
        let problem = if path.is_empty() {
            None
        } else if path.starts_with('/') {
            Some("it is absolute")
        } else if path.contains('\0') {
            Some("it holds a NUL")
        } else {
            path.split('/').find_map(|part| match part {
                "" => Some("it has an empty component"),
                "." => Some("it has a `.` component"),
                ".." => Some("it leads outside by `..`"),
                _ => None,
            })
        };
        match problem {
            Some(problem) => Err(PathError { path, problem }),
            None => Ok(Self(path)),
        }
    }

    /// Resolves `text` against this path as a directory, with `.` and `..` taken away in words alone.
    ///
    /// # Errors
    /// When the result would lie outside the root, or `text` is absolute.
    pub fn resolve(&self, text: &str) -> Result<Self, PathError> {
        let error = |problem| PathError { path: text.to_owned(), problem };
        if text.starts_with('/') {
            return Err(error("it is absolute"));
        }
        let mut parts: Vec<&str> = self.components().collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(|| error("it leads outside by `..`"))?;
                }
                part => parts.push(part),
            }
        }
        Self::new(parts.join("/"))
    }

    /// This path with `other` below it.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match (self.0.is_empty(), other.0.is_empty()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, other.0)),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, in order; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The last component, unless it is the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.components().next_back()
    }

    /// The path without its last component, unless it is the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned())))
    }

    /// What is left after `prefix`, when the path lies at or below it.
    #[must_use]
    pub fn strip_prefix(&self, prefix: &Self) -> Option<Self> {
        if prefix.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&prefix.0)?;
        if rest.is_empty() { Some(Self::root()) } else { Some(Self(rest.strip_prefix('/')?.to_owned())) }
    }

    /// How to get from this directory to `to`, with `..` where needed; `.` when they are equal.
    #[must_use]
    pub fn relative_to(&self, to: &Self) -> String {
        let (from, to): (Vec<_>, Vec<_>) = (self.components().collect(), to.components().collect());
        let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        let parts: Vec<&str> =
            std::iter::repeat_n("..", from.len() - common).chain(to[common..].iter().copied()).collect();
        if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
    }

    /// The absolute path inside the sandbox.
    #[must_use]
    pub fn in_sandbox(&self) -> String {
        format!("/{}", self.0)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RelPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for RelPath {
    type Error = PathError;

    fn try_from(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl AsRef<str> for RelPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<std::path::Path> for RelPath {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_normal_relative_paths_pass() {
        for bad in ["/a", "a/../b", "./a", "a//b", "a/", "..", "a\0b"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
        for good in ["", "a", "a/b", "a b/ç", "...", ".hidden"] {
            assert!(RelPath::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn resolve_stays_inside() {
        let here = RelPath::new("a/b").unwrap();
        assert_eq!(here.resolve("../c/./d").unwrap().as_str(), "a/c/d");
        assert_eq!(here.resolve("../..").unwrap(), RelPath::root());
        assert!(here.resolve("../../..").is_err());
        assert!(here.resolve("/etc").is_err());
    }

    #[test]
    fn relative_to_goes_up_and_down() {
        let path = |text: &str| RelPath::new(text).unwrap();
        assert_eq!(path("build/ws").relative_to(&path("build/out/x")), "../out/x");
        assert_eq!(path("a").relative_to(&path("a")), ".");
        assert_eq!(RelPath::root().relative_to(&path("a/b")), "a/b");
        assert_eq!(path("a/b").strip_prefix(&path("a")), Some(path("b")));
        assert_eq!(path("ab").strip_prefix(&path("a")), None);
    }
}
