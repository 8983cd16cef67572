//! `xbuild dist`: archives that people unpack with their own tools, the same bytes each time.

mod common;

use std::process::Command;

use common::{Project, TARGETS, said};
use fs_err as fs;
use xbuild_output::section_sizes;

const MUSL: &str = TARGETS[0];
const WINDOWS: &str = TARGETS[2];

#[test]
fn programs_are_packed_for_each_target_with_what_people_look_for() {
    let project = Project::program("tool", "fn main() {\n    println!(\"packed\");\n}\n");
    project.write("README.md", "Read me.\n");
    project.write("LICENSE-MIT", "Do.\n");
    project.write("notes.txt", "Not for people.\n");
    let dist =
        |more: &[&str]| project.xbuild(&[&["dist", "--target", MUSL, "--target", WINDOWS], more].concat());
    dist(&[]).ok().says(&format!("tool-0.1.0-{MUSL}.tar.gz")).says(&format!("tool-0.1.0-{WINDOWS}.zip"));
    let folder = project.root.join("result/dist");
    let sums = || fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let first = sums();
    said(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&folder));

    let unpacked = project.folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let tar = folder.join(format!("tool-0.1.0-{MUSL}.tar.gz"));
    said(Command::new("tar").arg("-xzf").arg(tar).current_dir(&unpacked));
    let inside = unpacked.join(format!("tool-0.1.0-{MUSL}"));
    assert_eq!(said(&mut Command::new(inside.join("tool"))), "packed\n");
    let mut names: Vec<_> = fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["LICENSE-MIT", "README.md", "tool"]);

    dist(&[]).ok();
    assert_eq!(sums(), first, "the same bytes");

    // What the description says: names, files, and a variant beside the other.
    project.write("man/tool.1", ".TH tool 1\n");
    project.write(
        "xbuild.toml",
        "[dist]\nname = \"{package}_{target}\"\nfiles = [\"man/\", \"notes.txt\"]\n\n[variant.quick]\nprofile = \"dev\"\n",
    );
    let elsewhere = project.folder.path().join("else/where");
    let named = dist(&["--out-dir", elsewhere.to_str().unwrap(), "--message-format", "json"]).ok();
    let archives = named.json().into_iter().filter(|line| line["reason"] == "xbuild-archive").count();
    assert_eq!(archives, 4);
    let tar = elsewhere.join(format!("tool_{MUSL}-quick.tar.gz"));
    let listed = said(Command::new("tar").arg("-tzf").arg(tar));
    let folder = format!("tool_{MUSL}-quick");
    let expected = ["", "man/", "man/tool.1", "notes.txt", "tool"].map(|path| format!("{folder}/{path}\n"));
    assert_eq!(listed, expected.concat());
}

