//! From what is wanted to what is in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use xbuild_action::{Cancel, Content, Directory, Entry, File};
use xbuild_base::{Blob, Digest, Sha256, Tree};

use crate::deferred::Deferred;
use crate::download::Downloader;
use crate::error::FetchError;
use crate::output::{FixedOutput, Place, Unpack};
use crate::progress::{Event, Progress};
use crate::settings::Settings;
use crate::source::lock::GitSource;
use crate::store::Store;
use crate::{mirror, unpack};

/// The memo namespace: source checksum → digest of the archive as a blob.
const BLOBS: &str = "fetched-blob";
/// The memo namespace: source checksum, unpack version and options → tree.
const TREES: &str = "unpacked-tree";
/// Counts up whenever the same archive would unpack to another tree.
const UNPACK_VERSION: u32 = 1;

/// All that was wanted of fetchers, whether it had to be fetched or not.
#[derive(Debug, Default)]
pub struct Noted {
    files: Mutex<BTreeMap<Sha256, FixedOutput>>,
    commits: Mutex<BTreeMap<String, GitSource>>,
    blobs: Mutex<BTreeSet<Digest<Blob>>>,
}

impl Noted {
    /// What was wanted until now, each file once.
    #[must_use]
    pub fn outputs(&self) -> Vec<FixedOutput> {
        locked(&self.files).values().cloned().collect()
    }

    /// Takes note of blobs that were fetched by others, and are in the store.
    pub fn note_blobs(&self, blobs: impl IntoIterator<Item = Digest<Blob>>) {
        locked(&self.blobs).extend(blobs);
    }

    /// These, each once.
    #[must_use]
    pub fn blobs(&self) -> Vec<Digest<Blob>> {
        locked(&self.blobs).iter().copied().collect()
    }

    /// The git commits that were wanted until now, each once.
    #[must_use]
    pub fn commits(&self) -> Vec<GitSource> {
        locked(&self.commits).values().cloned().collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fetches fixed outputs into a store. One is enough for a run; it may be used from many threads.
pub struct Fetcher<'s> {
    store: &'s dyn Store,
    progress: &'s dyn Progress,
    settings: Settings,
    downloader: Downloader,
    noted: Option<&'s Noted>,
    deferred: Option<&'s Deferred>,
}

impl std::fmt::Debug for Fetcher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<'s> Fetcher<'s> {
    /// A fetcher into `store`.
    #[must_use]
    pub fn new(store: &'s dyn Store, settings: Settings, progress: &'s dyn Progress) -> Self {
        let downloader = Downloader::new(&settings);
        Self { store, progress, settings, downloader, noted: None, deferred: None }
    }

    /// Lets `cancel` stop it: then everything that is asked for is [`FetchError::Cancelled`].
    #[must_use]
    pub fn stopped_by(mut self, cancel: Cancel) -> Self {
        self.downloader.cancel = cancel;
        self
    }

    /// Notes what is wanted of it.
    #[must_use]
    pub fn noting(self, noted: Option<&'s Noted>) -> Self {
        Self { noted, ..self }
    }

    /// Has the files of components noted instead of fetched, unless the network may not be used: then it is an error that
    /// they are missing, as ever.
    #[must_use]
    pub fn deferring(self, deferred: Option<&'s Deferred>) -> Self {
        Self { deferred: deferred.filter(|_| !self.settings.offline), ..self }
    }

    /// Where it is noted what would be fetched.
    #[must_use]
    pub const fn deferred(&self) -> Option<&'s Deferred> {
        self.deferred
    }

    /// Notes what would be wanted if nothing made of it were remembered.
    pub(crate) fn note(&self, wanted: &[FixedOutput]) {
        if let Some(noted) = self.noted {
            locked(&noted.files).extend(wanted.iter().map(|output| (output.sha256, output.clone())));
        }
    }

    /// As [`Self::note`], of a commit.
    pub(crate) fn note_commit(&self, wanted: &GitSource) {
        if let Some(noted) = self.noted {
            locked(&noted.commits).insert(wanted.commit.clone(), wanted.clone());
        }
    }

    /// Whether somebody wants to know what is wanted.
    pub(crate) const fn is_noting(&self) -> bool {
        self.noted.is_some()
    }

