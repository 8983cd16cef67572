//! Crates from registries of each kind, as cargo's configuration says.

use std::collections::BTreeMap;
use std::path::Path;

use xbuild_base::Sha256;
use xbuild_fetch::source::cargo_config::CargoConfig;
use xbuild_fetch::source::crates;
use xbuild_fetch::source::lock::{GitSource, Lock};
use xbuild_fetch::{FetchError, Fetcher, Quiet, Settings};

use crate::server::{Reply, Request, Server};
use crate::support::{Counting, crate_file, offline, quick, run};

/// A lock with the crate `a 1.0.0`.
fn lock(source: &str) -> Lock {
    let sum = Sha256::of(&crate_file("a", "1.0.0")).to_hex();
    Lock::parse(&format!(
        "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{source}\"\nchecksum = \"{sum}\"\n"
    ))
    .unwrap()
}

/// The source that locks have for the default registry.
fn crates_io() -> String {
    format!("registry+{}", tame_index::CRATES_IO_INDEX)
}

struct Project {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Project {
    /// A project in `outer/project`, with a cargo home beside it.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("outer/project/.cargo")).unwrap();
        std::fs::create_dir_all(folder.path().join("outer/.cargo")).unwrap();
        std::fs::create_dir_all(folder.path().join("home")).unwrap();
        let home = folder.path().join("home").display().to_string();
        Self { folder, variables: BTreeMap::from([("CARGO_HOME".to_owned(), home)]) }
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path().join(path), text).unwrap();
    }
    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }
    fn config(&self) -> CargoConfig {
        CargoConfig::load(&self.path().join("outer/project"), &self.variables).unwrap()
    }
    /// Fetches the crates of a lock and lists the first one's files.
    fn fetch_with(&self, settings: Settings, lock: &Lock) -> Result<Vec<String>, FetchError> {
        let store = Counting::new();
        let fetcher = Fetcher::new(&store, settings, &Quiet);
        let trees = crates::fetch(&fetcher, &crates::from_lock(lock, &self.config())?)?;
        Ok(store.listing(trees[0]).into_iter().map(|(path, _)| path).collect())
    }
    fn fetch(&self, lock: &Lock) -> Result<Vec<String>, FetchError> {
        self.fetch_with(quick(), lock)
    }
}

/// A sparse registry that wants `token` for everything, where there is one.
fn registry(token: Option<&'static str>) -> Server {
    Server::new(move |request: &Request| {
        let given = request.header("authorization");
        if token.is_some() && given != token {
            return Reply::status(401);
        }
        match request.path.as_str() {
            "/index/config.json" => {
                let dl =
                    format!("http://{}/dl/{{prefix}}/{{crate}}-{{version}}", request.header("host").unwrap());
                Reply::ok(format!("{{\"dl\": \"{dl}\", \"auth-required\": {}}}", token.is_some()))
            }
            "/dl/1/a-1.0.0" => Reply::ok(crate_file("a", "1.0.0")),
            _ => Reply::status(404),
        }
    })
}

#[test]
fn a_sparse_registry_gives_its_crates() {
    let (server, project) = (registry(None), Project::new());
    let source = format!("sparse+{}/index/", server.url);
    assert_eq!(project.fetch(&lock(&source)).unwrap(), ["Cargo.toml", "src/lib.rs"]);
    assert_eq!(server.paths(), ["/index/config.json", "/dl/1/a-1.0.0"]);
}

