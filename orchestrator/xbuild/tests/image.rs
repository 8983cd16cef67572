//! `xbuild image`: what other people's tools see in the images, and that the programs in them run on nothing else.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::image::{blob, blobs, config, files, images, index, json, manifest, run_in, tool};
use common::machine::{toolchains, with_machine};
use common::{Project, copy};
use fs_err as fs;
use serde_json::Value;
use xbuild_action::{Content as _, Entry, TreeBuilder};

const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "aarch64-unknown-linux-gnu";
const ARMV7: &str = "armv7-unknown-linux-gnueabihf";

const HELLO: &str = "fn main() {\n    println!(\"hello\");\n}\n";

/// What a manifest says, without what is another thing after each change.
fn redacted(value: Value) -> Value {
    let of_map = |(key, value): (String, Value)| {
        let value = match key.as_str() {
            "digest" | "size" => format!("[{key}]").into(),
            _ => redacted(value),
        };
        (key, value)
    };
    match value {
        Value::Object(map) => map.into_iter().map(of_map).collect(),
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        other => other,
    }
}

/// A digest as the file of its blob is called.
fn hex(digest: &Value) -> String {
    digest.as_str().unwrap()["sha256:".len()..].to_owned()
}

/// The files that `skopeo copy` makes of something in a folder: name → digest, which it has checked.
#[track_caller]
fn copied(folder: &Path, source: &str) -> BTreeMap<String, String> {
    let flags = ["--insecure-policy", "--tmpdir", "/tmp", "copy", "--all"];
    let argv = [&["/usr/bin/skopeo"], &flags[..], &[source, "dir:/build/out"]].concat();
    let (_, out) = tool(folder, &argv);
    with_machine(&toolchains(None), |engine, _| {
        let files = engine.store.directory(out.unwrap()).unwrap();
        let of_entry = |(name, entry): (&String, &Entry)| match entry {
            // The version of the folder's own format.
            Entry::File(file) if name != "version" => Some((name.clone(), file.digest.to_hex())),
            _ => None,
        };
        files.entries.iter().filter_map(of_entry).collect()
    })
}

/// What is told of an image, but whether it was made now and how long that took.
fn lasting(mut image: Value) -> Value {
    image.as_object_mut().unwrap().remove("status");
    for platform in image["images"].as_array_mut().unwrap() {
        platform.as_object_mut().unwrap().remove("seconds");
    }
    image
}

#[test]
fn the_example_s_images_hold_what_they_need_and_run_on_it_alone() {
    let project = Project::example();
    let ran = project.xbuild(&["image", "--message-format", "json"]).ok();
    assert!(ran.stderr.contains("note: x86_64-pc-windows-gnu is left out"), "{}", ran.stderr);
    let made = images(&ran);
    assert_eq!(made.keys().collect::<Vec<_>>(), ["bar", "foo"]);
    let layout = project.result("default/image/foo");

    // Exactly what is needed, in its layers.
    let base = ["etc/ssl/certs/ca-certificates.crt", "etc/passwd", "etc/group", "tmp/", "home/nonroot/"];
    let amd64 = files(&layout, "linux/amd64");
    assert!(base.iter().all(|path| amd64.contains_key(*path)), "{amd64:?}");
    assert!(amd64["tmp/"].starts_with("1777 0") && amd64["home/nonroot/"].starts_with("755 65532"));
    assert!(!amd64.keys().any(|path| path.starts_with("lib")), "the musl program is static: {amd64:?}");
    let arm64 = files(&layout, "linux/arm64");
    let libraries: BTreeSet<String> =
        arm64.into_keys().filter(|path| path.starts_with("lib") && !path.ends_with('/')).collect();
    // What the loader itself would load, and no more; the kernel's own library is no file.
    let emulator = ["/usr/bin/qemu-aarch64", "-L", "/"];
    let list = ["/lib/ld-linux-aarch64.so.1", "--list", "/bin/foo"];
    let listed = run_in(&layout, "linux/arm64", &emulator, &list);
    let names = listed.lines().filter_map(|line| line.split_whitespace().next()?.rsplit('/').next());
    let names = names.filter(|name| !name.starts_with("linux-vdso"));
    let expected: BTreeSet<String> = names.map(|name| format!("lib/{name}")).collect();
    assert_eq!(libraries, expected);
    // Both images have their base in common.
    let bar = project.result("default/image/bar");
    for platform in ["linux/amd64", "linux/arm64"] {
        let base = |layout: &Path| manifest(layout, platform)["layers"][0]["digest"].clone();
        assert_eq!(base(&layout), base(&bar), "{platform}");
    }

    // The programs run with nothing but the image.
    let said = run_in(&layout, "linux/amd64", &[], &["/bin/foo", "check"]);
    assert!(said.contains("conflict-checker on"), "{said}");
    let said = run_in(&layout, "linux/arm64", &emulator, &["/bin/foo", "check"]);
    assert!(said.contains("conflict-checker on"), "{said}");

    // Nothing changed: the same, and at once.
    let again = project.xbuild(&["image", "--message-format", "json"]).ok();
    let lasting_of = |made: BTreeMap<String, Value>| -> BTreeMap<String, Value> {
        made.into_iter().map(|(name, image)| (name, lasting(image))).collect()
    };
    assert!(images(&again).values().all(|image| image["status"] == "cached"));
    assert_eq!(lasting_of(images(&again)), lasting_of(made.clone()));
    assert!(!again.stderr.contains("Finished"), "something was looked at anew: {}", again.stderr);

    // Another place, another name of the folder: the same images. (That packing gives the same bytes in another store
    // is a test of its own.)
    let other = Project::empty();
    copy(&project.root, &other.root.join("deeper/down"));
    copy(&project.folder.path().join("glaze"), &other.root.join("deeper/glaze"));
    let folder = other.root.join("deeper/down");
    let ran = common::Xbuild::new().folder(&folder).run(&["image", "--message-format", "json"]).ok();
    for (name, line) in images(&ran) {
        assert_eq!(line["digest"], made[&name]["digest"], "{name}");
    }
    println!("foo {} bar {}", made["foo"]["digest"], made["bar"]["digest"]);
}

