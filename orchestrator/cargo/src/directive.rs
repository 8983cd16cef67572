//! What a build script prints: cargo's `BuildOutput::parse`.
//!
//! Both `cargo:KEY=VALUE` and `cargo::KEY=VALUE` are read, with cargo's own rules: the old form takes any other
//! key as metadata and knows no errors; the new one needs a package whose `rust-version` is 1.77 or above (or
//! not said), and refuses keys that it doesn't know.

use xbuild_describe::{suggest, suggest_or};

use crate::context::Context;
use crate::error::Error;
use crate::layout;
use crate::package::Package;
use crate::platform::Flavour;
use crate::unit_graph::{CrateType, Target, TargetKind, Unit, UnitIndex};

/// The effects of a build script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptOutput {
    /// `rustc-link-search`: `-L` for the package and all who link to it.
    pub library_paths: Vec<LibraryPath>,
    /// `rustc-link-lib`: `-l` for the package.
    pub libraries: Vec<String>,
    /// `rustc-link-arg` and its kin.
    pub link_arguments: Vec<(LinkTarget, String)>,
    /// `rustc-cfg`.
    pub cfgs: Vec<String>,
    /// `rustc-check-cfg`.
    pub check_cfgs: Vec<String>,
    /// `rustc-env`, in order.
    pub environment: Vec<(String, String)>,
    /// `metadata`: `DEP_<LINKS>_<KEY>` for the scripts of packages that depend on this one.
    pub metadata: Vec<(String, String)>,
    /// `rerun-if-changed`, for information: what a script reads is seen, not believed.
    pub rerun_if_changed: Vec<String>,
    /// `rerun-if-env-changed`, for information: the environment is in the key.
    pub rerun_if_env_changed: Vec<String>,
    /// `warning`, and warnings that cargo adds. Shown for local packages.
    pub warnings: Vec<String>,
}

/// A `-L` of a build script's. What lies in its own OUT_DIR goes before what doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibraryPath {
    /// In the script's OUT_DIR, with the kind (`native=`) where the script gave one.
    Own(String),
    /// Elsewhere.
    External(String),
}

impl LibraryPath {
    fn new(text: String, output_directory: &str) -> Self {
        let inside = directory_of(&text)
            .strip_prefix(output_directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if inside { Self::Own(text) } else { Self::External(text) }
    }

    /// The value for `-L`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Own(text) | Self::External(text) => text,
        }
    }
}

/// A `-L`'s folder without its kind.
pub(crate) fn directory_of(search: &str) -> &str {
    match search.split_once('=') {
        Some(("native" | "crate" | "dependency" | "framework" | "all", path)) => path,
        _ => search,
    }
}

/// Whom a link argument is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// `rustc-link-arg`: every target of the package.
    All,
    /// `rustc-cdylib-link-arg`: C dynamic libraries, those of dependents too.
    Cdylib,
    /// `rustc-link-arg-bins`: programs.
    Binaries,
    /// `rustc-link-arg-bin`: one program.
    Binary(String),
    /// `rustc-link-arg-tests`: integration tests.
    Tests,
    /// `rustc-link-arg-benches`: benchmarks.
    Benchmarks,
    /// `rustc-link-arg-examples`: examples that are programs.
    Examples,
}

impl LinkTarget {
    /// Whether it is for that unit, if it is for the package at all.
    pub(crate) fn applies_to(&self, unit: &Unit) -> bool {
        let kind = unit.target.target_kind();
        match self {
            Self::All => true,
            Self::Cdylib => !unit.is_test() && unit.target.makes(&CrateType::Cdylib),
            Self::Binaries => kind == TargetKind::Binary,
            Self::Binary(name) => kind == TargetKind::Binary && unit.target.name == *name,
            Self::Tests => kind == TargetKind::Test,
            Self::Benchmarks => kind == TargetKind::Benchmark,
            Self::Examples => kind == TargetKind::Example && unit.target.is_executable(),
        }
    }
}

