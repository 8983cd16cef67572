//! Archives of the distribution, laid out as toolchains have them.
//!
//! An archive holds one folder, `<package>-<version>-<target>/`, in which a file `components` names folders whose
//! contents are the installed files, each with a list `manifest.in`. Their union is laid out under `usr/`, so that
//! `usr/` is rustc's sysroot. Documentation is left out, and so are the C runtime objects that std for some targets
//! brings along in `self-contained`: those are the sysroot component's business.

use xbuild_action::{Content, ContentExt as _, Entry, TreeBuilder, TreeError};
use xbuild_base::{Digest, RelPath, Sha256, Tree, Triple};
use xbuild_describe::Toolchain;

use super::server::Server;
use crate::deferred::{Deferred, stand_in};
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{FixedOutput, Unpack};
use crate::toolchain::ToolchainError;
use crate::toolchain::shape::{below, choose, find};

/// The memo namespace: an archive's checksum → its tree.
const REPACKED: &str = "official";
/// Counts up whenever the same archive would become another tree.
const VERSION: u32 = 1;
/// Folders of a component that no build needs.
const LEFT_OUT: [&str; 3] = ["share", "etc", "libexec"];
/// std's own C runtime objects: `lib/rustlib/<target>/lib/self-contained/…`.
const SELF_CONTAINED: &str = "self-contained";

/// An official toolchain's archives.
#[derive(Debug, Clone, Copy)]
pub struct Official<'o> {
    /// Where archives come from and trees go to.
    pub fetcher: &'o Fetcher<'o>,
    /// Where the distribution is served.
    pub server: &'o Server,
    /// The toolchain whose pins they are.
    pub toolchain: &'o Toolchain,
}

impl Official<'_> {
    /// The trees of archives, in order: each a package (`rustc`, `cargo`, `rust-std`, `rust-src`) for a target.
    /// What is not in the store yet is fetched, all of it at once; by a fetcher that [defers](Fetcher::deferring), it has a
    /// stand-in.
    ///
    /// # Errors
    /// [`ToolchainError::NoArchive`], [`ToolchainError::NoServer`], or when an archive can't be had or laid out.
    pub fn trees(&self, wanted: &[(&str, &Triple)]) -> Result<Vec<Digest<Tree>>, FetchError> {
        self.trees_or(self.fetcher.deferred(), wanted)
    }

    /// As [`Self::trees`], with nothing deferred.
    pub(crate) fn trees_now(&self, wanted: &[(&str, &Triple)]) -> Result<Vec<Digest<Tree>>, FetchError> {
        self.trees_or(None, wanted)
    }

    fn trees_or(
        &self,
        deferred: Option<&Deferred>,
        wanted: &[(&str, &Triple)],
    ) -> Result<Vec<Digest<Tree>>, FetchError> {
        let (mut trees, mut missing) = (Vec::new(), Vec::new());
        for (package, target) in wanted {
            let output = self.output(package, target)?;
            self.fetcher.note(std::slice::from_ref(&output));
            let mut known = self.fetcher.remembered_tree(REPACKED, key(&output))?;
            if let (Some(deferred), None) = (deferred, known)
                && !self.fetcher.missing(std::slice::from_ref(&output))?.is_empty()
            {
                deferred.add(&output.name, [output.clone()]);
                known = Some(stand_in(self.fetcher.store(), &key(&output).to_hex())?);
            }
            if known.is_none() {
                missing.push(output.clone());
            }
            trees.push((known, output));
        }
        if !missing.is_empty() {
            let absent = self.fetcher.missing(&missing)?;
            let homeless = absent.iter().any(|index| missing[*index].places.is_empty());
            let settings = self.fetcher.settings();
            if homeless && !settings.offline && settings.mirrors.is_empty() {
                return Err(ToolchainError::NoServer.into());
            }
            self.fetcher.trees(&missing)?;
        }
        trees.into_iter().map(|(known, output)| known.map_or_else(|| self.repack(&output), Ok)).collect()
    }

    /// What would have to be fetched for [`Self::trees`].
    ///
    /// # Errors
    /// [`ToolchainError::NoArchive`], or when the server's address can't be used.
    pub fn output(&self, package: &str, target: &Triple) -> Result<FixedOutput, FetchError> {
        let version = &self.toolchain.version;
        let pin = self.toolchain.archive(package, target).ok_or_else(|| ToolchainError::NoArchive {
            version: version.to_string(),
            package: package.to_owned(),
            target: target.to_string(),
        })?;
        Ok(FixedOutput {
            name: format!("{package} {version} for {target}"),
            sha256: pin.sha256,
            size: pin.size,
            places: self.server.place(pin.path.as_str())?.into_iter().collect(),
            kind: Unpack::tar(1),
        })
    }

    fn repack(&self, output: &FixedOutput) -> Result<Digest<Tree>, FetchError> {
        let store: &dyn Content = self.fetcher.store();
        let problem = |problem: String| ToolchainError::Layout { archive: output.name.clone(), problem };
        let trees = self.fetcher.trees(std::slice::from_ref(output))?;
        let archive = *trees.first().ok_or_else(|| TreeError::Missing(RelPath::root()))?;
        let at = |path: &str| RelPath::new(path).map_err(|error| problem(error.to_string()));
        let Some(Entry::File(list)) = find(store, archive, &at("components")?)? else {
            return Err(problem("it has no list `components`".to_owned()).into());
        };
        let list = String::from_utf8_lossy(&store.get(list.digest)?).into_owned();
        let mut builder = TreeBuilder::default();
        for component in list.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let Some(Entry::Directory(tree)) = find(store, archive, &at(component)?)? else {
                return Err(problem(format!("it has no folder for its component `{component}`")).into());
            };
            let tree = choose(store, tree, &|path| {
                let first = path.components().next().unwrap_or_default();
                let own_objects = path.components().nth(4) == Some(SELF_CONTAINED);
                first != "manifest.in" && !LEFT_OUT.contains(&first) && !own_objects
            })?;
            let usr = below(&RelPath::root(), "usr")?;
            builder.insert(store, &usr, Entry::Directory(tree)).map_err(|error| match error {
                TreeError::Conflict(path) => problem(format!("two of its components have a `{path}`")).into(),
                error => FetchError::from(error),
            })?;
        }
        let tree = builder.build(store)?;
        self.fetcher.remember_tree(REPACKED, key(output), tree)?;
        Ok(tree)
    }
}

fn key(output: &FixedOutput) -> Sha256 {
    Sha256::of(format!("{VERSION}\0{}", output.sha256).as_bytes())
}
