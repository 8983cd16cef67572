//! What cargo must see of a source tree to plan: manifests with their content, Rust files by name alone.
//!
//! Cargo reads manifests, lists folders to find targets (`src/bin/*.rs`, `tests/`, `build.rs` …) and opens no
//! Rust file. So the input root of a planning action holds empty files in their places: its key is made of the
//! manifests, the configuration, the lock and the listings, and an edited source plans nothing anew.

use xbuild_action::{Content, ContentExt as _, Directory, Entry, File, TreeError};
use xbuild_base::{Blob, Digest, Tree};
use xbuild_cargo::UNSTABLE;

/// The skeleton of a tree: its `Cargo.toml`s, `Cargo.lock`s, vendored checksums and `.cargo` folders whole, Rust files and
/// readmes empty, everything else left out.
///
/// # Errors
/// When a level is missing from the store.
pub fn skeleton(store: &dyn Content, tree: Digest<Tree>) -> Result<Digest<Tree>, TreeError> {
    let empty = store.put(b"")?;
    Ok(store.put_directory(&level(store, tree, empty)?)?)
}

fn level(store: &dyn Content, tree: Digest<Tree>, empty: Digest<Blob>) -> Result<Directory, TreeError> {
    let mut skeleton = Directory::default();
    for (name, entry) in &store.directory(tree)?.entries {
        let kept = match entry {
            Entry::Directory(tree) if name == ".cargo" => {
                Some(Entry::Directory(store.put_directory(&stable(store, *tree)?)?))
            }
            Entry::Directory(tree) => {
                let below = level(store, *tree, empty)?;
                if below.entries.is_empty() {
                    None
                } else {
                    Some(Entry::Directory(store.put_directory(&below)?))
                }
            }
            Entry::File(_)
                if matches!(name.as_str(), "Cargo.toml" | "Cargo.lock" | ".cargo-checksum.json") =>
            {
                Some(entry.clone())
            }
            // Cargo infers `readme` from these names.
            Entry::File(_)
                if is_rust(name) || matches!(name.as_str(), "README" | "README.md" | "README.txt") =>
            {
                Some(Entry::File(File { digest: empty, executable: false }))
            }
            // A link may lead to a manifest or a target's file: its name counts.
            Entry::Symlink(_) => Some(entry.clone()),
            Entry::File(_) => None,
        };
        if let Some(kept) = kept {
            skeleton.entries.insert(name.clone(), kept);
        }
    }
    Ok(skeleton)
}

/// A `.cargo` folder without what means something to a nightly cargo alone: planning cargo is given an option of a
/// nightly's, and would heed it.
fn stable(store: &dyn Content, tree: Digest<Tree>) -> Result<Directory, TreeError> {
    let mut folder = Directory::clone(&*store.directory(tree)?);
    for (name, entry) in &mut folder.entries {
        let Entry::File(file) = entry else { continue };
        if !matches!(name.as_str(), "config" | "config.toml") {
            continue;
        }
        // What is no TOML is cargo's to report.
        let text = store.get(file.digest)?;
        let Some(mut table) =
            std::str::from_utf8(&text).ok().and_then(|text| text.parse::<toml::Table>().ok())
        else {
            continue;
        };
        let before = table.len();
        table.retain(|key, _| !UNSTABLE.contains(&key));
        if table.len() < before {
            file.digest = store.put(table.to_string().as_bytes())?;
        }
    }
    Ok(folder)
}

fn is_rust(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs")
}

#[cfg(test)]
mod tests {
    use xbuild_action::Memory;

    use super::*;
    use crate::trees::tree;

    #[test]
    fn only_manifests_and_names_count() {
        let store = Memory::default();
        let of = |files: &[(&str, &str)]| skeleton(&store, tree(&store, files)).unwrap();
        let one = of(&[
            ("Cargo.toml", "[package]"),
            ("src/lib.rs", "fn a() {}"),
            ("README.md", "x"),
            ("data.json", "{}"),
        ]);
        assert_eq!(one, of(&[("Cargo.toml", "[package]"), ("src/lib.rs", "fn b() {}"), ("README.md", "y")]));
        assert_ne!(one, of(&[("Cargo.toml", "[package]\n"), ("src/lib.rs", "fn a() {}")]));
        assert_ne!(one, of(&[("Cargo.toml", "[package]"), ("src/main.rs", "fn a() {}")]));
    }

    #[test]
    fn what_only_a_nightly_cargo_heeds_is_left_out_of_the_configuration() {
        let store = Memory::default();
        let of = |text: &str| skeleton(&store, tree(&store, &[(".cargo/config.toml", text)])).unwrap();
        let stable = "[build]\njobs = 1\n";
        assert_eq!(of(&format!("{stable}[unstable]\nbuild-std = [\"std\"]\n")), of(stable));
        assert_ne!(of("[build]\njobs = 2\n"), of(stable));
        assert_ne!(of("not toml"), of(""), "cargo says what is wrong with it");
    }
}
