//! What a dry run leaves for the build: nothing is fetched that planning can do without, and nothing is run.
//!
//! Something stands in the place of what isn't there, so that all that is made of it is told as to be built.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use xbuild_base::Triple;
use xbuild_fetch::Deferred;

/// What a dry run leaves for the build.
#[derive(Debug, Default)]
pub(crate) struct Later {
    /// Files of the net.
    pub(crate) files: Deferred,
    others: RefCell<BTreeSet<Undone>>,
}

/// Something that a build would do before its units, or beside them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "reason")]
pub(crate) enum Undone {
    /// Find versions of packages that `xbuild.lock` has none of.
    #[serde(rename = "xbuild-would-pin")]
    Pin {
        /// The packages.
        name: String,
    },
    /// Pull an image that others are based on.
    #[serde(rename = "xbuild-would-pull")]
    Pull {
        /// As the description names it.
        reference: String,
        /// For which platform.
        platform: String,
        /// What `xbuild.lock` has it pinned to.
        digest: Option<String>,
    },
    /// Build an output of another project.
    #[serde(rename = "xbuild-would-build-input")]
    Input {
        /// As the description names it.
        input: String,
        /// For which target.
        target: Triple,
    },
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin { name } => write!(f, "would pin and fetch {name}: xbuild.lock has no versions of it"),
            Self::Pull { reference, platform, digest: Some(_) } => {
                write!(f, "would pull {reference} for {platform}")
            }
            Self::Pull { reference, platform, digest: None } => {
                write!(f, "would pin and pull {reference} for {platform}: xbuild.lock has no digest of it")
            }
            Self::Input { input, target } => {
                write!(f, "would build {input} for {target}, with all that it needs")
            }
        }
    }
}

impl Later {
    /// Takes note of something.
    pub(crate) fn note(&self, undone: Undone) {
        self.others.borrow_mut().insert(undone);
    }

    /// Whether something was noted.
    pub(crate) fn has(&self, undone: &Undone) -> bool {
        self.others.borrow().contains(undone)
    }

    /// What was noted beside files, each once.
    pub(crate) fn others(&self) -> BTreeSet<Undone> {
        self.others.borrow().clone()
    }
}
