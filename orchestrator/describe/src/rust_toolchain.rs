//! `rust-toolchain.toml`, rustup's file: the toolchain that a project asks for.
//!
//! Its format: the rustup book, "The toolchain file", and rustup's `config.rs` (`parse_override_file`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use semver::Version;

use crate::document::Document;
use crate::names::NameError;
use crate::problem::{Kind, Problem, Problems, Source};
use crate::reader::{Fields, Reader};
use crate::suggest;

/// The channels that are called by a name.
const NAMED: [&str; 3] = ["stable", "beta", "nightly"];

/// A channel of Rust releases, as rustup names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The newest release: here, the default toolchain.
    Stable,
    /// A release (`1.96.1`), or any release of a minor version (`1.96`).
    Version {
        /// The first number.
        major: u64,
        /// The second number.
        minor: u64,
        /// The third one, if it was given.
        patch: Option<u64>,
    },
    /// `nightly`, `beta`, or one of a day: `nightly-2026-01-31`.
    Dated(String),
}

impl Channel {
    /// What to write in the place of a text that is no channel: one with the nearest name, if there is one, and what to
    /// do `otherwise`.
    #[must_use]
    pub fn help(text: &str, otherwise: &str) -> String {
        // The day may be right, and is alike in all.
        let (name, day) = text.split_at(text.find('-').unwrap_or(text.len()));
        let near = suggest::nearest(name, NAMED).map(|near| format!("{near}{day}"));
        suggest::help_or(text, near.as_deref(), otherwise)
    }

    /// Whether a toolchain is one of this channel; [`Channel::Stable`] holds none of its own. One that is no release has
    /// its channel and day for a pre-release: `1.98.0-nightly.2026-01-31`.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        match self {
            Self::Version { major, minor, patch } => {
                (version.major, version.minor) == (*major, *minor)
                    && patch.is_none_or(|patch| patch == version.patch)
                    && version.pre.is_empty()
            }
            Self::Dated(name) => {
                let pre = version.pre.as_str();
                match name.split_once('-') {
                    Some((channel, date)) => pre.split_once('.') == Some((channel, date)),
                    None => pre.split_once('.').is_some_and(|(channel, _)| channel == name),
                }
            }
            Self::Stable => false,
        }
    }

    /// Whether it is one release, or one day's.
    pub(crate) fn is_exact(&self) -> bool {
        match self {
            Self::Stable => false,
            Self::Version { patch, .. } => patch.is_some(),
            Self::Dated(name) => name.contains('-'),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stable => f.write_str("stable"),
            Self::Version { major, minor, patch: Some(patch) } => write!(f, "{major}.{minor}.{patch}"),
            Self::Version { major, minor, patch: None } => write!(f, "{major}.{minor}"),
            Self::Dated(name) => f.write_str(name),
        }
    }
}

impl FromStr for Channel {
    type Err = NameError;

    /// A host triple after the channel (`1.96.1-x86_64-unknown-linux-gnu`) is refused: the host is xbuild's to choose.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError(format!("`{text}` is not a Rust version or channel"));
        if text == "stable" {
            return Ok(Self::Stable);
        }
        let (name, date) = text.split_once('-').map_or((text, None), |(name, date)| (name, Some(date)));
        if matches!(name, "nightly" | "beta") {
            return match date.is_none_or(is_date) {
                true => Ok(Self::Dated(text.to_owned())),
                false => Err(error()),
            };
        }
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten().ok_or_else(error)
        };
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            [major, minor] => Ok(Self::Version { major: number(major)?, minor: number(minor)?, patch: None }),
            [major, minor, patch] => Ok(Self::Version {
                major: number(major)?,
                minor: number(minor)?,
                patch: Some(number(patch)?),
            }),
            _ => Err(error()),
        }
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// What a project's toolchain file says. Components and targets are accepted and not used: xbuild composes
/// toolchains by what a build needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RustToolchain {
    /// The file's name, for messages.
    pub file: String,
    /// The channel, if it names one.
    pub channel: Option<Channel>,
    /// The components it lists.
    pub components: Vec<String>,
    /// The targets it lists.
    pub targets: Vec<String>,
    /// The profile of components it names.
    pub profile: Option<String>,
}

