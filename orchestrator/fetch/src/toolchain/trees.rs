//! Trees for tests.

use xbuild_action::{ContentExt as _, Entry, File, Memory, TreeBuilder, TreeError, walk};
use xbuild_base::{Digest, RelPath, Tree};

/// A tree of files with these texts; `-> target` makes a link.
pub(crate) fn tree(store: &Memory, files: &[(&str, &str)]) -> Digest<Tree> {
    let mut builder = TreeBuilder::default();
    for (at, text) in files {
        let entry = match text.strip_prefix("-> ") {
            Some(target) => Entry::Symlink(target.to_owned()),
            None => Entry::File(File { digest: store.put(text.as_bytes()).unwrap(), executable: false }),
        };
        builder.insert(store, &RelPath::new(*at).unwrap(), entry).unwrap();
    }
    builder.build(store).unwrap()
}

/// The paths of all that is no folder.
pub(crate) fn files(store: &Memory, tree: Digest<Tree>) -> Vec<String> {
    let mut files = Vec::new();
    walk::<TreeError>(store, tree, &mut |path, entry| {
        if !matches!(entry, Entry::Directory(_)) {
            files.push(path.as_str().to_owned());
        }
        Ok(())
    })
    .unwrap();
    files
}
