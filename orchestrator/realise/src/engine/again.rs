//! Results compared with those of executing the same actions again.
//!
//! Whatever comes of it, dependents get the result that was there: so each action is judged by itself, and one that is
//! different names what is to be mended rather than all that needs it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use xbuild_action::{ActionResult, Content, Entry, File, Output, TreeError, walk};
use xbuild_base::{Action, Digest, RelPath};

/// What was compared, and is different.
#[derive(Debug, Default)]
pub struct Comparison {
    found: Mutex<Vec<Difference>>,
}

/// An action that made something else when it was executed again.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Which.
    pub action: Digest<Action>,
    /// The result that was there.
    pub kept: ActionResult,
    /// The other one.
    pub again: ActionResult,
}

impl Comparison {
    /// What a program prints on standard error is no input of anybody's; what it prints on standard output may be.
    pub(super) fn compare(&self, action: Digest<Action>, kept: &ActionResult, again: &ActionResult) {
        if (&kept.outputs, kept.stdout) != (&again.outputs, again.stdout) {
            let difference = Difference { action, kept: kept.clone(), again: again.clone() };
            self.found.lock().unwrap_or_else(PoisonError::into_inner).push(difference);
        }
    }

    /// All differences, in the order in which they were found.
    #[must_use]
    pub fn differences(self) -> Vec<Difference> {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of two results' outputs that are not the same, by path, as each has it; links count as their targets.
///
/// # Errors
/// When something of the outputs is not in the store.
pub fn differing_files(
    store: &dyn Content,
    difference: &Difference,
) -> Result<BTreeMap<RelPath, [Option<File>; 2]>, TreeError> {
    let mut files: BTreeMap<RelPath, [Option<File>; 2]> = BTreeMap::new();
    for (side, result) in [&difference.kept, &difference.again].into_iter().enumerate() {
        for (path, output) in &result.outputs {
            match output {
                Output::File(file) => files.entry(path.clone()).or_default()[side] = Some(*file),
                Output::Tree(tree) => walk::<TreeError>(store, *tree, &mut |below, entry| {
                    if let Entry::File(file) = entry {
                        files.entry(path.join(below)).or_default()[side] = Some(*file);
                    }
                    Ok(())
                })?,
            }
        }
    }
    files.retain(|_, [kept, again]| kept != again);
    Ok(files)
}
