//! The loader and the shared libraries that dynamic programs need: found as the loader finds them, file by file,
//! in the pinned runtime packages of the target, and nothing else of these packages.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use xbuild_action::{Content, Entry};
use xbuild_base::{Blob, Digest, RelPath, Tree};

use crate::elf::{self, Elf, Machine};
use crate::error::ImageError;
use crate::rootfs::{Node, Role, RootFs};

/// Where libraries go: a folder in which glibc's and musl's loaders look without being told.
const FOLDER: &str = "lib";

/// Where a target's runtime libraries are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libraries {
    /// The trees of the target's sysroot, and those of packages for it.
    pub trees: Vec<Digest<Tree>>,
    /// The folders in them that have the libraries and the loader, in the order in which they are looked at.
    pub folders: Vec<RelPath>,
}

impl Libraries {
    /// The file of a library's name, through links beside it.
    fn find(&self, store: &dyn Content, name: &str) -> Result<Option<Digest<Blob>>, ImageError> {
        let places =
            self.trees.iter().flat_map(|tree| self.folders.iter().map(move |folder| (*tree, folder)));
        for (tree, folder) in places {
            let Some(folder) = descend(store, tree, folder)? else { continue };
            let entries = &store.directory(folder)?.entries;
            let mut name = name;
            for _ in 0..8 {
                match entries.get(name) {
                    Some(Entry::File(file)) => return Ok(Some(file.digest)),
                    Some(Entry::Symlink(target)) => name = target,
                    Some(Entry::Directory(_)) | None => break,
                }
            }
        }
        Ok(None)
    }
}

/// The folder at a path of a tree, if there is one.
pub(crate) fn descend(
    store: &dyn Content,
    tree: Digest<Tree>,
    path: &RelPath,
) -> Result<Option<Digest<Tree>>, ImageError> {
    let mut tree = tree;
    for part in path.components() {
        match store.directory(tree)?.entries.get(part) {
            Some(Entry::Directory(below)) => tree = *below,
            _ => return Ok(None),
        }
    }
    Ok(Some(tree))
}

/// Adds to an image what the programs in it need: the loader at the path that they name, and each library once; and
/// with the same care the libraries of `dlopen`, which programs load by name while they run.
/// What is in the image already at a place where the loader looks is used as it is.
///
/// Gives notes on what may be missing at run time, and that nothing in the files tells.
///
/// # Errors
/// [`ImageError::NoLibrary`] and [`ImageError::NoVersion`] when the runtime doesn't have what is needed;
/// [`ImageError::Unreadable`].
pub fn add_libraries(
    store: &dyn Content,
    root: &mut RootFs,
    libraries: Option<&Libraries>,
    dlopen: &BTreeSet<String>,
) -> Result<Vec<String>, ImageError> {
    // Each file that was looked at: its path, and what it says.
    let mut known: BTreeMap<RelPath, Elf> = BTreeMap::new();
    let own = root.nodes().filter(|(path, node)| node.role != Role::Pulled && looks_linked(path, node));
    for path in own.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
        if let Some(elf) = look_at(store, root, &path)? {
            known.insert(path, elf);
        }
    }
    let mut pending: Vec<RelPath> = known.keys().cloned().collect();
    // Loaders first: a library may need one by its name, wherever programs have it.
    for (path, elf) in &known {
        pending.extend(add_loader(store, root, libraries, path, elf)?);
    }
    for name in dlopen {
        pending.push(supply(store, root, libraries, name, "the description's `dlopen`")?);
    }
    let mut done = BTreeSet::new();
    while let Some(path) = pending.pop() {
        if !done.insert(path.clone()) {
            continue;
        }
        let elf = match known.get(&path).cloned() {
            Some(elf) => elf,
            None => match look_at(store, root, &path)? {
                Some(elf) => elf,
                None => continue,
            },
        };
        for name in &elf.needed {
            let at = match place(store, root, &path, &elf, name)? {
                Some(at) => at,
                None => supply(store, root, libraries, name, &format!("/{path}"))?,
            };
            pending.push(led_to(root, at));
        }
        known.insert(path, elf);
    }
    check_versions(store, root, &known)?;
    Ok(notes(root, &known, dlopen))
}

