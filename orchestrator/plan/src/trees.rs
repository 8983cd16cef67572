//! Trees for tests.

use xbuild_action::{ContentExt as _, Entry, File, Memory, TreeBuilder};
use xbuild_base::{Digest, RelPath, Tree};

/// A tree of files with these texts.
pub(crate) fn tree(store: &Memory, files: &[(&str, &str)]) -> Digest<Tree> {
    let mut builder = TreeBuilder::default();
    for (path, text) in files {
        let file = File { digest: store.put(text.as_bytes()).unwrap(), executable: false };
        builder.insert(store, &RelPath::new(*path).unwrap(), Entry::File(file)).unwrap();
    }
    builder.build(store).unwrap()
}
