//! Debian packages beside the archives: the same files, where Debian has them.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::File;
use xbuild_base::{RelPath, Triple};
use xbuild_describe::{Deb, Glibc, name_matches};
use xbuild_output::debian::{Control, architecture, package_name, place_beside, version};
use xbuild_output::{Archive, Packing, prove_stored};
use xbuild_plan::places::place;
use xbuild_store::Disk;

use crate::composed::spec;
use crate::description::Described;
use crate::error::XbuildError;
use crate::proof;
use crate::ui::Ui;

/// Libraries of the GNU C library's own package: Debian's `libc6`.
const OF_LIBC: [&str; 9] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libanl.so.1",
    "libmvec.so.1",
];
/// Other libraries that programs of Rust's need, and the packages that have them wherever they can be installed.
const OF_OTHERS: [(&str, &str); 3] =
    [("libgcc_s.so.1", "libgcc-s1"), ("libstdc++.so.6", "libstdc++6"), ("libz.so.1", "zlib1g")];

/// Where debuggers look for what programs in `/usr/bin` name (GDB's manual, "Debugging Information in Separate Files").
const DEBUG: &str = "usr/lib/debug/usr/bin";

/// Of what an archive's programs are.
pub(super) struct Programs<'p> {
    pub(super) package: &'p str,
    pub(super) version: String,
    pub(super) target: &'p Triple,
    /// The variant's name, with overrides where there are some.
    pub(super) variant: String,
    pub(super) glibc: Option<Glibc>,
    /// Their files, by name.
    pub(super) files: BTreeMap<RelPath, File>,
    /// What was taken out of them for debuggers, by the names that they have for it.
    pub(super) debuginfo: BTreeMap<RelPath, File>,
}

impl Programs<'_> {
    /// What they are called, without an ending.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(stem)
    }

    /// The one of this name.
    pub(super) fn called(&self, name: &str) -> Option<(&RelPath, File)> {
        let mut files = self.files.iter().map(|(path, file)| (path, *file));
        files.find(|(path, _)| stem(path) == name)
    }
}

fn stem(path: &RelPath) -> &str {
    path.as_str().strip_suffix(".exe").unwrap_or(path.as_str())
}

/// The package of these programs, with what lies beside them, and that of what debuggers need; none where Debian has no
/// such architecture, or the description wants none for it.
pub(super) fn package(
    (described, deb): (&Described, &Deb),
    store: &Disk,
    programs: &Programs<'_>,
    beside: &BTreeMap<RelPath, File>,
    ui: &Ui,
) -> Result<Vec<Archive>, XbuildError> {
    let target = programs.target;
    let is_wanted =
        deb.targets.is_empty() || deb.targets.iter().any(|word| name_matches(word, target.as_str()));
    let Some(architecture) = architecture(target).filter(|_| is_wanted) else { return Ok(Vec::new()) };
    let own = package_name(programs.package);
    let (package, provides) = match programs.variant.as_str() {
        "default" => (own, None),
        variant => (format!("{own}-{}", package_name(variant)), Some(own)),
    };
    let mut files: BTreeMap<RelPath, File> = BTreeMap::new();
    for (path, file) in beside {
        files.insert(place(&place_beside(&package, path)), *file);
    }
    for (name, file) in &programs.files {
        files.insert(place("usr/bin").join(name), *file);
    }
    let mut depends = needed(described, store, programs, &deb.depends, ui)?;
    depends.extend(deb.depends.iter().cloned());
    let control = Control {
        package,
        version: version(&programs.version),
        architecture,
        maintainer: deb.maintainer.clone(),
        section: deb.section.clone(),
        depends,
        provides,
        description: deb.description.clone(),
    };
    let mut packages = Vec::new();
    if !programs.debuginfo.is_empty() {
        // Called as debhelper calls it.
        let control = Control {
            package: format!("{}-dbgsym", control.package),
            section: "debug".to_owned(),
            depends: vec![format!("{} (= {})", control.package, control.version)],
            provides: None,
            description: format!("Debugging information of {}", control.package),
            ..control.clone()
        };
        let below = |(name, file): (&RelPath, &File)| (place(DEBUG).join(name), *file);
        packages.push(archive(control, programs.debuginfo.iter().map(below).collect()));
    }
    packages.push(archive(control, files));
    Ok(packages)
}

fn archive(control: Control, files: BTreeMap<RelPath, File>) -> Archive {
    Archive { name: control.file_stem(), packing: Packing::Deb(Box::new(control)), files }
}

/// The packages that have the libraries that programs need, as far as they are known.
fn needed(
    described: &Described,
    store: &Disk,
    programs: &Programs<'_>,
    named: &[String],
    ui: &Ui,
) -> Result<Vec<String>, XbuildError> {
    let expectation = proof::expectation(spec(described, programs.target)?, programs.glibc);
    let (mut glibc, mut others, mut unknown) = (None, BTreeSet::new(), BTreeSet::new());
    for file in programs.files.values() {
        let proof = prove_stored(store, *file, &expectation)?;
        glibc = glibc.max(proof.glibc.map(|need| need.version));
        for library in proof.libraries {
            match OF_OTHERS.iter().find(|(name, _)| *name == library) {
                Some((_, package)) => drop(others.insert((*package).to_owned())),
                None if OF_LIBC.contains(&library.as_str()) || library.starts_with("ld-linux") => {}
                None => drop(unknown.insert(library)),
            }
        }
    }
    if !unknown.is_empty() && named.is_empty() {
        let libraries: Vec<String> = unknown.into_iter().collect();
        return Err(XbuildError::user(
            format!("{} of {} needs {}", programs.package, programs.target, libraries.join(", ")),
            "name the packages that have them: [dist.deb] depends = [\"libssl3\"]",
        ));
    }
    if !unknown.is_empty() {
        let libraries: Vec<String> = unknown.into_iter().collect();
        ui.verbose("Trusting", format!("[dist.deb] depends for {}", libraries.join(", ")));
    }
    let libc = glibc.map(|(major, minor)| format!("libc6 (>= {major}.{minor})"));
    Ok(libc.into_iter().chain(others).collect())
}
