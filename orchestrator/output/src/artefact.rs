//! A file that somebody asked for.

use serde::Serialize;
use xbuild_action::{Directory, Entry, File};
use xbuild_base::{RelPath, Triple};

use crate::error::OutputError;

/// Which folder of its target an output belongs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// `bin/`: programs.
    Bin,
    /// `lib/`: shared and static libraries for others than Rust.
    Lib,
}

impl Place {
    /// The folder's name.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Bin => "bin",
            Self::Lib => "lib",
        }
    }
}

/// An output: its bytes, and the name under which people find it,
/// `<variant>/<target>/{bin,lib}/<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// The variant: `default` is the unnamed one.
    pub variant: String,
    /// The target it was built for.
    pub target: Triple,
    /// Program or library.
    pub place: Place,
    /// The file's name, extension included.
    pub name: String,
    /// Its bytes.
    pub file: File,
}

impl Artefact {
    /// Where it lies below a folder of results: `<variant>/<target>/{bin,lib}/<name>`.
    ///
    /// # Errors
    /// [`OutputError::Name`] when the variant or the name isn't one component of a path.
    pub fn path(&self) -> Result<RelPath, OutputError> {
        Ok(self.folder()?.join(&self.path_in_folder()?))
    }

    /// What the output is called that it is of: a Windows program's file has an ending beside it.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.name.strip_suffix(".exe").unwrap_or(&self.name)
    }

    /// Whether `name` is the file's own name, or that of its output.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.stem() == name
    }

    /// The folder of its variant and target: `<variant>/<target>`.
    pub(crate) fn folder(&self) -> Result<RelPath, OutputError> {
        Ok(component(&self.variant)?.join(&component(&self.target.to_string())?))
    }

    /// Where it lies below that folder: `{bin,lib}/<name>`.
    pub(crate) fn path_in_folder(&self) -> Result<RelPath, OutputError> {
        Ok(component(self.place.folder())?.join(&component(&self.name)?))
    }

    /// The levels of the tree that holds this file alone, `{bin,lib}/<name>`: the lower one, then the root.
    pub(crate) fn tree(&self) -> [Directory; 2] {
        let lower = Directory { entries: [(self.name.clone(), Entry::File(self.file))].into() };
        let root = (self.place.folder().to_owned(), Entry::Directory(lower.digest()));
        [lower, Directory { entries: [root].into() }]
    }
}

/// One component of a path.
fn component(name: &str) -> Result<RelPath, OutputError> {
    let problem = match RelPath::new(name) {
        // Names of temporary files begin with a dot, and a line of SHA256SUMS must be a line.
        Ok(_) if name.is_empty() || name.starts_with('.') => "it is empty or begins with a dot".to_owned(),
        Ok(_) if name.contains(['/', '\n', '\\']) => "it holds a slash or a line break".to_owned(),
        Ok(path) => return Ok(path),
        Err(error) => error.to_string(),
    };
    Err(OutputError::Name { name: name.to_owned(), problem })
}

#[cfg(test)]
pub(crate) mod tests {
    use xbuild_base::Digest;

    use super::*;

    pub(crate) fn artefact(variant: &str, target: &str, name: &str, bytes: &[u8]) -> Artefact {
        Artefact {
            variant: variant.to_owned(),
            target: target.parse().unwrap(),
            place: Place::Bin,
            name: name.to_owned(),
            file: File { digest: Digest::of(bytes), executable: true },
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", "..", "a/b", "/etc/passwd", ".hidden", "two\nlines"] {
            let error = artefact("default", "x86_64-unknown-linux-musl", name, b"").path().unwrap_err();
            assert!(matches!(error, OutputError::Name { .. }), "{name:?}: {error}");
            assert!(artefact(name, "x86_64-unknown-linux-musl", "foo", b"").path().is_err(), "{name:?}");
        }
        let good = artefact("default", "x86_64-unknown-linux-musl", "foo", b"");
        assert_eq!(good.path().unwrap().as_str(), "default/x86_64-unknown-linux-musl/bin/foo");
    }
}
