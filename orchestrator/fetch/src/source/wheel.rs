//! Wheels from a Python package index, by file name and SHA-256. The index is the one that pip would ask.
//!
//! See pip's "Configuration", and PEP 503 and PEP 691 for the index.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use xbuild_base::{RelPath, Sha256};

use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{FixedOutput, Locate, Place, Unpack, percent_decoded, without_credentials};
use crate::relative_url::join;

/// No page of an index is larger, in bytes.
const LARGEST: u64 = 64 << 20;
/// What is asked for: JSON rather than HTML.
const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// A wheel that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// The project's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The wheel's file name.
    pub file_name: String,
    /// The file's checksum.
    pub sha256: Sha256,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    /// Only what lies at or below this path of the wheel is kept; the root keeps all.
    pub keep: RelPath,
    /// What was kept lies at this path of the tree.
    pub prefix: RelPath,
}

impl Wheel {
    /// What a fetcher needs to know of it. Nothing is read or fetched.
    #[must_use]
    pub fn output(&self, index: &Arc<PackageIndex>) -> FixedOutput {
        let Self { name, version: _, file_name, sha256, size, keep, prefix } = self;
        let lookup =
            WheelAt { index: Arc::clone(index), project: name.clone(), file_name: file_name.clone() };
        let mut places: Vec<Place> =
            index.folders().map(|folder| Place::File(folder.join(file_name))).collect();
        places.push(Place::Lookup(Arc::new(lookup)));
        let kind = Unpack::Wheel { keep: keep.clone(), prefix: prefix.clone() };
        FixedOutput { name: file_name.clone(), sha256: *sha256, size: *size, places, kind }
    }
}

/// Where pip would look for packages.
#[derive(Debug, Default)]
pub struct PackageIndex {
    /// The index; `None` is pip's own default, which is found out when it is needed.
    index: Option<String>,
    extra: Vec<String>,
    find_links: Vec<String>,
    no_index: bool,
    default: Mutex<Option<String>>,
}

impl PackageIndex {
    /// Reads pip's configuration: its files and `PIP_*` among the environment's `variables`. `index` takes the
    /// place of the index that they name (the setting `XBUILD_PYPI_INDEX`).
    ///
    /// # Errors
    /// [`FetchError::Configuration`] when a file can't be read.
    pub fn load(variables: &BTreeMap<String, String>, index: Option<&str>) -> Result<Self, FetchError> {
        let mut settings = BTreeMap::new();
        for path in configuration_files(variables) {
            let text = match fs_err::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FetchError::Configuration { path, problem: error.to_string() }),
            };
            settings.extend(parse_ini(&text));
        }
        for (name, value) in variables {
            // As in pip an empty variable says nothing.
            if let Some(key) = name.strip_prefix("PIP_").filter(|_| !value.trim().is_empty()) {
                settings.insert(key.to_ascii_lowercase().replace('_', "-"), value.clone());
            }
        }
        let list = |key: &str| {
            let value = settings.get(key).map(String::as_str).unwrap_or_default();
            value.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let no_index = settings.get("no-index").is_some_and(|value| {
            matches!(value.trim().to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on" | "y" | "t")
        });
        Ok(Self {
            index: index
                .map(ToOwned::to_owned)
                .or_else(|| settings.get("index-url").map(|url| url.trim().to_owned())),
            extra: list("extra-index-url"),
            find_links: list("find-links"),
            // Naming an index for xbuild is asking for it.
            no_index: no_index && index.is_none(),
            default: Mutex::new(None),
        })
    }

    /// The folders among the `find-links`.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.find_links.iter().filter_map(|link| match Place::from_url(link) {
            Ok(Place::File(path)) => Some(path),
            _ => None,
        })
    }

    /// The indexes, the first one first.
    fn indexes(&self, wanted: &str) -> Result<Vec<String>, FetchError> {
        if self.no_index {
            return Ok(Vec::new());
        }
        let first = match &self.index {
            Some(index) => index.clone(),
            None => match self.pips_default() {
                Ok(index) => index,
                Err(_) if !self.extra.is_empty() => return Ok(self.extra.clone()),
                Err(problem) => return Err(FetchError::NoIndex { name: wanted.to_owned(), problem }),
            },
        };
        Ok(std::iter::once(first).chain(self.extra.iter().cloned()).collect())
    }

    /// Asks the pip on this machine for its own default.
    fn pips_default(&self) -> Result<String, String> {
        const QUESTION: &str = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
        let mut default = self.default.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(default) = &*default {
            return Ok(default.clone());
        }
        for python in ["python3", "python"] {
            let output = Command::new(python)
                .args(["-c", QUESTION])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .output();
            let text = output.ok().filter(|output| output.status.success());
            let text = text.and_then(|output| String::from_utf8(output.stdout).ok());
            if let Some(url) = text.map(|text| text.trim().to_owned()).filter(|url| url.contains("://")) {
                *default = Some(url.clone());
                return Ok(url);
            }
        }
        Err("pip's configuration names none, and there is no pip on this machine to ask for its default"
            .to_owned())
    }
}