#[test]
fn programs_say_themselves_what_their_completions_and_pages_are() {
    let main = "fn main() {\n    let words: Vec<String> = std::env::args().skip(1).collect();\n    \
                match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {\n        \
                [\"completions\", shell] => println!(\"for {shell} on {}\", std::env::consts::OS),\n        \
                [\"--man\"] => println!(\".TH TOOL 1\"),\n        [\"--nothing\"] => {}\n        \
                _ => { eprintln!(\"what is {words:?}?\"); std::process::exit(2) }\n    }\n}\n";
    let project = Project::program("tool", main);
    project.write("README.md", "Read me.\n");
    let told = "completions = [\"tool\", \"completions\", \"{shell}\"]\nman = [\"tool\", \"--man\"]\n";
    let deb = "[dist.deb]\nmaintainer = \"A Name <a@example.org>\"\ndescription = \"A tool\"\n\
               targets = [\"*-linux-musl\"]\n";
    project.write("xbuild.toml", &format!("[dist]\n{told}\n{deb}"));
    let dist = || {
        let targets = TARGETS.map(|target| ["--target", target]).concat();
        project.xbuild(&[&["dist"], targets.as_slice()].concat())
    };
    dist().ok();
    let folder = project.root.join("result/dist");
    let unpacked = project.folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    for target in TARGETS {
        let name = format!("tool-0.1.0-{target}");
        let system = if target == WINDOWS { "windows" } else { "linux" };
        if target == WINDOWS {
            let archive = fs::File::open(folder.join(format!("{name}.zip"))).unwrap();
            zip::ZipArchive::new(archive).unwrap().extract(&unpacked).unwrap();
        } else {
            let archive = folder.join(format!("{name}.tar.gz"));
            said(Command::new("tar").arg("-xzf").arg(archive).current_dir(&unpacked));
        }
        let read = |path: &str| fs::read_to_string(unpacked.join(&name).join(path)).unwrap();
        for (file, shell) in [("tool.bash", "bash"), ("_tool", "zsh"), ("tool.fish", "fish")] {
            assert_eq!(
                read(&format!("completions/{file}")),
                format!("for {shell} on {system}\n"),
                "{target}"
            );
        }
        assert_eq!(read("man/tool.1"), ".TH TOOL 1\n");
        assert_eq!(read("README.md"), "Read me.\n");
    }
    let deb_of = folder.join("tool_0.1.0-1_amd64.deb");
    let listed = said(Command::new("dpkg-deb").arg("--contents").arg(deb_of));
    for place in ["man/man1/tool.1", "bash-completion/completions/tool", "zsh/vendor-completions/_tool"] {
        assert!(listed.contains(place), "{place}: {listed}");
    }

    for (wrong, said) in [
        (
            "man = [\"tol\", \"--man\"]\n",
            "[dist] man: no program is called `tol`\nhelp: did you mean `tool`?",
        ),
        ("man = [\"tool\", \"--nothing\"]\n", "`tool --nothing` has printed nothing"),
        ("man = [\"tool\", \"--mann\"]\n", "what is [\"--mann\"]?"),
        ("completions = [\"tool\", \"bash\"]\n", "it would print the same for each shell"),
        ("shells = [\"bush\"]\n", "no shell is called `bush`"),
        ("shells = [\"zhs\"]\n", "did you mean `zsh`?"),
    ] {
        project.write("xbuild.toml", &format!("[dist]\n{wrong}"));
        assert!(project.xbuild(&["dist", "--target", MUSL]).stderr.contains(said), "{wrong}");
    }
}

#[test]
fn debugging_information_is_packed_by_itself() {
    let project = Project::program("tool", "fn main() {\n    println!(\"packed\");\n}\n");
    let deb = "[dist.deb]\nmaintainer = \"A Name <a@example.org>\"\ndescription = \"A tool\"\n\
               targets = [\"*-linux-musl\"]\n";
    project.write("xbuild.toml", &format!("[dist]\nsplit-debuginfo = true\n\n{deb}"));
    let dist = || project.xbuild(&["dist", "--target", MUSL, "--target", WINDOWS]).ok();
    dist().says(&format!("tool for {MUSL} has no debugging information"));
    let folder = project.root.join("result/dist");
    let file = |name: &str| folder.join(name);
    assert!(!file(&format!("tool-0.1.0-{MUSL}-debuginfo.tar.gz")).exists());
    assert!(!file("tool-dbgsym_0.1.0-1_amd64.deb").exists());

    project.append("Cargo.toml", "\n[profile.release]\ndebug = 1\n");
    dist();
    let unpacked = project.folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    for (target, program) in [(MUSL, "tool"), (WINDOWS, "tool.exe")] {
        for part in ["", "-debuginfo"] {
            let archive = file(&format!("tool-0.1.0-{target}{part}")).display().to_string();
            if target == WINDOWS {
                let archive = fs::File::open(format!("{archive}.zip")).unwrap();
                zip::ZipArchive::new(archive).unwrap().extract(&unpacked).unwrap();
            } else {
                let mut tar = Command::new("tar");
                said(tar.arg("-xzf").arg(format!("{archive}.tar.gz")).current_dir(&unpacked));
            }
        }
        let read = |path: String| fs::read(unpacked.join(path)).unwrap();
        let stripped = read(format!("tool-0.1.0-{target}/{program}"));
        let debug = read(format!("tool-0.1.0-{target}-debuginfo/{program}.debug"));
        let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        let has_section =
            |bytes: &[u8]| section_sizes(bytes).into_iter().any(|(name, _)| name == ".debug_info");
        assert!(has_section(&debug) && !has_section(&stripped), "{target}");
        assert!(has(&stripped, &format!("{program}.debug")), "{target}: the program names the other file");
    }
    assert_eq!(said(&mut Command::new(unpacked.join(format!("tool-0.1.0-{MUSL}/tool")))), "packed\n");

    // For Debian, where debuggers look for it.
    let root = project.folder.path().join("root");
    for package in ["tool", "tool-dbgsym"] {
        let deb = file(&format!("{package}_0.1.0-1_amd64.deb"));
        said(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&root));
    }
    let same = |debian: &str, archive: &str| {
        assert_eq!(
            fs::read(root.join(debian)).unwrap(),
            fs::read(unpacked.join(archive)).unwrap(),
            "{debian}"
        );
    };
    same("usr/bin/tool", &format!("tool-0.1.0-{MUSL}/tool"));
    same("usr/lib/debug/usr/bin/tool.debug", &format!("tool-0.1.0-{MUSL}-debuginfo/tool.debug"));
    let deb = file("tool-dbgsym_0.1.0-1_amd64.deb");
    let field = |name: &str| said(Command::new("dpkg-deb").arg("--field").arg(&deb).arg(name));
    assert_eq!(field("Depends"), "tool (= 0.1.0-1)\n");
    assert_eq!(field("Section"), "debug\n");
}

