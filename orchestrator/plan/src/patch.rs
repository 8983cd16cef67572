//! Unified diffs applied to a package of a tree: a pure function of tree and patch.
//!
//! It is what `patch -p1 --fuzz=0` does: the first part of each path is left out, a hunk may lie elsewhere than its
//! numbers say, and each of its lines must be there as it is. Of git's extensions renames, copies and the
//! permission to execute are done; binary patches, links and submodules are refused.

use std::cmp::Reverse;

use diffy::patch_set::{FileMode, FileOperation, FilePatch, ParseOptions, PatchKind, PatchSet};
use diffy::{Hunk, Line, Patch};
use xbuild_action::{Content, ContentExt as _, Entry, File, StoreError, TreeBuilder, TreeError};
use xbuild_base::{Digest, RelPath, Tree};

/// Why a patch doesn't apply.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It is no unified diff.
    #[error("it is no unified diff: {0}")]
    Syntax(String),
    /// What it says of a file can't be done.
    #[error("`{path}`: {problem}")]
    File {
        /// The file, as the patch names it.
        path: String,
        /// Why not.
        problem: String,
    },
    /// A hunk doesn't fit the file.
    #[error("hunk {hunk} of `{path}`, at line {line}, does not apply: {found}")]
    Hunk {
        /// The file, by its path from the package's folder.
        path: RelPath,
        /// Which hunk of the file's, from 1.
        hunk: usize,
        /// Where it should lie, from 1.
        line: usize,
        /// What is there instead.
        found: String,
    },
    /// The store failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl From<StoreError> for PatchError {
    fn from(error: StoreError) -> Self {
        Self::Tree(error.into())
    }
}

/// The tree with a patch applied to the package that lies in `folder`.
///
/// # Errors
/// When the patch can't be read, leads out of the package or doesn't apply; or when the store fails.
pub fn patched(
    store: &dyn Content,
    tree: Digest<Tree>,
    folder: &RelPath,
    patch: &[u8],
) -> Result<Digest<Tree>, PatchError> {
    let mut package = Package { store, folder, tree: TreeBuilder::from_tree(tree) };
    for file in parse(patch)? {
        package.apply(&file)?;
    }
    Ok(package.tree.build(store)?)
}

/// What a patch says of each file.
fn parse(patch: &[u8]) -> Result<Vec<FilePatch<'_, [u8]>>, PatchError> {
    let parse = |options| PatchSet::parse_bytes(patch, options);
    let all = |options| {
        parse(options).collect::<Result<Vec<_>, _>>().map_err(|error| PatchError::Syntax(error.to_string()))
    };
    if !patch.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"diff --git ")) {
        return all(ParseOptions::unidiff());
    }
    let files = all(ParseOptions::gitdiff())?;
    // A reader of git's format passes over what has no header of git's.
    let has_hunks = |file: &FilePatch<'_, _>| file.patch().as_text().is_some_and(|it| !it.hunks().is_empty());
    let plain = parse(ParseOptions::unidiff()).filter(|file| file.as_ref().is_ok_and(has_hunks));
    if plain.count() > files.iter().filter(|file| has_hunks(file)).count() {
        return Err(PatchError::Syntax(
            "some of its files have a header of git's, `diff --git`, and some have none".to_owned(),
        ));
    }
    Ok(files)
}

/// How many parts at the beginning of a path are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strip {
    /// None: git's headers of renames and copies have no `a/` and `b/`.
    None,
    /// One.
    First,
}

/// A package that is being patched.
struct Package<'p> {
    store: &'p dyn Content,
    folder: &'p RelPath,
    tree: TreeBuilder,
}

