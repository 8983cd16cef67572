//! What is in images beside their programs: files, libraries that are loaded by name, bases; and what must not be.

mod common;

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use common::image::{blob, blobs, config, files, images, manifest, run_in};
use common::registry::Registry;
use common::{Project, Ran, Xbuild, serve_once, shared_store};
use fs_err as fs;
use serde_json::{Value, json};
use xbuild_base::{Blob, Digest};

const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "x86_64-unknown-linux-gnu";
const ARM64: &str = "aarch64-unknown-linux-gnu";

const HELLO: &str = "fn main() {\n    println!(\"hello\");\n}\n";

/// What starts a program in a namespace of its own, as its root; and what makes it itself again there: as root xbuild
/// would change to another user.
fn unshare(namespace: &str) -> (Vec<&str>, String) {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root() {
        return (vec!["unshare", namespace], String::new());
    }
    let back = format!("unshare --map-user={} --map-group={} ", user.as_raw(), group.as_raw());
    (vec!["unshare", "--map-root-user", namespace], back)
}

/// Links something with the host's C compiler.
fn cc(folder: &Path, arguments: &[&str]) {
    let status = Command::new("cc").args(arguments).current_dir(folder).status().unwrap();
    assert!(status.success(), "cc {arguments:?}");
}

/// What `inspect` prints, without digests and sizes.
fn redacted(text: &str) -> String {
    fn field(field: &str) -> &str {
        if field.starts_with("sha256:") {
            "[digest]"
        } else if field.ends_with(" compressed") {
            "[size], [size] compressed"
        } else {
            field
        }
    }
    let line = |line: &str| match line.strip_prefix("    ").and_then(|line| line.split_at_checked(10)) {
        Some((_, rest)) => format!("    {:>10}{rest}", "[size]"),
        None => line.split("  ").map(field).collect::<Vec<_>>().join("  "),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_come_from_the_project_from_outputs_and_from_the_net() {
    let project = Project::program("hello", HELLO);
    project.write(
        "Cargo.toml",
        &(project.read("Cargo.toml") + "\n[lib]\ncrate-type = [\"cdylib\"]\nname = \"greet\"\n"),
    );
    project.write("src/lib.rs", "#[unsafe(no_mangle)]\npub extern \"C\" fn greet() {}\n");
    project.write("config/hello.toml", "loud = true\n");
    project.write("web/dist/index.html", "<p>hello\n");
    project.write("web/dist/js/a.js", "1\n");
    let model = b"the model";
    let url = serve_once("model.bin", model);
    let sha256 = Digest::<Blob>::of(model).to_hex();
    project.write(
        "xbuild.toml",
        &format!(
            r#"
[image]
user = "nonroot"
workdir = "/work"
volumes = ["/var/lib/hello"]

[image.files]
"/etc/hello.toml" = "config/hello.toml"
"/srv/web" = {{ from = "web/dist", mode = "0444", owner = "nonroot" }}
"/lib/libgreet.so" = {{ output = "libgreet.so" }}
"/opt/model.bin" = {{ url = "{url}", sha256 = "{sha256}", mode = "0400", owner = "7:8" }}
"/var/cache/hello" = {{ folder = true, owner = "65532:65532", mode = "0700" }}
"/usr/bin/hello" = {{ link = "/bin/hello" }}
"#
        ),
    );
    let ran = project.xbuild(&["image", "--target", GNU, "--message-format", "json"]).ok();
    let files = files(&project.result("default/image/hello"), "linux/amd64");
    for (path, expected) in [
        ("etc/hello.toml", "644 0 12"),
        ("srv/web/", "755 65532 0"),
        ("srv/web/index.html", "444 65532 9"),
        ("srv/web/js/a.js", "444 65532 2"),
        ("opt/model.bin", "400 7 9"),
        ("var/cache/hello/", "700 65532 0"),
        ("var/lib/hello/", "755 65532 0"),
        ("work/", "755 65532 0"),
        ("usr/bin/hello", "777 0 -> /bin/hello"),
    ] {
        assert_eq!(files.get(path).map(String::as_str), Some(expected), "{path}: {files:?}");
    }
    assert!(files["lib/libgreet.so"].starts_with("755 0"), "{files:?}");
    assert!(!files.contains_key("lib/ld-linux-x86-64.so.2"), "the library has the program's loader");

    // What was fetched is in the store, and the layers are where they belong: an edit of the program changes the
    // last one only.
    let layers = |ran: &Ran| -> Vec<String> {
        assert_eq!(images(ran).keys().collect::<Vec<_>>(), ["hello"]);
        let manifest = manifest(&project.result("default/image/hello"), "linux/amd64");
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
    };
    let before = layers(&ran);
    assert_eq!(before.len(), 4, "base, libraries, assets, application");
    project.write("src/main.rs", "fn main() {\n    println!(\"hello again\");\n}\n");
    let after = layers(&project.xbuild(&["image", "--target", GNU, "--message-format", "json"]).ok());
    assert_eq!(after[..3], before[..3]);
    assert_ne!(after[3], before[3]);

    // A hash that is another one: nothing is kept, and the image that was there stays.
    let other = project.read("xbuild.toml").replace(&url, &serve_once("model.bin", b"another model"));
    project.write("xbuild.toml", &other.replace(&sha256, &Digest::<Blob>::of(b"never seen").to_hex()));
    project.xbuild(&["image", "--target", GNU]).fails(3).says("model.bin");
    assert!(project.result("default/image/hello/index.json").is_file());
}

/// A program that asks the system three things.
const ASKS: &str = r#"
use std::ffi::{CStr, c_char, c_int, c_long};

#[repr(C)]
struct Passwd {
    name: *const c_char,
}

#[repr(C)]
#[derive(Default)]
struct Time {
    fields: [c_int; 9],
    offset: c_long,
    zone: usize,
}

unsafe extern "C" {
    fn getpwuid(user: u32) -> *const Passwd;
    fn tzset();
    fn localtime_r(time: *const i64, into: *mut Time) -> *mut Time;
}

fn main() {
    let bundle = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    println!("{} certificates", bundle.matches("-----END CERTIFICATE-----").count());
    let mut time = Time::default();
    // Noon of the first of July 2026 in UTC.
    // SAFETY: both pointers are good for the call.
    unsafe {
        tzset();
        localtime_r(&1_782_907_200, &mut time);
    }
    println!("{}:00 in {}", time.fields[2], std::env::var("TZ").unwrap_or_default());
    let user = std::env::args().nth(1).unwrap().parse().unwrap();
    // SAFETY: what is given is read at once.
    let name = unsafe {
        let entry = getpwuid(user);
        (!entry.is_null()).then(|| CStr::from_ptr((*entry).name).to_string_lossy().into_owned())
    };
    println!("user {}", name.unwrap_or_else(|| "unknown".to_owned()));
}
"#;

#[test]
fn a_dynamic_program_finds_certificates_time_zones_and_its_user() {
    let project = Project::program("asks", ASKS);
    project.write(
        "xbuild.toml",
        "[build]\nglibc = \"2.31\"\n[image]\ntimezones = true\nenv = { TZ = \"Europe/Zurich\" }\n",
    );
    let layout = project.result("default/image/asks");
    let said = |target: &str, platform: &str, emulator: &[&str]| {
        let ran = project.xbuild(&["image", "--target", target]).ok();
        (run_in(&layout, platform, emulator, &["/bin/asks", "65532"]), ran.stderr)
    };
    // This glibc looks users up through a library that it loads by name: without it, a note says so.
    let (without, notes) = said(GNU, "linux/amd64", &[]);
    assert!(notes.contains("asks on linux/amd64: /bin/asks: looks up users"), "{notes}");
    assert!(notes.contains("dlopen = [\"libnss_files.so.2\", \"libnss_dns.so.2\"]"), "{notes}");
    assert!(without.contains("user unknown"), "{without}");

    project.append(
        "xbuild.toml",
        "[target.'cfg(target_env = \"gnu\")'.image]\ndlopen = [\"libnss_files.so.2\", \"libnss_dns.so.2\"]\n",
    );
    let emulator = ["/usr/bin/qemu-aarch64", "-L", "/"];
    for (target, platform, emulator) in
        [(GNU, "linux/amd64", &[][..]), (ARM64, "linux/arm64", &emulator[..]), (MUSL, "linux/amd64", &[][..])]
    {
        let (said, notes) = said(target, platform, emulator);
        assert!(!notes.contains("looks up users"), "{notes}");
        let lines: Vec<&str> = said.lines().collect();
        let certificates: usize = lines[0].split(' ').next().unwrap().parse().unwrap();
        assert!(certificates > 100, "{target}: {said}");
        assert_eq!(lines[1..], ["14:00 in Europe/Zurich", "user nonroot"], "{target}");
        let has_library = files(&layout, platform).contains_key("lib/libnss_files.so.2");
        assert_eq!(has_library, target != MUSL, "the description says it of gnu targets alone");
    }
}

#[test]
fn newer_glibc_needs_no_library_to_look_up_users() {
    let project = Project::program("asks", ASKS);
    project.write("xbuild.toml", "[build]\nglibc = \"2.41\"\n");
    let ran = project.xbuild(&["image", "--target", GNU]).ok();
    assert!(!ran.stderr.contains("looks up users"), "{}", ran.stderr);
    let said = run_in(&project.result("default/image/asks"), "linux/amd64", &[], &["/bin/asks", "65532"]);
    assert!(said.contains("user nonroot"), "{said}");
}

#[test]
fn keys_tokens_and_paths_of_the_machine_are_found() {
    let project = Project::program("hello", HELLO);
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        "MC4CAQAwBQYDK2VwBCIEIH".repeat(4)
    );
    project.write("config/key.pem", &key);
    let token = format!("ghp_{}", "a1".repeat(18));
    project.write("config/token.txt", &format!("token = {token}\n"));
    project.write("config/where.txt", &format!("{}/src\n", project.root.display()));
    project.write("xbuild.toml", "[image.files]\n\"/etc/hello\" = \"config\"\n");
    let ran = project.xbuild(&["image", "--target", MUSL]).fails(1);
    for text in [
        "the image hello would hold secrets",
        "/etc/hello/key.pem: ",
        "/etc/hello/token.txt: ",
        "help: take them out",
    ] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains(&token) && !ran.stderr.contains("MC4CAQAw"), "{}", ran.stderr);
    assert!(!project.root.join("result").exists(), "nothing was linked");

    project.append(
        "xbuild.toml",
        "[image]\nallow-secrets = [\"/etc/hello/key.pem\", \"/etc/hello/token.txt\"]\n",
    );
    let ran = project.xbuild(&["image", "--target", MUSL]).ok();
    let where_from = format!(
        "note: hello on linux/amd64: /etc/hello/where.txt holds a path of whoever built it: {}",
        project.root.display()
    );
    assert!(ran.stderr.contains(&where_from), "{}", ran.stderr);
    // It is said again when nothing is made.
    let ran = project.xbuild(&["image", "--target", MUSL]).ok();
    assert!(ran.stderr.contains(&where_from), "{}", ran.stderr);

    // What the configuration says is in the image too.
    project.write("xbuild.toml", &format!("[image]\nenv = {{ TOKEN = \"{token}\" }}\n"));
    let ran = project.xbuild(&["image", "--target", MUSL]).fails(1);
    let ran = ran.says("the image hello would hold secrets").says("configuration: a token of GitHub (ghp_…)");
    assert!(!ran.stderr.contains(&token), "{}", ran.stderr);
}

