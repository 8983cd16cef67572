//! Wheels from package indexes, as pip's configuration says.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use xbuild_base::{RelPath, Sha256};
use xbuild_fetch::source::wheel::{PackageIndex, Wheel};
use xbuild_fetch::{FetchError, Fetcher, Quiet, Settings};

use crate::server::{Reply, Server};
use crate::support::{Counting, offline, quick};

const FILE: &str = "zig_lang-1.0+x-py3-none-any.whl";

fn bytes() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("zig/lib/a", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(b"a").unwrap();
    archive.finish().unwrap().into_inner()
}

fn wheel() -> Wheel {
    Wheel {
        name: "Zig.Lang".to_owned(),
        version: "1.0".to_owned(),
        file_name: FILE.to_owned(),
        sha256: Sha256::of(&bytes()),
        size: Some(bytes().len() as u64),
        keep: RelPath::new("zig/lib").unwrap(),
        prefix: RelPath::new("usr/src").unwrap(),
    }
}

/// Fetches with just these variables; files of this machine play no part.
fn fetch(
    settings: Settings,
    variables: &[(&str, &str)],
    index: Option<&str>,
) -> Result<Vec<String>, FetchError> {
    let mut variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.entry("PIP_CONFIG_FILE".to_owned()).or_insert_with(|| "/dev/null".to_owned());
    let index = Arc::new(PackageIndex::load(&variables, index)?);
    let store = Counting::new();
    let trees = Fetcher::new(&store, settings, &Quiet).trees(&[wheel().output(&index)])?;
    Ok(store.listing(trees[0]).into_iter().map(|(path, _)| path).collect())
}

#[test]
fn an_index_in_html_and_one_in_json_lead_to_the_file() {
    let server = Server::new(|request| match request.path.as_str() {
        "/html/zig-lang/" => {
            Reply::ok("<a href='../../files/zig_lang-1.0%2Bx-py3-none-any.whl#sha256=0'>x</a>")
                .header("Content-Type", "text/html")
        }
        "/json/zig-lang/" => {
            let url = format!("http://{}/files/{FILE}", request.header("host").unwrap());
            Reply::ok(format!(
                "{{\"files\":[{{\"filename\":\"{FILE}\",\"url\":\"{url}\",\"hashes\":{{}}}}]}}"
            ))
            .header("Content-Type", "application/vnd.pypi.simple.v1+json")
        }
        path if path.starts_with("/files/") => Reply::ok(bytes()),
        _ => Reply::status(404),
    });
    let (html, json) = (format!("{}/html", server.url), format!("{}/json/", server.url));
    assert_eq!(fetch(quick(), &[("PIP_INDEX_URL", &html)], None).unwrap(), ["usr/src/a"]);
    assert_eq!(fetch(quick(), &[("PIP_INDEX_URL", &json)], None).unwrap(), ["usr/src/a"]);
    assert!(server.requests()[0].header("accept").unwrap().contains("json"));
    // The setting wins over pip's.
    fetch(quick(), &[("PIP_INDEX_URL", "http://127.0.0.1:9")], Some(&json)).unwrap();
    // An extra index is asked where the first one doesn't have it, or is down.
    let empty = format!("{}/empty", server.url);
    fetch(quick(), &[("PIP_INDEX_URL", &empty), ("PIP_EXTRA_INDEX_URL", &html)], None).unwrap();
    let settings = Settings { retries: 0, ..quick() };
    fetch(settings, &[("PIP_INDEX_URL", "http://127.0.0.1:9"), ("PIP_EXTRA_INDEX_URL", &html)], None)
        .unwrap();
}

#[test]
fn a_configuration_file_names_the_index_and_the_folders() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("wheels")).unwrap();
    std::fs::write(folder.path().join("wheels").join(FILE), bytes()).unwrap();
    let file = folder.path().join("pip.conf");
    let text = format!("[global]\nno-index = true\nfind-links =\n    {}/wheels\n", folder.path().display());
    std::fs::write(&file, text).unwrap();
    // A folder needs no network.
    let found = fetch(offline(), &[("PIP_CONFIG_FILE", &file.display().to_string())], None).unwrap();
    assert_eq!(found, ["usr/src/a"]);
}

#[test]
fn a_page_of_links_may_have_it_too() {
    let server = Server::new(|request| match request.path.as_str() {
        "/links.html" => Reply::ok(format!("<a href={FILE}>x</a>")).header("Content-Type", "text/html"),
        _ => Reply::ok(bytes()),
    });
    let links = format!("{}/links.html", server.url);
    fetch(quick(), &[("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", &links)], None).unwrap();
}

#[test]
fn a_file_that_no_index_has_is_gone() {
    let server = Server::new(|_| Reply::status(404));
    let error = fetch(quick(), &[("PIP_INDEX_URL", &server.url)], None).unwrap_err();
    assert!(matches!(&error, FetchError::Gone { name, .. } if name == FILE), "{error}");
}
