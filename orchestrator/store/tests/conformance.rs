//! One suite over every implementation of the store's traits.

mod common;

use std::io::Read as _;

use common::{file, path, success, temporary, tree};
use xbuild_action::{
    ActionCache, Content, ContentExt as _, Directory, Entry, Memory, Output, StoreError, TreeError, walk,
};
use xbuild_base::{Action, Digest};

fn blobs_come_back_as_they_were(store: &dyn Content) {
    for bytes in [&b""[..], b"x", &[7; 70_000], &vec![9; 3 << 20]] {
        let digest = Digest::of(bytes);
        assert!(!store.has_blob(digest).unwrap());
        assert_eq!(store.put(bytes).unwrap(), digest);
        assert_eq!(store.put(bytes).unwrap(), digest, "twice is no error");
        assert!(store.has_blob(digest).unwrap());
        assert_eq!(store.get(digest).unwrap(), bytes);
    }
}

fn a_blob_of_another_size_is_another_blob(store: &dyn Content) {
    let digest = store.put(b"four").unwrap();
    let longer = Digest::new(digest.sha256(), 5);
    assert!(!store.has_blob(longer).unwrap());
    assert!(matches!(store.open_blob(longer), Err(StoreError::Missing { kind: "blob", .. })));
}

fn host_files_are_copied(store: &dyn Content) {
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 10, 2 << 20] {
        let host = folder.path().join("file");
        fs_err::write(&host, vec![3; size]).unwrap();
        let digest = store.put_file(&host).unwrap();
        fs_err::write(&host, "changed").unwrap();
        assert_eq!(store.get(digest).unwrap(), vec![3; size]);
    }
    assert!(matches!(store.put_file(&folder.path().join("none")), Err(StoreError::Io { .. })));
}

fn a_reader_that_fails_leaves_nothing(store: &dyn Content) {
    struct Failing(usize);
    impl std::io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(self.0);
            self.0 -= count;
            if count == 0 { Err(std::io::Error::other("cut off")) } else { Ok(count) }
        }
    }
    for size in [100, 3 << 20] {
        let error = store.put_reader(&mut Failing(size)).unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
        assert!(!store.has_blob(Digest::of(&vec![0; size])).unwrap());
    }
}

fn directories_come_back_as_they_were(store: &dyn Content) {
    let mut directory = Directory::default();
    directory.entries.insert("link".to_owned(), Entry::Symlink("../x".to_owned()));
    let digest = directory.digest();
    assert!(matches!(store.directory(digest), Err(StoreError::Missing { kind: "tree", .. })));
    assert_eq!(store.put_directory(&directory).unwrap(), digest);
    assert_eq!(store.put_directory(&directory).unwrap(), digest);
    assert_eq!(*store.directory(digest).unwrap(), directory);

    let root = tree(store, &[("a/b", "1"), ("a/c", "2"), ("d", "1")]);
    let mut seen = Vec::new();
    walk::<TreeError>(store, root, &mut |path, entry| {
        if let Entry::File(file) = entry {
            let mut text = String::new();
            store.open_blob(file.digest)?.read_to_string(&mut text).unwrap();
            seen.push(format!("{path}={text}"));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, ["a/b=1", "a/c=2", "d=1"]);
}

fn results_come_back_as_they_were(store: &(impl Content + ActionCache)) {
    let key: Digest<Action> = Digest::of(b"action");
    assert_eq!(store.result(key).unwrap(), None);
    let tree = tree(store, &[("x", "1")]);
    let mut result = success(store, &[("a", file(store, "a")), ("t", Output::Tree(tree))]);
    store.record(key, &result).unwrap();
    assert_eq!(store.result(key).unwrap().as_ref(), Some(&result));
    result.outputs.remove(&path("a"));
    store.record(key, &result).unwrap();
    assert_eq!(store.result(key).unwrap(), Some(result), "the last one counts");
    assert_eq!(store.result(Digest::of(b"another")).unwrap(), None);
}

fn suite(store: &(impl Content + ActionCache)) {
    blobs_come_back_as_they_were(store);
    a_blob_of_another_size_is_another_blob(store);
    host_files_are_copied(store);
    a_reader_that_fails_leaves_nothing(store);
    directories_come_back_as_they_were(store);
    results_come_back_as_they_were(store);
}

#[test]
fn memory() {
    suite(&Memory::default());
}

#[test]
fn disk() {
    suite(&temporary().store);
}

#[test]
fn disk_opened_again() {
    let temporary = temporary();
    let digest = temporary.store.put(b"kept").unwrap();
    drop(temporary.store);
    let again = xbuild_store::Disk::open(&temporary.folder, None).unwrap();
    assert_eq!(again.get(digest).unwrap(), b"kept");
    suite(&again);
}
