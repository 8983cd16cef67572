//! What the description adds to a build: environment variables and patches, each of which changes the units that it
//! is for and no others.

mod common;

use std::process::Command;

use common::{Project, Ran};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Text that no other run has: what it stands in is in no store yet.
fn unique() -> String {
    tempfile::tempdir().unwrap().path().file_name().unwrap().to_string_lossy().into_owned()
}

fn manifest(name: &str, more: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}")
}

/// A program `app` with a build script, over a library `leaf` that doesn't look at the environment.
fn workspace() -> Project {
    let project = Project::empty();
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"leaf\"]\n");
    project.write(
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"leaf\",\n]\n\n\
         [[package]]\nname = \"leaf\"\nversion = \"0.1.0\"\n",
    );
    project.write("app/Cargo.toml", &manifest("app", "[dependencies]\nleaf = { path = \"../leaf\" }\n"));
    project.write(
        "app/build.rs",
        &format!(
            "fn main() {{\n    println!(\"cargo::rerun-if-env-changed=NOT_{}\");\n    \
             println!(\"cargo::rustc-env=SCRIPT={{:?}}\", std::env::var(\"COLOR\").ok());\n}}\n",
            unique()
        ),
    );
    project.write(
        "app/src/main.rs",
        &format!(
            "// {}\nfn main() {{\n    println!(\"{{:?}} {{}} {{}}\", option_env!(\"COLOR\"), env!(\"SCRIPT\"), \
             leaf::NUMBER);\n}}\n",
            unique()
        ),
    );
    project.write("leaf/Cargo.toml", &manifest("leaf", ""));
    project.write("leaf/src/lib.rs", &format!("// {}\npub const NUMBER: u32 = 1;\n", unique()));
    project
}

/// Builds, unit by unit: not from what is remembered of an equal request.
#[track_caller]
fn build(project: &Project) -> Ran {
    project.xbuild(&["build", "--target", TARGET, "-v"]).ok()
}

#[track_caller]
fn prints(project: &Project, name: &str, text: &str) {
    let ran = Command::new(project.result(&format!("default/{TARGET}/bin/{name}"))).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim_end(), text);
}

#[test]
fn variables_reach_the_units_that_they_are_for_and_rebuild_no_others() {
    let project = workspace();
    project.write(".cargo/config.toml", "[env]\nCOLOR = { value = \"config\", force = true }\n");
    build(&project);
    prints(&project, "app", "Some(\"config\") Some(\"config\") 1");
    let all = "[env]\nCOLOR = \"all\"\n";
    project.write("xbuild.toml", all);
    build(&project);
    prints(&project, "app", "Some(\"all\") Some(\"all\") 1");
    let of_target = format!("{all}[target.'cfg(target_env = \"musl\")'.env]\nCOLOR = \"musl\"\n");
    project.write("xbuild.toml", &of_target);
    build(&project);
    prints(&project, "app", "Some(\"musl\") Some(\"musl\") 1");
    project.write("xbuild.toml", &format!("{of_target}[package.app]\nenv = {{ COLOR = \"app\" }}\n"));
    assert_eq!(build(&project).finished(), (3, 1), "app, its script and the script's run");
    prints(&project, "app", "Some(\"app\") Some(\"app\") 1");

    // The library is compiled anew, to the same bytes: what needs it stays.
    let of_leaf = "[package.leaf]\nenv = { UNREAD = \"1\" }\n";
    project
        .write("xbuild.toml", &format!("{of_target}{of_leaf}[package.app]\nenv = {{ COLOR = \"app\" }}\n"));
    assert_eq!(build(&project).finished(), (1, 3));
}

#[test]
fn a_crate_of_a_registry_is_patched_before_cargo_sees_it() {
    let project = Project::program(
        "cases",
        &format!(
            "// {}\nfn main() {{\n    println!(\"{{}}\", heck::ToSnakeCase::to_snake_case(\"AbC\"));\n}}\n",
            unique()
        ),
    );
    project.append("Cargo.toml", "[dependencies]\nheck = \"=0.5.0\"\nstrsim = \"=0.11.1\"\n");
    let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    project.write(
        "Cargo.lock",
        &format!(
            "version = 4\n\n[[package]]\nname = \"cases\"\nversion = \"0.1.0\"\ndependencies = [\n \"heck\",\n \"strsim\",\n]\n\n\
             [[package]]\nname = \"heck\"\nversion = \"0.5.0\"\n{registry}\n\
             checksum = \"2304e00983f87ffb38b55b444b5e3b60a884b5d30c0fca7d82fe33449bbe55ea\"\n\n\
             [[package]]\nname = \"strsim\"\nversion = \"0.11.1\"\n{registry}\n\
             checksum = \"7da8b5736845d9f2fcb837ea5d9e2628564b3b043a70948a3f0b778838c5fb4f\"\n"
        ),
    );
    build(&project);
    prints(&project, "cases", "ab_c");

    // A new file, a changed one, and the manifest, which cargo reads when it plans.
    let word = unique();
    project.write(
        "patches/heck.patch",
        &format!(
            "--- a/Cargo.toml\n+++ b/Cargo.toml\n@@ -20,7 +20,7 @@\n     \"README.md\",\n     \"CHANGELOG.md\",\n ]\n\
             -description = \"heck is a case conversion library.\"\n+description = \"patched\"\n readme = \"README.md\"\n \
             keywords = [\n     \"string\",\n\
             --- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -30,6 +30,9 @@\n #![forbid(unsafe_code)]\n #![no_std]\n \n\
             +mod word;\n+pub use word::WORD;\n+\n extern crate alloc;\n \n mod kebab;\n\
             --- /dev/null\n+++ b/src/word.rs\n@@ -0,0 +1,2 @@\n+/// {word}\n\
             +pub const WORD: &str = env!(\"CARGO_PKG_DESCRIPTION\");\n"
        ),
    );
    project.write("xbuild.toml", "[package.\"heck@0.5.0\"]\npatches = [\"patches/heck.patch\"]\n");
    let main = project.read("src/main.rs");
    assert_eq!(build(&project).finished(), (2, 1), "heck and what needs it, not strsim");
    project.write("src/main.rs", &main.replace("heck::ToSnakeCase::to_snake_case(\"AbC\")", "heck::WORD"));
    assert_eq!(build(&project).finished(), (1, 2));
    prints(&project, "cases", "patched");

    // Without the patch everything is as it was.
    project.write("src/main.rs", &main);
    project.write("xbuild.toml", "");
    fs_err::remove_dir_all(project.root.join("patches")).unwrap();
    assert_eq!(build(&project).finished(), (0, 3));
}

#[test]
fn a_local_package_is_patched_and_its_files_stay_as_they_are() {
    let project = workspace();
    build(&project);
    let leaf = project.read("leaf/src/lib.rs");
    let patch = "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -2 +2 @@\n-pub const NUMBER: u32 = 1;\n+pub const NUMBER: u32 = 2;\n";
    project.write(".xbuild/patches/leaf.patch", patch);
    project.write("xbuild.toml", "[package.leaf]\npatches = [\".xbuild/patches/leaf.patch\"]\n");
    assert_eq!(build(&project).finished(), (2, 2), "leaf and the program, not the script");
    prints(&project, "app", "None None 2");
    assert_eq!(project.read("leaf/src/lib.rs"), leaf);

    // What is remembered of a request is remembered with its patches.
    project.write(".xbuild/patches/leaf.patch", &patch.replace("= 2;", "= 3;"));
    project.xbuild(&["build", "--target", TARGET]).ok();
    prints(&project, "app", "None None 3");
}
