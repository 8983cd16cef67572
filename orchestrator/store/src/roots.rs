//! Roots of collection: what `result` links in projects need.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xbuild_action::StoreError;
use xbuild_base::{Action, Blob, Digest, Sha256, Tree};

use crate::disk::Disk;
use crate::error::Error;
use crate::files::{self, io};

const FORMAT: u32 = 1;

/// What a root keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keeps {
    /// Files.
    pub blobs: BTreeSet<Digest<Blob>>,
    /// Trees, with all that is in them.
    pub trees: BTreeSet<Digest<Tree>>,
    /// Results of actions, with all that they name.
    pub actions: BTreeSet<Digest<Action>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Root {
    format: u32,
    /// The absolute path of the link (or folder) that needs the content: the root lives for as long as it does.
    link: PathBuf,
    keeps: Keeps,
}

/// A root as it stands in the store.
pub(crate) enum Standing {
    /// Its link is there.
    Living(Keeps),
    /// Its link is gone.
    Dead,
    /// It can't be understood: nothing may be collected that it could keep.
    Unreadable(String),
}

/// The link of a root, by the root's file.
pub(crate) fn link_of(path: &Path) -> Result<PathBuf, StoreError> {
    let damaged = |problem: String| StoreError::Damaged { path: path.to_owned(), problem };
    let bytes = files::read(path)?.ok_or_else(|| damaged("it is gone".to_owned()))?;
    let root: Root = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    Ok(root.link)
}

impl Disk {
    /// Keeps what the link or folder at `link` (an absolute path) needs, for as long as it is there. In place
    /// of what it kept before.
    ///
    /// # Errors
    /// When `link` is relative or not text, or the root can't be written.
    pub fn add_root(&self, link: &Path, keeps: &Keeps) -> Result<(), Error> {
        if !link.is_absolute() {
            return Err(Error::NotAbsolute(link.to_owned()));
        }
        let text = link.to_str().ok_or_else(|| Error::NotUtf8(link.to_owned()))?;
        let root = Root { format: FORMAT, link: link.to_owned(), keeps: keeps.clone() };
        let path = self.layout().part("roots").join(Sha256::of(text.as_bytes()).to_hex());
        let mut bytes = serde_json::to_vec_pretty(&root).map_err(|error| {
            io::<std::io::Error>("write", &path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        bytes.push(b'\n');
        // Syncing can take long while much else is being written: only for news.
        if files::read(&path)?.as_ref() == Some(&bytes) {
            return Ok(());
        }
        let mut file = self.temporary()?;
        file.write(&bytes)?;
        rustix::fs::fsync(file.file()).map_err(io("sync", file.path()))?;
        file.place_record(&path, self.owner_ids())?;
        Ok(())
    }

    /// All roots, by their files.
    pub(crate) fn roots(&self) -> Result<Vec<(PathBuf, Standing)>, StoreError> {
        let folder = self.layout().part("roots");
        let mut roots = Vec::new();
        for (name, _) in files::list(&folder)? {
            let path = folder.join(name);
            let Some(bytes) = files::read(&path)? else { continue };
            let standing = match serde_json::from_slice::<Root>(&bytes) {
                Ok(root) if root.format == FORMAT => match rustix::fs::lstat(&root.link) {
                    Ok(_) => Standing::Living(root.keeps),
                    Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Standing::Dead,
                    // It can't be seen from here, which doesn't mean that it is gone.
                    Err(_) => Standing::Living(root.keeps),
                },
                Ok(root) => Standing::Unreadable(format!("its format is {}", root.format)),
                Err(error) => Standing::Unreadable(error.to_string()),
            };
            roots.push((path, standing));
        }
        Ok(roots)
    }
}