/// Adds the loader that a program names, if it is not there. Gives its path.
fn add_loader(
    store: &dyn Content,
    root: &mut RootFs,
    libraries: Option<&Libraries>,
    program: &RelPath,
    elf: &Elf,
) -> Result<Option<RelPath>, ImageError> {
    let Some(loader) = &elf.interpreter else { return Ok(None) };
    let at = RelPath::root().resolve(loader.trim_start_matches('/'))?;
    if root.file(&at).is_none() {
        let needer = format!("/{program}");
        let digest = find(store, libraries, &needer, at.file_name().unwrap_or_default())?;
        root.add(at.clone(), library(digest, format!("it loads {needer}")))?;
    }
    Ok(Some(led_to(root, at)))
}

/// What may be a program or a library: data of any size need not be read.
fn looks_linked(path: &RelPath, node: &Node) -> bool {
    node.blob().is_some()
        && (node.mode & 0o111 != 0 || path.file_name().is_some_and(|name| name.contains(".so")))
}

/// What a file of the image says, when it is an ELF file. Little of it is read.
fn look_at(store: &dyn Content, root: &RootFs, path: &RelPath) -> Result<Option<Elf>, ImageError> {
    let Some(digest) = root.get(path).and_then(Node::blob) else { return Ok(None) };
    let Some(machine) = machine(store, digest)? else { return Ok(None) };
    let unreadable = |problem| ImageError::Unreadable { path: format!("/{path}"), problem };
    let elf = elf::read(&object::ReadCache::new(store.open_blob(digest)?)).map_err(unreadable)?;
    Ok(elf.map(|elf| Elf { machine, ..elf }))
}

/// For which kind of processor an ELF file is: its class, byte order and machine. `None` when it is no ELF file.
fn machine(store: &dyn Content, digest: Digest<Blob>) -> Result<Option<Machine>, ImageError> {
    let mut start = Vec::new();
    store
        .open_blob(digest)?
        .take(20)
        .read_to_end(&mut start)
        .map_err(ImageError::io("read", digest.to_hex()))?;
    let is_elf = start.len() == 20 && start.starts_with(&elf::MAGIC);
    Ok(is_elf.then(|| [start[4], start[5], start[18], start[19]]))
}

/// Puts a library of the runtime where the loader looks, if it is not there. Gives its path.
fn supply(
    store: &dyn Content,
    root: &mut RootFs,
    libraries: Option<&Libraries>,
    name: &str,
    needer: &str,
) -> Result<RelPath, ImageError> {
    let at = RelPath::new(format!("{FOLDER}/{name}"))?;
    if root.file(&at).is_none() {
        let digest = find(store, libraries, needer, name)?;
        root.add(at.clone(), library(digest, format!("{needer} needs it")))?;
    }
    Ok(led_to(root, at))
}

/// What programs may miss when they run. glibc has the look-ups of files and DNS in itself since 2.34.
fn notes(root: &RootFs, known: &BTreeMap<RelPath, Elf>, dlopen: &BTreeSet<String>) -> Vec<String> {
    const SWITCH: [&str; 2] = ["libnss_files.so.2", "libnss_dns.so.2"];
    let is_own = |path: &RelPath| {
        root.get(path).is_some_and(|node| matches!(node.role, Role::Assets | Role::Application))
    };
    let own = |calls: fn(&Elf) -> bool| -> Option<String> {
        let programs = known.iter().filter(|(path, elf)| is_own(path) && calls(elf));
        let programs: Vec<String> = programs.map(|(path, _)| format!("/{path}")).collect();
        (!programs.is_empty()).then(|| programs.join(", "))
    };
    let is_old = known
        .iter()
        .any(|(path, elf)| path.file_name() == Some("libc.so.6") && !elf.has.contains("GLIBC_2.34"));
    let mut notes = Vec::new();
    let missing: Vec<String> = SWITCH
        .iter()
        .filter(|name| !known.keys().any(|path| path.file_name() == Some(name)))
        .map(|name| format!("\"{name}\""))
        .collect();
    if let Some(programs) = own(|elf| elf.looks_up).filter(|_| is_old && !missing.is_empty()) {
        let missing = missing.join(", ");
        notes.push(format!(
            "{programs}: looks up users or hosts, for which this glibc loads libraries by name that are not in the \
             image; where it must work: dlopen = [{missing}]"
        ));
    }
    if let Some(programs) = own(|elf| elf.loads).filter(|_| dlopen.is_empty()) {
        notes.push(format!(
            "{programs}: loads libraries by name while it runs; which ones can't be seen, and none is in the image \
             for it; where it needs some: dlopen = [\"lib….so.1\"]"
        ));
    }
    notes
}

