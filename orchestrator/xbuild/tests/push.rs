//! `xbuild image --push`: what other people's tools read back, what is sent, and what a registry that misbehaves
//! comes to.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::machine::oci_tools;
use common::registry::{
    BASIC, BROKEN, DENIED, Fault, LIMITED, OTHER, PASSWORD, Proxy, Registry, Seen, UNAUTHORIZED, USER,
    free_address,
};
use common::{Project, Ran, Xbuild};
use fs_err as fs;
use serde_json::{Value, json};
use xbuild_base::{Blob, Digest};

/// `linux/amd64`, of three blobs: the base, the application, the configuration.
const AMD64: &str = "x86_64-unknown-linux-musl";
/// `linux/arm64`
const ARM64: &str = "aarch64-unknown-linux-gnu";

/// Who gives up must have done so by then.
const BOUND: Duration = Duration::from_secs(60);

/// A project of one program, with one image.
fn hello(text: &str) -> Project {
    let project = Project::program("hello", "");
    change(&project, text);
    project
}

/// Changes the program's one line.
fn change(project: &Project, text: &str) {
    project.write("src/main.rs", &format!("fn main() {{\n    println!(\"{text}\");\n}}\n"));
}

/// xbuild in a project's folder, without the credentials of whoever runs the tests.
fn on(project: &Project) -> Xbuild {
    let nobody = project.folder.path().join("nobody");
    Xbuild::new().folder(&project.root).env("DOCKER_CONFIG", nobody)
}

/// Pushes the image for one platform.
fn push(project: &Project, repository: &str, more: &[&str]) -> Ran {
    let arguments = ["image", "--push", "--no-link", "--target", AMD64, "--repository", repository];
    on(project).run(&[&arguments[..], more].concat())
}

/// The digest that a push printed after its repository. There must be nothing else on standard output.
#[track_caller]
fn pushed(ran: &Ran, repository: &str) -> String {
    let line = ran.stdout.strip_suffix('\n').and_then(|line| line.strip_prefix(repository));
    let digest = line.and_then(|rest| rest.strip_prefix('@')).unwrap_or_default();
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_digest = hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit());
    assert!(is_digest, "`{}` printed {:?}", ran.command, ran.stdout);
    digest.to_owned()
}

/// `USER:wr0ng`, as Docker's configuration has it.
const WRONG: &str = "YnVpbGRlcjp3cjBuZw==";

/// What xbuild must never show: passwords, and the tokens of [`tokens_are_fetched_as_the_registry_asks`].
const SECRETS: [&str; 5] = [PASSWORD, BASIC, "wr0ng", WRONG, "t0ken"];

