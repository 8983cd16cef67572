//! The data that is built into the binary is read without a problem, and fits together.

mod support;

use xbuild_base::Triple;
use xbuild_describe::{Architecture, Description, FIRST_CLASS_TARGETS, Source, Std, Unify};

const HOSTS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

#[test]
fn every_component_that_a_first_class_target_needs_is_pinned() {
    let (toolchains, targets) = support::shipped();
    let toolchain = &toolchains.toolchains[&toolchains.default];
    for host in HOSTS {
        let host: Triple = host.parse().unwrap();
        for triple in FIRST_CLASS_TARGETS {
            let spec = targets.get(&triple.parse().unwrap()).unwrap_or_else(|| panic!("no target {triple}"));
            let mut needed: Vec<_> = toolchain.rust.iter().chain(spec.sysroot(None)).collect();
            match &spec.std {
                Std::Prebuilt(component) => needed.push(component),
                Std::Source => needed.push(toolchain.source.as_ref().unwrap()),
            }
            for name in needed {
                let component = toolchains.component(name.as_str()).unwrap();
                if !component.roots.is_empty() || component.wheel.is_some() {
                    let pins = toolchains.pins(name, &host).unwrap_or_else(|problem| panic!("{problem}"));
                    assert!(!pins.packages.is_empty() || !pins.wheels.is_empty(), "{name}");
                }
            }
        }
    }
}

#[test]
fn pins_are_where_their_component_says() {
    let (toolchains, _) = support::shipped();
    for (host, pins) in &toolchains.pins {
        for name in pins.keys() {
            let component = &toolchains.components[name];
            let any = *host == xbuild_describe::PinHost::Any;
            assert_eq!(any, component.architecture != Architecture::Host, "{name} for {host:?}");
        }
    }
}

#[test]
fn a_target_has_a_sysroot_for_each_glibc_that_it_offers() {
    let (_, targets) = support::shipped();
    for spec in targets.iter() {
        if let Some(choice) = &spec.glibc {
            for glibc in choice.sysroots.keys() {
                assert!(!spec.sysroot(Some(*glibc)).is_empty(), "{} {glibc}", spec.triple);
            }
        } else {
            assert!(!spec.components.is_empty(), "{}", spec.triple);
        }
    }
}

#[test]
fn the_example_and_a_project_without_a_file_are_read() {
    let (_, targets) = support::shipped();
    let path = support::repository().join("examples/rust-app/xbuild.toml");
    let example = Description::read([support::source(&path)], &[], &targets).unwrap();
    let build = example.variants.values().next().unwrap();
    assert_eq!(build.packages, Some(["foo".to_owned(), "bar".to_owned()].into()));
    assert_eq!(build.unify, Unify::Package);

    let defaults = Description::read([], &[], &targets).unwrap();
    let build = &defaults.variants["default"];
    assert_eq!(build.targets.iter().map(Triple::as_str).collect::<Vec<_>>(), FIRST_CLASS_TARGETS);
    assert_eq!((build.profile.as_str(), &build.packages, build.unify), ("release", &None, Unify::Workspace));
    let empty = Description::read([Source::new("xbuild.toml", "")], &[], &targets).unwrap();
    assert_eq!(empty, defaults);
}
