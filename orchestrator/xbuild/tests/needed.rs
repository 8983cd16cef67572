//! A request fetches the crates that it needs, and no others: a registry on loopback counts.

mod common;
#[allow(dead_code, reason = "another crate's tests use the rest")]
#[path = "../../fetch/tests/fetching/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use common::{Project, Ran, TARGETS, Xbuild};
use flate2::Compression;
use flate2::write::GzEncoder;
use server::{Reply, Server};
use xbuild_base::Sha256;

const MUSL: &str = TARGETS[0];
const WINDOWS: &str = TARGETS[2];

/// Crates with what they depend on in the lock and what their manifests say of it.
const CRATES: [(&str, &[&str], &str); 9] = [
    (
        "shared",
        &["optional"],
        "[features]\nmore = [\"dep:optional\"]\n[dependencies]\noptional = { version = \"1\", optional = true }\n",
    ),
    ("optional", &[], ""),
    (
        "on-windows",
        &["below-windows", "shared"],
        "[dependencies]\nbelow-windows = \"1\"\nshared = { version = \"1\", features = [\"more\"] }\n",
    ),
    ("below-windows", &[], ""),
    ("on-unix", &[], ""),
    ("for-tests", &["below-tests"], "[dependencies]\nbelow-tests = \"1\"\n"),
    ("below-tests", &[], ""),
    ("of-bar", &["below-bar"], "[dependencies]\nbelow-bar = \"1\"\n"),
    ("below-bar", &[], ""),
];

/// A registry that remembers which crates it was asked for.
struct Registry {
    server: Server,
    asked: Arc<Mutex<BTreeSet<String>>>,
    checksums: BTreeMap<String, String>,
}

impl Registry {
    /// With the crates, new in every run: no store has them.
    fn new() -> Self {
        let unique = tempfile::tempdir().unwrap();
        let nonce = unique.path().display().to_string();
        let files: BTreeMap<String, Vec<u8>> = CRATES
            .iter()
            .map(|(name, _, rest)| ((*name).to_owned(), crate_file(name, rest, &nonce)))
            .collect();
        let checksums = files.iter().map(|(name, file)| (name.clone(), Sha256::of(file).to_hex())).collect();
        let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let now = Arc::clone(&asked);
        let server = Server::new(move |request| match request.path.as_str() {
            "/config.json" => {
                Reply::ok(format!("{{\"dl\": \"http://{}/dl\"}}", request.header("host").unwrap()))
            }
            path => {
                let name = path.trim_start_matches("/dl/").split('/').next().unwrap();
                now.lock().unwrap().insert(name.to_owned());
                files.get(name).map_or(Reply::status(404), |file| Reply::ok(file.clone()))
            }
        });
        Self { server, asked, checksums }
    }

    /// What it was asked for since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap()).into_iter().collect()
    }

    /// A workspace of two programs, each with crates of its own, in variants of their own.
    fn project(&self) -> Project {
        let project = Project::empty();
        project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"foo\", \"bar\"]\n");
        let package = |name: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n")
        };
        project.write(
            "foo/Cargo.toml",
            &(package("foo")
                + "shared = \"1\"\n[target.'cfg(windows)'.dependencies]\non-windows = \"1\"\n\
                   [target.'cfg(unix)'.dependencies]\non-unix = \"1\"\n[dev-dependencies]\nfor-tests = \"1\"\n"),
        );
        project.write(
            "foo/src/main.rs",
            "fn main() {\n    shared::f();\n}\n#[test]\nfn t() {\n    for_tests::f();\n}\n",
        );
        project.write("bar/Cargo.toml", &(package("bar") + "of-bar = \"1\"\n"));
        project.write("bar/src/main.rs", "fn main() {\n    of_bar::f();\n}\n");
        let source = tame_index::CRATES_IO_INDEX;
        let mut packages: BTreeMap<&str, String> = BTreeMap::new();
        for (name, on, _) in CRATES {
            let from = format!("source = \"registry+{source}\"\nchecksum = \"{}\"\n", self.checksums[name]);
            packages.insert(name, locked(name, "1.0.0", &from, on));
        }
        packages.insert("foo", locked("foo", "0.1.0", "", &["for-tests", "on-unix", "on-windows", "shared"]));
        packages.insert("bar", locked("bar", "0.1.0", "", &["of-bar"]));
        let packages: String = packages.into_values().collect();
        project.write("Cargo.lock", &format!("version = 4\n{packages}"));
        project.write(
            ".cargo/config.toml",
            &format!(
                "[source.crates-io]\nreplace-with = \"loop\"\n[source.loop]\nregistry = \"sparse+{}/\"\n",
                self.server.url
            ),
        );
        project.write(
            "xbuild.toml",
            "[build]\npackages = [\"foo\"]\nprofile = \"dev\"\n[variant.bar]\npackages = [\"bar\"]\n",
        );
        project
    }
}

fn locked(name: &str, version: &str, from: &str, on: &[&str]) -> String {
    let mut text = format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{from}");
    if !on.is_empty() {
        let on: String = on.iter().map(|one| format!(" \"{one}\",\n")).collect();
        let _ = write!(text, "dependencies = [\n{on}]\n");
    }
    text
}

