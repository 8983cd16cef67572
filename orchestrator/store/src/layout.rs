//! Where everything is, the store's format, and who owns it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use xbuild_action::StoreError;
use xbuild_base::{Action, Digest, Sha256, Tree};

use crate::error::Error;
use crate::files::{self, Owner, Temporary, io};
use crate::session::Session;

/// The newest format on disk that this version knows, and the one that it writes.
pub const FORMAT: u32 = 1;

/// The folders that a store has.
const FOLDERS: [&str; 9] =
    ["actions", "blobs", "directories", "imports", "locks", "memo", "roots", "tmp", "trees"];

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

/// Which of a blob's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Mode 0444.
    Plain,
    /// Mode 0555.
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
            Self::Plain => 0o444,
            Self::Executable => 0o555,
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
            Variant::Executable => ".x",
        };
        self.sharded("blobs", blob, suffix)
    }

    pub(crate) fn directory(&self, tree: Sha256) -> PathBuf {
        self.sharded("directories", tree, "")
    }

    pub(crate) fn action(&self, action: Digest<Action>) -> PathBuf {
        self.sharded("actions", action.sha256(), ".json")
    }

    pub(crate) fn memo(&self, namespace: &str, key: Sha256) -> PathBuf {
        self.sharded(&format!("memo/{namespace}"), key, "")
    }

    pub(crate) fn tree(&self, tree: Digest<Tree>) -> PathBuf {
        self.folder.join(format!("trees/{}", tree.to_hex()))
    }

    pub(crate) fn tree_mark(&self, tree: Digest<Tree>) -> PathBuf {
        self.folder.join(format!("trees/{}.checked", tree.to_hex()))
    }

    /// Refuses a store of a newer format, a folder that is no store, and somebody else's. Makes the folders.
    pub(crate) fn prepare(&self, owner: Owner) -> Result<Made, Error> {
        let made = match self.format()? {
            Some(FORMAT) => Made::Before,
            // There is no older format yet: whatever is not a known number is newer.
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
