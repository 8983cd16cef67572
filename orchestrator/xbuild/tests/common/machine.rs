//! The shared store and what works over it, without the command line: for what tests do beside xbuild.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use xbuild_action::{Cancel, ContentExt as _, Entry, Isolation, Limits, Staging, TreeError, walk};
use xbuild_base::Triple;
use xbuild_describe::{Source, Toolchains};
use xbuild_exec::Sandbox;
use xbuild_fetch::debian::{MirrorSettings, Mirrors};
use xbuild_fetch::source::cargo_config::CargoConfig;
use xbuild_fetch::source::crates;
use xbuild_fetch::source::lock::Lock;
use xbuild_fetch::source::wheel::PackageIndex;
use xbuild_fetch::toolchain::Composer;
use xbuild_fetch::{Fetcher, Quiet, Settings};
use xbuild_realise::engine::Engine;
use xbuild_realise::fetching::{ComponentBuilder, FetchStore};
use xbuild_store::Disk;

use super::{Project, XBUILD, repository, shared_store};

/// The user that root's sandboxes run as, as in xbuild itself.
const NOBODY: u32 = 65534;

/// A text file as a source, if it is there.
pub(crate) fn source(path: &Path) -> Option<Source> {
    fs::read_to_string(path).ok().map(|text| Source::new(path.display().to_string(), text))
}

/// The toolchains that xbuild has built in, with those of the project in a folder over them.
pub(crate) fn toolchains(project: Option<&Path>) -> Toolchains {
    let toolchains = Toolchains::read(source(&repository().join("toolchains.toml")).unwrap()).unwrap();
    match project.and_then(|folder| source(&folder.join(".xbuild/toolchains.toml"))) {
        Some(own) => toolchains.overlaid(own).unwrap(),
        None => toolchains,
    }
}

/// Works with the shared store: an engine whose actions may take a minute, and a composer.
pub(crate) fn with_machine<T>(
    toolchains: &Toolchains,
    work: impl FnOnce(&Engine<'_>, &Composer<'_>) -> T,
) -> T {
    let owner = rustix::process::geteuid().is_root().then_some((NOBODY, NOBODY));
    let store = Arc::new(Disk::open(&shared_store(), owner).unwrap());
    let staging: Arc<dyn Staging> = Arc::clone(&store) as Arc<dyn Staging>;
    let sandbox = Sandbox::with_helper(staging, XBUILD.into());
    let engine = Engine {
        store: &store,
        executor: &sandbox,
        jobs: 2,
        limits: Limits { time: Duration::from_secs(60), ..Limits::default() },
        isolation: Isolation::Full,
        keep_going: false,
        cancel: Cancel::default(),
        again: None,
        merged: Default::default(),
    };
    let variable = |name: &str| std::env::var(name).ok();
    let fetch_store = FetchStore::new(&store).unwrap();
    let settings = Settings::from_environment(&variable).unwrap();
    let mirrors = Mirrors::find(&MirrorSettings::from_environment(&variable), Path::new("/etc/apt")).unwrap();
    let wheels = PackageIndex::load(&std::env::vars().collect(), settings.pypi_index.as_deref()).unwrap();
    let host: Triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH).parse().unwrap();
    let composer = Composer {
        fetcher: &Fetcher::new(&fetch_store, settings, &Quiet),
        mirrors: &mirrors,
        wheels: &Arc::new(wheels),
        toolchains,
        host: &host,
        builder: &ComponentBuilder { engine: &engine },
    };
    work(&engine, &composer)
}

/// Other people's tools for images, laid out in the shared store: they run on the host, with its libc.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    folder: PathBuf,
}

/// The pinned tools.
pub(crate) fn oci_tools() -> Tools {
    with_machine(&toolchains(None), |engine, composer| {
        let tree = composer.tree(&"oci-tools".parse().unwrap()).unwrap();
        Tools { folder: engine.store.folder().join(engine.store.materialise(tree).unwrap()) }
    })
}

impl Tools {
    /// One of them by its name, to be given arguments.
    pub(crate) fn command(&self, name: &str) -> Command {
        let program = ["usr/bin", "usr/sbin"].map(|folder| self.folder.join(folder).join(name));
        let program = program.iter().find(|program| program.is_file());
        let mut command = Command::new(program.unwrap_or_else(|| panic!("there is no {name}")));
        let libraries = ["usr/lib", "lib"].map(|lib| {
            self.folder.join(format!("{lib}/{}-linux-gnu", std::env::consts::ARCH)).display().to_string()
        });
        let path = format!("{}:/usr/bin:/bin", self.folder.join("usr/bin").display());
        command
            .env_clear()
            .env("LD_LIBRARY_PATH", libraries.join(":"))
            .env("PATH", path)
            .env("HOME", "/nonexistent");
        command
    }

    /// What one of them prints; it must succeed.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?} failed: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Project {
    /// A crate of the default registry as it was published, by the checksum of its file.
    pub(crate) fn published(name: &str, version: &str, checksum: &str) -> Self {
        let project = Self::empty();
        // The default registry as any lock names it.
        let lock = fs::read_to_string(repository().join("examples/rust-app/Cargo.lock")).unwrap();
        let registry = lock.lines().find(|line| line.starts_with("source = \"registry+")).unwrap();
        let lock = format!(
            "version = 4\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{registry}\nchecksum = \"{checksum}\"\n"
        );
        with_machine(&toolchains(None), |engine, composer| {
            let cargo = CargoConfig::load(&project.root, &std::env::vars().collect()).unwrap();
            let locked = crates::from_lock(&Lock::parse(&lock).unwrap(), &cargo).unwrap();
            let trees = crates::fetch(composer.fetcher, &locked).unwrap();
            let write = &mut |path: &xbuild_base::RelPath, entry: &Entry| {
                let place = project.root.join(path.as_str());
                match entry {
                    Entry::Directory(_) => fs::create_dir(place).unwrap(),
                    Entry::File(file) => fs::write(place, engine.store.get(file.digest).unwrap()).unwrap(),
                    Entry::Symlink(target) => fs::os::unix::fs::symlink(target, place).unwrap(),
                }
                Ok::<_, TreeError>(())
            };
            walk(engine.store, trees[0], write).unwrap();
        });
        project
    }
}
