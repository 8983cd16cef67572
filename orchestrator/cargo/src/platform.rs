//! What must be known of the toolchain: the caller asks the real rustc once for each toolchain and target, and
//! passes the answers in.

use std::collections::{BTreeMap, BTreeSet};

use cargo_platform::Cfg;
use xbuild_base::Triple;

use crate::configuration::Configuration;
use crate::environment::UnitVariables;
use crate::error::Error;
use crate::unit_graph::CrateType;

/// What the graph is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Flavour {
    /// A project of a user's: stable flags only.
    #[default]
    Project,
    /// The workspace `library/sysroot` of std's sources, compiled into a sysroot. Differences, in the order of
    /// where they come from (`-Zbuild-std` in cargo; the `rustc` shim of Rust's bootstrap):
    ///
    /// - `RUSTC_BOOTSTRAP=1` everywhere and `-Z force-unstable-if-unmarked` on every crate;
    /// - no dynamic libraries of std's;
    /// - all lints capped;
    /// - bitcode stays embedded whatever the profile's LTO says, so that users can run LTO over std;
    /// - `panic_abort` is compiled with `-C panic=abort`, so that users can choose that strategy.
    StandardLibrary,
}

/// The toolchain of one plan. Paths are absolute ones in the sandbox.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// rustc, also `RUSTC` for build scripts.
    pub rustc: String,
    /// rustdoc, `RUSTDOC` for build scripts.
    pub rustdoc: String,
    /// cargo, `CARGO` for everybody.
    pub cargo: String,
    /// What `rustc -vV` prints.
    pub version: RustcVersion,
    /// What build scripts and proc macros are compiled for.
    pub host: Platform,
    /// What the rest is compiled for, by the names that were given to `--target`.
    pub targets: BTreeMap<Triple, Platform>,
    /// The environment of every process: PATH, HOME, LANG and the like.
    pub environment: BTreeMap<String, String>,
    /// The constant that build scripts see as `NUM_JOBS`.
    pub num_jobs: u32,
    /// What the graph is of.
    pub flavour: Flavour,
    /// What `.cargo/config.toml` says: rustflags and `[env]`.
    pub configuration: Configuration,
    /// What the description sets for units, over `[env]`.
    pub variables: UnitVariables,
    /// What compiles the workspace's own packages in rustc's place: cargo's `RUSTC_WORKSPACE_WRAPPER`.
    pub workspace_wrapper: Option<Wrapper>,
}

/// A program that is called with rustc's path and arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapper {
    /// Its path.
    pub program: String,
    /// What it is told besides.
    pub environment: BTreeMap<String, String>,
    /// The names of the files that it looks for in a package's folder and in those above it.
    pub configuration: Vec<String>,
}

/// One platform: the host, or a target.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Its triple.
    pub triple: Triple,
    /// What `rustc --print cfg --target …` says when it is asked with [`CFG_ARGUMENTS`]: [`parse_cfg`]. As with cargo
    /// it is asked twice for a target: first without flags, then with [`Configuration::rustflags`] (which need the
    /// first answer), since flags such as `-C target-feature` change it. The host has no flags.
    pub cfg: Vec<Cfg>,
    /// Whether rustc, asked for its cfg and nothing else, says `target_feature="crt-static"`: programs have the C
    /// library in them, and a musl target makes no dynamic libraries.
    pub crt_static: bool,
    /// `rustc --print split-debuginfo`: the values that it can do.
    pub split_debuginfo: BTreeSet<String>,
    /// `rustc --print target-libdir`: where std's own dynamic library lies. Only the host's is used.
    pub library_directory: String,
    /// The linker: `-C linker=…` for units that link, and `RUSTC_LINKER` for build scripts.
    pub linker: Option<String>,
    /// `-C link-arg=…` for units that link. Not seen by build scripts.
    pub link_arguments: Vec<String>,
    /// Arguments of xbuild's own for every unit, such as a `-C dlltool=…`. Not seen by build scripts.
    pub rustc_arguments: Vec<String>,
    /// What build scripts see beside cargo's own variables: `CC_<triple>`, `AR_<triple>`, `CFLAGS_<triple>` …
    /// Scripts for a target see the host's too.
    pub script_environment: BTreeMap<String, String>,
}

/// How cargo asks rustc for cfgs: for a proc macro among other things. So `crt-static` is there only where rustflags say
/// so, and neither build scripts nor dependencies see that it is a target's default.
pub const CFG_ARGUMENTS: [&str; 2] = ["--print=cfg", "--crate-type=proc-macro"];

/// What `rustc -vV` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RustcVersion {
    /// All lines.
    pub verbose: String,
    /// The `host:` line.
    pub host: Triple,
    /// The `release:` line.
    pub release: String,
}

impl RustcVersion {
    /// Reads what `rustc -vV` printed.
    ///
    /// # Errors
    /// When a line that is needed isn't there.
    pub fn parse(verbose: &str) -> Result<Self, Error> {
        let line = |name: &'static str| {
            let found =
                verbose.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
            found.ok_or(Error::RustcVersion(name))
        };
        Ok(Self {
            verbose: verbose.to_owned(),
            host: line("host")?.parse().map_err(|_| Error::RustcVersion("host"))?,
            release: line("release")?.to_owned(),
        })
    }

    /// Whether it is a nightly or a developer's own.
    #[must_use]
    pub fn is_nightly(&self) -> bool {
        self.release.contains("nightly") || self.release.contains("dev")
    }
}