/// Keys that the old form knows; others are metadata there. No new ones are ever added (cargo's
/// `RESERVED_PREFIXES`).
const OLD_KEYS: [&str; 17] = [
    "rustc-flags=",
    "rustc-link-lib=",
    "rustc-link-search=",
    "rustc-link-arg-cdylib=",
    "rustc-cdylib-link-arg=",
    "rustc-link-arg-bins=",
    "rustc-link-arg-bin=",
    "rustc-link-arg-tests=",
    "rustc-link-arg-benches=",
    "rustc-link-arg-examples=",
    "rustc-link-arg=",
    "rustc-cfg=",
    "rustc-check-cfg=",
    "rustc-env=",
    "warning=",
    "rerun-if-changed=",
    "rerun-if-env-changed=",
];

impl Context {
    /// Reads what a build script that ended well has printed.
    ///
    /// # Errors
    /// When a line is not what cargo would accept, or the script reported errors.
    pub fn parse_script_output(&self, run: UnitIndex, stdout: &[u8]) -> Result<ScriptOutput, Error> {
        let parser = Parser {
            package: self.package(run),
            output_directory: layout::absolute(self.script_output_directory(run).as_str()),
            nightly: self.toolchain.version.is_nightly()
                || self.toolchain.flavour == Flavour::StandardLibrary
                || self.toolchain.environment.contains_key("RUSTC_BOOTSTRAP"),
        };
        parser.parse(stdout)
    }
}

struct Parser<'a> {
    package: &'a Package,
    output_directory: String,
    /// Whether unstable features are possible anyway, so that asking for them is only worth a warning.
    nightly: bool,
}

