//! Which toolchain a project is built with.

use crate::description::ToolchainWish;
use crate::problem::{Kind, Problem};
use crate::rust_toolchain::{Channel, RustToolchain};
use crate::suggest;
use crate::toolchains::{Toolchain, Toolchains};

impl Toolchains {
    /// Finds the toolchain for what `xbuild.toml` and `rust-toolchain.toml` ask for.
    ///
    /// The channel in `rust-toolchain.toml` rules; `toolchain.version` of `xbuild.toml` must not contradict it,
    /// unless it was given with `--set`, or is a variant's own: then it rules. With neither, and for `stable`, it is the default
    /// toolchain (or, where it is not of the wanted distribution, that distribution's newest). `1.96` is the newest
    /// pinned 1.96 release, `nightly` the newest pinned nightly.
    ///
    /// # Errors
    /// A contradiction, or nothing pinned for what is asked for.
    pub fn resolve(&self, wish: &ToolchainWish, file: Option<&RustToolchain>) -> Result<&Toolchain, Problem> {
        let from_file = file
            .filter(|_| !(wish.version_rules && wish.version.is_some()))
            .and_then(|file| Some((file.channel.as_ref()?, file.file.as_str())));
        let channel = match (&wish.version, from_file) {
            (Some(described), Some((channel, file))) => Some(self.agreed(described, channel, file)?),
            (described, from_file) => described.as_ref().or(from_file.map(|(channel, _)| channel)),
        };
        let of_distribution = |toolchain: &&Toolchain| {
            wish.distribution.is_none_or(|distribution| distribution == toolchain.distribution)
        };
        let candidates = || self.toolchains.values().filter(of_distribution);
        let found = match channel {
            None | Some(Channel::Stable) => self
                .toolchains
                .get(&self.default)
                .filter(of_distribution)
                .or_else(|| candidates().rfind(|toolchain| toolchain.version.pre.is_empty())),
            Some(channel) => candidates().rfind(|toolchain| channel.matches(&toolchain.version)),
        };
        found.ok_or_else(|| self.not_pinned(channel, wish, from_file.map(|(_, file)| file)))
    }

    fn not_pinned(&self, channel: Option<&Channel>, wish: &ToolchainWish, file: Option<&str>) -> Problem {
        let what = match channel {
            None | Some(Channel::Stable) => "Rust".to_owned(),
            Some(channel) => format!("Rust {channel}"),
        };
        let of = wish.distribution.map(|one| format!(" of the {one} distribution")).unwrap_or_default();
        let asked = match file {
            Some(file) => format!(", which {file} asks for"),
            None => String::new(),
        };
        let versions: Vec<String> = self.toolchains.values().map(described).collect();
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        let of_distribution = |toolchain: &&Toolchain| {
            wish.distribution.is_none_or(|distribution| distribution == toolchain.distribution)
        };
        let default = self.toolchains.get(&self.default).filter(of_distribution);
        let default = default.or_else(|| self.toolchains.values().rfind(of_distribution));
        // One that is named in full may be a slip.
        let near =
            channel.filter(|channel| channel.is_exact()).map(ToString::to_string).and_then(|channel| {
                let there: Vec<String> =
                    self.toolchains.values().filter(of_distribution).map(Toolchain::channel).collect();
                suggest::nearest(&channel, there.iter().map(String::as_str)).map(str::to_owned)
            });
        let usable = match near.or_else(|| default.map(Toolchain::channel)) {
            Some(channel) => format!("--set toolchain.version={channel}"),
            None => {
                let distribution = self.toolchains.get(&self.default).map(|toolchain| toolchain.distribution);
                let distribution = distribution.map(|one| format!(" --set toolchain.distribution={one}"));
                format!("--set toolchain.version={}{}", self.default, distribution.unwrap_or_default())
            }
        };
        let add = match channel {
            Some(Channel::Version { major, minor, patch }) => {
                let patch = patch.unwrap_or(0);
                format!("pin it: xbuild toolchain add {major}.{minor}.{patch}\nor use")
            }
            Some(Channel::Dated(name)) => {
                // A pin is of a day.
                let day = if name.contains('-') { "" } else { "-YYYY-MM-DD" };
                format!("pin it: xbuild toolchain add {name}{day}\nor use")
            }
            None | Some(Channel::Stable) => "pin one: xbuild toolchain add VERSION\nor use".to_owned(),
        };
        Problem::new(Kind::NotPinned, format!("no toolchain is pinned for {what}{of}{asked}"))
            .help(format!("{add} one that is pinned: {usable}\n(pinned are {})", suggest::list(&versions)))
    }

    /// What two places agree on: the more exact of the two.
    fn agreed<'a>(
        &self,
        described: &'a Channel,
        channel: &'a Channel,
        file: &str,
    ) -> Result<&'a Channel, Problem> {
        use Channel::{Dated, Stable, Version};
        let is_day_of = |day: &str, channel: &str| day.split_once('-').is_some_and(|(of, _)| of == channel);
        let exact = match (described, channel) {
            (a, b) if a == b => Some(a),
            (Stable, exact) | (exact, Stable) if exact.matches(&self.default) => Some(exact),
            (Version { major: a, minor: b, patch: None }, Version { major, minor, .. })
                if (a, b) == (major, minor) =>
            {
                Some(channel)
            }
            (Version { major, minor, .. }, Version { major: a, minor: b, patch: None })
                if (a, b) == (major, minor) =>
            {
                Some(described)
            }
            (Dated(open), Dated(day)) if is_day_of(day, open) => Some(channel),
            (Dated(day), Dated(open)) if is_day_of(day, open) => Some(described),
            _ => None,
        };
        exact.ok_or_else(|| {
            let message = format!(
                "{file} asks for Rust {channel}, and `toolchain.version` in xbuild.toml for Rust {described}"
            );
            Problem::new(Kind::Contradiction, message).help(format!(
                "make both say the same, or take one away; for one call: --set toolchain.version={described}"
            ))
        })
    }
}

fn described(toolchain: &Toolchain) -> String {
    format!("{} ({})", toolchain.version, toolchain.distribution)
}
