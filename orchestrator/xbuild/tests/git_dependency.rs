//! A git dependency: a member of a workspace that inherits from it, reads a file by `../`, and has a submodule. The
//! repositories are made here.

mod common;

use std::path::Path;
use std::process::Command;

use common::printed::printed;
use common::{Project, Xbuild};
use fs_err as fs;

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_git_dependency_is_built_from_its_whole_tree() {
    let made = tempfile::tempdir().unwrap();
    let (words, kneading) = (made.path().join("words"), made.path().join("kneading"));
    write(&words, "salt.txt", "a pinch of salt");
    write(
        &kneading,
        "Cargo.toml",
        "[workspace]\nmembers = [\"knead\"]\nresolver = \"3\"\n[workspace.package]\nversion = \"1.2.3\"\nedition = \"2024\"\n",
    );
    write(
        &kneading,
        "knead/Cargo.toml",
        "[package]\nname = \"knead\"\nversion.workspace = true\nedition.workspace = true\n",
    );
    write(
        &kneading,
        "knead/src/lib.rs",
        "pub const FLOUR: &str = include_str!(\"../../flour.txt\");\n\
         pub const SALT: &str = include_str!(\"../../words/salt.txt\");\n\
         pub const VERSION: &str = env!(\"CARGO_PKG_VERSION\");\n",
    );
    write(&kneading, "flour.txt", "two cups of flour");
    for repository in [&words, &kneading] {
        git(repository, &["init", "--quiet", "--initial-branch=main"]);
        if repository == &kneading {
            git(repository, &["submodule", "--quiet", "add", "../words", "words"]);
        }
        git(repository, &["add", "."]);
        git(repository, &["commit", "--quiet", "-m", "all of it"]);
    }

    let project = Project::program(
        "dough",
        "fn main() { println!(\"{} {} {}\", knead::VERSION, knead::FLOUR, knead::SALT); }",
    );
    let url = format!("file://{}", kneading.display());
    project.append(
        "Cargo.toml",
        &format!("\n[dependencies]\nknead = {{ git = \"{url}\", branch = \"main\" }}\n"),
    );
    let mut lock = Command::new("cargo");
    lock.args(["generate-lockfile", "--quiet"]).current_dir(&project.root);
    let lock = lock.env("CARGO_HOME", made.path().join("home")).env("CARGO_NET_GIT_FETCH_WITH_CLI", "true");
    let lock = lock.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "protocol.file.allow");
    assert!(lock.env("GIT_CONFIG_VALUE_0", "always").status().unwrap().success());

    project.xbuild(&["build", "--target", "x86_64-unknown-linux-musl"]).ok();
    let dough = Command::new(project.result("default/x86_64-unknown-linux-musl/bin/dough")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&dough.stdout), "1.2.3 two cups of flour a pinch of salt\n");
    // A patch of a package of the repository: its paths start in the package's folder.
    project.write(
        "knead.patch",
        "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -3 +3 @@\n-pub const VERSION: &str = env!(\"CARGO_PKG_VERSION\");\n\
         +pub const VERSION: &str = \"patched\";\n",
    );
    project.write("xbuild.toml", "[package.knead]\npatches = [\"knead.patch\"]\n");
    project.xbuild(&["build", "--target", "x86_64-unknown-linux-musl"]).ok();
    let dough = Command::new(project.result("default/x86_64-unknown-linux-musl/bin/dough")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&dough.stdout), "patched two cups of flour a pinch of salt\n");
    project.write("xbuild.toml", "");
    // As `cargo vendor` leaves a project: nothing is asked for the repository but the folder.
    let vendored = Project::empty();
    common::copy(&project.root, &vendored.root);
    let mut vendor = Command::new("cargo");
    vendor.args(["vendor", "vendor"]).current_dir(&vendored.root);
    let vendor = vendor.env("CARGO_HOME", made.path().join("home")).env("CARGO_NET_OFFLINE", "true");
    let vendor = vendor.output().unwrap();
    assert!(vendor.status.success(), "{}", String::from_utf8_lossy(&vendor.stderr));
    // The package alone is there, and not what it reads of its repository.
    vendored.write(".cargo/config.toml", &String::from_utf8(vendor.stdout).unwrap());
    let knead = "pub const FLOUR: &str = \"vendored\";\npub const SALT: &str = FLOUR;\n\
                 pub const VERSION: &str = env!(\"CARGO_PKG_VERSION\");\n";
    vendored.write("vendor/knead/src/lib.rs", knead);
    let sums = vendored.read("vendor/knead/.cargo-checksum.json");
    let mut sums: serde_json::Value = serde_json::from_str(&sums).unwrap();
    sums["files"]["src/lib.rs"] = xbuild_base::Sha256::of(knead.as_bytes()).to_hex().into();
    vendored.write("vendor/knead/.cargo-checksum.json", &sums.to_string());
    vendored.xbuild(&["build", "--target", "x86_64-unknown-linux-musl", "--offline"]).ok();
    let dough = vendored.result("default/x86_64-unknown-linux-musl/bin/dough");
    let dough = Command::new(dough).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&dough.stdout), "1.2.3 vendored vendored\n");

    // A mirror of all that it is made from: another machine, with an empty store and no network, builds from it.
    let mirror = made.path().join("mirror");
    const GNU: &str = "x86_64-unknown-linux-gnu";
    // Archives take what the net, a step and another project have, too.
    let sauce = Project::program("sauce", "fn main() { println!(\"tomatoes\"); }");
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "x"]] {
        git(&sauce.root, arguments);
    }
    let toppings = "olives\nmushrooms\n";
    project.write(
        "xbuild.toml",
        &format!(
            "[fetch.toppings]\nurl = \"{}\"\nsha256 = \"{}\"\n\n\
             [step.sorted]\nargv = [\"sort\", \"toppings.txt\", \"-o\", \"sorted.txt\"]\n\
             inputs = [{{ fetch = \"toppings\", to = \"toppings.txt\" }}]\noutputs = [\"sorted.txt\"]\n\n\
             [inputs.sauce]\ngit = \"file://{}\"\n\n\
             [dist]\nfiles = [{{ step = \"sorted/sorted.txt\" }}, {{ input = \"sauce/sauce\" }}]\n",
            common::serve_once("toppings.txt", toppings.as_bytes()),
            xbuild_base::Sha256::of(toppings.as_bytes()).to_hex(),
            sauce.root.display(),
        ),
    );
    let bundled = project.xbuild(&["bundle", mirror.to_str().unwrap(), "--target", GNU]).ok();
    let told = printed(&project, &bundled).replace(mirror.to_str().unwrap(), "[mirror]");
    let told = told.lines().skip_while(|line| !line.trim_start().starts_with("Bundled"));
    insta::assert_snapshot!(told.map(str::trim_start).collect::<Vec<_>>().join("\n"), @r"
    Bundled [files], [size], and 2 git commits, in [mirror]
    note: build from it: XBUILD_MIRRORS=[mirror] xbuild all --offline
    ");

    // With the commit in the store its repository is not asked again.
    fs::remove_dir_all(&kneading).unwrap();
    fs::remove_dir_all(&words).unwrap();
    fs::remove_dir_all(&sauce.root).unwrap();
    project.append("src/main.rs", "\n// edited\n");
    project.xbuild(&["build", "--target", "x86_64-unknown-linux-musl", "--offline"]).ok();

    let store = made.path().join("store");
    let elsewhere = Xbuild::new().store(&store).folder(&project.root);
    elsewhere.run(&["build", "--target", GNU, "--offline"]).fails(1).says("missing from the store");
    let elsewhere = elsewhere.env("XBUILD_MIRRORS", mirror.to_str().unwrap());
    elsewhere.run(&["build", "--target", GNU, "--offline"]).ok();
    let dough = Command::new(project.result(&format!("default/{GNU}/bin/dough"))).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&dough.stdout), "1.2.3 two cups of flour a pinch of salt\n");
    elsewhere.run(&["dist", "--target", GNU, "--offline"]).ok();
    let archive = project.root.join(format!("result/dist/dough-0.1.0-{GNU}.tar.gz"));
    let listed = common::said(Command::new("tar").arg("-tzf").arg(archive));
    assert!(listed.contains("/sauce\n") && listed.contains("/sorted.txt\n"), "{listed}");
    // The project's links lead into that store, which goes away.
    fs::remove_dir_all(project.root.join("result")).unwrap();

    let nowhere = made.path().join("words-were-here/x");
    fs::write(made.path().join("words-were-here"), "").unwrap();
    project
        .xbuild(&["bundle", nowhere.to_str().unwrap(), "--target", GNU])
        .fails(3)
        .says("xbuild bundle DIR");
}
