//! Archives that are as they should be, and those that aren't.

use std::collections::BTreeMap;
use std::io::Write as _;

use proptest::prelude::*;
use xbuild_action::{Content as _, ContentExt as _, Entry, File, TreeBuilder};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_fetch::{ArchiveError, FetchError, Fetcher, Quiet, Unpack};

use crate::support::{Counting, crate_file, gzip, quick, wanted};

/// One entry of a tar archive under construction; nothing about it is checked.
#[derive(Debug, Clone)]
struct Item {
    path: Vec<u8>,
    kind: tar::EntryType,
    mode: u32,
    body: Vec<u8>,
    target: Vec<u8>,
}

impl Item {
    fn file(path: &str, body: &str) -> Self {
        let (path, body) = (path.as_bytes().to_vec(), body.as_bytes().to_vec());
        Self { path, kind: tar::EntryType::Regular, mode: 0o644, body, target: Vec::new() }
    }
    fn link(path: &str, target: &str) -> Self {
        Self { kind: tar::EntryType::Symlink, target: target.as_bytes().to_vec(), ..Self::file(path, "") }
    }
    fn of_kind(path: &str, kind: tar::EntryType) -> Self {
        Self { kind, ..Self::file(path, "") }
    }
    fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }
}

fn tar_of(items: &[Item]) -> Vec<u8> {
    let mut archive = Vec::new();
    for item in items {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..item.path.len()].copy_from_slice(&item.path);
        header.as_old_mut().linkname[..item.target.len()].copy_from_slice(&item.target);
        header.set_entry_type(item.kind);
        header.set_mode(item.mode);
        header.set_size(item.body.len() as u64);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(&item.body);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn deb_of(compression: &str, data: &[u8]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, body) in [
        ("debian-binary", b"2.0\n".as_slice()),
        ("control.tar.xz", b"x"),
        (&format!("data.tar{compression}"), data),
    ] {
        archive.append(&ar::Header::new(name.as_bytes().to_vec(), body.len() as u64), body).unwrap();
    }
    archive.into_inner().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(store: &Counting, kind: Unpack, bytes: &[u8]) -> Result<Digest<Tree>, FetchError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let wanted = wanted("archive", bytes, &[file.path().display().to_string()], kind);
    Ok(Fetcher::new(store, quick(), &Quiet).trees(&[wanted])?[0])
}

/// The listing of what an archive unpacks to.
fn listing(kind: Unpack, bytes: &[u8]) -> Vec<(String, String)> {
    let store = Counting::new();
    let tree = unpack(&store, kind, bytes).unwrap();
    store.listing(tree)
}