impl RustToolchain {
    /// Reads `rust-toolchain.toml` or `rust-toolchain`. The latter may be one line with a channel, as in rustup
    /// before 1.23. Keys that rustup may add are left alone.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn read(source: Source) -> Result<Self, Problems> {
        let legacy = !source.name().ends_with(".toml") && source.text().lines().count() == 1;
        let file = source.name().to_owned();
        if legacy {
            let source = Arc::new(source);
            let text = source.text().trim();
            let channel = text.parse().map_err(|error: NameError| {
                let start = source.text().len() - source.text().trim_start().len();
                unusable(text, &error).at(&source, start..start + text.len())
            })?;
            return Ok(Self {
                file,
                channel: Some(channel),
                components: vec![],
                targets: vec![],
                profile: None,
            });
        }
        let document = Document::parse(Arc::new(source))?;
        let mut reader = Reader::new(&document);
        let parsed = read(file, Fields::root(&document), &mut reader);
        reader.finish(parsed).map(|parsed| parsed.expect("whatever is missing was noted as a problem"))
    }
}

fn unusable(text: &str, error: &NameError) -> Problem {
    const HELP: &str =
        "name a release such as `1.96.1`, or `stable`; or rule over the file: --set toolchain.version=1.96.1";
    Problem::new(Kind::Invalid, format!("this toolchain can't be used: {error}"))
        .help(Channel::help(text, HELP))
}

fn read(file: String, mut root: Fields<'_>, reader: &mut Reader) -> Option<RustToolchain> {
    let mut fields = root.need(reader, "toolchain")?.table(reader)?;
    let channel = fields.get("channel");
    let path = fields.get("path");
    if let Some(path) = path {
        let problem =
            Problem::new(Kind::Invalid, "a toolchain given by a path is not pinned and can't be used")
                .help("name a channel instead: `channel = \"stable\"`");
        reader.report(path.at(), problem);
    }
    let channel = channel.and_then(|field| {
        let text = field.text(reader)?;
        text.parse().map_err(|error| reader.report(field.at(), unusable(text, &error))).ok()
    });
    let components = fields.get("components").and_then(|field| field.texts(reader)).unwrap_or_default();
    let targets = fields.get("targets").and_then(|field| field.texts(reader)).unwrap_or_default();
    let profile = fields.get("profile").and_then(|field| field.text(reader)).map(str::to_owned);
    Some(RustToolchain { file, channel, components, targets, profile })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_a_text_form() {
        for text in ["stable", "1.96", "1.96.1", "nightly", "beta", "nightly-2026-01-31"] {
            assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "1",
            "1.96.1-x86_64-unknown-linux-gnu",
            "nightly-soon",
            "my-rust",
            "1.x",
            "+1.96",
            "1.96.1.0",
        ] {
            assert!(bad.parse::<Channel>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_legacy_file_is_one_line() {
        let read = |name: &str, text: &str| RustToolchain::read(Source::new(name, text));
        assert_eq!(read("rust-toolchain", "1.96\n").unwrap().channel, Some("1.96".parse().unwrap()));
        assert!(read("rust-toolchain.toml", "1.96\n").is_err());
        assert!(read("rust-toolchain", "[toolchain]\nchannel = \"stable\"\n").unwrap().channel.is_some());
        assert!(read("rust-toolchain", "").is_err());
    }

    #[test]
    fn a_file_may_leave_the_channel_out_and_have_keys_of_a_later_rustup() {
        let text = "[toolchain]\ncomponents = [\"clippy\"]\ntargets = [\"wasm32-wasip1\"]\nfuture = 1\n";
        let file = RustToolchain::read(Source::new("rust-toolchain.toml", text)).unwrap();
        assert_eq!((file.channel, file.components), (None, vec!["clippy".to_owned()]));
    }
}
