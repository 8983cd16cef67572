//! The official distribution, from a server on loopback that is laid out as the real one.

use std::io::Write as _;

use semver::Version;
use xbuild_base::{Sha256, Triple};
use xbuild_fetch::official::{Added, Manifest, Official, Release, Server as Distribution, Wanted, add};
use xbuild_fetch::toolchain::{ToolchainError, with_official};
use xbuild_fetch::{FetchError, Fetcher, InMemory, Quiet};

use crate::server::{Reply, Server};
use crate::support::{listing, settings, tar_of, toolchains};

const HOST: &str = "x86_64-unknown-linux-gnu";
const MUSL: &str = "x86_64-unknown-linux-musl";
const TOOLCHAINS: &str = "format = 1\ndefault = \"1.96.1\"\n[toolchain.\"1.96.1\"]\ndistribution = \"debian\"\nrust = [\"base\", \"rust\"]\n\
    [component.base]\narch = \"all\"\nfiles = { \"usr/x\" = \"\" }\n[component.rust]\nsuites = [\"sid\"]\narch = \"host\"\nroots = [\"rustc\"]\n[suites]\nsid = { archive = \"debian\" }\n";

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of the distribution, with one component.
fn archive(package: &str, component: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let top = format!("{package}-1.95.0");
    let mut all = vec![
        (format!("{top}/components"), format!("{component}\n")),
        (format!("{top}/install.sh"), "#!/bin/sh\n".to_owned()),
        (format!("{top}/{component}/manifest.in"), "file:x\n".to_owned()),
    ];
    all.extend(files.iter().map(|(path, text)| (format!("{top}/{component}/{path}"), (*text).to_owned())));
    let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    xz(&tar_of(&all))
}

fn archives() -> Vec<(&'static str, String, Vec<u8>)> {
    let std = |target: &str| {
        let library = format!("lib/rustlib/{target}/lib/libstd-1.rlib");
        let crt = format!("lib/rustlib/{target}/lib/self-contained/crt1.o");
        archive("rust-std", &format!("rust-std-{target}"), &[(&library, "std"), (&crt, "crt")])
    };
    let rustc = [
        ("bin/rustc", "#!rustc"),
        ("lib/librustc_driver-1.so", "driver"),
        ("share/doc/x", "words"),
        ("libexec/server", "no"),
    ];
    vec![
        ("rustc", HOST.to_owned(), archive("rustc", "rustc", &rustc)),
        ("cargo", HOST.to_owned(), archive("cargo", "cargo", &[("bin/cargo", "#!cargo"), ("etc/x", "no")])),
        ("rust-std", HOST.to_owned(), std(HOST)),
        (
            "clippy",
            HOST.to_owned(),
            archive("clippy", "clippy-preview", &[("bin/clippy-driver", "#!clippy")]),
        ),
        ("rust-std", MUSL.to_owned(), std(MUSL)),
        (
            "rust-src",
            "*".to_owned(),
            archive("rust-src", "rust-src", &[("lib/rustlib/src/rust/library/x", "src")]),
        ),
    ]
}

fn name(package: &str, target: &str) -> String {
    let suffix = if target == "*" { String::new() } else { format!("-{target}") };
    format!("dist/2026-04-16/{package}-1.95.0{suffix}.tar.xz")
}

fn manifest(server: &str) -> String {
    let mut text = "manifest-version = \"2\"\ndate = \"2026-04-16\"\n".to_owned();
    for package in ["rustc", "cargo", "rust-std", "rust-src", "clippy"] {
        let entry = if package == "clippy" { "clippy-preview" } else { package };
        text.push_str(&format!("[pkg.{entry}]\nversion = \"1.95.0 (59807616e 2026-04-14)\"\n"));
        for (_, target, bytes) in archives().iter().filter(|(of, ..)| *of == package) {
            let (name, hash) = (name(package, target), Sha256::of(bytes).to_hex());
            text.push_str(&format!(
                "[pkg.{entry}.target.\"{target}\"]\navailable = true\nurl = \"{server}/{name}.gz\"\nhash = \"{}\"\nxz_url = \"{server}/{name}\"\nxz_hash = \"{hash}\"\n",
                "0".repeat(64)
            ));
        }
        text.push_str(&format!("[pkg.{entry}.target.sparc-unknown-none-elf]\navailable = false\n"));
    }
    text
}

