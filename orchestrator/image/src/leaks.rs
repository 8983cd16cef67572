//! Whether an image holds what it must not.

use std::collections::BTreeSet;

use rayon::prelude::*;
use xbuild_action::ContentExt as _;
use xbuild_base::{Blob, Digest};
use xbuild_store::Disk;

use crate::error::ImageError;
use crate::rootfs::{Role, RootFs};
use crate::scan::{Finding, scan};

/// Scans what is in an image, but for what comes of packages that are pinned by xbuild itself and the same for
/// everybody; and `configuration`, what is said of it. `machine` are paths of this machine; files at the paths of
/// `allowed` may hold secrets. Gives notes on paths, and on secrets that a pulled base has.
///
/// # Errors
/// [`ImageError::Secrets`]; when the store fails.
pub fn check_leaks(
    store: &Disk,
    name: &str,
    (root, configuration): (&RootFs, &str),
    machine: &[String],
    allowed: &BTreeSet<String>,
) -> Result<Vec<String>, ImageError> {
    let said = store.put(configuration.as_bytes())?;
    let files = root.nodes().filter(|(_, node)| !matches!(node.role, Role::Base | Role::Libraries));
    let files = files.filter_map(|(path, node)| Some((format!("/{path}"), node.role, node.blob()?)));
    let all: Vec<(String, Role, Digest<Blob>)> =
        files.chain([("its configuration".to_owned(), Role::Application, said)]).collect();
    let found: Vec<(String, Role, Vec<Finding>)> = all
        .into_par_iter()
        .map(|(path, role, blob)| Ok((path, role, scan(store, blob, machine)?)))
        .collect::<Result<_, ImageError>>()?;
    let (mut secrets, mut notes) = (Vec::new(), Vec::new());
    for (path, role, findings) in found {
        let (secret, paths): (Vec<Finding>, Vec<Finding>) =
            findings.into_iter().partition(|finding| finding.leak.is_secret());
        match secret.first() {
            Some(_) if allowed.contains(&path) => {}
            Some(first) if role == Role::Pulled => {
                notes.push(format!("the base has {} in {path}", first.what))
            }
            _ => secrets.extend(secret.into_iter().map(|finding| (path.clone(), finding.what))),
        }
        if let Some(first) = paths.first().filter(|_| role != Role::Pulled) {
            let more = match paths.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            notes.push(format!("{path} holds a path of whoever built it: {}{more}", first.what));
        }
    }
    if secrets.is_empty() {
        Ok(notes)
    } else {
        Err(ImageError::Secrets { name: name.to_owned(), found: secrets })
    }
}
