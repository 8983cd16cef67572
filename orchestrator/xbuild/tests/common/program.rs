//! Runs programs that a test has built, in the sandbox, by the emulators that their targets name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use xbuild_action::{Cancel, Content as _, File, Isolation, Limits, Staging};
use xbuild_base::Triple;
use xbuild_describe::{Source, TargetSpec, Toolchains};
use xbuild_exec::Sandbox;
use xbuild_fetch::debian::{MirrorSettings, Mirrors};
use xbuild_fetch::source::wheel::PackageIndex;
use xbuild_fetch::toolchain::Composer;
use xbuild_fetch::{Fetcher, Quiet, Settings};
use xbuild_realise::engine::Engine;
use xbuild_realise::fetching::{ComponentBuilder, FetchStore};
pub(crate) use xbuild_realise::run::Ran;
use xbuild_store::Disk;

use super::{XBUILD, repository, shared_store};

/// The user that root's sandboxes run as, as in xbuild itself.
const NOBODY: u32 = 65534;

/// A program and what it is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program<'a> {
    /// Its target.
    pub(crate) target: &'a str,
    /// Its file, or a link to it.
    pub(crate) file: &'a Path,
    /// Its arguments.
    pub(crate) arguments: &'a [&'a str],
    /// Files in the folder that it starts in: name → content.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// A project's own targets and toolchains: the folder that holds `.xbuild`.
    pub(crate) own: Option<&'a Path>,
}

/// Runs a program that must succeed, and gives what it wrote to standard output, with plain line ends.
#[track_caller]
pub(crate) fn runs(target: &str, file: &Path, arguments: &[&str]) -> String {
    let ran = run(&Program { target, file, arguments, files: &[], own: None });
    let [stdout, stderr] = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
    assert_eq!(ran.exit_code, 0, "{} for {target}\nstdout:\n{stdout}\nstderr:\n{stderr}", file.display());
    stdout
}

/// Runs a program to its end, for at most a minute.
#[track_caller]
pub(crate) fn run(program: &Program<'_>) -> Ran {
    let owner = rustix::process::geteuid().is_root().then_some((NOBODY, NOBODY));
    let store = Arc::new(Disk::open(&shared_store(), owner).unwrap());
    let staging: Arc<dyn Staging> = Arc::clone(&store) as Arc<dyn Staging>;
    let sandbox = Sandbox::with_helper(staging, XBUILD.into());
    let limits = Limits { time: Duration::from_secs(60), ..Limits::default() };
    let engine = Engine {
        store: &store,
        executor: &sandbox,
        jobs: 2,
        limits,
        isolation: Isolation::Full,
        keep_going: false,
        cancel: Cancel::default(),
    };

    let (spec, toolchains) = described(program);
    let variable = |name: &str| std::env::var(name).ok();
    let fetch_store = FetchStore::new(&store).unwrap();
    let settings = Settings::from_environment(&variable).unwrap();
    let mirrors = Mirrors::find(&MirrorSettings::from_environment(&variable), Path::new("/etc/apt")).unwrap();
    let wheels = Arc::new(PackageIndex::load(&std::env::vars().collect(), settings.pypi_index.as_deref()).unwrap());
    let fetcher = Fetcher::new(&fetch_store, settings, &Quiet);
    let host: Triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH).parse().unwrap();
    let composer = Composer {
        fetcher: &fetcher,
        mirrors: &mirrors,
        wheels: &wheels,
        toolchains: &toolchains,
        host: &host,
        builder: &ComponentBuilder { engine: &engine },
    };
    let layers = xbuild_realise::run::layers(&composer, &spec, None).unwrap();

    let stored = |digest, executable| File { digest, executable };
    let files: BTreeMap<_, _> = program
        .files
        .iter()
        .map(|(name, text)| (name.parse().unwrap(), stored(store.put_reader(&mut text.as_bytes()).unwrap(), false)))
        .collect();
    let file = fs::canonicalize(program.file).unwrap();
    let name = program.file.file_name().unwrap().to_str().unwrap();
    let ran = xbuild_realise::run::run(&engine, &layers, &spec.run.emulator, &xbuild_realise::run::Program {
        name,
        file: stored(store.put_file(&file).unwrap(), true),
        arguments: program.arguments.iter().map(|&argument| argument.to_owned()).collect(),
        files,
    });
    ran.unwrap_or_else(|error| panic!("{name} for {}: {error}", program.target))
}

/// The program's target and the toolchains, read from the repository and from the project.
fn described(program: &Program<'_>) -> (TargetSpec, Toolchains) {
    let source = |path: &Path| fs::read_to_string(path).ok().map(|text| Source::new(path.display().to_string(), text));
    let shipped = repository();
    let own = program.own.map(|folder| folder.join(".xbuild"));
    let mut toolchains = Toolchains::read(source(&shipped.join("toolchains.toml")).unwrap()).unwrap();
    if let Some(source) = own.as_ref().and_then(|own| source(&own.join("toolchains.toml"))) {
        toolchains = toolchains.overlaid(source).unwrap();
    }
    let name = format!("targets/{}.toml", program.target);
    let target = own.and_then(|own| source(&own.join(&name))).or_else(|| source(&shipped.join(&name)));
    let triple = program.target.parse().unwrap();
    (TargetSpec::read(triple, target.unwrap(), &toolchains).unwrap(), toolchains)
}