#[test]
fn what_is_in_an_image_and_why_can_be_seen() {
    let project = Project::program("hello", HELLO);
    let ran = project.xbuild(&["image", "inspect", "--target", ARM64]).ok();
    for text in [
        "hello linux/arm64",
        "  base  ",
        "  libraries  ",
        "  application  ",
        "/bin/hello  (the program hello of the project)",
        "/lib/libc.so.6  (/bin/hello needs it)",
        "(it loads /bin/hello)",
    ] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    assert!(!project.root.join("result").exists(), "looking links nothing");
    let ran = project.xbuild(&["image", "inspect", "--target", ARM64, "--message-format", "json"]).ok();
    let line = ran.json().into_iter().find(|line| line["reason"] == "xbuild-image-contents").unwrap();
    let file = line["files"].as_array().unwrap().iter().find(|file| file["path"] == "/bin/hello").unwrap();
    assert_eq!(
        (&file["layer"], &file["mode"], &file["owner"]),
        (&"application".into(), &"0755".into(), &"0:0".into())
    );
    assert_eq!(line["layers"].as_array().unwrap().len(), 3);

    project.write("xbuild.toml", "[image]\nbase = \"scratch\"\n");
    let ran = project.xbuild(&["image", "inspect", "--target", MUSL]).ok();
    insta::assert_snapshot!(redacted(&ran.stdout), @r"
    hello linux/amd64  [size], [size] compressed  [digest]

      application  [size], [size] compressed  [digest]
            [size]  0755 0:0          /bin/hello  (the program hello of the project)
    ");
}

#[test]
fn a_result_is_a_link_into_the_store_that_nobody_writes_through() {
    let project = Project::program("hello", HELLO);
    let ran = project.xbuild(&["image", "--target", MUSL, "--message-format", "json"]).ok();
    let link = project.result("default/image/hello");
    assert_eq!(images(&ran)["hello"]["path"], link.to_str().unwrap());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let folder = fs::canonicalize(&link).unwrap();
    assert!(folder.starts_with(fs::canonicalize(shared_store()).unwrap()), "{}", folder.display());
    let blobs = blobs(&folder).into_iter().map(|digest| format!("blobs/sha256/{digest}"));
    for file in ["index.json", "oci-layout"].map(str::to_owned).into_iter().chain(blobs) {
        let mode = fs::metadata(folder.join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o222, 0, "{file}: {mode:o}");
    }
}

#[test]
fn nothing_of_the_machine_is_in_an_image() {
    // What must be fetched is fetched with the user's own settings.
    let targets = ["image", "--target", MUSL, "--target", ARM64];
    Project::program("fetched", HELLO).xbuild(&targets).ok();

    // New to the store: nothing of it was built elsewhere.
    let main = format!(
        "// {:?}\nfn main() {{\n    println!(\"{{}}\", file!());\n    \
         assert_eq!(std::env::args().count(), 1);\n}}\n",
        Instant::now()
    );
    let mut project = Project::program("hello", &main);
    let root = project.folder.path().join("rare-project-4");
    fs::rename(&project.root, &root).unwrap();
    project.root = root;
    let home = project.folder.path().join("rare-home-5");
    fs::create_dir(&home).unwrap();
    let archive = home.join("hello.tar");
    let (unshare, back) = unshare("--uts");
    let script = format!("hostname strange-host-7 && exec {back}\"$@\"");
    let through = [&unshare[..], &["sh", "-c", &script, "sh"]].concat();
    let xbuild = Xbuild::new().folder(&project.root).through(&through).env("HOME", &home);
    let xbuild = xbuild.env("USER", "rare-user-6").env("HOSTNAME", "strange-host-7");
    let ran =
        xbuild.run(&[&targets[..], &["-o", &format!("oci-archive:{}", archive.display())]].concat()).ok();
    assert!(!ran.stderr.contains("holds a path"), "{}", ran.stderr);

    let layout = project.result("default/image/hello");
    let store = shared_store().display().to_string();
    let rare = ["strange-host-7", "rare-project-4", "rare-home-5", "rare-user-6", &store];
    let has_none = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for rare in rare {
            assert!(!text.contains(rare), "{rare} is in {what}");
        }
    };
    has_none("the archive", &fs::read(archive).unwrap());
    for digest in blobs(&layout) {
        let mut bytes = blob(&layout, &format!("sha256:{digest}"));
        if !bytes.starts_with(b"{") {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(&*bytes).read_to_end(&mut plain).unwrap();
            bytes = plain;
        }
        has_none(&digest, &bytes);
    }
    let said = run_in(&layout, "linux/amd64", &[], &["/bin/hello"]);
    assert_eq!(said, "src/main.rs\n");
}

