//! Which toolchain is taken, and what is said where none is.

mod support;

use xbuild_describe::{Channel, Kind, RustToolchain, Source, ToolchainWish, Toolchains};

const DIGEST: &str = "967aa62605721081c3eb2a17650611a792aa802d76a6511d1840242623d204c9";

/// Debian's 1.96.0 and 1.96.1 (the default), and an official 1.95.0.
fn toolchains() -> Toolchains {
    let text = format!(
        r#"
        format = 1
        default = "1.96.1"
        [toolchain."1.96.0"]
        distribution = "debian"
        rust = []
        [toolchain."1.96.1"]
        distribution = "debian"
        rust = []
        [toolchain."1.95.0"]
        distribution = "official"
        rust = []
        archives.rustc.x86_64-unknown-linux-gnu = {{ path = "dist/rustc.tar.xz", sha256 = "{DIGEST}" }}
        archives.rust-src."*" = {{ path = "dist/rust-src.tar.xz", sha256 = "{DIGEST}" }}
        "#
    );
    Toolchains::read(Source::new("toolchains.toml", text)).unwrap()
}

fn wish(version: Option<&str>) -> ToolchainWish {
    ToolchainWish { version: version.map(|text| text.parse().unwrap()), ..ToolchainWish::default() }
}

fn file(channel: &str) -> RustToolchain {
    RustToolchain::read(Source::new("rust-toolchain.toml", format!("[toolchain]\nchannel = \"{channel}\"\n")))
        .unwrap()
}

fn version(wish: &ToolchainWish, file: Option<&RustToolchain>) -> String {
    toolchains().resolve(wish, file).unwrap().version.to_string()
}

#[test]
fn without_a_wish_it_is_the_default_and_stable_means_the_same() {
    assert_eq!(version(&wish(None), None), "1.96.1");
    assert_eq!(version(&wish(Some("stable")), None), "1.96.1");
    assert_eq!(version(&wish(None), Some(&file("stable"))), "1.96.1");
}

#[test]
fn a_minor_version_is_its_newest_pinned_release() {
    assert_eq!(version(&wish(None), Some(&file("1.96"))), "1.96.1");
    assert_eq!(version(&wish(None), Some(&file("1.96.0"))), "1.96.0");
    assert_eq!(version(&wish(Some("1.95")), None), "1.95.0");
}

#[test]
fn two_files_may_agree_and_the_more_exact_counts() {
    assert_eq!(version(&wish(Some("1.96")), Some(&file("1.96.0"))), "1.96.0");
    assert_eq!(version(&wish(Some("1.96.0")), Some(&file("1.96"))), "1.96.0");
    assert_eq!(version(&wish(Some("1.96.1")), Some(&file("stable"))), "1.96.1");
}

#[test]
fn a_nightly_is_taken_where_one_is_asked_for_and_nowhere_else() {
    let text = |version: &str| {
        format!(
            "[toolchain.\"{version}\"]\ndistribution = \"official\"\nrust = []\n\
             archives.rustc.x86_64-unknown-linux-gnu = {{ path = \"dist/rustc.tar.xz\", sha256 = \"{DIGEST}\" }}\n"
        )
    };
    let days = ["1.98.0-nightly.2026-01-30", "1.98.0-nightly.2026-01-31", "1.97.0-beta.2026-01-31"];
    let text = format!("format = 1\n{}", days.map(text).concat());
    let toolchains = toolchains().overlaid(Source::new(".xbuild/toolchains.toml", text)).unwrap();
    let found = |wish: &ToolchainWish, file: Option<&RustToolchain>| {
        toolchains.resolve(wish, file).map(|toolchain| toolchain.channel())
    };
    assert_eq!(found(&wish(Some("nightly-2026-01-30")), None).unwrap(), "nightly-2026-01-30");
    assert_eq!(found(&wish(None), Some(&file("nightly"))).unwrap(), "nightly-2026-01-31");
    assert_eq!(found(&wish(Some("beta")), Some(&file("beta-2026-01-31"))).unwrap(), "beta-2026-01-31");
    assert_eq!(
        found(&wish(Some("nightly-2026-01-30")), Some(&file("nightly"))).unwrap(),
        "nightly-2026-01-30"
    );
    assert_eq!(found(&wish(None), Some(&file("nightly-2026-02-01"))).unwrap_err().kind(), Kind::NotPinned);
    assert_eq!(found(&wish(Some("1.98")), None).unwrap_err().kind(), Kind::NotPinned, "it is no release");
    let official = Some(xbuild_describe::Distribution::Official);
    let official = ToolchainWish { distribution: official, ..wish(None) };
    assert_eq!(found(&official, None).unwrap(), "1.95.0", "the newest release");
}

