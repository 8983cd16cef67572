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
    /// The boot id under which all that the result names was last known to be there.
    boot: String,
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
        let path = self.layout().action(action);
        let Some(bytes) = files::read(&path)? else { return Ok(None) };
        let Ok(mut record) = parse(action, &bytes) else { return Ok(None) };
        if !self.has_outputs(&record)? {
            return Ok(None);
        }
        if self.is_this_boot(&record.boot) {
            files::touch(&path);
        } else {
            self.boot().clone_into(&mut record.boot);
            self.write_result(&record)?;
        }
        Ok(Some(record.result))
    }

    fn record(&self, action: Digest<Action>, result: &ActionResult) -> Result<(), StoreError> {
        let record = Record { format: FORMAT, action, boot: self.boot().to_owned(), result: result.clone() };
        self.write_result(&record)
    }
}

impl Disk {
    fn write_result(&self, record: &Record) -> Result<(), StoreError> {
        let path = self.layout().action(record.action);
        let mut bytes = serde_json::to_vec(record).map_err(|error| {
            StoreError::io("write", &path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        })?;
        bytes.push(b'\n');
        self.write_record(&path, &bytes)
    }

    /// Whether what a result names is still there: files and logs always, trees by their root message when the
    /// result was seen whole since the machine started, else all of them.
    fn has_outputs(&self, record: &Record) -> Result<bool, StoreError> {
        let result = &record.result;
        for output in result.outputs.values() {
            let there = match output {
                Output::File(file) => self.blob_is_there(file.digest)?,
                Output::Tree(tree) if self.is_this_boot(&record.boot) => {
                    files::size_of(&self.layout().directory(tree.sha256()))? == Some(tree.size())
                }
                Output::Tree(tree) => self.has_tree(*tree)?,
            };
            if !there {
                return Ok(false);
            }
        }
        Ok(self.blob_is_there(result.stdout)? && self.blob_is_there(result.stderr)?)
    }
}
