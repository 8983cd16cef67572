//! What of the distribution can be pinned: a release, or what a channel was on a day.

use std::fmt;
use std::str::FromStr;

use semver::{Prerelease, Version};

/// A release, or what a channel was on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// A release: `1.95.0`.
    Stable(Version),
    /// A channel's of a day: `nightly-2026-01-31`.
    Dated {
        /// `nightly` or `beta`.
        channel: String,
        /// Its day, as `2026-01-31`.
        date: String,
    },
}

/// A text that is no [`Release`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a full version of Rust nor a channel's of a day")]
pub struct NoRelease(String);

impl Release {
    /// The path of its manifest below the server's root.
    #[must_use]
    pub fn manifest(&self) -> String {
        match self {
            Self::Stable(version) => format!("dist/channel-rust-{version}.toml"),
            Self::Dated { channel, date } => format!("dist/{date}/channel-rust-{channel}.toml"),
        }
    }

    /// Whether a manifest's version ([`super::Manifest::version`]) is of it.
    #[must_use]
    pub fn is(&self, version: &Version) -> bool {
        match self {
            Self::Stable(release) => release == version,
            Self::Dated { channel, date } => version.pre.as_str() == format!("{channel}.{date}"),
        }
    }
}

/// The version of what a channel was on a day: that of its rustc, with the day in the place of what follows the
/// channel's name. Of two days the later is the newer.
pub(super) fn dated(version: &Version, date: &str) -> Option<Version> {
    let channel = version.pre.as_str().split('.').next().unwrap_or_default();
    let pre = Prerelease::new(&format!("{channel}.{date}")).ok()?;
    Some(Version { pre, ..version.clone() })
}

impl FromStr for Release {
    type Err = NoRelease;

    fn from_str(text: &str) -> Result<Self, NoRelease> {
        let error = || NoRelease(text.to_owned());
        if let Some((channel @ ("nightly" | "beta"), date)) = text.split_once('-') {
            let is_date = date.len() == 10
                && date.bytes().enumerate().all(|(at, byte)| match at {
                    4 | 7 => byte == b'-',
                    _ => byte.is_ascii_digit(),
                });
            let (channel, date) = (channel.to_owned(), date.to_owned());
            return if is_date { Ok(Self::Dated { channel, date }) } else { Err(error()) };
        }
        let version: Version = text.parse().map_err(|_| error())?;
        if version.pre.is_empty() { Ok(Self::Stable(version)) } else { Err(error()) }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stable(version) => version.fmt(f),
            Self::Dated { channel, date } => write!(f, "{channel}-{date}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_full_version_or_a_channel_s_of_a_day() {
        let parse = |text: &str| text.parse::<Release>();
        assert_eq!(parse("1.95.0").unwrap().manifest(), "dist/channel-rust-1.95.0.toml");
        let nightly = parse("nightly-2026-01-31").unwrap();
        assert_eq!(nightly.manifest(), "dist/2026-01-31/channel-rust-nightly.toml");
        assert_eq!(nightly.to_string(), "nightly-2026-01-31");
        for text in ["1.95", "nightly", "nightly-2026-1-31", "1.95.0-nightly", "stable", ""] {
            assert!(parse(text).unwrap_err().to_string().contains(&format!("`{text}`")));
        }
        let version = |text: &str, date: &str| dated(&text.parse().unwrap(), date).unwrap();
        let of_day = version("1.98.0-nightly", "2026-01-31");
        assert!(nightly.is(&of_day) && of_day.to_string() == "1.98.0-nightly.2026-01-31");
        assert!(version("1.98.0-nightly", "2026-02-01") > of_day);
        assert!(parse("beta-2026-01-31").unwrap().is(&version("1.97.0-beta.3", "2026-01-31")));
    }
}