#[test]
fn a_program_with_a_search_path_finds_its_own_library() {
    let project = Project::program("hello", HELLO);
    project.write("own.c", "int own(void) { return 42; }\n");
    project.write(
        "tool.c",
        "#include <math.h>\n#include <stdio.h>\nint own(void);\n\
         int main(int count, char **words) {\n    printf(\"own %d, %.0f\\n\", own(), cos(count - 1));\n}\n",
    );
    let library = ["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libown.so.1"];
    cc(&project.root, &[&library[..], &["-o", "libown.so.1", "own.c"]].concat());
    cc(&project.root, &["-o", "tool", "tool.c", "libown.so.1", "-lm", "-Wl,-rpath,$ORIGIN/../lib/own"]);
    project.write(
        "xbuild.toml",
        "[build]\nglibc = \"2.41\"\n[image.files]\n\
         \"/opt/bin/tool\" = \"tool\"\n\"/opt/lib/own/libown.so.1\" = \"libown.so.1\"\n",
    );
    project.xbuild(&["image", "--target", GNU]).ok();
    let layout = project.result("default/image/hello");
    let files = files(&layout, "linux/amd64");
    let own: Vec<&String> = files.keys().filter(|path| path.ends_with("libown.so.1")).collect();
    assert_eq!(own, ["opt/lib/own/libown.so.1"]);
    // No other program needs this one.
    let ran = project.xbuild(&["image", "inspect", "--target", GNU]).ok();
    ran.says("/lib/libm.so.6  (/opt/bin/tool needs it)");
    assert_eq!(run_in(&layout, "linux/amd64", &[], &["/opt/bin/tool"]), "own 42, 1\n");
}