fn crate_file(name: &str, rest: &str, nonce: &str) -> Vec<u8> {
    let manifest =
        format!("# {nonce}\n[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{rest}");
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in [("Cargo.toml", manifest.as_str()), ("src/lib.rs", "pub fn f() {}\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}-1.0.0/{path}"), text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn xbuild(project: &Project, arguments: &[&str]) -> Ran {
    Xbuild::new().folder(&project.root).env("XBUILD_FETCH_RETRIES", "0").run(arguments)
}

#[test]
fn a_request_fetches_the_crates_that_it_needs_and_no_others() {
    let registry = Registry::new();
    let project = registry.project();

    // What can't be meant is told before anything is fetched.
    xbuild(&project, &["build", "fooo", "--target", MUSL]).fails(1).says("did you mean `foo`?");
    assert_eq!(registry.asked(), [""; 0]);

    // `optional` is optional, and in the lock: by the lock alone it may be on.
    let dry_run = xbuild(&project, &["build", "default/*/foo", "--target", MUSL, "--dry-run"]).ok();
    assert_eq!(registry.asked(), ["on-unix", "optional", "shared"]);
    assert!(!dry_run.stdout.contains("optional"), "{}", dry_run.stdout);
    let first = xbuild(&project, &["build", "default/*/foo", "--target", MUSL, "--message-format", "json"])
        .ok()
        .digests();
    assert_eq!(registry.asked(), [""; 0]);

    xbuild(&project, &["build", "bar/*/bar", "--target", MUSL]).ok();
    assert_eq!(registry.asked(), ["below-bar", "of-bar"]);
    xbuild(&project, &["test", "--target", MUSL, "-p", "foo", "--", "--list"]).ok();
    assert_eq!(registry.asked(), ["below-tests", "for-tests"]);
    let why = ["why", "foo", "optional", "--variant", "default", "--target"];
    xbuild(&project, &[&why[..], &[WINDOWS]].concat()).ok().says("on-windows");
    assert_eq!(registry.asked(), ["below-windows", "on-windows"]);

    // With all of it there, it is the same program, from the same units.
    let all = xbuild(&project, &["build", "--target", MUSL, "--message-format", "json"]).ok();
    assert_eq!(
        all.digests()["default/x86_64-unknown-linux-musl/bin/foo"],
        first["default/x86_64-unknown-linux-musl/bin/foo"]
    );
}

#[test]
fn what_is_gone_is_told_to_those_who_need_it() {
    let registry = Registry::new();
    let project = registry.project();
    let lock = project.read("Cargo.lock");
    project.write("Cargo.lock", &lock.replace(&registry.checksums["of-bar"], &"0".repeat(64)));
    xbuild(&project, &["build", "default/*/foo", "--target", MUSL]).ok();
    xbuild(&project, &["build", "bar/*/bar", "--target", MUSL]).fails(3).says("of-bar 1.0.0");
}

#[test]
fn all_that_tests_need_is_fetched_and_bundled_with_the_rest() {
    let registry = Registry::new();
    let project = registry.project();
    xbuild(&project, &["fetch", "default/*/foo", "--target", MUSL]).ok();
    assert_eq!(registry.asked(), ["below-tests", "for-tests", "on-unix", "optional", "shared"]);
    xbuild(&project, &["test", "--offline", "--target", MUSL, "-p", "foo"]).ok();
    xbuild(&project, &["build", "--offline", "default/*/foo", "--target", MUSL]).ok();
}

/// A repository that isn't there: whoever needs it fails, and nobody else.
#[test]
fn a_request_fetches_the_repositories_that_it_needs_and_no_others() {
    let project = Project::empty();
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"foo\", \"bar\"]\n");
    let gone = format!("file://{}/gone", project.folder.path().display());
    let package = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
    };
    let windows = "[target.'cfg(windows)'.dependencies]\n";
    let dependency = format!("of-git = {{ git = \"{gone}\", tag = \"v1\", features = [\"more\"] }}\n");
    project.write("foo/Cargo.toml", &package("foo", &format!("{windows}{dependency}")));
    project.write("foo/src/main.rs", "fn main() {}\n");
    project.write("bar/Cargo.toml", &package("bar", &format!("[dependencies]\n{dependency}")));
    project.write("bar/src/main.rs", "fn main() {}\n");
    let from = format!("source = \"git+{gone}?tag=v1#{}\"\n", "1".repeat(40));
    let packages = [
        locked("bar", "0.1.0", "", &["of-git"]),
        locked("below-git", "0.2.0", &from, &[]),
        locked("foo", "0.1.0", "", &["of-git"]),
        locked("of-git", "1.0.0", &from, &["below-git"]),
    ];
    project.write("Cargo.lock", &format!("version = 4\n{}", packages.concat()));
    project.write("xbuild.toml", "[build]\npackages = [\"foo\"]\n[variant.bar]\npackages = [\"bar\"]\n");
    xbuild(&project, &["build", "default/*/foo", "--target", MUSL]).ok();
    for (output, target) in [("default/*/foo", WINDOWS), ("bar/*/bar", MUSL)] {
        xbuild(&project, &["build", output, "--target", target]).fails(3).says(&gone);
    }
    // What is made up for it is by the lock, and that is for all.
    xbuild(&project, &["build", "default/*/foo", "--target", MUSL, "--dry-run"])
        .ok()
        .says("0 units would be built");
}
