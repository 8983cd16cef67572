//! Reshaping trees without reading a file: choosing by patterns, copying over, following links.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use xbuild_action::{Content, Directory, Entry, TreeBuilder, TreeError};
use xbuild_base::{Digest, RelPath, Tree};

use super::problem::ToolchainError;

/// How many links are followed before a path is given up, as Linux does it.
const MOST_LINKS: usize = 40;

/// A set of patterns over paths from a tree's root.
///
/// | pattern | matches |
/// |---|---|
/// | `*`, `?` | any characters, or one, but no `/` |
/// | `**` | whole components, any number of them: `usr/**` is all below `usr`, `**/x` is `x` anywhere |
/// | `[ab]`, `{a,b*}` | one of the characters; one of the patterns |
#[derive(Debug, Clone)]
pub(crate) struct Patterns(GlobSet);

impl Patterns {
    /// Compiles patterns; `owner` is the component, for messages.
    pub(crate) fn new(owner: &str, patterns: &[String]) -> Result<Self, ToolchainError> {
        let error = |error: globset::Error| ToolchainError::Pattern {
            component: owner.to_owned(),
            pattern: error.glob().unwrap_or_default().to_owned(),
            problem: error.kind().to_string(),
        };
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(GlobBuilder::new(pattern).literal_separator(true).build().map_err(error)?);
        }
        Ok(Self(set.build().map_err(error)?))
    }

    /// Whether a path matches one of them.
    pub(crate) fn matches(&self, path: &RelPath) -> bool {
        self.0.is_match(path.as_str())
    }
}

/// The part of a pattern's path before its first special character: all that it can match lies at or below it.
pub(crate) fn literal_start(pattern: &str) -> RelPath {
    let parts: Vec<&str> = pattern.split('/').collect();
    let special = parts.iter().position(|part| part.contains(['*', '?', '[', '{', '\\']));
    RelPath::new(parts[..special.unwrap_or(parts.len())].join("/")).unwrap_or_default()
}

/// The files and links of `tree` whose paths `wanted` accepts, and the directories that they need.
pub(crate) fn choose(
    store: &dyn Content,
    tree: Digest<Tree>,
    wanted: &dyn Fn(&RelPath) -> bool,
) -> Result<Digest<Tree>, TreeError> {
    let chosen = choose_below(store, tree, &RelPath::root(), wanted)?;
    chosen.map_or_else(|| Ok(store.put_directory(&Directory::default())?), Ok)
}

fn choose_below(
    store: &dyn Content,
    tree: Digest<Tree>,
    path: &RelPath,
    wanted: &dyn Fn(&RelPath) -> bool,
) -> Result<Option<Digest<Tree>>, TreeError> {
    let directory = store.directory(tree)?;
    let mut chosen = Directory::default();
    for (name, entry) in &directory.entries {
        let path = below(path, name)?;
        let entry = match entry {
            Entry::Directory(tree) => choose_below(store, *tree, &path, wanted)?.map(Entry::Directory),
            entry => wanted(&path).then(|| entry.clone()),
        };
        if let Some(entry) = entry {
            chosen.entries.insert(name.clone(), entry);
        }
    }
    Ok(match chosen.entries.is_empty() {
        true => None,
        false if chosen == *directory => Some(tree),
        false => Some(store.put_directory(&chosen)?),
    })
}

/// Puts `entry` at `path`: directories merge, and everything else takes the place of what was there.
pub(crate) fn put_over(
    store: &dyn Content,
    builder: &mut TreeBuilder,
    path: &RelPath,
    entry: &Entry,
) -> Result<(), TreeError> {
    match (entry, builder.get(store, path)?) {
        (Entry::Directory(new), Some(Entry::Directory(old))) => {
            let mut merged = (*store.directory(old)?).clone();
            for (name, entry) in &store.directory(*new)?.entries {
                let mut level = TreeBuilder::default();
                let name = below(&RelPath::root(), name)?;
                if let Some(there) = merged.entries.remove(name.as_str()) {
                    level.replace(store, &name, there)?;
                }
                put_over(store, &mut level, &name, entry)?;
                let put = level.get(store, &name)?.ok_or_else(|| TreeError::Missing(name.clone()))?;
                merged.entries.insert(name.as_str().to_owned(), put);
            }
            builder.replace(store, path, Entry::Directory(store.put_directory(&merged)?))
        }
        _ => builder.replace(store, path, entry.clone()),
    }
}