    /// The store that it fetches into.
    #[must_use]
    pub fn store(&self) -> &'s dyn Store {
        self.store
    }

    /// How it fetches.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The display.
    #[must_use]
    pub fn progress(&self) -> &'s dyn Progress {
        self.progress
    }

    /// The unpacked trees of all of `wanted`, in its order: those that are in the store at once, the others
    /// fetched, checked and unpacked, several at a time.
    ///
    /// # Errors
    /// [`FetchError::Offline`] with all that is missing, when the network may not be used; else what went wrong
    /// with each thing that could not be had (everything else is in the store by then).
    pub fn trees(&self, wanted: &[FixedOutput]) -> Result<Vec<Digest<Tree>>, FetchError> {
        let fetch = |output: &FixedOutput| self.unpack(output, self.blob(output)?);
        self.all(wanted, &|output| self.known_tree(output), &fetch)
    }

    /// The files themselves of all of `wanted`, in its order, whatever they would unpack to.
    ///
    /// # Errors
    /// As [`Self::trees`].
    pub fn blobs(&self, wanted: &[FixedOutput]) -> Result<Vec<Digest<Blob>>, FetchError> {
        self.all(wanted, &|output| self.known_blob(output.sha256), &|output| self.blob(output))
    }

    /// Which of `wanted` would have to be fetched for [`Self::trees`]: their indexes.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn missing(&self, wanted: &[FixedOutput]) -> Result<Vec<usize>, FetchError> {
        let mut missing = Vec::new();
        for (index, output) in wanted.iter().enumerate() {
            if self.known_tree(output)?.is_none() && self.known_blob(output.sha256)?.is_none() {
                missing.push(index);
            }
        }
        Ok(missing)
    }

    /// Reads a small file that no hash names beforehand (an index, a registry's configuration), with retries.
    /// `None` when the place says that there is no such file.
    ///
    /// # Errors
    /// [`FetchError::Offline`], or when the place can't be read or has more than `limit` bytes.
    pub fn read(&self, name: &str, place: &Place, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        self.read_as(name, place, limit, None).map(|found| found.map(|found| found.body))
    }

    /// As [`Self::read`], with an `Accept` header; the answer has its type and its address after redirections.
    pub(crate) fn read_as(
        &self,
        name: &str,
        place: &Place,
        limit: u64,
        accept: Option<&str>,
    ) -> Result<Option<crate::download::Answer>, FetchError> {
        if self.settings.offline && matches!(place, Place::Http { .. }) {
            return Err(FetchError::Offline { missing: vec![format!("{name} ({place})")] });
        }
        match place {
            Place::Lookup(lookup) => {
                for place in lookup.locate(self)? {
                    if let Some(found) = self.read_as(name, &place, limit, accept)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            place => {
                let answer = self.downloader.read(name, place, limit, accept, self.progress);
                let event = if answer.is_ok() { Event::Finished } else { Event::Failed };
                self.progress.event(name, event);
                answer
            }
        }
    }

    /// The answers to `wanted`: what is known at once, and the rest by several threads.
    fn all<T: Copy + Send>(
        &self,
        wanted: &[FixedOutput],
        known: &Known<'_, T>,
        fetch: &Fetch<'_, T>,
    ) -> Result<Vec<T>, FetchError> {
        self.note(wanted);
        let mut answers = Vec::with_capacity(wanted.len());
        for output in wanted {
            answers.push(known(output)?);
        }
        // One thing that is wanted twice is fetched once.
        let mut todo: BTreeMap<(Sha256, String), usize> = BTreeMap::new();
        for (index, output) in wanted.iter().enumerate().filter(|(index, _)| answers[*index].is_none()) {
            todo.entry((output.sha256, output.kind.describe())).or_insert(index);
        }
        let mut todo: Vec<usize> = todo.into_values().collect();
        // The largest first, so that none is left alone at the end.
        todo.sort_by_key(|index| (std::cmp::Reverse(wanted[*index].size), *index));
        if self.settings.offline {
            let mut missing = Vec::new();
            for index in &todo {
                if self.known_blob(wanted[*index].sha256)?.is_none() && !self.has_local_place(&wanted[*index])
                {
                    missing.push(format!("{} ({})", wanted[*index].name, wanted[*index].sha256));
                }
            }
            if !missing.is_empty() {
                missing.sort();
                return Err(FetchError::Offline { missing });
            }
        }
        let fetched = self.in_parallel(wanted, &todo, fetch)?;
        let mut by_identity = BTreeMap::new();
        for (index, answer) in todo.iter().zip(fetched) {
            by_identity.insert((wanted[*index].sha256, wanted[*index].kind.describe()), answer);
        }
        Ok(wanted
            .iter()
            .zip(answers)
            .filter_map(|(output, answer)| {
                answer.or_else(|| by_identity.get(&(output.sha256, output.kind.describe())).copied())
            })
            .collect())
    }

    /// Fetches what `todo` indexes, in its order, and returns the answers in its order.
    fn in_parallel<T: Send>(
        &self,
        wanted: &[FixedOutput],
        todo: &[usize],
        fetch: &Fetch<'_, T>,
    ) -> Result<Vec<T>, FetchError> {
        let next = AtomicUsize::new(0);
        // Once no place can be reached there is no point in waiting for hundreds of further time-outs.
        let stop = AtomicBool::new(false);
        let done: Mutex<Vec<(usize, Result<T, FetchError>)>> = Mutex::new(Vec::with_capacity(todo.len()));
        let work = || {
            while !stop.load(Ordering::Relaxed) && !self.downloader.cancel.is_cancelled() {
                let position = next.fetch_add(1, Ordering::Relaxed);
                let Some(index) = todo.get(position) else { break };
                let output = &wanted[*index];
                let answer = fetch(output);
                match &answer {
                    Ok(_) => self.progress.event(&output.name, Event::Finished),
                    Err(error) => {
                        self.progress.event(&output.name, Event::Failed);
                        let lasting = !matches!(
                            error,
                            FetchError::Gone { .. }
                                | FetchError::Mismatch { .. }
                                | FetchError::WrongSize { .. }
                        );
                        stop.fetch_or(lasting, Ordering::Relaxed);
                    }
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).push((position, answer));
            }
        };
        match todo.len().min(self.settings.jobs.max(1)) {
            0 => {}
            1 => work(),
            threads => std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(work);
                }
            }),
        }
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(position, _)| *position);
        let (mut answers, mut errors) = (Vec::with_capacity(done.len()), Vec::new());
        for (position, answer) in done {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => errors.push((todo[position], error)),
            }
        }
        if self.downloader.cancel.is_cancelled() {
            return Err(FetchError::Cancelled);
        }
        if errors.is_empty() {
            return Ok(answers);
        }
        errors.sort_by_key(|(index, _)| *index);
        Err(FetchError::join(errors.into_iter().map(|(_, error)| error).collect()))
    }

    /// Whether the file can be had without a network.
    fn has_local_place(&self, output: &FixedOutput) -> bool {
        let mirrors = mirror::places(&self.settings.mirrors, output.sha256);
        mirrors.iter().chain(&output.places).any(|place| match place {
            Place::File(path) => path.exists(),
            Place::Http { .. } => false,
            Place::Lookup(lookup) => lookup.is_local(),
        })
    }

    fn known_blob(&self, sha256: Sha256) -> Result<Option<Digest<Blob>>, FetchError> {
        let Some(memo) = self.store.memo(BLOBS, sha256)? else { return Ok(None) };
        let digest: Option<Digest<Blob>> = String::from_utf8(memo)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|d: &Digest<Blob>| d.sha256() == sha256);
        match digest {
            Some(digest) if self.store.has_blob(digest)? => Ok(Some(digest)),
            _ => Ok(None),
        }
    }

    fn known_tree(&self, output: &FixedOutput) -> Result<Option<Digest<Tree>>, FetchError> {
        self.remembered_tree(TREES, tree_key(output))
    }

    /// A tree that a memo names, if its root is still there.
    pub(crate) fn remembered_tree(
        &self,
        namespace: &'static str,
        key: Sha256,
    ) -> Result<Option<Digest<Tree>>, FetchError> {
        let Some(memo) = self.store.memo(namespace, key)? else { return Ok(None) };
        let digest = String::from_utf8(memo).ok().and_then(|text| text.parse::<Digest<Tree>>().ok());
        Ok(digest.filter(|digest| self.store.directory(*digest).is_ok()))
    }

    /// Records that a key stands for a tree.
    pub(crate) fn remember_tree(
        &self,
        namespace: &'static str,
        key: Sha256,
        tree: Digest<Tree>,
    ) -> Result<(), FetchError> {
        Ok(self.store.put_memo(namespace, key, tree.to_string().as_bytes())?)
    }

    /// The file as it is served, from the store or from its places.
    fn blob(&self, output: &FixedOutput) -> Result<Digest<Blob>, FetchError> {
        if let Some(digest) = self.known_blob(output.sha256)? {
            return Ok(digest);
        }
        let digest = self.downloader.fetch(self, output)?;
        self.store.put_memo(BLOBS, output.sha256, digest.to_string().as_bytes())?;
        Ok(digest)
    }

    fn unpack(&self, output: &FixedOutput, blob: Digest<Blob>) -> Result<Digest<Tree>, FetchError> {
        self.progress.event(&output.name, Event::Unpacking);
        let content: &dyn Content = self.store;
        let tree = match &output.kind {
            Unpack::Blob { file_name, executable } => {
                let file = Entry::File(File { digest: blob, executable: *executable });
                content.put_directory(&Directory { entries: [(file_name.clone(), file)].into() })?
            }
            kind => {
                let reader: Box<dyn Read + Send> = content.open_blob(blob)?;
                unpack::unpack(
                    content,
                    self.store.scratch(),
                    kind,
                    reader,
                    unpack::Limits::for_archive(blob.size()),
                )
                .map_err(|problem| problem.named(&output.name))?
            }
        };
        self.remember_tree(TREES, tree_key(output), tree)?;
        Ok(tree)
    }
}

type Known<'f, T> = dyn Fn(&FixedOutput) -> Result<Option<T>, FetchError> + 'f;
type Fetch<'f, T> = dyn Fn(&FixedOutput) -> Result<T, FetchError> + Sync + 'f;

/// All that decides which tree an archive becomes.
fn tree_key(output: &FixedOutput) -> Sha256 {
    let FixedOutput { name: _, sha256, size: _, places: _, kind } = output;
    Sha256::of(format!("{UNPACK_VERSION}\0{sha256}\0{}", kind.describe()).as_bytes())
}
