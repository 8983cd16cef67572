//! What manifests declare of dependencies and features, for whoever must know which packages a graph can reach before
//! cargo is asked; and manifests that stand in for those of packages which no graph reaches.
//!
//! The rules are those of the Cargo book, "Specifying Dependencies" and "Features". All that is left open here (what a
//! workspace renames, which of two versions is meant) counts as reached.

use std::collections::{BTreeMap, BTreeSet};

use cargo_platform::{Cfg, Platform};
use semver::{Version, VersionReq};
use toml::{Table, Value};
use xbuild_base::Triple;

use crate::members::respell;

/// What a manifest declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The package's name; none for a manifest that is a workspace's alone.
    pub name: Option<String>,
    /// All dependencies, of whichever kind and target, those of `[workspace.dependencies]` among them.
    pub dependencies: Vec<DeclaredDependency>,
    /// `[features]` as they are written.
    features: BTreeMap<String, Vec<String>>,
}

/// A dependency as a manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredDependency {
    /// Its name in the manifest.
    pub key: String,
    /// The package's name; that of a dependency which is inherited may be another one.
    pub package: String,
    requirement: Option<VersionReq>,
    /// Whether only tests, examples and benchmarks have it.
    pub is_development: bool,
    platform: Option<Platform>,
    is_optional: bool,
    features: Vec<String>,
}

/// What a feature turns on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect<'d> {
    /// Another feature of the package, or an optional dependency that is called so.
    Feature(&'d str),
    /// An optional dependency, by its name in the manifest.
    Dependency(&'d str),
    /// A feature of a dependency, by its name in the manifest.
    FeatureOf {
        /// The dependency.
        dependency: &'d str,
        /// The feature.
        feature: &'d str,
        /// Whether it leaves an optional dependency off.
        is_weak: bool,
    },
}

impl Declared {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut table: Table = text.parse()?;
        respell(&mut table);
        let mut declared = Self::default();
        let name =
            table.get("package").or_else(|| table.get("project")).and_then(|package| package.get("name"));
        declared.name = name.and_then(Value::as_str).map(str::to_owned);
        declared.add(&table, None);
        if let Some(workspace) = table.get("workspace").and_then(Value::as_table) {
            declared.add(workspace, None);
        }
        for (platform, tables) in table.get("target").and_then(Value::as_table).into_iter().flatten() {
            if let Some(tables) = tables.as_table() {
                declared.add(tables, platform.parse().ok());
            }
        }
        for (name, list) in table.get("features").and_then(Value::as_table).into_iter().flatten() {
            declared.features.insert(name.clone(), strings(Some(list)));
        }
        Ok(declared)
    }

    fn add(&mut self, tables: &Table, platform: Option<Platform>) {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            for (key, value) in tables.get(kind).and_then(Value::as_table).into_iter().flatten() {
                let said = |key: &str| value.get(key).and_then(Value::as_str);
                let requirement = value.as_str().or_else(|| said("version"));
                self.dependencies.push(DeclaredDependency {
                    key: key.clone(),
                    package: said("package").unwrap_or(key).to_owned(),
                    requirement: requirement.and_then(|text| text.parse().ok()),
                    is_development: kind == "dev-dependencies",
                    platform: platform.clone(),
                    is_optional: value.get("optional").and_then(Value::as_bool) == Some(true),
                    features: strings(value.get("features")),
                });
            }
        }
    }

    /// The dependencies that a package may be, by its name and version; `names` tells further names of inherited ones.
    pub fn meant<'d>(
        &'d self,
        package: &str,
        version: &str,
        names: &BTreeMap<String, BTreeSet<String>>,
    ) -> impl Iterator<Item = &'d DeclaredDependency> {
        let version = version.parse::<Version>().ok();
        self.dependencies.iter().filter(move |one| {
            let is_called =
                one.package == package || names.get(&one.key).is_some_and(|others| others.contains(package));
            // `matches` wants a pre-release to be asked for by name, as cargo does.
            let fits = match (&one.requirement, &version) {
                (Some(requirement), Some(version)) => requirement.matches(version),
                _ => true,
            };
            is_called && fits
        })
    }

    /// The names of its features, with those that optional dependencies imply.
    #[must_use]
    pub fn feature_names(&self) -> BTreeSet<&str> {
        let named: BTreeSet<&str> =
            self.features.values().flatten().filter_map(|value| value.strip_prefix("dep:")).collect();
        let implied = self.dependencies.iter().filter(|one| one.is_optional).map(|one| one.key.as_str());
        let implied = implied.filter(|name| !named.contains(name));
        self.features.keys().map(String::as_str).chain(implied).collect()
    }

    /// What a feature turns on; one that an optional dependency implies, that.
    #[must_use]
    pub fn effects<'d>(&'d self, feature: &'d str) -> Vec<Effect<'d>> {
        match self.features.get(feature) {
            Some(list) => list.iter().map(|text| Effect::parse(text)).collect(),
            None => vec![Effect::Dependency(feature)],
        }
    }

    /// The features that it asks of other packages, with the names by which it knows these in the manifest.
    pub fn asked(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_dependencies = self
            .dependencies
            .iter()
            .flat_map(|one| one.features.iter().map(|feature| (one.key.as_str(), feature.as_str())));
        let of_features = self.features.values().flatten().filter_map(|text| match Effect::parse(text) {
            Effect::FeatureOf { dependency, feature, .. } => Some((dependency, feature)),
            _ => None,
        });
        of_dependencies.chain(of_features)
    }
}

