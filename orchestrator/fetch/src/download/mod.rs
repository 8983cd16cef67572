//! Files over HTTP and from folders: the places of a file in their order, retries at each, checks at the end.

mod http;
mod names;
mod stream;

use std::io::Read;
use std::time::Duration;

use xbuild_action::Cancel;
use xbuild_base::{Blob, Digest};

use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::mirror;
use crate::output::{FixedOutput, Place};
use crate::progress::{Event, Progress};
use crate::settings::Settings;
use crate::store::Store;
use http::Http;
use stream::{Expected, Stream};

/// Why one place did not give a file.
#[derive(Debug)]
enum Trouble {
    /// It answers that it has no such file.
    NotThere(String),
    /// It wants credentials, or other ones.
    Refused { status: u16, problem: String },
    /// It can't be reached or can't answer, after all retries.
    Unreachable(String),
    /// The file is wrong; no other place is asked.
    Fatal(FetchError),
}

/// A small file that was read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its bytes.
    pub(crate) body: Vec<u8>,
    /// The `Content-Type`, where a server gave one.
    pub(crate) content_type: Option<String>,
    /// Where it came from in the end: the address after redirections.
    pub(crate) url: String,
}

/// Fetches files, with retries and checks; knows nothing of what is in the store already.
#[derive(Debug)]
pub(crate) struct Downloader {
    http: Http,
    retries: u32,
    pause: Duration,
    mirrors: Vec<String>,
    offline: bool,
    /// Stops what is under way.
    pub(crate) cancel: Cancel,
}

