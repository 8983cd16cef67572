//! What the tests of this crate share: the shipped data, a small workspace, and the rendering that people see.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};

use xbuild_describe::{
    Description, Member, Output, OutputKind, Override, Problems, Request, Source, TargetSpec, Targets, Task,
    TaskKind, Toolchains, Workspace,
};

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A file of the repository as a source.
pub fn source(path: &Path) -> Source {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    Source::new(name, fs_err::read_to_string(path).unwrap())
}

/// The shipped toolchains.toml and targets.
pub fn shipped() -> (Toolchains, Targets) {
    read(&repository())
}

/// A small toolchains.toml and five targets, for fixtures.
pub fn data() -> (Toolchains, Targets) {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"))
}

fn read(folder: &Path) -> (Toolchains, Targets) {
    let toolchains = Toolchains::read(source(&folder.join("toolchains.toml")))
        .unwrap_or_else(|error| panic!("{}", show(&error)));
    let read = |path: PathBuf| {
        let triple = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        TargetSpec::read(triple, source(&path), &toolchains)
            .unwrap_or_else(|error| panic!("{}", show(&error)))
    };
    let targets = fs_err::read_dir(folder.join("targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(read)
        .collect();
    (toolchains, targets)
}

/// The problems as a terminal without colours shows them.
pub fn show(problems: &dyn miette::Diagnostic) -> String {
    let theme = miette::GraphicalTheme::unicode_nocolor();
    let mut text = String::new();
    miette::GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .render_report(&mut text, problems)
        .unwrap();
    text
}

/// A workspace of two programs over a library, a library for C, and a tool that is no default member.
pub fn workspace() -> Workspace {
    let output = |package: &str, name: &str, kind, required: &[&str]| Output {
        package: package.to_owned(),
        name: name.to_owned(),
        kind,
        required_features: required.iter().map(|feature| (*feature).to_owned()).collect(),
    };
    let member = |outputs: Vec<Output>, features: &[&str], dependencies: &[&str]| Member {
        outputs: outputs.into_iter().collect(),
        features: features.iter().map(|name| (*name).to_owned()).collect(),
        dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
    };
    let members = [
        (
            "foo",
            member(
                vec![
                    output("foo", "foo", OutputKind::Bin, &[]),
                    output("foo", "foo-admin", OutputKind::Bin, &["admin"]),
                ],
                &["default", "admin", "color"],
                &["muffin", "clap"],
            ),
        ),
        ("bar", member(vec![output("bar", "bar", OutputKind::Bin, &[])], &["default", "color"], &["muffin"])),
        ("muffin", member(vec![], &["conflict-checker"], &["serde"])),
        (
            "ffi",
            member(
                vec![
                    output("ffi", "muffin_c", OutputKind::Cdylib, &[]),
                    output("ffi", "muffin_c", OutputKind::Staticlib, &[]),
                ],
                &[],
                &["muffin"],
            ),
        ),
        ("tool", member(vec![output("tool", "bar", OutputKind::Bin, &[])], &[], &[])),
    ];
    Workspace {
        members: members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect(),
        packages: [
            ("foo", &["0.1.0"][..]),
            ("bar", &["0.1.0"]),
            ("muffin", &["0.1.0"]),
            ("ffi", &["0.1.0"]),
            ("tool", &["0.1.0"]),
            ("clap", &["3.2.25", "4.5.40"]),
            ("serde", &["1.0.219"]),
        ]
        .map(|(name, versions)| {
            (name.to_owned(), versions.iter().map(|version| version.parse().unwrap()).collect())
        })
        .into(),
        profiles: ["dist-small"].map(str::to_owned).into(),
        default_members: ["foo", "bar", "muffin", "ffi"].map(str::to_owned).into(),
    }
}

/// The `--set` flags in a fixture's comments: `# --set KEY=VALUE`.
pub fn overrides(text: &str) -> Result<Vec<Override>, Problems> {
    let mut flags = Vec::new();
    for flag in text.lines().filter_map(|line| line.strip_prefix("# --set ")) {
        flags.push(Override::parse(flag)?);
    }
    Ok(flags)
}

/// Reads a fixture as xbuild.toml.
pub fn describe(path: &Path, targets: &Targets) -> Result<Description, Problems> {
    let text = fs_err::read_to_string(path).unwrap();
    let flags = overrides(&text)?;
    Description::read([Source::new("xbuild.toml", text)], &flags, targets)
}

/// A request from words as on the command line.
pub fn request(line: &str) -> Request {
    let mut request = Request::default();
    let mut words = line.split_whitespace().map(str::to_owned);
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("the flag has a value");
        match word.as_str() {
            "-p" => request.packages.push(value()),
            "--bin" => request.bins.push(value()),
            "--bins" => request.all_bins = true,
            "--target" => request.targets.push(value()),
            "--variant" => request.variants.push(value()),
            "--features" => request.features.push(value()),
            "--all-features" => request.all_features = true,
            "--no-default-features" => request.no_default_features = true,
            "--profile" => request.profile = Some(value()),
            "--lib" => request.task.as_mut().expect("a task comes first").options.push(word),
            "test" => request.task = Some(Task::new(TaskKind::Test)),
            "check" => request.task = Some(Task::new(TaskKind::Check)),
            "develop" => request.shell = true,
            "--glibc" => request.glibc = Some(value()),
            _ => request.outputs.push(word),
        }
    }
    request
}