#[test]
fn the_default_registry_is_replaced_as_the_nearest_file_says() {
    let (server, project) = (registry(None), Project::new());
    // The farther file defines the source, the nearer one uses it.
    project.write(
        "home/config.toml",
        &format!(
            "[source.near]\nregistry = \"sparse+{}/index/\"\n[source.crates-io]\nreplace-with = \"far\"\n",
            server.url
        ),
    );
    project.write("outer/.cargo/config.toml", "[source.crates-io]\nreplace-with = \"near\"\n");
    assert_eq!(project.fetch(&lock(&crates_io())).unwrap().len(), 2);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn what_one_file_includes_counts() {
    let (server, project) = (registry(None), Project::new());
    project.write(
        "outer/project/.cargo/config.toml",
        "include = [\"more.toml\", { path = \"none.toml\", optional = true }]\n",
    );
    project.write(
        "outer/project/.cargo/more.toml",
        &format!(
            "[source.x]\nregistry = \"sparse+{}/index/\"\n[source.crates-io]\nreplace-with = \"x\"\n",
            server.url
        ),
    );
    project.fetch(&lock(&crates_io())).unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn replacements_that_lead_nowhere_or_round_and_round_are_errors() {
    let project = Project::new();
    for (text, word) in [
        ("[source.crates-io]\nreplace-with = \"gone\"\n", "says where that is"),
        (
            "[source.crates-io]\nreplace-with = \"miror\"\n[source.mirror]\nregistry = \"sparse+http://h.example/\"\n",
            "says where that is: did you mean `mirror`?",
        ),
        (
            "[source.crates-io]\nreplace-with = \"ours\"\n[registries.our]\nindex = \"sparse+http://h.example/\"\n",
            "says where that is: did you mean `our`?",
        ),
        (
            "[source.crates-io]\nreplace-with = \"a\"\n[source.a]\nreplace-with = \"b\"\nregistry = \"sparse+http://h.example/\"\n\
          [source.b]\nreplace-with = \"a\"\nregistry = \"sparse+http://h.example/\"\n",
            "circle",
        ),
    ] {
        project.write("outer/project/.cargo/config.toml", text);
        let error = project.fetch(&lock(&crates_io())).unwrap_err();
        assert!(matches!(error, FetchError::Registry { .. }) && error.to_string().contains(word), "{error}");
    }
    project.write("outer/project/.cargo/config.toml", "[source.crates-io\n");
    let error = CargoConfig::load(&project.path().join("outer/project"), &project.variables).unwrap_err();
    assert!(error.to_string().contains("outer/project/.cargo/config.toml"), "{error}");
}

#[test]
fn a_private_registry_gets_its_token_from_wherever_cargo_has_it() {
    let server = registry(Some("secret"));
    let index = format!("sparse+{}/index/", server.url);
    let lock = lock(&index);

    // `cargo login` wrote it.
    let mut project = Project::new();
    project.write("outer/.cargo/config.toml", &format!("[registries.my-own]\nindex = \"{index}\"\n"));
    project.write("home/credentials.toml", "[registries.my-own]\ntoken = \"secret\"\n");
    project.fetch(&lock).unwrap();
    assert!(server.requests().last().unwrap().header("authorization").is_some());
    // The environment wins over it.
    project.set("CARGO_REGISTRIES_MY_OWN_TOKEN", "other");
    let error = project.fetch(&lock).unwrap_err();
    assert!(matches!(error, FetchError::Refused { status: 401, .. }), "{error}");

    // All of it from the environment.
    let mut project = Project::new();
    project.set("CARGO_REGISTRIES_FROM_CI_INDEX", &index);
    project.set("CARGO_REGISTRIES_FROM_CI_TOKEN", "secret");
    project.fetch(&lock).unwrap();

    // From nowhere.
    let error = Project::new().fetch(&lock).unwrap_err();
    assert!(matches!(error, FetchError::Credentials { .. }), "{error}");
    assert!(error.help().unwrap().contains("cargo login"));
}

#[test]
fn credential_providers_are_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = registry(Some("secret"));
    let index = format!("sparse+{}/index/", server.url);
    let project = Project::new();
    let script = |name: &str, text: &str| {
        let path = project.path().join("outer").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let printer = script("printer", "echo \"$1$2\"");
    // The protocol: a greeting, a request, an answer.
    script(
        "plugin",
        "test \"$1\" = --cargo-plugin || exit 1\necho '{\"v\":[1]}'\nread request\n\
         case \"$request\" in *'\"operation\":\"read\"'*) \
         echo '{\"Ok\":{\"kind\":\"get\",\"token\":\"secret\",\"cache\":\"session\",\"operation_independent\":true}}';; esac",
    );
    for provider in [
        format!(
            "credential-provider = [\"cargo:token-from-stdout\", \"{}\", \"sec\", \"ret\"]",
            printer.display()
        ),
        "credential-provider = \"./plugin\"".to_owned(),
        "credential-provider = \"vault\"\n[credential-alias]\nvault = [\"./plugin\", \"--any\"]".to_owned(),
    ] {
        project.write(
            "outer/.cargo/config.toml",
            &format!("[registries.own]\nindex = \"{index}\"\n{provider}\n"),
        );
        project.fetch(&lock(&index)).unwrap_or_else(|error| panic!("{provider}: {error}"));
    }
    let global = format!(
        "[registry]\nglobal-credential-providers = [\"cargo:token-from-stdout {} secret\"]\n",
        printer.display()
    );
    project.write("outer/.cargo/config.toml", &format!("{global}[registries.own]\nindex = \"{index}\"\n"));
    project.fetch(&lock(&index)).unwrap();
}

#[test]
fn a_registry_with_its_index_in_git_gives_its_crates() {
    let server = registry(None);
    let project = Project::new();
    let index = project.path().join("index");
    std::fs::create_dir(&index).unwrap();
    let dl = format!("{{\"dl\": \"{}/dl/{{lowerprefix}}/{{crate}}-{{version}}\"}}", server.url);
    std::fs::write(index.join("config.json"), dl).unwrap();
    run(&index, "git", &["init", "--quiet"]);
    run(&index, "git", &["add", "."]);
    run(&index, "git", &["commit", "--quiet", "-m", "index"]);
    assert_eq!(project.fetch(&lock(&format!("registry+file://{}", index.display()))).unwrap().len(), 2);
    assert_eq!(server.paths(), ["/dl/1/a-1.0.0"]);
}

#[test]
fn a_local_registry_needs_no_network() {
    let project = Project::new();
    std::fs::create_dir(project.path().join("outer/crates")).unwrap();
    std::fs::write(project.path().join("outer/crates/a-1.0.0.crate"), crate_file("a", "1.0.0")).unwrap();
    // The path is relative to the folder that `.cargo` lies in.
    project.write(
        "outer/.cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nlocal-registry = \"crates\"\n",
    );
    assert_eq!(project.fetch_with(offline(), &lock(&crates_io())).unwrap().len(), 2);
}

#[test]
fn vendored_crates_are_taken_as_their_checksums_list_them() {
    let project = Project::new();
    let folder = project.path().join("outer/vendor/a");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n";
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/lib.rs"), "// lib").unwrap();
    std::fs::write(folder.join("stray"), "not listed").unwrap();
    let checksums = |package: Sha256| {
        format!(
            "{{\"package\":\"{}\",\"files\":{{\"Cargo.toml\":\"{}\",\"src/lib.rs\":\"{}\"}}}}",
            package.to_hex(),
            Sha256::of(manifest.as_bytes()).to_hex(),
            Sha256::of(b"// lib").to_hex()
        )
    };
    let good = Sha256::of(&crate_file("a", "1.0.0"));
    std::fs::write(folder.join(".cargo-checksum.json"), checksums(good)).unwrap();
    project.write(
        "outer/project/.cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"../vendor\"\n",
    );
    assert_eq!(project.fetch_with(offline(), &lock(&crates_io())).unwrap(), ["Cargo.toml", "src/lib.rs"]);

    std::fs::write(folder.join("src/lib.rs"), "// tampered").unwrap();
    let error = project.fetch(&lock(&crates_io())).unwrap_err();
    assert!(matches!(&error, FetchError::Mismatch { name, .. } if name.contains("src/lib.rs")), "{error}");

    std::fs::write(folder.join(".cargo-checksum.json"), checksums(Sha256::of(b"another"))).unwrap();
    let error = project.fetch(&lock(&crates_io())).unwrap_err();
    assert!(matches!(&error, FetchError::Mismatch { expected, .. } if *expected == good), "{error}");

    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(project.fetch(&lock(&crates_io())), Err(FetchError::Gone { .. })));
}

#[test]
fn a_crate_with_another_content_than_the_locks_is_refused() {
    let server = Server::new(|request| match request.path.as_str() {
        "/config.json" => Reply::ok(format!("{{\"dl\": \"http://{}\"}}", request.header("host").unwrap())),
        _ => Reply::ok(crate_file("a", "1.0.1")),
    });
    let error = Project::new().fetch(&lock(&format!("sparse+{}/", server.url))).unwrap_err();
    assert!(matches!(&error, FetchError::Mismatch { name, .. } if name == "a 1.0.0"), "{error}");
    assert_eq!(server.paths()[1], "/a/1.0.0/download");
}

#[test]
fn a_registry_that_makes_no_sense_is_named() {
    let server = Server::new(|_| Reply::ok("<html>"));
    let error = Project::new().fetch(&lock(&format!("sparse+{}/", server.url))).unwrap_err();
    assert!(
        matches!(error, FetchError::Registry { .. }) && error.to_string().contains("config.json"),
        "{error}"
    );
}

#[test]
fn a_crate_without_a_checksum_is_an_error_of_the_lock() {
    let text = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://h.example\"\n";
    let error = Project::new().fetch(&Lock::parse(text).unwrap()).unwrap_err();
    assert!(matches!(error, FetchError::Lock { .. }) && error.to_string().contains("a 1.0.0"), "{error}");
}

#[test]
fn a_git_dependency_that_is_vendored_is_found_by_its_reference() {
    let project = Project::new();
    let folder = project.path().join("outer/vendor/g");
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = "[package]\nname = \"g\"\nversion = \"0.1.0\"\n";
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let sum = Sha256::of(manifest.as_bytes()).to_hex();
    let checksums = format!("{{\"package\":null,\"files\":{{\"Cargo.toml\":\"{sum}\"}}}}");
    std::fs::write(folder.join(".cargo-checksum.json"), checksums).unwrap();
    // As `cargo vendor` prints it.
    project.write(
        "outer/project/.cargo/config.toml",
        "[source.\"git+https://h.example/g?tag=v1\"]\ngit = \"https://h.example/g\"\ntag = \"v1\"\n\
         replace-with = \"vendored\"\n[source.vendored]\ndirectory = \"../vendor\"\n",
    );
    let source = |reference: Option<(&str, &str)>| GitSource {
        url: "https://h.example/g".to_owned(),
        reference: reference.map(|(kind, value)| (kind.to_owned(), value.to_owned())),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
    };
    let config = project.config();
    assert_eq!(config.git_replacement(&source(None)).unwrap(), None);
    let replacement = config.git_replacement(&source(Some(("tag", "v1")))).unwrap().unwrap();
    assert_eq!(replacement.name, "git+https://h.example/g?tag=v1");
    let store = Counting::new();
    let fetcher = Fetcher::new(&store, offline(), &Quiet);
    let tree = crates::vendored_from_git(&fetcher, "g", "0.1.0", &replacement.folder).unwrap();
    assert_eq!(store.listing(tree)[0].0, "Cargo.toml");
}
