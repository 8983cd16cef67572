//! Debian packages of programs (deb(5), deb-control(5)), the same bytes whenever they are packed.

use std::fmt::Write as _;

use xbuild_base::{RelPath, Triple};

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its name, in Debian's letters: see [`package_name`].
    pub package: String,
    /// Its version, as Debian orders them: see [`version`].
    pub version: String,
    /// Debian's name of the architecture: see [`architecture`].
    pub architecture: &'static str,
    /// `Name <address>`.
    pub maintainer: String,
    /// The section that it is listed in.
    pub section: String,
    /// Relations to other packages that it needs, such as `libc6 (>= 2.31)`.
    pub depends: Vec<String>,
    /// What it stands in the place of, and can't be installed beside.
    pub provides: Option<String>,
    /// One line, and more of them.
    pub description: String,
}

impl Control {
    /// The package's file name: `NAME_VERSION_ARCHITECTURE.deb` without its ending. A version's epoch is never in it.
    #[must_use]
    pub fn file_stem(&self) -> String {
        format!("{}_{}_{}", self.package, self.version, self.architecture)
    }

    /// The control file, for files of so many bytes in all.
    pub(crate) fn text(&self, bytes: u64) -> String {
        let Self { package, version, architecture, maintainer, section, depends, provides, description } =
            self;
        let mut text = format!(
            "Package: {package}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: {maintainer}\n\
             Installed-Size: {}\n",
            bytes.div_ceil(1024)
        );
        if !depends.is_empty() {
            let _ = writeln!(text, "Depends: {}", depends.join(", "));
        }
        if let Some(other) = provides {
            let _ = write!(text, "Provides: {other}\nConflicts: {other}\nReplaces: {other}\n");
        }
        let _ = write!(text, "Section: {section}\nPriority: optional\nDescription:");
        for (number, line) in description.trim().lines().enumerate() {
            // Lines after the first begin with a blank; an empty one has a dot.
            let line = if line.trim().is_empty() && number > 0 { "." } else { line.trim_end() };
            let _ = writeln!(text, " {line}");
        }
        text
    }
}

/// Debian's name of a target's architecture, where it has one; none for what isn't Linux.
#[must_use]
pub fn architecture(target: &Triple) -> Option<&'static str> {
    let target = target.as_str();
    if !target.contains("-linux-") {
        return None;
    }
    let is_hard = target.ends_with("eabihf");
    match target.split('-').next()? {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        "i586" | "i686" => Some("i386"),
        "armv7" if is_hard => Some("armhf"),
        "arm" | "armv7" | "armv5te" => Some("armel"),
        "riscv64gc" => Some("riscv64"),
        "powerpc64le" => Some("ppc64el"),
        "s390x" => Some("s390x"),
        "loongarch64" => Some("loong64"),
        _ => None,
    }
}

/// A package's name in Debian's letters (policy 5.6.7): `_` becomes `-`, and what stands between keys and values of
/// overrides `.`.
#[must_use]
pub fn package_name(name: &str) -> String {
    name.to_lowercase().replace('_', "-").replace(['=', ','], ".")
}

/// A version of cargo's as Debian orders it: what comes before a release has `~` before it, and there is a revision.
#[must_use]
pub fn version(version: &str) -> String {
    let (core, build) = version.split_once('+').map_or((version, None), |(core, build)| (core, Some(build)));
    let core = core.replacen('-', "~", 1).replace('-', ".");
    let build = build.map_or_else(String::new, |build| format!("+{}", build.replace('-', ".")));
    format!("{core}{build}-1")
}

/// Where a file lies that is beside the programs of an archive: manual pages and completions where they are looked for,
/// anything else among the documentation.
#[must_use]
pub fn place_beside(package: &str, path: &RelPath) -> String {
    let name = path.file_name().unwrap_or_default();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    match ending {
        "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" => format!("usr/share/man/man{ending}/{name}"),
        "bash" => format!("usr/share/bash-completion/completions/{stem}"),
        "fish" => format!("usr/share/fish/vendor_completions.d/{name}"),
        "" if name.starts_with('_') => format!("usr/share/zsh/vendor-completions/{name}"),
        _ => format!("usr/share/doc/{package}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_debian_s_letters() {
        for (name, debian) in
            [("My_Tool", "my-tool"), ("default+profile=dev+features=a,b", "default+profile.dev+features.a.b")]
        {
            assert_eq!(package_name(name), debian);
        }
    }

    #[test]
    fn versions_are_ordered_as_releases_follow_each_other() {
        for (cargo, debian) in [
            ("1.2.3", "1.2.3-1"),
            ("1.2.3-rc.1", "1.2.3~rc.1-1"),
            ("1.2.3-alpha-2+b-1", "1.2.3~alpha.2+b.1-1"),
        ] {
            assert_eq!(version(cargo), debian);
        }
    }

    #[test]
    fn files_lie_where_they_are_looked_for() {
        for (path, place) in [
            ("man/foo.1", "usr/share/man/man1/foo.1"),
            ("completions/foo.bash", "usr/share/bash-completion/completions/foo"),
            ("completions/_foo", "usr/share/zsh/vendor-completions/_foo"),
            ("foo.fish", "usr/share/fish/vendor_completions.d/foo.fish"),
            ("LICENSE-MIT", "usr/share/doc/foo/LICENSE-MIT"),
            ("doc/a.txt", "usr/share/doc/foo/doc/a.txt"),
        ] {
            assert_eq!(place_beside("foo", &RelPath::new(path).unwrap()), place);
        }
    }

    #[test]
    fn architectures_are_debian_s() {
        let of = |target: &str| architecture(&target.parse().unwrap());
        assert_eq!(of("armv7-unknown-linux-gnueabihf"), Some("armhf"));
        assert_eq!(of("aarch64-unknown-linux-musl"), Some("arm64"));
        assert_eq!(of("x86_64-pc-windows-gnu"), None);
    }

    #[test]
    fn a_control_file_has_what_dpkg_wants() {
        let control = Control {
            package: package_name("My_Tool"),
            version: version("1.0.0"),
            architecture: "amd64",
            maintainer: "A <a@example.org>".to_owned(),
            section: "utils".to_owned(),
            depends: vec!["libc6 (>= 2.31)".to_owned(), "jq".to_owned()],
            provides: Some("tool".to_owned()),
            description: "A tool\n\nIt does things.".to_owned(),
        };
        assert_eq!(control.file_stem(), "my-tool_1.0.0-1_amd64");
        insta::assert_snapshot!(control.text(1025), @r"
        Package: my-tool
        Version: 1.0.0-1
        Architecture: amd64
        Maintainer: A <a@example.org>
        Installed-Size: 2
        Depends: libc6 (>= 2.31), jq
        Provides: tool
        Conflicts: tool
        Replaces: tool
        Section: utils
        Priority: optional
        Description: A tool
         .
         It does things.
        ");
    }
}
