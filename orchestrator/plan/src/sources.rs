//! All sources of a project, local and fetched, at their places in the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use xbuild_action::{
    Content, ContentExt as _, Directory, Entry, File, TreeBuilder, TreeError, follow, lookup,
};
use xbuild_base::{Digest, RelPath, Sha256, Tree};
use xbuild_cargo::git_folders;

use crate::places;
use crate::skeleton::skeleton;

/// A package that was fetched from a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendored {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The checksum of its archive, as `Cargo.lock` has it; a package of a git repository has none.
    pub checksum: Option<Sha256>,
    /// Its files.
    pub tree: Digest<Tree>,
    /// Whether they only stand in for its own, which were not fetched: no graph may lead to it.
    pub is_stand_in: bool,
}

/// Where cargo takes packages of a folder to come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The default registry.
    CratesIo,
    /// Another one: its source as `Cargo.lock` has it, such as `registry+https://…`.
    Registry(String),
    /// A git repository that the project's configuration replaces with a folder.
    Git {
        /// Its address.
        url: String,
        /// What the manifest asks for, as `(branch | tag | rev, value)`; `None` is the default branch.
        reference: Option<(String, String)>,
    },
}

/// A registry, or what stands for one, and what was fetched of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// What it is to cargo.
    pub origin: Origin,
    /// The name under which cargo's configuration speaks of it, if it does: cargo takes no second definition.
    pub name: Option<String>,
    /// Its packages.
    pub packages: Vec<Vendored>,
}

impl Registry {
    /// Configuration by which cargo takes its packages from `directory`. `own` is a name that nobody else uses.
    fn configuration(&self, own: &str, directory: &str) -> String {
        let quoted = |text: &str| toml_string(text);
        let definition = match &self.origin {
            Origin::CratesIo => String::new(),
            Origin::Registry(source) => {
                format!("registry = {}\n", quoted(source.strip_prefix("registry+").unwrap_or(source)))
            }
            Origin::Git { url, reference } => {
                let reference = reference.iter().map(|(kind, value)| format!("{kind} = {}\n", quoted(value)));
                format!("git = {}\n{}", quoted(url), reference.collect::<String>())
            }
        };
        let name = match (&self.origin, &self.name) {
            (Origin::CratesIo, _) => "crates-io".to_owned(),
            (_, Some(name)) => name.clone(),
            (_, None) => format!("{own}-replaced"),
        };
        format!(
            "[source.{}]\n{definition}replace-with = \"{own}\"\n[source.{own}]\ndirectory = \"{directory}\"\n",
            quoted(&name)
        )
    }
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A git repository at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitTree {
    /// Its address as `Cargo.lock` has it, without `git+`, query and commit.
    pub url: String,
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// The bytes of the commit object: cargo wants to see it.
    pub object: Vec<u8>,
    /// The whole tree, submodules in their places.
    pub tree: Digest<Tree>,
}

impl GitTree {
    /// Where it lies: where cargo would have checked it out.
    #[must_use]
    pub fn place(&self) -> RelPath {
        self.below_home(&git_folders(&self.url, &self.commit).checkout)
    }

    fn below_home(&self, path: &str) -> RelPath {
        places::place(places::CARGO_HOME).resolve(path).unwrap_or_else(|_| places::place(places::CARGO_HOME))
    }