/// What is at `path`, with all links on the way (and at its end) followed; `None` when nothing is.
pub(crate) fn find(
    store: &dyn Content,
    tree: Digest<Tree>,
    path: &RelPath,
) -> Result<Option<Entry>, TreeError> {
    let mut todo: Vec<String> = path.components().rev().map(str::to_owned).collect();
    // The directories from the root to where the search stands, each with its name.
    let mut trail: Vec<(String, Digest<Tree>)> = Vec::new();
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == ".." {
            trail.pop();
            continue;
        }
        let here = trail.last().map_or(tree, |(_, digest)| *digest);
        match store.directory(here)?.entries.get(&part) {
            None => return Ok(None),
            Some(Entry::Directory(digest)) => trail.push((part, *digest)),
            Some(entry @ Entry::File(_)) => return Ok(todo.is_empty().then(|| entry.clone())),
            Some(Entry::Symlink(target)) => {
                links += 1;
                if links > MOST_LINKS {
                    return Ok(None);
                }
                if target.starts_with('/') {
                    trail.clear();
                }
                let parts = target.split('/').filter(|part| !part.is_empty() && *part != ".");
                todo.extend(parts.rev().map(str::to_owned));
            }
        }
    }
    Ok(Some(Entry::Directory(trail.last().map_or(tree, |(_, digest)| *digest))))
}

/// `name` below `path`.
pub(crate) fn below(path: &RelPath, name: &str) -> Result<RelPath, TreeError> {
    let name = RelPath::new(name).map_err(|_| TreeError::Conflict(path.clone()))?;
    Ok(path.join(&name))
}

#[cfg(test)]
mod tests {
    use xbuild_action::Memory;

    use super::*;
    use crate::toolchain::trees::{files, tree};

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn patterns_mean_what_the_table_says() {
        for (pattern, yes, no) in [
            ("usr/bin/*", "usr/bin/a", "usr/bin/a/b"),
            ("usr/**", "usr/a/b", "usr"),
            ("**/x", "x", "a/y"),
            ("**/x", "a/b/x", "ax"),
            ("usr/**/lib{a,b*}.so", "usr/libbee.so", "usr/libc.so"),
            ("usr/lib[ab]", "usr/liba", "usr/libc"),
            ("a?c", "abc", "a/c"),
        ] {
            let patterns = Patterns::new("x", &[pattern.to_owned()]).unwrap();
            assert!(patterns.matches(&path(yes)), "{pattern} {yes}");
            assert!(!patterns.matches(&path(no)), "{pattern} {no}");
        }
        let error = Patterns::new("musl", &["a/{b".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("musl") && error.contains("a/{b"), "{error}");
        assert_eq!(literal_start("a/b/**/c"), path("a/b"));
        assert_eq!(literal_start("a/b{c,d}"), path("a"));
        assert_eq!(literal_start("**"), RelPath::root());
    }

    #[test]
    fn choosing_leaves_no_empty_directory() {
        let store = Memory::default();
        let all = tree(&store, &[("a/b/c", "1"), ("a/d", "2"), ("e/f", "3")]);
        let chosen = choose(&store, all, &|path| path.as_str().starts_with("a/")).unwrap();
        assert_eq!(chosen, tree(&store, &[("a/b/c", "1"), ("a/d", "2")]));
        assert_eq!(choose(&store, all, &|_| true).unwrap(), all);
        assert_eq!(files(&store, choose(&store, all, &|_| false).unwrap()), [""; 0]);
    }

    #[test]
    fn putting_over_merges_directories_and_replaces_files() {
        let store = Memory::default();
        let mut builder =
            TreeBuilder::from_tree(tree(&store, &[("a/b", "old"), ("a/c", "kept"), ("a/d/e", "old")]));
        let new = tree(&store, &[("b", "new"), ("d/e", "new"), ("d/f", "new")]);
        put_over(&store, &mut builder, &path("a"), &Entry::Directory(new)).unwrap();
        let expected = tree(&store, &[("a/b", "new"), ("a/c", "kept"), ("a/d/e", "new"), ("a/d/f", "new")]);
        assert_eq!(builder.build(&store).unwrap(), expected);
    }

    #[test]
    fn finding_follows_links() {
        let store = Memory::default();
        let all = tree(
            &store,
            &[
                ("usr/lib/real.so", "x"),
                ("usr/lib/a.so", "-> real.so"),
                ("lib", "-> usr/lib"),
                ("usr/abs", "-> /lib/a.so"),
                ("usr/up/b.so", "-> ../lib/a.so"),
                ("loop", "-> loop"),
                ("gone", "-> nowhere"),
            ],
        );
        let file = find(&store, all, &path("usr/lib/real.so")).unwrap();
        assert!(file.is_some());
        for at in ["usr/lib/a.so", "lib/a.so", "usr/abs", "usr/up/b.so"] {
            assert_eq!(find(&store, all, &path(at)).unwrap(), file, "{at}");
        }
        for at in ["loop", "gone", "usr/lib/real.so/x", "nothing"] {
            assert_eq!(find(&store, all, &path(at)).unwrap(), None, "{at}");
        }
        assert!(matches!(find(&store, all, &path("lib")).unwrap(), Some(Entry::Directory(_))));
    }
}