#[test]
fn several_programs_and_several_images() {
    let project = Project::program("one", HELLO);
    project.write("src/bin/two.rs", HELLO);
    // Each program is an image of its own, until some are named.
    let made = images(&project.xbuild(&["image", "--target", MUSL, "--message-format", "json"]).ok());
    assert_eq!(made.keys().collect::<Vec<_>>(), ["one", "two"]);

    project.write(
        "xbuild.toml",
        "[image]\nlabels = { of = \"all\" }\n[images.both]\nentrypoint = [\"/bin/two\"]\n[images.small]\nbins = [\"one\"]\nbase = \"scratch\"\n",
    );
    let made = images(&project.xbuild(&["image", "--target", MUSL, "--message-format", "json"]).ok());
    assert_eq!(made.keys().collect::<Vec<_>>(), ["both", "small"]);
    let both = project.result("default/image/both");
    let has = files(&both, "linux/amd64");
    assert!(has.contains_key("bin/one") && has.contains_key("bin/two"));
    assert_eq!(config(&both, "linux/amd64")["config"]["Entrypoint"], json!(["/bin/two"]));
    let small = project.result("default/image/small");
    let has: Vec<String> = files(&small, "linux/amd64").into_keys().collect();
    assert_eq!(has, ["bin/", "bin/one"]);
    let config = config(&small, "linux/amd64");
    assert_eq!(config["config"]["Labels"], json!({ "of": "all" }));
    assert_eq!(config["config"]["User"], Value::Null);

    // A variant need not have the programs of every image, but some variant must.
    let before = project.read("xbuild.toml");
    project.append("xbuild.toml", "[images.gone]\nbins = [\"three\"]\n");
    project.xbuild(&["image", "gone", "--target", MUSL]).fails(1).says("three");
    let before = before.replace("[images.both]\n", "[images.both]\nbins = [\"one\", \"two\"]\n");
    project.write("xbuild.toml", &(before + "[variant.little]\nbins = [\"one\"]\n"));
    let ran = project.xbuild(&["image", "--target", MUSL]).ok();
    let made: Vec<&str> = ran.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(made, ["both", "small", "small"], "{}", ran.stdout);

    project
        .xbuild(&["image", "smal"])
        .fails(1)
        .says("there is no image `smal`")
        .says("did you mean `small`?");
    let place = format!("oci:{}", project.folder.path().join("x").display());
    project.xbuild(&["image", "--target", MUSL, "-o", &place]).fails(1).says("several images");
    project.write("xbuild.toml", "[images.both]\n");
    project.xbuild(&["image", "--target", MUSL]).fails(1).says("nothing says which it runs").says("/bin/one");
}