/// pip's files, those that win last.
fn configuration_files(variables: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    let own = set("PIP_CONFIG_FILE").map(PathBuf::from);
    if own.as_deref() == Some(Path::new("/dev/null")) {
        return Vec::new();
    }
    let global = set("XDG_CONFIG_DIRS").map_or("/etc/xdg", String::as_str);
    let mut files: Vec<PathBuf> = global
        .split(':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| Path::new(folder).join("pip/pip.conf"))
        .collect();
    files.reverse();
    files.push(PathBuf::from("/etc/pip.conf"));
    if let Some(home) = set("HOME").map(Path::new) {
        files.push(home.join(".pip/pip.conf"));
        files.push(
            set("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from).join("pip/pip.conf"),
        );
    }
    if let Some(environment) = set("VIRTUAL_ENV") {
        files.push(Path::new(environment).join("pip.conf"));
    }
    files.extend(own);
    files
}

/// The keys of `[global]`, then of `[install]` and `[download]`, which win.
fn parse_ini(text: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let (mut section, mut key) = (String::new(), None::<String>);
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, key) = (name.trim().to_ascii_lowercase(), None);
            continue;
        }
        let keys = sections.entry(section.clone()).or_default();
        // A line that begins with a space goes on with the value above.
        if let (true, Some(key)) = (line.starts_with([' ', '\t']), &key) {
            let value = keys.entry(key.clone()).or_default();
            value.push('\n');
            value.push_str(trimmed);
        } else if let Some((name, value)) = trimmed.split_once(['=', ':']) {
            let name = name.trim().to_ascii_lowercase().replace('_', "-");
            keys.insert(name.clone(), value.trim().to_owned());
            key = Some(name);
        }
    }
    ["global", "install", "download"].iter().filter_map(|name| sections.remove(*name)).flatten().collect()
}

/// Where an index has a wheel.
struct WheelAt {
    index: Arc<PackageIndex>,
    project: String,
    file_name: String,
}

impl fmt::Debug for WheelAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the package index's page for {}", self.project)
    }
}

