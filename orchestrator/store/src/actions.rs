//! Results of actions.

use serde::{Deserialize, Serialize};
use xbuild_action::{ActionCache, ActionResult, Entry, Output, StoreError, TreeError, walk};
use xbuild_base::{Action, Digest};

use crate::disk::Disk;
use crate::files;

/// The version of an entry. One of another version is a miss, and is written over.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    action: Digest<Action>,
    /// The boot id under which all that the result names was last known to be what its digests say.
    boot: String,
    result: ActionResult,
}

/// Lets a walk end in the store's error.
struct SoundOrTree(StoreError);

impl From<TreeError> for SoundOrTree {
    fn from(error: TreeError) -> Self {
        Self(match error {
            TreeError::Store(error) => error,
            error => StoreError::Damaged { path: "directories".into(), problem: error.to_string() },
        })
    }
}

/// The version alone: the rest of a newer entry may have any shape.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// Why the bytes are not a result for `action`.
fn parse(action: Digest<Action>, bytes: &[u8]) -> Result<Record, String> {
    let version: Version = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if version.format != FORMAT {
        return Err(format!("its format is {}; this xbuild knows {FORMAT}", version.format));
    }
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if record.action != action {
        return Err(format!("it is the result of {}", record.action));
    }
    if record.result.exit_code != 0 {
        return Err(format!("it records exit code {}", record.result.exit_code));
    }
    Ok(record)
}

/// What stands in an entry named by `action`, for those who look at entries in bulk: the size of the action's
/// message isn't in the name, so it is taken from the entry.
pub(crate) fn parse_named(hex: &str, bytes: &[u8]) -> Result<ActionResult, String> {
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if record.action.to_hex() != hex {
        return Err(format!("it is the result of {}", record.action));
    }
    parse(record.action, bytes).map(|record| record.result)
}

impl ActionCache for Disk {
    fn result(&self, action: Digest<Action>) -> Result<Option<ActionResult>, StoreError> {
        let path = self.layout().action(action);
        let Some(bytes) = files::read(&path)? else { return Ok(None) };
        let Ok(Record { format: _, action: _, boot, result }) = parse(action, &bytes) else {
            return Ok(None);
        };
        if !self.has_outputs(&result)? {
            return Ok(None);
        }
        if self.is_this_boot(&boot) {
            files::touch(&path);
            return Ok(Some(result));
        }
        // A linker writes through memory, and a machine that went down may have kept the size without the bytes.
        if !self.outputs_are_sound(&result)? {
            return Ok(None);
        }
        self.record(action, &result)?;
        Ok(Some(result))
    }

    fn record(&self, action: Digest<Action>, result: &ActionResult) -> Result<(), StoreError> {
        let record = Record { format: FORMAT, action, boot: self.boot().to_owned(), result: result.clone() };
        let path = self.layout().action(action);
        let mut bytes = serde_json::to_vec(&record).map_err(|error| {
            StoreError::io("write", &path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        bytes.push(b'\n');
        self.write_record(&path, &bytes)
    }
}

impl Disk {
    /// Forgets an action's result: it turned out to be of no use.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn forget_result(&self, action: Digest<Action>) -> Result<(), StoreError> {
        files::remove_all(&self.layout().action(action))
    }

    /// Whether what a result names is still there, each file of it: one `lstat` each, and what somebody deleted is
    /// built again instead of being missed later.
    fn has_outputs(&self, result: &ActionResult) -> Result<bool, StoreError> {
        for output in result.outputs.values() {
            let there = match output {
                Output::File(file) => self.blob_is_there(file.digest)?,
                Output::Tree(tree) => self.is_complete(*tree)?,
            };
            if !there {
                return Ok(false);
            }
        }
        Ok(self.blob_is_there(result.stdout)? && self.blob_is_there(result.stderr)?)
    }

    /// Whether the bytes of all files that a result names are what their digests say. Those that aren't are removed.
    fn outputs_are_sound(&self, result: &ActionResult) -> Result<bool, StoreError> {
        let mut blobs = vec![result.stdout, result.stderr];
        for output in result.outputs.values() {
            match output {
                Output::File(file) => blobs.push(file.digest),
                Output::Tree(tree) => walk::<SoundOrTree>(self, *tree, &mut |_, entry| {
                    if let Entry::File(file) = entry {
                        blobs.push(file.digest);
                    }
                    Ok(())
                })
                .map_err(|SoundOrTree(error)| error)?,
            }
        }
        let mut sound = true;
        for blob in blobs {
            sound &= self.remove_unsound(blob)?;
        }
        Ok(sound)
    }
}
