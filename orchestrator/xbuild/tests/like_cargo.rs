//! What cargo lets projects do, beside the plain ways: a build here does the same.

mod common;

use std::process::Command;

use common::Project;
use fs_err as fs;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Each file has something that other build tools have broken on.
fn project() -> Project {
    let project = Project::empty();
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}")
    };
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"helper\"]\n");
    project.write(
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"helper\",\n]\n\n\
         [[package]]\nname = \"helper\"\nversion = \"0.1.0\"\n",
    );
    // A wrapper that isn't there, a nightly's table, a linker that isn't there, a path that ends in a slash.
    project.write(
        ".cargo/config.toml",
        "[build]\nrustc-wrapper = \"sccache\"\nrustflags = [\"--cfg\", \"tuned\"]\n\
         [unstable]\nbuild-std = [\"core\"]\n\
         [target.'cfg(windows)']\nrustflags = [\"-Clink-arg=-fuse-ld=mold\"]\n\
         [env]\nROOT = { value = \"\", relative = true }\n",
    );
    // The program's file lies outside its package, and has a module beside it.
    project.write(
        "app/Cargo.toml",
        &package(
            "app",
            "[[bin]]\nname = \"app\"\npath = \"../bins/app.rs\"\n[dependencies]\nhelper = { path = \"../helper\" }\n\
             [lints.rust]\nunexpected_cfgs = \"allow\"\n",
        ),
    );
    project.write(
        "bins/app.rs",
        "mod said;\nfn main() {\n    \
           println!(\"{} {} {} {}\", helper::voice(), said::SAID.trim(), cfg!(tuned), env!(\"ROOT\"));\n}\n",
    );
    project.write(
        "bins/said.rs",
        "pub const SAID: &str = include_str!(concat!(env!(\"OUT_DIR\"), \"/said.txt\"));\n",
    );
    // A folder with a manifest that is no package of the workspace.
    project.write("app/templates/new/Cargo.toml", "[package]\nname = \"{{name}}\"\n");
    project.write("app/said.txt", "a first line");
    project.write(
        "app/build.rs",
        "use std::{env, fs, io::Write, os::unix::fs::symlink, path::Path};\n\
         fn main() {\n\
           let (out, own) = (env::var(\"OUT_DIR\").unwrap(), env::var(\"CARGO_MANIFEST_DIR\").unwrap());\n\
           let out = Path::new(&out);\n\
           assert!(fs::read_to_string(\"templates/new/Cargo.toml\").unwrap().contains(\"{{name}}\"));\n\
           // As cxx-build leaves one; and one that dangles.\n\
           symlink(own, out.join(\"crate\")).unwrap();\n\
           symlink(\"nowhere\", out.join(\"dangling\")).unwrap();\n\
           // A copy has the mode of what it was copied from.\n\
           fs::copy(\"said.txt\", out.join(\"said.txt\")).unwrap();\n\
           let mut copy = fs::OpenOptions::new().append(true).open(out.join(\"said.txt\")).unwrap();\n\
           copy.write_all(b\", and more\").unwrap();\n\
           fs::write(\"said.txt\", \"overwritten\").unwrap();\n\
         }\n",
    );
    project.write("helper/Cargo.toml", &package("helper", "[features]\nloud = []\n"));
    project.write(
        "helper/src/lib.rs",
        "pub fn voice() -> &'static str { if cfg!(feature = \"loud\") { \"LOUD\" } else { \"low\" } }\n",
    );
    project
}

#[test]
fn what_cargo_builds_is_built() {
    let project = project();
    for (features, voice) in [("", "low"), ("helper/loud", "LOUD")] {
        let ran =
            project.xbuild(&["build", "--package", "app", "--target", TARGET, "--features", features]).ok();
        for notice in ["build.rustc-wrapper", "unstable", "-fuse-ld=mold"] {
            assert!(ran.stderr.contains(notice), "{notice} is said to be ignored:\n{}", ran.stderr);
        }
        let said = Command::new(project.result(&format!("default/{TARGET}/bin/app"))).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(said, format!("{voice} a first line, and more true /build/ws/\n"));
    }
    assert_eq!(project.read("app/said.txt"), "a first line");
}