impl Downloader {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            http: Http::new(settings.timeout, settings.jobs),
            retries: settings.retries,
            pause: settings.pause,
            mirrors: settings.mirrors.clone(),
            offline: settings.offline,
            cancel: Cancel::default(),
        }
    }

    /// Fetches one file into the store: mirrors first, then its places in order.
    pub(crate) fn fetch(
        &self,
        fetcher: &Fetcher<'_>,
        output: &FixedOutput,
    ) -> Result<Digest<Blob>, FetchError> {
        let mut tried = Tried::default();
        for place in mirror::places(&self.mirrors, output.sha256) {
            if let Some(digest) = self.try_place(fetcher, output, &place, Role::Mirror, &mut tried)? {
                return Ok(digest);
            }
        }
        for place in &output.places {
            let found = match place {
                Place::Lookup(lookup) if self.offline && !lookup.is_local() => continue,
                Place::Lookup(lookup) => lookup.locate(fetcher)?,
                place => vec![place.clone()],
            };
            if found.is_empty() {
                tried.lines.push(format!("{place}: it lists no such file"));
            }
            for place in found {
                if let Some(digest) = self.try_place(fetcher, output, &place, Role::Origin, &mut tried)? {
                    return Ok(digest);
                }
            }
        }
        Err(tried.into_error(&output.name))
    }

    /// One place. `None` when another may be asked; why is in `tried`.
    fn try_place(
        &self,
        fetcher: &Fetcher<'_>,
        output: &FixedOutput,
        place: &Place,
        role: Role,
        tried: &mut Tried,
    ) -> Result<Option<Digest<Blob>>, FetchError> {
        if self.offline && !matches!(place, Place::File(_)) {
            return Ok(None);
        }
        match self.at_place(fetcher.store(), fetcher.progress(), output, place) {
            Ok(digest) => Ok(Some(digest)),
            Err(trouble) => tried.note(place, role, trouble).map(|()| None),
        }
    }

    fn at_place(
        &self,
        store: &dyn Store,
        progress: &dyn Progress,
        output: &FixedOutput,
        place: &Place,
    ) -> Result<Digest<Blob>, Trouble> {
        let expected = Expected { sha256: Some(output.sha256), size: output.size, limit: LARGEST };
        match place {
            Place::File(path) => {
                let file = match fs_err::File::open(path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(Trouble::NotThere("no such file".to_owned()));
                    }
                    Err(error) => return Err(Trouble::Unreachable(error.to_string())),
                };
                let size = file.metadata().map_err(|error| Trouble::Unreachable(error.to_string()))?.len();
                progress.event(&output.name, Event::Started { size: Some(size) });
                let mut stream = Stream::from_file(file, size, &output.name, place, expected, progress);
                self.keep(store, &mut stream)
            }
            Place::Http { .. } => {
                let mut stream = Stream::from_http(self, &output.name, place, expected, progress);
                self.keep(store, &mut stream)
            }
            Place::Lookup(_) => Err(Trouble::Unreachable("it leads to another look-up".to_owned())),
        }
    }

    /// Streams into the store. The checks lie in the stream: it fails at its end when the bytes are wrong, so
    /// that the store keeps nothing.
    fn keep(&self, store: &dyn Store, stream: &mut Stream<'_>) -> Result<Digest<Blob>, Trouble> {
        match store.put_reader(stream) {
            Ok(digest) => Ok(digest),
            Err(error) => Err(stream.trouble().unwrap_or(Trouble::Fatal(error.into()))),
        }
    }

    /// Reads a small file that no hash names beforehand; `None` when the place says that it has none.
    pub(crate) fn read(
        &self,
        name: &str,
        place: &Place,
        limit: u64,
        accept: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Option<Answer>, FetchError> {
        let mut body = Vec::new();
        let expected = Expected { sha256: None, size: None, limit };
        let trouble = match place {
            Place::File(path) => match fs_err::File::open(path).and_then(|file| {
                let size = file.metadata()?.len();
                Stream::from_file(file, size, name, place, expected, progress).read_to_end(&mut body)
            }) {
                Ok(_) => {
                    return Ok(Some(Answer {
                        body,
                        content_type: None,
                        url: format!("file://{}", path.display()),
                    }));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => Trouble::Unreachable(error.to_string()),
            },
            place => {
                let mut stream = Stream::from_http(self, name, place, expected, progress);
                stream.accept(accept);
                match stream.read_to_end(&mut body) {
                    Ok(_) => {
                        let (content_type, url) = stream.answered();
                        return Ok(Some(Answer { body, content_type, url }));
                    }
                    Err(error) => stream.trouble().unwrap_or(Trouble::Fatal(error.into())),
                }
            }
        };
        if let Trouble::NotThere(_) = trouble {
            return Ok(None);
        }
        let mut tried = Tried::default();
        tried.note(place, Role::Origin, trouble)?;
        Err(tried.into_error(name))
    }
}

/// No file that is fetched is larger, in bytes.
const LARGEST: u64 = 16 << 30;

/// What a place is to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Mirror,
    Origin,
}

/// The places that were asked, and what they said.
#[derive(Debug, Default)]
struct Tried {
    lines: Vec<String>,
    origin_unreachable: bool,
    refused: Option<(String, u16, String)>,
}

impl Tried {
    /// Takes down what a place said; an error that no other place can mend is returned.
    fn note(&mut self, place: &Place, role: Role, trouble: Trouble) -> Result<(), FetchError> {
        let line = match trouble {
            Trouble::NotThere(problem) => problem,
            Trouble::Unreachable(problem) => {
                self.origin_unreachable |= role == Role::Origin;
                problem
            }
            Trouble::Refused { status, problem } => {
                let line = format!("{status} {problem}");
                self.refused = Some((place.to_string(), status, problem));
                line
            }
            Trouble::Fatal(error) => return Err(error),
        };
        self.lines.push(format!("{place}: {line}"));
        Ok(())
    }

    fn into_error(self, name: &str) -> FetchError {
        let (name, mut tried) = (name.to_owned(), self.lines);
        match self.refused {
            _ if self.origin_unreachable => FetchError::Unreachable { name, tried },
            Some((place, status, problem)) => FetchError::Refused { name, place, status, problem },
            None => {
                if tried.is_empty() {
                    tried.push("no place is known for it".to_owned());
                }
                FetchError::Gone { name, tried }
            }
        }
    }
}