#[test]
fn other_people_s_tools_take_the_images() {
    let project = Project::example();
    project.xbuild(&["image", "foo"]).ok();
    let layout = project.result("default/image/foo");

    let raw = tool(&layout, &["/usr/bin/skopeo", "inspect", "--raw", "oci:/build/layout:latest"]).0;
    let index: Value = serde_json::from_str(&raw).unwrap();
    let platforms: Vec<String> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{}/{}",
                one["platform"]["os"].as_str().unwrap(),
                one["platform"]["architecture"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let inspect = |architecture: &str| {
        let arguments = ["--override-os", "linux", "--override-arch", architecture];
        let argv =
            [&["/usr/bin/skopeo"], &arguments[..], &["inspect", "--config", "oci:/build/layout"]].concat();
        serde_json::from_str::<Value>(&tool(&layout, &argv).0).unwrap()
    };
    let config = inspect("arm64");
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/bin/foo"]));
    assert_eq!(config["config"]["User"], "65532:65532");

    // It reads every layer to copy it, and checks its digests: the tar's too.
    let (_, copied) = tool(
        &layout,
        &[
            "/usr/bin/skopeo",
            "--insecure-policy",
            "--override-os",
            "linux",
            "--override-arch",
            "amd64",
            "copy",
            "--dest-decompress",
            "oci:/build/layout:latest",
            "dir:/build/out",
        ],
    );
    assert!(copied.is_some());

    // umoci takes an image of one platform.
    let project = Project::example();
    project.xbuild(&["image", "foo", "--target", MUSL]).ok();
    let layout = project.result("default/image/foo");
    let (_, unpacked) = tool(
        &layout,
        &["/usr/bin/umoci", "raw", "unpack", "--rootless", "--image", "/build/layout:latest", "/build/out"],
    );
    let unpacked = unpacked.unwrap();
    with_machine(&toolchains(None), |engine, _| {
        let mut tree = TreeBuilder::from_tree(unpacked);
        for path in ["bin/foo", "etc/passwd", "etc/ssl/certs/ca-certificates.crt"] {
            let entry = tree.get(engine.store, &path.parse().unwrap()).unwrap();
            assert!(matches!(entry, Some(Entry::File(_))), "{path}: {entry:?}");
        }
    });
}

#[test]
fn images_are_hardly_larger_than_their_programs() {
    let project = Project::example();
    let size = |arguments: &[&str], target: &str, program: &str| {
        let arguments =
            [&["image", "foo", "--message-format", "json", "--target", target], arguments].concat();
        let made = images(&project.xbuild(&arguments).ok());
        let whole = made["foo"]["images"][0]["size"].as_u64().unwrap();
        project.xbuild(&["build", "--target", target]).ok();
        let program = fs::metadata(project.result(&format!("default/{target}/bin/{program}"))).unwrap().len();
        println!("{target} {arguments:?}: {whole}, of which the program {program}");
        whole - program
    };
    let scratch = ["--set", "image.base=scratch"];
    assert!(size(&scratch, MUSL, "foo") <= 20_000);
    assert!(size(&[], MUSL, "foo") <= 500_000);
    assert!(size(&scratch, GNU, "foo") <= 4_000_000);
}

#[test]
fn what_is_described_is_what_is_made() {
    let project = Project::program("hello", HELLO);
    project.write(
        "xbuild.toml",
        r#"
[image]
base = "static"
timezones = true

[images.greeter]
entrypoint = ["/bin/hello", "--loud"]
cmd = ["world"]
env = { GREETING = "hi" }
user = "nonroot"
workdir = "/tmp"
ports = ["8080", "53/udp"]
volumes = ["/data"]
stop-signal = "SIGINT"
labels = { "org.opencontainers.image.title" = "greeter" }
annotations = { "org.opencontainers.image.licenses" = "MIT" }
"#,
    );
    project.xbuild(&["image", "--target", MUSL]).ok();
    let layout = project.result("default/image/greeter");
    let manifest = manifest(&layout, "linux/amd64");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.licenses"], "MIT");
    let config = config(&layout, "linux/amd64");
    insta::assert_json_snapshot!(config["config"], @r#"
    {
      "Cmd": [
        "world"
      ],
      "Entrypoint": [
        "/bin/hello",
        "--loud"
      ],
      "Env": [
        "GREETING=hi"
      ],
      "ExposedPorts": {
        "53/udp": {},
        "8080/tcp": {}
      },
      "Labels": {
        "org.opencontainers.image.title": "greeter"
      },
      "StopSignal": "SIGINT",
      "User": "nonroot",
      "Volumes": {
        "/data": {}
      },
      "WorkingDir": "/tmp"
    }
    "#);
    let files = files(&layout, "linux/amd64");
    assert!(files.contains_key("usr/share/zoneinfo/Europe/Zurich"), "no time zones");
}

#[test]
fn what_is_written_beside_the_store_is_the_same_image() {
    let project = Project::program("hello", HELLO);
    project.write("xbuild.toml", "[image]\ncompression = \"zstd\"\n");
    let (place, layout) = (project.folder.path().join("place"), project.result("default/image/hello"));
    let write = |targets: &[&str], outputs: &[&str]| {
        let in_place = |output: &&str| {
            format!("--output={}", output.replacen(':', &format!(":{}/", place.display()), 1))
        };
        let outputs: Vec<String> = outputs.iter().map(in_place).collect();
        let targets = targets.iter().flat_map(|&target| ["--target", target]);
        let flags = targets.chain(outputs.iter().map(String::as_str));
        project.xbuild(&std::iter::once("image").chain(flags).collect::<Vec<_>>()).ok();
    };
    let top = || index(&layout)["manifests"][0]["digest"].clone();

    let archives = ["oci-archive:oci.tar", "oci-archive:tagged.tar:v1", "docker-archive:docker.tar"];
    write(&[MUSL], &[&["oci:layout", "oci:tagged:v1"], &archives[..]].concat());
    let read = |folder: &Path| fs::read(folder.join("index.json")).unwrap();
    assert_eq!(read(&place.join("layout")), read(&layout));
    let raw = String::from_utf8(blob(&layout, top().as_str().unwrap())).unwrap();
    let tagged = ["oci:tagged:v1", "oci-archive:tagged.tar:v1"];
    for source in ["oci:layout:latest", "oci-archive:oci.tar:latest"].into_iter().chain(tagged) {
        let source = source.replacen(':', ":/build/layout/", 1);
        let said = tool(&place, &["/usr/bin/skopeo", "--tmpdir", "/tmp", "inspect", "--raw", &source]).0;
        assert_eq!(said, raw, "{source}");
    }
    let of_archive = copied(&place, "oci-archive:/build/layout/oci.tar");
    assert_eq!(of_archive["manifest.json"], hex(&top()));
    assert_eq!(of_archive.into_values().collect::<BTreeSet<_>>(), blobs(&layout));
    // Docker has the same configuration and tars, and a manifest of its own.
    let mut of_docker = copied(&place, "docker-archive:/build/layout/docker.tar");
    of_docker.remove("manifest.json");
    let (image, config) = (manifest(&layout, "linux/amd64"), config(&layout, "linux/amd64"));
    let diffs = config["rootfs"]["diff_ids"].as_array().unwrap();
    let expected: BTreeSet<String> = diffs.iter().chain([&image["config"]["digest"]]).map(hex).collect();
    assert_eq!(of_docker.into_values().collect::<BTreeSet<_>>(), expected);

    // Of two platforms.
    write(&[MUSL, GNU], &["oci-archive:index.tar:v2"]);
    let of_index = copied(&place, "oci-archive:/build/layout/index.tar:v2");
    assert_eq!(of_index["manifest.json"], hex(&top()));
    assert_eq!(of_index.into_values().collect::<BTreeSet<_>>(), blobs(&layout));
}

#[test]
fn an_image_with_overrides_takes_nobody_s_place() {
    let project = Project::program("hello", HELLO);
    let image = |more: &[&str]| {
        let ran = project.xbuild(&[&["image", "--target", MUSL, "--message-format", "json"], more].concat());
        lasting(images(&ran.ok()).remove("hello").unwrap())
    };
    let plain = image(&[]);
    let link = project.result("default/image/hello");
    assert_eq!(
        (&plain["path"], &plain["overrides"]),
        (&link.to_str().unwrap().into(), &serde_json::json!([]))
    );
    let leads_to = || fs::read_link(&link).unwrap();
    let before = leads_to();

    let set = ["--profile", "dev", "--set", "image.labels.kind=quick", "--set", "build.unify=package"];
    let place = project.folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let archive = format!("oci-archive:{}", place.join("hello.tar").display());
    let quick = image(&[&set[..], &["-o", &archive]].concat());
    let overrides = ["profile=dev", "build.unify=package", "image.labels.kind=quick"];
    assert_eq!(quick["overrides"], serde_json::json!(overrides));
    assert_ne!(quick["digest"], plain["digest"]);
    let own = project.result("default+profile=dev+build.unify=package+image.labels.kind=quick/image/hello");
    assert_eq!(quick["path"], own.to_str().unwrap());
    assert_eq!(config(&own, "linux/amd64")["config"]["Labels"]["kind"], "quick");
    assert_eq!(leads_to(), before, "the plain one's link");
    // Whoever takes the archive by the tag in it doesn't take it for the plain one.
    let tag = "profile-dev-build.unify-package-image.labels.kind-quick";
    let source = format!("oci-archive:/build/layout/hello.tar:{tag}");
    tool(&place, &["/usr/bin/skopeo", "--tmpdir", "/tmp", "inspect", "--raw", &source]);
    // In another order it is the same image in the same place.
    let again = ["--set", "build.unify=package", "--set", "image.labels.kind=quick", "--profile", "dev"];
    assert_eq!(image(&again), quick);

    let told = project.xbuild(&["image", "--target", MUSL, "--set", "image.base=scratch"]).ok();
    told.says("hello[image.base=scratch]  linux/amd64");
    assert_eq!(image(&[]), plain);
}

#[test]
fn index_and_manifests_are_of_the_right_types_and_say_what_is_annotated() {
    let project = Project::program("hello", HELLO);
    project.write(
        "xbuild.toml",
        &format!(
            "[build]\ntargets = [\"{MUSL}\", \"{GNU}\"]\n\
             [image]\nannotations = {{ \"org.opencontainers.image.title\" = \"hello\" }}\n\
             [target.{MUSL}.image]\nannotations = {{ libc = \"static\" }}\n"
        ),
    );
    project.xbuild(&["image"]).ok().says("hello  index over 2 platforms  sha256:");
    let layout = project.result("default/image/hello");
    let index = index(&layout);
    let top = json(&layout, index["manifests"][0]["digest"].as_str().unwrap());
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"].map(|platform| manifest(&layout, platform));
    let expected = serde_json::json!({ "libc": "static", "org.opencontainers.image.title": "hello" });
    assert_eq!(amd64["annotations"], expected, "the index has what both have");
    insta::assert_json_snapshot!(redacted(index), @r#"
    {
      "manifests": [
        {
          "annotations": {
            "org.opencontainers.image.ref.name": "latest"
          },
          "digest": "[digest]",
          "mediaType": "application/vnd.oci.image.index.v1+json",
          "size": "[size]"
        }
      ],
      "mediaType": "application/vnd.oci.image.index.v1+json",
      "schemaVersion": 2
    }
    "#);
    insta::assert_json_snapshot!(redacted(top), @r#"
    {
      "annotations": {
        "org.opencontainers.image.title": "hello"
      },
      "manifests": [
        {
          "digest": "[digest]",
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "platform": {
            "architecture": "amd64",
            "os": "linux"
          },
          "size": "[size]"
        },
        {
          "digest": "[digest]",
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "platform": {
            "architecture": "arm64",
            "os": "linux"
          },
          "size": "[size]"
        }
      ],
      "mediaType": "application/vnd.oci.image.index.v1+json",
      "schemaVersion": 2
    }
    "#);
    insta::assert_json_snapshot!(redacted(arm64), @r#"
    {
      "annotations": {
        "org.opencontainers.image.title": "hello"
      },
      "config": {
        "digest": "[digest]",
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "size": "[size]"
      },
      "layers": [
        {
          "digest": "[digest]",
          "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
          "size": "[size]"
        },
        {
          "digest": "[digest]",
          "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
          "size": "[size]"
        },
        {
          "digest": "[digest]",
          "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
          "size": "[size]"
        }
      ],
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "schemaVersion": 2
    }
    "#);
}

#[test]
fn platforms_and_names_choose_what_is_made() {
    let project = Project::program("hello", HELLO);
    project.write("src/bin/two.rs", HELLO);
    project.write("src/bin/three.rs", HELLO);
    let targets = |one: &str, two: &str| {
        project.write("xbuild.toml", &format!("[build]\ntargets = [\"{one}\", \"{two}\"]\n"));
    };
    targets(MUSL, GNU);
    let digests = |arguments: &[&str]| {
        let ran = project.xbuild(&[&["image", "--message-format", "json"], arguments].concat()).ok();
        images(&ran).into_iter().map(|(name, line)| (name, line["digest"].clone())).collect::<Vec<_>>()
    };
    for (platform, target) in [("linux/amd64", MUSL), ("linux/arm64", GNU)] {
        let made = digests(&["hello", "two", "--platform", platform]);
        assert_eq!(made.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["hello", "two"]);
        assert_eq!(made, digests(&["hello", "two", "--target", target]), "{platform}");
    }
    targets(MUSL, "x86_64-unknown-linux-gnu");
    let ran = project.xbuild(&["image", "--platform", "linux/amd64"]).fails(1).says("several targets");
    ran.says(&format!("--target {MUSL}")).says("--target x86_64-unknown-linux-gnu");
    project.xbuild(&["image"]).fails(1).says("are both for linux/amd64");
}

#[test]
fn arm_is_a_platform_with_a_variant() {
    let project = Project::program("hello", HELLO);
    let ran = project.xbuild(&["image", "--target", MUSL, "--target", ARMV7]).ok();
    ran.says("hello  linux/arm/v7  ").says("index over 2 platforms");
    let layout = project.result("default/image/hello");
    let top = json(&layout, index(&layout)["manifests"][0]["digest"].as_str().unwrap());
    let platform = serde_json::json!({ "os": "linux", "architecture": "arm", "variant": "v7" });
    assert_eq!(top["manifests"][1]["platform"], platform);
    let config = config(&layout, "linux/arm/v7");
    for (key, value) in platform.as_object().unwrap() {
        assert_eq!(config[key], *value, "{key}");
    }
    let said = run_in(&layout, "linux/arm/v7", &["/usr/bin/qemu-arm", "-L", "/"], &["/bin/hello"]);
    assert_eq!(said, "hello\n");
}

#[test]
fn what_can_t_be_an_image_is_told() {
    let project = Project::program("hello", "fn main() {}\n");
    project.write("data.txt", &"x".repeat(300_000));
    project.xbuild(&["image", "--target", MUSL]).ok();
    let layout = project.result("default/image/hello");
    let index = || fs::read(layout.join("index.json")).unwrap();
    let before = index();
    let refused = |arguments: &[&str], texts: &[&str]| {
        let ran = project.xbuild(&[&["image"], arguments].concat()).fails(1);
        for text in texts {
            assert!(ran.stderr.contains(text), "{text}:\n{}", ran.stderr);
        }
        assert_eq!(index(), before, "the image that was there: {}", ran.command);
        ran.stderr
    };
    let on_musl = |set: &str, texts: &[&str]| refused(&["--target", MUSL, "--set", set], texts);
    refused(&["--target", "x86_64-pc-windows-gnu"], &["no images for x86_64-pc-windows-gnu", "help: "]);
    refused(&["--platform", "linux/arm46"], &["linux/arm46", "help: did you mean `linux/arm64`?"]);
    refused(&["--target", "musll"], &["musll", "help: the targets are"]);
    refused(&["--target", MUSL, "helo"], &["helo", "did you mean `hello`?"]);
    refused(&["--variant", "defualt"], &["no variant `defualt`", "did you mean `default`?"]);
    on_musl(
        "image.entrypoint=[\"/bin/hallo\"]",
        &["/bin/hallo is not in the image", "help: did you mean `/bin/hello`?"],
    );
    on_musl("image.entrypoint=[\"hello\"]", &["no absolute path"]);
    on_musl(
        "image.user=nobdy",
        &[
            "no user `nobdy`",
            "help: did you mean `nobody`? The users are `root`, `nobody` and `nonroot`; or write a number",
        ],
    );
    on_musl(
        "image.user=nonroot:nogroup",
        &["no group `nogroup`", "help: the groups are `root`, `nobody` and `nonroot`; or write a number"],
    );
    let on_scratch = ["--target", MUSL, "--set", "image.base=scratch", "--set"];
    refused(
        &[&on_scratch[..], &["image.user=nonroot"]].concat(),
        &["no user `nonroot`", "help: write the user's number, or use the base `static`"],
    );
    on_musl("image.compression=brotli", &["brotli", "gzip"]);
    on_musl(
        "image.files={ \"/x\" = \"nowhere\" }",
        &["/x is to be `nowhere` in the project, which is not there"],
    );
    on_musl(
        "image.files={ \"/bin/hello\" = \"src/main.rs\" }",
        &["two things want /bin/hello", "help: give one"],
    );
    on_musl(
        "image.files={ \"/x\" = \"src/main.rs\", \"//x\" = \"Cargo.toml\" }",
        &["two things want /x in the image", "help: give one"],
    );
    on_musl(
        "image.files={ \"/x\" = { from = \"src/main.rs\", owner = \"ghost\" } }",
        &["no user `ghost`", "or write a number"],
    );
    on_musl(
        "image.files={ \"/x\" = { output = \"helo\" } }",
        &["/x is to be the output `helo`, which is not there", "help: did you mean `hello`?"],
    );
    // Where images have other outputs, any of them is built.
    let with_output = "image.files={ \"/x\" = { output = \"hello\" } }";
    refused(
        &["--target", MUSL, "--set", with_output, "helo"],
        &["no program `helo` to make an image of", "help: did you mean `hello`?"],
    );
    refused(
        &["--target", MUSL, "--set", with_output, "--set", "images.greeter.bins=[\"helo\"]"],
        &["the image greeter wants the program `helo`", "help: did you mean `hello`?"],
    );
    refused(&["--target", MUSL, "-o", "tarball:x"], &["no place for an image", "oci-archive:FILE"]);

    // What is too much is named, the largest first.
    let data = "image.files={ \"/srv/data\" = \"data.txt\", \"/srv/empty\" = { folder = true } }";
    let said = refused(&[&on_scratch[..], &[data, "--set", "image.max-size=10KiB"]].concat(), &[]);
    let said = &said[said.find("error: ").unwrap()..];
    let whole = said.split(' ').nth(5).unwrap();
    let program = files(&layout, "linux/amd64")["bin/hello"].rsplit(' ').next().unwrap().to_owned();
    let said = said.replacen(whole, "[whole]", 1).replacen(&format!("{program:>12}"), "   [program]", 1);
    insta::assert_snapshot!(said, @r"
    error: the image hello is [whole] bytes large, and may be 10240. The largest files:
         [program]  /bin/hello
            300000  /srv/data
    help: raise `max-size`, or strip the program: `strip = true` in its profile
    ");

    // A folder with something else in it is left alone.
    let taken = project.folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("precious"), "mine").unwrap();
    let place = format!("oci:{}", taken.display());
    let ran = project.xbuild(&["image", "--target", MUSL, "-o", &place]).fails(1);
    assert!(ran.stderr.contains("it holds something else"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(taken.join("precious")).unwrap(), "mine");
    assert_eq!(index(), before);
}