#[test]
fn configuration_above_the_workspace_counts_in_its_repository() {
    let project = Project::program(
        "told",
        "fn main() {\n    println!(\"{:?} {:?}\", option_env!(\"TOLD\"), option_env!(\"NEARER\"));\n}\n",
    );
    let repository = project.folder.path();
    fs::create_dir(repository.join(".cargo")).unwrap();
    let above = "[build]\njobs = 3\n[env]\nTOLD = \"above\"\nNEARER = \"above\"\n";
    fs::write(repository.join(".cargo/config.toml"), above).unwrap();
    project.write(".cargo/config.toml", "[env]\nNEARER = \"here\"\n");
    let says = |said: &str| {
        let ran = project.xbuild(&["build", "--target", TARGET]).ok();
        let output = Command::new(project.result(&format!("default/{TARGET}/bin/told"))).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), said);
        ran
    };
    // Of no repository, it is the machine's.
    says("None Some(\"here\")\n");
    assert!(Command::new("git").args(["init", "-q"]).arg(repository).status().unwrap().success());
    says("Some(\"above\") Some(\"here\")\n").says("../.cargo/config.toml: build.jobs: ignored");
}

#[test]
fn a_program_is_asked_for_beside_a_library_that_its_target_cannot_make() {
    let project = project();
    project.write(
        "helper/Cargo.toml",
        &(project.read("helper/Cargo.toml") + "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n"),
    );
    project.append("Cargo.toml", "\n");
    project
        .write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"helper\", \"plugin\"]\n");
    project.append("Cargo.lock", "\n[[package]]\nname = \"plugin\"\nversion = \"0.1.0\"\n");
    project.write(
        "plugin/Cargo.toml",
        "[package]\nname = \"plugin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n",
    );
    project.write("plugin/src/lib.rs", "");
    project.xbuild(&["build", "--bin", "app", "--target", TARGET]).ok();
    project.xbuild(&["build", "--target", TARGET]).fails(1).says("cannot make cdylib of `plugin`");
}

#[test]
fn the_configuration_s_word_stands_in_the_place_of_a_build_script_s_run() {
    let project = Project::empty();
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    project.write(
        ".cargo/config.toml",
        &format!(
            "[target.{TARGET}.sound]\nrustc-cfg = [\"loud\"]\nrustc-env = {{ SOUND = \"moo\" }}\nroot = \"/here\"\n\
             [target.{host}.sound]\nrustc-env = {{ SOUND = \"baa\" }}\n"
        ),
    );
    let package = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
    };
    let app = "[dependencies]\nsound-sys = { path = \"sound-sys\" }\n[build-dependencies]\nsound-sys = { path = \
               \"sound-sys\" }\n[workspace]\n";
    project.write("Cargo.toml", &package("app", app));
    project.write(
        "build.rs",
        "fn main() {\n    println!(\"cargo::rustc-env=ROOT={}\", std::env::var(\"DEP_SOUND_ROOT\").unwrap());\n    \
         println!(\"cargo::rustc-env=HOST_SOUND={}\", sound_sys::SOUND);\n}\n",
    );
    project.write(
        "src/main.rs",
        "fn main() { println!(\"{} {} {}\", sound_sys::SOUND, env!(\"ROOT\"), env!(\"HOST_SOUND\")); }",
    );
    project.write("sound-sys/Cargo.toml", &package("sound-sys", "links = \"sound\"\n"));
    project.write("sound-sys/build.rs", "fn main() { panic!(\"it was run\") }");
    project.write(
        "sound-sys/src/lib.rs",
        "#![allow(unexpected_cfgs)]\n#[cfg(all(target_env = \"musl\", not(loud)))]\ncompile_error!(\"no cfg\");\n\
         pub const SOUND: &str = env!(\"SOUND\");\n",
    );
    project.write(
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"sound-sys\",\n]\n\n\
         [[package]]\nname = \"sound-sys\"\nversion = \"0.1.0\"\n",
    );
    project.xbuild(&["build", "--target", TARGET, "--profile", "dev"]).ok();
    let file = project.result(&format!("default/{TARGET}/bin/app"));
    assert_eq!(common::runs(TARGET, &file, &[]), "moo /here baa\n");
}
