//! A reader over a file that goes on after cuts and fails at its end when the bytes are wrong.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use xbuild_base::{Hasher, Sha256};

use super::http::{Closed, Opened};
use super::{Downloader, Trouble};
use crate::error::FetchError;
use crate::output::{Place, Secret};
use crate::progress::{Event, Progress};

/// How much must have come since the last failure for the count of failures to begin anew, in bytes.
const REAL_PROGRESS: u64 = 1 << 20;
/// How often a display is told, in bytes.
const STEP: u64 = 1 << 18;
/// No pause is longer, unless a server asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long it may take until a cancellation is seen.
const PROMPTLY: Duration = Duration::from_millis(50);

/// What the bytes must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) sha256: Option<Sha256>,
    pub(super) size: Option<u64>,
    /// No more bytes are read in any case.
    pub(super) limit: u64,
}

enum Source<'s> {
    File(fs_err::File),
    Http {
        downloader: &'s Downloader,
        url: &'s str,
        authorization: Option<&'s Secret>,
        accept: Option<&'s str>,
        body: Option<Box<dyn Read + Send>>,
    },
    /// Nothing more is read.
    Ended,
}

/// A file on its way in.
pub(super) struct Stream<'s> {
    source: Source<'s>,
    name: &'s str,
    place: &'s Place,
    expected: Expected,
    progress: &'s dyn Progress,
    hasher: Hasher,
    /// Bytes given out so far.
    done: u64,
    /// The file's size as the place says it.
    total: Option<u64>,
    told: u64,
    failures: u32,
    done_at_failure: u64,
    trouble: Option<Trouble>,
    content_type: Option<String>,
    final_url: String,
}

impl<'s> Stream<'s> {
    pub(super) fn from_file(
        file: fs_err::File,
        size: u64,
        name: &'s str,
        place: &'s Place,
        expected: Expected,
        progress: &'s dyn Progress,
    ) -> Self {
        let mut stream = Self::new(Source::File(file), name, place, expected, progress);
        stream.total = Some(size);
        stream
    }

    /// `place` is a [`Place::Http`]; any other gives nothing.
    pub(super) fn from_http(
        downloader: &'s Downloader,
        name: &'s str,
        place: &'s Place,
        expected: Expected,
        progress: &'s dyn Progress,
    ) -> Self {
        let source = match place {
            Place::Http { url, authorization } => Source::Http {
                downloader,
                url,
                authorization: authorization.as_ref(),
                accept: None,
                body: None,
            },
            Place::File(_) | Place::Lookup(_) => Source::Ended,
        };
        Self::new(source, name, place, expected, progress)
    }

    fn new(
        source: Source<'s>,
        name: &'s str,
        place: &'s Place,
        expected: Expected,
        progress: &'s dyn Progress,
    ) -> Self {
        Self {
            source,
            name,
            place,
            expected,
            progress,
            hasher: Hasher::default(),
            done: 0,
            total: None,
            told: 0,
            failures: 0,
            done_at_failure: 0,
            trouble: None,
            content_type: None,
            final_url: String::new(),
        }
    }

    /// Asks the server for a type.
    pub(super) fn accept(&mut self, wanted: Option<&'s str>) {
        if let Source::Http { accept, .. } = &mut self.source {
            *accept = wanted;
        }
    }

    /// Why a read failed, once.
    pub(super) fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// The answer's type, and its address after redirections.
    pub(super) fn answered(self) -> (Option<String>, String) {
        (self.content_type, self.final_url)
    }

    fn fail(&mut self, trouble: Trouble) -> io::Error {
        self.source = Source::Ended;
        self.trouble = Some(trouble);
        io::Error::other("the download failed")
    }

    fn wrong_size(&mut self, expected: u64, found: u64) -> io::Error {
        let (name, place) = (self.name.to_owned(), self.place.to_string());
        self.fail(Trouble::Fatal(FetchError::WrongSize { name, place, expected, found }))
    }

    /// Connects, again and again while there is hope, so that the next byte is number `done`.
    fn connect(&mut self) -> io::Result<()> {
        loop {
            self.check_cancelled()?;
            let Source::Http { downloader, url, authorization, accept, body: None } = &self.source else {
                return Ok(());
            };
            let closed = match downloader.http.open(url, *authorization, *accept, self.done) {
                Ok(opened) => match self.take_answer(opened)? {
                    Ok(()) => return Ok(()),
                    Err(problem) => Closed::Again { problem, pause: None },
                },
                Err(closed) => closed,
            };
            match closed {
                Closed::Never(trouble) => return Err(self.fail(trouble)),
                Closed::Again { problem, pause } => self.again(problem, pause)?,
            }
        }
    }

