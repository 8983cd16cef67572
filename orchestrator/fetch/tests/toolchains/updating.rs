//! Updates of pins: what changes, and that nothing else of the file does.

use xbuild_action::ContentExt as _;
use xbuild_base::Sha256;
use xbuild_describe::WheelPin;
use xbuild_fetch::InMemory;
use xbuild_fetch::toolchain::{Fetched, Presence, Update, update, verify, with_official, with_pins};

use crate::support::{Texts, stanza, toolchains};

const TEXT: &str = r#"# Written by hand.
format = 1
default = "1.96.1"   # the default

[suites]
new = { archive = "debian" }
old = { archive = "debian" }

[toolchain."1.96.1"]
distribution = "debian"
rust = ["tools"]

[component.tools]    # what build scripts call
suites = ["new", "old"]
arch = "host"
roots = ["make"]
without = [
  "libc6",
]

[component.source]
arch = "all"
wheel = { name = "sources", version = "2", prefix = "usr/src" }

[component."sysroot-2.31"]
suites = ["old"]
arch = "amd64"
roots = ["libc6-dev"]

# ---- pins: written by `xbuild toolchain update`; everything below is generated ----

[pins.x86_64-unknown-linux-gnu.tools]
packages = [
  { name = "guile", version = "1", arch = "amd64", suite = "old", path = "pool/g.deb", size = 1, sha256 = "0000000000000000000000000000000000000000000000000000000000000000" },
  { name = "make", version = "1", arch = "amd64", suite = "old", path = "pool/m.deb", size = 1, sha256 = "0000000000000000000000000000000000000000000000000000000000000000" },
]
"#;

fn indexes() -> Texts {
    let new =
        [stanza("make", "4.4", "Depends: libc6, libfl2 (>= 1)"), stanza("libfl2", "2.6-3", "")].concat();
    let old =
        [stanza("make", "4.3", ""), stanza("libc6", "2.31", ""), stanza("libc6-dev", "2.31", "")].concat();
    let both = |text: &str| format!("{text}{}", text.replace("amd64", "arm64"));
    Texts(vec![("new", both(&new)), ("old", both(&old))])
}

fn wheel(wheel: &xbuild_describe::Wheel) -> Result<WheelPin, xbuild_fetch::FetchError> {
    Ok(WheelPin {
        name: wheel.name.clone(),
        version: wheel.version.clone(),
        file: format!("{}-{}-py3-none-any.whl", wheel.name, wheel.version),
        size: 7,
        sha256: Sha256::of(b"wheel"),
    })
}

fn updated(text: &str) -> (Update, String) {
    let update = update(&toolchains(text), &indexes(), &wheel).unwrap();
    let text = with_pins("toolchains.toml", text, &update.pins).unwrap();
    (update, text)
}

#[test]
fn an_update_tells_what_changed_and_rewrites_the_pins_alone() {
    let (update, text) = updated(TEXT);
    assert!(update.failures.is_empty(), "{:?}", update.failures);
    let changes: Vec<String> = update.changes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("changes", changes.join("\n"));
    insta::assert_snapshot!("toolchains", text);
    let mark = TEXT.find("# ----").unwrap();
    assert_eq!(text[..mark], TEXT[..mark], "what people wrote stays as it is");
    assert_eq!(toolchains(&text).pins, update.pins, "what is written is what is read");
}

#[test]
fn a_second_update_changes_nothing() {
    let (_, text) = updated(TEXT);
    let (update, again) = updated(&text);
    assert_eq!(update.changes, []);
    assert_eq!(again, text);
}

#[test]
fn what_cannot_be_resolved_keeps_its_pins_and_is_told_of() {
    let toolchains = toolchains(&TEXT.replace("\"make\"]", "\"make\", \"gone\"]"));
    let update = update(&toolchains, &indexes(), &wheel).unwrap();
    let failures: Vec<String> = update.failures.iter().map(|failure| failure.error.to_string()).collect();
    assert_eq!(failures.len(), 2, "for each host: {failures:?}");
    assert!(failures[0].contains("there is no package gone"), "{failures:?}");
    let host = toolchains.pins.keys().next().unwrap();
    assert_eq!(update.pins[host], toolchains.pins[host]);
    assert_eq!(update.pins.len(), 2, "the others are resolved");
}

