//! `xbuild bundle`: all that outputs are made from, laid out by hash, for machines without a network and for the day when
//! what is pinned has left its pool.

use std::path::Path;
use std::process::ExitCode;

use indicatif::HumanBytes;
use xbuild_action::Content as _;
use xbuild_base::{Blob, Digest, Sha256};
use xbuild_fetch::source::git::mirror_commits;
use xbuild_fetch::{Noted, mirror};

use super::fetch::fetch_all;
use crate::cli::{Build, Bundle, Global};
use crate::description::Described;
use crate::error::{XbuildError, counted};
use crate::session::{Fetching, Session};
use crate::ui::Ui;
use crate::work::{Wanted, Work, request};

pub(crate) fn run(global: &Global, bundle: &Bundle, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let build: Build = bundle.outputs.clone().into();
    described.toolchains_for(&request(&build, &Wanted::Everything))?;
    let session = Session { noted: Some(Noted::default()), ..Session::open(ui)? };
    let work = Work::new(global, &build, Wanted::Everything, &described, &session, ui)?;
    fetch_all(&work)?;

    let folder = std::path::absolute(&bundle.folder).map_err(|error| failed(&error))?;
    let wanted = session.noted.as_ref().map(Noted::outputs).unwrap_or_default();
    let fetching = Fetching::new(&session, global, ui)?;
    let fetcher = fetching.fetcher();
    let mut bytes = 0;
    for (output, blob) in wanted.iter().zip(fetcher.blobs(&wanted)?) {
        bytes += blob.size();
        write(&session, output.sha256, blob, &folder)?;
    }
    let of_images = session.noted.as_ref().map(Noted::blobs).unwrap_or_default();
    for &blob in &of_images {
        bytes += blob.size();
        write(&session, blob.sha256(), blob, &folder)?;
    }
    let commits = session.noted.as_ref().map(Noted::commits).unwrap_or_default();
    if !commits.is_empty() {
        mirror_commits(&fetcher, &commits, &folder)?;
    }
    fetching.display.finish();
    let mut what = format!("{}, {}", counted(wanted.len() + of_images.len(), "file"), HumanBytes(bytes));
    if !commits.is_empty() {
        what.push_str(&format!(", and {}", counted(commits.len(), "git commit")));
    }
    ui.status("Bundled", format!("{what}, in {}", folder.display()));
    ui.note(format!("build from it: XBUILD_MIRRORS={} xbuild all --offline", folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes a file where it is not there yet; whoever looks sees all of it or nothing.
fn write(session: &Session, sha256: Sha256, blob: Digest<Blob>, folder: &Path) -> Result<(), XbuildError> {
    let place = folder.join(mirror::path_of(sha256));
    if place.metadata().is_ok_and(|there| there.len() == blob.size()) {
        return Ok(());
    }
    let above = place.parent().unwrap_or(folder);
    fs_err::create_dir_all(above).map_err(|error| failed(&error))?;
    let mut beside = tempfile::NamedTempFile::new_in(above).map_err(|error| failed(&error))?;
    let mut content = session.store.open_blob(blob)?;
    std::io::copy(&mut content, &mut beside).map_err(|error| failed(&error))?;
    // Those who use it may be others.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    beside.as_file().set_permissions(readable).map_err(|error| failed(&error))?;
    beside.persist(place).map_err(|error| failed(&error.error))?;
    Ok(())
}

fn failed(error: &std::io::Error) -> XbuildError {
    XbuildError::environment(error.to_string(), "name a folder that can be written: xbuild bundle DIR")
}