/// Reads what `rustc --print cfg` printed.
///
/// # Errors
/// When a line is no cfg.
pub fn parse_cfg(text: &str) -> Result<Vec<Cfg>, Error> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            line.parse::<Cfg>()
                .map_err(|error| Error::Cfg { line: line.to_owned(), problem: error.to_string() })
        })
        // Cargo hides this one: it is on for the question only.
        .filter(|cfg| !matches!(cfg, Ok(Cfg::Name(name)) if name.as_str() == "proc_macro"))
        .collect()
}

impl Platform {
    /// The first value of a cfg with values, such as `target_os`.
    #[must_use]
    pub fn cfg_value(&self, key: &str) -> Option<&str> {
        self.cfg.iter().find_map(|cfg| match cfg {
            Cfg::KeyPair(name, value) if name.as_str() == key => Some(value.as_str()),
            _ => None,
        })
    }

    fn has_cfg(&self, key: &str, wanted: &str) -> bool {
        self.cfg.iter().any(|cfg| {
            matches!(cfg, Cfg::KeyPair(name, value) if name.as_str() == key && value.as_str() == wanted)
        })
    }

    /// What a file of that crate type is called: prefix and suffix, or `None` when the target can't make it.
    ///
    /// Cargo asks `rustc --print file-names` for each; these are the answers (`rustc_target`'s `exe_suffix`,
    /// `dll_prefix` …), and the rule of `invalid_output_for_target` that a musl target with static linking
    /// makes no dynamic libraries.
    #[must_use]
    pub fn file_name_parts(&self, crate_type: &CrateType) -> Option<(&'static str, &'static str)> {
        let os = self.cfg_value("target_os").unwrap_or_default();
        let environment = self.cfg_value("target_env").unwrap_or_default();
        let wasm = self.has_cfg("target_family", "wasm");
        let no_dynamic = (environment == "musl" && self.crt_static) || matches!(os, "none" | "uefi");
        match crate_type {
            CrateType::Library | CrateType::Rlib => Some(("lib", ".rlib")),
            CrateType::Binary => Some(match os {
                "windows" => ("", ".exe"),
                "uefi" => ("", ".efi"),
                "emscripten" => ("", ".js"),
                _ if wasm => ("", ".wasm"),
                _ => ("", ""),
            }),
            CrateType::Staticlib => Some(if environment == "msvc" { ("", ".lib") } else { ("lib", ".a") }),
            CrateType::Dylib | CrateType::ProcMacro if wasm => None,
            CrateType::Dylib | CrateType::Cdylib | CrateType::ProcMacro if no_dynamic => None,
            CrateType::Dylib | CrateType::Cdylib | CrateType::ProcMacro => Some(match os {
                "windows" => ("", ".dll"),
                "macos" | "ios" | "tvos" | "watchos" | "visionos" => ("lib", ".dylib"),
                _ if wasm => ("", ".wasm"),
                _ => ("lib", ".so"),
            }),
            CrateType::Other(_) => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A platform of which nothing but triple and cfg matters.
    pub(crate) fn platform(triple: &str, cfg: &str) -> Platform {
        Platform {
            triple: triple.parse().unwrap(),
            cfg: parse_cfg(cfg).unwrap(),
            crt_static: cfg.contains("crt-static"),
            split_debuginfo: BTreeSet::new(),
            library_directory: String::new(),
            linker: None,
            link_arguments: Vec::new(),
            rustc_arguments: Vec::new(),
            script_environment: BTreeMap::new(),
        }
    }

    #[test]
    fn file_names_follow_the_target() {
        let windows = platform("x86_64-pc-windows-gnu", "target_os=\"windows\"\ntarget_env=\"gnu\"");
        let musl = platform(
            "x86_64-unknown-linux-musl",
            "target_os=\"linux\"\ntarget_env=\"musl\"\ntarget_feature=\"crt-static\"",
        );
        let glibc = platform("aarch64-unknown-linux-gnu", "target_os=\"linux\"\ntarget_env=\"gnu\"");
        let names = |platform: &Platform| {
            [CrateType::Binary, CrateType::Rlib, CrateType::Cdylib, CrateType::Staticlib]
                .map(|crate_type| platform.file_name_parts(&crate_type).map(|(a, b)| format!("{a}x{b}")))
        };
        let expect = |names: [Option<&str>; 4]| names.map(|name| name.map(str::to_owned));
        assert_eq!(
            names(&windows),
            expect([Some("x.exe"), Some("libx.rlib"), Some("x.dll"), Some("libx.a")])
        );
        assert_eq!(names(&musl), expect([Some("x"), Some("libx.rlib"), None, Some("libx.a")]));
        assert_eq!(names(&glibc), expect([Some("x"), Some("libx.rlib"), Some("libx.so"), Some("libx.a")]));
    }

    #[test]
    fn a_strange_cfg_or_version_is_refused() {
        assert!(matches!(parse_cfg("unix\n=\"\""), Err(Error::Cfg { line, .. }) if line == "=\"\""));
        assert_eq!(RustcVersion::parse("release: 1.95.0"), Err(Error::RustcVersion("host")));
    }
}
