//! Results of actions.

use serde::{Deserialize, Serialize};
use xbuild_action::{ActionCache, ActionResult, Output, StoreError};
use xbuild_base::{Action, Digest};

use crate::disk::Disk;
use crate::files;

/// The version of an entry. One of another version is a miss, and is written over.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    action: Digest<Action>,
    result: ActionResult,
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
        let Some(result) = self.recorded_result(action)? else { return Ok(None) };
        if !self.has_outputs(&result)? {
            return Ok(None);
        }
        files::touch(&self.layout().action(action));
        Ok(Some(result))
    }

    fn record(&self, action: Digest<Action>, result: &ActionResult) -> Result<(), StoreError> {
        let record = Record { format: FORMAT, action, result: result.clone() };
        let path = self.layout().action(action);
        let mut bytes = serde_json::to_vec(&record).map_err(|error| {
            StoreError::io("write", &path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        bytes.push(b'\n');
        self.write_record(&path, &bytes)
    }
}

impl Disk {
    /// An action's result as it is recorded, for those who tell of it and make nothing of it: nobody looks whether what it
    /// names is there, and it counts as no use of it. Collection takes no output of a recorded result away.
    ///
    /// # Errors
    /// When the record can't be read.
    pub fn recorded_result(&self, action: Digest<Action>) -> Result<Option<ActionResult>, StoreError> {
        let bytes = files::read(&self.layout().action(action))?;
        Ok(bytes.and_then(|bytes| parse(action, &bytes).ok()).map(|record| record.result))
    }

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
}
