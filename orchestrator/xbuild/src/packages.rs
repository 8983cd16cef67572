//! Debian packages that recipes name: pinned in `xbuild.lock`, resolved where they have no pin yet, and moved by
//! `xbuild update`.

mod grounds;
mod moved;

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::{Digest, Hasher, Sha256, Tree};
use xbuild_describe::{ComponentName, Develop, Natives, PackagePin, suggest_or};
use xbuild_fetch::debian::{DebianError, IndexSource, Query};
use xbuild_fetch::toolchain::{Taken, add_packages, package_pins};
use xbuild_fetch::{FetchError, is_stand_in};
use xbuild_plan::reasons::Component;

use crate::cli::Global;
use crate::description::Described;
use crate::error::{XbuildError, counted};
use crate::lock::{Lock, PackageSet, PackageSets, Purpose};
use crate::pinned;
use crate::session::{Fetching, Session};
use crate::ui::Ui;
use crate::work::Work;

pub(crate) use grounds::Grounds;
pub(crate) use moved::update;

/// The recipes, steps and shells that name a tool or a package, as they are written.
pub(crate) fn named_by(described: &Described, package: &str) -> String {
    let names = |natives: &Natives| -> Vec<String> {
        let tables = std::iter::once(&natives.common).chain(natives.by_target.iter().map(|(_, table)| table));
        let named = tables.flatten().filter(|(_, native)| {
            [&native.tools, &native.packages].into_iter().flatten().any(|list| list.contains(package))
        });
        named.map(|(name, _)| format!("native.{name}")).collect()
    };
    let description = &described.description;
    let variants = description.variants.values().map(|build| &build.natives);
    let all = [&description.natives, &described.recipes].into_iter().chain(variants).flat_map(names);
    let steps = description.steps.steps.iter().filter(|(_, step)| step.tools.contains(package));
    let Develop { common, named } = &description.develop;
    let shells = named.iter().map(|(name, shell)| (format!("develop.{name}"), shell));
    let shells = std::iter::once(("develop".to_owned(), common)).chain(shells);
    let shells = shells.filter(|(_, shell)| shell.tools.contains(package)).map(|(name, _)| name);
    let all = all.chain(steps.map(|(name, _)| format!("step.{name}"))).chain(shells);
    all.collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// Whether a recipe, a step or a shell may still ask for it.
fn is_named(described: &Described, set: &PackageSet) -> bool {
    let is_known = set.suites.iter().all(|suite| described.toolchains.suites.contains_key(suite));
    is_known && set.roots.iter().all(|root| !named_by(described, root).is_empty())
}

/// Pins what is asked for and has no pin yet, and writes the lock. When `is_dry`, it is only told where that is refused.
pub(crate) fn pin_missing(
    (global, session, ui): (&Global, &Session, &Ui),
    grounds: Grounds<'_>,
    lock: &mut Lock,
    asked: &BTreeSet<PackageSet>,
    is_dry: bool,
) -> Result<(), XbuildError> {
    let Some(missing) = asked.iter().find(|set| !lock.packages.contains_key(set)) else { return Ok(()) };
    if let Some(help) = grounds.described.refuses_pins(global, "their versions")? {
        return Err(XbuildError::user(format!("{missing} has no pin in xbuild.lock"), help));
    }
    if is_dry {
        return Ok(());
    }
    let fetching = Fetching::new(session, global, ui)?;
    let fetcher = fetching.fetcher();
    let indexes = fetching.indexes(&fetcher, &grounds.described.toolchains)?;
    let before = lock.clone();
    pin(&mut lock.packages, asked, grounds, &Choice::of_all(&indexes))?;
    fetching.display.finish();
    tell(&before.packages, &lock.packages, ui);
    grounds.described.write_lock(lock, &before)
}

/// What there is to choose from.
struct Choice<'c> {
    source: &'c dyn IndexSource,
    /// Files that are not taken.
    young: &'c BTreeSet<Sha256>,
    /// What stays where nothing else is left.
    before: &'c PackageSets,
}

impl<'c> Choice<'c> {
    /// All that the indexes have.
    fn of_all(source: &'c dyn IndexSource) -> Self {
        Self { source, young: const { &BTreeSet::new() }, before: const { &PackageSets::new() } }
    }
}

