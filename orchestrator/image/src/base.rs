//! The base `static`: what a program expects of a system and does not carry itself. No shell, no package manager.

use xbuild_action::{Content, ContentExt as _, Entry, walk};
use xbuild_base::{Blob, Digest, RelPath, Tree};

use crate::closure::descend;
use crate::error::ImageError;
use crate::rootfs::{Node, Owner, Role, RootFs};

/// The number of the user and group `nonroot`, as in other projects' minimal images.
pub const NONROOT: u64 = 65_532;

/// Where the pinned packages have the certificates, one a file.
const CERTIFICATES: &str = "usr/share/ca-certificates/mozilla";

/// Where programs look for all of them in one file: Go, OpenSSL, rustls-native-certs.
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

const ZONES: &str = "usr/share/zoneinfo";

const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n\
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";

const GROUP: &str = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n";

/// Where names of hosts come from, for C libraries that ask.
const NSSWITCH: &str = "hosts: files dns\n";

/// What is wanted of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaseOptions {
    /// Time zones.
    pub timezones: bool,
}

/// Adds the base to an image. `tree` holds the pinned packages.
///
/// # Errors
/// [`ImageError::NoBase`] when it doesn't; [`ImageError::Conflict`].
pub fn add_base(
    store: &dyn Content,
    root: &mut RootFs,
    tree: Digest<Tree>,
    options: BaseOptions,
) -> Result<(), ImageError> {
    const WHY: &str = "the base `static` has it";
    let path = |text: &str| RelPath::new(text);
    for (at, text) in [("etc/passwd", PASSWD), ("etc/group", GROUP), ("etc/nsswitch.conf", NSSWITCH)] {
        let digest = store.put(text.as_bytes())?;
        root.add(path(at)?, Node::file(digest, 0o644, Role::Base, WHY))?;
    }
    let bundle = store.put(&bundle(store, tree)?)?;
    root.add(path(BUNDLE)?, Node::file(bundle, 0o644, Role::Base, WHY))?;

    let mut tmp = Node::directory(Role::Base, WHY);
    tmp.mode = 0o1777;
    root.add(path("tmp")?, tmp)?;
    let mut home = Node::directory(Role::Base, WHY);
    home.owner = Owner { uid: NONROOT, gid: NONROOT };
    root.add(path("home/nonroot")?, home)?;
    let mut roots = Node::directory(Role::Base, WHY);
    roots.mode = 0o700;
    root.add(path("root")?, roots)?;

    if options.timezones {
        let zones = below(store, tree, ZONES)?;
        walk::<ImageError>(store, zones, &mut |at, entry| {
            let to = RelPath::new(ZONES)?.join(at);
            let why = "time zones are asked for";
            match entry {
                Entry::File(file) => root.add(to, Node::file(file.digest, 0o644, Role::Base, why)),
                Entry::Symlink(target) => root.add(to, Node::symlink(target.clone(), Role::Base, why)),
                Entry::Directory(_) => Ok(()),
            }
        })?;
    }
    Ok(())
}

/// All certificates in one file, sorted by their files' names.
fn bundle(store: &dyn Content, tree: Digest<Tree>) -> Result<Vec<u8>, ImageError> {
    let folder = store.directory(below(store, tree, CERTIFICATES)?)?;
    let mut bundle = Vec::new();
    let certificates: Vec<Digest<Blob>> = folder
        .entries
        .iter()
        .filter(|(name, _)| name.ends_with(".crt"))
        .filter_map(|(_, entry)| match entry {
            Entry::File(file) => Some(file.digest),
            Entry::Directory(_) | Entry::Symlink(_) => None,
        })
        .collect();
    for digest in certificates {
        bundle.extend(store.get(digest)?);
        if bundle.last() != Some(&b'\n') {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() { Err(ImageError::NoBase(CERTIFICATES)) } else { Ok(bundle) }
}

fn below(store: &dyn Content, tree: Digest<Tree>, path: &'static str) -> Result<Digest<Tree>, ImageError> {
    descend(store, tree, &RelPath::new(path)?)?.ok_or(ImageError::NoBase(path))
}

#[cfg(test)]
mod tests {
    use xbuild_action::{File, Memory, TreeBuilder};

    use super::*;
    use crate::rootfs::tests::path;

    fn packages(store: &Memory) -> Digest<Tree> {
        let mut tree = TreeBuilder::default();
        for (at, text) in [
            ("usr/share/ca-certificates/mozilla/B.crt", "-b-"),
            ("usr/share/ca-certificates/mozilla/A.crt", "-a-\n"),
            ("usr/share/zoneinfo/Europe/Zurich", "zone"),
        ] {
            let file = File { digest: store.put(text.as_bytes()).unwrap(), executable: false };
            tree.insert(store, &path(at), Entry::File(file)).unwrap();
        }
        tree.build(store).unwrap()
    }

    #[test]
    fn the_base_has_certificates_users_and_tmp() {
        let store = Memory::default();
        let tree = packages(&store);
        let mut root = RootFs::default();
        add_base(&store, &mut root, tree, BaseOptions::default()).unwrap();
        let (_, bundle) = root.file(&path(BUNDLE)).unwrap();
        assert_eq!(bundle.kind, crate::rootfs::Kind::File(Digest::of(b"-a-\n-b-\n")));
        assert_eq!(root.get(&path("tmp")).unwrap().mode, 0o1777);
        assert_eq!(root.get(&path("home/nonroot")).unwrap().owner, Owner { uid: NONROOT, gid: NONROOT });
        assert!(root.get(&path("usr/share/zoneinfo/Europe/Zurich")).is_none());

        let mut root = RootFs::default();
        add_base(&store, &mut root, tree, BaseOptions { timezones: true }).unwrap();
        assert!(root.get(&path("usr/share/zoneinfo/Europe/Zurich")).is_some());
    }

    #[test]
    fn packages_without_certificates_are_no_base() {
        let store = Memory::default();
        let empty = TreeBuilder::default().build(&store).unwrap();
        let error = add_base(&store, &mut RootFs::default(), empty, BaseOptions::default()).unwrap_err();
        assert!(error.to_string().contains(CERTIFICATES), "{error}");
    }
}