#[test]
fn what_is_packed_with_overrides_takes_nobody_s_place() {
    let project = Project::program("tool", "fn main() {\n    println!(\"packed\");\n}\n");
    project.append("Cargo.toml", "\n[features]\nloud = []\n");
    let deb = "[dist.deb]\nmaintainer = \"A Name <a@example.org>\"\ndescription = \"A tool\"\n";
    project.write("xbuild.toml", deb);
    let dist = |more: &[&str]| {
        let ran = project.xbuild(&[&["dist", "--target", MUSL, "--message-format", "json"], more].concat());
        let archive = |line: serde_json::Value| {
            (line["path"].as_str()?.ends_with(".tar.gz") && line["reason"] == "xbuild-archive")
                .then_some(line)
        };
        ran.ok().json().into_iter().find_map(archive).unwrap()
    };
    let plain = dist(&[]);
    assert_eq!(plain["overrides"], serde_json::json!([]));
    let folder = project.root.join("result/dist");
    let name = format!("tool-0.1.0-{MUSL}");
    let files = [format!("{name}.tar.gz"), "tool_0.1.0-1_amd64.deb".to_owned()];
    let read = || files.each_ref().map(|file| fs::read(folder.join(file)).unwrap());
    let before = read();

    let quick = dist(&["--profile", "dev", "-F", "tool/loud"]);
    assert_eq!(quick["overrides"], serde_json::json!(["profile=dev", "features=tool/loud"]));
    assert_ne!(quick["sha256"], plain["sha256"]);
    let path = quick["path"].as_str().unwrap();
    let own = path.strip_prefix(&format!("{}/", folder.display())).unwrap();
    let own = own.strip_suffix(".tar.gz").unwrap();
    // The slash is no character of a file's name: a checksum stands for what it was.
    assert!(own.starts_with(&format!("{name}-default+profile=dev+features=tool_loud-")), "{own}");
    let listed = said(Command::new("tar").arg("-tzf").arg(path));
    assert_eq!(listed, ["", "tool"].map(|file| format!("{own}/{file}\n")).concat());
    assert!(read() == before, "the plain ones are there as they were");
    said(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&folder));
    // Debian has it as another variant, in whose name there is no `=`.
    dist(&["--profile", "dev"]);
    let deb = folder.join("tool-default+profile.dev_0.1.0-1_amd64.deb");
    let field = |name: &str| said(Command::new("dpkg-deb").arg("--field").arg(&deb).arg(name));
    assert_eq!(field("Package"), "tool-default+profile.dev\n");
    assert_eq!(field("Conflicts"), "tool\n");

    assert_eq!(dist(&[]), plain);
    assert!(read() == before);
}