/// Why an archive is refused, having made sure that no tree of it was kept.
fn refused(kind: Unpack, bytes: &[u8]) -> ArchiveError {
    let store = Counting::new();
    let error = unpack(&store, kind, bytes).unwrap_err();
    assert_eq!(store.directories(), 0, "nothing of the tree is kept");
    assert_eq!(store.memos(), 1, "only that the file itself is there");
    match error {
        FetchError::Archive { name, problem } if name == "archive" => problem,
        other => panic!("{other}"),
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_crate_loses_its_top_folder() {
    let manifest = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n";
    let expected = pairs(&[("Cargo.toml", manifest), ("src/lib.rs", "pub fn f() {}\n")]);
    assert_eq!(listing(Unpack::Crate, &crate_file("a", "1.0.0")), expected);
    let two = gzip(&tar_of(&[Item::file("a-1/x", "1"), Item::file("b-1/y", "2")]));
    assert!(matches!(refused(Unpack::Crate, &two), ArchiveError::Damaged { .. }));
}

#[test]
fn a_package_is_laid_out_for_a_merged_usr_with_relative_links_and_no_setuid() {
    let hard =
        Item { target: b"./bin/busybox".to_vec(), ..Item::of_kind("./usr/bin/hard", tar::EntryType::Link) };
    let items = [
        Item::of_kind("./", tar::EntryType::Directory),
        Item::of_kind("./bin/", tar::EntryType::Directory),
        Item::file("./bin/busybox", "b").mode(0o4755),
        Item::link("./lib64/ld.so", "/lib/x/ld.so"),
        Item::link("./sbin", "usr/sbin"),
        Item::link("./usr/bin/sh", "/bin/busybox"),
        hard,
        Item::of_kind("./var/empty/", tar::EntryType::Directory),
    ];
    let expected = pairs(&[
        ("usr/bin/busybox*", "b"),
        ("usr/bin/hard*", "b"),
        ("usr/bin/sh@", "busybox"),
        ("usr/lib64/ld.so@", "../lib/x/ld.so"),
        ("var/empty/", ""),
    ]);
    let data = tar_of(&items);
    assert_eq!(listing(Unpack::Deb, &deb_of("", &data)), expected);
    assert_eq!(listing(Unpack::Deb, &deb_of(".gz", &gzip(&data))), expected);
    assert_eq!(listing(Unpack::Deb, &deb_of(".xz", &xz(&data))), expected);
    assert_eq!(listing(Unpack::Deb, &deb_of(".zst", &zstd::encode_all(&data[..], 1).unwrap())), expected);
    assert!(matches!(refused(Unpack::Deb, &deb_of(".rot13", &data)), ArchiveError::Damaged { .. }));
}

#[test]
fn of_a_tar_archive_a_part_can_be_kept_elsewhere() {
    let data = tar_of(&[
        Item::file("rust-1.0/lib/a", "a"),
        Item::file("rust-1.0/share/b", "b"),
        Item::file("rust-1.0/version", "v"),
    ]);
    let kind = |strip, keep: &str, prefix: &str| Unpack::Tar {
        strip,
        keep: RelPath::new(keep).unwrap(),
        prefix: RelPath::new(prefix).unwrap(),
    };
    for packed in [data.clone(), gzip(&data), xz(&data), zstd::encode_all(&data[..], 1).unwrap()] {
        assert_eq!(listing(kind(1, "lib", "usr/lib"), &packed), pairs(&[("usr/lib/a", "a")]));
    }
    assert_eq!(listing(kind(2, "", ""), &data), pairs(&[("a", "a"), ("b", "b")]));
    assert_eq!(listing(kind(1, "version", "etc/v"), &data), pairs(&[("etc/v", "v")]));
    assert!(matches!(refused(kind(1, "missing", ""), &data), ArchiveError::Damaged { .. }));
}

#[test]
fn the_same_archive_with_other_options_is_another_tree() {
    let (store, data) = (Counting::new(), gzip(&tar_of(&[Item::file("a-1/x", "1")])));
    let (one, two) = (unpack(&store, Unpack::Crate, &data), unpack(&store, Unpack::tar(0), &data));
    assert_ne!(one.unwrap(), two.unwrap());
}

#[test]
fn malicious_archives_are_refused_each_for_its_reason() {
    use tar::EntryType as Kind;
    let hard = |target: &str| Item { target: target.as_bytes().to_vec(), ..Item::of_kind("a/h", Kind::Link) };
    let cases: &[(&str, Vec<Item>)] = &[
        ("Absolute", vec![Item::file("/etc/passwd", "x")]),
        ("Parent", vec![Item::file("a/../../x", "x")]),
        ("Parent", vec![Item::file("a/../x", "x")]),
        ("LinkOutside", vec![Item::link("a/b", "../../etc")]),
        ("LinkOutside", vec![Item::link("a/b", "/etc/passwd")]),
        ("LinkOutside", vec![Item::link("a/b", "..")]),
        ("Through", vec![Item::link("a/b", "c"), Item::file("a/b/x", "x")]),
        ("Through", vec![Item::link("a/b", "."), Item::file("a/b/x", "x")]),
        ("HardLink", vec![hard("a/missing")]),
        ("Parent", vec![hard("../outside")]),
        ("Absolute", vec![hard("/etc/passwd")]),
        ("Special", vec![Item::of_kind("a/dev", Kind::Char)]),
        ("Special", vec![Item::of_kind("a/dev", Kind::Block)]),
        ("Special", vec![Item::of_kind("a/pipe", Kind::Fifo)]),
        ("Duplicate", vec![Item::file("a/b", "1"), Item::link("a/b", "c")]),
        ("Duplicate", vec![Item::file("a/b", "1"), Item::of_kind("a/b/", Kind::Directory)]),
        ("Duplicate", vec![Item::of_kind("a/b/", Kind::Directory), Item::file("a/b", "1")]),
        ("Name", vec![Item { path: b"a/\xff".to_vec(), ..Item::file("", "") }]),
        ("Damaged", vec![]),
    ];
    for (expected, items) in cases {
        // An honest file before and after changes nothing.
        let mut items = items.clone();
        if !items.is_empty() {
            items.insert(0, Item::file("a/ok", "ok"));
            items.push(Item::file("a/ok2", "ok"));
        }
        // `a` is the folder that a crate strips, so that `..` in it is the root's.
        let problem = match *expected {
            "LinkOutside" if items[1].target == b".." => refused(Unpack::Crate, &gzip(&tar_of(&items))),
            _ => refused(Unpack::tar(0), &tar_of(&items)),
        };
        let found = format!("{problem:?}");
        assert!(found.starts_with(expected), "{items:?}: expected {expected}, found {found}");
    }
}

#[test]
fn debian_packages_are_held_to_the_same() {
    for (expected, item) in [
        ("Absolute", Item::file("/etc/passwd", "x")),
        ("Parent", Item::file("./../x", "x")),
        ("LinkOutside", Item::link("./usr/a", "../../etc")),
        ("Special", Item::of_kind("./dev/null", tar::EntryType::Char)),
    ] {
        let found = format!("{:?}", refused(Unpack::Deb, &deb_of("", &tar_of(&[item]))));
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn bombs_are_refused_before_they_fill_anything() {
    // Zeros, of which gzip makes a thousandth.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let size = 300_u64 << 20;
    let mut header = tar::Header::new_ustar();
    header.set_path("a/zeros").unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    // What the header promises is enough: the body need not be there.
    let bomb = encoder.finish().unwrap();
    assert!(matches!(refused(Unpack::tar(0), &bomb), ArchiveError::Absurd { .. }));

    // A name without an end must not end up in memory.
    let mut long = Item::of_kind("././@LongLink", tar::EntryType::GNULongName);
    long.body = vec![b'a'; 5 << 20];
    let found = refused(Unpack::tar(0), &gzip(&tar_of(&[long, Item::file("x", "")])));
    assert!(found.to_string().contains("header"), "{found}");
}

#[test]
fn an_archive_that_was_cut_is_damaged() {
    let whole = tar_of(&[Item::file("a/b", &"x".repeat(2000))]);
    assert!(matches!(refused(Unpack::tar(0), &whole[..1024]), ArchiveError::Damaged { .. }));
    let packed = gzip(&whole);
    assert!(matches!(refused(Unpack::Crate, &packed[..packed.len() / 2]), ArchiveError::Damaged { .. }));
    assert!(matches!(refused(Unpack::Crate, b"not gzip"), ArchiveError::Damaged { .. }));
    assert!(matches!(refused(Unpack::Deb, b"not ar"), ArchiveError::Damaged { .. }));
    let everything = Unpack::Wheel { keep: RelPath::root(), prefix: RelPath::root() };
    assert!(matches!(refused(everything, b"not zip"), ArchiveError::Damaged { .. }));
}

/// A zip archive; paths and modes as given, a mode of a link makes one.
fn zip_of(items: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, mode, body) in items {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode & 0o777);
        if mode & 0o170_000 == 0o120_000 {
            archive.add_symlink(*path, *body, options).unwrap();
        } else {
            archive.start_file(*path, options).unwrap();
            archive.write_all(body.as_bytes()).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn of_a_wheel_a_part_is_kept_with_its_modes() {
    let bytes = zip_of(&[
        ("ziglang/lib/libcxx/src/a.cpp", 0o644, "a"),
        ("ziglang/lib/run", 0o755, "r"),
        ("ziglang/zig", 0o755, "z"),
        ("ziglang/lib/link", 0o120_777, "run"),
        ("zig.dist-info/METADATA", 0o644, "m"),
    ]);
    let kind = |keep: &str, prefix: &str| Unpack::Wheel {
        keep: RelPath::new(keep).unwrap(),
        prefix: RelPath::new(prefix).unwrap(),
    };
    let expected = pairs(&[
        ("usr/src/zig/libcxx/src/a.cpp", "a"),
        ("usr/src/zig/link@", "run"),
        ("usr/src/zig/run*", "r"),
    ]);
    assert_eq!(listing(kind("ziglang/lib", "usr/src/zig"), &bytes), expected);
    assert_eq!(listing(kind("", ""), &bytes).len(), 5);
    assert!(matches!(refused(kind("other", ""), &bytes), ArchiveError::Damaged { .. }));
}

#[test]
fn malicious_wheels_are_refused() {
    let everything = || Unpack::Wheel { keep: RelPath::root(), prefix: RelPath::root() };
    for (expected, item) in [
        ("LinkOutside", ("a/b", 0o120_777, "../../etc")),
        ("Absolute", ("/etc/passwd", 0o644, "x")),
        ("Parent", ("a/../../x", 0o644, "x")),
    ] {
        let found = format!("{:?}", refused(everything(), &zip_of(&[("ok", 0o644, "ok"), item])));
        assert!(found.starts_with(expected), "{item:?}: {found}");
    }
}

/// A small tree as data: paths of at most three short names, files with modes, links to siblings.
fn files() -> impl Strategy<Value = BTreeMap<String, (bool, String)>> {
    let path = proptest::collection::vec("[a-d]", 1..4).prop_map(|parts| parts.join("/"));
    proptest::collection::btree_map(path, (any::<bool>(), "[ -~]{0,40}"), 1..12).prop_map(|mut files| {
        // No file lies below another one.
        let paths: Vec<String> = files.keys().cloned().collect();
        files.retain(|path, _| !paths.iter().any(|other| path.starts_with(&format!("{other}/"))));
        files
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn unpacking_gives_the_tree_that_was_packed(files in files(), shuffle in any::<u64>()) {
        let store = Counting::new();
        let mut built = TreeBuilder::default();
        let mut items = Vec::new();
        for (path, (executable, text)) in &files {
            let digest = store.put(text.as_bytes()).unwrap();
            let entry = Entry::File(File { digest, executable: *executable });
            built.insert(&store, &RelPath::new(path.as_str()).unwrap(), entry).unwrap();
            items.push(Item::file(path, text).mode(if *executable { 0o755 } else { 0o640 }));
        }
        // The order of an archive's entries is no content.
        let middle = usize::try_from(shuffle % items.len() as u64).unwrap();
        items.rotate_left(middle);
        let expected = built.build(&store).unwrap();
        prop_assert_eq!(unpack(&store, Unpack::tar(0), &gzip(&tar_of(&items))).unwrap(), expected);
        prop_assert!(store.directory(expected).is_ok());
    }
}