#[test]
fn pins_that_are_superseded_gone_or_damaged_are_told_apart() {
    let (_, text) = updated(TEXT);
    let toolchains = toolchains(&text);
    let store = InMemory::new().unwrap();
    store.put(b"unrelated").unwrap();
    let mut later = indexes();
    later.0[0].1 = later.0[0].1.replace(&stanza("make", "4.4", ""), "");
    later.0[0].1.push_str(&stanza("make", "4.5", ""));
    later.0[1].1 = later.0[1].1.replace("Package: libc6-dev", "Package: libc6-devel");
    let all = |indexes: Option<&Texts>| {
        let indexes = indexes.map(|texts| texts as &dyn xbuild_fetch::debian::IndexSource);
        let verdicts = verify(&toolchains, &store, indexes).unwrap();
        assert!(verdicts.iter().all(|verdict| verdict.fetched == Fetched::No));
        let lines = verdicts.iter().map(|verdict| {
            let good = if verdict.is_good() { "good" } else { "bad" };
            format!("{} {} {:?} {good}", verdict.package, verdict.version, verdict.presence)
        });
        lines.collect::<Vec<_>>()
    };
    let current = all(Some(&indexes()));
    assert!(
        current.iter().all(|line| line.contains("Current") || line.starts_with("sources")),
        "{current:?}"
    );
    let changed = all(Some(&later));
    assert!(changed.contains(&"make:amd64 4.4 Superseded { by: \"4.5\" } good".to_owned()), "{changed:?}");
    assert!(changed.contains(&"libc6-dev:amd64 2.31 Gone bad".to_owned()), "{changed:?}");
    assert!(all(None).iter().all(|line| line.contains(&format!("{:?}", Presence::Unknown))));
}

#[test]
fn a_fetched_package_is_verified_by_its_content() {
    let bytes = b"a package";
    let store = InMemory::new().unwrap();
    let text = TEXT.replace("size = 1", &format!("size = {}", bytes.len())).replacen(
        &"0".repeat(64),
        &Sha256::of(bytes).to_hex(),
        1,
    );
    let toolchains = toolchains(&text);
    store.put(bytes).unwrap();
    let verdicts = verify(&toolchains, &store, None).unwrap();
    let fetched: Vec<_> =
        verdicts.iter().map(|verdict| (verdict.package.as_str(), verdict.fetched)).collect();
    assert_eq!(fetched, [("guile:amd64", Fetched::Right), ("make:amd64", Fetched::No)]);
}

#[test]
fn an_official_toolchain_is_added_before_the_pins_and_replaced_when_added_again() {
    let pin = |path: &str| xbuild_describe::ArchivePin {
        path: path.parse().unwrap(),
        size: None,
        sha256: Sha256::of(path.as_bytes()),
    };
    let archives = |suffix: &str| {
        let host = "x86_64-unknown-linux-gnu".to_owned();
        [
            ("rust-src".to_owned(), [("*".to_owned(), pin(&format!("dist/src{suffix}")))].into()),
            ("rustc".to_owned(), [(host, pin(&format!("dist/rustc{suffix}")))].into()),
        ]
        .into()
    };
    let rust = ["tools".parse().unwrap()];
    let version = "1.95.0".parse().unwrap();
    let add = |text: &str, suffix| with_official("toolchains.toml", text, &version, &rust, &archives(suffix));
    let once = add(TEXT, ".a").unwrap();
    insta::assert_snapshot!("official", once);
    let toolchains = toolchains(&once);
    assert_eq!(toolchains.toolchains[&version].archives, archives(".a"));
    assert_eq!(toolchains.toolchains.len(), 2);
    assert_eq!(add(&once, ".a").unwrap(), once);
    let other = add(&once, ".b").unwrap();
    assert_eq!(
        other,
        once.replace("dist/src.a", "dist/src.b")
            .replace("dist/rustc.a", "dist/rustc.b")
            .replace(&Sha256::of(b"dist/src.a").to_hex(), &Sha256::of(b"dist/src.b").to_hex())
            .replace(&Sha256::of(b"dist/rustc.a").to_hex(), &Sha256::of(b"dist/rustc.b").to_hex())
    );
    // A project's own file, which need not be there before.
    let fresh =
        with_official(".xbuild/toolchains.toml", "format = 1\n", &version, &rust, &archives(".a")).unwrap();
    assert!(fresh.starts_with("format = 1\n\n[toolchain.\"1.95.0\"]\n"), "{fresh}");
    let error = with_official("x.toml", "format = = 1", &version, &rust, &archives(".a")).unwrap_err();
    assert!(error.to_string().contains("x.toml"), "{error}");
}