    /// Lays out just as much of cargo's database and checkout that it finds the commit and fetches nothing: the
    /// commit object, a HEAD that names it, and cargo's mark of a complete checkout.
    fn lay_out(&self, store: &dyn Content, builder: &mut TreeBuilder) -> Result<(), TreeError> {
        let database = self.below_home(&git_folders(&self.url, &self.commit).database);
        let checkout = self.place().join(&places::place(".git"));
        for (folder, is_bare) in [(database, true), (checkout, false)] {
            let repository = lone_commit(store, &self.commit, &self.object, is_bare)?;
            builder.insert(store, &folder, Entry::Directory(repository))?;
        }
        let file = File { digest: store.put(b"")?, executable: false };
        builder.replace(store, &self.place().join(&places::place(".cargo-ok")), Entry::File(file))
    }
}

/// A git repository of which nothing is there but the commit that its HEAD names.
pub(crate) fn lone_commit(
    store: &dyn Content,
    commit: &str,
    object: &[u8],
    is_bare: bool,
) -> Result<Digest<Tree>, TreeError> {
    let mut builder = TreeBuilder::default();
    let mut put = |path: &str, bytes: &[u8]| {
        let file = File { digest: store.put(bytes)?, executable: false };
        builder.insert(store, &places::place(path), Entry::File(file))
    };
    let (prefix, rest) = commit.split_at(2.min(commit.len()));
    let mut loose = ZlibEncoder::new(Vec::new(), Compression::none());
    let head = format!("commit {}\0", object.len()).into_bytes();
    // Writing to memory does not fail.
    let loose = loose.write_all(&[&head, object].concat()).and_then(|()| loose.finish()).unwrap_or_default();
    put("HEAD", format!("{commit}\n").as_bytes())?;
    put("config", format!("[core]\n\trepositoryformatversion = 0\n\tbare = {is_bare}\n").as_bytes())?;
    put(&format!("objects/{prefix}/{rest}"), &loose)?;
    put("refs/.keep", b"")?;
    builder.build(store)
}

/// All sources of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Where the workspace's root lies.
    pub workspace: RelPath,
    /// Local sources, from the sandbox's root.
    pub local: Digest<Tree>,
    /// Registries, the default one first, the others in the order of their origins.
    pub registries: Vec<Registry>,
    /// Git repositories, in the order of source and commit.
    pub git: Vec<GitTree>,
    /// How much of the local sources a local package's actions see.
    pub scope: Scope,
}

/// How much of the local sources a local package's actions see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// The package alone.
    #[default]
    Package,
    /// The whole workspace, for std: its crates read each other's files. Its own dependencies lie in this folder.
    Workspace {
        /// A directory source, from the sandbox's root.
        vendor: RelPath,
    },
}

/// Where the folders of packages lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageFolders {
    /// Those of local ones, each with a slash at its end: those below one of them stand together.
    local: BTreeSet<String>,
    /// What was fetched, by its place.
    fetched: BTreeMap<RelPath, Digest<Tree>>,
}

impl PackageFolders {
    /// The paths from `folder` of the packages nested in it.
    fn below(&self, folder: &RelPath) -> impl Iterator<Item = RelPath> {
        let prefix = if folder.is_root() { String::new() } else { format!("{folder}/") };
        let nested = self.local.range(prefix.clone()..).map_while(move |one| one.strip_prefix(&prefix));
        nested
            .filter_map(|below| RelPath::new(below.trim_end_matches('/')).ok())
            .filter(|below| !below.is_root())
    }
}

impl Sources {
    /// Local sources alone.
    #[must_use]
    pub const fn local(workspace: RelPath, local: Digest<Tree>) -> Self {
        Self { workspace, local, registries: Vec::new(), git: Vec::new(), scope: Scope::Package }
    }

    /// Where the packages of the `index`-th registry lie.
    #[must_use]
    pub fn registry_place(index: usize) -> RelPath {
        if index == 0 {
            places::place(places::CRATES)
        } else {
            places::place(&format!("build/registry-{index}"))
        }
    }

    /// Every fetched tree by its place.
    #[must_use]
    pub fn fetched(&self) -> BTreeMap<RelPath, Digest<Tree>> {
        let fetched = self.vendored().filter(|(_, package)| !package.is_stand_in);
        let mut fetched: BTreeMap<_, _> = fetched.map(|(place, package)| (place, package.tree)).collect();
        fetched.extend(self.git.iter().map(|git| (git.place(), git.tree)));
        fetched
    }

    /// The places of packages that were not fetched.
    pub fn stand_ins(&self) -> impl Iterator<Item = RelPath> {
        self.vendored().filter(|(_, package)| package.is_stand_in).map(|(place, _)| place)
    }

