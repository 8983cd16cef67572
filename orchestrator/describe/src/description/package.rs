//! `[package.NAME]`: what holds for one package of the graph.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use semver::Version;
use xbuild_base::RelPath;

use super::Description;
use super::environment::{self, Variables};
use super::step::Named;
use crate::document::At;
use crate::names::{NameError, VariantName};
use crate::problem::{Kind, Problem, Problems};
use crate::reader::{Field, Reader};
use crate::suggest;

/// Which package of the graph is meant: `name`, or `name@version` where there are several versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageSelector {
    /// The package's name.
    pub name: String,
    /// Its version; `None`: the only one that there is.
    pub version: Option<Version>,
}

impl fmt::Display for PackageSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl FromStr for PackageSelector {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if !is_name(name) {
            return Err(NameError(format!("`{name}` can't be the name of a package")));
        }
        let version = version.map(str::parse).transpose();
        let version = version.map_err(|error| NameError(format!("`{text}` has no full version: {error}")))?;
        Ok(Self { name: name.to_owned(), version })
    }
}

/// Whether cargo takes a text for a package's name.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

/// A package of the graph: its name and version.
pub type PackageVersion = (String, Version);

/// `[package.<name>]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageSettings {
    /// Files and folders outside its folder that its build reads.
    pub include: BTreeSet<IncludePath>,
    /// Environment variables of its units.
    pub env: Variables,
    /// Unified diffs that are applied to its sources, in this order, by their paths from the workspace's root.
    pub patches: Vec<RelPath>,
    /// The steps whose files its build reads.
    pub inputs: BTreeSet<String>,
}

/// A path from a package's folder, which may lead out of it: normalised, `..` only at its start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IncludePath(String);

impl IncludePath {
    /// The path as text, with no slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncludePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Description {
    /// The further files of packages, by their names.
    #[must_use]
    pub fn includes(&self) -> BTreeMap<String, Vec<String>> {
        let paths = |settings: &PackageSettings| {
            settings.include.iter().map(|path| path.as_str().to_owned()).collect()
        };
        self.packages.iter().map(|(selector, settings)| (selector.name.clone(), paths(settings))).collect()
    }

    /// What is said of each package of a graph, of which all names and versions are `known`. Where a package is
    /// meant by its name and by name and version, the latter is laid over the former.
    ///
    /// # Errors
    /// All packages that the graph doesn't have, and all names that fit several versions.
    pub fn packages_of(
        &self,
        known: &BTreeMap<String, BTreeSet<Version>>,
    ) -> Result<BTreeMap<PackageVersion, PackageSettings>, Problems> {
        let mut found: BTreeMap<PackageVersion, PackageSettings> = BTreeMap::new();
        let mut problems = Vec::new();
        for (selector, settings) in &self.packages {
            match chosen(selector, known) {
                Ok(version) => {
                    let package = found.entry((selector.name.clone(), version.clone())).or_default();
                    let PackageSettings { include, env, patches, inputs } = settings.clone();
                    package.inputs.extend(inputs);
                    package.include.extend(include);
                    package.env.extend(env);
                    package.patches.extend(patches);
                }
                Err(problem) => {
                    let (variant, name) = (VariantName::default(), selector.to_string());
                    problems.push(self.origins.place(problem, &variant, "package", &name));
                }
            }
        }
        Problems::new(problems).map_or(Ok(found), Err)
    }

    /// The patches of all packages, by their paths from the workspace's root.
    #[must_use]
    pub fn patches(&self) -> BTreeSet<&RelPath> {
        self.packages.values().flat_map(|settings| &settings.patches).collect()
    }

    /// A problem of a patch, placed where the patch is named.
    #[must_use]
    pub fn patch_problem(&self, patch: &RelPath, message: impl Into<String>) -> Problem {
        let problem = Problem::new(Kind::Patch, message);
        self.origins.place(problem, &VariantName::default(), "patch", patch.as_str())
    }
}

