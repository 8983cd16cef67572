//! The project's own sources: which files they are, and where they lie in the sandbox.
//!
//! The workspace lies at `build/ws`. Where manifests lead outside it (`path = "../../shared"`), it lies as many
//! levels deeper as they go up, so that every relative path between local packages stays what it is, while the
//! name of the workspace's own folder and of those above it are no part of any key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use xbuild_action::{Entry, TreeBuilder};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_cargo::is_of_builds;
use xbuild_store::Disk;

use crate::error::RealiseError;
use crate::tracked::tracked;

/// Cargo's configuration: the older name, and the usual one.
pub(crate) const CONFIGURATION: [&str; 2] = [".cargo/config", ".cargo/config.toml"];

/// What is xbuild's own in a workspace's root: descriptions and results, never sources.
const NOT_SOURCES: [&str; 6] = ["target", "result", ".git", "xbuild.toml", "xbuild.lock", ".xbuild"];

/// The local sources of a project, as one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSources {
    /// Where the workspace's root lies in the sandbox.
    pub workspace: RelPath,
    /// All local sources, from the sandbox's root.
    pub tree: Digest<Tree>,
}

/// Which files of a folder are sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing<'t> {
    /// Those that git tracks or does not ignore; outside git all but build results: people work there.
    Kept,
    /// All but build results: they are a commit's, laid out in this folder, absolute and without links. Nothing outside of it
    /// is a source.
    Whole(&'t Path),
}