    /// The packages of registries by their places.
    fn vendored(&self) -> impl Iterator<Item = (RelPath, &Vendored)> {
        self.registries.iter().enumerate().flat_map(|(index, registry)| {
            let place = Self::registry_place(index);
            registry.packages.iter().map(move |package| {
                (place.join(&places::place(&format!("{}-{}", package.name, package.version))), package)
            })
        })
    }

    /// Where the folders of packages lie, `packages` being those of all local ones. A path to one of these may lead
    /// through links.
    ///
    /// # Errors
    /// When the store fails.
    pub fn folders(
        &self,
        store: &dyn Content,
        packages: impl IntoIterator<Item = RelPath>,
    ) -> Result<PackageFolders, TreeError> {
        let mut folders = PackageFolders { local: BTreeSet::new(), fetched: self.fetched() };
        for package in packages {
            folders.local.extend(follow(store, self.local, &package)?.map(|real| format!("{real}/")));
        }
        Ok(folders)
    }

    /// The part of the sources that a package's own actions see, by place: its folder without the packages
    /// nested in it (`packages` says where all of them lie), what `include` adds, and for a local one the
    /// workspace's manifest. A git package sees its whole repository.
    ///
    /// # Errors
    /// When there is no such folder or included path, or the store fails.
    pub fn of_package(
        &self,
        store: &dyn Content,
        folder: &RelPath,
        packages: &PackageFolders,
        include: &[RelPath],
    ) -> Result<PackageSources, TreeError> {
        let mut sources = PackageSources::default();
        for place in std::iter::successors(Some(folder.clone()), RelPath::parent) {
            if let Some(tree) = packages.fetched.get(&place) {
                sources.mounts.insert(place, *tree);
                return Ok(sources);
            }
        }
        let local = |path: &RelPath| lookup(store, self.local, path);
        if matches!(self.scope, Scope::Workspace { .. }) {
            if let Some(Entry::Directory(whole)) = local(&self.workspace)? {
                sources.mounts.insert(self.workspace.clone(), whole);
            }
            return Ok(sources);
        }
        let missing = || TreeError::Missing(folder.clone());
        // What lies at the end of links is put at the path itself.
        let place = follow(store, self.local, folder)?.ok_or_else(missing)?;
        let Some(Entry::Directory(whole)) = local(&place)? else { return Err(missing()) };
        let mut own = TreeBuilder::from_tree(whole);
        for nested in packages.below(&place) {
            own.remove(store, &nested)?;
        }
        let manifest = self.workspace.join(&places::place("Cargo.toml"));
        let inherited = (!folder.is_root() && *folder != self.workspace).then_some(manifest);
        for path in include.iter().chain(&inherited) {
            let entry = match local(path)? {
                Some(entry) => entry,
                None if Some(path) == inherited.as_ref() => continue,
                None => return Err(TreeError::Missing(path.clone())),
            };
            match (path.strip_prefix(folder), entry) {
                (Some(below), entry) => own.insert(store, &below, entry)?,
                (None, Entry::Directory(tree)) => drop(sources.mounts.insert(path.clone(), tree)),
                (None, Entry::File(file)) => drop(sources.files.insert(path.clone(), file)),
                (None, Entry::Symlink(_)) => return Err(TreeError::Missing(path.clone())),
            }
        }
        sources.mounts.insert(folder.clone(), own.build(store)?);
        // A file of the workspace's root that lies in a package which is mounted whole is there already.
        sources
            .files
            .retain(|path, _| !sources.mounts.keys().any(|mount| path.strip_prefix(mount).is_some()));
        sources.edited = sources.mounts.keys().cloned().collect();
        Ok(sources)
    }

