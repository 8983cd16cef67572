//! What crates need beside Rust: tools by the crates that are in a build script, and by the project's own word.

mod common;

use common::image::{files, run_in};
use common::{Project, TARGETS, runs};
use fs_err as fs;

#[test]
fn scripts_find_the_tools_that_the_crates_in_them_need() {
    let project = Project::fixture("native");
    let targets = TARGETS.map(|target| ["--target", target]);
    project.xbuild(&[&["build", "--profile", "dev"], targets.as_flattened()].concat()).ok();
    for target in TARGETS {
        let (name, greeting) =
            if target.contains("windows") { ("shapes.exe", "hello, Windows") } else { ("shapes", "hello") };
        let file = project.result(&format!("default/{target}/bin/{name}"));
        let said = runs(target, &file, &[]);
        assert!(said.starts_with(&format!("{greeting}: 5 sides, libprotoc 3.")), "{target}: {said}");
    }

    // A script finds what it needs and nothing else: without its recipe there is no protoc.
    project.write("xbuild.toml", "[native.shapes]\nenv = { SHAPES_GREETING = \"hello\" }\n");
    project.xbuild(&["build", "--profile", "dev", "--target", TARGETS[0]]).fails(1).says("NotFound");

    project.write("xbuild.toml", "[native.shapes]\ntools = [\"protocc\"]\n");
    project.xbuild(&["build", "--target", TARGETS[0]]).fails(1).says("`protocc` is no component");
}

#[test]
fn code_that_runs_in_a_build_finds_the_files_beside_its_sources() {
    let project = Project::empty();
    let manifest = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
    };
    let app = "[dependencies]\nmacros = { path = \"macros\" }\n[build-dependencies]\nhelper = { path = \"helper\" }\n";
    project.write("Cargo.toml", &manifest("app", &format!("{app}[workspace]\n")));
    project.write("build.rs", "fn main() { println!(\"cargo::rustc-env=WORDS={}\", helper::words()); }");
    project.write("src/main.rs", "fn main() { println!(\"{} {}\", env!(\"WORDS\"), macros::words!()); }");
    project.write("helper/Cargo.toml", &manifest("helper", ""));
    project.write("helper/words.txt", "muffin");
    project.write(
        "helper/src/lib.rs",
        "pub fn words() -> String {\n    let path = concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/words.txt\");\n    \
         std::fs::read_to_string(path).unwrap()\n}\n",
    );
    let macros = "[lib]\nproc-macro = true\n[dependencies]\nhelper = { path = \"../helper\" }\n";
    project.write("macros/Cargo.toml", &manifest("macros", macros));
    project.write(
        "macros/src/lib.rs",
        "#[proc_macro]\npub fn words(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
         format!(\"{:?}\", helper::words()).parse().unwrap()\n}\n",
    );
    let package = |name: &str, dependencies: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{dependencies}\n")
    };
    let lock = [
        package("app", "dependencies = [\n \"helper\",\n \"macros\",\n]\n"),
        package("helper", ""),
        package("macros", "dependencies = [\n \"helper\",\n]\n"),
    ];
    project.write("Cargo.lock", &format!("version = 4\n\n{}", lock.concat()));
    project.xbuild(&["build", "--profile", "dev", "--target", TARGETS[0]]).ok();
    let file = || project.result(&format!("default/{}/bin/app", TARGETS[0]));
    assert_eq!(runs(TARGETS[0], &file(), &[]), "muffin muffin\n");

    // The file is an input of whoever runs that code.
    project.write("helper/words.txt", "scone");
    project.xbuild(&["build", "--profile", "dev", "--target", TARGETS[0]]).ok();
    assert_eq!(runs(TARGETS[0], &file(), &[]), "scone scone\n");
}