    /// Begins with an answer; the inner error may be mended by asking again.
    fn take_answer(&mut self, opened: Opened) -> io::Result<Result<(), String>> {
        let Opened { body: mut new_body, offset, total, content_type, url } = opened;
        if let (Some(expected), Some(found)) = (self.expected.size, total)
            && expected != found
        {
            return Err(self.wrong_size(expected, found));
        }
        if let (Some(before), Some(now)) = (self.total, total)
            && before != now
        {
            return Err(self.fail(Trouble::Unreachable("the file changed while it was fetched".to_owned())));
        }
        // A server without ranges begins at the beginning: what is there already is read and left.
        let mut left = self.done.saturating_sub(offset);
        let mut waste = [0; 8192];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(waste.len()).min(waste.len());
            match new_body.read(&mut waste[..most]) {
                Ok(0) => return Ok(Err("the connection was cut".to_owned())),
                Ok(read) => left -= read as u64,
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        if self.done == 0 {
            self.progress.event(self.name, Event::Started { size: total.or(self.expected.size) });
        }
        self.total = self.total.or(total);
        self.content_type = content_type;
        self.final_url = url;
        if let Source::Http { body, .. } = &mut self.source {
            *body = Some(new_body);
        }
        Ok(Ok(()))
    }

    /// Waits before the next try, or gives up.
    fn again(&mut self, problem: String, pause: Option<Duration>) -> io::Result<()> {
        let Source::Http { downloader, body, .. } = &mut self.source else {
            return Err(self.fail(Trouble::Unreachable(problem)));
        };
        *body = None;
        if self.done - self.done_at_failure >= REAL_PROGRESS {
            self.failures = 0;
        }
        self.done_at_failure = self.done;
        self.failures += 1;
        if self.failures > downloader.retries {
            let times =
                if self.failures == 1 { String::new() } else { format!(" ({} tries)", self.failures) };
            return Err(self.fail(Trouble::Unreachable(format!("{problem}{times}"))));
        }
        let cancel = &downloader.cancel;
        let pause = pause.unwrap_or_else(|| {
            downloader.pause.saturating_mul(1 << (self.failures - 1).min(16)).min(LONGEST_PAUSE)
        });
        self.progress.event(self.name, Event::Retrying { attempt: self.failures, pause, problem: &problem });
        let until = Instant::now() + pause;
        while !cancel.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(PROMPTLY));
        }
        Ok(())
    }

    /// Whether everything was asked to stop.
    fn check_cancelled(&mut self) -> io::Result<()> {
        match &self.source {
            Source::Http { downloader, .. } if downloader.cancel.is_cancelled() => {
                Err(self.fail(Trouble::Fatal(FetchError::Cancelled)))
            }
            _ => Ok(()),
        }
    }

    /// The end as the place says it: is it the file's?
    fn end(&mut self) -> io::Result<Ended> {
        let promised = self.total.or(self.expected.size);
        if promised.is_some_and(|promised| self.done < promised) {
            return match self.source {
                Source::Http { .. } => {
                    let problem = format!("the connection was cut after {} bytes", self.done);
                    self.again(problem, None).map(|()| Ended::Cut)
                }
                Source::File(_) | Source::Ended => {
                    Err(self.wrong_size(promised.unwrap_or_default(), self.done))
                }
            };
        }
        if let Some(expected) = self.expected.size
            && expected != self.done
        {
            return Err(self.wrong_size(expected, self.done));
        }
        let computed = std::mem::take(&mut self.hasher).sha256();
        if let Some(expected) = self.expected.sha256
            && expected != computed
        {
            let (name, place) = (self.name.to_owned(), self.place.to_string());
            return Err(self.fail(Trouble::Fatal(FetchError::Mismatch { name, place, expected, computed })));
        }
        self.source = Source::Ended;
        self.progress.event(self.name, Event::Advanced { done: self.done });
        Ok(Ended::Well)
    }

    fn advance(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.done += bytes.len() as u64;
        if let Some(size) = self.expected.size.filter(|size| self.done > *size) {
            return Err(self.wrong_size(size, self.done));
        }
        if self.done > self.expected.limit {
            let problem = format!("it is larger than {} bytes", self.expected.limit);
            return Err(self.fail(Trouble::Unreachable(problem)));
        }
        self.hasher.update(bytes);
        if self.done - self.told >= STEP {
            self.told = self.done;
            self.progress.event(self.name, Event::Advanced { done: self.done });
        }
        Ok(())
    }
}

/// How a body ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Well,
    Cut,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.check_cancelled()?;
            self.connect()?;
            let read = match &mut self.source {
                Source::Ended => return Ok(0),
                Source::File(file) => file.read(buffer),
                Source::Http { body: Some(body), .. } => body.read(buffer),
                Source::Http { body: None, .. } => Ok(0),
            };
            match read {
                Ok(0) => {
                    if self.end()? == Ended::Well {
                        return Ok(0);
                    }
                }
                Ok(read) => {
                    self.advance(&buffer[..read])?;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.again(error.to_string(), None)?,
            }
        }
    }
}