impl Listing<'_> {
    /// Refuses a folder outside of a commit. `path` is what leads there.
    fn check(self, host: &Path, path: &str) -> Result<(), RealiseError> {
        let Self::Whole(top) = self else { return Ok(()) };
        match fs_err::canonicalize(host) {
            Ok(place) if !place.starts_with(top) => Err(RealiseError::Source {
                problem: format!("the path `{path}` of a manifest leads outside of the commit that has it"),
            }),
            // That it is not there is cargo's to report, with its own words.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// A folder of sources on the host.
#[derive(Debug)]
struct Folder {
    host: PathBuf,
    /// Its path from the workspace's root, in words: `../../glaze`, or `` for the root itself.
    relative: String,
    files: Vec<RelPath>,
}

impl LocalSources {
    /// Lists and imports the sources of the workspace whose root manifest lies in `root`.
    ///
    /// # Errors
    /// When a file can't be read, or is neither a file, a folder nor a relative link; when a manifest of a commit leads
    /// outside of it.
    pub fn import(store: &Disk, root: &Path, listing: Listing<'_>) -> Result<Self, RealiseError> {
        let mut folders = folders(root, listing)?;
        folders.extend(configurations_above(root, listing)?);
        let climbs = folders.iter().map(|folder| climb(&folder.relative)).max().unwrap_or(0);
        let mut workspace = RelPath::new("build").map_err(path_error)?;
        for _ in 0..climbs {
            workspace = workspace.resolve("up").map_err(path_error)?;
        }
        workspace = workspace.resolve("ws").map_err(path_error)?;

        let mut builder = TreeBuilder::default();
        for folder in &folders {
            let place = workspace.resolve(&folder.relative).map_err(path_error)?;
            let tree = store.import(&folder.host, folder.files.iter().cloned())?.tree;
            builder.insert(store, &place, Entry::Directory(tree))?;
        }
        Ok(Self { workspace, tree: builder.build(store)? })
    }
}

fn path_error(error: xbuild_base::PathError) -> RealiseError {
    RealiseError::Source { problem: error.to_string() }
}

/// How many levels above the workspace a relative path leads.
fn climb(relative: &str) -> usize {
    relative.split('/').take_while(|part| *part == "..").count()
}

/// The workspace's folder, and every folder outside it that a manifest leads to.
fn folders(root: &Path, listing: Listing<'_>) -> Result<Vec<Folder>, RealiseError> {
    let mut folders = vec![folder(root, String::new(), listing)?];
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut next = 0;
    while next < folders.len() {
        let (host, relative, files) = {
            let folder: &Folder = &folders[next];
            (folder.host.clone(), folder.relative.clone(), folder.files.clone())
        };
        next += 1;
        for manifest in files.iter().filter(|file| file.file_name() == Some("Cargo.toml")) {
            let text = fs_err::read_to_string(host.join(manifest.as_str()))
                .map_err(RealiseError::io("read a manifest"))?;
            // A manifest that is no TOML is cargo's to report, with its own words.
            let Ok(document) = text.parse::<toml::Table>() else { continue };
            let mut paths = Vec::new();
            dependency_paths(&document, &mut paths);
            let folder_of_manifest = manifest.parent().unwrap_or_default();
            for path in paths {
                let Some(outside) = normalise(&relative, folder_of_manifest.as_str(), &path) else {
                    continue;
                };
                if !known.insert(outside.clone()) {
                    continue;
                }
                let host = root.join(&outside);
                listing.check(&host, &path)?;
                if host.join("Cargo.toml").is_file() {
                    folders.extend(workspace_manifest_above(root, &outside)?);
                    folders.push(folder(&host, outside, listing)?);
                }
            }
        }
    }
    Ok(folders)
}

/// Cargo's configuration in the folders above the workspace that belong to the same repository, where a build goes by it.
/// What lies further up is the machine's.
fn configurations_above(root: &Path, listing: Listing<'_>) -> Result<Vec<Folder>, RealiseError> {
    let root = fs_err::canonicalize(root).map_err(RealiseError::io("find the workspace's folder"))?;
    let is_top = |folder: &Path| match listing {
        Listing::Kept => folder.join(".git").exists(),
        Listing::Whole(top) => folder == top,
    };
    let Some(levels) = root.ancestors().position(is_top) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (level, above) in root.ancestors().enumerate().take(levels + 1).skip(1) {
        // The older name wins.
        let Some(name) = CONFIGURATION.into_iter().find(|name| above.join(name).is_file()) else { continue };
        let text = fs_err::read_to_string(above.join(name))
            .map_err(RealiseError::io("read cargo's configuration"))?;
        if is_of_builds(&text) {
            let relative = vec![".."; level].join("/");
            let files = vec![RelPath::new(name).map_err(path_error)?];
            found.push(Folder { host: above.to_owned(), relative, files });
        }
    }
    Ok(found)
}

/// `base/folder/path` in words, when it leads outside the workspace.
fn normalise(base: &str, folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(folder.split('/')).chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    (!path.starts_with('/') && parts.first() == Some(&"..")).then(|| parts.join("/"))
}

/// The manifest of another workspace that an outside package belongs to: it may inherit from it.
fn workspace_manifest_above(root: &Path, outside: &str) -> Result<Option<Folder>, RealiseError> {
    let own = fs_err::read_to_string(root.join(outside).join("Cargo.toml"))
        .map_err(RealiseError::io("read a manifest"))?;
    let is_workspace =
        |text: &str| text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("workspace"));
    if is_workspace(&own) {
        return Ok(None);
    }
    let mut relative = outside;
    while let Some((above, _)) = relative.rsplit_once('/') {
        if above.rsplit('/').next() == Some("..") {
            break;
        }
        relative = above;
        let host = root.join(relative);
        let Ok(text) = fs_err::read_to_string(host.join("Cargo.toml")) else { continue };
        if is_workspace(&text) {
            let files = vec![RelPath::new("Cargo.toml").map_err(path_error)?];
            return Ok(Some(Folder { host, relative: relative.to_owned(), files }));
        }
    }
    Ok(None)
}

/// Every `path` of a dependency table, wherever one may stand in a manifest.
fn dependency_paths(table: &toml::Table, paths: &mut Vec<String>) {
    for (key, value) in table {
        let Some(below) = value.as_table() else { continue };
        let is_dependencies = matches!(
            key.as_str(),
            "dependencies"
                | "dev-dependencies"
                | "build-dependencies"
                | "dev_dependencies"
                | "build_dependencies"
        );
        if is_dependencies || key == "patch" || key == "replace" {
            let tables = if key == "patch" {
                below.values().filter_map(toml::Value::as_table).collect()
            } else {
                vec![below]
            };
            let dependencies = tables.into_iter().flat_map(|table| table.values());
            paths.extend(
                dependencies.filter_map(|dependency| Some(dependency.get("path")?.as_str()?.to_owned())),
            );
        } else if matches!(key.as_str(), "target" | "workspace") {
            dependency_paths(below, paths);
            for nested in below.values().filter_map(toml::Value::as_table) {
                dependency_paths(nested, paths);
            }
        }
    }
}

/// Lists a folder's sources.
fn folder(host: &Path, relative: String, listing: Listing<'_>) -> Result<Folder, RealiseError> {
    let mut files = Vec::new();
    let is_kept = listing == Listing::Kept;
    let walk = WalkBuilder::new(host)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .git_ignore(is_kept)
        .git_exclude(is_kept)
        .parents(is_kept)
        .filter_entry(|entry| {
            let name = entry.file_name().to_str();
            !(name == Some(".git")
                || (entry.depth() == 1 && name.is_some_and(|name| NOT_SOURCES.contains(&name))))
        })
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| RealiseError::Source { problem: error.to_string() })?;
        if entry.file_type().is_none_or(|kind| kind.is_dir()) {
            continue;
        }
        let below = entry.path().strip_prefix(host).unwrap_or(entry.path());
        let text = below.to_str().ok_or_else(|| RealiseError::Source {
            problem: format!("the name of {} is not UTF-8", entry.path().display()),
        })?;
        files.push(RelPath::new(text).map_err(path_error)?);
    }
    // What lies at the top and is no source isn't one by being tracked.
    let is_source = |path: &RelPath| path.components().next().is_some_and(|top| !NOT_SOURCES.contains(&top));
    if is_kept {
        files.extend(tracked(host)?.into_iter().filter(is_source));
    }
    files.sort();
    files.dedup();
    Ok(Folder { host: host.to_owned(), relative, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    #[test]
    fn outside_packages_are_found_through_manifests_and_keep_their_relative_places() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            "a/app/Cargo.toml",
            "[workspace]\nmembers=[\"x\"]\n[workspace.dependencies]\ng={path=\"../../glaze\"}",
        );
        write(
            dir.path(),
            "a/app/x/Cargo.toml",
            "[package]\nname=\"x\"\n[target.'cfg(unix)'.dependencies]\ny={path=\"../../y\"}",
        );
        write(dir.path(), "a/app/target/junk", "");
        write(dir.path(), "a/y/Cargo.toml", "[package]\nname=\"y\"");
        write(dir.path(), "glaze/Cargo.toml", "[package]\nname=\"glaze\"\n[dependencies]\nz={path=\"../z\"}");
        write(dir.path(), "z/Cargo.toml", "[package]\nname=\"z\"");
        let folders = folders(&dir.path().join("a/app"), Listing::Kept).unwrap();
        let places: Vec<&str> = folders.iter().map(|folder| folder.relative.as_str()).collect();
        assert_eq!(places, ["", "../../glaze", "../y", "../../z"]);
        assert_eq!(folders[0].files.len(), 2, "the target folder is no source");
    }

    #[test]
    fn configuration_above_the_workspace_counts_as_far_as_the_repository_reaches() {
        let dir = tempfile::tempdir().unwrap();
        let (top, root) = (dir.path().join("repository"), dir.path().join("repository/rust/app"));
        write(&root, "Cargo.toml", "[package]\nname=\"app\"");
        write(&root, ".cargo/config.toml", "");
        write(&top, ".cargo/config.toml", "[env]\nA = \"1\"\n");
        write(&top, ".cargo/other", "");
        write(&top, "rust/.cargo/config.toml", "[alias]\nx = \"run\"\n");
        write(dir.path(), ".cargo/config.toml", "[env]\nB = \"1\"\n");
        let found = |listing| -> Vec<(String, usize)> {
            let folders = configurations_above(&root, listing).unwrap();
            folders.into_iter().map(|folder| (folder.relative, folder.files.len())).collect()
        };
        assert_eq!(found(Listing::Kept), [], "no repository");
        fs_err::create_dir(top.join(".git")).unwrap();
        assert_eq!(found(Listing::Kept), [("../..".to_owned(), 1)]);
        let laid_out = fs_err::canonicalize(&top).unwrap();
        assert_eq!(found(Listing::Whole(&laid_out)), [("../..".to_owned(), 1)]);
        fs_err::create_dir(root.join(".git")).unwrap();
        assert_eq!(found(Listing::Kept), [], "the workspace is the repository");
    }

    #[test]
    fn a_tracked_file_is_a_source_though_a_pattern_ignores_it() {
        let dir = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let status = std::process::Command::new("git").args(arguments).current_dir(dir.path()).status();
            assert!(status.unwrap().success(), "git {arguments:?}");
        };
        git(&["init", "--quiet"]);
        for path in ["Cargo.toml", "src/made.rs", "src/junk.o", "src/kept.o", "target/tracked"] {
            write(dir.path(), path, "");
        }
        write(dir.path(), ".gitignore", "*.o\n");
        git(&["add", "--force", "src/kept.o", "target/tracked"]);
        let files = |listing| -> Vec<String> {
            let files = folder(dir.path(), String::new(), listing).unwrap().files;
            files.iter().map(ToString::to_string).collect()
        };
        assert_eq!(files(Listing::Kept), [".gitignore", "Cargo.toml", "src/kept.o", "src/made.rs"]);
        // Of a commit that is laid out nothing is ignored, wherever it lies.
        let whole = [".gitignore", "Cargo.toml", "src/junk.o", "src/kept.o", "src/made.rs"];
        assert_eq!(files(Listing::Whole(dir.path())), whole);
    }

    #[test]
    fn a_commit_leads_to_folders_of_its_own_alone() {
        let dir = tempfile::tempdir().unwrap();
        let depends = |path: &str| {
            let text = format!("[package]\nname=\"app\"\n[dependencies]\nx={{path=\"{path}\"}}");
            write(dir.path(), "commit/app/Cargo.toml", &text);
        };
        write(dir.path(), "commit/x/Cargo.toml", "[package]\nname=\"x\"");
        write(dir.path(), "x/Cargo.toml", "[package]\nname=\"x\"");
        std::os::unix::fs::symlink("../x", dir.path().join("commit/link")).unwrap();
        let top = fs_err::canonicalize(dir.path().join("commit")).unwrap();
        let found = || folders(&top.join("app"), Listing::Whole(&top));
        depends("../x");
        assert_eq!(found().unwrap().len(), 2);
        for outside in ["../../x", "../link"] {
            depends(outside);
            let error = found().unwrap_err().to_string();
            assert!(error.contains("outside of the commit"), "{outside}: {error}");
        }
    }

    #[test]
    fn a_package_of_another_workspace_brings_that_workspaces_manifest() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            "app/Cargo.toml",
            "[package]\nname=\"app\"\n[dependencies]\nx={path=\"../other/x\"}",
        );
        write(dir.path(), "other/Cargo.toml", "[workspace]\nmembers=[\"x\"]");
        write(dir.path(), "other/x/Cargo.toml", "[package]\nname=\"x\"\nversion.workspace=true");
        let folders = folders(&dir.path().join("app"), Listing::Kept).unwrap();
        let places: Vec<(&str, usize)> =
            folders.iter().map(|f| (f.relative.as_str(), f.files.len())).collect();
        assert_eq!(places, [("", 1), ("../other", 1), ("../other/x", 1)]);
    }
}
