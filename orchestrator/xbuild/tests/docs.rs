//! `xbuild doc`: pages of a workspace and of what it depends on, as cargo has them, made crate by crate.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{Project, TARGETS};
use fs_err as fs;

const MUSL: &str = TARGETS[0];
const WINDOWS: &str = TARGETS[2];

/// The folders of crates below a folder of documentation.
fn crates(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let has_index = |entry: &fs::DirEntry| entry.path().join("index.html").exists();
    entries.filter(has_index).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn pages_are_made_for_every_target_and_only_of_what_has_changed() {
    let project = Project::example();
    let packages = "build.packages=[\"bar\", \"foo\", \"muffin\"]";
    let wanted = [
        "doc",
        "--set",
        packages,
        "--no-deps",
        "-p",
        "muffin",
        "-p",
        "bar",
        "--target",
        MUSL,
        "--target",
        WINDOWS,
    ];
    let doc = || project.xbuild(&wanted);
    let first = doc().ok();
    let folder = project.result(&format!("default/{MUSL}/doc"));
    assert!(first.stdout.contains(&format!("{}/", folder.display())), "{}", first.stdout);
    let all = crates(&folder);
    assert!(all.contains("bar") && all.contains("muffin"), "{all:?}");
    assert_eq!(crates(&project.result(&format!("default/{WINDOWS}/doc"))), all);
    // What is about several crates: the list of crates, the search, and pages that are about none.
    let list = fs::read_to_string(folder.join("crates.js")).unwrap();
    assert!(all.iter().all(|name| list.contains(&format!("\"{name}\""))), "{list}");
    for file in ["help.html", "settings.html", "search.index/root.js", "static.files", "src-files.js"] {
        assert!(folder.join(file).exists(), "{file}");
    }
    assert!(!folder.join(".lock").exists() && !folder.join("doc").exists());

    // A crate that is edited is documented again, with those that see it and no others.
    // The store has what earlier runs made: the word is this run's.
    let word = format!("WORD_{}", std::process::id());
    let line = format!("/// A word that stands nowhere else.\npub const {word}: u8 = 0;\n");
    project.append("crates/muffin/src/lib.rs", &line);
    let (built, cached) = doc().ok().finished();
    assert!(built > 0 && cached > 0, "{built} {cached}");
    assert!(folder.join(format!("muffin/constant.{word}.html")).exists());
    assert_eq!(doc().ok().finished().0, 0);

    // A broken link is told at its place, and an error where the lints have it so.
    project.append(
        "crates/muffin/src/lib.rs",
        "#[deny(rustdoc::broken_intra_doc_links)]\n/// [nowhere_at_all]\npub mod m {}\n",
    );
    doc().fails(1).says("unresolved link to `nowhere_at_all`").says("crates/muffin/src/lib.rs");
}

#[test]
fn each_variant_has_pages_of_its_own() {
    let project = Project::program("varied", "fn main() {}\n");
    project.append("Cargo.toml", "\n[features]\nloud = []\n");
    project.write(
        "src/lib.rs",
        "//! A word.\n/// It is said loud.\n#[cfg(feature = \"loud\")]\npub fn shout() {}\n",
    );
    project.write("xbuild.toml", "[variant.loud]\nfeatures = [\"loud\"]\n");
    let doc = |options: &[&str]| project.xbuild(&[&["doc", "--target", MUSL], options].concat()).ok();
    let page = |variant: &str, page: &str| project.result(&format!("{variant}/{MUSL}/doc/varied/{page}"));
    doc(&["--variant", "loud"]);
    assert!(page("loud", "fn.shout.html").exists() && !page("default", "index.html").exists());
    let both = doc(&[]);
    let expected = ["default", "loud"].map(|variant| page(variant, "index.html").display().to_string());
    assert_eq!(both.stdout.lines().collect::<Vec<_>>(), expected);
    assert!(page("default", "index.html").exists() && !page("default", "fn.shout.html").exists());
    assert_eq!(doc(&[]).finished().0, 0);
}

#[test]
fn dependencies_are_documented_with_links_between_crates() {
    let project = Project::program("linked", "//! See [`glaze::Glaze`].\nfn main() {}\n");
    project.append("Cargo.toml", "\n[dependencies]\nglaze = { path = \"glaze\" }\n");
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"glaze\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"linked\"\nversion = \"0.1.0\"\ndependencies = [\"glaze\"]\n");
    project
        .write("glaze/Cargo.toml", "[package]\nname = \"glaze\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    project.write("glaze/src/lib.rs", "//! Sugar.\n/// A coat.\npub struct Glaze;\n");
    let lines = project.xbuild(&["doc", "--target", MUSL, "--message-format", "json"]).ok().json();
    let line = lines.iter().find(|line| line["reason"] == "xbuild-doc").unwrap();
    assert_eq!(line["target"], MUSL);
    assert!(line["index"].as_str().unwrap().ends_with("/linked/index.html"));
    let folder = project.result(&format!("default/{MUSL}/doc"));
    assert_eq!(crates(&folder), ["glaze", "linked"].map(str::to_owned).into());
    let page = fs::read_to_string(folder.join("linked/index.html")).unwrap();
    assert!(page.contains("href=\"../glaze/struct.Glaze.html\""), "{page}");
    project.xbuild(&["doc", "-p", "glase"]).fails(1).says("selects nothing");
}
