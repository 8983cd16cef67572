//! What of the distribution can be pinned: a release, or what a channel was on a day.

use std::fmt;
use std::str::FromStr;

use semver::{Prerelease, Version};
use xbuild_describe::Channel;

/// A release (`1.95.0`), or what a channel was on a day (`nightly-2026-01-31`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release(Channel);

/// A text that is no [`Release`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a full version of Rust nor a channel's of a day")]
pub struct NoRelease(String);

impl Release {
    /// The path of its manifest below the server's root.
    #[must_use]
    pub fn manifest(&self) -> String {
        let name = self.to_string();
        match name.split_once('-') {
            Some((channel, date)) => format!("dist/{date}/channel-rust-{channel}.toml"),
            None => format!("dist/channel-rust-{name}.toml"),
        }
    }

    /// Whether a manifest's version ([`super::Manifest::version`]) is of it.
    #[must_use]
    pub fn is(&self, version: &Version) -> bool {
        self.0.matches(version)
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
        match text.parse() {
            Ok(channel @ Channel::Version { patch: Some(_), .. }) => Ok(Self(channel)),
            Ok(Channel::Dated(name)) if name.contains('-') => Ok(Self(Channel::Dated(name))),
            _ => Err(NoRelease(text.to_owned())),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
