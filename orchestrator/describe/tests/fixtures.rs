//! Each fixture is a text that somebody might write; its snapshot is what he gets to see.

mod support;

use std::fmt::Debug;

use xbuild_describe::{
    AskedTask, Problems, RustToolchain, Source, TargetSpec, TaskKind, Toolchains, evaluate,
};

fn rendered<T: Debug>(result: Result<T, Problems>) -> String {
    match result {
        Ok(value) => format!("{value:#?}"),
        Err(problems) => support::show(&problems),
    }
}

macro_rules! snapshots {
    ($glob:literal, $show:expr) => {
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| insta::glob!($glob, |path| insta::assert_snapshot!($show(path))));
    };
}

#[test]
fn descriptions() {
    let (_, targets) = support::data();
    snapshots!("fixtures/description/*.toml", |path| rendered(support::describe(path, &targets)));
}

#[test]
fn toolchains() {
    snapshots!("fixtures/toolchains/*.toml", |path| rendered(Toolchains::read(support::source(path))));
}

#[test]
fn targets() {
    let (toolchains, _) = support::data();
    snapshots!("fixtures/target/*.toml", |path| {
        let triple = "riscv64gc-unknown-linux-gnu".parse().unwrap();
        rendered(TargetSpec::read(triple, support::source(path), &toolchains))
    });
}

/// A fixture whose name starts with `legacy` is read as `rust-toolchain`.
#[test]
fn rust_toolchain_files() {
    snapshots!("fixtures/rust-toolchain/*.toml", |path: &std::path::Path| {
        let legacy = path.file_name().unwrap().to_string_lossy().starts_with("legacy");
        let name = if legacy { "rust-toolchain" } else { "rust-toolchain.toml" };
        rendered(RustToolchain::read(Source::new(name, fs_err::read_to_string(path).unwrap())))
    });
}

/// Each line `# xbuild ARGUMENTS` of a fixture is a request of that description.
#[test]
fn requests() {
    let (_, targets) = support::data();
    let workspace = support::workspace();
    snapshots!("fixtures/request/*.toml", |path: &std::path::Path| {
        let description = support::describe(path, &targets).unwrap();
        let text = fs_err::read_to_string(path).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("# xbuild"));
        let shown = lines.map(|line| {
            let asked = evaluate(&description, &workspace, &targets, &support::request(line));
            format!("$ xbuild{line}\n{}", graphs(asked))
        });
        shown.collect::<Vec<_>>().join("\n")
    });
}

/// A line for each graph and its outputs.
fn graphs(asked: Result<Vec<xbuild_describe::Asked>, Problems>) -> String {
    let asked = match asked {
        Ok(asked) => asked,
        Err(problems) => return support::show(&problems),
    };
    let line = |asked: &xbuild_describe::Asked| {
        let glibc = asked.glibc.map(|glibc| format!(" glibc {glibc}")).unwrap_or_default();
        let plan = &asked.plan;
        let words: Vec<String> = [("-p", &plan.packages), ("--features", &plan.features)]
            .iter()
            .flat_map(|(flag, names)| names.iter().map(move |name| format!("{flag} {name}")))
            .chain(plan.all_features.then(|| "--all-features".to_owned()))
            .chain((!plan.default_features).then(|| "--no-default-features".to_owned()))
            .chain((!plan.rustflags.is_empty()).then(|| format!("rustflags {}", plan.rustflags.join(" "))))
            .collect();
        let outputs: Vec<String> = asked
            .selected
            .iter()
            .map(|selected| {
                let named = if selected.named { " (named)" } else { "" };
                format!("{:?} {}{named}", selected.output.kind, selected.output.name)
            })
            .collect();
        let (variant, target, profile) = (&asked.variant, &asked.target, &plan.profile);
        let task = asked.task.iter().map(|AskedTask { packages, task }| {
            let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
            let kind = match task.kind {
                TaskKind::Test => "tests",
                TaskKind::Check => "check",
                TaskKind::Clippy => "clippy",
                TaskKind::Doc => "doc",
            };
            format!("{kind} {} of {}", task.options.join(" "), packages.join(", "))
        });
        let wanted: Vec<String> = outputs.into_iter().chain(task).collect();
        format!("{variant}/{target}{glibc}: {profile} {} → {}\n", words.join(" "), wanted.join(", "))
    };
    asked.iter().map(line).collect()
}