/// Resolves what is asked for and has no pin. What may lie in one sandbox with it is resolved anew where it has
/// another version of a package.
fn pin(
    sets: &mut PackageSets,
    asked: &BTreeSet<PackageSet>,
    grounds: Grounds<'_>,
    choice: &Choice<'_>,
) -> Result<(), XbuildError> {
    let mut todo: Vec<PackageSet> = asked.iter().filter(|set| !sets.contains_key(set)).cloned().collect();
    let mut fresh: BTreeSet<PackageSet> = BTreeSet::new();
    while !todo.is_empty() {
        for set in todo {
            let pins = match resolve(&set, &grounds.without(&set), grounds.described, choice) {
                // What is old enough is not enough, or not there at all.
                Err(error @ XbuildError::User { .. }) => choice.before.get(&set).cloned().ok_or(error)?,
                resolved => resolved?,
            };
            sets.insert(set.clone(), pins);
            fresh.insert(set);
        }
        let is_stale = |set: &&PackageSet| {
            let mut others = fresh.iter().filter(|other| other.is_beside(set));
            !fresh.contains(*set) && others.any(|other| !agree(&sets[*set], &sets[other]))
        };
        todo = sets.keys().filter(is_stale).cloned().collect();
        // What no recipe names any more is not worth a failure: it goes, unless it may be another project's.
        for unnamed in todo.extract_if(.., |set| !is_named(grounds.described, set)) {
            if !grounds.described.shares_lock() {
                sets.remove(&unnamed);
            }
        }
    }
    Ok(())
}

/// Whether what both have is the same.
fn agree(one: &[PackagePin], other: &[PackagePin]) -> bool {
    let key = |pin: &PackagePin| (pin.name.clone(), pin.architecture.clone());
    let one: BTreeMap<_, Sha256> = one.iter().map(|pin| (key(pin), pin.sha256)).collect();
    other.iter().all(|pin| one.get(&key(pin)).is_none_or(|sha256| *sha256 == pin.sha256))
}

fn resolve(
    set: &PackageSet,
    without: &BTreeSet<String>,
    described: &Described,
    choice: &Choice<'_>,
) -> Result<Vec<PackagePin>, XbuildError> {
    let roots: Vec<String> = set.roots.iter().cloned().collect();
    let query = Query {
        component: &component(set),
        suites: &set.suites,
        arch: &set.architecture,
        roots: &roots,
        without,
        except: choice.young,
    };
    package_pins(&query, choice.source).map_err(|error| match error {
        FetchError::Debian(DebianError::NoPackage { package, arch, suites, near, .. }) => {
            let recipe = named_by(described, &package);
            let (what, components) = match set.purpose {
                Purpose::Tools => {
                    let what = format!(
                        "{recipe} tools: `{package}` is no component of toolchains.toml, and Debian has no such \
                         package for {arch} in {suites}"
                    );
                    (what, Some(described.toolchains.components.keys().map(ComponentName::as_str)))
                }
                Purpose::Libraries => {
                    let what =
                        format!("{recipe} packages: Debian has no package `{package}` for {arch} in {suites}");
                    (what, None)
                }
            };
            let known = near.as_deref().into_iter().chain(components.into_iter().flatten());
            let help = "correct the name; a glibc floor decides which suite is looked in";
            XbuildError::user(what, suggest_or(&package, known, help))
        }
        FetchError::Debian(DebianError::Unsatisfied { package, needs, arch, suites, .. }) => XbuildError::user(
            format!("{set}: {package} needs {needs}, which is not for {arch} in {suites}"),
            "name another package in its place",
        ),
        error => error.into(),
    })
}

/// What the packages are called where components are told of.
fn component(set: &PackageSet) -> String {
    let PackageSet { purpose, architecture, suites, roots } = set;
    let purpose = match purpose {
        Purpose::Libraries => "libraries",
        Purpose::Tools => "tools",
    };
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    format!("{purpose}-{architecture}-{}-{}", suites.join("-"), roots.join("+"))
}

/// Says what is different.
fn tell(before: &PackageSets, after: &PackageSets, ui: &Ui) {
    for (what, text) in differences(before, after) {
        ui.status(what, text);
    }
}

