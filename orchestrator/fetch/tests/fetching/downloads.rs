//! Files from servers that behave and that don't.

use std::time::Duration;

use xbuild_action::{Cancel, Content as _, ContentExt as _};
use xbuild_base::{Blob, Digest, Sha256};
use xbuild_fetch::{FetchError, Fetcher, FixedOutput, Quiet, Settings, Tier};

use crate::server::{Reply, Server};
use crate::support::{Counting, Journal, file, noise, offline, quick};

const HELLO: &[u8] = b"hello";

fn fetch(store: &Counting, settings: Settings, wanted: &FixedOutput) -> Result<Digest<Blob>, FetchError> {
    let fetched = Fetcher::new(store, settings, &Quiet).blobs(std::slice::from_ref(wanted))?;
    Ok(fetched[0])
}

#[test]
fn a_mismatch_shows_both_checksums_and_keeps_nothing() {
    let server = Server::with_file(b"jello".to_vec());
    let store = Counting::new();
    let error = fetch(&store, quick(), &file("greeting", HELLO, &[&server.url])).unwrap_err();
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(lines[0].contains("greeting") && lines[0].contains(&server.url), "{text}");
    assert_eq!(lines[1], format!("expected {}", Sha256::of(HELLO)));
    assert_eq!(lines[2], format!("computed {}", Sha256::of(b"jello")));
    assert!(!store.has_blob(Digest::of(b"jello")).unwrap());
    assert_eq!(store.memos(), 0);
    assert_eq!((error.tier(), error.help().is_some()), (Tier::Environment, true));
}

#[test]
fn another_size_than_the_pinned_one_is_refused_before_it_is_read() {
    let server = Server::with_file(b"hello, world".to_vec());
    let store = Counting::new();
    let error = fetch(&store, quick(), &file("greeting", HELLO, &[&server.url])).unwrap_err();
    assert!(matches!(error, FetchError::WrongSize { expected: 5, found: 12, .. }), "{error}");
    assert_eq!(server.requests().len(), 1, "it will not change by asking again");
}

#[test]
fn a_cut_connection_is_resumed_where_it_ended() {
    let body = noise(100_000);
    let served = body.clone();
    let server = Server::new(move |request| {
        let mut reply = Reply::ranged(&served, request);
        // The first two connections end early.
        reply.cut = (request.before < 2).then_some(30_000);
        reply
    });
    let (store, journal) = (Counting::new(), Journal::default());
    let wanted = file("big", &body, &[format!("{}/big", server.url)]);
    let fetched = Fetcher::new(&store, quick(), &journal).blobs(&[wanted]).unwrap();
    assert_eq!(store.get(fetched[0]).unwrap(), body);
    let ranges: Vec<Option<usize>> = server.requests().iter().map(|request| request.range()).collect();
    assert_eq!(ranges, [None, Some(30_000), Some(60_000)]);
    let lines = journal.lines();
    assert!(lines.contains(&"big started 100000".to_owned()), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("retrying")).count(), 2, "{lines:?}");
    assert_eq!(lines.last().unwrap(), "big finished");
}

#[test]
fn a_server_without_ranges_is_read_from_the_beginning_again() {
    let body = noise(50_000);
    let served = body.clone();
    let server = Server::new(move |request| Reply {
        cut: (request.before == 0).then_some(20_000),
        ..Reply::ok(served.clone())
    });
    let store = Counting::new();
    let digest = fetch(&store, quick(), &file("big", &body, &[&server.url])).unwrap();
    assert_eq!(store.get(digest).unwrap(), body);
}

#[test]
fn a_file_that_is_always_cut_short_is_an_error_and_not_kept() {
    let server = Server::new(|_| Reply { cut: Some(3), ..Reply::ok(HELLO) });
    let store = Counting::new();
    let settings = Settings { retries: 2, ..quick() };
    // The server ignores ranges, so that it never gets beyond three bytes.
    let error = fetch(&store, settings, &file("greeting", HELLO, &[&server.url])).unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("3 tries"), "{error}");
    assert_eq!(server.requests().len(), 3);
    assert!(!store.has_blob(Digest::of(b"hel")).unwrap());
}

#[test]
fn busy_servers_are_asked_again() {
    let server = Server::new(|request| match request.before {
        0 => Reply::status(503).header("Retry-After", "0"),
        1 => Reply::status(429),
        2 => Reply::status(500),
        _ => Reply::ok(HELLO),
    });
    let store = Counting::new();
    fetch(&store, quick(), &file("greeting", HELLO, &[&server.url])).unwrap();
    assert_eq!(server.requests().len(), 4);

    let never = Server::new(|_| Reply::status(503));
    let error = fetch(&Counting::new(), quick(), &file("greeting", HELLO, &[&never.url])).unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }) && error.to_string().contains("503"), "{error}");
    assert_eq!(never.requests().len(), 4);
}

