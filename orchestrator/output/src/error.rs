//! What can go wrong with outputs.

use std::path::PathBuf;

use xbuild_action::StoreError;

use crate::proof::Proof;

/// Why outputs could not be proved, installed or copied.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A linked file is nothing that can be read.
    #[error("the linked file can't be read as ELF, PE or an archive: {problem}")]
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
    /// A linked file asks more of its system than its target allows.
    #[error("`{output}` would not run everywhere that it should:{}", .proof.violations.iter().map(|violation| format!("\n  {violation}")).collect::<String>())]
    Violated {
        /// The output's name, as the caller has it.
        output: String,
        /// What was found.
        proof: Box<Proof>,
    },
    /// A variant's or a file's name can't be part of a path.
    #[error("`{name}` can't be the name of a variant or an output: {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two different files want one place.
    #[error("two different outputs want the place `{path}`")]
    Conflict {
        /// The place, below the folder of results.
        path: String,
    },
    /// Something that xbuild did not make stands where it would write.
    #[error("could not write {path}: there is {found} in its place that xbuild did not make")]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// What tests said can't be written as JUnit's XML.
    #[error("could not write JUnit's XML: {0}")]
    Junit(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store could not take note of a link.
    #[error(transparent)]
    Root(#[from] xbuild_store::Error),
    /// The file system refused.
    #[error("could not {doing} {path}: {source}")]
    Io {
        /// A verb, as in "could not write …".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl OutputError {
    /// For `map_err`: names the file that an I/O error is about.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// What to do about it, when there is something: the text after `help:`.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Violated { proof, .. } => proof.violations.iter().find_map(|violation| violation.help()),
            Self::InTheWay { path, .. } => {
                Some(format!("move it away: mv '{0}' '{0}.old', or build with --no-link", path.display()))
            }
            Self::Io { source, .. } if is_full(source) => {
                Some("make room, then run the same command again: nothing that was there is lost".to_owned())
            }
            Self::Root(error) => error.help(),
            Self::Store(error) if error.is_disk_full() => Some("make room: xbuild gc".to_owned()),
            Self::Unreadable { .. }
            | Self::Name { .. }
            | Self::Conflict { .. }
            | Self::Junit(_)
            | Self::Store(_)
            | Self::Io { .. } => None,
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}