pub(crate) fn distribution(break_checksum: bool) -> Server {
    Server::new(move |request| {
        let path = request.path.trim_start_matches('/');
        let manifest = manifest("https://elsewhere.example");
        let (dated, manifest) = match path.strip_prefix("dist/2026-05-20/channel-rust-nightly.toml") {
            Some(_) => (true, nightly(&manifest)),
            None => (false, manifest),
        };
        if path == "dist/channel-rust-1.95.0.toml" || (dated && path.ends_with(".toml")) {
            return Reply::ok(manifest);
        }
        if path == "dist/channel-rust-1.95.0.toml.sha256" || dated {
            let sum = Sha256::of(if break_checksum { b"x" } else { manifest.as_bytes() }).to_hex();
            return Reply::ok(format!("{sum}  channel-rust-1.95.0.toml\n"));
        }
        let found = archives().into_iter().find(|(package, target, _)| name(package, target) == path);
        found.map_or(Reply::status(404), |(_, _, bytes)| Reply::ok(bytes))
    })
}

/// The same archives as what nightly was on a day.
fn nightly(manifest: &str) -> String {
    let manifest = manifest.replace("\"1.95.0 (", "\"1.98.0-nightly (");
    manifest.replace("date = \"2026-04-16\"", "date = \"2026-05-20\"")
}

fn triple(text: &str) -> Triple {
    text.parse().unwrap()
}

pub(crate) fn added(
    server: &Distribution,
    manifest: Option<&std::path::Path>,
    release: &str,
) -> Result<Added, FetchError> {
    added_to(server, manifest, release, TOOLCHAINS)
}

fn added_to(
    server: &Distribution,
    manifest: Option<&std::path::Path>,
    release: &str,
    text: &str,
) -> Result<Added, FetchError> {
    let store = InMemory::new().unwrap();
    let fetcher = Fetcher::new(&store, settings(), &Quiet);
    let release: Release = release.parse().unwrap();
    let cargos = [Version::new(1, 95, 0)].into();
    let (hosts, targets) = ([triple(HOST)], [triple(MUSL), triple("sparc-unknown-none-elf")]);
    let wanted = Wanted { release: &release, cargos: &cargos, manifest, hosts: &hosts, targets: &targets };
    add(&wanted, server, &fetcher, &toolchains(text))
}

#[test]
fn a_nightly_of_a_day_is_added_with_the_cargo_of_a_release() {
    let server = distribution(false);
    let server = Distribution::at(&server.url);
    let none = added(&server, None, "nightly-2026-05-20").unwrap_err();
    assert!(matches!(&none, FetchError::Toolchain(ToolchainError::NoCargo)), "{none:?}");
    assert!(none.help().unwrap().contains("xbuild toolchain add 1."));

    let release = added(&server, None, "1.95.0").unwrap();
    assert_eq!(release.cargo, None);
    let text =
        with_official("t.toml", TOOLCHAINS, &release.version, &release.rust, &release.archives).unwrap();
    let nightly = added_to(&server, None, "nightly-2026-05-20", &text).unwrap();
    assert_eq!(nightly.version.to_string(), "1.98.0-nightly.2026-05-20");
    assert_eq!(nightly.cargo, Some(Version::new(1, 95, 0)));
    assert_eq!(nightly.archives["cargo"], release.archives["cargo"]);
    let text = with_official("t.toml", &text, &nightly.version, &nightly.rust, &nightly.archives).unwrap();
    let both = toolchains(&text);
    assert_eq!(both.toolchains[&nightly.version].channel(), "nightly-2026-05-20");

    let error = added_to(&server, None, "nightly-2026-05-21", &text).unwrap_err();
    assert!(error.to_string().contains("dist/2026-05-21/channel-rust-nightly.toml"), "{error}");
}

