//! Where a page is written.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::error::OutputError;
use crate::install::{RESULT, make_folder};
use crate::sums;

/// The page's name in the folder of results.
const FILE_NAME: &str = "timings.html";

/// A place where a page can be written, as far as one can know before.
#[derive(Debug)]
pub struct PageFile {
    path: PathBuf,
}

impl PageFile {
    /// The file of the caller's choice.
    ///
    /// # Errors
    /// When its folder can't be written, or a folder is in its place.
    pub fn at(path: &Path) -> Result<Self, OutputError> {
        let path = std::path::absolute(path).map_err(OutputError::io("find", path))?;
        if path.is_dir() {
            return Err(OutputError::io("write", path)(ErrorKind::IsADirectory.into()));
        }
        // It is not left there: the sources may lie in this folder.
        drop(sums::temporary(folder(&path))?);
        Ok(Self { path })
    }

    /// `result/timings.html` of a project: no file below `result` is ever a source.
    ///
    /// # Errors
    /// When the folder can't be made or written.
    pub fn of_project(project: &Path) -> Result<Self, OutputError> {
        let result = project.join(RESULT);
        make_folder(&result)?;
        Self::at(&result.join(FILE_NAME))
    }

    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the page, in place of an older one, at once or not at all.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, page: &str) -> Result<(), OutputError> {
        let mut file = sums::temporary(folder(&self.path))?;
        file.write_all(page.as_bytes()).map_err(OutputError::io("write", &self.path))?;
        sums::place(file, &self.path, 0o644)
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_the_place_of_an_older_one_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for page in ["one", "two"] {
            let file = PageFile::of_project(folder.path()).unwrap();
            file.write(page).unwrap();
            assert_eq!(file.path(), folder.path().join("result/timings.html"));
            assert_eq!(fs_err::read_to_string(file.path()).unwrap(), page);
        }
        assert_eq!(fs_err::read_dir(folder.path().join("result")).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let error = PageFile::at(&folder.path().join("missing/page.html")).unwrap_err().to_string();
        assert!(error.contains(&folder.path().join("missing").display().to_string()), "{error}");
        let error = PageFile::at(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a directory"), "{error}");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    }
}
