//! Gives the crate a digest of all code that decides how a graph is planned and what its units run, so that what is
//! remembered by less than an action's key is forgotten when that code changes.

use std::path::{Path, PathBuf};

use xbuild_base::Hasher;

/// The crates whose code it is, beside this one.
const CRATES: [&str; 4] = ["action", "cargo", "plan", "realise"];

fn main() -> std::io::Result<()> {
    let mut hasher = Hasher::default();
    for name in CRATES {
        let folder = Path::new("..").join(name).join("src");
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        list(&folder, &mut files)?;
        files.sort();
        for file in files {
            hasher.update(file.as_os_str().as_encoded_bytes());
            hasher.update(&fs_err::read(&file)?);
        }
    }
    println!("cargo::rustc-env=XBUILD_PLANNING={}", hasher.sha256().to_hex());
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
