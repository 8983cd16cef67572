//! What must be read from manifests because neither the unit graph nor `cargo metadata` has it: `[lints]`,
//! `cargo-features`, `harness`, and what a custom profile inherits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};
use xbuild_base::{Hasher, RelPath, Sha256};

use crate::error::Error;
use crate::package::Package;
use crate::unit_graph::{Target, TargetKind};

/// A manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    path: RelPath,
    table: Table,
    fingerprint: Sha256,
}

impl Manifest {
    /// Reads the manifest that lies at a path of the sandbox.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn parse(path: RelPath, text: &str) -> Result<Self, Error> {
        let table =
            text.parse().map_err(|error: toml::de::Error| manifest_error(&path, error.to_string()))?;
        let mut fingerprint = Hasher::default();
        [path.as_str(), text].into_iter().for_each(|part| fingerprint.update_framed(part));
        Ok(Self { path, table, fingerprint: fingerprint.sha256() })
    }
}

/// Manifests by their path in the sandbox.
///
/// It must hold the manifest of every package of the graph, of the workspace's root, and of the workspace that
/// each package belongs to where it inherits its lints.
#[derive(Debug, Clone)]
pub struct Manifests {
    tables: BTreeMap<RelPath, Table>,
    fingerprint: Sha256,
}

impl FromIterator<Manifest> for Manifests {
    fn from_iter<I: IntoIterator<Item = Manifest>>(manifests: I) -> Self {
        let mut fingerprint = Hasher::default();
        let mut add = |one: Manifest| {
            fingerprint.update(one.fingerprint.as_bytes());
            (one.path, one.table)
        };
        let tables = manifests.into_iter().map(&mut add).collect();
        Self { tables, fingerprint: fingerprint.sha256() }
    }
}

/// What a package's manifest says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ManifestFacts {
    /// Flags for rustc from `[lints]`, in cargo's order.
    pub(crate) lint_flags: Vec<String>,
    /// Whether `cargo-features` holds `public-dependency`.
    pub(crate) public_dependency: bool,
    /// Targets that bring a test harness of their own, by kind and name; a library's name doesn't count, it is the only
    /// one.
    without_harness: BTreeSet<(TargetKind, String)>,
}

impl ManifestFacts {
    /// Whether a target of the package brings a test harness of its own.
    pub(crate) fn is_without_harness(&self, target: &Target) -> bool {
        let name = if target.is_library() { "" } else { &target.name };
        self.without_harness.contains(&(target.target_kind(), name.to_owned()))
    }
}

impl Manifests {
    /// Reads all manifests.
    ///
    /// # Errors
    /// When one is no TOML.
    pub fn parse<'t>(texts: impl IntoIterator<Item = (RelPath, &'t str)>) -> Result<Self, Error> {
        texts.into_iter().map(|(path, text)| Manifest::parse(path, text)).collect()
    }

    /// A checksum of what they were read from.
    pub(crate) const fn fingerprint(&self) -> Sha256 {
        self.fingerprint
    }

    /// What the manifest of `package` says.
    pub(crate) fn facts(&self, package: &Package) -> Result<ManifestFacts, Error> {
        let table = self.tables.get(&package.manifest).ok_or_else(|| Error::MissingManifest {
            path: package.manifest.in_sandbox(),
            package: package.name.clone(),
        })?;
        let empty = Table::new();
        let lints = match table.get("lints") {
            None => &empty,
            Some(Value::Table(lints)) if lints.get("workspace").and_then(Value::as_bool) == Some(true) => {
                if lints.len() > 1 {
                    let problem = "`lints.workspace = true` allows no lints beside it";
                    return Err(manifest_error(&package.manifest, problem.to_owned()));
                }
                self.workspace_lints(package, table)?
            }
            Some(Value::Table(lints)) => lints,
            Some(_) => return Err(manifest_error(&package.manifest, "`lints` is no table".to_owned())),
        };
        Ok(ManifestFacts {
            lint_flags: lint_flags(lints).map_err(|problem| manifest_error(&package.manifest, problem))?,
            public_dependency: table
                .get("cargo-features")
                .and_then(Value::as_array)
                .is_some_and(|features| features.iter().any(|f| f.as_str() == Some("public-dependency"))),
            without_harness: without_harness(table),
        })
    }

    /// The root of a custom profile's chain of `inherits`: whether it is `debug` or `release`, which build
    /// scripts see in `PROFILE`. `configured` is what profiles inherit in cargo's configuration.
    pub(crate) fn profile_root(
        &self,
        workspace_root: &RelPath,
        configured: &BTreeMap<String, String>,
        profile: &str,
    ) -> Result<&'static str, Error> {
        let path = manifest_in(workspace_root);
        let profiles = self.tables.get(&path).and_then(|table| table.get("profile")?.as_table());
        let mut name = profile;
        let mut seen = BTreeSet::new();
        while seen.insert(name) {
            match name {
                "release" | "bench" => return Ok("release"),
                "dev" | "test" => return Ok("debug"),
                _ => {}
            }
            let written = profiles.and_then(|all| all.get(name)?.as_table()?.get("inherits")?.as_str());
            match configured.get(name).map(String::as_str).or(written) {
                Some(inherits) => name = inherits,
                None => break,
            }
        }
        let problem = format!("the profile `{profile}` inherits from none that cargo has");
        Err(manifest_error(&path, problem))
    }

    /// `[workspace.lints]` of the workspace that `package` belongs to: the one it names, its own, or the next
    /// one in a folder above.
    fn workspace_lints(&self, package: &Package, table: &Table) -> Result<&Table, Error> {
        let lints = |root: &Table| root.get("workspace").and_then(Value::as_table).is_some();
        let at = |folder: &RelPath| self.tables.get(&manifest_in(folder)).filter(|table| lints(table));
        let named = table.get("package").and_then(|package| package.get("workspace")?.as_str());
        let root = match named {
            Some(folder) => package.root.resolve(folder).ok().and_then(|folder| at(&folder)),
            None => std::iter::successors(Some(package.root.clone()), RelPath::parent).find_map(|f| at(&f)),
        };
        root.and_then(|root| root.get("workspace")?.get("lints")?.as_table()).ok_or_else(|| {
            manifest_error(
                &package.manifest,
                "it says `lints.workspace = true`, and no `[workspace.lints]` was found".to_owned(),
            )
        })
    }
}

