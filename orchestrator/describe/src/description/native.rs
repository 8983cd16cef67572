//! `[native.NAME]`: what a package needs beside Rust.
//!
//! `[native.NAME]` holds everywhere, `[target.….native.NAME]` where its target is built for, laid over it in the
//! order of the file. [`Native::lay`] does that.

use std::collections::{BTreeMap, BTreeSet};

use cargo_platform::{Cfg, Platform};
use xbuild_base::Triple;

use super::environment::{self, Variables};
use super::step::{Named, read_tool};
use crate::document::At;
use crate::problem::{Kind, Problem};
use crate::reader::{Field, Reader};

/// What packages need beside Rust, by package name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Natives {
    /// `[native.NAME]`.
    pub common: BTreeMap<String, Native>,
    /// `[target.<triple or cfg>.native.NAME]`, in the order of the file.
    pub by_target: Vec<(Platform, BTreeMap<String, Native>)>,
}

impl Natives {
    /// What each package needs when it is built for a target.
    #[must_use]
    pub fn for_target(&self, triple: &Triple, cfg: &[Cfg]) -> BTreeMap<String, Native> {
        let mut natives = self.common.clone();
        let holds = self.by_target.iter().filter(|(platform, _)| platform.matches(triple.as_str(), cfg));
        for (name, native) in holds.flat_map(|(_, table)| table) {
            natives.entry(name.clone()).or_default().lay(native);
        }
        natives
    }

    /// The names of all packages that it says something about.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let tables = std::iter::once(&self.common).chain(self.by_target.iter().map(|(_, table)| table));
        tables.flat_map(BTreeMap::keys).map(String::as_str).collect()
    }
}

/// What a package needs beside Rust. A list that isn't given is `None`; an empty one says that nothing is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Native {
    /// Programs that its build script runs, as [`super::Step::tools`].
    pub tools: Option<BTreeSet<String>>,
    /// Debian packages for the target, which have the libraries and headers that it links to.
    pub packages: Option<BTreeSet<String>>,
    /// Environment variables of its units.
    pub env: Variables,
    /// Whether its build script asks for the commit that programs are made from.
    pub stamp: Option<bool>,
    /// Packages that make it needless where they are in the same build script.
    pub unless: Option<BTreeSet<String>>,
}

impl Native {
    /// Lays another one over this: a list that it has takes the place of this one's, variables are joined.
    pub fn lay(&mut self, over: &Self) {
        let Self { tools, packages, env, stamp, unless } = over;
        self.stamp = stamp.or(self.stamp);
        if unless.is_some() {
            self.unless.clone_from(unless);
        }
        if tools.is_some() {
            self.tools.clone_from(tools);
        }
        if packages.is_some() {
            self.packages.clone_from(packages);
        }
        self.env.extend(env.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

/// Reads `[native.NAME]` or `[target.….native.NAME]`. `named` hears of each name and where it stands.
pub(super) fn read(
    field: &Field<'_>,
    inputs: &mut Named,
    reader: &mut Reader,
    mut named: impl FnMut(&str, At),
) -> BTreeMap<String, Native> {
    let mut natives = BTreeMap::new();
    for (name, at, field) in field.entries(reader) {
        if !super::package::is_name(name) {
            let problem = Problem::new(Kind::Invalid, format!("`{name}` can't be the name of a package"))
                .label("not a name")
                .help("write the package's name alone, as Cargo.lock has it");
            reader.report(at, problem);
            continue;
        }
        named(name, at);
        let Some(mut fields) = field.table(reader) else { continue };
        let tools = fields.get("tools").and_then(|field| {
            let found = field.distinct_or_none(reader, |item, reader| read_tool(item, inputs, reader))?;
            Some(found.into_iter().map(|(name, _)| name).collect())
        });
        let packages = fields.get("packages").and_then(|field| {
            let help = "write names of Debian packages: `[\"libssl-dev\"]`";
            names(&field, reader, ("a Debian package", help), is_debian_name)
        });
        let env = fields.get("env").map(|field| environment::read(&field, reader)).unwrap_or_default();
        let stamp = fields.get("stamp").and_then(|field| field.boolean(reader));
        let unless = fields.get("unless").and_then(|field| {
            let help = "write names of packages as Cargo.lock has them: `[\"openssl-src\"]`";
            names(&field, reader, ("a package", help), super::package::is_name)
        });
        fields.finish(reader);
        natives.insert(name.to_owned(), Native { tools, packages, env, stamp, unless });
    }
    natives
}

fn names(
    field: &Field<'_>,
    reader: &mut Reader,
    (what, help): (&str, &str),
    is_name: impl Fn(&str) -> bool,
) -> Option<BTreeSet<String>> {
    let found = field.distinct_or_none(reader, |item, reader| {
        let text = item.text(reader)?;
        if !is_name(text) {
            item.invalid(reader, format!("`{text}` can't be the name of {what}"), help);
            return None;
        }
        Some(text.to_owned())
    })?;
    Some(found.into_iter().map(|(name, _)| name).collect())
}

/// Debian policy 5.6.7: lower-case letters, digits, `+`, `-` and `.`, at least two, the first a letter or digit.
#[must_use]
pub fn is_debian_name(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() >= 2
        && text.starts_with(is_word)
        && text.chars().all(|c| is_word(c) || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Option<BTreeSet<String>> {
        Some(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn a_target_s_table_replaces_lists_and_joins_variables() {
        let variable = |name: &str| (name.to_owned(), "1".to_owned());
        let common = Native {
            tools: list(&["perl-base", "make"]),
            packages: list(&["zlib1g-dev"]),
            env: [variable("A")].into(),
            stamp: None,
            unless: list(&["openssl-src"]),
        };
        let gnu = Native {
            tools: None,
            packages: list(&["libssl-dev"]),
            env: [variable("B")].into(),
            stamp: Some(true),
            unless: None,
        };
        let none = Native { packages: list(&[]), ..Native::default() };
        let natives = Natives {
            common: [("openssl-sys".to_owned(), common)].into(),
            by_target: vec![
                ("cfg(target_env = \"gnu\")".parse().unwrap(), [("openssl-sys".to_owned(), gnu)].into()),
                ("cfg(windows)".parse().unwrap(), [("openssl-sys".to_owned(), none)].into()),
            ],
        };
        let of = |cfg: &[&str]| {
            let cfg: Vec<Cfg> = cfg.iter().map(|text| text.parse().unwrap()).collect();
            let found = natives.for_target(&"x86_64-pc-windows-gnu".parse().unwrap(), &cfg);
            found["openssl-sys"].clone()
        };
        let gnu = of(&["target_env=\"gnu\""]);
        assert_eq!(gnu.tools, list(&["make", "perl-base"]));
        assert_eq!(gnu.packages, list(&["libssl-dev"]));
        assert_eq!(gnu.env, [variable("A"), variable("B")].into());
        assert_eq!(gnu.stamp, Some(true));
        assert_eq!(gnu.unless, list(&["openssl-src"]));
        assert_eq!(of(&["windows", "target_env=\"gnu\""]).packages, list(&[]));
        assert_eq!(of(&[]).packages, list(&["zlib1g-dev"]));
    }
}
