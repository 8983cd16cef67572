//! Crates that are not what the lock says, from a registry on loopback.

use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use insta::assert_snapshot;
use tar::{Builder, EntryType, Header};
use xbuild_base::Sha256;

use crate::common::{Project, Ran, Xbuild};
use crate::server::{Reply, Server};
use crate::{TARGET, results, shown, unique};

/// A registry of one crate, whose file is what the test says at the moment.
struct Registry {
    server: Server,
    reply: Arc<Mutex<Reply>>,
}

impl Registry {
    fn new() -> Self {
        let reply = Arc::new(Mutex::new(Reply::status(404)));
        let now = Arc::clone(&reply);
        let server = Server::new(move |request| match request.path.as_str() {
            "/config.json" => {
                Reply::ok(format!("{{\"dl\": \"http://{}/dl\"}}", request.header("host").unwrap()))
            }
            _ => now.lock().unwrap().clone(),
        });
        Self { server, reply }
    }

    fn serve(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }
}

/// The file of the crate `leaf 1.0.0`, new in every test: the store that the tests share has never seen it.
fn crate_file(entries: &[(&str, &str)]) -> Vec<u8> {
    let manifest = "[package]\nname = \"leaf\"\nversion = \"1.0.0\"\nedition = \"2024\"\n";
    let library = format!("{}pub fn leaf() -> u32 {{\n    let unused = 1;\n    7\n}}\n", unique());
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let own = [("leaf-1.0.0/Cargo.toml", manifest), ("leaf-1.0.0/src/lib.rs", library.as_str())];
    for (path, text) in own.iter().chain(entries) {
        let mut header = Header::new_gnu();
        // Not through the archive's own methods, which refuse what a malicious one has.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(EntryType::Regular);
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// A program that depends on `leaf 1.0.0`, locked with the checksum of `file`, from the registry at `url`.
fn project(file: &[u8], url: &str) -> Project {
    let project = Project::program("twig", "fn main() {\n    println!(\"{}\", leaf::leaf());\n}\n");
    project.append("Cargo.toml", "\n[dependencies]\nleaf = \"1\"\n");
    let (source, checksum) = (tame_index::CRATES_IO_INDEX, Sha256::of(file).to_hex());
    project.write(
        "Cargo.lock",
        &format!(
            "version = 4\n\n[[package]]\nname = \"leaf\"\nversion = \"1.0.0\"\nsource = \"registry+{source}\"\n\
             checksum = \"{checksum}\"\n\n\
             [[package]]\nname = \"twig\"\nversion = \"0.1.0\"\ndependencies = [\n \"leaf\",\n]\n"
        ),
    );
    project.write(
        ".cargo/config.toml",
        &format!(
            "[source.crates-io]\nreplace-with = \"loop\"\n\n[source.loop]\nregistry = \"sparse+{url}/\"\n"
        ),
    );
    project
}

fn build(project: &Project, more: &[&str]) -> Ran {
    let arguments = [&["build", "--target", TARGET], more].concat();
    Xbuild::new().folder(&project.root).env("XBUILD_FETCH_RETRIES", "0").run(&arguments)
}

/// What is shown, with the server's address and the crate's checksums by name.
fn plain(project: &Project, registry: &Registry, ran: &Ran) -> String {
    shown(project, ran).replace(&registry.server.url, "[registry]")
}

#[test]
fn a_crate_that_is_not_what_the_lock_says_is_refused_until_it_is() {
    let registry = Registry::new();
    let file = crate_file(&[]);
    let project = project(&file, &registry.server.url);

    let ran = build(&project, &["--offline"]).fails(1);
    assert_snapshot!(plain(&project, &registry, &ran), @"
    error: the network may not be used (offline), and 1 thing is missing from the store:
      leaf 1.0.0 ([digest])
    help: run the same command once with a network, without --offline
    ");

    registry.serve(Reply::status(404));
    let ran = build(&project, &[]).fails(3);
    assert_snapshot!(plain(&project, &registry, &ran), @"
    error: leaf 1.0.0 is gone: none of the places that should have it does
      [registry]/dl/leaf/1.0.0/download: 404, no such file
    help: if it is a toolchain package, `xbuild toolchain update` moves its pin, if one of xbuild.lock, `xbuild update`; to build with the old one name a mirror that keeps it: XBUILD_MIRRORS=https://… (laid out <aa>/<sha256>)
    ");

    registry.serve(Reply { cut: Some(file.len() / 2), ..Reply::ok(file.clone()) });
    let ran = build(&project, &[]).fails(3);
    assert_snapshot!(plain(&project, &registry, &ran), @"
    error: could not fetch leaf 1.0.0
      [registry]/dl/leaf/1.0.0/download: Peer disconnected
    help: check the network and the proxy variables, then run the command again
    ");

    let other = crate_file(&[]);
    registry.serve(Reply::ok(other.clone()));
    let ran = build(&project, &[]).fails(3);
    // Both digests, each on a line of its own.
    ran.clone().says(&format!("\n  expected sha256:{}\n", Sha256::of(&file).to_hex()));
    ran.clone().says(&format!("\n  computed sha256:{}\n", Sha256::of(&other).to_hex()));
    assert_snapshot!(plain(&project, &registry, &ran), @"
    error: leaf 1.0.0 from [registry]/dl/leaf/1.0.0/download is not what was pinned
      expected [digest]
      computed [digest]
    help: the server or a proxy serves another file than the one that was pinned; name a mirror that has the right one: XBUILD_MIRRORS=https://… (laid out <aa>/<sha256>)
    ");
    assert_eq!(results(&project), []);

    // Nothing of all that was kept: the right file is fetched, and then needs no network.
    registry.serve(Reply::ok(file));
    let ran = build(&project, &[]).ok();
    assert!(!ran.stderr.contains("unused"), "warnings of other people's packages are hidden: {}", ran.stderr);
    registry.serve(Reply::status(500));
    build(&project, &["--offline"]).ok();
    fs_err::remove_dir_all(project.root.join("result")).unwrap();
    build(&project, &["--offline"]).ok();
    assert_eq!(results(&project).len(), 2, "{:?}", results(&project));
}

#[test]
fn a_malicious_archive_is_refused_although_its_checksum_is_right() {
    for (path, name) in [
        ("leaf-1.0.0/../../escaped", "climbs"),
        ("/tmp/escaped-absolute", "absolute"),
        ("other-1.0.0/src/lib.rs", "another folder"),
    ] {
        let registry = Registry::new();
        let file = crate_file(&[(path, "escaped")]);
        let project = project(&file, &registry.server.url);
        registry.serve(Reply::ok(file));
        let ran =
            build(&project, &[]).fails(3).says("leaf 1.0.0 was fetched as pinned but can't be unpacked: ");
        assert!(ran.stderr.contains(path) || ran.stderr.contains("other-1.0.0"), "{name}: {}", ran.stderr);
        assert_eq!(results(&project), []);
    }
    assert!(!std::path::Path::new("/tmp/escaped-absolute").exists());
}

#[test]
fn without_a_network_what_could_not_be_fetched_is_named() {
    let file = crate_file(&[]);
    // A port that nobody listens on: it was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let project = project(&file, &url);
    let ran = build(&project, &[]).fails(3);
    assert_snapshot!(shown(&project, &ran).replace(&url, "[registry]"), @"
    error: could not fetch the description of loop
      [registry]/config.json: io: Connection refused (os error 111)
    help: check the network and the proxy variables, then run the command again
    ");
}
