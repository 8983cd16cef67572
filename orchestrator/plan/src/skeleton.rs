//! What cargo must see of a source tree to plan: manifests with their content, Rust files by name alone.
//!
//! Cargo reads manifests, lists folders to find targets (`src/bin/*.rs`, `tests/`, `build.rs` …) and opens no
//! Rust file. So the input root of a planning action holds empty files in their places: its key is made of the
//! manifests, the configuration, the lock and the listings, and an edited source plans nothing anew.

use xbuild_action::{Content, ContentExt as _, Directory, Entry, File, TreeError};
use xbuild_base::{Blob, Digest, Tree};

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
            Entry::Directory(tree) if name == ".cargo" => Some(Entry::Directory(*tree)),
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

fn is_rust(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs")
}

#[cfg(test)]
mod tests {
    use xbuild_action::{Memory, TreeBuilder};
    use xbuild_base::RelPath;

    use super::*;

    fn tree(store: &Memory, files: &[(&str, &str)]) -> Digest<Tree> {
        let mut builder = TreeBuilder::default();
        for (path, text) in files {
            let file = File { digest: store.put(text.as_bytes()).unwrap(), executable: false };
            builder.insert(store, &RelPath::new(*path).unwrap(), Entry::File(file)).unwrap();
        }
        builder.build(store).unwrap()
    }

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
}