#[test]
fn a_contradiction_names_both() {
    for (described, channel) in [("1.95.0", "1.96"), ("1.95.0", "stable"), ("1.96.1", "nightly")] {
        let problem = toolchains().resolve(&wish(Some(described)), Some(&file(channel))).unwrap_err();
        assert_eq!(problem.kind(), Kind::Contradiction);
        for word in ["rust-toolchain.toml", "xbuild.toml", described, channel] {
            assert!(problem.message().contains(word), "{}", problem.message());
        }
    }
}

#[test]
fn an_override_rules_over_the_toolchain_file() {
    let wish = ToolchainWish { version_rules: true, ..wish(Some("1.95.0")) };
    assert_eq!(version(&wish, Some(&file("nightly-2026-01-31"))), "1.95.0");
}

#[test]
fn a_distribution_without_a_version_is_its_newest() {
    let wish = ToolchainWish { distribution: Some(xbuild_describe::Distribution::Official), ..wish(None) };
    assert_eq!(version(&wish, None), "1.95.0");
    let toolchains = toolchains();
    let toolchain = toolchains.resolve(&wish, None).unwrap();
    let host = "x86_64-unknown-linux-gnu".parse().unwrap();
    assert!(toolchain.archive("rustc", &host).is_some());
    assert!(toolchain.archive("rustc", &"aarch64-unknown-linux-gnu".parse().unwrap()).is_none());
    assert!(toolchain.archive("rust-src", &host).is_some());
}

#[test]
fn what_is_not_pinned_names_the_commands_that_help() {
    let mut shown = Vec::new();
    let mut note = |wish: ToolchainWish, file: Option<RustToolchain>| {
        let problem = toolchains().resolve(&wish, file.as_ref()).unwrap_err();
        assert_eq!(problem.kind(), Kind::NotPinned);
        let help = problem.help_text().unwrap();
        assert!(help.contains("xbuild toolchain add") && help.contains("--set toolchain.version="), "{help}");
        shown.push(support::show(&problem));
    };
    note(wish(Some("1.90")), None);
    note(wish(Some("1.59.0")), None);
    note(wish(None), Some(file("1.97.2")));
    note(wish(None), Some(file("nightly")));
    note(
        ToolchainWish { distribution: Some(xbuild_describe::Distribution::Official), ..wish(Some("1.96.1")) },
        None,
    );
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_component_that_is_not_pinned_for_a_host_says_so_when_it_is_needed() {
    let (toolchains, _) = support::shipped();
    let name = "base".parse().unwrap();
    assert!(toolchains.pins(&name, &"x86_64-unknown-linux-gnu".parse().unwrap()).is_ok());
    let problem = toolchains.pins(&name, &"riscv64gc-unknown-linux-gnu".parse().unwrap()).unwrap_err();
    assert_eq!(problem.kind(), Kind::NotPinned);
    assert!(problem.message().contains("riscv64gc"));
}

#[test]
fn a_project_lays_its_own_toolchains_over_the_built_in_ones() {
    let (base, _) = support::shipped();
    let text = "format = 1\n[toolchain.\"1.97.0\"]\ndistribution = \"debian\"\nrust = [\"base\", \"mine\"]\n\
                [component.mine]\nsuites = [\"trixie\"]\narch = \"all\"\nroots = [\"rust-src\"]\n[pins.any.mine]\npackages = []\n";
    let merged = base.clone().overlaid(Source::new(".xbuild/toolchains.toml", text)).unwrap();
    assert_eq!(merged.default, base.default);
    assert_eq!(merged.toolchains.len(), base.toolchains.len() + 1);
    assert_eq!(merged.components.len(), base.components.len() + 1);
    let host = "x86_64-unknown-linux-gnu".parse().unwrap();
    let old = "base".parse().unwrap();
    assert_eq!(merged.pins(&old, &host), base.pins(&old, &host));
    let found = merged.resolve(&wish(Some("1.97")), None).unwrap();
    assert_eq!(found.version.to_string(), "1.97.0");
    assert!(Channel::Stable.to_string() == "stable");
    let slip =
        Source::new(".xbuild/toolchains.toml", format!("format = 1\ndefault = \"{}9\"\n", base.default));
    let slip = base.clone().overlaid(slip).unwrap_err();
    let meant = format!("did you mean `{}`?", base.default);
    assert!(slip.as_slice()[0].help_text().unwrap().starts_with(&meant), "{}", support::show(&slip));
    let alone = Toolchains::read(Source::new("toolchains.toml", text)).unwrap_err();
    assert!(alone.as_slice().iter().any(|problem| problem.kind() == Kind::UnknownName));
}