/// The manifest of the package in a folder.
#[must_use]
pub fn manifest_in(folder: &RelPath) -> RelPath {
    // A plain name is always a path.
    folder.join(&RelPath::new("Cargo.toml").unwrap_or_default())
}

fn manifest_error(path: &RelPath, problem: String) -> Error {
    Error::Manifest { path: path.in_sandbox(), problem }
}

/// Cargo's `lints_to_rustflags`: by priority, then backwards by name, so that `all` comes before the rest.
fn lint_flags(lints: &Table) -> Result<Vec<String>, String> {
    let mut flags = Vec::new();
    for (tool, lints) in lints.iter().filter(|(tool, _)| *tool != "cargo") {
        let lints = lints.as_table().ok_or_else(|| format!("`lints.{tool}` is no table"))?;
        for (name, value) in lints {
            let (level, priority) = match value {
                Value::String(level) => (level.as_str(), 0),
                Value::Table(lint) => (
                    lint.get("level").and_then(Value::as_str).unwrap_or_default(),
                    lint.get("priority").and_then(Value::as_integer).unwrap_or(0),
                ),
                _ => ("", 0),
            };
            if !["forbid", "deny", "warn", "allow"].contains(&level) {
                return Err(format!("`lints.{tool}.{name}` has no level of forbid, deny, warn, allow"));
            }
            let scope = if tool == "rust" { String::new() } else { format!("{tool}::") };
            flags.push((priority, Reverse(name.as_str()), format!("--{level}={scope}{name}")));
        }
    }
    flags.sort();
    let mut flags: Vec<String> = flags.into_iter().map(|(_, _, flag)| flag).collect();
    if let Some(check_cfg) =
        lints.get("rust").and_then(|rust| rust.get("unexpected_cfgs")?.as_table()?.get("check-cfg"))
    {
        let values = check_cfg.as_array().map(|values| values.iter().map(Value::as_str));
        let values: Option<Vec<&str>> = values.and_then(Iterator::collect);
        let values = values.ok_or("`lints.rust.unexpected_cfgs.check-cfg` must be a list of string")?;
        flags.extend(values.into_iter().flat_map(|value| ["--check-cfg".to_owned(), value.to_owned()]));
    }
    Ok(flags)
}

