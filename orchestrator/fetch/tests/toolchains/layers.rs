//! A toolchain's layers: for host work, for each target, and no more than was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use xbuild_action::{ActionResult, Command, InputRoot};
use xbuild_base::{Digest, Tree, Triple};
use xbuild_describe::{Source, TargetSpec, Toolchains};
use xbuild_fetch::debian::Mirrors;
use xbuild_fetch::official::Server as Distribution;
use xbuild_fetch::source::wheel::PackageIndex;
use xbuild_fetch::toolchain::{BuildError, Builder, Composer, Layers, WantedTarget, with_official};
use xbuild_fetch::{Deferred, Fetcher, InMemory, Quiet, is_stand_in};

use crate::official::{added, distribution};
use crate::support::{listing, settings, toolchains};

const HOST: &str = "x86_64-unknown-linux-gnu";

const TEXT: &str = r#"
format = 1
default = "1.96.1"
[toolchain."1.96.1"]
distribution = "debian"
rust = ["base", "rust"]
source = "source"
[suites]
sid = { archive = "debian" }
[component.base]
arch = "all"
files = { "usr/base" = "" }
[component.rust]
arch = "all"
files = { "usr/bin/rustc" = "debian's" }
[component.source]
arch = "all"
files = { "usr/src/std" = "" }
[component.musl]
arch = "all"
files = { "usr/musl/libc.a" = "" }
[component."glibc-2.31"]
arch = "all"
files = { "usr/gnu/libc.so" = "2.31" }
[component."glibc-2.41"]
arch = "all"
files = { "usr/gnu/libc.so" = "2.41" }
[component.std-arm]
arch = "all"
files = { "usr/lib/rustlib/arm/std" = "" }
[component.unwanted]
suites = ["sid"]
arch = "amd64"
roots = ["never-asked-for"]
"#;

const REST: &str = r#"
[c]
cc = "cc"
cxx = "c++"
ar = "ar"
ranlib = "ranlib"
[link]
linker = "cc"
[check]
format = "elf"
machine = "x86_64"
static = true
[archive]
format = "tar.gz"
"#;

struct Nothing;

impl Builder for Nothing {
    fn run(&self, what: &str, _: &Command, _: &InputRoot) -> Result<ActionResult, BuildError> {
        Err(format!("{what}: nothing is compiled here").into())
    }
}