#[test]
fn scripts_find_the_system_libraries_of_their_target_and_images_have_them() {
    const GNU: [&str; 2] = ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"];
    let project = Project::fixture("system-libraries");
    let targets = GNU.map(|target| ["--target", target]);
    let arguments =
        |verb, more: &[&'static str]| [&[verb, "--profile", "dev"], targets.as_flattened(), more].concat();
    let lock = || fs::read_to_string(project.root.join("xbuild.lock"));
    project.xbuild(&arguments("build", &["--locked"])).fails(1).says("has no pin in xbuild.lock");
    let dry_run = project.xbuild(&arguments("build", &["--dry-run"])).ok();
    dry_run.says("would pin and fetch zlib1g-dev (arm64, bullseye): xbuild.lock has no versions of it");
    assert!(lock().is_err());

    // What each program is linked with is Debian 11's, as its sysroot is: it comes with it, and nothing else does.
    project.xbuild(&arguments("image", &[])).ok().says("zlib1g-dev (arm64, bullseye): 2 packages");
    let layout = project.result("default+profile=dev/image/zlib-user");
    let qemu = ["/usr/bin/qemu-aarch64", "-L", "/"];
    for (platform, emulator) in [("linux/amd64", &[][..]), ("linux/arm64", &qemu[..])] {
        let said = run_in(&layout, platform, emulator, &["/bin/zlib-user"]);
        assert_eq!(said, "a tool greets: header 1.2.11, library 1.2.11\n", "{platform}");
        let files = files(&layout, platform);
        assert!(
            files.contains_key("lib/libz.so.1") && !files.contains_key("lib/libstdc++.so.6"),
            "{files:?}"
        );
    }

    // With the lock nothing is asked, and without it nothing is remembered.
    let pinned = lock().unwrap();
    let offline = arguments("build", &["--locked", "--offline", "--proof"]);
    project.xbuild(&offline).ok().says("libz.so.1");
    fs::remove_file(project.root.join("xbuild.lock")).unwrap();
    project.xbuild(&offline).fails(1).says("has no pin in xbuild.lock");

    // Pins move to what the suite has, and those that nobody asks for go.
    let old = pinned.replacen("version = \"1:1.2.11", "version = \"1:1.2.10", 1);
    project.write("xbuild.lock", &old);
    project.xbuild(&["update"]).ok().says("zlib1g 1:1.2.10");
    assert_eq!(lock().unwrap(), pinned);
    project.xbuild(&["update"]).ok().says("Unchanged");
    let recipe = project.read("xbuild.toml").replace("tools = [\"hello\"]\n", "");
    project.write("xbuild.toml", &recipe);
    project.xbuild(&["update"]).ok().says("Dropped").says("hello");
    assert!(!lock().unwrap().contains("hello"));

    // There are no packages for musl, and the recipe is for every Linux.
    let refused = project.xbuild(&["build", "--target", "x86_64-unknown-linux-musl"]).fails(1);
    refused.says("native.zlib-user packages: zlib1g-dev is wanted for x86_64-unknown-linux-musl");

    // What can be no package's name.
    project.write("xbuild.toml", "[native.zlib-user]\ntools = [\"CMaek\"]\n");
    let refused = project.xbuild(&arguments("build", &[])).fails(1);
    refused.says("native.zlib-user tools: `CMaek` is no component").says("did you mean `cmake`?");
}

#[test]
fn words_about_elf_for_windows_are_passed_over() {
    let project = Project::program("elfish", "fn main() {\n    println!(\"linked\");\n}\n");
    // As scripts have it that look at the host where they mean the target.
    project.write(
        "build.rs",
        r#"fn main() {
    for word in ["--dynamic-list=/nowhere", "-z,relro", "--export-dynamic", "--hash-style=gnu", "-Bsymbolic"] {
        println!("cargo::rustc-link-arg=-Wl,{word}");
    }
}
"#,
    );
    let ran = project.xbuild(&["run", "-q", "--target", "x86_64-pc-windows-gnu"]).ok();
    assert_eq!(ran.stdout.trim_end(), "linked");
}

