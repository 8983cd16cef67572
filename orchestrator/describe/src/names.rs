//! Small types with a text form: names, glibc versions, machines.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// Why a text is not what its type wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError(pub(crate) String);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NameError {}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
                if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(good) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError(format!(
                        "`{text}` is no name of {}: letters, digits, `-`, `_`, `.` and `+`, the first a letter or digit",
                        $what
                    )))
                }
            }
        }
    };
}

name! {
    /// The name of a component in `toolchains.toml`: a tree composed of pinned packages.
    ComponentName, "a component"
}

name! {
    /// The name of a variant of the build. The unnamed one is `default`.
    VariantName, "a variant"
}

impl Default for VariantName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// A version of glibc, as in `GLIBC_2.31`: the floor that a sysroot sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glibc {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Glibc {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self { major: number(major)?, minor: number(minor)? }))
            .ok_or_else(|| NameError(format!("`{text}` is not a glibc version such as `2.31`")))
    }
}

/// Where a component's packages, or a toolchain's archives, come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distribution {
    /// Debian packages.
    Debian,
    /// The archives that the Rust project releases.
    Official,
}

impl Distribution {
    /// Both, by the word that names them in TOML.
    pub(crate) const CHOICES: [(&'static str, Self); 2] =
        [("debian", Self::Debian), ("official", Self::Official)];

    /// The word that names it in TOML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Official => "official",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<Glibc>().unwrap();
        assert!(version("2.4") < version("2.31"));
        for bad in ["", "2", "2.", ".31", "2.31.1", "2.x", "+2.3", "v2.3"] {
            assert!(bad.parse::<Glibc>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_hold_no_path_and_no_glob() {
        for bad in ["", "a/b", "*", ".hidden", "-x", "a b"] {
            assert!(bad.parse::<VariantName>().is_err(), "{bad:?}");
        }
        assert!("glibc-2.31-x86_64".parse::<ComponentName>().is_ok());
    }
}
