//! `xbuild doc`: documentation of packages and of all that they depend on, for every target and variant at once: each
//! crate's pages are an action like any other, and what is about several crates is put together at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use serde_json::json;
use xbuild_action::{Command, ContentExt as _, Entry, InputRoot, Output, TreeBuilder, lookup};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_cargo::{Mode, PAGES, PARTS, merge_arguments};
use xbuild_describe::{Asked, Task, TaskKind};
use xbuild_fetch::FetchError;
use xbuild_output::install_folder;
use xbuild_plan::graph::{Graph, Part, UnitOf};
use xbuild_plan::places::place;
use xbuild_plan::planning::environment;
use xbuild_realise::RealiseError;

use crate::cli::{Build, Doc, Global};
use crate::error::XbuildError;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::work::{Finished, Wanted, Work, planned};

/// Where the parts of crates lie when they are put together.
const ALL_PARTS: &str = "build/parts";
/// Where what is put together lies.
const MERGED: &str = "build/out";
/// A crate with nothing in it, of which the pages are made that are about none.
const EMPTY: &str = "build/empty.rs";

pub(crate) fn run(global: &Global, doc: &Doc, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let build = Build { execution: doc.execution, keep_going: doc.keep_going, ..doc.of.clone().into() };
    let mut options = Vec::new();
    options.extend(doc.no_deps.then(|| "--no-deps".to_owned()));
    options.extend(doc.document_private_items.then(|| "--document-private-items".to_owned()));
    options.extend(doc.lib.then(|| "--lib".to_owned()));
    options.extend(doc.all_bins.then(|| "--bins".to_owned()));
    options.extend(doc.bins.iter().flat_map(|name| ["--bin".to_owned(), name.clone()]));
    let wanted = Wanted::Task(Task { options, ..Task::new(TaskKind::Doc) });
    planned(global, &build, wanted, ui, |work, planned| {
        let Finished { graph, .. } = work.build(planned, &mut Recorder::default())?;
        // Packages that are planned each alone have their pages in one place all the same.
        let mut places: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (part, one) in planned.asked.iter().enumerate() {
            places.entry((one.variant.to_string(), one.target.to_string())).or_default().push(part);
        }
        for ((variant, target), parts) in places {
            let tree = documentation(work, &graph, &planned.asked, &parts)?;
            let path = place(&format!("{variant}/{target}/doc"));
            let link = install_folder(work.store(), work.described().results(), &path, tree)?;
            let index = planned.asked.get(parts[0]).and_then(|one| index(&graph, one, parts[0]));
            let shown = index.map_or_else(|| link.clone(), |name| link.join(name).join("index.html"));
            if ui.json {
                let line = json!({
                    "reason": "xbuild-doc", "variant": variant, "target": target, "path": link, "index": shown
                });
                ui.output_line(&line.to_string());
            } else {
                ui.output_line(&shown.display().to_string());
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The crate whose pages a reader begins with: the first that was asked for, by name.
fn index(graph: &Graph<'_>, asked: &Asked, part: usize) -> Option<String> {
    let context = &graph.parts()[part].context;
    let packages = asked.task.as_ref().map(|task| &task.packages)?;
    let roots =
        context.graph().roots().iter().filter(|&&root| packages.contains(&context.package(root).name));
    let names = roots.map(|&root| context.unit(root).target.crate_name());
    names.min()
}

/// What was made of each crate. Of several units of one package's, whose pages would lie in one folder, the one with the
/// most features counts, and of these the target's own.
fn trees(graph: &Graph<'_>, parts: &[usize]) -> Result<Vec<Digest<Tree>>, XbuildError> {
    type Made<'g> = ((usize, bool), &'g str, Digest<Tree>);
    let mut crates: BTreeMap<String, Made<'_>> = BTreeMap::new();
    for &part in parts {
        let Part { context, .. } = &graph.parts()[part];
        for index in graph.parts()[part].needed() {
            let unit = context.unit(index);
            let node = graph.node(UnitOf { part, unit: index }).filter(|_| unit.mode == Mode::Doc);
            let Some(tree) = node.and_then(|node| graph.output_tree(node)) else { continue };
            let (rank, package) = ((unit.features.len(), unit.platform.is_some()), unit.package.as_str());
            match crates.get(&unit.target.crate_name()) {
                Some((_, other, _)) if *other != package => {
                    let (name, version) = (&context.package(index).name, &context.package(index).version);
                    return Err(XbuildError::user(
                        format!(
                            "the documentation of {name} {version} and that of another package would lie in one folder, \
                             `{}`",
                            unit.target.crate_name()
                        ),
                        "choose packages with -p, or leave dependencies out: --no-deps",
                    ));
                }
                Some((other, ..)) if *other >= rank => {}
                _ => drop(crates.insert(unit.target.crate_name(), (rank, package, tree))),
            }
        }
    }
    Ok(crates.into_values().map(|(_, _, tree)| tree).collect())
}

/// All pages of some parts, with what is about several crates.
fn documentation(
    work: &Work<'_>,
    graph: &Graph<'_>,
    asked: &[Asked],
    parts: &[usize],
) -> Result<Digest<Tree>, XbuildError> {
    let store = work.content();
    let failed = |error| XbuildError::from(FetchError::from(error));
    let trees = trees(graph, parts)?;
    let (mut pages, mut mounts, mut folders) = (TreeBuilder::default(), BTreeMap::new(), Vec::new());
    for (number, tree) in trees.into_iter().enumerate() {
        if let Some(Entry::Directory(of_crate)) = lookup(store, tree, &place(PARTS))? {
            let folder = place(ALL_PARTS).join(&place(&number.to_string()));
            mounts.insert(folder.clone(), of_crate);
            folders.push(folder);
        }
        if let Some(Entry::Directory(of_crate)) = lookup(store, tree, &place(PAGES))? {
            pages.insert(store, &RelPath::root(), Entry::Directory(of_crate)).map_err(failed)?;
        }
    }
    let Some(part) = parts.first().map(|&part| &graph.parts()[part]) else {
        return pages.build(store).map_err(failed);
    };
    let toolchain = part.context.toolchain();
    let name = asked.first().map_or("doc", |one| one.variant.as_str());
    let run = |argv: Vec<String>, inputs: InputRoot| -> Result<Digest<Tree>, XbuildError> {
        let command = Command {
            argv,
            environment: environment(&[("RUSTC_BOOTSTRAP", "1")]),
            working_directory: place("build"),
            outputs: BTreeSet::from([place(MERGED)]),
        };
        let result =
            work.engine().run_one(&format!("joining the documentation of {name}"), &command, &inputs)?;
        match result.outputs.values().next() {
            Some(Output::Tree(tree)) => Ok(*tree),
            _ => Err(RealiseError::Source { problem: "rustdoc has made nothing".to_owned() }.into()),
        }
    };
    let layers = part.host_layers.clone();
    let directories = BTreeSet::from([place("build"), place(MERGED)]);
    let argv = merge_arguments(&toolchain.rustdoc, &folders);
    let joined = run(
        argv,
        InputRoot {
            layers: layers.clone(),
            mounts,
            directories: directories.clone(),
            ..InputRoot::default()
        },
    )?;
    // Pages that are about no crate: rustdoc makes them with any.
    let file = xbuild_action::File { digest: store.put(b"")?, executable: false };
    let (empty, pages_of_it) = (place(EMPTY).in_sandbox(), place(MERGED).in_sandbox());
    let words = ["--crate-type", "lib", "--crate-name", "help", &empty, "-o", &pages_of_it];
    let argv = std::iter::once(toolchain.rustdoc.as_str()).chain(words).map(str::to_owned).collect();
    let files = BTreeMap::from([(place(EMPTY), file)]);
    let any = run(argv, InputRoot { layers, files, directories, ..InputRoot::default() })?;
    for name in ["help.html", "settings.html"] {
        if let Some(entry) = lookup(store, any, &place(name))? {
            pages.insert(store, &place(name), entry).map_err(failed)?;
        }
    }
    for (name, entry) in &store.directory(joined)?.entries {
        pages.insert(store, &place(name), entry.clone()).map_err(failed)?;
    }
    pages.remove(store, &place(".lock")).map_err(failed)?;
    pages.build(store).map_err(failed)
}
