//! Where everything is, the store's format, and who owns it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use xbuild_action::StoreError;
use xbuild_base::{Action, Digest, RelPath, Sha256, Tree};

use crate::error::Error;
use crate::files::{self, Owner, Temporary, io};
use crate::session::Session;

/// The newest format on disk that this version knows, and the one that it writes.
pub const FORMAT: u32 = 2;

/// The folders that a store has.
const FOLDERS: [&str; 10] =
    ["actions", "blobs", "directories", "imports", "locks", "memo", "results", "roots", "tmp", "trees"];

/// Where the store is when nobody says otherwise: `$XBUILD_STORE`, else `$XDG_CACHE_HOME/xbuild`, else
/// `$HOME/.cache/xbuild`. The values of the three variables are given; empty counts as unset, and a relative
/// `$XDG_CACHE_HOME` is ignored, as the XDG Base Directory Specification asks.
///
/// # Errors
/// When none is set, or `$XBUILD_STORE` is relative.
pub fn default_folder(
    xbuild_store: Option<OsString>,
    xdg_cache_home: Option<OsString>,
    home: Option<OsString>,
) -> Result<PathBuf, Error> {
    let path = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(store) = path(xbuild_store) {
        return if store.is_absolute() { Ok(store) } else { Err(Error::RelativeFolder(store)) };
    }
    if let Some(cache) = path(xdg_cache_home).filter(|cache| cache.is_absolute()) {
        return Ok(cache.join("xbuild"));
    }
    match path(home).filter(|home| home.is_absolute()) {
        Some(home) => Ok(home.join(".cache/xbuild")),
        None => Err(Error::NoFolder),
    }
}

/// What stands between a laid-out tree and its place, in the folder's name, and how much of the place's checksum does.
const PLACE: char = '-';
const PLACE_DIGITS: usize = 16;

/// Where it is noted that a laid-out tree was checked.
pub(crate) fn mark_of(folder: &Path) -> PathBuf {
    folder.with_extension("checked")
}

/// The tree that a folder of this name has.
pub(crate) fn laid_out_tree(name: &str) -> Option<Sha256> {
    Sha256::from_hex(name.split(PLACE).next().unwrap_or_default()).ok()
}

/// How the name of a blob's executable file ends.
const EXECUTABLE: &str = ".x";

/// Which of a blob's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Mode 0644.
    Plain,
    /// Mode 0755.
    Executable,
}

impl Variant {
    pub(crate) const fn of(executable: bool) -> Self {
        if executable { Self::Executable } else { Self::Plain }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Plain => Self::Executable,
            Self::Executable => Self::Plain,
        }
    }

    pub(crate) const fn mode(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }
}

/// For whom a tree is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaidOut {
    /// For sandboxes: its files are links to blobs, and the sandbox lays a layer of its own over them before
    /// anything can write.
    Inputs,
    /// For people and whatever they run: its files are its own and write-protected, so that a tool that changes
    /// a program in place through a link in `result` changes no blob.
    Results,
}

impl LaidOut {
    pub(crate) const ALL: [Self; 2] = [Self::Inputs, Self::Results];

    /// The folder in the store.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Inputs => "trees",
            Self::Results => "results",
        }
    }
}