    /// The whole workspace: what a program that runs in it may look for beside its own package.
    ///
    /// # Errors
    /// When the store fails.
    pub fn of_workspace(&self, store: &dyn Content) -> Result<PackageSources, TreeError> {
        let mut sources = PackageSources::default();
        if let Some(Entry::Directory(whole)) = lookup(store, self.local, &self.workspace)? {
            sources.mounts.insert(self.workspace.clone(), whole);
            sources.edited.insert(self.workspace.clone());
        }
        Ok(sources)
    }

    /// For a target whose `path` leads out of its local package: the folder of that file, with what lies beside it
    /// for its modules. Of a folder that the package itself lies in only the files.
    ///
    /// # Errors
    /// When the store fails.
    pub fn beside(
        &self,
        store: &dyn Content,
        package: &RelPath,
        source: &str,
    ) -> Result<Option<(RelPath, Digest<Tree>)>, TreeError> {
        let source = RelPath::root().resolve(source.trim_start_matches('/'));
        let Some(folder) = source.ok().as_ref().and_then(RelPath::parent) else { return Ok(None) };
        if folder.strip_prefix(package).is_some() {
            return Ok(None);
        }
        let Some(Entry::Directory(tree)) = lookup(store, self.local, &folder)? else {
            // A fetched package's, or one that isn't there, which the compiler tells.
            return Ok(None);
        };
        if package.strip_prefix(&folder).is_none() {
            return Ok(Some((folder, tree)));
        }
        let mut files = Directory::clone(&*store.directory(tree)?);
        files.entries.retain(|_, entry| !matches!(entry, Entry::Directory(_)));
        Ok(Some((folder, store.put_directory(&files)?)))
    }

    /// Files of these names in the folders above a local package, up to the sandbox's root.
    ///
    /// # Errors
    /// When the store fails.
    pub fn above(
        &self,
        store: &dyn Content,
        package: &RelPath,
        names: &[String],
    ) -> Result<BTreeMap<RelPath, File>, TreeError> {
        let mut found = BTreeMap::new();
        for folder in std::iter::successors(package.parent(), RelPath::parent) {
            for name in names {
                let Ok(path) = folder.resolve(name) else { continue };
                if let Some(Entry::File(file)) = lookup(store, self.local, &path)? {
                    found.insert(path, file);
                }
            }
        }
        Ok(found)
    }

    /// What a planning step sees below the sandbox's root: the skeletons of all sources, and the configuration
    /// that tells cargo where they are.
    ///
    /// # Errors
    /// When the store fails.
    pub fn skeleton(&self, store: &dyn Content) -> Result<Digest<Tree>, TreeError> {
        self.arranged(store, skeleton)
    }

    /// As [`Self::skeleton`] with whole files: what cargo itself can build.
    ///
    /// # Errors
    /// When the store fails.
    pub fn whole(&self, store: &dyn Content) -> Result<Digest<Tree>, TreeError> {
        self.arranged(store, |_, tree| Ok(tree))
    }

    fn arranged(
        &self,
        store: &dyn Content,
        what: impl Fn(&dyn Content, Digest<Tree>) -> Result<Digest<Tree>, TreeError>,
    ) -> Result<Digest<Tree>, TreeError> {
        let mut builder = TreeBuilder::from_tree(what(store, self.local)?);
        let mut config = String::new();
        for (folder, package) in self.vendored() {
            builder.insert(store, &folder, Entry::Directory(what(store, package.tree)?))?;
            let checksum =
                package.checksum.map_or_else(|| "null".to_owned(), |sum| format!("\"{}\"", sum.to_hex()));
            let checksum = format!("{{\"files\":{{}},\"package\":{checksum}}}");
            let digest = store.put(checksum.as_bytes())?;
            let file = Entry::File(File { digest, executable: false });
            builder.replace(store, &folder.join(&places::place(".cargo-checksum.json")), file)?;
        }
        for (index, registry) in self.registries.iter().enumerate() {
            let place = Self::registry_place(index);
            builder.make_directory(store, &place)?;
            config.push_str(&registry.configuration(&format!("xbuild-{index}"), &place.in_sandbox()));
        }
        for git in &self.git {
            builder.insert(store, &git.place(), Entry::Directory(what(store, git.tree)?))?;
            git.lay_out(store, &mut builder)?;
        }
        if let Scope::Workspace { vendor } = &self.scope {
            let directory = vendor.in_sandbox();
            config.push_str("[source.crates-io]\nreplace-with = \"vendor\"\n");
            config.push_str(&format!("[source.vendor]\ndirectory = \"{directory}\"\n"));
        }
        let digest = store.put(config.as_bytes())?;
        let file = Entry::File(File { digest, executable: false });
        builder.insert(store, &places::place(places::CARGO_CONFIG), file)?;
        builder.build(store)
    }
}