/// The version that is meant.
fn chosen<'k>(
    selector: &PackageSelector,
    known: &'k BTreeMap<String, BTreeSet<Version>>,
) -> Result<&'k Version, Problem> {
    let PackageSelector { name, version } = selector;
    let Some(versions) = known.get(name) else { return Err(unknown(name, known)) };
    let with_version = |version: &Version| format!("{name}@{version}");
    let written: Vec<String> = versions.iter().map(with_version).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    match version {
        Some(version) => versions.get(version).ok_or_else(|| {
            Problem::new(Kind::UnknownName, format!("the graph has no package `{selector}`"))
                .label("no such version")
                .help(suggest::help(&selector.to_string(), "versions", &written))
        }),
        None => match versions.iter().collect::<Vec<_>>().as_slice() {
            [version] => Ok(version),
            _ => {
                let tables: Vec<String> =
                    written.iter().map(|package| format!("[package.\"{package}\"]")).collect();
                Err(Problem::new(Kind::Ambiguous, format!("there are several versions of `{name}`"))
                    .label("which one?")
                    .help(format!("say which one is meant: {}", tables.join(" or "))))
            }
        },
    }
}

/// That the graph has no package of that name.
pub(crate) fn unknown(name: &str, known: &BTreeMap<String, BTreeSet<Version>>) -> Problem {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    Problem::new(Kind::UnknownName, format!("neither the workspace nor Cargo.lock has a package `{name}`"))
        .label("no such package")
        .help(suggest::help(name, "packages", &names))
}

/// Reads `[package.NAME]`. `named` hears of each package's name and each patch, and where they stand; first what
/// it is, `package` or `patch`.
pub(super) fn read(
    field: &Field<'_>,
    steps: &mut Named,
    reader: &mut Reader,
    mut named: impl FnMut(&str, &str, At),
) -> BTreeMap<PackageSelector, PackageSettings> {
    let mut found = BTreeMap::new();
    for (text, at, field) in field.entries(reader) {
        let selector = match text.parse::<PackageSelector>() {
            Ok(selector) => selector,
            Err(error) => {
                let help = "write a package's name, or with its version: [package.\"foo@1.2.3\"]";
                let problem = Problem::new(Kind::Invalid, error.to_string()).label("not a package");
                reader.report(at, problem.help(help));
                continue;
            }
        };
        named("package", &selector.to_string(), at);
        let Some(mut fields) = field.table(reader) else { continue };
        let include = fields.get("include").and_then(|field| {
            let help = "write a path from the package's folder, such as `\"../proto/\"`";
            field.distinct(reader, |item, reader| path(item, reader, include_path, help))
        });
        let env = fields.get("env").map(|field| environment::read(&field, reader)).unwrap_or_default();
        let patches = fields.get("patches").and_then(|field| {
            let help = "write the path of a file of the project, from the workspace's root";
            field.distinct(reader, |item, reader| path(item, reader, patch_path, help))
        });
        let inputs = fields.get("inputs").and_then(|field| {
            field.distinct(reader, |item, reader| {
                let part = steps.step(item, false, reader)?;
                if !part.path.is_root() {
                    item.invalid(reader, "it is a part of what the step makes", "name the step alone");
                }
                Some(part.name)
            })
        });
        fields.finish(reader);
        let include = include.unwrap_or_default().into_iter().map(|(path, _)| path).collect();
        let patches = patches.unwrap_or_default();
        patches.iter().for_each(|(path, at)| named("patch", path.as_str(), *at));
        let patches = patches.into_iter().map(|(path, _)| path).collect();
        let inputs = inputs.unwrap_or_default().into_iter().map(|(name, _)| name).collect();
        found.insert(selector, PackageSettings { include, env, patches, inputs });
    }
    found
}

fn path<T>(
    item: &Field<'_>,
    reader: &mut Reader,
    parse: fn(&str) -> Result<T, String>,
    help: &str,
) -> Option<T> {
    match parse(item.text(reader)?) {
        Ok(path) => Some(path),
        Err(why) => {
            item.invalid(reader, why, help);
            None
        }
    }
}

fn patch_path(text: &str) -> Result<RelPath, String> {
    match RelPath::root().resolve(text) {
        Ok(path) if path.is_root() => Err(format!("`{text}` is the project's own folder")),
        Ok(path) => Ok(path),
        Err(error) => Err(error.to_string()),
    }
}

fn include_path(text: &str) -> Result<IncludePath, String> {
    if text.starts_with('/') {
        return Err(format!("`{text}` is absolute"));
    }
    if text.contains(['\\', '\0']) {
        return Err(format!("`{text}` holds a character that paths here can't have"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(format!("`{text}` is the package's own folder"));
    }
    Ok(IncludePath(parts.join("/")))
}
