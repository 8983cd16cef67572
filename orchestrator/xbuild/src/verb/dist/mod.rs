//! `xbuild dist`: programs, built and packed for people: an archive for each package, target and variant.

mod deb;
mod debuginfo;
mod printed;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use indicatif::HumanBytes;
use serde_json::json;
use xbuild_action::{Content, Entry, File, lookup, walk};
use xbuild_base::{RelPath, Triple};
use xbuild_describe::{ArchiveFormat, DistSource, OutputKind, evaluate};
use xbuild_output::{Archive, Archived, Overrides, Packing, Place, Row, write_archives};
use xbuild_realise::{RealiseError, project};

use self::deb::Programs;
use self::debuginfo::Splitter;
use crate::choose::facts;
use crate::cli::{Build, Dist, Global};
use crate::composed::spec;
use crate::description::Described;
use crate::error::XbuildError;
use crate::session::Session;
use crate::steps::Steps;
use crate::ui::Ui;
use crate::work::{Wanted, Work, make, request};

/// How the names of files begin that people look for beside a program.
const LOOKED_FOR: [&str; 6] = ["README", "LICENSE", "LICENCE", "COPYING", "NOTICE", "CHANGELOG"];

pub(crate) fn run(global: &Global, dist: &Dist, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let build = Build::from(dist.outputs.clone());
    let wanted = request(&build, &Wanted::Programs);
    let overrides = Overrides::new(wanted.overrides(&described.description));
    described.toolchains_for(&wanted)?;
    let session = Session::open(ui)?;
    // Of which packages the programs are.
    let facts = facts(&described, &session)?;
    let asked = evaluate(&described.description, &facts, &described.targets, &wanted)?;
    let lock = project::read_lock(&described.root)?;
    let version = |package: &str| {
        let own = lock.packages.iter().find(|one| one.name == package && one.source.is_none());
        own.map_or_else(String::new, |one| one.version.to_string())
    };
    let beside = beside(&described, &session)?;
    let rows = make(global, &build, &described, &session, ui)?.unwrap_or_default();

    let settings = &described.description.dist;
    let prints = !settings.printed.completions.is_empty() || !settings.printed.man.is_empty();
    let wants_work = !settings.made.is_empty() || settings.split_debuginfo || prints;
    let work = || Work::new(global, &build, Wanted::Programs, &described, &session, ui);
    let work = wants_work.then(work).transpose()?;
    let takes_steps = settings.made.values().any(|source| matches!(source, DistSource::Step(_)));
    let steps = work.as_ref().filter(|_| takes_steps).map(Steps::new).transpose()?;
    let splitter = work.as_ref().filter(|_| settings.split_debuginfo).map(Splitter::new).transpose()?;
    let mut archives: BTreeMap<String, (Archive, Programs<'_>)> = BTreeMap::new();
    for one in &asked {
        let packing = match spec(&described, &one.target)?.archive {
            ArchiveFormat::TarGz => Packing::TarGz,
            ArchiveFormat::Zip => Packing::Zip,
        };
        for output in one.selected.iter().map(|selected| &selected.output) {
            let Some(row) = program(&rows, one.variant.as_str(), &one.target, &output.name)
                .filter(|_| output.kind == OutputKind::Bin)
            else {
                continue;
            };
            let (package, target) = (&output.package, one.target.as_str());
            // Packed as a variant of its own: it must not take the place of what the description says.
            let (version, variant) = (version(package), overrides.in_files(one.variant.as_str()));
            let name = settings.name(package, &version, target, &variant);
            if !archives.contains_key(&name) {
                let mut files = beside.clone();
                let is_of = |row: &&Row| {
                    row.artefact.variant == one.variant.as_str() && row.artefact.target == one.target
                };
                let outputs: Vec<&Row> = rows.iter().filter(is_of).collect();
                for (to, source) in &settings.made {
                    let made = match (source, &steps, &work) {
                        (DistSource::Step(part), Some(steps), _) => steps.part(part, &outputs)?,
                        (DistSource::Input(output), _, Some(work)) => {
                            Entry::File(work.input(output, &one.target)?)
                        }
                        _ => continue,
                    };
                    add(&mut files, to, made, &session)?;
                }
                let packing = packing.clone();
                let archive = Archive { name: name.clone(), packing, files };
                let (target, glibc) = (&one.target, one.glibc);
                let (files, debuginfo) = (BTreeMap::new(), BTreeMap::new());
                archives.insert(
                    name.clone(),
                    (archive, Programs { package, version, target, variant, glibc, files, debuginfo }),
                );
            }
            let Some((_, programs)) = archives.get_mut(&name) else { continue };
            let path = RelPath::new(&row.artefact.name).map_err(|error| {
                XbuildError::user(format!("`{}` can't be packed: {error}", row.artefact.name), "rename it")
            })?;
            let mut file = File { executable: true, ..row.artefact.file };
            if let Some(splitter) = &splitter {
                if let Some(split) = splitter.split(&path, file)? {
                    file = split.program;
                    programs.debuginfo.extend([split.debuginfo]);
                } else {
                    ui.note(format!(
                        "{path} for {target} has no debugging information: see `debug` in [profile]"
                    ));
                }
            }
            programs.files.insert(path, file);
        }
    }
    if let Some(work) = &work {
        work.history().add(&session.store, Vec::new())?;
    }
    let folder = dist.out_dir.clone().unwrap_or_else(|| described.results().join("result/dist"));
    let (mut all, mut packages) = (Vec::new(), Vec::new());
    let names = archives.values().flat_map(|(_, programs)| programs.names());
    let known: BTreeSet<String> = names.map(str::to_owned).collect();
    for (mut archive, programs) in archives.into_values() {
        if let Some(work) = work.as_ref().filter(|_| prints) {
            archive.files.extend(printed::files(work, &programs, &known)?);
        }
        if let Some(deb) = &settings.deb {
            packages.extend(deb::package((&described, deb), &session.store, &programs, &archive.files, ui)?);
        }
        archive.files.extend(programs.files);
        if !programs.debuginfo.is_empty() {
            let (name, packing) = (format!("{}-debuginfo", archive.name), archive.packing.clone());
            all.push(Archive { name, packing, files: programs.debuginfo });
        }
        all.push(archive);
    }
    if let Some(twice) =
        packages.iter().find(|one| packages.iter().filter(|two| one.name == two.name).count() > 1)
    {
        return Err(XbuildError::user(
            format!("several targets would have the package {}.deb", twice.name),
            "name those that packages are made for: [dist.deb] targets = [\"*-linux-gnu\"]",
        ));
    }
    all.extend(packages);
    let written = write_archives(&session.store, &folder, &all)?;
    for Archived { name, size, sha256 } in &written {
        let path = folder.join(name).display().to_string();
        if ui.json {
            let line = json!({
                "reason": "xbuild-archive", "path": path, "size": size, "sha256": sha256.to_hex(),
                "overrides": overrides,
            });
            ui.output_line(&line.to_string());
        } else {
            ui.output_line(&format!("{path}  {}  {}", HumanBytes(*size), sha256.to_hex()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The row of a program.
fn program<'r>(rows: &'r [Row], variant: &str, target: &Triple, name: &str) -> Option<&'r Row> {
    rows.iter().find(|row| {
        let artefact = &row.artefact;
        artefact.place == Place::Bin
            && artefact.variant == variant
            && artefact.target == *target
            && artefact.is_called(name)
    })
}

/// What lies beside the programs: what the description names, else what people look for in the workspace's folder.
fn beside(described: &Described, session: &Session) -> Result<BTreeMap<RelPath, File>, XbuildError> {
    let store: &dyn Content = &*session.store;
    let local = described.sources(&session.store)?;
    let mut files = BTreeMap::new();
    let named: BTreeSet<RelPath> = match &described.description.dist.files {
        Some(files) => files.clone(),
        None => {
            let Some(Entry::Directory(folder)) = lookup(store, local.tree, &local.workspace)? else {
                return Ok(files);
            };
            let directory = store.directory(folder)?;
            let is_looked_for =
                |name: &&String| LOOKED_FOR.iter().any(|start| name.to_uppercase().starts_with(start));
            directory
                .entries
                .keys()
                .filter(is_looked_for)
                .filter_map(|name| RelPath::new(name).ok())
                .collect()
        }
    };
    for path in named {
        let gone = || {
            XbuildError::user(
                format!("[dist] files names `{path}`, and there is no such file among the project's sources"),
                "correct the path; what git ignores is no source of the project",
            )
        };
        let entry = lookup(store, local.tree, &local.workspace.join(&path))?.ok_or_else(gone)?;
        add(&mut files, &path, entry, session)?;
    }
    Ok(files)
}

/// Adds a file, or all files of a folder.
fn add(
    files: &mut BTreeMap<RelPath, File>,
    path: &RelPath,
    entry: Entry,
    session: &Session,
) -> Result<(), XbuildError> {
    match entry {
        Entry::File(file) => drop(files.insert(path.clone(), file)),
        Entry::Directory(tree) => walk::<RealiseError>(&*session.store, tree, &mut |below, entry| {
            if let Entry::File(file) = entry {
                files.insert(path.join(below), *file);
            }
            Ok(())
        })?,
        // What it leads to may be outside of the archive.
        Entry::Symlink(_) => {
            let what = format!("[dist] files: `{path}` is a link");
            return Err(XbuildError::user(what, "name what it leads to"));
        }
    }
    Ok(())
}