impl Package<'_> {
    fn apply(&mut self, patch: &FilePatch<'_, [u8]>) -> Result<(), PatchError> {
        let problem = |path: &[u8], problem: &str| Err(file_problem(path, problem));
        match patch.operation() {
            FileOperation::Create(name) => {
                let path = self.path(name, Strip::First)?;
                if self.find(&path)?.is_some() {
                    return problem(name, "the patch makes it, and it is there already");
                }
                self.write(name, &path, None, patch)
            }
            FileOperation::Delete(name) => {
                let path = self.path(name, Strip::First)?;
                let file = self.file(name, &path)?;
                if !self.changed(name, &path, Some(file), patch)?.is_empty() {
                    return problem(name, "the patch deletes it, and it has more in it than the patch says");
                }
                Ok(self.tree.remove(self.store, &self.folder.join(&path))?)
            }
            FileOperation::Modify { original, modified } => {
                let (from, to) = (self.path(original, Strip::First)?, self.path(modified, Strip::First)?);
                // `diff -u lib.rs.orig lib.rs` is about lib.rs alone.
                if from != to && self.find(&from)?.is_some() {
                    return problem(original, "renaming it needs git's format: git diff");
                }
                let file = self.file(modified, &to)?;
                self.write(modified, &to, Some(file), patch)
            }
            FileOperation::Rename { from, to } | FileOperation::Copy { from, to } => {
                let (old, new) = (self.path(from, Strip::None)?, self.path(to, Strip::None)?);
                let file = self.file(from, &old)?;
                if self.find(&new)?.is_some() {
                    return problem(to, "the patch makes it, and it is there already");
                }
                self.write(to, &new, Some(file), patch)?;
                if patch.operation().is_rename() {
                    self.tree.remove(self.store, &self.folder.join(&old))?;
                }
                Ok(())
            }
        }
    }

    /// Where a file of the patch lies, from the package's folder.
    fn path(&mut self, name: &[u8], strip: Strip) -> Result<RelPath, PatchError> {
        let problem = |problem: &str| file_problem(name, problem);
        let text = std::str::from_utf8(name).map_err(|_| problem("its name is not UTF-8"))?;
        if text.starts_with('/') {
            return Err(problem("its path is absolute"));
        }
        let rest = match strip {
            Strip::None => text,
            Strip::First => text.split_once('/').map(|(_, rest)| rest).ok_or_else(|| {
                problem(
                    "the first part of each path is left out, and this has only one: write `a/…` and `b/…`",
                )
            })?,
        };
        let path = RelPath::new(rest).map_err(|_| problem("it leads out of the package"))?;
        let folders = std::iter::successors(path.parent(), RelPath::parent);
        for folder in folders.filter(|folder| !folder.is_root()) {
            let manifest = folder.join(&crate::places::place("Cargo.toml"));
            if self.find(&manifest)?.is_some() {
                return Err(problem(&format!("it is a file of another package, that of `{manifest}`")));
            }
        }
        Ok(path)
    }

    /// What lies at a path from the package's folder.
    fn find(&mut self, path: &RelPath) -> Result<Option<Entry>, PatchError> {
        let mut place = self.folder.clone();
        let mut found = self.tree.get(self.store, &place)?;
        for part in path.components() {
            match found {
                Some(Entry::Directory(_)) => {}
                None => return Ok(None),
                Some(_) => return Err(file_problem(place.as_str().as_bytes(), "it is no folder")),
            }
            place = place.join(&crate::places::place(part));
            found = self.tree.get(self.store, &place)?;
        }
        Ok(found)
    }

    /// The file at a path, which must be there.
    fn file(&mut self, name: &[u8], path: &RelPath) -> Result<File, PatchError> {
        match self.find(path)? {
            Some(Entry::File(file)) => Ok(file),
            Some(_) => Err(file_problem(name, "it is a folder or a link, and only files can be patched")),
            None => {
                let problem =
                    format!("the package has no `{path}`; paths start in its folder, after `a/` or `b/`");
                Err(file_problem(name, &problem))
            }
        }
    }

    /// Writes what becomes of a file, or of nothing, to a path.
    fn write(
        &mut self,
        name: &[u8],
        path: &RelPath,
        from: Option<File>,
        patch: &FilePatch<'_, [u8]>,
    ) -> Result<(), PatchError> {
        let executable = match patch.new_mode() {
            None => from.is_some_and(|file| file.executable),
            Some(FileMode::Regular) => false,
            Some(FileMode::Executable) => true,
            Some(FileMode::Symlink) => return Err(file_problem(name, "symbolic links can't be patched")),
            Some(FileMode::Gitlink) => return Err(file_problem(name, "submodules can't be patched")),
        };
        let digest = self.store.put(&self.changed(name, path, from, patch)?)?;
        let entry = Entry::File(File { digest, executable });
        Ok(self.tree.replace(self.store, &self.folder.join(path), entry)?)
    }

    /// What becomes of a file's bytes.
    fn changed(
        &self,
        name: &[u8],
        path: &RelPath,
        from: Option<File>,
        patch: &FilePatch<'_, [u8]>,
    ) -> Result<Vec<u8>, PatchError> {
        let PatchKind::Text(patch) = patch.patch() else {
            return Err(file_problem(name, "binary patches can't be applied"));
        };
        let before = from.map(|file| self.store.get(file.digest)).transpose()?.unwrap_or_default();
        apply(path, &before, patch)
    }
}

fn file_problem(path: &[u8], problem: &str) -> PatchError {
    PatchError::File { path: String::from_utf8_lossy(path).into_owned(), problem: problem.to_owned() }
}

/// A hunk as it is applied: what must be there, and what is put in its place.
struct Change<'h> {
    /// The index of the line where it should lie.
    at: usize,
    before: Vec<&'h [u8]>,
    after: Vec<&'h [u8]>,
    /// Whether it has lines that stay: they show where it belongs.
    has_context: bool,
}

