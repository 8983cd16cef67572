//! What the tests share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::Command;

use xbuild_action::{ActionResult, Content, ContentExt as _, Entry, File, Isolation, Output, TreeBuilder};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_store::Disk;

/// A store in a folder that goes away.
pub(crate) struct Temporary {
    pub(crate) store: Disk,
    pub(crate) folder: PathBuf,
    pub(crate) host: tempfile::TempDir,
}

pub(crate) fn temporary() -> Temporary {
    let host = tempfile::tempdir().unwrap();
    let folder = host.path().join("store");
    Temporary { store: Disk::open(&folder, None).unwrap(), folder, host }
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// A tree of plain files.
pub(crate) fn tree(store: &dyn Content, files: &[(&str, &str)]) -> Digest<Tree> {
    let mut builder = TreeBuilder::default();
    for (at, text) in files {
        let digest = store.put(text.as_bytes()).unwrap();
        builder.insert(store, &path(at), Entry::File(File { digest, executable: false })).unwrap();
    }
    builder.build(store).unwrap()
}

/// A success with these outputs.
pub(crate) fn success(store: &dyn Content, outputs: &[(&str, Output)]) -> ActionResult {
    ActionResult {
        outputs: outputs.iter().map(|(at, output)| (path(at), *output)).collect(),
        exit_code: 0,
        stdout: store.put(b"out").unwrap(),
        stderr: store.put(b"").unwrap(),
        isolation: Isolation::Full,
        times: xbuild_action::Times::default(),
    }
}

pub(crate) fn file(store: &dyn Content, text: &str) -> Output {
    Output::File(File { digest: store.put(text.as_bytes()).unwrap(), executable: false })
}

/// Where the store keeps a plain blob.
pub(crate) fn blob_path(folder: &Path, hex: &str) -> PathBuf {
    folder.join("blobs").join(&hex[..2]).join(hex)
}

/// Every regular file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// This test binary again, running one ignored test with a variable set.
pub(crate) fn child(test: &str, value: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env("XBUILD_TEST_CHILD", value);
    command
}

/// What a child was started with: nothing when somebody runs all ignored tests.
pub(crate) fn as_child() -> Option<PathBuf> {
    std::env::var_os("XBUILD_TEST_CHILD").map(PathBuf::from)
}
