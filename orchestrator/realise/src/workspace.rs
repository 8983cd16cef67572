//! What is known of a workspace: from cargo, which needs the toolchain and all sources, or from its manifests alone.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use xbuild_action::{Content, ContentExt as _, Entry, follow, lookup};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_cargo::{CrateType, LocalFiles, Members, Packages, manifest_in};
use xbuild_describe::{Member, OutputKind, Workspace};
use xbuild_fetch::source::lock::Lock;

use crate::error::RealiseError;
use crate::local::LocalSources;
use crate::project::configuration_texts;

/// The folders of a workspace's members, from its own in the sandbox.
#[must_use]
pub fn member_folders(packages: &Packages, workspace: &RelPath) -> Vec<RelPath> {
    let members = packages.iter().filter(|package| packages.is_member(&package.id));
    members.filter_map(|package| package.root.strip_prefix(workspace)).collect()
}

/// The names and versions of all packages of a lock.
///
/// # Errors
/// When a version is none.
pub fn locked_packages(lock: &Lock) -> Result<BTreeMap<String, BTreeSet<Version>>, RealiseError> {
    let mut known: BTreeMap<String, BTreeSet<Version>> = BTreeMap::new();
    for package in &lock.packages {
        let version = package.version.parse().map_err(|error| RealiseError::Source {
            problem: format!("Cargo.lock: the version `{}` of `{}`: {error}", package.version, package.name),
        })?;
        known.entry(package.name.clone()).or_default().insert(version);
    }
    Ok(known)
}

/// The profiles that the workspace's manifest and cargo's configuration name. What is wrong with these files is told by
/// whoever goes by them.
fn profiles(store: &dyn Content, local: &LocalSources) -> Result<BTreeSet<String>, RealiseError> {
    let mut texts: Vec<String> =
        configuration_texts(store, local)?.into_iter().map(|(_, _, text)| text).collect();
    if let Some(manifest) = follow(store, local.tree, &manifest_in(&local.workspace))?
        && let Some(Entry::File(file)) = lookup(store, local.tree, &manifest)?
    {
        texts.push(String::from_utf8_lossy(&store.get(file.digest)?).into_owned());
    }
    let tables = texts.iter().filter_map(|text| text.parse::<toml::Table>().ok());
    let named = tables.filter_map(|mut table| table.remove("profile")?.try_into::<toml::Table>().ok());
    Ok(named.flatten().map(|(name, _)| name).collect())
}

/// What an evaluation must know, as `cargo metadata` has it; the profiles, of which that says nothing, as the files do.
///
/// # Errors
/// When a version of the lock is none.
pub fn of_metadata(
    packages: &Packages,
    store: &dyn Content,
    local: &LocalSources,
    lock: &Lock,
) -> Result<Workspace, RealiseError> {
    // Cargo tells of no packages that only features need which are off; the description may name them.
    let mut workspace = Workspace {
        profiles: profiles(store, local)?,
        packages: locked_packages(lock)?,
        ..Workspace::default()
    };
    for package in packages.iter() {
        if !packages.is_member(&package.id) {
            continue;
        }
        if packages.default_members().contains(&package.id) {
            workspace.default_members.insert(package.name.clone());
        }
        let mut outputs = BTreeSet::new();
        for target in &package.targets {
            let executable = target.target_kind() == xbuild_cargo::TargetKind::Binary;
            let kinds = [
                (executable, OutputKind::Bin),
                (target.is_library() && target.crate_types.contains(&CrateType::Cdylib), OutputKind::Cdylib),
                (
                    target.is_library() && target.crate_types.contains(&CrateType::Staticlib),
                    OutputKind::Staticlib,
                ),
            ];
            for (_, kind) in kinds.into_iter().filter(|(there, _)| *there) {
                outputs.insert(xbuild_describe::Output {
                    package: package.name.clone(),
                    name: target.name.clone(),
                    kind,
                    required_features: target.required_features.iter().cloned().collect(),
                });
            }
        }
        let (features, dependencies) = (package.features.clone(), package.dependencies.clone());
        let member = Member { outputs, features, dependencies };
        workspace.members.insert(package.name.clone(), member);
    }
    Ok(workspace)
}

/// What an evaluation must know, as the manifests have it: the same, with nothing fetched and nothing run.
///
/// # Errors
/// When a manifest of a member is missing or is none, or a version of the lock is none.
pub fn of_manifests(
    store: &dyn Content,
    local: &LocalSources,
    lock: &Lock,
) -> Result<Workspace, RealiseError> {
    let Members { members, default_members } = local_files(store, local)?.members(&local.workspace)?;
    Ok(Workspace {
        members,
        default_members,
        profiles: profiles(store, local)?,
        packages: locked_packages(lock)?,
    })
}

/// The names of all local files, and the manifests among them.
pub(crate) fn local_files(store: &dyn Content, local: &LocalSources) -> Result<LocalFiles, RealiseError> {
    let mut found = LocalFiles::default();
    list(store, local.tree, (local.tree, &RelPath::root()), 0, &mut found)?;
    Ok(found)
}

/// So many links on the way to one file are followed.
const LINKS: usize = 8;

/// Lists a tree that lies at a path of the whole, with what links lead to as cargo sees it: as if it were there.
fn list(
    store: &dyn Content,
    whole: Digest<Tree>,
    (tree, path): (Digest<Tree>, &RelPath),
    links: usize,
    found: &mut LocalFiles,
) -> Result<(), RealiseError> {
    let directory = store.directory(tree)?;
    for (name, entry) in &directory.entries {
        let Ok(name) = RelPath::new(name.as_str()) else { continue };
        let path = path.join(&name);
        let (entry, links) = match entry {
            Entry::Symlink(_) if links < LINKS => {
                let Some(real) = follow(store, whole, &path)? else { continue };
                let Some(real) = lookup(store, whole, &real)? else { continue };
                (real, links + 1)
            }
            entry => (entry.clone(), links),
        };
        match entry {
            Entry::Directory(tree) => list(store, whole, (tree, &path), links, found)?,
            Entry::File(file) => {
                if path.file_name() == Some("Cargo.toml") {
                    let text = String::from_utf8_lossy(&store.get(file.digest)?).into_owned();
                    found.manifests.insert(path.clone(), text);
                }
                found.files.insert(path);
            }
            Entry::Symlink(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xbuild_action::{ContentExt as _, File, Memory, TreeBuilder};

    use super::*;

    #[test]
    fn profiles_are_those_of_the_workspace_s_manifest_and_of_cargo_s_configuration() {
        let store = Memory::default();
        let path = |text: &str| RelPath::new(text).unwrap();
        let mut tree = TreeBuilder::default();
        for (at, text) in [
            ("build/ws/Cargo.toml", "[workspace]\n[profile.small]\ninherits = \"release\"\n"),
            ("build/ws/member/Cargo.toml", "[profile.passed-over]\n"),
            ("build/ws/.cargo/config.toml", "[profile.fast]\ninherits = \"release\"\n"),
            ("build/.cargo/config", "[profile.above]\n[profile.dev]\ndebug = 0\n"),
        ] {
            let file = File { digest: store.put(text.as_bytes()).unwrap(), executable: false };
            tree.insert(&store, &path(at), Entry::File(file)).unwrap();
        }
        let local = LocalSources { workspace: path("build/ws"), tree: tree.build(&store).unwrap() };
        let found = profiles(&store, &local).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["above", "dev", "fast", "small"]);
    }
}