impl<'h> Change<'h> {
    fn of(hunk: &'h Hunk<'_, [u8]>) -> Self {
        let range = hunk.old_range();
        // With no lines of the old file, its number is that of the line before.
        let at = if range.is_empty() { range.start() } else { range.start().saturating_sub(1) };
        let (mut before, mut after, mut has_context) = (Vec::new(), Vec::new(), false);
        for line in hunk.lines() {
            match line {
                Line::Context(line) => {
                    before.push(*line);
                    after.push(*line);
                    has_context = true;
                }
                Line::Delete(line) => before.push(*line),
                Line::Insert(line) => after.push(*line),
            }
        }
        Self { at, before, after, has_context }
    }

    /// The place nearest to `wanted`, from `first` on, where all its lines are.
    fn find(&self, lines: &[&[u8]], first: usize, wanted: usize) -> Option<usize> {
        let fits = |at: &usize| lines[*at..].starts_with(&self.before);
        if !self.has_context {
            return Some(wanted).filter(|at| *at >= first && *at <= lines.len()).filter(fits);
        }
        let last = lines.len().checked_sub(self.before.len())?;
        (first..=last).filter(fits).min_by_key(|at| at.abs_diff(wanted))
    }

    /// What is in the way: where most of its lines are, the first that isn't.
    fn difference(&self, lines: &[&[u8]]) -> String {
        let alike = |at: &usize| lines[*at..].iter().zip(&self.before).filter(|(a, b)| a == b).count();
        let near = (0..lines.len()).max_by_key(|at| (alike(at), Reverse(at.abs_diff(self.at))));
        let start = if self.has_context { near.unwrap_or(0) } else { self.at };
        for (offset, wanted) in self.before.iter().enumerate() {
            let number = start + offset + 1;
            match lines.get(start + offset) {
                None => {
                    let wanted = shown(wanted);
                    return format!("the file ends before line {number}, where the patch has {wanted}");
                }
                Some(line) if line == wanted => {}
                Some(line) if shown(line) == shown(wanted) => {
                    return format!("line {number} ends in {}, and the patch's does not", ending(line));
                }
                Some(line) => {
                    let (line, wanted) = (shown(line), shown(wanted));
                    return format!("line {number} is {line}, where the patch has {wanted}");
                }
            }
        }
        "its lines are not where they should be, after the hunk before".to_owned()
    }
}

/// A file's bytes with all hunks applied.
///
/// It isn't done by the crate that reads the patch: that looks for a hunk from its new line number on, which is
/// another line where hunks before it lay elsewhere or where it only deletes, and doesn't say what it found.
fn apply(path: &RelPath, before: &[u8], patch: &Patch<'_, [u8]>) -> Result<Vec<u8>, PatchError> {
    let lines: Vec<&[u8]> = before.split_inclusive(|&byte| byte == b'\n').collect();
    let mut after = Vec::with_capacity(before.len());
    // Up to which line it is done, and by how many lines hunks have been found further down, or up.
    let (mut done, mut shift) = (0, 0_isize);
    for (index, hunk) in patch.hunks().iter().enumerate() {
        let change = Change::of(hunk);
        let wanted = change.at.saturating_add_signed(shift);
        let Some(at) = change.find(&lines, done, wanted) else {
            let found = if is_applied(&lines, patch) {
                "the file has these changes already".to_owned()
            } else {
                change.difference(&lines)
            };
            let line = hunk.old_range().start();
            return Err(PatchError::Hunk { path: path.clone(), hunk: index + 1, line, found });
        };
        shift += at.cast_signed() - wanted.cast_signed();
        after.extend(lines[done..at].iter().chain(&change.after).copied().flatten());
        done = at + change.before.len();
    }
    after.extend(lines[done..].iter().copied().flatten());
    Ok(after)
}

/// Whether all that a patch makes of a file is there.
fn is_applied(lines: &[&[u8]], patch: &Patch<'_, [u8]>) -> bool {
    let mut done = 0;
    patch.hunks().iter().map(Hunk::reverse).all(|hunk| {
        let change = Change::of(&hunk);
        let found = change.find(lines, done, change.at);
        done = found.map_or(done, |at| at + change.before.len());
        found.is_some()
    })
}

fn ending(line: &[u8]) -> &'static str {
    if line.ends_with(b"\r\n") {
        "CR LF"
    } else if line.ends_with(b"\n") {
        "LF"
    } else {
        "nothing"
    }
}

/// A line in quotes, without its ending; a long one is cut.
fn shown(line: &[u8]) -> String {
    const LONGEST: usize = 80;
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