impl Locate for WheelAt {
    fn locate(&self, fetcher: &Fetcher<'_>) -> Result<Vec<Place>, FetchError> {
        let mut pages: Vec<String> = Vec::new();
        let mut places = Vec::new();
        for link in self.index.find_links.iter().filter(|link| link.starts_with("http")) {
            match file_name_of(link) == self.file_name {
                true => places.push(Place::from_url(link)?),
                false => pages.push(link.clone()),
            }
        }
        for index in self.index.indexes(&self.file_name)? {
            pages.push(format!("{}/{}/", index.trim_end_matches('/'), normalised(&self.project)));
        }
        let mut errors = Vec::new();
        for page in pages {
            let name = format!("{self:?}");
            match fetcher.read_as(&name, &Place::from_url(&page)?, LARGEST, Some(ACCEPT)) {
                Ok(Some(answer)) => {
                    let link = find(&answer.body, answer.content_type.as_deref(), &self.file_name);
                    if let Some(link) = link {
                        places.push(credentials_kept(&page, &join(&answer.url, &link))?);
                    }
                }
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        // An index that can't be reached matters only when no other has the file.
        if places.is_empty() && !errors.is_empty() { Err(FetchError::join(errors)) } else { Ok(places) }
    }
}

/// A link to the same host gets the user and password of the page that it is on, as in pip.
fn credentials_kept(page: &str, link: &str) -> Result<Place, FetchError> {
    let link = link.split('#').next().unwrap_or(link);
    let plain = without_credentials(page);
    let authority = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        Some((scheme.to_owned(), rest.split('/').next().unwrap_or(rest).to_owned()))
    };
    if plain != page
        && let (Some(with_user), Some(of_page), Some(of_link)) =
            (authority(page), authority(&plain), authority(link))
        && of_page == of_link
    {
        let rest = &link[of_link.0.len() + 3 + of_link.1.len()..];
        return Place::from_url(&format!("{}://{}{rest}", with_user.0, with_user.1));
    }
    Place::from_url(link)
}

#[derive(Deserialize)]
struct Page {
    files: Vec<PageFile>,
}

#[derive(Deserialize)]
struct PageFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    size: Option<u64>,
}

/// A file that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) file_name: String,
    /// Its checksum, as the index says.
    pub(crate) sha256: Sha256,
    /// Its size in bytes, where the index says it.
    pub(crate) size: Option<u64>,
}

impl PackageIndex {
    /// All files of a project that the indexes list with a SHA-256.
    pub(crate) fn listed(&self, fetcher: &Fetcher<'_>, project: &str) -> Result<Vec<Listed>, FetchError> {
        let (name, mut files) = (format!("the package index's page for {project}"), Vec::new());
        for index in self.indexes(project)? {
            let page = format!("{}/{}/", index.trim_end_matches('/'), normalised(project));
            if let Some(answer) = fetcher.read_as(&name, &Place::from_url(&page)?, LARGEST, Some(ACCEPT))? {
                files.extend(listed(&answer.body, answer.content_type.as_deref()));
            }
        }
        Ok(files)
    }
}

/// The files on an index's page that have a SHA-256.
fn listed(body: &[u8], content_type: Option<&str>) -> Vec<Listed> {
    if content_type.is_some_and(|kind| kind.contains("json")) || body.trim_ascii_start().starts_with(b"{") {
        let files = serde_json::from_slice::<Page>(body).map(|page| page.files).unwrap_or_default();
        let listed = files.into_iter().filter_map(|file| {
            let sha256 = Sha256::from_hex(file.hashes.get("sha256")?).ok()?;
            Some(Listed { file_name: file.filename, sha256, size: file.size })
        });
        return listed.collect();
    }
    let links = anchors(&String::from_utf8_lossy(body));
    let listed = links.iter().filter_map(|link| {
        let sha256 = Sha256::from_hex(link.split_once("#sha256=")?.1).ok()?;
        Some(Listed { file_name: file_name_of(link), sha256, size: None })
    });
    listed.collect()
}

/// The link to a file on an index's page.
fn find(body: &[u8], content_type: Option<&str>, file_name: &str) -> Option<String> {
    if content_type.is_some_and(|kind| kind.contains("json")) || body.trim_ascii_start().starts_with(b"{") {
        let page: Page = serde_json::from_slice(body).ok()?;
        return page.files.into_iter().find(|file| file.filename == file_name).map(|file| file.url);
    }
    anchors(&String::from_utf8_lossy(body)).into_iter().find(|link| file_name_of(link) == file_name)
}

