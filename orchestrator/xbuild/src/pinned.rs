//! What trees of toolchains are made of, for the records of runs: the names of components and the versions of their pins.

use std::collections::BTreeMap;

use xbuild_base::{Digest, Tree, Triple};
use xbuild_describe::{ComponentName, Pins, Toolchain, Toolchains};
use xbuild_fetch::is_stand_in;
use xbuild_fetch::toolchain::{Composer, Layers};
use xbuild_plan::reasons::{Component, Components};

/// What the trees of a toolchain's layers are.
pub(crate) fn layers(composer: &Composer<'_>, toolchain: &Toolchain, layers: &Layers) -> Components {
    let components = layers.components.iter().map(|(name, &tree)| {
        let versions = versions(composer.toolchains, name, composer.host);
        (tree, (component(name.as_str()), versions))
    });
    let archives = layers.archives.iter().map(|(name, &tree)| (tree, archive(toolchain, name)));
    let known = |(tree, (name, versions)): (Digest<Tree>, (String, BTreeMap<String, String>))| {
        let is_pending = is_stand_in(composer.fetcher.store(), tree);
        (tree, Component { name, versions, is_pending })
    };
    components.chain(archives).map(known).collect()
}

/// The versions of a component's packages, and of those of what it uses.
pub(crate) fn versions(
    toolchains: &Toolchains,
    component: &ComponentName,
    host: &Triple,
) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let mut open = vec![component];
    // It has been composed: it doesn't use itself.
    while let Some(name) = open.pop() {
        if let Ok(Pins { packages, wheels }) = toolchains.pins(name, host) {
            let wheels = wheels.iter().map(|wheel| (wheel.name.clone(), &wheel.version));
            versions.extend(wheels.map(|(name, version)| (name, version.clone())));
            for pin in packages {
                let is_other = versions.get(&pin.name).is_some_and(|version| *version != pin.version);
                let name =
                    if is_other { format!("{} ({})", pin.name, pin.architecture) } else { pin.name.clone() };
                versions.insert(name, pin.version.clone());
            }
        }
        open.extend(toolchains.components.get(name).into_iter().flat_map(|component| &component.uses));
    }
    versions
}

/// What a component is called.
pub(crate) fn component(name: &str) -> String {
    format!("component {name}")
}

/// What a target's standard library is called, whoever has built it.
pub(crate) fn std_of(target: &Triple) -> String {
    format!("std for {target}")
}

/// What an archive of an official distribution is called, and its version: as the component that has the same of another
/// distribution.
fn archive(
    toolchain: &Toolchain,
    (package, target): &(&'static str, Triple),
) -> (String, BTreeMap<String, String>) {
    let name = match *package {
        "rustc" => component("rust"),
        "rust-std" => std_of(target),
        package => component(package),
    };
    (name, [((*package).to_owned(), toolchain.channel())].into())
}

#[cfg(test)]
mod tests {
    use xbuild_describe::Source;

    use super::*;

    #[test]
    fn a_component_has_its_own_versions_and_those_of_what_it_is_made_with() {
        let pin = |name: &str, version: &str, arch: &str| {
            let sha256 = xbuild_base::Sha256::of(version.as_bytes()).to_hex();
            format!(
                "{{ name = \"{name}\", version = \"{version}\", arch = \"{arch}\", suite = \"sid\", path = \"pool/{name}.deb\", size = 1, \
                 sha256 = \"{sha256}\" }}"
            )
        };
        let text = format!(
            "format = 1\ndefault = \"1.96.1\"\n[suites]\nsid = {{ archive = \"debian\" }}\n\
             [toolchain.\"1.96.1\"]\ndistribution = \"debian\"\nrust = [\"clang\"]\n\
             [component.clang]\nsuites = [\"sid\"]\narch = \"amd64\"\nroots = [\"clang\"]\n\
             [component.musl]\nsuites = [\"sid\"]\narch = \"all\"\nroots = [\"musl-dev\"]\nuses = [\"clang\"]\n\
             [pins.any.clang]\npackages = [{}, {}]\n[pins.any.musl]\npackages = [{}]\n",
            pin("clang", "22", "amd64"),
            pin("libc6", "2.41", "amd64"),
            pin("libc6", "2.31", "arm64"),
        );
        let toolchains = Toolchains::read(Source::new("t.toml", text)).unwrap();
        let host: Triple = "x86_64-unknown-linux-gnu".parse().unwrap();
        let versions: Vec<String> = versions(&toolchains, &"musl".parse().unwrap(), &host)
            .into_iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        assert_eq!(versions, ["clang 22", "libc6 2.31", "libc6 (amd64) 2.41"]);
    }
}
