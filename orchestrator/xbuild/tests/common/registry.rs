//! Debian's `docker-registry` on loopback, and a proxy before it that counts requests and can misbehave.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fs_err as fs;

use super::machine::oci_tools;

/// Who may push to a registry with a password, and the password.
pub(crate) const USER: &str = "builder";
pub(crate) const PASSWORD: &str = "s3cret";

/// `USER:PASSWORD` in base 64: what Docker's configuration has.
pub(crate) const BASIC: &str = "YnVpbGRlcjpzM2NyZXQ=";

/// The line of `htpasswd -B` for the two.
const HTPASSWD: &str = "builder:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// A digest that nothing has: see [`Fault::WrongDigest`].
pub(crate) const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// An address of loopback that nobody listens on: it was free a moment ago.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// An address of loopback that no other run of the tests is likely to have had: the store that they share remembers
/// which registry has what.
fn fresh_ip() -> Ipv4Addr {
    let [a, b, c, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    Ipv4Addr::new(127, a, b, c % 254 + 1)
}

/// A registry with nothing in it; it is gone when this is dropped.
pub(crate) struct Registry {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Registry {
    /// One that anybody may push to.
    pub(crate) fn new() -> Self {
        Self::start("")
    }

    /// One that only [`USER`] may use, with [`PASSWORD`].
    pub(crate) fn with_password() -> Self {
        Self::start("auth: { htpasswd: { realm: tests, path: htpasswd } }\n")
    }

    /// With more lines of configuration. Someone else may take the port before the registry does: then it ends at
    /// once, and there are other ports.
    fn start(more: &str) -> Self {
        (0..5).find_map(|_| Self::try_start(more)).expect("docker-registry does not start")
    }

    fn try_start(more: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: data }} }}\nhttp: {{ addr: \"{address}\" }}\n{more}"
        );
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let log = folder.path().join("log");
        let child = oci_tools()
            .command("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap().into_file())
            .spawn()
            .unwrap();
        let mut registry = Self { child, address, folder };
        let start = Instant::now();
        loop {
            let answers = registry.ask("GET", "/v2/").is_ok();
            let has_ended = registry.child.try_wait().unwrap().is_some();
            if has_ended || start.elapsed() > PATIENCE {
                println!("docker-registry: {}", fs::read_to_string(&log).unwrap());
                return None;
            } else if answers {
                return Some(registry);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The digest of what a tag or a digest leads to, if it is there.
    #[track_caller]
    pub(crate) fn digest(&self, repository: &str, name: &str) -> Option<String> {
        let answer = self.ask("HEAD", &format!("/v2/{repository}/manifests/{name}")).unwrap();
        match status(&answer) {
            200 => answer.lines().find_map(|line| header(line, "docker-content-digest")).map(str::to_owned),
            404 => None,
            _ => panic!("{repository} {name}: {answer}"),
        }
    }

    /// Takes a repository away, as who runs a registry may. The blobs stay on its disk, of no repository.
    pub(crate) fn remove(&self, repository: &str) {
        let repositories = self.folder.path().join("data/docker/registry/v2/repositories");
        fs::remove_dir_all(repositories.join(repository)).unwrap();
    }

    /// Changes what it has on its disk under a digest, and not the digest.
    pub(crate) fn tamper(&self, digest: &str) {
        let file = self.data(digest);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replacen("\"size\":", "\"size\": ", 1)).unwrap();
    }

    /// Changes one bit of what it has on its disk under a digest, or changes it back: the length stays.
    pub(crate) fn flip(&self, digest: &str) {
        let file = self.data(digest);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    }

    /// Where it keeps a blob.
    fn data(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// Its answer to a request without a body, as text.
    fn ask(&self, method: &str, path: &str) -> io::Result<String> {
        // Without this `Accept` it says of an image and of an index that they are not there.
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {BASIC}\r\nConnection: close\r\n\
             Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json\r\n\r\n",
            self.address
        );
        let answer = exchange(&self.address, &head, &[])?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request as the proxy saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and kind: `HEAD blob`, `POST upload`, `POST mount`, `PATCH upload`, `PUT upload`, `HEAD manifest`,
    /// `PUT manifest` (by its digest), `PUT tag`; else method and path.
    pub(crate) what: String,
    /// The path and the query as they came.
    pub(crate) path: String,
    /// What the client calls the proxy: [`Proxy::address`].
    pub(crate) host: String,
    /// The header in which the client says who it is.
    pub(crate) authorization: Option<String>,
    /// How many of the same `what` came before.
    pub(crate) before: usize,
    /// The bytes of its body. Not known yet when its fault is chosen, and nor is `status`.
    pub(crate) body: usize,
    /// What was answered; 0 for nothing.
    pub(crate) status: u16,
}

impl Seen {
    /// The digest that it names.
    pub(crate) fn digest(&self) -> Option<String> {
        let path = self.path.replace("%3A", ":");
        let (_, hex) = path.rsplit_once("sha256:")?;
        Some(format!("sha256:{}", hex.get(..64)?))
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The registry answers it.
    Pass,
    /// The registry answers it, so much later: see [`Proxy::most_waiting`].
    Wait(Duration),
    /// It is answered so, with this header (where it isn't empty) and this body, and doesn't get to the registry.
    Status(u16, Cow<'static, str>, Cow<'static, str>),
    /// The connection is closed when half of its body has been read.
    CutRequest,
    /// The registry answers it, and the connection is closed after half of the answer.
    CutResponse,
    /// The registry answers it, and each digest in the answer's headers becomes [`OTHER`].
    WrongDigest,
    /// The registry answers it, and the last byte of the answer's body becomes another one.
    WrongBody,
}

impl Fault {
    /// [`Fault::Status`], of constants.
    pub(crate) const fn status(code: u16, header: &'static str, body: &'static str) -> Self {
        Self::Status(code, Cow::Borrowed(header), Cow::Borrowed(body))
    }
}

pub(crate) const UNAUTHORIZED: Fault = Fault::status(
    401,
    "WWW-Authenticate: Basic realm=\"tests\"",
    r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
);
pub(crate) const DENIED: Fault =
    Fault::status(403, "", r#"{"errors":[{"code":"DENIED","message":"not for the likes of you"}]}"#);
pub(crate) const LIMITED: Fault = Fault::status(
    429,
    "Retry-After: 1",
    r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"not so fast"}]}"#,
);
pub(crate) const BROKEN: Fault = Fault::status(500, "", "out of order");

/// A proxy before a registry; it ends when this is dropped.
pub(crate) struct Proxy {
    address: String,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    registry: String,
    fault: Box<dyn Fn(&Seen) -> Fault + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    /// How many requests wait now, and how many did at most.
    waiting: AtomicUsize,
    most_waiting: AtomicUsize,
    has_ended: AtomicBool,
}

impl Proxy {
    /// One that does to each request what `fault` says.
    pub(crate) fn new(registry: &Registry, fault: impl Fn(&Seen) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((fresh_ip(), 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            registry: registry.address.clone(),
            fault: Box::new(fault),
            seen: Mutex::default(),
            waiting: AtomicUsize::new(0),
            most_waiting: AtomicUsize::new(0),
            has_ended: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let state: &State = &shared;
            thread::scope(|scope| {
                for stream in listener.incoming() {
                    if state.has_ended.load(Ordering::SeqCst) {
                        break;
                    }
                    scope.spawn(move || {
                        // The client may go at any moment; that is its own test's business.
                        let _ = stream.and_then(|stream| state.serve(stream));
                    });
                }
            });
        });
        Self { address, state, thread: Some(thread) }
    }

    /// `127.X.Y.Z:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The requests since the start or since they were forgotten, as they came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.state.seen.lock().unwrap().clear();
    }

    /// How many requests of a kind there were: [`Seen::what`].
    pub(crate) fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|one| one.what == what).count()
    }

    /// How many blobs were sent, whole: what was mounted was not sent.
    pub(crate) fn sent(&self) -> usize {
        self.seen().iter().filter(|one| one.what.ends_with(" upload") && one.status == 201).count()
    }

    /// How many requests of [`Fault::Wait`] there were at once, at most.
    pub(crate) fn most_waiting(&self) -> usize {
        self.state.most_waiting.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.has_ended.store(true, Ordering::SeqCst);
        // It wakes up to see that.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    /// Answers the one request of a connection.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let first = line(&mut reader)?;
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if path.is_empty() {
            return Ok(());
        }
        let mut headers = Vec::new();
        loop {
            let line = line(&mut reader)?;
            if line.is_empty() {
                break;
            }
            headers.push(line);
        }
        let value = |name: &str| headers.iter().find_map(|line| header(line, name));
        let (index, seen) = self.record(method, path, value("host"), value("authorization"));
        let fault = (self.fault)(&seen);

        if value("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if matches!(fault, Fault::CutRequest) {
            reader.read_exact(&mut vec![0; length / 2])?;
            return stream.shutdown(Shutdown::Both);
        }
        let body = if value("transfer-encoding").is_some() {
            chunks(&mut reader)?
        } else {
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            body
        };
        self.complete(index, |seen| seen.body = body.len());

        if let Fault::Wait(time) = fault {
            let now = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_waiting.fetch_max(now, Ordering::SeqCst);
            thread::sleep(time);
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        let mut answer = if let Fault::Status(code, line, text) = &fault {
            let mut head = format!("HTTP/1.1 {code} Fault\r\n");
            if !line.is_empty() {
                head += &format!("{line}\r\n");
            }
            let text: &str = if method == "HEAD" { "" } else { text };
            head += "Content-Type: application/json\r\nConnection: close\r\n";
            format!("{head}Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
        } else {
            // `Host` as it came: the registry makes its locations of it, which lead here then.
            let mut head = format!("{first}\r\n");
            let own = ["connection", "content-length", "expect", "transfer-encoding"];
            // The registry knows of no tokens: they are for a fault to look at.
            let is_token =
                |line: &str| header(line, "authorization").is_some_and(|value| value.starts_with("Bearer "));
            let is_own = |line: &str| own.iter().any(|name| header(line, name).is_some()) || is_token(line);
            for line in headers.iter().filter(|line| !is_own(line)) {
                head += &format!("{line}\r\n");
            }
            head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            exchange(&self.registry, &head, &body)?
        };
        if matches!(fault, Fault::WrongBody)
            && let Some(last) = answer.last_mut()
        {
            *last ^= 1;
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let (head, rest) = answer.split_at(end);
        let head = String::from_utf8_lossy(head);
        self.complete(index, |seen| seen.status = status(&head));
        match fault {
            Fault::CutResponse => stream.write_all(&answer[..answer.len() / 2]),
            Fault::WrongDigest => {
                stream.write_all(with_other_digests(&head).as_bytes())?;
                stream.write_all(rest)
            }
            _ => stream.write_all(&answer),
        }
    }

    /// Remembers a request, and gives its number.
    fn record(
        &self,
        method: &str,
        path: &str,
        host: Option<&str>,
        authorization: Option<&str>,
    ) -> (usize, Seen) {
        let mut all = self.seen.lock().unwrap();
        let what = format!("{method} {}", kind(path));
        let before = all.iter().filter(|one| one.what == what).count();
        let (host, authorization) = (host.unwrap_or_default().to_owned(), authorization.map(str::to_owned));
        let path = path.to_owned();
        let seen = Seen { what, path, host, authorization, before, body: 0, status: 0 };
        all.push(seen.clone());
        (all.len() - 1, seen)
    }

    /// Adds to what is remembered of a request; it may have been forgotten.
    fn complete(&self, index: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.lock().unwrap().get_mut(index) {
            change(seen);
        }
    }
}

/// What a request is about, without its repository and digests.
fn kind(path: &str) -> &str {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if query.split('&').any(|pair| pair.starts_with("mount=")) {
        "mount"
    } else if path.contains("/blobs/uploads") {
        "upload"
    } else if path.contains("/blobs/") {
        "blob"
    } else if path.contains("/manifests/sha256:") {
        "manifest"
    } else if path.contains("/manifests/") {
        "tag"
    } else {
        path
    }
}

/// The value of a header's line, if it is the header of that name.
fn header<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (key, value) = line.split_once(':')?;
    key.eq_ignore_ascii_case(name).then_some(value.trim())
}

/// The status of an answer.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn with_other_digests(head: &str) -> String {
    let mut parts = head.split("sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |head, part| head + OTHER + part.get(64..).unwrap_or_default())
}

/// A line, without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// A body in chunks.
fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = line(reader)?;
        let size = head.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            // What may follow, up to an empty line.
            while !line(reader)?.is_empty() {}
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..])?;
        line(reader)?;
    }
}

/// Sends a request on a connection of its own, and gives all that is answered.
fn exchange(address: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    // A server may answer before it has read everything.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