/// The folder of [`push_as`], made where it is missing.
fn docker_folder(project: &Project) -> PathBuf {
    let folder = project.folder.path().join("docker");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Pushes the image for one platform as `v1`, with a configuration of Docker's and the helpers that lie beside it.
fn push_as(project: &Project, config: &Value, repository: &str) -> Ran {
    let folder = docker_folder(project);
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let arguments = ["-vv", "image", "--push", "--target", AMD64, "--repository", repository, "-t", "v1"];
    let ran = on(project).env("DOCKER_CONFIG", folder).env("PATH", path).run(&arguments);
    for secret in SECRETS {
        let is_shown = ran.stdout.contains(secret) || ran.stderr.contains(secret);
        assert!(!is_shown, "{repository}: {secret} in\n{}", ran.stderr);
    }
    ran
}

/// Docker's configuration with a user's name and password for a registry.
fn auths(address: &str, basic: &str) -> Value {
    json!({"auths": {address: {"auth": basic}}})
}

/// The blobs of a layout.
fn blobs(layout: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect()
}

/// Has oras fetch an image: the blobs must be those of a layout.
#[track_caller]
fn oras_fetches(name: &str, options: &[&str], layout: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let to = format!("{}:copied", copy.display());
    let arguments = [&["cp", "--from-plain-http"][..], options, &[name, "--to-oci-layout", to.as_str()]];
    oci_tools().run("oras", &arguments.concat());
    assert!(blobs(&copy) == blobs(layout), "{name}: {:?}", blobs(&copy).keys());
}

#[test]
fn other_people_s_tools_read_an_index_back_by_tag_and_by_digest() {
    let registry = Registry::new();
    let project = hello("read back");
    let repository = format!("{}/team/hello", registry.address());
    let description = format!("[image]\nrepository = \"{}/team/{{name}}\"\n", registry.address());
    project.write("xbuild.toml", &description);
    let arguments = ["image", "--push", "--target", AMD64, "--target", ARM64, "-t", "v1", "-t", "stable"];
    // The description is nearer than the environment.
    let ran = on(&project).env("XBUILD_REPOSITORY", format!("{}/not/here", free_address())).run(&arguments);
    let digest = pushed(&ran.ok(), &repository);

    let layout = project.result("default/image/hello");
    let blob = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap();
        fs::read_to_string(layout.join("blobs/sha256").join(hex)).unwrap()
    };
    let top: Value = serde_json::from_str(&fs::read_to_string(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(top["manifests"][0]["digest"], digest);
    for name in [":v1".to_owned(), ":stable".to_owned(), format!("@{digest}")] {
        let name = repository.clone() + &name;
        let raw = oci_tools()
            .run("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
        assert_eq!(raw, blob(&digest), "{name}");
        assert_eq!(
            oci_tools().run("oras", &["manifest", "fetch", "--plain-http", &name]).trim_end(),
            raw,
            "{name}"
        );
        oras_fetches(&name, &[], &layout);
    }
    let tags = oci_tools().run("oras", &["repo", "tags", "--plain-http", &repository]);
    let mut tags: Vec<&str> = tags.lines().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["stable", "v1"]);

    // It reads every layer and checks the digests.
    let index: Value = serde_json::from_str(&blob(&digest)).unwrap();
    for architecture in ["amd64", "arm64"] {
        let is_it = |one: &&Value| one["platform"]["architecture"] == architecture;
        let manifest = index["manifests"].as_array().unwrap().iter().find(is_it).unwrap();
        let folder = project.folder.path().join(architecture);
        let (from, to) = (format!("docker://{repository}:v1"), format!("dir:{}", folder.display()));
        let platform = ["--insecure-policy", "--override-os", "linux", "--override-arch", architecture];
        oci_tools().run("skopeo", &[&platform[..], &["copy", "--src-tls-verify=false", &from, &to]].concat());
        let copied = fs::read_to_string(folder.join("manifest.json")).unwrap();
        assert_eq!(copied, blob(manifest["digest"].as_str().unwrap()), "{architecture}");
    }
}

#[test]
fn each_image_has_a_repository_and_a_line_of_its_own() {
    let registry = Registry::new();
    let project = hello("one of two");
    project.write("xbuild.toml", "[images.greeter]\n\n[images.hello]\n");
    let address = registry.address();
    let lines = |more: &[&str], team: &str| {
        let arguments = [&["image", "--push", "--target", AMD64], more].concat();
        let repository = format!("{address}/team/{{name}}");
        let ran = on(&project).env("XBUILD_REPOSITORY", repository).run(&arguments).ok();
        let mut lines: Vec<&str> = ran.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, name) in lines.into_iter().zip(["greeter", "hello"]) {
            let digest = line.strip_prefix(&format!("{address}/{team}/{name}@"));
            let digest = digest.unwrap_or_else(|| panic!("{line}"));
            let found = registry.digest(&format!("{team}/{name}"), digest);
            assert_eq!(found.as_deref(), Some(digest), "{name}");
        }
    };
    lines(&[], "team");
    // The command line is nearest.
    lines(&["--repository", &format!("{address}/others/{{name}}")], "others");
}

#[test]
fn a_tag_that_is_moved_to_an_image_with_overrides_is_told() {
    let registry = Registry::new();
    let project = hello("quick");
    let repository = format!("{}/quick", registry.address());
    let plain = push(&project, &repository, &["-t", "v1"]).ok();
    assert!(!plain.stderr.contains("leads to"), "{}", plain.stderr);
    let set = ["--profile", "dev"];
    let ran = push(&project, &repository, &[&set[..], &["-t", "v1"]].concat()).ok();
    assert_eq!(registry.digest("quick", "v1"), Some(pushed(&ran, &repository)));
    ran.says(&format!("note: {repository}: v1 leads to hello[profile=dev] now"));
    let line = push(&project, &repository, &[&set[..], &["--message-format", "json"]].concat()).ok().json();
    let line = line.into_iter().find(|line| line["reason"] == "xbuild-pushed").unwrap();
    assert_eq!(line["overrides"], json!(["profile=dev"]));
}

#[test]
fn only_what_changed_is_sent() {
    let registry = Registry::new();
    let cases: [(&[&str], usize); 2] = [(&[], 1), (&["--target", ARM64], 2)];
    for (more, platforms) in cases {
        let proxy = Proxy::new(&registry, |_| Fault::Pass);
        let project = hello("before");
        let name = format!("for-{platforms}");
        let repository = format!("{}/{name}", proxy.address());
        let push = |more: &[&str]| {
            proxy.forget();
            pushed(&push(&project, &repository, more).ok(), &repository)
        };
        let first = push(more);
        assert!(proxy.sent() >= 3, "{:?}", proxy.seen());
        assert_eq!(registry.digest(&name, &first), Some(first.clone()));
        assert_eq!(registry.digest(&name, "latest"), None, "a tag that nobody asked for");

        assert_eq!(push(more), first);
        let small = ["GET /v2/", "HEAD blob", "GET manifest", "PUT manifest"];
        for seen in proxy.seen() {
            assert!(small.contains(&seen.what.as_str()), "nothing changed, and yet {seen:?}");
        }

        // Each platform's application and configuration; each manifest, and an index over several.
        change(&project, "after");
        let second = push(&[more, &["-t", "latest"]].concat());
        assert_ne!(second, first);
        assert_eq!(proxy.sent(), 2 * platforms, "{:?}", proxy.seen());
        let index = usize::from(platforms > 1);
        for (what, count) in
            [("POST upload", 2 * platforms), ("PUT manifest", platforms + index), ("PUT tag", 1)]
        {
            assert_eq!(proxy.count(what), count, "{what}: {:?}", proxy.seen());
        }
        assert_eq!(registry.digest(&name, "latest"), Some(second));
    }
}

#[test]
fn credentials_are_those_of_docker_s_configuration_and_are_never_shown() {
    let registry = Registry::with_password();
    let address = registry.address();
    let project = hello("for builder only");
    let folder = docker_folder(&project);
    // Two helpers that know the password; the second one fails all the same.
    for (name, code) in [("good", 0), ("broken", 1)] {
        let answer = json!({"ServerURL": address, "Username": USER, "Secret": PASSWORD});
        let script = format!(
            "#!/bin/sh\ntest \"$1 $(cat)\" = \"get {address}\" || exit 2\necho '{answer}'\nexit {code}\n"
        );
        let file = folder.join(format!("docker-credential-{name}"));
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    }
    let push = |config: &Value, name: &str| push_as(&project, config, &format!("{address}/{name}"));
    let helper = |name: &str| json!({"credHelpers": {address: name}});

    for (config, name) in [(json!({}), "nobody"), (auths(address, WRONG), "mistaken")] {
        let ran = push(&config, name).fails(3).says(address).says("help: log in");
        assert_eq!(ran.stdout, "");
        assert_eq!(registry.digest(name, "v1"), None, "{name}");
    }
    push(&helper("broken"), "broken").fails(3).says(address).says("docker-credential-broken");
    assert_eq!(registry.digest("broken", "v1"), None);
    for (config, name) in [(auths(address, BASIC), "by-file"), (helper("good"), "by-helper")] {
        let repository = format!("{address}/{name}");
        let digest = pushed(&push(&config, name).ok(), &repository);
        assert_eq!(registry.digest(name, "v1").as_ref(), Some(&digest), "{name}");

        // Others who know the password read it back.
        let creds = format!("{USER}:{PASSWORD}");
        let image = format!("docker://{repository}:v1");
        let arguments = ["inspect", "--raw", "--creds", &creds, "--tls-verify=false", &image];
        let raw = oci_tools().run("skopeo", &arguments);
        assert_eq!(Digest::<Blob>::of(raw.as_bytes()).sha256().to_string(), digest, "{name}");
        for image in [format!("{repository}:v1"), format!("{repository}@{digest}")] {
            let options = ["--from-username", USER, "--from-password", PASSWORD];
            oras_fetches(&image, &options, &project.result("default/image/hello"));
        }
    }
}

/// The tokens of the next test.
const TO_PULL: &str = "t0ken-to-pull";
const TO_PUSH: &str = "t0ken-to-push";

#[test]
fn tokens_are_fetched_as_the_registry_asks() {
    let registry = Registry::new();
    let basic = format!("Basic {BASIC}");
    let expected = basic.clone();
    let proxy = Proxy::new(&registry, move |seen| {
        let given = seen.authorization.as_deref().unwrap_or_default();
        if seen.what == "GET /token" {
            let path = seen.path.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
            let asks = |pair: &str| path.split(['?', '&']).any(|asked| asked == pair);
            let is_known = given == expected && asks("service=tests");
            let scopes = [("pull", TO_PULL), ("pull,push", TO_PUSH)];
            let scope = scopes.iter().find(|(may, _)| asks(&format!("scope=repository:team/hello:{may}")));
            return match scope.filter(|_| is_known) {
                Some((_, token)) => {
                    let answer = json!({"token": token, "expires_in": 60}).to_string();
                    Fault::Status(200, "".into(), answer.into())
                }
                None => Fault::status(401, "", r#"{"details":"incorrect username or password"}"#),
            };
        }
        let reads = seen.what.starts_with("GET ") || seen.what.starts_with("HEAD ");
        match given.strip_prefix("Bearer ") {
            Some(TO_PUSH) => Fault::Pass,
            Some(TO_PULL) if reads => Fault::Pass,
            _ => {
                let realm = format!("realm=\"http://{}/token\",service=\"tests\"", seen.host);
                Fault::Status(401, format!("WWW-Authenticate: Bearer {realm}").into(), "".into())
            }
        }
    });
    let project = hello("for a token");
    let repository = format!("{}/team/hello", proxy.address());
    for config in [json!({}), auths(proxy.address(), WRONG)] {
        let ran = push_as(&project, &config, &repository).fails(3).says(proxy.address()).says("help: log in");
        assert_eq!(ran.stdout, "");
        assert_eq!(registry.digest("team/hello", "v1"), None);
    }

    proxy.forget();
    let digest = pushed(&push_as(&project, &auths(proxy.address(), BASIC), &repository).ok(), &repository);
    assert_eq!(registry.digest("team/hello", "v1"), Some(digest));
    assert_eq!(proxy.sent(), 3, "{:?}", proxy.seen());
    for one in proxy.seen() {
        let given = one.authorization.as_deref();
        let is_right = match one.what.as_str() {
            "GET /v2/" => given.is_none(),
            "GET /token" => given == Some(basic.as_str()) && one.status == 200,
            // The token is given at once: nothing is asked twice.
            _ => given.is_some_and(|given| given.starts_with("Bearer ")) && one.status != 401,
        };
        assert!(is_right, "{one:?}");
    }
}

#[test]
fn blobs_go_several_at_once_and_the_tag_goes_last() {
    let registry = Registry::new();
    let proxy = Proxy::new(&registry, |seen| match seen.what.as_str() {
        "PUT upload" => Fault::Wait(Duration::from_millis(500)),
        _ => Fault::Pass,
    });
    let project = hello("in order");
    push(&project, &format!("{}/hello", proxy.address()), &["--target", ARM64, "-t", "latest"]).ok();
    let most = proxy.most_waiting();
    assert!((2..=4).contains(&most), "{most} at once");
    let seen = proxy.seen();
    let order = seen.iter().map(|one| one.what.as_str()).filter(|what| *what != "GET /v2/");
    let mut order: Vec<&str> = order.collect();
    // Many of a kind, one after the other, are as one.
    order.dedup();
    let last = order.iter().rposition(|what| what.ends_with(" upload")).unwrap();
    assert_eq!(order[last + 1..], ["PUT manifest", "GET manifest", "PUT tag"], "{order:?}");
    assert_eq!(proxy.count("PUT manifest"), 3, "two images, and the index over them");
}

#[test]
fn a_large_blob_goes_in_pieces() {
    let project = hello("");
    // Bytes that can't be compressed, the same each time: Marsaglia's xorshift64.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let noise: Vec<u8> = noise.take((9 << 20) / 8).flatten().collect();
    fs::write(project.root.join("src/noise.bin"), noise).unwrap();
    let main = "static NOISE: &[u8] = include_bytes!(\"noise.bin\");\n\n\
                fn main() {\n    println!(\"{}\", std::hint::black_box(NOISE).len());\n}\n";
    project.write("src/main.rs", main);

    let registry = Registry::new();
    let proxy = Proxy::new(&registry, |_| Fault::Pass);
    let repository = format!("{}/pieces", proxy.address());
    let digest = pushed(&push(&project, &repository, &[]).ok(), &repository);
    let seen = proxy.seen();
    let mut uploads: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.what == "PATCH upload") {
        uploads.entry(one.path.split('?').next().unwrap()).or_default().push(one.body);
    }
    assert!(uploads.values().flatten().all(|piece| *piece <= 4 << 20), "{uploads:?}");
    let large = uploads.values().find(|pieces| pieces.len() >= 3);
    let size: usize = large.unwrap_or_else(|| panic!("{uploads:?}")).iter().sum();
    assert!(size > 9 << 20, "{uploads:?}");

    // skopeo checks the digests.
    let copy = project.folder.path().join("copy");
    let from = format!("docker://{}/pieces@{digest}", registry.address());
    let to = format!("dir:{}", copy.display());
    oci_tools().run("skopeo", &["--insecure-policy", "copy", "--src-tls-verify=false", &from, &to]);
    let sizes = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    assert_eq!(sizes.max(), Some(size as u64));

    // A registry that takes no pieces, and says so by a status that is none of the specification's.
    let proxy = Proxy::new(&registry, |seen| match seen.what.as_str() {
        "PATCH upload" => Fault::status(200, "", ""),
        _ => Fault::Pass,
    });
    let repository = format!("{}/whole", proxy.address());
    assert_eq!(pushed(&push(&project, &repository, &[]).ok(), &repository), digest);
    assert_eq!(registry.digest("whole", &digest), Some(digest));
    let seen = proxy.seen();
    let bodies: Vec<usize> = seen.iter().filter(|one| one.what == "PUT upload").map(|one| one.body).collect();
    assert_eq!(bodies.len(), 3, "{seen:?}");
    assert!(bodies.contains(&size) && !bodies.contains(&0), "{bodies:?}");
}

#[test]
fn another_repository_of_a_registry_takes_over_the_blobs_of_the_first() {
    let registry = Registry::new();
    let proxy = Proxy::new(&registry, |_| Fault::Pass);
    let project = hello("mounted");
    let push_to = |name: &str| {
        proxy.forget();
        let repository = format!("{}/{name}", proxy.address());
        let digest = pushed(&push(&project, &repository, &["-t", "v1"]).ok(), &repository);
        assert_eq!(registry.digest(name, "v1").as_ref(), Some(&digest), "{name}");
        digest
    };
    let first = push_to("team/first");
    assert_eq!(proxy.sent(), 3, "{:?}", proxy.seen());

    assert_eq!(push_to("team/second"), first);
    let seen = proxy.seen();
    let mounts: Vec<u16> = seen.iter().filter(|one| one.what == "POST mount").map(|one| one.status).collect();
    assert_eq!(mounts, [201, 201, 201], "{seen:?}");
    assert!(!seen.iter().any(|one| one.what.ends_with(" upload")), "{seen:?}");

    // Where there is nothing left to take over, the registry asks for the bytes.
    registry.remove("team/first");
    registry.remove("team/second");
    assert_eq!(push_to("team/third"), first);
    assert_eq!(proxy.sent(), 3, "{:?}", proxy.seen());
}

const UNKNOWN: Fault =
    Fault::status(404, "", r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}"#);

/// How a registry misbehaves: the repository that it is tried with, a fault, which kinds of request have it (each
/// kind, where none is named), and what is said then. Where nothing is said, only the first request of each kind
/// has the fault, and the push must get through all the same.
type Case = (&'static str, Fault, &'static [&'static str], Option<&'static [&'static str]>);

const START: &[&str] = &["POST upload"];
const BYTES: &[&str] = &["PATCH upload", "PUT upload"];
const MANIFEST: &[&str] = &["PUT manifest"];

const CASES: [Case; 19] = [
    ("once/limited", LIMITED, &[], None),
    ("once/broken", BROKEN, &[], None),
    ("once/request-cut", Fault::CutRequest, &[], None),
    ("once/answer-cut", Fault::CutResponse, &[], None),
    ("always/unauthorized", UNAUTHORIZED, &[], Some(&["help: log in"])),
    ("always/broken", BROKEN, &[], Some(&["500"])),
    ("start/unauthorized", UNAUTHORIZED, START, Some(&["help: log in"])),
    ("start/denied", DENIED, START, Some(&["not for the likes of you"])),
    ("start/unknown", UNKNOWN, START, Some(&["no such repository"])),
    ("start/limited", LIMITED, START, Some(&["not so fast", "help: wait"])),
    ("bytes/broken", BROKEN, BYTES, Some(&["500"])),
    ("bytes/request-cut", Fault::CutRequest, BYTES, Some(&[])),
    ("bytes/answer-cut", Fault::CutResponse, BYTES, Some(&[])),
    ("bytes/lies", Fault::WrongDigest, BYTES, Some(&[OTHER])),
    ("manifest/broken", BROKEN, MANIFEST, Some(&["500"])),
    ("manifest/answer-cut", Fault::CutResponse, MANIFEST, Some(&[])),
    ("manifest/lies", Fault::WrongDigest, MANIFEST, Some(&[OTHER])),
    ("readback/lies", Fault::WrongBody, &["GET manifest"], Some(&["has sha256:"])),
    ("tag/broken", BROKEN, &["PUT tag"], Some(&["500"])),
];

/// Pushes where the tag `latest` leads to `old`, and `new` is what is pushed.
fn check((name, fault, kinds, said): Case, registry: &Registry, project: &Project, old: &str, new: &str) {
    let proxy = Proxy::new(registry, move |seen| {
        let is_meant = kinds.is_empty() || kinds.contains(&seen.what.as_str());
        let is_due = said.is_some() || seen.before == 0;
        if is_meant && is_due { fault.clone() } else { Fault::Pass }
    });
    let push_to = |address: &str| {
        let repository = format!("{address}/{name}");
        (push(project, &repository, &["-t", "latest"]), repository)
    };
    let latest = || registry.digest(name, "latest").unwrap();
    let (ran, repository) = push_to(proxy.address());
    assert!(ran.time < BOUND, "{name}: {:?}", ran.time);
    let Some(said) = said else {
        assert_eq!(pushed(&ran.ok(), &repository), new, "{name}");
        return assert_eq!(latest(), new, "{name}");
    };
    let ran = ran.fails(3);
    assert_eq!(ran.stdout, "", "{name}");
    for text in [said, &[proxy.address(), name, "help: "]].concat() {
        assert!(ran.stderr.contains(text), "{name}: no {text:?} in\n{}", ran.stderr);
    }
    if name.ends_with("/lies") {
        // What it should have been, beside what it is.
        let digests: Vec<String> = proxy.seen().iter().filter_map(Seen::digest).collect();
        assert!(digests.iter().any(|one| ran.stderr.contains(one)), "{name}:\n{}", ran.stderr);
    }
    assert_eq!(latest(), old, "{name}: the tag was moved");
    // The same again, and nothing is in the way.
    let (ran, repository) = push_to(registry.address());
    assert_eq!(pushed(&ran.ok(), &repository), new, "{name}");
    assert_eq!(latest(), new, "{name}");
}

#[test]
fn a_registry_that_misbehaves_is_tried_again_or_told_of_and_no_tag_is_moved() {
    let registry = Registry::new();
    let project = hello("old");
    let push_to = |name: &str| {
        let repository = format!("{}/{name}", registry.address());
        pushed(&push(&project, &repository, &["-t", "latest"]).ok(), &repository)
    };
    let old = push_to("first");
    for (name, ..) in CASES {
        assert_eq!(push_to(name), old, "{name}");
    }
    change(&project, "new");
    let new = push_to("first");
    // They wait most of the time.
    std::thread::scope(|scope| {
        for case in CASES {
            let (registry, project, old, new) = (&registry, &project, &old, &new);
            scope.spawn(move || check(case, registry, project, old, new));
        }
    });
}

#[test]
fn what_can_t_be_pushed_is_told_before_anything_is_built() {
    let project = hello("not pushed");
    let refused = |more: &[&str], texts: &[&str]| {
        let ran = on(&project).run(&[&["image", "--push", "--target", AMD64], more].concat()).fails(1);
        for text in texts {
            assert!(ran.stderr.contains(text), "{more:?}: no {text:?} in\n{}", ran.stderr);
        }
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.contains("Finished"), "{more:?}: {}", ran.stderr);
    };
    let nowhere = free_address();
    let at = |path: &str| format!("{nowhere}/{path}");
    refused(&["--repository", &at("hello"), "-t", "bad tag"], &["`bad tag`"]);
    refused(&["--repository", &at("hello"), "-t", "v1", "-t", ".v2"], &["`.v2`"]);
    refused(&[], &["repository", "help: "]);
    let by_digest = format!("hello@{OTHER}");
    for repository in ["UPPER/case".to_owned(), at("UPPER/case"), at("hello:v1"), at(&by_digest)] {
        refused(&["--repository", &repository], &[&repository, "help: "]);
    }
    assert!(!project.root.join("result").exists(), "nothing was linked");
}

#[test]
fn a_registry_that_isn_t_there_is_told_of_soon() {
    let project = hello("to nobody");
    let address = free_address();
    let ran = push(&project, &format!("{address}/hello"), &["-t", "latest"]).fails(3);
    assert!(ran.time < BOUND, "{:?}", ran.time);
    assert_eq!(ran.stdout, "");
    ran.says(&address).says("help: ");
}