#[test]
fn sources_in_cpp_compile_as_they_do_with_the_platform_s_own_tools() {
    let project = Project::program(
        "cpp",
        "unsafe extern \"C\" {\n    safe fn length() -> i32;\n}\nfn main() {\n    println!(\"{}\", length());\n}\n",
    );
    // A script that has found that the compiler takes this argument, as clang does everywhere.
    project.write(
        "build.rs",
        r#"use std::{env::var, process::Command};
fn run(tool: &str, arguments: &[&str]) {
    assert!(Command::new(var(tool).unwrap()).args(arguments).status().unwrap().success());
}
fn main() {
    let out = var("OUT_DIR").unwrap();
    let (object, archive) = (format!("{out}/length.o"), format!("{out}/liblength.a"));
    run("TARGET_CXX", &["-stdlib=libc++", "-c", "length.cpp", "-o", &object]);
    run("TARGET_AR", &["rcs", &archive, &object]);
    let library = var(format!("CXXSTDLIB_{}", var("TARGET").unwrap().replace('-', "_")));
    println!("cargo::rustc-link-search=native={out}");
    println!("cargo::rustc-link-lib=static=length");
    println!("cargo::rustc-link-lib={}", library.as_deref().unwrap_or("stdc++"));
    if var("CARGO_CFG_WINDOWS").is_ok() {
        println!("cargo::rustc-link-lib=Ws2_32");
    }
}
"#,
    );
    // Names in the case that Microsoft's documentation has.
    project.write(
        "length.cpp",
        "#include <new>\n#include <string>\n#ifdef _WIN32\n#include <WinSock2.h>\n#include <PowrProf.h>\n#else\n\
         #include <arpa/inet.h>\n#endif\n\
         extern \"C\" int length() {\n    std::string text(\"four\");\n    return text.size() + htons(0);\n}\n",
    );
    for target in common::TARGETS {
        let ran = project.xbuild(&["run", "-q", "--target", target]).ok();
        assert_eq!(ran.stdout.trim_end(), "4", "{target}");
    }
}

/// With `-j 1` there is one token, which the script itself holds: two jobs at once would both make the folder. A number
/// of the script's own is its own.
#[test]
fn make_starts_as_many_jobs_as_there_are_tokens_where_it_is_told_the_constant() {
    let project = Project::program("jobs", "fn main() { print!(\"{}\", env!(\"DONE\")); }\n");
    project.write(
        "Makefile",
        "OUT ?= .\nalone: $(addprefix one-, 1 2 3 4)\none-%:\n\tmkdir $(OUT)/busy\n\tsleep 0.1\n\trmdir $(OUT)/busy\n\
         together: here there\nhere:\n\techo > $(OUT)/here\n\tuntil [ -e $(OUT)/there ]; do sleep 0.01; done\n\
         there:\n\techo > $(OUT)/there\n\tuntil [ -e $(OUT)/here ]; do sleep 0.01; done\n\
         words:\n\t@echo \"$(word 2, $(WORDS))\" > $(OUT)/words\n",
    );
    project.write(
        "build.rs",
        r#"use std::{env::var, process::Command};
fn make(arguments: &[&str]) {
    let out = format!("OUT={}", var("OUT_DIR").unwrap());
    let status = Command::new("make").args(arguments).arg(out).status().unwrap();
    assert!(status.success(), "make {arguments:?}");
}
fn main() {
    let jobs = var("NUM_JOBS").unwrap();
    for told in [vec!["-j", &jobs], vec![&format!("-j{jobs}")], vec!["--jobs", &jobs], vec![&format!("--jobs={jobs}")]] {
        make(&[&["--no-print-directory"][..], &told, &["WORDS=one 'two three'", "alone", "words"]].concat());
    }
    make(&["-j2", "together"]);
    let words = std::fs::read_to_string(format!("{}/words", var("OUT_DIR").unwrap())).unwrap();
    println!("cargo::rustc-env=DONE={}", words.trim_end());
}
"#,
    );
    let ran = project.xbuild(&["run", "-q", "-j", "1", "--target", TARGETS[0]]).ok();
    assert_eq!(ran.stdout, "'two");
}

