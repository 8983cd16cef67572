//! Images that are based on others: what is said where a registry doesn't give the base, and bases that others made.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::base::{copy, put_base};
use common::image::{files, manifest, run_in};
use common::machine::oci_tools;
use common::registry::{BASIC, BROKEN, DENIED, Fault, LIMITED, OTHER, Proxy, Registry, UNAUTHORIZED};
use common::{Project, Ran, Xbuild};
use fs_err as fs;
use serde_json::{Value, json};

const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "x86_64-unknown-linux-gnu";

/// Who gives up must have done so by then.
const BOUND: Duration = Duration::from_secs(60);

const HELLO: &str = "fn main() {\n    println!(\"hello\");\n}\n";

/// A project of one program whose image is based on another.
fn based_on(base: &str) -> Project {
    let project = Project::program("hello", HELLO);
    project.write("xbuild.toml", &format!("[image]\nbase = \"{base}\"\n"));
    project
}

/// The folder of Docker's configuration that [`image`] looks into: it isn't there, unless a test makes it.
fn docker_folder(project: &Project) -> PathBuf {
    project.folder.path().join("docker")
}

/// Makes the image for one target.
fn image(project: &Project, target: &str) -> Ran {
    let xbuild = Xbuild::new().folder(&project.root).env("DOCKER_CONFIG", docker_folder(project));
    xbuild.run(&["image", "--target", target])
}

/// Where the image of [`based_on`] is.
fn layout(project: &Project) -> PathBuf {
    project.result("default/image/hello")
}

/// The digests of an image's layers, the lowest first.
fn layers(layout: &Path) -> Vec<String> {
    let manifest = manifest(layout, "linux/amd64");
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// All files below a folder.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(bytes(&path));
        } else {
            let read = fs::read(&path).unwrap();
            files.insert(path, read);
        }
    }
    files
}

/// What is asked for of a base, in this order: its digest once, the rest each time.
const KINDS: [&str; 3] = ["GET tag", "GET manifest", "GET blob"];