#[test]
fn a_silent_server_is_left_after_the_time_out() {
    let slow = Server::new(|_| Reply { stall: Duration::from_secs(20), ..Reply::ok(HELLO) });
    let good = Server::with_file(HELLO.to_vec());
    let settings = Settings { retries: 0, timeout: Duration::from_millis(200), ..quick() };
    let wanted = file("greeting", HELLO, &[&slow.url, &good.url]);
    fetch(&Counting::new(), settings, &wanted).unwrap();
    assert_eq!(good.requests().len(), 1);
}

#[test]
fn what_is_cancelled_stops_between_two_tries_and_keeps_nothing() {
    let cancel = Cancel::default();
    let pressed = cancel.clone();
    let busy = Server::new(move |_| {
        pressed.cancel();
        Reply::status(503).header("Retry-After", "30")
    });
    let store = Counting::new();
    let wanted = [file("greeting", HELLO, &[&busy.url]), file("other", b"other", &[&busy.url])];
    let fetcher = Fetcher::new(&store, Settings { jobs: 1, ..quick() }, &Quiet).stopped_by(cancel);
    let start = std::time::Instant::now();
    let error = fetcher.blobs(&wanted).unwrap_err();
    assert!(matches!(error, FetchError::Cancelled), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "the server's pause was sat out");
    assert_eq!(busy.requests().len(), 1, "nothing more is asked for");
}

#[test]
fn where_a_file_is_gone_the_next_place_is_asked() {
    let (empty, good) = (Server::new(|_| Reply::status(404)), Server::with_file(HELLO.to_vec()));
    let wanted = file("greeting", HELLO, &[&empty.url, &good.url]);
    fetch(&Counting::new(), quick(), &wanted).unwrap();
    assert_eq!(empty.requests().len(), 1, "there is no point in asking again");
}

#[test]
fn what_is_gone_everywhere_says_so_and_names_the_command() {
    let server = Server::new(|_| Reply::status(404));
    let places = [format!("{}/a", server.url), "/nonexistent/b".to_owned()];
    let error = fetch(&Counting::new(), quick(), &file("rustc.deb", HELLO, &places)).unwrap_err();
    assert!(
        matches!(&error, FetchError::Gone { name, tried } if name == "rustc.deb" && tried.len() == 2),
        "{error}"
    );
    assert!(error.help().unwrap().contains("xbuild toolchain update"));
}

#[test]
fn all_that_is_gone_is_told_at_once_and_the_rest_is_kept() {
    let server = Server::new(|request| match request.path.as_str() {
        "/there" => Reply::ok(HELLO),
        _ => Reply::status(404),
    });
    let place = |path: &str| [format!("{}/{path}", server.url)];
    let wanted =
        [file("b", b"b", &place("b")), file("there", HELLO, &place("there")), file("a", b"a", &place("a"))];
    let store = Counting::new();
    let error = Fetcher::new(&store, quick(), &Quiet).blobs(&wanted).unwrap_err();
    let FetchError::Several { errors } = &error else { panic!("{error}") };
    let names: Vec<String> = errors.iter().map(|e| e.to_string().chars().take(1).collect()).collect();
    assert_eq!(names, ["b", "a"]);
    assert!(store.has_blob(Digest::of(HELLO)).unwrap());
}