/// The store's folder, and the paths in it.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of the folders of the table in the crate's documentation.
    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn sharded(&self, part: &str, name: Sha256, suffix: &str) -> PathBuf {
        let hex = name.to_hex();
        self.folder.join(format!("{part}/{}/{hex}{suffix}", &hex[..2]))
    }

    pub(crate) fn blob(&self, blob: Sha256, variant: Variant) -> PathBuf {
        let suffix = match variant {
            Variant::Plain => "",
            Variant::Executable => EXECUTABLE,
        };
        self.sharded("blobs", blob, suffix)
    }

    pub(crate) fn directory(&self, tree: Sha256) -> PathBuf {
        self.sharded("directories", tree, "")
    }

    pub(crate) fn action(&self, action: Digest<Action>) -> PathBuf {
        self.action_named(action.sha256())
    }

    /// As [`Self::action`], by the digest's checksum alone.
    pub(crate) fn action_named(&self, name: Sha256) -> PathBuf {
        self.sharded("actions", name, ".json")
    }

    pub(crate) fn memo(&self, namespace: &str, key: Sha256) -> PathBuf {
        self.sharded(&format!("memo/{namespace}"), key, "")
    }

    /// The folder that has a tree at a place of it, and nothing else.
    pub(crate) fn tree(&self, laid_out: LaidOut, tree: Digest<Tree>, at: &RelPath) -> PathBuf {
        let mut name = tree.to_hex();
        if !at.is_root() {
            let place = Sha256::of(at.as_str().as_bytes()).to_hex();
            name = format!("{name}{PLACE}{}", &place[..PLACE_DIGITS]);
        }
        self.part(laid_out.folder()).join(name)
    }

    /// Refuses a store of a newer format, a folder that is no store, and somebody else's. Makes the folders.
    pub(crate) fn prepare(&self, owner: Owner) -> Result<Made, Error> {
        let made = match self.format()? {
            Some(FORMAT) => Made::Before,
            Some(1) => Made::Older,
            Some(found) => {
                let path = self.folder.clone();
                return Err(StoreError::Newer { path, found, known: FORMAT }.into());
            }
            None => {
                // The last is what an empty file system of its own begins with.
                let ours = |name: &str| FOLDERS.contains(&name) || ["format", "lost+found"].contains(&name);
                let strange = |name: &str| !ours(name);
                if let Some((stranger, _)) =
                    files::list(&self.folder)?.into_iter().find(|(name, _)| strange(name))
                {
                    return Err(Error::NotAStore { path: self.folder.clone(), stranger });
                }
                Made::Now
            }
        };
        self.make_folders(owner)?;
        let blobs = self.part("blobs");
        let found = rustix::fs::stat(&blobs).map_err(io("look at", &blobs))?.st_uid;
        let expected = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid);
        if found != expected {
            return Err(Error::ForeignOwner { path: self.folder.clone(), found, expected });
        }
        Ok(made)
    }

    fn make_folders(&self, owner: Owner) -> Result<(), Error> {
        let made = (|| {
            // The folders above belong to whoever runs this: only what is below is the owner's.
            if let Some(parent) = self.folder.parent() {
                fs_err::create_dir_all(parent).map_err(io("make the folder", parent))?;
            }
            files::make_directory(&self.folder, owner)?;
            FOLDERS.iter().try_for_each(|name| files::make_directory(&self.part(name), owner).map(drop))
        })();
        let Err(error) = made else { return Ok(()) };
        // Another user's store says more clearly what is wrong than "permission denied".
        let expected = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid);
        match rustix::fs::stat(&self.folder) {
            Ok(stat) if stat.st_uid != expected && is_denied(&error) => {
                Err(Error::ForeignOwner { path: self.folder.clone(), found: stat.st_uid, expected })
            }
            _ => Err(error.into()),
        }
    }

    /// Whether the store has this format.
    pub(crate) fn is_current(&self) -> Result<bool, StoreError> {
        Ok(self.format()? == Some(FORMAT))
    }

    fn format(&self) -> Result<Option<u32>, StoreError> {
        let path = self.part("format");
        let Some(text) = files::read(&path)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        // An empty file is what a power cut leaves of one that was just made.
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| StoreError::Damaged {
            path,
            problem: format!("`{text}` is not the number of a format"),
        })
    }

    /// Brings a store of format 1 to this one, while nobody else uses it: gives each blob its mode, which all that
    /// is laid out of it has too. A crash leaves format 1.
    pub(crate) fn migrate(&self) -> Result<(), StoreError> {
        let blobs = self.part("blobs");
        for (shard, _) in files::list(&blobs)? {
            let shard = blobs.join(shard);
            for (name, _) in files::list(&shard)? {
                let variant = Variant::of(name.ends_with(EXECUTABLE));
                let path = shard.join(name);
                rustix::fs::chmod(&path, rustix::fs::Mode::from_raw_mode(variant.mode()))
                    .map_err(io("set the mode of", &path))?;
            }
        }
        Ok(())
    }

    /// Says that everything is in place.
    pub(crate) fn write_format(&self, session: &Session, owner: Owner) -> Result<(), StoreError> {
        let mut file = Temporary::create(session.fresh())?;
        file.write(format!("{FORMAT}\n").as_bytes())?;
        file.place(&self.part("format"), 0o644, owner)
    }
}

fn is_denied(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Whether a store was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// It was.
    Before,
    /// It was, in format 1: all files in it are write-protected, and there are no results.
    Older,
    /// Its folders are new, and its format is not written yet.
    Now,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(values: [Option<&str>; 3]) -> Result<PathBuf, Error> {
        let [store, cache, home] = values.map(|value| value.map(OsString::from));
        default_folder(store, cache, home)
    }

    #[test]
    fn the_first_variable_that_is_set_wins() {
        let path = |values| folder(values).unwrap();
        assert_eq!(path([Some("/s"), Some("/c"), Some("/h")]), Path::new("/s"));
        assert_eq!(path([Some(""), Some("/c"), Some("/h")]), Path::new("/c/xbuild"));
        assert_eq!(path([None, Some("relative"), Some("/h")]), Path::new("/h/.cache/xbuild"));
        assert_eq!(path([None, None, Some("/h")]), Path::new("/h/.cache/xbuild"));
        assert!(matches!(folder([None, None, None]), Err(Error::NoFolder)));
        assert!(matches!(folder([Some("s"), None, None]), Err(Error::RelativeFolder(_))));
    }
}