#[test]
fn a_release_is_added_from_the_server_and_its_archives_become_trees() {
    let server = distribution(false);
    let distribution = Distribution::at(&server.url);
    let added = added(&distribution, None, "1.95.0").unwrap();
    assert_eq!(added.rust.iter().map(ToString::to_string).collect::<Vec<_>>(), ["base"]);
    assert_eq!(
        added.archives.keys().collect::<Vec<_>>(),
        ["cargo", "clippy", "rust-src", "rust-std", "rustc"]
    );
    assert_eq!(
        added.archives["rust-std"].keys().collect::<Vec<_>>(),
        [HOST, MUSL],
        "sparc has no std: no pin"
    );
    let text = with_official("t.toml", TOOLCHAINS, &added.version, &added.rust, &added.archives).unwrap();
    assert!(!text.contains("://"), "no server is written down");
    let toolchains = toolchains(&text);
    let toolchain = &toolchains.toolchains[&added.version];

    let store = InMemory::new().unwrap();
    let fetcher = Fetcher::new(&store, settings(), &Quiet);
    let official = Official { fetcher: &fetcher, server: &distribution, toolchain };
    let (host, musl) = (triple(HOST), triple(MUSL));
    let wanted = [("rustc", &host), ("cargo", &host), ("rust-std", &musl), ("rust-src", &host)];
    let trees = official.trees(&wanted).unwrap();
    let all: Vec<String> = trees.iter().flat_map(|tree| listing(&store, *tree)).collect();
    assert_eq!(
        all,
        [
            "usr/bin/rustc* #!rustc",
            "usr/lib/librustc_driver-1.so driver",
            "usr/bin/cargo* #!cargo",
            "usr/lib/rustlib/x86_64-unknown-linux-musl/lib/libstd-1.rlib std",
            "usr/lib/rustlib/src/rust/library/x src",
        ]
    );
    let requests = server.paths().len();
    assert_eq!(official.trees(&wanted).unwrap(), trees);
    assert_eq!(server.paths().len(), requests, "all of it is remembered");

    let error = official.trees(&[("rust-std", &triple("riscv64gc-unknown-linux-gnu"))]).unwrap_err();
    assert!(matches!(&error, FetchError::Toolchain(ToolchainError::NoArchive { .. })), "{error:?}");
    assert!(error.help().unwrap().contains("xbuild toolchain add 1.95.0"));
}

#[test]
fn a_release_is_added_from_what_rustup_has_installed_and_that_tells_the_server() {
    let home = tempfile::tempdir().unwrap();
    for (name, version) in [("nightly-x", "1.97.0-nightly"), ("stable-x", "1.95.0")] {
        let folder = home.path().join("toolchains").join(name).join("lib/rustlib");
        fs_err::create_dir_all(&folder).unwrap();
        let text = manifest("https://mirror.example/rust").replace("\"1.95.0 ", &format!("\"{version} "));
        fs_err::write(folder.join("multirust-channel-manifest.toml"), text).unwrap();
    }
    let vars = |name: &str| (name == "RUSTUP_HOME").then(|| home.path().to_str().unwrap().to_owned());
    let server = Distribution::from_environment(&vars);
    assert_eq!(server.address().as_deref(), Some("https://mirror.example/rust"));
    let added = added(&server, None, "1.95.0").unwrap();
    assert_eq!(added.archives["cargo"][HOST].path.as_str(), name("cargo", HOST));
    let set = |name: &str| match name {
        "RUSTUP_DIST_SERVER" => Some("https://a.example/".to_owned()),
        "XBUILD_RUST_DIST_SERVER" => Some("https://b.example/".to_owned()),
        _ => None,
    };
    assert_eq!(Distribution::from_environment(&set).address().as_deref(), Some("https://b.example"));
}