#[test]
fn variants_have_values_of_their_own() {
    let project =
        Project::program("hello", "fn main() {\n    println!(\"loud: {}\", cfg!(feature = \"loud\"));\n}\n");
    project.append("Cargo.toml", "[features]\nloud = []\n");
    project.write(
        "xbuild.toml",
        "[image]\nuser = \"nonroot\"\nlabels = { kind = \"plain\" }\n\
         [variant.loud]\nfeatures = [\"loud\"]\n\
         [variant.loud.image]\nbase = \"scratch\"\nuser = \"7:7\"\nlabels = { kind = \"loud\" }\ncompression = \"zstd\"\n",
    );
    let ran = project.xbuild(&["image", "--target", MUSL]).ok();
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    for (variant, user, kind) in [("default", "nonroot", "plain"), ("loud", "7:7", "loud")] {
        let layout = project.result(&format!("{variant}/image/hello"));
        let manifest = manifest(&layout, "linux/amd64");
        let config = config(&layout, "linux/amd64")["config"].clone();
        assert_eq!((&config["User"], &config["Labels"]["kind"]), (&user.into(), &kind.into()));
        let is_loud = variant == "loud";
        assert_eq!(manifest["layers"].as_array().unwrap().len(), if is_loud { 1 } else { 2 });
        let said = run_in(&layout, "linux/amd64", &[], &["/bin/hello"]);
        assert_eq!(said, format!("loud: {is_loud}\n"));
    }
    // One of them alone is the same.
    let alone = project.xbuild(&["image", "--target", MUSL, "--variant", "loud"]).ok();
    assert_eq!(Some(alone.stdout.trim_end()), ran.stdout.lines().last());
}

