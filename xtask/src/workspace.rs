//! The crates of the workspace and their edges, as cargo tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::process;

/// The folder of the orchestrator's crates.
const FOLDER: &str = "orchestrator";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` is a normal dependency; the others are `dev` and `build`.
    kind: Option<String>,
}

/// The crates below `orchestrator/` by their folders' names, and which of each other each uses in what it ships:
/// what only tests use is left out.
pub(crate) fn edges(root: &Path) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    Ok(of(&metadata(root)?, &root.join(FOLDER)))
}

/// The folder of what cargo builds.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf, Error> {
    Ok(metadata(root)?.target_directory)
}

fn metadata(root: &Path) -> Result<Metadata, Error> {
    let mut cargo = process::cargo(root, &["metadata", "--no-deps", "--locked", "--format-version=1"]);
    Ok(serde_json::from_slice(&process::output(&mut cargo)?)?)
}

fn of(metadata: &Metadata, folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let folders: BTreeMap<&str, String> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            let below = Path::new(&package.manifest_path).parent()?.strip_prefix(folder).ok()?;
            Some((package.name.as_str(), below.to_string_lossy().into_owned()))
        })
        .collect();
    let uses = |package: &Package| {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        normal.filter_map(|dependency| folders.get(dependency.name.as_str()).cloned()).collect()
    };
    metadata
        .packages
        .iter()
        .filter_map(|package| Some((folders.get(package.name.as_str())?.clone(), uses(package))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_tests_use_is_no_edge() {
        let text = r#"{"packages": [
            {"name": "xbuild-a", "manifest_path": "/r/orchestrator/a/Cargo.toml", "dependencies": []},
            {"name": "xbuild-b", "manifest_path": "/r/orchestrator/b/Cargo.toml", "dependencies": [
                {"name": "serde", "kind": null}, {"name": "xbuild-a", "kind": "dev"}]},
            {"name": "xbuild-c", "manifest_path": "/r/orchestrator/c/Cargo.toml", "dependencies": [
                {"name": "xbuild-b", "kind": null}, {"name": "xbuild-a", "kind": "build"}]},
            {"name": "xtask", "manifest_path": "/r/xtask/Cargo.toml", "dependencies": []}],
            "target_directory": "/r/target"}"#;
        let edges = of(&serde_json::from_str(text).unwrap(), Path::new("/r/orchestrator"));
        let uses = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(
            edges.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), uses(&[])), ("b".to_owned(), uses(&[])), ("c".to_owned(), uses(&["a", "b"]))]
        );
    }
}
