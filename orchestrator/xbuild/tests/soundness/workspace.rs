//! Made-up workspaces, what of them is whose, and edits of them.
//!
//! | folder | what it is | whose scripts see it |
//! |---|---|---|
//! | `app` | a program | its own |
//! | `other` | a program; its source lies in `outside` | its own |
//! | `looks` | the library that both scripts are made with; its code names its folder | both |
//! | `shared` | no package: `app` includes it | those of `app` |
//! | `outside` | no package: with the source of a program | none; the compiler of `other` does |

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tempfile::TempDir;

use crate::look::{Looker, digest};

/// Where the folders lie, from the workspace's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Side by side.
    Beside,
    /// `other` in the folder of `app`, which doesn't see it.
    Nested,
    /// All in the folder of `app`, which is the root, and sees what is in no other package.
    Root,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Folder {
    App,
    Other,
    Looks,
    Shared,
    Outside,
}

use Folder::{App, Looks, Other, Outside, Shared};

/// The packages in the order of a lock, and what they are called.
pub(crate) const PACKAGES: [(Folder, &str); 3] = [(App, "app"), (Looks, "looks"), (Other, "other")];

const FOLDERS: [Folder; 5] = [App, Other, Looks, Shared, Outside];

/// Where files may lie in a folder.
const FILES: [&str; 8] = [
    "README.md",
    "benches/b.rs",
    "data/a.txt",
    "data/b.md",
    "data/deep/a.txt",
    "more/a.txt",
    "notes.txt",
    "tests/t.rs",
];

/// A file that every folder has: in its package's program, where there is one.
const KEPT: &str = "kept.txt";

/// Where links may lie in a folder.
const LINKS: [&str; 2] = ["l", "data/l"];

const TARGETS: [&str; 12] = [
    "a.txt",
    "data",
    "data/a.txt",
    "data/deep/a.txt",
    "deep",
    "kept.txt",
    "l",
    "notes.txt",
    "nowhere",
    "../notes.txt",
    "../shared/data/a.txt",
    "../looks/data",
];

/// Some of one size, some that name other files.
const TEXTS: [&str; 10] = [
    "",
    "one",
    "two",
    "a longer one",
    "data/a.txt",
    "data/deep/a.txt",
    "kept.txt",
    "nowhere",
    "@/data/a.txt",
    "../shared/data/a.txt",
];

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File { text: String, executable: bool },
    Link(&'static str),
}

/// Files and links by their paths from the workspace's root.
pub(crate) type Tree = BTreeMap<String, Node>;

/// Those that edits are about.
pub(crate) type Loose = BTreeMap<(Folder, &'static str), Node>;

/// What a build script does.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// As [`Looker::perform`] takes it.
    program: String,
    /// What it tells cargo to look at: true or not.
    rerun_if_changed: Vec<&'static str>,
}