#[test]
fn a_manifest_that_is_not_what_its_checksum_says_is_refused() {
    let server = distribution(true);
    let error = added(&Distribution::at(&server.url), None, "1.95.0").unwrap_err();
    assert!(matches!(&error, FetchError::Mismatch { .. }), "{error:?}");
}

#[test]
fn a_release_that_is_nowhere_is_an_error_that_says_what_to_do() {
    let server = distribution(false);
    let error = added(&Distribution::at(&server.url), None, "1.12.0").unwrap_err();
    assert!(error.to_string().contains("channel-rust-1.12.0.toml"), "{error}");
    assert!(error.help().unwrap().contains("xbuild toolchain add"));
    let error = added(&Distribution::default(), None, "1.12.0").unwrap_err();
    assert!(matches!(&error, FetchError::Toolchain(ToolchainError::NoServer)), "{error:?}");
    assert!(error.help().unwrap().contains("RUSTUP_DIST_SERVER"));
}

#[test]
fn manifests_that_cannot_be_used_say_why() {
    let good = manifest("https://s.example");
    let hosts = [triple(HOST)];
    for (text, reason) in [
        ("nonsense".to_owned(), "expected"),
        (good.replace("manifest-version = \"2\"", "manifest-version = \"3\""), "version 3 is not known"),
        (good.replace("[pkg.rustc]", "[pkg.rustd]"), "missing field `version`"),
        (good.replace("[pkg.rustc", "[pkg.rustd"), "no version of rustc"),
        (good.replace("/dist/", "/other/"), "can't be read"),
        (good.replace("xz_hash = \"", "xz_hash = \"z"), "can't be read"),
        (good.replace("\"1.95.0 (", "\"stable ("), "no version of rustc"),
    ] {
        let result = Manifest::parse("m.toml", &text)
            .and_then(|manifest| manifest.version().and_then(|_| manifest.pins(&hosts, &[])));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("m.toml") && error.contains(reason), "{reason}: {error}");
    }
    let path = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(path.path(), &good).unwrap();
    assert!(added(&Distribution::default(), Some(path.path()), "1.95.0").is_ok());
    let error = added(&Distribution::default(), Some(path.path()), "1.96.0").unwrap_err();
    assert!(error.to_string().contains("it is the manifest of 1.95.0, not of 1.96.0"), "{error}");
}

#[test]
fn an_archive_that_is_laid_out_otherwise_is_refused() {
    for (files, reason) in [
        (vec![("x-1/README", "")], "no list `components`"),
        (vec![("x-1/components", "rustc\n")], "no folder for its component `rustc`"),
        (vec![("x-1/components", "../x\n")], "leads outside"),
        (vec![("x-1/components", "a\nb\n"), ("x-1/a/f", "1"), ("x-1/b/f", "2")], "two of its components"),
    ] {
        let bytes = xz(&tar_of(&files));
        let sha256 = Sha256::of(&bytes);
        let server = Server::with_file(bytes);
        let text = format!(
            "{TOOLCHAINS}[toolchain.\"1.95.0\"]\ndistribution = \"official\"\nrust = []\n[toolchain.\"1.95.0\".archives.rustc]\n{HOST} = {{ path = \"dist/x\", sha256 = \"{}\" }}\n",
            sha256.to_hex()
        )
        .replace("rust = []", "rust = [\"base\"]");
        let toolchains = toolchains(&text);
        let store = InMemory::new().unwrap();
        let fetcher = Fetcher::new(&store, settings(), &Quiet);
        let toolchain = &toolchains.toolchains[&Version::new(1, 95, 0)];
        let server = Distribution::at(&server.url);
        let official = Official { fetcher: &fetcher, server: &server, toolchain };
        let error = official.trees(&[("rustc", &triple(HOST))]).unwrap_err().to_string();
        assert!(error.contains("rustc 1.95.0") && error.contains(reason), "{error}");
    }
}