impl DeclaredDependency {
    /// Whether one of the platforms has it.
    #[must_use]
    pub fn is_for(&self, platforms: &[(Triple, Vec<Cfg>)]) -> bool {
        self.platform.as_ref().is_none_or(|platform| {
            platforms.iter().any(|(triple, cfg)| platform.matches(triple.as_str(), cfg))
        })
    }
}

impl<'d> Effect<'d> {
    fn parse(text: &'d str) -> Self {
        match (text.strip_prefix("dep:"), text.split_once('/')) {
            (Some(dependency), _) => Self::Dependency(dependency),
            (None, Some((dependency, feature))) => Self::FeatureOf {
                dependency: dependency.trim_end_matches('?'),
                feature,
                is_weak: dependency.ends_with('?'),
            },
            (None, None) => Self::Feature(text),
        }
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A package in whose place another manifest stands: what the lock and other manifests know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn<'s> {
    /// Its name.
    pub name: &'s str,
    /// Its version.
    pub version: &'s str,
    /// The features that others ask of it.
    pub features: BTreeSet<&'s str>,
    /// What the lock has it depend on.
    pub dependencies: Vec<StandInDependency<'s>>,
}

/// What a package depends on by the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandInDependency<'s> {
    /// Its name.
    pub name: &'s str,
    /// Its version.
    pub version: &'s str,
    /// Where it comes from, where that is not the default registry.
    pub origin: Option<StandInOrigin<'s>>,
    /// Features that the package may have asked of it.
    pub features: BTreeSet<&'s str>,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandInOrigin<'s> {
    /// A registry, by its index.
    Registry(&'s str),
    /// A git repository.
    Git {
        /// Its address.
        url: &'s str,
        /// What is asked for, as `(branch | tag | rev, value)`; `None` is the default branch.
        reference: Option<(&'s str, &'s str)>,
    },
}

impl StandIn<'_> {
    /// The manifest: by it, cargo comes to the same lock as by the package's own.
    #[must_use]
    pub fn manifest(&self) -> String {
        let list = |names: &BTreeSet<&str>| Value::Array(names.iter().map(|&name| name.into()).collect());
        let mut package = Table::new();
        package.insert("name".to_owned(), self.name.into());
        package.insert("version".to_owned(), self.version.into());
        let features: Table =
            self.features.iter().map(|&name| (name.to_owned(), Value::Array(Vec::new()))).collect();
        let mut dependencies = Table::new();
        for (number, one) in self.dependencies.iter().enumerate() {
            let mut dependency = Table::new();
            dependency.insert("package".to_owned(), one.name.into());
            // What follows a `+` is no part of a requirement.
            let version = one.version.split('+').next().unwrap_or_default();
            dependency.insert("version".to_owned(), format!("={version}").into());
            dependency.insert("default-features".to_owned(), false.into());
            dependency.insert("features".to_owned(), list(&one.features));
            match one.origin {
                None => {}
                Some(StandInOrigin::Registry(index)) => {
                    dependency.insert("registry-index".to_owned(), index.into());
                }
                Some(StandInOrigin::Git { url, reference }) => {
                    dependency.insert("git".to_owned(), url.into());
                    dependency.extend(reference.map(|(kind, value)| (kind.to_owned(), value.into())));
                }
            }
            // A name that is no feature's.
            dependencies.insert(format!("stand-in-{number}"), Value::Table(dependency));
        }
        let mut manifest = Table::new();
        manifest.insert("package".to_owned(), Value::Table(package));
        manifest.insert("features".to_owned(), Value::Table(features));
        manifest.insert("dependencies".to_owned(), Value::Table(dependencies));
        manifest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [package]
        name = "a"
        [dependencies]
        plain = "1.2"
        renamed = { package = "real", version = "2", optional = true, features = ["x"] }
        shared.workspace = true
        [dev_dependencies]
        tested = "1"
        [target.'cfg(windows)'.dependencies]
        plain = "0.9"
        [target.x86_64-unknown-linux-musl.build-dependencies]
        cc = { version = "1", optional = true }
        [features]
        default = ["dep:renamed", "plain/fast", "shared?/more"]
    "#;

    fn platforms(triple: &str, cfg: &str) -> Vec<(Triple, Vec<Cfg>)> {
        vec![(triple.parse().unwrap(), vec![cfg.parse().unwrap()])]
    }

    #[test]
    fn dependencies_are_told_by_kind_platform_name_and_version() {
        let declared = Declared::parse(MANIFEST).unwrap();
        let names = BTreeMap::from([("shared".to_owned(), BTreeSet::from(["own-name".to_owned()]))]);
        let keys = |package: &str, version: &str| -> Vec<(&str, bool, bool)> {
            let windows = platforms("x86_64-pc-windows-gnu", "windows");
            let meant = declared.meant(package, version, &names);
            meant.map(|one| (one.key.as_str(), one.is_development, one.is_for(&windows))).collect()
        };
        assert_eq!(keys("plain", "1.3.0"), [("plain", false, true)]);
        assert_eq!(keys("plain", "0.9.1"), [("plain", false, true)]);
        assert_eq!(keys("plain", "3.0.0"), []);
        assert_eq!(keys("real", "2.0.0"), [("renamed", false, true)]);
        assert_eq!(keys("own-name", "7.0.0"), [("shared", false, true)]);
        assert_eq!(keys("tested", "1.0.0"), [("tested", true, true)]);
        assert_eq!(keys("cc", "1.0.0"), [("cc", false, false)]);
        let of_old_plain = declared.meant("plain", "0.9.1", &names).next().unwrap();
        assert!(!of_old_plain.is_for(&platforms("x86_64-unknown-linux-musl", "unix")));
    }

    #[test]
    fn features_are_told_with_what_they_turn_on_and_ask_of_others() {
        let declared = Declared::parse(MANIFEST).unwrap();
        assert_eq!(declared.feature_names(), ["cc", "default"].into());
        assert_eq!(declared.effects("cc"), [Effect::Dependency("cc")]);
        let of = |dependency, feature, is_weak| Effect::FeatureOf { dependency, feature, is_weak };
        let expected =
            [Effect::Dependency("renamed"), of("plain", "fast", false), of("shared", "more", true)];
        assert_eq!(declared.effects("default"), expected);
        let asked: BTreeSet<(&str, &str)> = declared.asked().collect();
        assert_eq!(asked, [("plain", "fast"), ("renamed", "x"), ("shared", "more")].into());
    }

    #[test]
    fn a_stand_in_says_what_the_lock_does() {
        let stand_in = StandIn {
            name: "p",
            version: "1.0.0+meta",
            features: ["x"].into(),
            dependencies: vec![
                StandInDependency {
                    name: "q",
                    version: "2.0.0+meta",
                    origin: Some(StandInOrigin::Registry("sparse+https://r.example/")),
                    features: ["default"].into(),
                },
                StandInDependency {
                    name: "r",
                    version: "3.0.0",
                    origin: Some(StandInOrigin::Git {
                        url: "https://g.example/r",
                        reference: Some(("tag", "v3")),
                    }),
                    features: BTreeSet::new(),
                },
            ],
        };
        let table: Table = stand_in.manifest().parse().unwrap();
        assert_eq!(table["package"]["version"].as_str(), Some("1.0.0+meta"));
        assert_eq!(table["features"]["x"].as_array().map(Vec::len), Some(0));
        let dependency = &table["dependencies"]["stand-in-0"];
        assert_eq!(dependency["version"].as_str(), Some("=2.0.0"));
        assert_eq!(dependency["registry-index"].as_str(), Some("sparse+https://r.example/"));
        let dependency = &table["dependencies"]["stand-in-1"];
        assert_eq!(dependency["git"].as_str(), Some("https://g.example/r"));
        assert_eq!(dependency["tag"].as_str(), Some("v3"));
    }
}
