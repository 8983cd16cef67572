//! A store, a sandbox, and an input tree of the machine's own shell.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use xbuild_action::{
    ActionResult, Cancel, Command, Content, ContentExt as _, Entry, ExecutionError, Executor as _, File,
    InputRoot, Isolation, Limits, Observer, Outcome, Output, Request, Running, Stream, TreeBuilder, Unkeyed,
};
use xbuild_base::{Blob, Digest, RelPath, Tree};
use xbuild_exec::Sandbox;
use xbuild_store::Disk;

/// Root becomes this user.
pub(crate) const NOBODY: (u32, u32) = (65534, 65534);

const UTILITIES: [&str; 17] = [
    "sh", "cat", "ls", "mkdir", "ln", "chmod", "sleep", "rm", "mkfifo", "id", "env", "mv", "cp", "head",
    "stat", "uname", "dd",
];

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A store in a folder that the user in the sandbox could not reach by its path.
pub(crate) struct World {
    pub(crate) store: Arc<Disk>,
    pub(crate) sandbox: Sandbox,
    pub(crate) layers: Vec<Digest<Tree>>,
    _folder: Option<tempfile::TempDir>,
}

/// An action, to be changed before it is run.
pub(crate) struct Action {
    pub(crate) command: Command,
    pub(crate) inputs: InputRoot,
    pub(crate) isolation: Isolation,
    pub(crate) limits: Limits,
    pub(crate) unkeyed: Unkeyed,
    pub(crate) observe: BTreeSet<RelPath>,
    pub(crate) cancel: Cancel,
}

/// What came of it.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) lines: Vec<(Stream, String)>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self::at(&folder.path().join("store"));
        world._folder = Some(folder);
        world
    }

    pub(crate) fn at(folder: &Path) -> Self {
        let store = Arc::new(Disk::open(folder, is_root().then_some(NOBODY)).unwrap());
        let sandbox = Sandbox::new(store.clone());
        let utilities = UTILITIES.map(find_program);
        let layers = vec![host_programs(&*store, &utilities, &[])];
        Self { store, sandbox, layers, _folder: None }
    }

    /// With this program itself as `/usr/bin/tool`.
    pub(crate) fn with_tool() -> Self {
        let mut world = Self::new();
        let own = std::env::current_exe().unwrap();
        let tree = host_programs(&*world.store, &[], &[(own, "usr/bin/tool")]);
        world.layers.push(tree);
        world
    }

    /// The host's compiler and its libraries.
    pub(crate) fn rustc(&self, sysroot: &Path) -> Digest<Tree> {
        let program = sysroot.join("bin/rustc");
        let programs = host_programs(&*self.store, &[], &[(program, "usr/bin/rustc")]);
        let mut builder = TreeBuilder::from_tree(programs);
        for entry in walkdir::WalkDir::new(sysroot.join("lib")) {
            let entry = entry.unwrap();
            let to = Path::new("usr").join(entry.path().strip_prefix(sysroot).unwrap());
            if entry.file_type().is_file() && !to.starts_with("usr/lib/rustlib/src") {
                let file = File { digest: self.store.put_file(entry.path()).unwrap(), executable: false };
                builder.replace(&*self.store, &path(to.to_str().unwrap()), Entry::File(file)).unwrap();
            }
        }
        builder.build(&*self.store).unwrap()
    }

    /// A tree of text files.
    pub(crate) fn tree(&self, files: &[(&str, &str)]) -> Digest<Tree> {
        let mut builder = TreeBuilder::default();
        for (at, text) in files {
            let file = File { digest: self.store.put(text.as_bytes()).unwrap(), executable: false };
            builder.insert(&*self.store, &path(at), Entry::File(file)).unwrap();
        }
        builder.build(&*self.store).unwrap()
    }

    pub(crate) fn file(&self, text: &str) -> File {
        File { digest: self.store.put(text.as_bytes()).unwrap(), executable: false }
    }

    pub(crate) fn script(&self, script: &str, outputs: &[&str]) -> Action {
        self.action(&["/usr/bin/sh", "-c", script], outputs)
    }

    pub(crate) fn tool(&self, arguments: &[&str], outputs: &[&str]) -> Action {
        self.action(&[&["/usr/bin/tool", crate::tool::ARGUMENT], arguments].concat(), outputs)
    }

    fn action(&self, argv: &[&str], outputs: &[&str]) -> Action {
        Action {
            command: Command {
                argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
                environment: [("PATH".to_owned(), "/usr/bin".to_owned())].into(),
                working_directory: path("build"),
                outputs: outputs.iter().map(|at| path(at)).collect(),
            },
            inputs: InputRoot { layers: self.layers.clone(), ..InputRoot::default() },
            isolation: Isolation::Full,
            limits: Limits {
                time: Duration::from_secs(60),
                memory: 1 << 30,
                processes: 200,
                file_size: 1 << 30,
            },
            unkeyed: Unkeyed::default(),
            observe: BTreeSet::new(),
            cancel: Cancel::default(),
        }
    }

    pub(crate) fn run(&self, action: &Action) -> Ran {
        self.observe(action, &mut |_, _, _| {})
    }

    pub(crate) fn observe(
        &self,
        action: &Action,
        hear: &mut (dyn FnMut(Stream, &str, &dyn Running) + Send),
    ) -> Ran {
        let Action { command, inputs, isolation, limits, unkeyed, observe, cancel } = action;
        let (isolation, limits) = (*isolation, *limits);
        let request = Request { command, inputs, isolation, limits, unkeyed, observe, cancel };
        let lines = std::sync::Mutex::new(Vec::new());
        let mut observer =
            Listener { lines: &lines, hear: &mut |stream, line, running| hear(stream, line, running) };
        let outcome = self.sandbox.execute(&request, &mut observer);
        Ran { outcome, lines: lines.into_inner().unwrap() }
    }

    /// Runs a script that must succeed; what it printed.
    pub(crate) fn prints(&self, script: &str) -> String {
        self.run(&self.script(script, &[])).printed(self)
    }

    pub(crate) fn text(&self, digest: Digest<Blob>) -> String {
        String::from_utf8_lossy(&self.store.get(digest).unwrap()).into_owned()
    }

    /// The text of an output file.
    pub(crate) fn output(&self, ran: &Ran, at: &str) -> String {
        match ran.success().outputs.get(at) {
            Some(Output::File(file)) => self.text(file.digest),
            other => panic!("{at} is {other:?}"),
        }
    }

    /// The entries of an output folder.
    pub(crate) fn output_tree(&self, ran: &Ran, at: &str) -> Vec<(String, Entry)> {
        let Some(Output::Tree(tree)) = ran.success().outputs.get(at) else { panic!("no tree at {at}") };
        let mut entries = Vec::new();
        xbuild_action::walk::<xbuild_action::TreeError>(&*self.store, *tree, &mut |path, entry| {
            entries.push((path.as_str().to_owned(), entry.clone()));
            Ok(())
        })
        .unwrap();
        entries
    }
}