#[test]
fn mirrors_by_hash_are_asked_first_folders_and_servers_alike() {
    let origin = Server::with_file(HELLO.to_vec());
    let (hex, folder) = (Sha256::of(HELLO).to_hex(), tempfile::tempdir().unwrap());
    let at = format!("{}/{hex}", &hex[..2]);
    std::fs::create_dir_all(folder.path().join(&hex[..2])).unwrap();
    std::fs::write(folder.path().join(&at), HELLO).unwrap();
    let wanted = file("greeting", HELLO, &[&origin.url]);

    let settings = Settings { mirrors: vec![folder.path().display().to_string()], ..quick() };
    fetch(&Counting::new(), settings.clone(), &wanted).unwrap();
    // A folder needs no network.
    fetch(&Counting::new(), Settings { offline: true, ..settings }, &wanted).unwrap();
    assert_eq!(origin.requests().len(), 0);

    let mirror = Server::with_file(HELLO.to_vec());
    let settings = Settings { mirrors: vec![format!("{}/by-hash/", mirror.url)], ..quick() };
    fetch(&Counting::new(), settings, &wanted).unwrap();
    assert_eq!((mirror.paths(), origin.requests().len()), (vec![format!("/by-hash/{at}")], 0));

    // A mirror that doesn't have it, or is down, changes nothing.
    let mirrors = vec!["/nonexistent".to_owned(), "http://127.0.0.1:9/x".to_owned()];
    fetch(&Counting::new(), Settings { mirrors, retries: 0, ..quick() }, &wanted).unwrap();
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_mirror_that_is_down_does_not_hide_that_a_file_is_gone() {
    let origin = Server::new(|_| Reply::status(404));
    let settings = Settings { mirrors: vec!["http://127.0.0.1:9/x".to_owned()], retries: 0, ..quick() };
    let error = fetch(&Counting::new(), settings, &file("greeting", HELLO, &[&origin.url])).unwrap_err();
    assert!(matches!(error, FetchError::Gone { .. }), "{error}");
}

#[test]
fn offline_lists_all_that_is_missing_and_what_is_there_needs_no_network() {
    let server = Server::with_file(HELLO.to_vec());
    let store = Counting::new();
    let there = file("there", HELLO, &[&server.url]);
    fetch(&store, quick(), &there).unwrap();
    assert_eq!(fetch(&store, offline(), &there).unwrap(), Digest::of(HELLO));
    let wanted = [file("b", b"b", &[&server.url]), there.clone(), file("a", b"a", &[&server.url])];
    let fetcher = Fetcher::new(&store, offline(), &Quiet);
    let error = fetcher.trees(&wanted).unwrap_err();
    let FetchError::Offline { missing } = &error else { panic!("{error}") };
    assert_eq!(missing.len(), 2);
    assert!(missing[0].starts_with("a ") && missing[1].starts_with("b "), "{missing:?}");
    assert_eq!(fetcher.missing(&wanted).unwrap(), [0, 2]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn one_thing_that_is_wanted_twice_is_fetched_once() {
    let server = Server::with_file(HELLO.to_vec());
    let wanted = vec![file("greeting", HELLO, &[&server.url]); 3];
    let store = Counting::new();
    let trees = Fetcher::new(&store, quick(), &Quiet).trees(&wanted).unwrap();
    assert_eq!(trees.len(), 3);
    assert!(trees.iter().all(|tree| *tree == trees[0]));
    assert_eq!(store.listing(trees[0]), [("file".to_owned(), "hello".to_owned())]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn several_files_are_fetched_at_once() {
    // Each request waits for a second one: fetched one after the other they would time out.
    let barrier = std::sync::Barrier::new(2);
    let server = Server::new(move |request| {
        barrier.wait();
        Reply::ok(request.path.clone().into_bytes())
    });
    let wanted: Vec<FixedOutput> = ["/a", "/b"]
        .iter()
        .map(|path| file(path, path.as_bytes(), &[format!("{}{path}", server.url)]))
        .collect();
    let store = Counting::new();
    let fetched = Fetcher::new(&store, Settings { retries: 0, ..quick() }, &Quiet).blobs(&wanted).unwrap();
    assert_eq!(fetched, [Digest::of(b"/a"), Digest::of(b"/b")], "in the order asked for");
}

#[test]
fn redirections_are_followed_and_strangers_get_no_credentials() {
    let target = Server::with_file(HELLO.to_vec());
    let to = format!("{}/real", target.url);
    let first = Server::new(move |request| match request.header("authorization") {
        Some("Basic bWU6cHc=") => Reply::status(302).header("Location", to.clone()),
        _ => Reply::status(401),
    });
    let wanted = file("greeting", HELLO, &[first.url.replace("http://", "http://me:pw@")]);
    fetch(&Counting::new(), quick(), &wanted).unwrap();
    assert_eq!(target.requests()[0].header("authorization"), None);

    let error = fetch(&Counting::new(), quick(), &file("greeting", HELLO, &[&first.url])).unwrap_err();
    assert!(matches!(error, FetchError::Refused { status: 401, .. }), "{error}");
}

#[test]
fn nothing_that_a_server_does_to_the_encoding_reaches_the_hash() {
    let packed = crate::support::gzip(HELLO);
    let served = packed.clone();
    let server = Server::new(move |_| Reply::ok(served.clone()).header("Content-Encoding", "gzip"));
    let store = Counting::new();
    let digest = fetch(&store, quick(), &file("greeting.gz", &packed, &[&server.url])).unwrap();
    assert_eq!(digest, Digest::of(&packed));
}
