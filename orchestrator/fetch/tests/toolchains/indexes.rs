//! Releases and indexes from a mirror on loopback.

use std::path::Path;

use xbuild_fetch::debian::{DebianError, IndexSource as _, Indexes, Mirrors};
use xbuild_fetch::{FetchError, Fetcher, InMemory, Quiet, Settings};

use crate::server::{Reply, Request, Server};
use crate::support::{NOW, fixture, settings};

/// The fixture archive below `/debian`, with `change` over each reply.
fn mirror(change: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Server {
    Server::new(move |request| {
        let path = request.path.trim_start_matches("/debian/");
        let reply = fs_err::read(fixture("archive").join(path)).map_or(Reply::status(404), Reply::ok);
        change(request, reply)
    })
}

fn with<T>(
    urls: &[&str],
    now: u64,
    work: impl FnOnce(&Indexes<'_>) -> Result<T, FetchError>,
) -> Result<T, FetchError> {
    let store = InMemory::new().unwrap();
    let fetcher = Fetcher::new(&store, settings(), &Quiet);
    let keyring = fixture("signed/keyring.gpg");
    let mirrors = Mirrors::of("debian", urls, &[keyring.as_path()]);
    work(&Indexes::new(&fetcher, &mirrors, Default::default(), now)?)
}

#[test]
fn an_index_is_fetched_by_its_hash_then_by_its_name_and_read_once() {
    let server = mirror(|_, reply| reply);
    let url = format!("{}/debian", server.url);
    with(&[&url], NOW, |indexes| {
        let index = indexes.index("trixie", "amd64")?;
        assert_eq!(index.len(), 101);
        let perl = index.package("perl").unwrap().unwrap();
        assert!(perl.path.starts_with("pool/main/p/perl/"));
        indexes.index("trixie", "amd64")?;
        assert_eq!(indexes.index("trixie", "arm64")?.len(), 0, "the suite has no such architecture");
        Ok(())
    })
    .unwrap();
    let paths = server.paths();
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert!(paths[0].ends_with("dists/trixie/InRelease"));
    assert!(paths[1].contains("/by-hash/SHA256/"));
    assert!(paths[2].ends_with("main/binary-amd64/Packages.xz"));
}

#[test]
fn a_release_that_was_changed_on_the_way_is_refused_and_the_next_mirror_asked() {
    let bad = mirror(|_, mut reply| {
        let text = String::from_utf8_lossy(&reply.body).replace("Origin: Example", "Origin: Exampla");
        reply.body = text.into_bytes();
        reply
    });
    let bad_url = format!("{}/debian", bad.url);
    let error = with(&[&bad_url], NOW, |indexes| indexes.release("trixie")).unwrap_err();
    assert!(matches!(&error, FetchError::Debian(DebianError::Untrusted { .. })), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("trixie") && text.contains(&bad_url) && text.contains("does not fit"), "{text}");

    let good = mirror(|_, reply| reply);
    let good_url = format!("{}/debian", good.url);
    assert!(with(&[&bad_url, &good_url], NOW, |indexes| indexes.release("trixie")).is_ok());
}

#[test]
fn an_index_that_is_not_the_released_one_is_refused() {
    let server = mirror(|request, mut reply| {
        if request.path.ends_with("Packages.xz") {
            reply.body[20] ^= 1;
        }
        reply
    });
    let url = format!("{}/debian", server.url);
    let error = with(&[&url], NOW, |indexes| indexes.index("trixie", "amd64").map(drop)).unwrap_err();
    assert!(matches!(&error, FetchError::Mismatch { .. }), "{error:?}");
}

#[test]
fn a_suite_that_no_mirror_has_is_named() {
    let server = mirror(|_, reply| reply);
    let url = format!("{}/debian", server.url);
    let error = with(&[&url], NOW, |indexes| indexes.release("potato")).unwrap_err();
    assert!(matches!(&error, FetchError::Debian(DebianError::NoSuite { .. })), "{error:?}");
    assert!(error.to_string().contains("potato") && error.to_string().contains(&url));
    assert!(error.help().unwrap().contains("XBUILD_DEBIAN_MIRRORS"));
}

#[test]
fn an_old_release_is_good_from_a_snapshot_only() {
    let server = mirror(|request, _| {
        let path = request.path.rsplit_once("/dists/").unwrap().1;
        Reply::ok(fs_err::read(fixture("archive/dists").join(path)).unwrap())
    });
    let later = NOW + 365 * 86_400;
    let (mirror, snapshot) =
        (format!("{}/debian", server.url), format!("{}/archive/debian/20261121T120000Z", server.url));
    let error = with(&[&mirror], later, |indexes| indexes.release("trixie")).unwrap_err();
    assert!(error.to_string().contains("has expired"), "{error}");
    assert!(with(&[&snapshot], later, |indexes| indexes.release("trixie")).is_ok());
}

#[test]
fn offline_says_so() {
    let store = InMemory::new().unwrap();
    let fetcher = Fetcher::new(&store, Settings { offline: true, ..settings() }, &Quiet);
    let mirrors = Mirrors::of("debian", &["http://127.0.0.1:9/debian"], &[&fixture("signed/keyring.gpg")]);
    let indexes = Indexes::new(&fetcher, &mirrors, Default::default(), NOW).unwrap();
    assert!(matches!(indexes.release("trixie"), Err(FetchError::Offline { .. })));
    let none = Mirrors::of("other", &[], &[Path::new(&fixture("signed/keyring.gpg"))]);
    let indexes = Indexes::new(&fetcher, &none, Default::default(), NOW).unwrap();
    let error = indexes.release("trixie").unwrap_err();
    assert!(matches!(&error, FetchError::Debian(DebianError::NoMirror { .. })), "{error:?}");
}