/// The file behind a path, through links.
fn led_to(root: &RootFs, at: RelPath) -> RelPath {
    root.file(&at).map(|(file, _)| file).unwrap_or(at)
}

fn library(digest: Digest<Blob>, why: String) -> Node {
    Node::file(digest, 0o755, Role::Libraries, why)
}

fn find(
    store: &dyn Content,
    libraries: Option<&Libraries>,
    needer: &str,
    name: &str,
) -> Result<Digest<Blob>, ImageError> {
    let found = match libraries {
        Some(libraries) => libraries.find(store, name)?,
        None => None,
    };
    found.ok_or_else(|| ImageError::NoLibrary { needer: needer.to_owned(), library: name.to_owned() })
}

/// Where a library is in the image already: at one of the places that its needer names, where loaders look of
/// themselves, or under the loader's own name, which some libraries need. One for another processor is passed over.
fn place(
    store: &dyn Content,
    root: &RootFs,
    needer: &RelPath,
    elf: &Elf,
    name: &str,
) -> Result<Option<RelPath>, ImageError> {
    if let Some(path) = name.strip_prefix('/') {
        // A path, not a name to look for.
        return Ok(root.file(&RelPath::root().resolve(path)?).map(|(at, _)| at));
    }
    let fits = |digest: Digest<Blob>| Ok::<bool, ImageError>(machine(store, digest)? == Some(elf.machine));
    let origin = needer.parent().map(|folder| folder.in_sandbox()).unwrap_or_default();
    for folder in &elf.search {
        let folder = folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
        let Some(folder) = folder.strip_prefix('/') else { continue };
        let Ok(folder) = RelPath::root().resolve(folder) else { continue };
        if let Some((at, node)) = root.file(&folder.join(&RelPath::new(name)?))
            && let Some(blob) = node.blob()
            && fits(blob)?
        {
            return Ok(Some(at));
        }
    }
    for (path, node) in root.nodes().filter(|(path, _)| path.file_name() == Some(name)) {
        let is_looked_at = match node.role {
            Role::Libraries => true,
            _ => is_library_folder(&path.parent().unwrap_or_default()),
        };
        if is_looked_at
            && let Some((at, file)) = root.file(path)
            && let Some(blob) = file.blob()
            && fits(blob)?
        {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Whether loaders of distributions look in a folder without being told: `lib`, `usr/lib64`, `usr/lib/<triple>`.
fn is_library_folder(folder: &RelPath) -> bool {
    let mut parts: Vec<&str> = folder.components().collect();
    if parts.first() == Some(&"usr") {
        parts.remove(0);
    }
    match parts.as_slice() {
        [lib] => ["lib", "lib64"].contains(lib),
        [lib, triple] => *lib == "lib" && triple.contains("-linux-"),
        _ => false,
    }
}

/// Checks that each library has the versions that are needed of it.
fn check_versions(
    store: &dyn Content,
    root: &RootFs,
    known: &BTreeMap<RelPath, Elf>,
) -> Result<(), ImageError> {
    for (path, elf) in known {
        for (library, versions) in &elf.needs {
            let Some(at) = place(store, root, path, elf, library)? else { continue };
            let Some(has) = known.get(&at).map(|library| &library.has) else { continue };
            // glibc asks nothing of a library that has no versions at all.
            if has.is_empty() {
                continue;
            }
            if let Some(version) = versions.iter().find(|version| !has.contains(*version)) {
                return Err(ImageError::NoVersion {
                    needer: format!("/{path}"),
                    library: library.clone(),
                    at: format!("/{at}"),
                    version: version.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xbuild_action::{ContentExt as _, File, Memory, TreeBuilder};

    use super::*;
    use crate::rootfs::tests::path;

    /// The shared libraries that this test itself has loaded, the loader among them: name → bytes.
    fn loaded() -> BTreeMap<String, Vec<u8>> {
        let maps = fs_err::read_to_string("/proc/self/maps").unwrap();
        let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        let libraries = files.filter(|file| file.contains(".so"));
        libraries
            .map(|file| (file.rsplit('/').next().unwrap().to_owned(), fs_err::read(file).unwrap()))
            .collect()
    }

    /// This test as the only program of an image, and a runtime of these libraries.
    fn image(store: &Memory, libraries: &BTreeMap<String, Vec<u8>>) -> (RootFs, Libraries) {
        let this = fs_err::read(std::env::current_exe().unwrap()).unwrap();
        let digest = store.put(&this).unwrap();
        let mut root = RootFs::default();
        root.add(path("bin/test"), Node::file(digest, 0o755, Role::Application, "the program")).unwrap();
        let mut tree = TreeBuilder::default();
        for (name, bytes) in libraries {
            let file = File { digest: store.put(bytes).unwrap(), executable: false };
            tree.insert(store, &path("usr/cross/lib/real").join(&path(name)), Entry::File(file)).unwrap();
        }
        // As packages have them: names that lead to files beside them, and much that nobody needs.
        let folder = path("usr/cross/lib");
        for (name, bytes) in libraries {
            let file = File { digest: store.put(bytes).unwrap(), executable: false };
            tree.insert(store, &folder.join(&path(&format!("{name}.real"))), Entry::File(file)).unwrap();
            let link = Entry::Symlink(format!("{name}.real"));
            tree.insert(store, &folder.join(&path(name)), link).unwrap();
        }
        let other = File { digest: store.put(b"not needed").unwrap(), executable: false };
        tree.insert(store, &folder.join(&path("libother.so.1")), Entry::File(other)).unwrap();
        let folders = vec![path("usr/other/lib"), folder];
        (root, Libraries { trees: vec![tree.build(store).unwrap()], folders })
    }

    #[test]
    fn a_program_gets_its_loader_and_libraries_and_nothing_else() {
        let store = Memory::default();
        let loaded = loaded();
        let (mut root, libraries) = image(&store, &loaded);
        add_libraries(&store, &mut root, Some(&libraries), &BTreeSet::new()).unwrap();
        let found: Vec<&str> = root
            .nodes()
            .filter(|(_, node)| node.role == Role::Libraries)
            .map(|(path, _)| path.file_name().unwrap())
            .collect();
        let mut expected: Vec<&str> = loaded.keys().map(String::as_str).collect();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        let libc = root.get(&path("lib/libc.so.6")).unwrap();
        assert!(libc.why.contains("needs it"), "{libc:?}");
    }

    #[test]
    fn a_library_that_is_missing_is_named_with_who_needs_it() {
        let store = Memory::default();
        let mut loaded = loaded();
        loaded.remove("libc.so.6");
        let (mut root, libraries) = image(&store, &loaded);
        let error = add_libraries(&store, &mut root, Some(&libraries), &BTreeSet::new()).unwrap_err();
        assert!(matches!(&error, ImageError::NoLibrary { library, .. } if library == "libc.so.6"), "{error}");
        let error = add_libraries(&store, &mut root, None, &BTreeSet::new()).unwrap_err();
        assert!(matches!(error, ImageError::NoLibrary { .. }), "{error}");
    }

    #[test]
    fn a_library_without_the_versions_that_are_needed_is_refused() {
        let store = Memory::default();
        let mut loaded = loaded();
        // It has versions, and none of glibc's.
        let other = loaded["libgcc_s.so.1"].clone();
        loaded.insert("libc.so.6".to_owned(), other);
        let (mut root, libraries) = image(&store, &loaded);
        let error = add_libraries(&store, &mut root, Some(&libraries), &BTreeSet::new()).unwrap_err();
        assert!(
            matches!(&error, ImageError::NoVersion { library, version, .. }
                if library == "libc.so.6" && version.starts_with("GLIBC_")),
            "{error}"
        );
    }

    #[test]
    fn a_search_path_goes_before_the_places_that_loaders_know() {
        let store = Memory::default();
        let mut root = RootFs::default();
        let this = store.put(&fs_err::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
        let library = store.put(&loaded()["libc.so.6"]).unwrap();
        let mut other = loaded()["libc.so.6"].clone();
        other[18] = 0xff;
        let other = store.put(&other).unwrap();
        root.add(path("opt/bin/foo"), Node::file(this, 0o755, Role::Assets, "")).unwrap();
        for (at, digest) in [
            ("opt/other/libx.so.1", other),
            ("opt/lib/own/libx.so.1", library),
            ("usr/lib/i386-linux-gnu/libx.so.1", other),
            ("usr/lib/x86_64-linux-gnu/libx.so.1", library),
        ] {
            root.add(path(at), Node::file(digest, 0o644, Role::Assets, "")).unwrap();
        }
        let place = |search: &[&str]| {
            let search = search.iter().map(|&folder| folder.to_owned()).collect();
            let machine = machine(&store, this).unwrap().unwrap();
            let elf = Elf { search, machine, ..Elf::default() };
            place(&store, &root, &path("opt/bin/foo"), &elf, "libx.so.1").unwrap().unwrap()
        };
        let own = path("opt/lib/own/libx.so.1");
        assert_eq!(place(&["$ORIGIN/../lib/own"]), own);
        assert_eq!(place(&["relative", "/gone", "${ORIGIN}/../lib/own"]), own);
        assert_eq!(place(&["/opt/other", "/opt/lib/own"]), own, "one for another processor is passed over");
        assert_eq!(place(&[]), path("usr/lib/x86_64-linux-gnu/libx.so.1"));
    }

    #[test]
    fn a_library_loaded_by_name_comes_when_it_is_listed() {
        let store = Memory::default();
        let (mut root, libraries) = image(&store, &loaded());
        let library = store.put(&loaded()["libgcc_s.so.1"]).unwrap();
        let mut tree = TreeBuilder::from_tree(libraries.trees[0]);
        let entry = Entry::File(File { digest: library, executable: false });
        tree.insert(&store, &libraries.folders[1].join(&path("libplugin.so.1")), entry).unwrap();
        let libraries = Libraries { trees: vec![tree.build(&store).unwrap()], ..libraries };
        let listed = ["libplugin.so.1".to_owned()].into();
        add_libraries(&store, &mut root, Some(&libraries), &listed).unwrap();
        assert!(root.get(&path("lib/libplugin.so.1")).unwrap().why.contains("`dlopen`"));
        let gone = ["libnowhere.so.1".to_owned()].into();
        let error = add_libraries(&store, &mut root, Some(&libraries), &gone).unwrap_err();
        assert!(error.to_string().contains("libnowhere.so.1"), "{error}");
    }

    #[test]
    fn what_may_be_missing_at_run_time_is_told() {
        let elf = |has: &[&str]| Elf { has: has.iter().map(|&v| v.to_owned()).collect(), ..Elf::default() };
        let mut root = RootFs::default();
        root.add(path("bin/foo"), Node::file(Digest::of(b""), 0o755, Role::Application, "")).unwrap();
        root.add(path("lib/libc.so.6"), Node::file(Digest::of(b""), 0o755, Role::Libraries, "")).unwrap();
        let program = Elf { loads: true, looks_up: true, ..Elf::default() };
        let of = |libc: &[&str], dlopen: &[&str]| {
            let known = [(path("bin/foo"), program.clone()), (path("lib/libc.so.6"), elf(libc))].into();
            notes(&root, &known, &dlopen.iter().map(|&name| name.to_owned()).collect()).join("\n")
        };
        let old = of(&["GLIBC_2.2.5"], &[]);
        assert!(
            old.contains("/bin/foo: looks up")
                && old.contains("libnss_files.so.2")
                && old.contains("by name while")
        );
        let new = of(&["GLIBC_2.2.5", "GLIBC_2.34"], &["libx.so.1"]);
        assert_eq!(new, "");
    }

    #[test]
    fn a_script_needs_nothing() {
        let store = Memory::default();
        let digest = store.put(b"#!/bin/sh\n").unwrap();
        let mut root = RootFs::default();
        root.add(path("bin/script"), Node::file(digest, 0o755, Role::Application, "")).unwrap();
        let before = root.clone();
        add_libraries(&store, &mut root, None, &BTreeSet::new()).unwrap();
        assert_eq!(root, before);
    }
}