/// What a package's actions see of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageSources {
    /// Folders by place.
    pub mounts: BTreeMap<RelPath, Digest<Tree>>,
    /// Single files by place, outside the folders.
    pub files: BTreeMap<RelPath, File>,
    /// Those of the folders that people edit: the project's own. What was fetched never changes under one lock.
    pub edited: BTreeSet<RelPath>,
}

#[cfg(test)]
mod tests {
    use xbuild_action::Memory;

    use super::*;

    #[test]
    fn packages_below_a_folder_are_those_that_lie_there_through_links_too() {
        let store = Memory::default();
        let place = places::place;
        let mut local = TreeBuilder::default();
        for path in ["a/lib.rs", "a/b/lib.rs", "a/b/c/lib.rs", "a-b/lib.rs", "elsewhere/lib.rs"] {
            let file = File { digest: store.put(path.as_bytes()).unwrap(), executable: false };
            local.insert(&store, &place(path), Entry::File(file)).unwrap();
        }
        local.insert(&store, &place("a/linked"), Entry::Symlink("../elsewhere".to_owned())).unwrap();
        local.insert(&store, &place("link"), Entry::Symlink("a/b".to_owned())).unwrap();
        let sources = Sources::local(place("ws"), local.build(&store).unwrap());
        let packages = ["a", "link", "a/b/c", "a-b", "a/linked", "missing"].map(place);
        let folders = sources.folders(&store, packages).unwrap();
        let below = |folder: &str| -> Vec<String> {
            folders.below(&place(folder)).map(|path| path.to_string()).collect()
        };
        assert_eq!(below("a"), ["b", "b/c"]);
        assert_eq!(below("a/b"), ["c"]);
        assert_eq!(below("a-b"), [""; 0]);
        assert_eq!(folders.below(&RelPath::root()).count(), 6);
    }

    #[test]
    fn only_the_projects_own_folders_are_edited() {
        let store = Memory::default();
        let place = places::place;
        let mut local = TreeBuilder::default();
        for path in ["build/ws/Cargo.toml", "build/ws/a/lib.rs", "build/ws/proto/x"] {
            let file = File { digest: store.put(path.as_bytes()).unwrap(), executable: false };
            local.insert(&store, &place(path), Entry::File(file)).unwrap();
        }
        let mut sources = Sources::local(place("build/ws"), local.build(&store).unwrap());
        let name = "serde".to_owned();
        let tree = Directory::default().digest();
        let version = "1.0.0".to_owned();
        let package = Vendored { name, version, checksum: None, tree, is_stand_in: false };
        sources.registries.push(Registry { origin: Origin::CratesIo, name: None, packages: vec![package] });
        let edited = |sources: &Sources, folder: &str, include: &[RelPath]| {
            let folders = sources.folders(&store, []).unwrap();
            sources.of_package(&store, &place(folder), &folders, include).unwrap().edited
        };
        let include = [place("build/ws/proto")];
        assert_eq!(
            edited(&sources, "build/ws/a", &include),
            [place("build/ws/a"), include[0].clone()].into()
        );
        assert_eq!(edited(&sources, "build/crates/serde-1.0.0", &[]), BTreeSet::new(), "fetched");
        sources.scope = Scope::Workspace { vendor: place("build/ws/vendor") };
        assert_eq!(edited(&sources, "build/ws/a", &[]), BTreeSet::new(), "std");
    }
}
