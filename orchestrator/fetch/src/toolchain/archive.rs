//! Static libraries compiled from pinned source: one compiler command a source, then one `llvm-ar`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use xbuild_action::{
    ActionResult, Command, Content, Entry, File, InputRoot, Isolation, Output, TreeError, walk,
};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_describe::{Archive, Component};

use super::problem::ToolchainError;
use super::shape::Patterns;
use crate::error::FetchError;
use crate::progress::{Event, Progress};

/// Whatever a builder reports.
pub type BuildError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the commands that compile a part of a sysroot: through an action cache and in a sandbox, or not at all.
pub trait Builder: Sync {
    /// Runs a command to success. `what` names it for people: `musl-x86_64: libc++.a: algorithm.cpp`.
    ///
    /// # Errors
    /// When it could not be run or failed.
    fn run(&self, what: &str, command: &Command, inputs: &InputRoot) -> Result<ActionResult, BuildError>;

    /// How many commands may be run at once, each on a thread of its own.
    fn jobs(&self) -> usize {
        1
    }

    /// How strong a sandbox the commands run in: results of a weaker one are remembered apart.
    fn isolation(&self) -> Isolation {
        Isolation::Full
    }
}

/// Where the commands work, from the input root.
const FOLDER: &str = "build";
/// 1980-01-01: a time that every format can hold.
const EPOCH: &str = "315532800";

/// Compiles an archive from what is in `layers` (the component's own tree first), and returns it.
pub(crate) fn build(
    store: &dyn Content,
    builder: &dyn Builder,
    component: &Component,
    archive: &Archive,
    layers: &[Digest<Tree>],
    progress: &dyn Progress,
) -> Result<File, FetchError> {
    let own = *layers.first().ok_or_else(|| TreeError::Missing(RelPath::root()))?;
    let sources = sources(store, component, archive, own)?;
    let library = archive.output.file_name().unwrap_or("archive");
    let (name, total) = (format!("{}: {library}", component.name), sources.len());
    progress.event(&name, Event::Building { done: 0, total });
    let compiled = AtomicUsize::new(0);
    let label = |what: &str| format!("{}: {library}: {what}", component.name);
    let failed = |what: String| {
        let component = component.name.to_string();
        move |problem: BuildError| FetchError::from(ToolchainError::Build { component, what, problem })
    };
    let run = |what: &str, command: Command, files: &[(RelPath, File)]| {
        let inputs = InputRoot {
            layers: layers.to_vec(),
            files: files.iter().cloned().collect(),
            directories: [folder("")?].into(),
            ..InputRoot::default()
        };
        let output = command.outputs.first().cloned().unwrap_or_default();
        let result = builder.run(&label(what), &command, &inputs).map_err(failed(what.to_owned()))?;
        match result.outputs.get(&output) {
            Some(Output::File(file)) if result.exit_code == 0 => Ok(*file),
            _ => {
                let problem = format!("exit code {}, and no {output}", result.exit_code);
                Err(failed(what.to_owned())(problem.into()))
            }
        }
    };

    let compile = |source: &RelPath| {
        let compiler = archive.compiler.as_deref().unwrap_or("clang");
        let object = format!("{}.o", source.as_str().replace('/', "_"));
        let short = source.file_name().unwrap_or_default();
        let mut argv = vec![program(compiler)];
        argv.extend(archive.flags.iter().cloned());
        argv.extend(["-c".to_owned(), source.in_sandbox(), "-o".to_owned(), object.clone()]);
        let file = run(short, command(argv, &object)?, &[])?;
        let done = compiled.fetch_add(1, Ordering::Relaxed) + 1;
        progress.event(&name, Event::Building { done, total });
        Ok((folder(&object)?, file))
    };
    let objects = in_parallel(builder.jobs(), &sources, &compile)?;

    let mut argv = vec![program("llvm-ar")];
    // D: no times, users or modes. L adds the members of archives, which only `q` can do.
    argv.push(if archive.merge.is_empty() { "rcsD" } else { "qcLsD" }.to_owned());
    argv.push("out.a".to_owned());
    argv.extend(archive.merge.iter().map(RelPath::in_sandbox));
    argv.extend(objects.iter().filter_map(|(path, _)| path.file_name().map(str::to_owned)));
    run("llvm-ar", command(argv, "out.a")?, &objects)
}

/// The sources that an archive's patterns choose: each pattern's in order of path, none twice.
fn sources(
    store: &dyn Content,
    component: &Component,
    archive: &Archive,
    tree: Digest<Tree>,
) -> Result<Vec<RelPath>, FetchError> {
    let owner = component.name.as_str();
    let mut files = Vec::new();
    walk::<TreeError>(store, tree, &mut |path, entry| {
        if matches!(entry, Entry::File(_)) {
            files.push(path.clone());
        }
        Ok(())
    })?;
    let without = Patterns::new(owner, &archive.without)?;
    let mut chosen: Vec<RelPath> = Vec::new();
    for pattern in &archive.sources {
        let patterns = Patterns::new(owner, std::slice::from_ref(pattern))?;
        let mut found = false;
        for path in files.iter().filter(|path| patterns.matches(path)) {
            found = true;
            if !without.matches(path) && !chosen.contains(path) {
                chosen.push(path.clone());
            }
        }
        if !found {
            let (component, path) = (owner.to_owned(), pattern.clone());
            return Err(ToolchainError::NothingAt { component, path }.into());
        }
    }
    Ok(chosen)
}

fn program(name: &str) -> String {
    format!("/usr/bin/{name}")
}

fn folder(name: &str) -> Result<RelPath, FetchError> {
    let folder = RelPath::new(FOLDER).map_err(|_| TreeError::Missing(RelPath::root()))?;
    if name.is_empty() {
        return Ok(folder);
    }
    Ok(super::shape::below(&folder, name)?)
}

fn command(argv: Vec<String>, output: &str) -> Result<Command, FetchError> {
    let environment =
        [("PATH", "/usr/bin"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("SOURCE_DATE_EPOCH", EPOCH)];
    Ok(Command {
        argv,
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        working_directory: folder("")?,
        outputs: [folder(output)?].into(),
    })
}

/// Applies `work` to each item on several threads; the results are in the items' order, and the first error (in
/// that order) wins.
fn in_parallel<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: &(dyn Fn(&T) -> Result<R, FetchError> + Sync),
) -> Result<Vec<R>, FetchError> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(worker);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
