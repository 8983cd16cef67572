//! The environment that cargo gives to rustc and to build scripts alike: `Compilation::fill_env`.
//!
//! | what | over |
//! |---|---|
//! | what cargo sets itself; what a build script sets for its package with `rustc-env` | all else |
//! | the description's variables of the package | those of its platform |
//! | the description's variables of the platform: the host, or the target | `[env]` of cargo's configuration |
//! | `[env]` of cargo's configuration, with `force` | what every process sees |
//! | what every process sees: PATH, HOME …; for build scripts the C tools | `[env]` without `force` |

use std::collections::BTreeMap;

use semver::Version;

use crate::context::{Context, Effects};
use crate::directive::directory_of;
use crate::error::Error;
use crate::layout;
use crate::package::Package;
use crate::platform::Flavour;
use crate::unit_graph::UnitIndex;

pub(crate) type Environment = BTreeMap<String, String>;

/// Variables that the description sets for units: it refuses those that cargo sets itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitVariables {
    /// Of all units for the host.
    pub host: BTreeMap<String, String>,
    /// Of all units for the target, and of build scripts that are run for it.
    pub target: BTreeMap<String, String>,
    /// Of the units of a package, by its name and version.
    pub packages: BTreeMap<(String, Version), BTreeMap<String, String>>,
}

/// Where a program finds dynamic libraries. The hosts that xbuild runs on are Linux.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

impl Context {
    /// What all processes of a unit see; `own` is what the caller has set already, which `[env]` of cargo's
    /// configuration does not override.
    pub(crate) fn fill_environment(
        &self,
        index: UnitIndex,
        base: Environment,
        mut own: Environment,
        library_path: &[&str],
    ) -> Environment {
        let package = self.package(index);
        own.insert(
            LIBRARY_PATH.to_owned(),
            library_path
                .iter()
                .copied()
                .chain(base.get(LIBRARY_PATH).map(String::as_str))
                .filter(|path| !path.is_empty())
                .collect::<Vec<_>>()
                .join(":"),
        );
        own.insert("CARGO".to_owned(), self.toolchain.cargo.clone());
        own.extend(package_variables(package));
        let mut described = self.described_variables(index);
        described.retain(|name, _| !own.contains_key(name));
        for (name, variable) in self.toolchain.configuration.environment() {
            if !own.contains_key(name) && (variable.force || !base.contains_key(name)) {
                own.insert(name.clone(), variable.value.clone());
            }
        }
        if self.toolchain.flavour == Flavour::StandardLibrary {
            own.insert("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned());
        }
        own.extend(described);
        let mut environment = base;
        environment.extend(own);
        environment
    }

    /// What the description sets for a unit.
    fn described_variables(&self, index: UnitIndex) -> Environment {
        let UnitVariables { host, target, packages } = &self.toolchain.variables;
        let for_target = self.unit(index).platform.is_some();
        let mut variables = if for_target { target.clone() } else { host.clone() };
        let package = self.package(index);
        let of_package = packages.get(&(package.name.clone(), package.version.clone()));
        variables.extend(of_package.cloned().unwrap_or_default());
        variables
    }

    /// Cargo's `add_plugin_deps`: libraries that scripts have built for what runs on the host.
    pub(crate) fn add_plugin_paths(
        &self,
        index: UnitIndex,
        effects: &Effects,
        environment: &mut Environment,
    ) -> Result<(), Error> {
        let mut paths: Vec<String> = environment.get(LIBRARY_PATH).into_iter().cloned().collect();
        paths.extend(self.native_folders(self.plugin_scripts(index), effects)?);
        environment.insert(LIBRARY_PATH.to_owned(), paths.join(":"));
        Ok(())
    }

    /// The folders in which runs of build scripts have put libraries (`filter_dynamic_search_path`).
    pub(crate) fn native_folders<'r>(
        &self,
        runs: impl IntoIterator<Item = &'r UnitIndex>,
        effects: &Effects,
    ) -> Result<Vec<String>, Error> {
        let scripts = layout::absolute(layout::SCRIPTS);
        let mut folders = Vec::new();
        for &run in runs {
            let found = self.effects_of(run, effects)?.library_paths.iter();
            let found = found.map(|path| directory_of(path.as_str()));
            folders.extend(found.filter(|path| path.starts_with(&scripts)).map(str::to_owned));
        }
        Ok(folders)
    }
}

fn package_variables(package: &Package) -> Environment {
    let version = &package.version;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        ("CARGO_MANIFEST_DIR", package.root.in_sandbox()),
        ("CARGO_MANIFEST_PATH", package.manifest.in_sandbox()),
        ("CARGO_PKG_VERSION_MAJOR", version.major.to_string()),
        ("CARGO_PKG_VERSION_MINOR", version.minor.to_string()),
        ("CARGO_PKG_VERSION_PATCH", version.patch.to_string()),
        ("CARGO_PKG_VERSION_PRE", version.pre.as_str().to_owned()),
        ("CARGO_PKG_VERSION", version.to_string()),
        ("CARGO_PKG_NAME", package.name.clone()),
        ("CARGO_PKG_DESCRIPTION", text(&package.description)),
        ("CARGO_PKG_HOMEPAGE", text(&package.homepage)),
        ("CARGO_PKG_REPOSITORY", text(&package.repository)),
        ("CARGO_PKG_LICENSE", text(&package.license)),
        ("CARGO_PKG_LICENSE_FILE", text(&package.license_file)),
        ("CARGO_PKG_AUTHORS", package.authors.join(":")),
        ("CARGO_PKG_RUST_VERSION", text(&package.rust_version)),
        ("CARGO_PKG_README", text(&package.readme)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