#[test]
fn openssl_of_the_system_is_found_without_a_word_and_not_asked_for_where_it_is_built() {
    const GNU: [&str; 2] = ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"];
    let project = Project::fixture("openssl");
    let targets = GNU.map(|target| ["--target", target]);
    let arguments = |more: &[&'static str]| [more, targets.as_flattened()].concat();
    project.xbuild(&arguments(&["build", "--locked"])).fails(1).says("has no pin in xbuild.lock");
    project.xbuild(&arguments(&["build", "--locked", "--dry-run", "--features", "vendored"])).ok();

    project.xbuild(&arguments(&["image", "--profile", "dev"])).ok();
    let layout = project.result("default+profile=dev/image/tls");
    let qemu = ["/usr/bin/qemu-aarch64", "-L", "/"];
    for (platform, emulator) in [("linux/amd64", &[][..]), ("linux/arm64", &qemu[..])] {
        assert_eq!(run_in(&layout, platform, emulator, &["/bin/tls"]), "OpenSSL 1.1\n", "{platform}");
    }
}

/// The crate runs its script for each target as a dependency, and for the host as a build dependency.
#[test]
fn scripts_see_the_c_tools_of_target_and_host_in_each_of_their_roles() {
    let project = Project::empty();
    let manifest = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
    };
    let needs = "[dependencies]\nsys = { path = \"sys\" }\n[build-dependencies]\nsys = { path = \"sys\" }\n[workspace]\n";
    project.write("Cargo.toml", &manifest("app", needs));
    project.write("build.rs", "fn main() { assert_eq!(sys::MACHINE, \"x86_64-unknown-linux-gnu\"); }");
    project.write("src/main.rs", "fn main() { println!(\"{}\", sys::MACHINE); }");
    project.write("sys/Cargo.toml", &manifest("sys", ""));
    project.write("sys/src/lib.rs", "pub const MACHINE: &str = env!(\"MACHINE\");");
    project.write("sys/icon.rc", "1 RCDATA { \"a resource\" }\n");
    project.write(
        "sys/build.rs",
        r#"use std::{env::var, process::Command};
fn said(variable: &str, arguments: &[&str]) -> String {
    let tool = var(variable).unwrap_or_else(|_| panic!("{variable} is not set"));
    let output = Command::new(&tool).args(arguments).output().unwrap();
    assert!(output.status.success(), "{variable}={tool}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
fn main() {
    let (target, host) = (var("TARGET").unwrap(), var("HOST").unwrap());
    let mut roles = vec![("HOST", &host)];
    if target != host {
        roles.push(("TARGET", &target));
    }
    for (role, triple) in roles {
        let machine = triple.split('-').next().unwrap();
        let below = triple.replace('-', "_");
        let names = |tool: &str| [format!("{tool}_{below}"), format!("{role}_{tool}")];
        for name in [names("CC"), names("CXX")].concat() {
            assert!(said(&name, &["-dumpmachine"]).starts_with(machine), "{name}");
        }
        for name in [names("AR"), names("RANLIB")].concat() {
            said(&name, &["--version"]);
        }
        for name in [format!("PKG_CONFIG_LIBDIR_{below}"), format!("{role}_PKG_CONFIG_LIBDIR")] {
            let folders = var(&name).unwrap_or_else(|_| panic!("{name} is not set"));
            assert_eq!(folders.contains("/usr/lib/x86_64-linux-gnu/"), role == "HOST", "{name}={folders}");
        }
    }
    if target.contains("windows") {
        let out = var("OUT_DIR").unwrap();
        said("WINDRES_x86_64_pc_windows_gnu", &["icon.rc", "-O", "coff", "-o", &format!("{out}/icon.o")]);
        println!("cargo::rustc-link-search={out}");
        said("AR_x86_64_pc_windows_gnu", &["crs", &format!("{out}/libicon.a"), &format!("{out}/icon.o")]);
        println!("cargo::rustc-link-lib=static:+whole-archive=icon");
    }
    println!("cargo::rustc-env=MACHINE={target}");
}
"#,
    );
    let package = |name: &str, dependencies: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{dependencies}\n")
    };
    let lock = [package("app", "dependencies = [\n \"sys\",\n]\n"), package("sys", "")];
    project.write("Cargo.lock", &format!("version = 4\n\n{}", lock.concat()));
    for target in TARGETS {
        project.xbuild(&["build", "--profile", "dev", "--target", target]).ok();
        let name = if target.contains("windows") { "app.exe" } else { "app" };
        let file = project.result(&format!("default/{target}/bin/{name}"));
        assert_eq!(runs(target, &file, &[]), format!("{target}\n"));
        let has_resource = fs::read(&file).unwrap().windows(5).any(|window| window == b".rsrc");
        assert_eq!(has_resource, target.contains("windows"), "{target}");
    }
}
