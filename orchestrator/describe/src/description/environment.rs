//! `[env]` and `[target.….env]`: environment variables of rustc and build scripts.

use std::collections::BTreeMap;

use cargo_platform::{Cfg, Platform};
use xbuild_base::Triple;

use crate::problem::{Kind, Problem};
use crate::reader::{Field, Reader};

/// Environment variables and their values.
pub type Variables = BTreeMap<String, String>;

/// Variables of all units of the project's build, and those that some targets have besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `[env]`: of every unit, for a target or for the host, of whichever package.
    pub common: Variables,
    /// `[target.<triple or cfg>.env]`, in the order of the file.
    pub by_target: Vec<(Platform, Variables)>,
}

impl Environment {
    /// The variables of a target's units, and of the build scripts that are run for it: `[env]`, with each table
    /// that holds for the target laid over it, in the order of the file.
    #[must_use]
    pub fn for_target(&self, triple: &Triple, cfg: &[Cfg]) -> Variables {
        let mut variables = self.common.clone();
        let holds = self.by_target.iter().filter(|(platform, _)| platform.matches(triple.as_str(), cfg));
        variables.extend(holds.flat_map(|(_, table)| table.clone()));
        variables
    }
}

/// Names that can't be set: those that cargo or xbuild sets itself, where another value would be overridden or
/// would make a unit see what isn't so. A name that ends in `_` stands for all that begin with it.
const REFUSED: &[(&[&str], &str, &str)] = &[
    (
        &["CARGO", "CARGO_", "OUT_DIR", "TARGET", "HOST", "NUM_JOBS", "OPT_LEVEL", "PROFILE", "DEBUG"],
        "cargo sets it, or reads it when it plans",
        TAKE_AWAY,
    ),
    (&["DEP_"], "it is what one build script tells another", "let the package with `links` print it"),
    (
        &["RUSTC", "RUSTDOC", "RUSTC_LINKER", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTUP_"],
        "the compiler and the linker are the pinned toolchain's",
        "choose the toolchain with `toolchain.version`",
    ),
    (
        &["RUSTFLAGS", "RUSTDOCFLAGS"],
        "it is cargo that reads it, and not rustc",
        "write `rustflags` in .cargo/config.toml",
    ),
    (
        &["PATH"],
        "the programs of the sandbox lie in /usr/bin",
        "name what a package's build runs: [native.<package>] tools = [\"…\"]",
    ),
    (
        &["HOME", "LANG", "LC_", "TZ", "SOURCE_DATE_EPOCH", "LD_LIBRARY_PATH"],
        "it is the same in each sandbox, so that results are",
        TAKE_AWAY,
    ),
];
const TAKE_AWAY: &str = "take it away";

/// Why a variable can't be set, and what to do instead.
fn refusal(name: &str) -> Option<(String, &'static str)> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some((
            format!("`{name}` can't be the name of an environment variable"),
            "write a name such as `FOO_BAR`",
        ));
    }
    let is_meant = |pattern: &&str| {
        if pattern.ends_with('_') { name.starts_with(*pattern) } else { name == *pattern }
    };
    // What a cargo that a unit starts may do of the network.
    if name.starts_with("CARGO_NET_") {
        return None;
    }
    let (_, why, help) = REFUSED.iter().find(|(names, ..)| names.iter().any(is_meant))?;
    Some((format!("`{name}` can't be set: {why}"), help))
}

/// Whether a description may set a variable.
#[must_use]
pub fn may_be_set(name: &str) -> bool {
    refusal(name).is_none()
}

/// Reads a table of variables.
pub(super) fn read(field: &Field<'_>, reader: &mut Reader) -> Variables {
    let mut variables = Variables::new();
    for (name, at, field) in field.entries(reader) {
        if let Some((why, help)) = refusal(name) {
            reader.report(at, Problem::new(Kind::Invalid, why).help(help));
            continue;
        }
        let Some(value) = field.any_text(reader) else { continue };
        if value.contains('\0') {
            field.invalid(reader, "it holds a NUL, which no environment variable can", "write it otherwise");
        }
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_and_xbuild_set_is_refused_and_what_looks_like_it_is_not() {
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_CFG_UNIX", "DEP_SSL_INCLUDE", "LC_ALL", "", "A=B"] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        for name in [
            "CARGOES",
            "TARGET_CC",
            "HOST_CC",
            "CC_x86_64_unknown_linux_musl",
            "PATHS",
            "RUSTC_LOG",
            "CARGO_NET_OFFLINE",
        ] {
            assert!(refusal(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_target_has_the_common_variables_and_those_of_each_table_that_holds_in_order() {
        let table = |value: &str| Variables::from([("A".to_owned(), value.to_owned())]);
        let linux = Platform::Name("x86_64-unknown-linux-gnu".to_owned());
        let environment = Environment {
            common: Variables::from([("A".to_owned(), "all".to_owned()), ("B".to_owned(), "b".to_owned())]),
            by_target: vec![
                (linux.clone(), table("triple")),
                ("cfg(unix)".parse().unwrap(), table("unix")),
                ("cfg(windows)".parse().unwrap(), table("windows")),
            ],
        };
        let of = |triple: &str, cfg: &str| {
            environment.for_target(&triple.parse().unwrap(), &[cfg.parse().unwrap()])
        };
        assert_eq!(of("x86_64-unknown-linux-gnu", "unix")["A"], "unix");
        assert_eq!(of("x86_64-unknown-linux-gnu", "wasm")["A"], "triple");
        assert_eq!(of("wasm32-wasip1", "wasm")["A"], "all");
        assert_eq!(of("wasm32-wasip1", "wasm")["B"], "b");
    }
}