fn target(triple: &str, text: &str, toolchains: &Toolchains) -> TargetSpec {
    let triple: Triple = triple.parse().unwrap();
    let source = Source::new(format!("{triple}.toml"), format!("{text}{REST}"));
    TargetSpec::read(triple, source, toolchains).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn musl(toolchains: &Toolchains) -> TargetSpec {
    target("x86_64-unknown-linux-musl", "std = \"source\"\ncomponents = [\"musl\"]\n", toolchains)
}

fn arm(toolchains: &Toolchains) -> TargetSpec {
    let text = "std = \"prebuilt\"\nstd-component = \"std-arm\"\n[glibc]\ndefault = \"2.31\"\n\"2.31\" = [\"glibc-2.31\"]\n\"2.41\" = [\"glibc-2.41\"]\n";
    target("aarch64-unknown-linux-gnu", text, toolchains)
}

fn layers(
    store: &InMemory,
    toolchains: &Toolchains,
    version: &str,
    targets: &[WantedTarget<'_>],
    server: &Distribution,
) -> Layers {
    layers_by(&Fetcher::new(store, settings(), &Quiet), toolchains, version, targets, server)
}

fn layers_by(
    fetcher: &Fetcher<'_>,
    toolchains: &Toolchains,
    version: &str,
    targets: &[WantedTarget<'_>],
    server: &Distribution,
) -> Layers {
    let wheels = Arc::new(PackageIndex::load(&BTreeMap::new(), None).unwrap());
    let composer = Composer {
        fetcher,
        mirrors: &Mirrors::default(),
        wheels: &wheels,
        toolchains,
        host: &HOST.parse().unwrap(),
        builder: &Nothing,
    };
    composer.layers(&toolchains.toolchains[&version.parse().unwrap()], targets, server).unwrap()
}

fn files(store: &InMemory, layers: &[Digest<Tree>]) -> Vec<String> {
    layers.iter().flat_map(|layer| listing(store, *layer)).collect()
}

#[test]
fn debians_toolchain_has_what_the_targets_need_and_no_more() {
    let (store, toolchains, server) = (InMemory::new().unwrap(), toolchains(TEXT), Distribution::default());
    let (musl, arm) = (musl(&toolchains), arm(&toolchains));
    let layers_of = |targets: &[WantedTarget<'_>]| layers(&store, &toolchains, "1.96.1", targets, &server);

    let both = layers_of(&[(&musl, None), (&arm, None)]);
    assert_eq!(files(&store, &both.host), ["usr/base", "usr/bin/rustc debian's"]);
    assert_eq!(files(&store, &both.targets[0].sysroot), ["usr/musl/libc.a"]);
    assert_eq!(both.targets[0].std, None);
    assert_eq!(files(&store, &both.targets[1].sysroot), ["usr/gnu/libc.so 2.31"]);
    assert_eq!(files(&store, &[both.targets[1].std.unwrap()]), ["usr/lib/rustlib/arm/std"]);
    assert_eq!(files(&store, &[both.source.unwrap()]), ["usr/src/std"]);

    let newer = layers_of(&[(&arm, Some("2.41".parse().unwrap()))]);
    assert_eq!(files(&store, &newer.targets[0].sysroot), ["usr/gnu/libc.so 2.41"]);
    assert_eq!(newer.source, None, "nothing is built from source");
    assert_eq!(newer.host, both.host, "a target changes nothing for the host");
    assert!(!newer.components.keys().any(|name| name.as_str() == "musl"));
}

#[test]
fn the_official_toolchain_brings_its_own_rust_and_std() {
    let loopback = distribution(false);
    let server = Distribution::at(&loopback.url);
    let added = added(&server, None, "1.95.0").unwrap();
    let base = "base".parse().unwrap();
    let text = with_official("t.toml", TEXT, &added.version, &[base], &added.archives).unwrap();
    let (store, toolchains) = (InMemory::new().unwrap(), toolchains(&text));
    let (musl, arm) = (musl(&toolchains), arm(&toolchains));
    let layers = layers(&store, &toolchains, "1.95.0", &[(&musl, None), (&arm, None)], &server);
    assert_eq!(
        files(&store, &layers.host),
        [
            "usr/base",
            "usr/bin/rustc* #!rustc",
            "usr/lib/librustc_driver-1.so driver",
            "usr/bin/cargo* #!cargo",
            "usr/lib/rustlib/x86_64-unknown-linux-gnu/lib/libstd-1.rlib std",
        ]
    );
    let std = files(&store, &[layers.targets[0].std.unwrap()]);
    assert_eq!(std, ["usr/lib/rustlib/x86_64-unknown-linux-musl/lib/libstd-1.rlib std"]);
    assert_eq!(layers.targets[1].std, None, "the test's distribution has no std for arm: it is built");
    assert_eq!(files(&store, &[layers.source.unwrap()]), ["usr/lib/rustlib/src/rust/library/x src"]);
    let archives = layers.archives.keys().map(|(package, triple)| format!("{package} {triple}"));
    assert_eq!(
        archives.collect::<Vec<_>>(),
        [
            "cargo x86_64-unknown-linux-gnu",
            "rust-src x86_64-unknown-linux-gnu",
            "rust-std x86_64-unknown-linux-gnu",
            "rust-std x86_64-unknown-linux-musl",
            "rustc x86_64-unknown-linux-gnu",
        ]
    );
}

#[test]
fn of_a_toolchain_that_is_only_asked_about_host_work_has_its_part_and_targets_are_told() {
    let loopback = distribution(false);
    let server = Distribution::at(&loopback.url);
    let added = added(&server, None, "1.95.0").unwrap();
    let text =
        with_official("t.toml", TEXT, &added.version, &["base".parse().unwrap()], &added.archives).unwrap();
    let (store, toolchains) = (InMemory::new().unwrap(), toolchains(&text));
    let musl = musl(&toolchains);
    let deferred = Deferred::default();
    let fetcher = Fetcher::new(&store, settings(), &Quiet).deferring(Some(&deferred));
    let layers = layers_by(&fetcher, &toolchains, "1.95.0", &[(&musl, None)], &server);
    assert!(files(&store, &layers.host).contains(&"usr/bin/cargo* #!cargo".to_owned()));
    assert!(is_stand_in(&store, layers.targets[0].std.unwrap()));
    let told: Vec<String> = deferred.files().into_iter().map(|file| file.output.name).collect();
    assert_eq!(told, ["rust-std 1.95.0 for x86_64-unknown-linux-musl"]);
}