/// A change that somebody makes.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// Another text in a file that is there.
    Text(Index, &'static str),
    Add(Folder, &'static str, Node),
    Remove(Index),
    Rename(Index, Folder, &'static str),
    /// Each of two files gets the other's content.
    Swap(Index, Index),
    Mode(Index),
    /// A folder with nothing in it.
    Folder(Folder),
    /// The same text is written again.
    Touch(Index),
    /// All is as it was before an earlier edit.
    Back(Index),
}

/// A workspace, and what becomes of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) layout: Layout,
    pub(crate) loose: Loose,
    pub(crate) scripts: [Script; 2],
    pub(crate) edits: Vec<Edit>,
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let layout = select(&[Layout::Beside, Layout::Nested, Layout::Root][..]);
    let several = |many| prop::collection::btree_map(select(&FILES[..]), files(), many);
    // Most is about `app`.
    let files = [several(5..9), several(4..8), several(3..7), several(3..7), several(1..4)];
    let links = prop::collection::btree_map((folders(), select(&LINKS[..])), links(), 0..4);
    let scripts = [scripts(), scripts()];
    let edits = prop::collection::vec(edits(), 4..8);
    (layout, files, links, scripts, edits).prop_map(|(layout, files, mut loose, scripts, edits)| {
        for (folder, files) in FOLDERS.into_iter().zip(files) {
            loose.extend(files.into_iter().map(|(path, node)| ((folder, path), node)));
            loose.insert((folder, KEPT), text("kept"));
        }
        Case { layout, loose, scripts, edits }
    })
}

fn folders() -> impl Strategy<Value = Folder> {
    prop_oneof![4 => Just(App), 2 => Just(Other), 2 => Just(Looks), 2 => Just(Shared), 1 => Just(Outside)]
}

fn files() -> impl Strategy<Value = Node> {
    (select(&TEXTS[..]), any::<bool>())
        .prop_map(|(text, executable)| Node::File { text: text.to_owned(), executable })
}

fn links() -> impl Strategy<Value = Node> {
    select(&TARGETS[..]).prop_map(Node::Link)
}

fn text(text: &str) -> Node {
    Node::File { text: text.to_owned(), executable: false }
}

fn scripts() -> impl Strategy<Value = Script> {
    let verb = prop_oneof![
        4 => select(&["read", "named", "child"][..]),
        2 => select(&["size", "own-size", "executable", "exists", "link"][..]),
    ];
    let file = || select([&FILES[..], &LINKS, &[KEPT]].concat());
    let other = || select(&["data/l/a.txt", "l/a.txt", "notes.txt/x", "nowhere", "Cargo.toml"][..]);
    let path = prop_oneof![8 => file(), 1 => other()];
    let folder = select(&[".", "data", "data/deep", "more", "data/l", "l", "notes.txt"][..]);
    let look = prop_oneof![
        5 => (verb, path),
        2 => (select(&["list", "glob"][..]), folder),
    ];
    // Most is the script's own or can be seen by one of them; some is nobody's.
    let start = prop_oneof![
        6 => Just(""),
        3 => Just("@/"),
        2 => Just("../shared/"),
        1 => select(&["../app/", "../other/", "../outside/"][..]),
    ];
    let look = (start, look).prop_map(|(start, (verb, path))| format!("{verb} {start}{path}\n"));
    let above = select(&["read ../Cargo.toml\n", "exists ../Cargo.lock\n"][..]).prop_map(str::to_owned);
    let looks = prop::collection::vec(prop_oneof![20 => look, 1 => above], 8..16);
    let rerun = prop::collection::vec(file(), 0..3);
    (looks, rerun).prop_map(|(looks, rerun_if_changed)| Script { program: looks.concat(), rerun_if_changed })
}

fn edits() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    let path = || select(&FILES[..]);
    prop_oneof![
        14 => (index(), select(&TEXTS[..])).prop_map(|(at, text)| Edit::Text(at, text)),
        2 => (folders(), path(), files()).prop_map(|(folder, at, node)| Edit::Add(folder, at, node)),
        1 => (folders(), select(&LINKS[..]), links()).prop_map(|(folder, at, node)| Edit::Add(folder, at, node)),
        1 => index().prop_map(Edit::Remove),
        1 => (index(), folders(), path()).prop_map(|(from, folder, to)| Edit::Rename(from, folder, to)),
        3 => (index(), index()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => index().prop_map(Edit::Mode),
        1 => folders().prop_map(Edit::Folder),
        1 => index().prop_map(Edit::Touch),
        2 => index().prop_map(Edit::Back),
    ]
}

impl Edit {
    /// What there is after it; `earlier` is what there was before it, the last of these being of now.
    pub(crate) fn apply(&self, earlier: &[Loose]) -> Loose {
        let mut loose = earlier.last().cloned().unwrap_or_default();
        let files: Vec<(Folder, &str)> =
            loose.iter().filter(|(_, node)| matches!(node, Node::File { .. })).map(|(at, _)| *at).collect();
        // Every folder has a file.
        let file = |at: &Index| *at.get(&files);
        match self {
            Self::Text(at, new) => {
                if let Some(Node::File { text, .. }) = loose.get_mut(&file(at)) {
                    (*new).clone_into(text);
                }
            }
            Self::Add(folder, at, node) => drop(loose.insert((*folder, at), node.clone())),
            Self::Remove(at) if file(at).1 != KEPT => drop(loose.remove(&file(at))),
            Self::Rename(from, folder, to) if file(from).1 != KEPT => {
                if let Some(node) = loose.remove(&file(from)) {
                    loose.insert((*folder, to), node);
                }
            }
            Self::Swap(one, other) => {
                let [one, other] = [one, other].map(file);
                if let (Some(first), Some(second)) = (loose.get(&one).cloned(), loose.get(&other).cloned()) {
                    loose.extend([(one, second), (other, first)]);
                }
            }
            Self::Mode(at) => {
                if let Some(Node::File { executable, .. }) = loose.get_mut(&file(at)) {
                    *executable ^= true;
                }
            }
            Self::Back(to) => loose.clone_from(to.get(earlier)),
            Self::Remove(_) | Self::Rename(..) | Self::Folder(_) | Self::Touch(_) => {}
        }
        loose
    }
}

/// A folder on the disk.
struct Copy {
    root: PathBuf,
    /// What is there.
    tree: Tree,
}

impl Copy {
    /// Has these files and links there, and no others. A file that stays one is written in place.
    fn become_tree(&mut self, tree: Tree) {
        for (path, node) in &self.tree {
            let stays = matches!((node, tree.get(path)), (Node::File { .. }, Some(Node::File { .. })));
            if !stays && tree.get(path) != Some(node) {
                self.remove(path);
            }
        }
        for (path, node) in tree.iter().filter(|(path, node)| self.tree.get(*path) != Some(node)) {
            self.put(path, node);
        }
        self.tree = tree;
    }

    fn put(&self, path: &str, node: &Node) {
        let at = self.root.join(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        match node {
            Node::File { text, executable } => {
                fs::write(&at, text).unwrap();
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(&at, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            Node::Link(target) => fs::os::unix::fs::symlink(target, &at).unwrap(),
        }
    }

    /// Removes it, with the folders that have nothing else in them.
    fn remove(&self, path: &str) {
        let at = self.root.join(path);
        fs::remove_file(&at).unwrap();
        for folder in at.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// A workspace, the folder with it, and what its scripts see.
pub(crate) struct Workspace<'w> {
    layout: Layout,
    scripts: &'w [Script; 2],
    /// What no edit is about.
    fixed: Tree,
    project: Copy,
    /// What the scripts of `app` and `other` see, and nothing else.
    views: [Copy; 2],
    _place: TempDir,
}

/// What there is for a package, and what comes of it.
pub(crate) struct Sight {
    /// What any of its units sees.
    pub(crate) tree: Tree,
    /// What of that they look at.
    looked: BTreeSet<String>,
    /// What its program must print; nothing where it has none.
    pub(crate) prints: Option<String>,
}

impl Sight {
    /// Whether nothing is different to whoever looked at this, of all that was seen.
    pub(crate) fn is_same_in(&self, later: &Self) -> bool {
        let is_same = |path: &String| self.tree.get(path) == later.tree.get(path);
        listing(&self.tree) == listing(&later.tree) && self.looked.iter().all(is_same)
    }
}

/// What a tree's folders say of what is in them.
fn listing(tree: &Tree) -> Tree {
    let listed = |node: &Node| match node {
        Node::File { executable, .. } => Node::File { text: String::new(), executable: *executable },
        Node::Link(target) => Node::Link(target),
    };
    tree.iter().map(|(path, node)| (path.clone(), listed(node))).collect()
}

impl<'w> Workspace<'w> {
    /// A workspace in the folder `root`, with nothing there yet. The programs' packages have a file that `unique` names:
    /// nothing is known of them from an earlier run.
    pub(crate) fn new(case: &'w Case, root: &Path, unique: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(place.path()).unwrap();
        let copy = |root: PathBuf| Copy { root, tree: Tree::new() };
        let mut workspace = Self {
            layout: case.layout,
            scripts: &case.scripts,
            fixed: Tree::new(),
            project: copy(root.to_owned()),
            // Something is above them, as in the sandbox.
            views: ["app", "other"].map(|name| copy(real.join(name).join("build/ws"))),
            _place: place,
        };
        workspace.fixed = workspace.fixed(unique);
        workspace
    }

    fn folder(&self, folder: Folder) -> &'static str {
        match (self.layout, folder) {
            (Layout::Root, App) => "",
            (_, App) => "app",
            (Layout::Nested, Other) => "app/other",
            (_, Other) => "other",
            (_, Looks) => "looks",
            (_, Shared) => "shared",
            (_, Outside) => "outside",
        }
    }

    fn path(&self, folder: Folder, path: &str) -> String {
        match self.folder(folder) {
            "" => path.to_owned(),
            folder => format!("{folder}/{path}"),
        }
    }

    /// The way from a folder to the workspace's root.
    fn up(&self, folder: Folder) -> &'static str {
        match self.folder(folder) {
            "" => "",
            "app/other" => "../../",
            _ => "../",
        }
    }

    /// What no edit is about.
    fn fixed(&self, unique: &str) -> Tree {
        let mut files = self.manifests();
        let mut put = |folder: Folder, path: &str, text: String| files.push((self.path(folder, path), text));
        for (folder, path, kept) in [(App, "src/main.rs", "../kept.txt"), (Outside, "main.rs", "kept.txt")] {
            put(folder, path, MAIN.replace("KEPT", kept));
        }
        for (folder, script) in [App, Other].into_iter().zip(self.scripts) {
            put(folder, "build.rs", script.source());
            put(folder, &format!("{unique}.md"), String::new());
        }
        put(Looks, "src/lib.rs", format!("{}\n{LIBRARY}", include_str!("look.rs")));
        let mut description = "[build]\nprofile = \"dev\"\npackages = [\"app\", \"other\"]\n".to_owned();
        if self.layout != Layout::Root {
            description += "[package.app]\ninclude = [\"../shared/\"]\n";
        }
        files.push(("xbuild.toml".to_owned(), description));
        files.into_iter().map(|(path, content)| (path, text(&content))).collect()
    }

    /// All manifests, and the lock.
    fn manifests(&self) -> Vec<(String, String)> {
        let mut lock = String::from("version = 4\n");
        let (mut own, mut members) = (Vec::new(), Vec::new());
        for (folder, name) in PACKAGES {
            let package = format!("name = \"{name}\"\nversion = \"0.1.0\"\n");
            let mut manifest = format!("[package]\n{package}edition = \"2024\"\n");
            lock += &format!("\n[[package]]\n{package}");
            if folder != Looks {
                let up = self.up(folder);
                manifest += &format!("[build-dependencies]\nlooks = {{ path = \"{up}looks\" }}\n");
                lock += "dependencies = [\n \"looks\",\n]\n";
            }
            if folder == Other {
                let up = self.up(folder);
                manifest += &format!("[[bin]]\nname = \"other\"\npath = \"{up}outside/main.rs\"\n");
            }
            own.push((self.path(folder, "Cargo.toml"), manifest));
            members.extend(Some(self.folder(folder)).filter(|member| !member.is_empty()));
        }
        let workspace = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n");
        let root = "Cargo.toml".to_owned();
        match own.iter_mut().find(|(path, _)| *path == root) {
            Some((_, manifest)) => *manifest += &workspace,
            None => own.push((root, workspace)),
        }
        own.push(("Cargo.lock".to_owned(), lock));
        own
    }

    /// Has the workspace as an edit leaves it.
    pub(crate) fn write(&mut self, edit: Option<&Edit>, loose: &Loose) {
        let mut tree = self.fixed.clone();
        tree.extend(loose.iter().map(|((folder, path), node)| (self.path(*folder, path), node.clone())));
        self.project.become_tree(tree);
        let project = &self.project;
        match edit {
            Some(Edit::Folder(folder)) => {
                fs::create_dir_all(project.root.join(self.path(*folder, "data/empty"))).unwrap();
            }
            Some(Edit::Touch(at)) => {
                let is_file = |(_, node): &(&String, &Node)| matches!(node, Node::File { .. });
                let files: Vec<_> = project.tree.iter().filter(is_file).collect();
                let (path, node) = at.get(&files);
                fs::remove_file(project.root.join(path)).unwrap();
                project.put(path, node);
            }
            _ => {}
        }
    }

    /// The package that a path is in: of nested ones the innermost.
    fn owner(&self, path: &str) -> Option<Folder> {
        [Other, Looks, App].into_iter().find(|folder| self.is_in(*folder, path))
    }

    fn is_in(&self, folder: Folder, path: &str) -> bool {
        let folder = self.folder(folder);
        folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether the script of a package sees what lies at a path.
    fn is_seen(&self, package: Folder, path: &str) -> bool {
        let owner = self.owner(path).filter(|_| path != "xbuild.toml");
        let is_included = self.layout != Layout::Root && self.is_in(Shared, path);
        owner == Some(package)
            || owner == Some(Looks)
            || path == "Cargo.toml"
            || (package == App && is_included)
    }

    /// What there is now for a package.
    pub(crate) fn sight(&mut self, package: Folder) -> Sight {
        let part = |is_in_it: &dyn Fn(&str) -> bool| -> Tree {
            let part = self.project.tree.iter().filter(|(path, _)| is_in_it(path));
            part.map(|(path, node)| (path.clone(), node.clone())).collect()
        };
        let seen = part(&|path| self.is_seen(package, path));
        let (number, home) = match package {
            App => (0, App),
            Other => (1, Outside),
            _ => return Sight { tree: seen, looked: BTreeSet::new(), prints: None },
        };
        let mut tree = part(&|path| package == Other && self.is_in(Outside, path));
        tree.extend(seen.clone());
        let kept = self.path(home, KEPT);
        let Some(Node::File { text, .. }) = tree.get(&kept) else { panic!("no {kept}") };

        self.views[number].become_tree(seen);
        let root = &self.views[number].root;
        let mut looked = BTreeSet::from([kept]);
        let mut note = |path: &Path| {
            let real = fs::canonicalize(path).ok();
            looked.extend(real.and_then(|real| Some(real.strip_prefix(root).ok()?.to_str()?.to_owned())));
        };
        let [own, theirs] = [package, Looks].map(|folder| root.join(self.folder(folder)));
        let mut looker = Looker { own: &own, theirs: &theirs, looked: &mut note };
        let log = looker.perform(&self.scripts[number].program);
        let prints = Some(format!("{log}{:016x}\n{text}", digest(&log)));
        Sight { tree, looked, prints }
    }
}

/// A program that prints what its package's script has seen, and a file.
const MAIN: &str = "\
fn main() {
    let seen = include_str!(concat!(env!(\"OUT_DIR\"), \"/seen\"));
    print!(\"{seen}{}\\n{}\", env!(\"SEEN\"), include_str!(\"KEPT\"));
}
";

/// What a script calls.
const LIBRARY: &str = "\
/// Looks from the package's folder, and leaves what it sees to the compiler.
pub fn look(program: &str) {
    let (own, theirs) = (Path::new(\".\"), Path::new(env!(\"CARGO_MANIFEST_DIR\")));
    let seen = Looker { own, theirs, looked: &mut |_| {} }.perform(program);
    std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/seen\", &seen).unwrap();
    println!(\"cargo::rustc-env=SEEN={:016x}\", digest(&seen));
}
";

impl Script {
    /// Its source.
    fn source(&self) -> String {
        let rerun = self.rerun_if_changed.iter();
        let rerun: String =
            rerun.map(|path| format!("    println!(\"cargo::rerun-if-changed={path}\");\n")).collect();
        format!("fn main() {{\n    looks::look({:?});\n{rerun}}}\n", self.program)
    }
}