/// How a registry misbehaves for ever, and what is said then.
type Always = (&'static str, Fault, &'static [&'static str]);

const ALWAYS: [Always; 5] = [
    ("unauthorized", UNAUTHORIZED, &["help: log in"]),
    ("denied", DENIED, &["not for the likes of you"]),
    ("limited", LIMITED, &["not so fast", "help: wait"]),
    ("broken", BROKEN, &["500"]),
    ("cut", Fault::CutResponse, &[]),
];

/// How it misbehaves once for each kind of request.
const ONCE: [(&str, Fault); 3] =
    [("once-limited", LIMITED), ("once-broken", BROKEN), ("once-cut", Fault::CutResponse)];

/// A base that doesn't come, first for want of its tag, then of its manifest, then of its blobs.
fn never((name, fault, said): Always, registry: &Registry) {
    let faulty = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&faulty);
    let proxy = Proxy::new(registry, move |seen| {
        let kind = KINDS.get(now.load(Ordering::SeqCst));
        if kind.is_some_and(|kind| *kind == seen.what) { fault.clone() } else { Fault::Pass }
    });
    let repository = format!("{name}/base");
    let reference = format!("{}/{repository}:1", proxy.address());
    let layer = put_base(registry, &format!("{repository}:1"), &[("etc/motd", reference.as_str())]);
    let project = based_on("scratch");
    image(&project, MUSL).ok();
    let before = bytes(&layout(&project));
    project.write("xbuild.toml", &format!("[image]\nbase = \"{reference}\"\n"));
    for (index, kind) in KINDS.into_iter().enumerate() {
        faulty.store(index, Ordering::SeqCst);
        let ran = image(&project, MUSL).fails(3);
        assert!(ran.time < BOUND, "{name}, {kind}: {:?}", ran.time);
        assert_eq!(ran.stdout, "", "{name}, {kind}");
        for text in [said, &[proxy.address(), repository.as_str(), "help: "]].concat() {
            assert!(ran.stderr.contains(text), "{name}, {kind}: no {text:?} in\n{}", ran.stderr);
        }
        if kind == "GET tag" {
            assert!(!project.root.join("xbuild.lock").exists(), "{name}: a pin that leads nowhere");
        }
        assert!(bytes(&layout(&project)) == before, "{name}, {kind}: the image that was there is another");
    }
    // The same again, and nothing is in the way.
    faulty.store(KINDS.len(), Ordering::SeqCst);
    image(&project, MUSL).ok();
    assert_eq!(layers(&layout(&project))[0], layer, "{name}");
}

/// A base that comes at the second try.
fn once((name, fault): (&str, Fault), registry: &Registry) {
    let proxy = Proxy::new(registry, move |seen| if seen.before == 0 { fault.clone() } else { Fault::Pass });
    let reference = format!("{}/{name}/base:1", proxy.address());
    let layer = put_base(registry, &format!("{name}/base:1"), &[("etc/motd", reference.as_str())]);
    let project = based_on(&reference);
    image(&project, MUSL).ok();
    assert_eq!(layers(&layout(&project))[0], layer, "{name}");
    // Each a second time; the blobs are the configuration and the layer.
    assert_eq!(KINDS.map(|kind| proxy.count(kind)), [2, 2, 3], "{name}: {:?}", proxy.seen());
}

#[test]
fn a_base_that_does_not_come_is_told_of() {
    let registry = &Registry::new();
    // They wait most of the time.
    std::thread::scope(|scope| {
        for case in ALWAYS {
            scope.spawn(move || never(case, registry));
        }
        for case in ONCE {
            scope.spawn(move || once(case, registry));
        }
    });
}

#[test]
fn a_mistake_in_an_image_does_not_touch_what_needs_it_not() {
    let registry = Registry::new();
    let reference = format!("{}/team/gone:1", registry.address());
    let project = Project::program("hello", HELLO);
    project.write(
        "xbuild.toml",
        &format!(
            "[images.gone]\nbase = \"{reference}\"\n\n[images.wrong]\nbins = [\"helo\"]\n\n[images.right]\nbase = \"scratch\"\n\n\
             [variant.broken]\nfeatures = [\"nonsense\"]\n"
        ),
    );
    let lock = format!("version = 1\n\n[image.\"{reference}\"]\ndigest = \"{OTHER}\"\n");
    project.write("xbuild.lock", &lock);
    let run = |words: &[&str]| {
        let xbuild = Xbuild::new().folder(&project.root).env("DOCKER_CONFIG", docker_folder(&project));
        xbuild.run(&[words, &["--variant", "default"]].concat())
    };
    for verb in ["build", "check", "test"] {
        run(&[verb, "--target", MUSL]).ok();
    }
    assert_eq!(run(&["run", "-q", "--target", MUSL]).ok().stdout, "hello\n");
    let image = |name: &str| run(&["image", name, "--target", MUSL]);
    image("right").ok();
    image("gone").fails(3).says(&format!("team/gone@{OTHER}")).says("xbuild update");
    image("wrong").fails(1).says("`helo`");
    let of_variant = |name: &str| project.xbuild(&["image", "right", "--target", MUSL, "--variant", name]);
    of_variant("broken").fails(1).says("feature `nonsense`");
    of_variant("brokn").fails(1).says("there is no variant `brokn`").says("did you mean `broken`?");
    assert_eq!(project.read("xbuild.lock"), lock);
}

#[test]
fn a_base_whose_layer_was_changed_is_refused() {
    let registry = Registry::new();
    let proxy = Proxy::new(&registry, |_| Fault::Pass);
    let reference = format!("{}/team/base:1", proxy.address());
    let layer = put_base(&registry, "team/base:1", &[("etc/motd", reference.as_str())]);
    let project = based_on(&reference);
    registry.flip(&layer);
    let place = format!("{}/team/base has sha256:", proxy.address());
    image(&project, MUSL).fails(3).says(&place).says(&format!("where {layer} is expected")).says("help: ");
    assert!(!project.root.join("result").exists(), "nothing was linked");
    // And nothing of it was kept.
    registry.flip(&layer);
    image(&project, MUSL).ok();
    assert_eq!(layers(&layout(&project))[0], layer);
}

#[test]
fn a_base_behind_a_password_comes_to_who_knows_it() {
    let registry = Registry::with_password();
    let proxy = Proxy::new(&registry, |_| Fault::Pass);
    let reference = format!("{}/team/base:1", proxy.address());
    let layer = put_base(&registry, "team/base:1", &[("etc/motd", reference.as_str())]);
    let project = based_on(&reference);
    image(&project, MUSL).fails(3).says(proxy.address()).says("team/base").says("help: log in");
    assert!(!project.root.join("xbuild.lock").exists());

    let config = json!({"auths": {proxy.address(): {"auth": BASIC}}});
    fs::create_dir(docker_folder(&project)).unwrap();
    fs::write(docker_folder(&project).join("config.json"), config.to_string()).unwrap();
    image(&project, MUSL).ok();
    assert_eq!(layers(&layout(&project))[0], layer);
    assert!(proxy.count("GET blob") >= 2, "{:?}", proxy.seen());
}

#[test]
fn a_base_that_others_made_is_read() {
    let registry = Registry::new();
    let proxy = Proxy::new(&registry, |_| Fault::Pass);
    let platform = "linux/amd64";

    // By Docker's own media types.
    let base = Project::program("base", HELLO);
    base.write("motd", proxy.address());
    base.write("xbuild.toml", "[image.files]\n\"/etc/motd\" = \"motd\"\n");
    image(&base, MUSL).ok();
    let of_base = base.result("default/image/base");
    copy(&of_base, &registry, "team/docker:1", &["--format", "v2s2"]);
    let name = format!("docker://{}/team/docker:1", registry.address());
    let raw = oci_tools().run("skopeo", &["inspect", "--raw", "--tls-verify=false", &name]);
    let docker: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(docker["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(docker["layers"][0]["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");

    let project = based_on(&format!("{}/team/docker:1", proxy.address()));
    image(&project, MUSL).ok();
    let lowest = layers(&of_base);
    assert_eq!(layers(&layout(&project))[..lowest.len()], lowest[..]);
    let has = files(&layout(&project), platform);
    let motd = format!("644 0 {}", proxy.address().len());
    assert_eq!(has["etc/motd"], motd, "{has:?}");
    assert!(has.contains_key("bin/base") && has.contains_key("bin/hello"), "{has:?}");
    assert_eq!(run_in(&layout(&project), platform, &[], &["/bin/hello"]), "hello\n");

    // With links of both kinds, as distributions have them, and without what xbuild's own have.
    let reference = format!("{}/team/links:1", proxy.address());
    let users = "root:x:0:0::/:\nme:x:7:8::/:\n";
    let entries = [
        ("usr/", ""),
        ("usr/lib/", ""),
        ("usr/lib/users", users),
        ("lib -> usr/lib", ""),
        ("etc/passwd => usr/lib/users", ""),
        ("etc/motd", reference.as_str()),
    ];
    let layer = put_base(&registry, "team/links:1", &entries);
    let project = based_on(&reference);
    // A user by name is looked up through the hard link.
    project.append("xbuild.toml", "user = \"me\"\n");
    image(&project, GNU).ok();
    assert_eq!(layers(&layout(&project))[0], layer);
    let has = files(&layout(&project), platform);
    for (path, what) in [
        ("lib", "777 0 -> usr/lib".to_owned()),
        ("usr/lib/users", format!("644 0 {}", users.len())),
        ("etc/passwd", "644 0 -> usr/lib/users".to_owned()),
        ("etc/motd", format!("644 0 {}", reference.len())),
    ] {
        assert_eq!(has.get(path), Some(&what), "{path}: {has:?}");
    }
    // The libraries lie where the link leads to, and the link stays.
    assert!(has["usr/lib/libc.so.6"].starts_with("755 0"), "{has:?}");
    assert!(!has.keys().any(|path| path.starts_with("lib/")), "{has:?}");
    assert_eq!(run_in(&layout(&project), platform, &[], &["/bin/hello"]), "hello\n");
}

#[test]
fn a_bundle_has_what_images_are_based_on() {
    let registry = Registry::new();
    let reference = format!("{}/team/bundled:1", registry.address());
    let layer = put_base(&registry, "team/bundled:1", &[("etc/motd", reference.as_str())]);
    let project = based_on(&reference);
    let mirror = project.folder.path().join("mirror");
    let bundled = project.xbuild(&["bundle", mirror.to_str().unwrap(), "--target", GNU]).ok();
    assert!(bundled.stderr.contains("Pulling"), "{}", bundled.stderr);
    drop(registry);

    let elsewhere = Xbuild::new().folder(&project.root).store(&project.folder.path().join("store"));
    let image = ["image", "--target", GNU, "--offline"];
    let elsewhere = elsewhere.env("XBUILD_MIRRORS", mirror.to_str().unwrap());
    elsewhere.run(&image).ok();
    assert_eq!(layers(&layout(&project))[0], layer);
    // The project's links lead into that store, which goes away.
    fs::remove_dir_all(project.root.join("result")).unwrap();
}
