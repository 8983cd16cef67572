//! The folder with an action's input files, links to the store's; what it holds is taken over by the next action.
//!
//! Actions that follow each other have many inputs in common, and each file and folder that needn't be made or removed
//! saves its time. No program can change anything in it: it is the lower folder of an overlay, and its own name is outside
//! of the sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use xbuild_action::{ExecutionError, File, Scratch, Staging, StoreError};
use xbuild_base::RelPath;

use crate::layout::STAGE;
use crate::maker::Maker;

/// A scratch folder, and what is in the folder with the input files.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) scratch: Scratch,
    files: BTreeMap<RelPath, File>,
    /// With the top.
    folders: BTreeSet<RelPath>,
}

/// Those whose actions have ended.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Vec<Inputs>>);

impl Spare {
    /// One that another action has left, or a new one.
    pub(crate) fn take(&self, store: &dyn Staging) -> Result<Inputs, StoreError> {
        if let Some(inputs) = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(inputs);
        }
        Ok(Inputs { scratch: store.scratch()?, files: BTreeMap::new(), folders: BTreeSet::new() })
    }

    /// Keeps it for another action, unless something else is in its scratch folder.
    pub(crate) fn give(&self, inputs: Inputs) {
        let is_alone = |entries: fs_err::ReadDir| entries.flatten().all(|entry| entry.file_name() == STAGE);
        if fs_err::read_dir(inputs.scratch.path()).is_ok_and(is_alone) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(inputs);
        }
    }
}

impl Inputs {
    /// Makes it hold these files, and nothing else.
    pub(crate) fn hold(
        &mut self,
        files: &BTreeMap<RelPath, File>,
        store: &dyn Staging,
        maker: &mut Maker,
    ) -> Result<(), ExecutionError> {
        let top = self.scratch.path().join(STAGE);
        let place = |path: &RelPath| -> PathBuf { if path.is_root() { top.clone() } else { top.join(path) } };
        let mut folders = BTreeSet::from([RelPath::root()]);
        for mut path in files.keys().filter_map(RelPath::parent) {
            while folders.insert(path.clone()) {
                path = path.parent().unwrap_or_default();
            }
        }
        for (path, _) in self.files.extract_if(.., |path, file| files.get(path) != Some(file)) {
            let place = place(&path);
            fs_err::remove_file(&place).map_err(StoreError::io("remove", &place))?;
        }
        // What lies deeper comes later.
        for path in self.folders.difference(&folders).collect::<Vec<_>>().into_iter().rev() {
            let place = place(path);
            fs_err::remove_dir(&place).map_err(StoreError::io("remove", &place))?;
        }
        for path in &folders {
            if self.folders.contains(path) {
                maker.takes_over(place(path));
            } else {
                maker.make(&place(path))?;
            }
        }
        self.folders = folders;
        for (path, file) in files {
            if !self.files.contains_key(path) {
                store.link(*file, &place(path))?;
                self.files.insert(path.clone(), *file);
            }
        }
        Ok(())
    }
}