#[test]
fn what_can_not_be_packed_is_said() {
    let project = Project::program("tool", "fn main() {}\n");
    project.write("xbuild.toml", "[dist]\nfiles = [\"LICENCE\"]\n");
    project.xbuild(&["dist", "--target", MUSL]).fails(1).says("[dist] files names `LICENCE`");
    project.write("xbuild.toml", "[dist]\nname = \"{package}-{tagret}\"\n");
    project.xbuild(&["dist"]).fails(1).says("nothing is called `{tagret}`").says("did you mean `target`?");
    project.write("xbuild.toml", "[dist]\nname = \"{package}\"\nfiles = [\"../up\"]\n");
    project
        .xbuild(&["dist"])
        .fails(1)
        .says("archives of several targets would have one name")
        .says("`dist.files[0]`");
}

/// What `dpkg` says of a package, and what it makes of it in a folder.
#[test]
fn debian_packages_are_what_dpkg_takes() {
    let project = Project::program("my_tool", "fn main() {\n    println!(\"packed\");\n}\n");
    for (path, text) in [("LICENSE", "Do.\n"), ("man/my_tool.1", ".TH my_tool 1\n"), ("my_tool.bash", "#\n")]
    {
        project.write(path, text);
    }
    let deb =
        "maintainer = \"A Name <a@example.org>\"\ndescription = \"\"\"A tool\n\nIt does things.\"\"\"\n";
    let files = "files = [\"LICENSE\", \"man/\", \"my_tool.bash\"]\n";
    project.write("xbuild.toml", &format!("[dist]\n{files}\n[dist.deb]\n{deb}"));
    let gnu = "x86_64-unknown-linux-gnu";
    let dist = |targets: &[&str]| {
        let targets: Vec<&str> = targets.iter().flat_map(|target| ["--target", target]).collect();
        project.xbuild(&[&["dist"], &targets[..]].concat())
    };
    dist(&[gnu, MUSL]).fails(1).says("several targets").says("my-tool_0.1.0-1_amd64.deb").says("targets = ");
    assert!(!project.root.join("result/dist").exists());
    dist(&[gnu, TARGETS[1], WINDOWS])
        .ok()
        .says("my-tool_0.1.0-1_amd64.deb")
        .says("my-tool_0.1.0-1_arm64.deb");
    let folder = project.root.join("result/dist");
    let packages = || {
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "deb")).collect();
        files.sort();
        files
    };
    let [amd64, _arm64] = packages().try_into().unwrap();
    let before = fs::read(&amd64).unwrap();
    let dpkg = |arguments: &[&str]| said(Command::new("dpkg-deb").args(arguments).arg(&amd64));
    let field = |name: &str| {
        said(Command::new("dpkg-deb").arg("--field").arg(&amd64).arg(name)).trim_end().to_owned()
    };
    assert_eq!((field("Package").as_str(), field("Version").as_str()), ("my-tool", "0.1.0-1"));
    assert!(field("Depends").starts_with("libc6 (>= 2."), "{}", field("Depends"));
    assert_eq!(field("Description"), "A tool\n .\n It does things.");
    let listed = dpkg(&["--contents"]);
    for (mode, path) in [
        ("-rwxr-xr-x 0/0", "./usr/bin/my_tool"),
        ("-rw-r--r-- 0/0", "./usr/share/man/man1/my_tool.1"),
        ("-rw-r--r-- 0/0", "./usr/share/bash-completion/completions/my_tool"),
        ("-rw-r--r-- 0/0", "./usr/share/doc/my-tool/LICENSE"),
    ] {
        let path = path.trim_start_matches("./");
        let is_there = |line: &str| line.starts_with(mode) && line.ends_with(path);
        assert!(listed.lines().any(is_there), "{path}: {listed}");
    }
    let unpacked = project.folder.path().join("root");
    said(Command::new("dpkg-deb").arg("--extract").arg(&amd64).arg(&unpacked));
    assert_eq!(said(&mut Command::new(unpacked.join("usr/bin/my_tool"))), "packed\n");

    dist(&[gnu]).ok();
    assert_eq!(fs::read(&amd64).unwrap(), before, "the same bytes");
    project.write("xbuild.toml", "[dist.deb]\nmaintainer = \"nobody\"\n");
    dist(&[gnu]).fails(1).says("this names nobody").says("description");
}