impl Parser<'_> {
    fn parse(&self, stdout: &[u8]) -> Result<ScriptOutput, Error> {
        let mut output = ScriptOutput::default();
        let mut errors = Vec::new();
        // Lines that are no UTF-8 can't be directives.
        for line in stdout.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
            self.line(line.trim(), &mut output, &mut errors)
                .map_err(|problem| self.directive_error(line, problem))?;
        }
        if errors.is_empty() {
            Ok(output)
        } else {
            Err(Error::ScriptErrors { package: self.package.name.clone(), messages: errors })
        }
    }

    fn line(&self, line: &str, output: &mut ScriptOutput, errors: &mut Vec<String>) -> Result<(), String> {
        let (prefix, key, value) = if let Some(data) = line.strip_prefix("cargo::") {
            self.check_rust_version(data)?;
            let (key, value) = split(data, "cargo::")?;
            ("cargo::", key, value)
        } else if let Some(data) = line.strip_prefix("cargo:") {
            if OLD_KEYS.iter().any(|key| data.starts_with(key)) {
                let (key, value) = split(data, "cargo:")?;
                ("cargo:", key, value)
            } else {
                ("cargo:", "metadata", data)
            }
        } else {
            return Ok(());
        };
        let path = |text: &str| LibraryPath::new(text.to_owned(), &self.output_directory);
        let owned = || value.to_owned();
        match key {
            "rustc-flags" => {
                for (flag, value) in rustc_flags(value)? {
                    match flag {
                        "-l" => output.libraries.push(value.to_owned()),
                        _ => output.library_paths.push(path(value)),
                    }
                }
            }
            "rustc-link-lib" => output.libraries.push(owned()),
            "rustc-link-search" => output.library_paths.push(path(value)),
            "rustc-link-arg" => output.link_arguments.push((LinkTarget::All, owned())),
            "rustc-link-arg-cdylib" | "rustc-cdylib-link-arg" => {
                if !self.package.targets.iter().any(|target| target.makes(&CrateType::Cdylib)) {
                    output.warnings.push(format!(
                        "{prefix}{key} was specified in the build script of {}, but that package does not \
                         contain a cdylib target",
                        self.package.name
                    ));
                }
                output.link_arguments.push((LinkTarget::Cdylib, owned()));
            }
            "rustc-link-arg-bins" => {
                self.require(TargetKind::Binary, "bin")?;
                output.link_arguments.push((LinkTarget::Binaries, owned()));
            }
            "rustc-link-arg-bin" => {
                let (name, argument) = value.split_once('=').ok_or("the form is `KEY=BIN=ARG`")?;
                let programs: Vec<&str> =
                    self.package.binaries().map(|target| target.name.as_str()).collect();
                if !programs.contains(&name) {
                    let help = suggest(name, "programs", &programs);
                    return Err(format!("the package has no bin target named `{name}`\n  help: {help}"));
                }
                output.link_arguments.push((LinkTarget::Binary(name.to_owned()), argument.to_owned()));
            }
            "rustc-link-arg-tests" => {
                self.require(TargetKind::Test, "test")?;
                output.link_arguments.push((LinkTarget::Tests, owned()));
            }
            "rustc-link-arg-benches" => {
                self.require(TargetKind::Benchmark, "benchmark")?;
                output.link_arguments.push((LinkTarget::Benchmarks, owned()));
            }
            "rustc-link-arg-examples" => {
                self.require(TargetKind::Example, "example")?;
                output.link_arguments.push((LinkTarget::Examples, owned()));
            }
            "rustc-cfg" => output.cfgs.push(owned()),
            "rustc-check-cfg" => output.check_cfgs.push(owned()),
            "rustc-env" => self.environment(value, output)?,
            "warning" => output.warnings.push(owned()),
            "error" => errors.push(owned()),
            "rerun-if-changed" => output.rerun_if_changed.push(owned()),
            "rerun-if-env-changed" => output.rerun_if_env_changed.push(owned()),
            "metadata" => {
                let form = if prefix == "cargo:" { "cargo:" } else { "cargo::metadata=" };
                let (key, value) = split(value, form)?;
                output.metadata.push((key.to_owned(), value.to_owned()));
            }
            _ => {
                let known = OLD_KEYS.iter().map(|key| key.trim_end_matches('=')).chain(["error", "metadata"]);
                let help =
                    suggest_or(key, known, "print what is no directive as `cargo::metadata=KEY=VALUE`");
                return Err(format!("the key `{key}` is not known\n  help: {help}"));
            }
        }
        Ok(())
    }

    fn environment(&self, value: &str, output: &mut ScriptOutput) -> Result<(), String> {
        let (name, value) =
            value.split_once('=').ok_or("a variable needs a value: `rustc-env=NAME=VALUE`")?;
        if name != "RUSTC_BOOTSTRAP" {
            output.environment.push((name.to_owned(), value.to_owned()));
        } else if self.nightly {
            output.warnings.push("cannot set `RUSTC_BOOTSTRAP` from a build script".to_owned());
        } else {
            return Err("crates can't set `RUSTC_BOOTSTRAP` themselves: it would lift the promise of \
                        stability for your project"
                .to_owned());
        }
        Ok(())
    }

    fn require(&self, kind: TargetKind, name: &str) -> Result<(), String> {
        if self.package.targets.iter().any(|target: &Target| target.target_kind() == kind) {
            Ok(())
        } else {
            Err(format!("the package has no {name} target"))
        }
    }

    /// The new form came with Rust 1.77.
    fn check_rust_version(&self, data: &str) -> Result<(), String> {
        let Some(said) = self.package.rust_version.as_deref() else { return Ok(()) };
        let mut parts = said.split(['.', '-', '+']).map(|part| part.parse::<u64>().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if version >= (1, 77) {
            return Ok(());
        }
        let old = data.strip_prefix("metadata=").unwrap_or(data);
        Err(format!(
            "the `cargo::` form came with Rust 1.77, and the package's `rust-version` is {said}\n  \
             help: print `cargo:{old}`, with one colon"
        ))
    }

    fn directive_error(&self, line: &str, problem: String) -> Error {
        Error::Directive { package: self.package.name.clone(), line: line.trim().to_owned(), problem }
    }
}

fn split<'d>(data: &'d str, form: &str) -> Result<(&'d str, &'d str), String> {
    data.split_once('=')
        .map(|(key, value)| (key, value.trim_end()))
        .ok_or_else(|| format!("a line of the form `{form}KEY=VALUE` was expected, and there is no `=`"))
}

/// `-l` and `-L` and what follows them, with a space or without.
pub(crate) fn rustc_flags(value: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut words = value.split_whitespace();
    let mut flags = Vec::new();
    while let Some(word) = words.next() {
        if !word.starts_with("-l") && !word.starts_with("-L") {
            return Err(format!("only `-l` and `-L` flags are allowed, and `{word}` is none"));
        }
        let (flag, rest) = word.split_at(2);
        let rest = if rest.is_empty() { words.next() } else { Some(rest) };
        flags.push((flag, rest.ok_or_else(|| format!("the flag `{flag}` has no value"))?));
    }
    Ok(flags)
}