/// The targets of all `<a href=…>`.
fn anchors(html: &str) -> Vec<String> {
    let mut links = Vec::new();
    for tag in html.split('<').skip(1) {
        let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
        let Some(attributes) =
            tag.strip_prefix(['a', 'A']).filter(|rest| rest.starts_with(char::is_whitespace))
        else {
            continue;
        };
        let lower = attributes.to_ascii_lowercase();
        let Some(at) = lower.find("href") else { continue };
        let value = attributes[at + 4..].trim_start();
        let Some(value) = value.strip_prefix('=').map(str::trim_start) else { continue };
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split_whitespace().next(),
        };
        links.extend(value.map(|value| value.trim().replace("&amp;", "&")));
    }
    links
}

/// The last component of an address, decoded.
fn file_name_of(url: &str) -> String {
    let path = &url[..url.find(['?', '#']).unwrap_or(url.len())];
    percent_decoded(path.rsplit('/').next().unwrap_or(path))
}

/// A project's name as indexes write it (PEP 503).
pub(crate) fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ini_file_is_read_as_pip_reads_it() {
        let settings = parse_ini(
            "# comment\n[global]\nindex_url = https://a.example/simple\nfind-links =\n    /srv/one\n    /srv/two\n\
             [install]\nIndex-URL: https://b.example/simple\n[list]\nformat = json\n",
        );
        assert_eq!(settings["index-url"], "https://b.example/simple");
        assert_eq!(settings["find-links"].split_whitespace().collect::<Vec<_>>(), ["/srv/one", "/srv/two"]);
        assert!(!settings.contains_key("format"));
    }

    #[test]
    fn a_file_is_found_on_both_kinds_of_pages() {
        let html =
            b"<!doctype html><A class=x HREF='../../f/zig-1.0%2B1-py3.whl?a=1&amp;b=2#sha256=00'>zig</A>\
                     <abbr href=no><a href=\"b.whl\">b</a>";
        let link = find(html, Some("text/html"), "zig-1.0+1-py3.whl");
        assert_eq!(link.as_deref(), Some("../../f/zig-1.0%2B1-py3.whl?a=1&b=2#sha256=00"));
        let json = br#"{"files":[{"filename":"b.whl","url":"https://h.example/b.whl","hashes":{}}]}"#;
        assert_eq!(find(json, None, "b.whl").as_deref(), Some("https://h.example/b.whl"));
        assert_eq!(find(json, None, "c.whl"), None);
    }

    #[test]
    fn what_a_page_lists_has_its_checksum() {
        let sum = Sha256::of(b"b");
        let html = format!("<a href=\"/f/b%2B1.whl#sha256={0}\">b</a><a href=\"c.whl\">c</a>", sum.to_hex());
        let expected = Listed { file_name: "b+1.whl".to_owned(), sha256: sum, size: None };
        assert_eq!(listed(html.as_bytes(), Some("text/html")), std::slice::from_ref(&expected));
        let json = format!(
            "{{\"files\":[{{\"filename\":\"b+1.whl\",\"url\":\"x\",\"hashes\":{{\"sha256\":\"{}\"}},\"size\":7}}]}}",
            sum.to_hex()
        );
        assert_eq!(listed(json.as_bytes(), None), [Listed { size: Some(7), ..expected }]);
    }

    #[test]
    fn names_are_normalised() {
        assert_eq!(normalised("Zig_Lang..x"), "zig-lang-x");
    }

    #[test]
    fn a_page_of_another_host_gets_no_password() {
        let place = |link| match credentials_kept("https://me:pw@h.example/simple/x/", link).unwrap() {
            Place::Http { url, .. } => url,
            other => panic!("{other:?}"),
        };
        assert_eq!(place("https://h.example/f.whl#sha256=0"), "https://me:pw@h.example/f.whl");
        assert_eq!(place("https://other.example/f.whl"), "https://other.example/f.whl");
    }
}