impl Ran {
    pub(crate) fn success(&self) -> &ActionResult {
        match &self.outcome {
            Outcome::Succeeded(result, _) => result,
            other => panic!("{other:?}\n{:?}", self.lines),
        }
    }

    /// What it was seen to look at; it must have succeeded.
    pub(crate) fn observed(&self) -> Option<Vec<&str>> {
        match &self.outcome {
            Outcome::Succeeded(_, observed) => {
                observed.as_ref().map(|paths| paths.iter().map(RelPath::as_str).collect())
            }
            other => panic!("{other:?}\n{:?}", self.lines),
        }
    }

    pub(crate) fn failure(&self) -> &ActionResult {
        match &self.outcome {
            Outcome::Failed(result, _) => result,
            other => panic!("{other:?}\n{:?}", self.lines),
        }
    }

    pub(crate) fn over_limit(&self) -> &str {
        match &self.outcome {
            Outcome::OverLimit { limit, .. } => limit,
            other => panic!("{other:?}\n{:?}", self.lines),
        }
    }

    pub(crate) fn broken(&self) -> &ExecutionError {
        match &self.outcome {
            Outcome::Broken(error) => error,
            other => panic!("{other:?}\n{:?}", self.lines),
        }
    }

    pub(crate) fn printed(&self, world: &World) -> String {
        world.text(self.success().stdout)
    }
}

struct Listener<'a> {
    lines: &'a std::sync::Mutex<Vec<(Stream, String)>>,
    hear: &'a mut (dyn FnMut(Stream, &str, &dyn Running) + Send + 'a),
}

impl Observer for Listener<'_> {
    fn line(&mut self, stream: Stream, line: &[u8], running: &dyn Running) {
        let line = String::from_utf8_lossy(line).into_owned();
        (self.hear)(stream, &line, running);
        self.lines.lock().unwrap().push((stream, line));
    }
}

fn find_program(name: &str) -> PathBuf {
    ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|at| at.exists()).unwrap()
}

/// A tree with programs of the host and the libraries that they load.
fn host_programs(store: &dyn Content, utilities: &[PathBuf], others: &[(PathBuf, &str)]) -> Digest<Tree> {
    let mut builder = TreeBuilder::default();
    for (link, target) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        builder.insert(store, &path(link), Entry::Symlink(target.to_owned())).unwrap();
    }
    let mut libraries = BTreeSet::new();
    let utilities = utilities
        .iter()
        .map(|at| (at.clone(), format!("usr/bin/{}", at.file_name().unwrap().to_str().unwrap())));
    for (from, to) in utilities.chain(others.iter().map(|(from, to)| (from.clone(), (*to).to_owned()))) {
        let listed = std::process::Command::new("ldd").arg(&from).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        libraries.extend(listed.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
        insert(store, &mut builder, &from, &to);
    }
    // What lies beside a program is for its own tree to bring.
    for library in libraries.iter().filter(|library| !library.contains("/../")) {
        let to = library.trim_start_matches('/');
        let to = if to.starts_with("usr/") { to.to_owned() } else { format!("usr/{to}") };
        insert(store, &mut builder, Path::new(library), &to);
    }
    builder.build(store).unwrap()
}

fn insert(store: &dyn Content, builder: &mut TreeBuilder, from: &Path, to: &str) {
    let from = fs::canonicalize(from).unwrap();
    let executable = fs::metadata(&from).unwrap().permissions().mode() & 0o111 != 0;
    let file = File { digest: store.put_file(&from).unwrap(), executable };
    builder.insert(store, &path(to), Entry::File(file)).unwrap();
}