fn differences(before: &PackageSets, after: &PackageSets) -> Vec<(&'static str, String)> {
    let mut said = Vec::new();
    for (set, pins) in after {
        let Some(old) = before.get(set) else {
            said.push(("Pinned", format!("{set}: {}", counted(pins.len(), "package"))));
            continue;
        };
        let old: BTreeMap<&str, &PackagePin> = old.iter().map(|pin| (pin.name.as_str(), pin)).collect();
        let new: BTreeMap<&str, &PackagePin> = pins.iter().map(|pin| (pin.name.as_str(), pin)).collect();
        for name in old.keys().chain(new.keys()).copied().collect::<BTreeSet<&str>>() {
            let change = match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) if old == new => continue,
                (Some(old), Some(new)) => format!("{} → {}", old.version, new.version),
                (None, Some(new)) => format!("{} (new)", new.version),
                (Some(old), None) => format!("{} (not needed any more)", old.version),
                (None, None) => continue,
            };
            said.push(("Moved", format!("{set}: {name} {change}")));
        }
    }
    for set in before.keys().filter(|set| !after.contains_key(set)) {
        said.push(("Dropped", format!("{set}: no recipe asks for it")));
    }
    said
}

/// A key with what is pinned of packages.
pub(crate) fn fingerprint(key: Sha256, packages: &PackageSets) -> Sha256 {
    if packages.is_empty() {
        return key;
    }
    let mut fingerprint = Hasher::default();
    fingerprint.update(format!("{key}\n").as_bytes());
    for (set, pins) in packages {
        fingerprint.update(format!("{}\n", component(set)).as_bytes());
        for pin in pins {
            fingerprint.update(format!("{}\n", pin.sha256).as_bytes());
        }
    }
    fingerprint.sha256()
}