#[test]
fn targets_have_values_of_their_own() {
    let project = Project::program("hello", HELLO);
    project.write(
        "xbuild.toml",
        r#"
[image]
env = { BOTH = "yes", KIND = "any" }

[target.'cfg(target_env = "musl")'.image]
entrypoint = ["/bin/hello", "--static"]
env = { KIND = "static" }
"#,
    );
    // Both in one index.
    project.xbuild(&["image", "--target", MUSL, "--target", ARM64]).ok();
    let layout = project.result("default/image/hello");
    for (platform, entrypoint, env) in [
        ("linux/amd64", json!(["/bin/hello", "--static"]), json!(["BOTH=yes", "KIND=static"])),
        ("linux/arm64", json!(["/bin/hello"]), json!(["BOTH=yes", "KIND=any"])),
    ] {
        let config = &config(&layout, platform)["config"];
        assert_eq!((&config["Entrypoint"], &config["Env"]), (&entrypoint, &env), "{platform}");
    }
}

#[test]
fn the_commit_stands_in_configuration_and_annotations_alone() {
    let project = Project::program("hello", "fn main() {\n    println!(\"{}\", sidecar::text());\n}\n");
    // A package beside the workspace, in the same repository.
    project.append("Cargo.toml", "[dependencies]\nsidecar = { path = \"../sidecar\" }\n");
    project.append(
        "Cargo.lock",
        "dependencies = [\n \"sidecar\",\n]\n\n[[package]]\nname = \"sidecar\"\nversion = \"0.1.0\"\n",
    );
    project.write(
        "../sidecar/Cargo.toml",
        "[package]\nname = \"sidecar\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    let library = "pub fn text() -> &'static str {\n    \"hello\"\n}\n";
    project.write("../sidecar/src/lib.rs", library);
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"];
        let mut git = Command::new("git");
        git.args(identity).args(arguments).current_dir(project.folder.path());
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_COMMITTER_DATE", "2024-02-03T04:05:06Z");
        let output = git.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let layout = project.result("default/image/hello");
    let image = || {
        project.xbuild(&["image", "--target", MUSL]).ok();
        (manifest(&layout, "linux/amd64"), config(&layout, "linux/amd64"))
    };
    let (without, of_none) = image();
    assert_eq!((&without["annotations"], &of_none["config"]["Labels"]), (&Value::Null, &Value::Null));
    assert_eq!(of_none["created"], "1980-01-01T00:00:00Z");

    // Nothing says that `result` is to be ignored.
    git(&["init", "--quiet"]);
    git(&["add", "project/Cargo.toml", "project/Cargo.lock", "project/src", "sidecar"]);
    git(&["commit", "--quiet", "-m", "all"]);
    let (committed, of_commit) = image();
    let said = json!({
        "org.opencontainers.image.created": "2024-02-03T04:05:06Z",
        "org.opencontainers.image.revision": git(&["rev-parse", "HEAD"]),
    });
    assert_eq!((&committed["annotations"], &of_commit["config"]["Labels"]), (&said, &said));
    assert_eq!(of_commit["created"], "2024-02-03T04:05:06Z");
    assert_eq!(committed["layers"], without["layers"]);
    assert_eq!(image().0, committed, "once more");

    // What is not committed is no commit's, here and beside.
    project.write("README", "new");
    assert_eq!(image().0, without);
    fs::remove_file(project.root.join("README")).unwrap();
    assert_eq!(image().0, committed);
    project.write("../sidecar/src/lib.rs", &format!("// Changed.\n{library}"));
    assert_eq!(image().0["annotations"], Value::Null);
    project.write("../sidecar/src/lib.rs", library);

    // Whose the checkout is does not matter.
    if rustix::process::geteuid().is_root() {
        let status = Command::new("chown").args(["-R", "1000:1000"]).arg(project.folder.path()).status();
        assert!(status.unwrap().success());
    }
    assert_eq!(image().0, committed);
}

#[test]
fn xbuild_all_makes_the_images_that_are_described() {
    let project = Project::program("hello", HELLO);
    let targets = format!("[build]\ntargets = [\"{MUSL}\", \"x86_64-pc-windows-gnu\"]\n");
    project.write("xbuild.toml", &targets);
    project.xbuild(&["all"]).ok();
    assert!(!project.result("default/image").exists(), "nothing is said of images");
    project.write("xbuild.toml", &(targets + "[image]\nbase = \"scratch\"\n"));
    let ran = project.xbuild(&["all"]).ok().says("hello  linux/amd64");
    assert!(!ran.stderr.contains("left out"), "{}", ran.stderr);
    assert!(project.result("default/image/hello/index.json").is_file());
    assert!(project.result(&format!("default/{MUSL}/bin/hello")).is_file());
}

#[test]
fn an_image_is_based_on_another_by_a_pin() {
    let registry = Registry::new();
    let reference = format!("{}/team/base:1", registry.address());
    let push_base = |text: &str| {
        let base = Project::program("base", HELLO);
        base.write("motd", text);
        base.write(
            "xbuild.toml",
            "[image]\nenv = { FROM = \"base\", BOTH = \"base\" }\nworkdir = \"/srv\"\n[image.files]\n\"/etc/motd\" = \"motd\"\n\"/etc/issue\" = \"motd\"\n",
        );
        let repository = format!("{}/team/base", registry.address());
        let pushed = ["image", "--target", GNU, "--push", "--repository", &repository, "-t", "1"];
        base.xbuild(&pushed).ok().stdout.trim().rsplit('@').next().unwrap().to_owned()
    };
    let first = push_base("first\n");

    let project = Project::program("hello", HELLO);
    project.write("mine", "mine\n");
    project.write(
        "xbuild.toml",
        &format!("[image]\nbase = \"{reference}\"\nenv = {{ BOTH = \"mine\" }}\n[image.files]\n\"/etc/issue\" = \"mine\"\n"),
    );
    let image = ["image", "--target", GNU];
    project
        .xbuild(&[&image[..], &["--locked"]].concat())
        .fails(1)
        .says("has no pin in xbuild.lock")
        .says("--locked");
    project.xbuild(&[&image[..], &["--offline"]].concat()).fails(1).says("has no pin").says("--offline");
    assert!(!project.root.join("xbuild.lock").exists());
    project.xbuild(&image).ok().says("Pinned").says(&first);
    let lock = project.read("xbuild.lock");
    assert!(lock.contains(&reference) && lock.contains(&first), "{lock}");

    let layout = project.result("default/image/hello");
    let manifest_of = || manifest(&layout, "linux/amd64");
    let config = config(&layout, "linux/amd64");
    assert_eq!(config["config"]["Env"], json!(["BOTH=mine", "FROM=base"]));
    assert_eq!(config["config"]["WorkingDir"], "/srv");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/bin/hello"]));
    // The base's four layers as they are, and two of our own: the base has the libraries already.
    assert_eq!(manifest_of()["layers"].as_array().unwrap().len(), 6, "{config}");
    let has = files(&layout, "linux/amd64");
    assert!(
        has.contains_key("lib/libc.so.6") && has.contains_key("bin/base") && has.contains_key("bin/hello")
    );
    let said = run_in(&layout, "linux/amd64", &[], &["/bin/hello"]);
    assert_eq!(said, "hello\n");

    // The tag moves; the pin does not, until it is asked to.
    let second = push_base("second\n");
    assert_ne!(second, first);
    let before = manifest_of();
    project.xbuild(&[&image[..], &["--offline", "--locked"]].concat()).ok();
    assert_eq!(manifest_of(), before);
    project.xbuild(&["update", "--locked"]).fails(1).says("--locked");
    project.xbuild(&["update", "nonsense"]).fails(1).says(&reference);
    project.xbuild(&["update"]).ok().says(&second);
    project.xbuild(&image).ok();
    assert_ne!(manifest_of(), before);
    project.xbuild(&["update"]).ok().says("Unchanged");

    // A platform that the base does not have, and a base that is not there.
    project
        .xbuild(&["image", "--target", ARM64])
        .fails(1)
        .says("no image for linux/arm64")
        .says("help: it has linux/amd64");
    project.write("xbuild.toml", &format!("[image]\nbase = \"{}/team/gone:1\"\n", registry.address()));
    project.xbuild(&image).fails(1).says("there is no image").says("team/gone:1");
    assert!(!project.read("xbuild.lock").contains("gone"), "a pin that leads nowhere");

    // What the registry has under the digest is something else.
    let third = push_base("third\n");
    registry.tamper(&third);
    project.write("xbuild.toml", &format!("[image]\nbase = \"{}/team/base@{third}\"\n", registry.address()));
    let before = manifest_of();
    project.xbuild(&image).fails(3).says(&third).says("help: ");
    assert_eq!(manifest_of(), before);
}

#[test]
fn a_base_with_an_older_glibc_than_a_program_needs_is_refused() {
    let registry = Registry::new();
    let repository = format!("{}/team/old", registry.address());
    let base = Project::program("base", HELLO);
    base.write("xbuild.toml", "[build]\nglibc = \"2.31\"\n");
    base.xbuild(&["image", "--target", GNU, "--push", "--repository", &repository, "-t", "1"]).ok();

    // Threads moved into libc.so.6 with 2.34.
    let main = "fn main() {\n    std::thread::spawn(|| println!(\"hello\")).join().unwrap();\n}\n";
    let project = Project::program("hello", main);
    let describe = |glibc: &str| {
        let build = format!("[build]\nglibc = \"{glibc}\"\n");
        project.write("xbuild.toml", &format!("{build}[image]\nbase = \"{repository}:1\"\n"));
    };
    describe("2.41");
    let ran = project.xbuild(&["image", "--target", GNU]).fails(1);
    ran.says("/bin/hello needs GLIBC_2.").says(" of libc.so.6").says("glibc = \"2.31\"");
    assert!(!project.root.join("result").exists(), "nothing was linked");
    describe("2.31");
    project.xbuild(&["image", "--target", GNU]).ok();
    let said = run_in(&project.result("default/image/hello"), "linux/amd64", &[], &["/bin/hello"]);
    assert_eq!(said, "hello\n");
}

#[test]
fn a_full_disk_leaves_no_half_an_archive() {
    let project = Project::program("hello", HELLO);
    project.xbuild(&["image", "--target", MUSL]).ok();
    let place = project.folder.path().join("small");
    fs::create_dir(&place).unwrap();
    let archive = format!("oci-archive:{}", place.join("hello.tar").display());
    let (unshare, back) = unshare("--mount");
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=1777 none \"$0\" || exit 9; {back}\"$@\"; code=$?; echo left: $(ls -A \"$0\"); exit $code"
    );
    let place = place.display().to_string();
    let through = [&unshare[..], &["sh", "-c", &script, &place]].concat();
    let ran = Xbuild::new().folder(&project.root).through(&through).run(&[
        "image",
        "--target",
        MUSL,
        "--no-link",
        "-o",
        &archive,
    ]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("No space left on device") && ran.stderr.contains("help: make room"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.ends_with("left:\n"), "{}", ran.stdout);
}
