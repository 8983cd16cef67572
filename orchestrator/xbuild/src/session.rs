//! What a verb that builds works with: the store, the engine, a way to fetch.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xbuild_action::{Cancel, Isolation, Limits, Staging};
use xbuild_describe::Toolchains;
use xbuild_exec::Sandbox;
use xbuild_fetch::debian::{Indexes, MirrorSettings, Mirrors};
use xbuild_fetch::source::wheel::PackageIndex;
use xbuild_fetch::{Fetcher, Noted};
use xbuild_realise::engine::Engine;
use xbuild_realise::fetching::FetchStore;
use xbuild_store::Disk;

use crate::cli::{Execution, Global, IsolationLevel};
use crate::error::{XbuildError, stop_now};
use crate::settings;
use crate::ui::{FetchDisplay, Ui};

/// How long everything may take to end of itself after Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(5);

/// One for all sessions: a process has one handler of signals.
static CANCEL: OnceLock<Cancel> = OnceLock::new();

fn cancelled_by_signals() -> Cancel {
    let cancel = Cancel::default();
    let on_signal = cancel.clone();
    // A second handler in one process is a mistake of ours, and one without is no reason not to build.
    let _ = ctrlc::set_handler(move || {
        on_signal.cancel();
        // What waits for a silent server, or for git, can't be asked. A store takes any end.
        std::thread::sleep(PATIENCE);
        stop_now();
    });
    cancel
}

/// The store and an executor over it, ready for use.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) store: Arc<Disk>,
    pub(crate) sandbox: Sandbox,
    pub(crate) cancel: Cancel,
    /// Where it is noted what is wanted of the net.
    pub(crate) noted: Option<Noted>,
    /// What repositories have said of references, by both: one command goes by one answer.
    pub(crate) commits: Mutex<BTreeMap<(String, String), String>>,
}

impl Session {
    /// Opens the store; from here on Ctrl-C stops what runs, and then xbuild.
    pub(crate) fn open(ui: &Ui) -> Result<Self, XbuildError> {
        let cancel = CANCEL.get_or_init(cancelled_by_signals).clone();
        let store = Arc::new(settings::open_store(&cancel, ui)?);
        let staging: Arc<dyn Staging> = Arc::clone(&store) as Arc<dyn Staging>;
        Ok(Self { store, sandbox: Sandbox::new(staging), cancel, noted: None, commits: Mutex::default() })
    }

    pub(crate) fn engine(&self, Execution { jobs, isolation }: Execution) -> Engine<'_> {
        Engine {
            store: &self.store,
            executor: &self.sandbox,
            jobs: jobs.map_or_else(settings::processors, usize::from),
            limits: Limits::default(),
            isolation: match isolation {
                IsolationLevel::Full => Isolation::Full,
                IsolationLevel::NoNetworkNamespace => Isolation::NoNetworkNamespace,
                IsolationLevel::None => Isolation::None,
            },
            keep_going: false,
            cancel: self.cancel.clone(),
            again: None,
            merged: Default::default(),
        }
    }
}

/// What is needed to fetch.
#[derive(Debug)]
pub(crate) struct Fetching<'s> {
    pub(crate) store: FetchStore<'s>,
    pub(crate) settings: xbuild_fetch::Settings,
    pub(crate) mirrors: Mirrors,
    pub(crate) wheels: Arc<PackageIndex>,
    pub(crate) display: FetchDisplay,
    /// The environment, for cargo's configuration.
    pub(crate) variables: BTreeMap<String, String>,
    cancel: Cancel,
    noted: Option<&'s Noted>,
}

impl<'s> Fetching<'s> {
    pub(crate) fn new(session: &'s Session, global: &Global, ui: &Ui) -> Result<Self, XbuildError> {
        let mut settings = xbuild_fetch::Settings::from_environment(&settings::variable)?;
        settings.offline |= global.offline;
        let mirrors =
            Mirrors::find(&MirrorSettings::from_environment(&settings::variable), Path::new("/etc/apt"))?;
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let wheels = Arc::new(PackageIndex::load(&variables, settings.pypi_index.as_deref())?);
        Ok(Self {
            store: FetchStore::new(&session.store)?,
            settings,
            mirrors,
            wheels,
            display: FetchDisplay::new(ui),
            variables,
            cancel: session.cancel.clone(),
            noted: session.noted.as_ref(),
        })
    }

    /// A fetcher, which Ctrl-C stops.
    pub(crate) fn fetcher(&self) -> Fetcher<'_> {
        let fetcher = Fetcher::new(&self.store, self.settings.clone(), &self.display);
        fetcher.stopped_by(self.cancel.clone()).noting(self.noted)
    }

    /// Debian's indexes, of which each is fetched when it is asked for.
    pub(crate) fn indexes<'f>(
        &'f self,
        fetcher: &'f Fetcher<'f>,
        toolchains: &Toolchains,
    ) -> Result<Indexes<'f>, XbuildError> {
        let archives = toolchains.suites.iter();
        let archives = archives.map(|(name, suite)| (name.clone(), suite.archive.to_string())).collect();
        Ok(Indexes::new(fetcher, &self.mirrors, archives, now())?)
    }
}

/// Seconds since 1970: signatures and indexes run out.
#[expect(clippy::disallowed_methods, reason = "whether a signed index is still valid is about the clock")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