/// The trees of pinned packages, from the root as the packages have it; fetched where they must be.
pub(crate) fn trees(
    work: &Work<'_>,
    described: &Described,
    sets: &BTreeSet<PackageSet>,
    pinned: &PackageSets,
) -> Result<BTreeMap<PackageSet, Digest<Tree>>, XbuildError> {
    let mut toolchains = described.toolchains.clone();
    let mut names = BTreeMap::new();
    for set in sets {
        let taken = match set.purpose {
            Purpose::Libraries => Taken::Libraries,
            Purpose::Tools => Taken::Programs,
        };
        let pins = pinned.get(set).cloned().unwrap_or_default();
        let name = add_packages(&mut toolchains, &component(set), taken, pins)
            .map_err(|error| XbuildError::user(format!("{set}: {error}"), "correct the names in [native]"))?;
        names.insert(set.clone(), name);
    }
    let trees = work.trees(&toolchains, names.values())?;
    let mut found = BTreeMap::new();
    for (set, name) in names {
        let Some(&tree) = trees.get(&name) else { continue };
        let component = Component {
            name: set.to_string(),
            versions: pinned::versions(&toolchains, &name, work.host()),
            is_pending: is_stand_in(work.content(), tree),
        };
        work.note(tree, component);
        found.insert(set, tree);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use clap::Parser as _;
    use xbuild_base::Triple;
    use xbuild_describe::VariantName;
    use xbuild_fetch::debian::Index;

    use super::*;
    use crate::cli::Cli;

    /// A suite: each package with its version and what it depends on.
    struct Suite(Vec<(&'static str, &'static str, &'static str)>);

    impl IndexSource for Suite {
        fn index(&self, suite: &str, arch: &str) -> Result<Rc<Index>, FetchError> {
            let stanza = |(name, version, depends): &(&str, &str, &str)| {
                let sha256 = Sha256::of(format!("{name} {version}").as_bytes()).to_hex();
                let depends =
                    if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
                format!(
                    "Package: {name}\nVersion: {version}\nArchitecture: {arch}\nFilename: pool/{name}.deb\nSize: 7\n\
                     SHA256: {sha256}\n{depends}\n"
                )
            };
            let text: String = self.0.iter().map(stanza).collect();
            Ok(Rc::new(Index::read(suite, arch, text.as_bytes()).unwrap()))
        }
    }

    const OLD: [(&str, &str, &str); 5] = [
        ("zlib1g", "1.0", "libc6"),
        ("zlib1g-dev", "1.0", "zlib1g (= 1.0)"),
        ("libpng-dev", "3", "zlib1g-dev, libc6-dev | libc-dev"),
        ("libbz2-dev", "5", "libc6-dev"),
        ("hello", "2", "libc6, zlib1g"),
    ];

    fn newer() -> Suite {
        let mut suite = OLD.to_vec();
        suite[0] = ("zlib1g", "1.1", "libc6");
        suite[1] = ("zlib1g-dev", "1.1", "zlib1g (= 1.1)");
        Suite(suite)
    }

    /// A project of which nothing but `xbuild.toml` counts.
    fn described(text: &str) -> Described {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("Cargo.toml"), "[workspace]\n").unwrap();
        fs_err::write(folder.path().join("xbuild.toml"), text).unwrap();
        let project = folder.path().display().to_string();
        Described::read(&Cli::parse_from(["xbuild", "build", "--project", &project]).global).unwrap()
    }

    fn toolchain(described: &Described) -> &xbuild_describe::Toolchain {
        described.toolchain(&VariantName::default()).unwrap()
    }

    fn roots(roots: &[&str]) -> BTreeSet<String> {
        roots.iter().map(|&root| root.to_owned()).collect()
    }

    fn names(pins: &[PackagePin]) -> Vec<String> {
        pins.iter().map(|pin| format!("{} {}", pin.name, pin.version)).collect()
    }

    #[test]
    fn suites_are_those_of_the_glibc_floor_and_the_sysroot_s_packages_are_left_out() {
        let described = described("");
        let host: Triple = "x86_64-unknown-linux-gnu".parse().unwrap();
        let grounds = Grounds::new(&described, toolchain(&described), &host).unwrap();
        let spec = |triple: &str| described.targets.get(&triple.parse().unwrap()).unwrap();
        let arm = spec("armv7-unknown-linux-gnueabihf");
        let set = |glibc: Option<&str>| {
            let glibc = glibc.map(|glibc| glibc.parse().unwrap());
            grounds.libraries(arm, glibc, roots(&["zlib1g-dev"])).unwrap()
        };
        assert_eq!(set(None).to_string(), "zlib1g-dev (armhf, bullseye)");
        assert_eq!(set(Some("2.41")).to_string(), "zlib1g-dev (armhf, trixie)");
        assert_eq!(grounds.libraries(spec("x86_64-unknown-linux-musl"), None, roots(&["zlib1g-dev"])), None);
        let tools = grounds.tools(roots(&["hello"]));
        assert_eq!(tools.to_string(), "hello (amd64, trixie)");

        let mut sets = PackageSets::new();
        let asked = [set(None), tools.clone()].into();
        pin(&mut sets, &asked, grounds, &Choice::of_all(&Suite(OLD.to_vec()))).unwrap();
        assert_eq!(names(&sets[&set(None)]), ["zlib1g 1.0", "zlib1g-dev 1.0"]);
        assert_eq!(names(&sets[&tools]), ["hello 2"], "the host's root has zlib");
    }

    #[test]
    fn pins_stay_as_they_are_unless_something_new_can_t_lie_beside_them() {
        let named = described("[native.foo]\npackages = [\"zlib1g-dev\"]\n");
        let host: Triple = "x86_64-unknown-linux-gnu".parse().unwrap();
        let grounds = Grounds::new(&named, toolchain(&named), &host).unwrap();
        let arm64 = named.targets.get(&"aarch64-unknown-linux-gnu".parse().unwrap()).unwrap();
        let set = |names: &[&str]| grounds.libraries(arm64, None, roots(names)).unwrap();
        let (zlib, bzip, png) = (set(&["zlib1g-dev"]), set(&["libbz2-dev"]), set(&["libpng-dev"]));
        let mut sets = PackageSets::new();
        pin(&mut sets, &[zlib.clone()].into(), grounds, &Choice::of_all(&Suite(OLD.to_vec()))).unwrap();
        let first = sets.clone();

        pin(&mut sets, &[zlib.clone(), bzip.clone()].into(), grounds, &Choice::of_all(&newer())).unwrap();
        assert_eq!(sets[&zlib], first[&zlib]);
        assert_eq!(
            differences(&first, &sets),
            [("Pinned", "libbz2-dev (arm64, bullseye): 1 package".to_owned())]
        );

        let before = sets.clone();
        pin(&mut sets, &[png.clone()].into(), grounds, &Choice::of_all(&newer())).unwrap();
        assert_eq!(names(&sets[&zlib]), ["zlib1g 1.1", "zlib1g-dev 1.1"]);
        let said: Vec<String> =
            differences(&before, &sets).into_iter().map(|(what, text)| format!("{what} {text}")).collect();
        assert_eq!(
            said,
            [
                "Pinned libpng-dev (arm64, bullseye): 3 packages",
                "Moved zlib1g-dev (arm64, bullseye): zlib1g 1.0 → 1.1",
                "Moved zlib1g-dev (arm64, bullseye): zlib1g-dev 1.0 → 1.1",
            ]
        );
        let key = Sha256::of(b"");
        assert_ne!(fingerprint(key, &before), fingerprint(key, &sets));
        assert_eq!(fingerprint(key, &PackageSets::new()), key);

        // One that no recipe names any more goes: it may not even be there any more.
        let unnamed = described("");
        let mut sets = first.clone();
        pin(
            &mut sets,
            &[png.clone()].into(),
            Grounds::new(&unnamed, toolchain(&unnamed), &host).unwrap(),
            &Choice::of_all(&newer()),
        )
        .unwrap();
        assert_eq!(sets.into_keys().collect::<Vec<_>>(), std::slice::from_ref(&png));

        // Unless it may be another project's, which has its pins in the same lock.
        let with_inputs = described("[inputs.other]\npath = \"../other\"\n");
        let mut sets = first.clone();
        let grounds = Grounds::new(&with_inputs, toolchain(&with_inputs), &host).unwrap();
        pin(&mut sets, &[png.clone()].into(), grounds, &Choice::of_all(&newer())).unwrap();
        assert_eq!(sets[&zlib], first[&zlib]);
        assert!(sets.contains_key(&png));
    }

    #[test]
    fn tools_of_a_named_shell_are_pinned_as_any_and_told_with_it() {
        let described =
            described("[develop]\ntools = [\"hello\"]\n[develop.docs]\ntools = [\"hello\", \"hugoo\"]\n");
        let host: Triple = "x86_64-unknown-linux-gnu".parse().unwrap();
        let grounds = Grounds::new(&described, toolchain(&described), &host).unwrap();
        assert_eq!(named_by(&described, "hello"), "develop, develop.docs");
        let (every, docs) = (grounds.tools(roots(&["hello"])), grounds.tools(roots(&["hello", "hugoo"])));
        assert!(is_named(&described, &every) && is_named(&described, &docs));
        assert!(!is_named(&described, &grounds.tools(roots(&["hello", "hugo"]))));
        // Of another shell's nothing is asked.
        let suite = Suite(OLD.to_vec());
        let mut sets = PackageSets::new();
        pin(&mut sets, &[every.clone()].into(), grounds, &Choice::of_all(&suite)).unwrap();
        assert_eq!(sets.keys().collect::<Vec<_>>(), [&every]);
        let error = pin(&mut sets, &[docs].into(), grounds, &Choice::of_all(&suite)).unwrap_err();
        assert!(error.to_string().starts_with("develop.docs tools: `hugoo` is no component"), "{error}");
    }

    #[test]
    fn a_package_that_is_not_there_is_told_with_its_recipe() {
        let described = described("[native.foo]\ntools = [\"protocc\"]\npackages = [\"libfoo-dev\"]\n");
        let host: Triple = "x86_64-unknown-linux-gnu".parse().unwrap();
        let grounds = Grounds::new(&described, toolchain(&described), &host).unwrap();
        let refused = |set: PackageSet| {
            pin(&mut PackageSets::new(), &[set].into(), grounds, &Choice::of_all(&Suite(OLD.to_vec())))
                .unwrap_err()
        };
        let said = |set: PackageSet| refused(set).to_string();
        assert_eq!(
            said(grounds.tools(roots(&["protocc"]))),
            "native.foo tools: `protocc` is no component of toolchains.toml, and Debian has no such package for amd64 in trixie"
        );
        assert_eq!(
            said(grounds.host_libraries(roots(&["libfoo-dev"]))),
            "native.foo packages: Debian has no package `libfoo-dev` for amd64 in trixie"
        );
        let help = |set: PackageSet| refused(set).help().unwrap();
        let otherwise = "correct the name; a glibc floor decides which suite is looked in";
        for (set, near) in [
            (grounds.tools(roots(&["protocc"])), "did you mean `protoc`? Else "),
            (grounds.tools(roots(&["helo"])), "did you mean `hello`? Else "),
            (grounds.host_libraries(roots(&["zlib1-dev"])), "did you mean `zlib1g-dev`? Else "),
            // The table of components is no library's.
            (grounds.host_libraries(roots(&["protocc"])), ""),
        ] {
            assert_eq!(help(set), format!("{near}{otherwise}"));
        }
    }
}