fn without_harness(table: &Table) -> BTreeSet<(TargetKind, String)> {
    let plain = |target: &Value| target.get("harness").and_then(Value::as_bool) == Some(false);
    let mut names = BTreeSet::new();
    // Targets of different kinds may have one name.
    for (key, kind) in [
        ("test", TargetKind::Test),
        ("bench", TargetKind::Benchmark),
        ("bin", TargetKind::Binary),
        ("example", TargetKind::Example),
    ] {
        let targets = table.get(key).and_then(Value::as_array).into_iter().flatten();
        let targets = targets.filter(|target| plain(target));
        let found = targets.filter_map(|target| target.get("name")?.as_str());
        names.extend(found.map(|name| (kind, name.to_owned())));
    }
    if table.get("lib").is_some_and(plain) {
        names.insert((TargetKind::Library, String::new()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Result<Vec<String>, String> {
        lint_flags(&text.parse().unwrap())
    }

    #[test]
    fn lints_come_by_priority_and_then_backwards_by_name() {
        let text = r#"
            rust.unused = { level = "deny", priority = -1 }
            rust.unsafe_code = "forbid"
            rust.missing_docs = "warn"
            clippy.all = { level = "warn", priority = -1 }
            clippy.todo = "allow"
            rustdoc.broken_intra_doc_links = "deny"
            cargo.im_a_teapot = "warn"
        "#;
        assert_eq!(
            flags(text).unwrap(),
            [
                "--deny=unused",
                "--warn=clippy::all",
                "--forbid=unsafe_code",
                "--allow=clippy::todo",
                "--warn=missing_docs",
                "--deny=rustdoc::broken_intra_doc_links",
            ]
        );
    }

    #[test]
    fn check_cfgs_come_last() {
        let text = r#"
            rust.zzz = "warn"
            rust.unexpected_cfgs = { level = "warn", check-cfg = ["cfg(a)", "cfg(b, values(\"c\"))"] }
        "#;
        assert_eq!(
            flags(text).unwrap(),
            [
                "--warn=zzz",
                "--warn=unexpected_cfgs",
                "--check-cfg",
                "cfg(a)",
                "--check-cfg",
                "cfg(b, values(\"c\"))"
            ]
        );
    }

    #[test]
    fn a_harness_is_a_target_s_and_not_a_name_s() {
        let text = "[lib]\nharness = false\n[[test]]\nname = \"x\"\nharness = false\n[[bin]]\nname = \"x\"\n";
        let facts =
            ManifestFacts { without_harness: without_harness(&text.parse().unwrap()), ..Default::default() };
        let is_without = |kind: &str, name: &str| {
            let target = serde_json::json!({
                "kind": [kind], "crate_types": ["bin"], "name": name, "src_path": "/x", "edition": "2021"
            });
            facts.is_without_harness(&serde_json::from_value(target).unwrap())
        };
        assert!(is_without("test", "x") && is_without("lib", "whatever"));
        assert!(!is_without("bin", "x") && !is_without("bench", "x") && !is_without("example", "lib"));
    }

    #[test]
    fn bad_lints_are_named() {
        assert!(flags("rust.foo = \"loud\"").unwrap_err().contains("lints.rust.foo"));
        assert!(flags("rust = 1").unwrap_err().contains("lints.rust"));
        let text = "rust.unexpected_cfgs = { level = \"warn\", check-cfg = 1 }";
        assert!(flags(text).unwrap_err().contains("check-cfg"));
    }

    #[test]
    fn a_profiles_root_is_found_through_what_it_inherits() {
        let text = "[profile.fast]\ninherits = \"small\"\n[profile.small]\ninherits = \"release\"\n\
                    [profile.odd]\ninherits = \"dev\"";
        let root = RelPath::new("build/ws").unwrap();
        let manifest = RelPath::new("build/ws/Cargo.toml").unwrap();
        let manifests = Manifests::parse([(manifest, text)]).unwrap();
        let configured = [("ci".to_owned(), "small".to_owned())].into();
        let root_of = |name| manifests.profile_root(&root, &configured, name);
        let roots = ["release", "dev", "bench", "fast", "odd", "ci"].map(|name| root_of(name).unwrap());
        assert_eq!(roots, ["release", "debug", "release", "release", "debug", "release"]);
        assert!(root_of("lost").unwrap_err().to_string().contains("the profile `lost`"));
    }

    #[test]
    fn lints_are_inherited_from_the_workspace_that_a_package_belongs_to() {
        let text = |lints: &str| format!("[package]\n{lints}");
        let metadata = r#"{ "packages": [{ "name": "a", "version": "1.0.0", "id": "a", "targets": [],
            "features": {}, "manifest_path": "/build/ws/x/a/Cargo.toml" }],
            "workspace_members": [], "workspace_root": "/build/ws" }"#;
        let packages = crate::Packages::parse(metadata).unwrap();
        let package = packages.get("a").unwrap();
        let flags = |manifest: &str, root: &str| {
            let path = |text| RelPath::new(text).unwrap();
            let texts = [(path("build/ws/x/a/Cargo.toml"), manifest), (path("build/ws/Cargo.toml"), root)];
            Manifests::parse(texts).unwrap().facts(package).map(|facts| facts.lint_flags)
        };
        let root = "[workspace.lints.rust]\nunused = \"deny\"";
        assert_eq!(flags(&text("[lints]\nworkspace = true"), root).unwrap(), ["--deny=unused"]);
        let mixed = text("[lints]\nworkspace = true\nrust.unused = \"warn\"");
        assert!(matches!(flags(&mixed, root), Err(Error::Manifest { .. })));
        let error = flags(&text("[lints]\nworkspace = true"), "[workspace]").unwrap_err();
        assert!(error.to_string().contains("no `[workspace.lints]`"), "{error}");
        assert_eq!(flags(&text(""), root).unwrap(), Vec::<String>::new());
    }
}
