//! Runs a program in a sandbox, by its target's emulator, and judges what came of it.
//!
//! The shell that runs a job is the pinned one, of the machine's own kind, on every target: only the program itself
//! is emulated. So one script serves all, and can start a server, look for a file or end what doesn't end by
//! itself. It finds
//!
//! ```text
//! app ARGUMENTS…     the program
//! $app               the same in words, for `timeout 5 $app …`
//! $program           the program's file
//! $here              the folder that it starts in, as the program calls it
//! $target            the target
//! $terminal          the number of a descriptor, where the job has a screen
//! ```
//!
//! and ends at the first command that fails. Nothing of what a job leaves behind outlives it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use xbuild_action::{Cancel, Content as _, ContentExt as _, File, InputRoot, Limits, Outcome, Silent};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_describe::{ComponentName, NameError, TargetSpec};
use xbuild_fetch::toolchain::Composer;
use xbuild_plan::places::place;
use xbuild_realise::RealiseError;
use xbuild_realise::engine::Engine;
use xbuild_realise::run::{self, FOLDER};
use xtask_ground::{Script, quoted};

use crate::app::{App, Job};
use crate::terminal::Terminal;

/// The shell, what it calls, and their libraries.
const SHELL: [&str; 2] = ["base", "tools"];

/// How long a job may take. Each takes seconds, and some more under an emulator on a machine that does other
/// things too.
const TIME: Duration = Duration::from_secs(180);

/// Whether a program did what it should: else why not.
pub type Verdict = Result<(), String>;

/// Runs programs of one target.
pub struct Machine<'m> {
    engine: &'m Engine<'m>,
    target: &'m TargetSpec,
    layers: Vec<Digest<Tree>>,
    cancel: Cancel,
}

impl<'m> Machine<'m> {
    /// One of this target's kind, whose programs are stopped by `cancel`.
    ///
    /// # Errors
    /// When its emulator can't be fetched or composed.
    pub fn new(
        engine: &'m Engine<'m>,
        composer: &Composer<'_>,
        target: &'m TargetSpec,
        cancel: Cancel,
    ) -> Result<Self, RealiseError> {
        let mut layers = run::layers(composer, target, None)?;
        let names: Vec<ComponentName> = SHELL
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, NameError>>()
            .map_err(|error| RealiseError::Source { problem: error.to_string() })?;
        for (_, tree) in composer.trees(&names)? {
            if !layers.contains(&tree) {
                layers.push(tree);
            }
        }
        Ok(Self { engine, target, layers, cancel })
    }

    /// Whether a program says its version.
    ///
    /// # Errors
    /// When it can't be run at all.
    pub fn says_its_version(&self, app: &App, file: &Path) -> Result<Verdict, RealiseError> {
        let ended = self.run(app, file, "app --version", &BTreeMap::new(), None)?;
        Ok(ended.succeeded().and_then(|()| {
            if ended.stdout.contains(&app.version) {
                Ok(())
            } else {
                Err(format!("--version says `{}`", ended.stdout.trim()))
            }
        }))
    }

    /// Whether a program does its job.
    ///
    /// # Errors
    /// When it can't be run at all.
    pub fn does_its_job(&self, app: &App, file: &Path) -> Result<Verdict, RealiseError> {
        let job = app.job(self.target.triple.as_str());
        let Some(screen) = &job.screen else {
            let ended = self.run(app, file, &job.script, &job.files, None)?;
            return Ok(ended.judged(job, &[]));
        };
        let of_terminal = RealiseError::io("use a terminal");
        let terminal = Terminal::open().map_err(of_terminal)?;
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| terminal.watch(screen, &is_over));
            let ended = self.run(app, file, &job.script, &job.files, Some(&terminal));
            is_over.store(true, Ordering::SeqCst);
            let unseen = watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(ended?.judged(job, &unseen.map_err(RealiseError::io("use a terminal"))?))
        })
    }

    fn run(
        &self,
        app: &App,
        file: &Path,
        script: &str,
        files: &BTreeMap<String, String>,
        terminal: Option<&Terminal>,
    ) -> Result<Ended, RealiseError> {
        let store = self.engine.store;
        let folder = place(FOLDER);
        let path = |name: &str| {
            let name = RelPath::new(name);
            name.map(|name| folder.join(&name))
                .map_err(|error| RealiseError::Source { problem: error.to_string() })
        };
        let own = path(&app.file(self.target.triple.as_str()))?;
        let program = fs_err::canonicalize(file).map_err(RealiseError::io("find the program"))?;
        let digest = store.put_file(&program)?;
        let mut inputs = InputRoot {
            layers: self.layers.clone(),
            files: BTreeMap::from([(own.clone(), File { digest, executable: true })]),
            ..InputRoot::default()
        };
        for (name, text) in files {
            let digest = store.put(text.as_bytes())?;
            inputs.files.insert(path(name)?, File { digest, executable: false });
        }
        let number = terminal.map(Terminal::number);
        let text = self.preamble(&own.in_sandbox(), number.unwrap_or_default()) + script;
        let script = Script {
            text: &text,
            folder: &folder,
            inputs: &inputs,
            limits: Limits { time: TIME, ..Limits::default() },
            descriptors: number.into_iter().collect(),
        };
        let (problem, result) = match script.run(self.engine.executor, &self.cancel, &mut Silent) {
            Outcome::Succeeded(result, _) => (None, result),
            Outcome::Failed(result, _) => (Some(format!("exit code {}", result.exit_code)), result),
            Outcome::OverLimit { limit, result } => (Some(format!("over its limit: {limit}")), result),
            Outcome::Cancelled => return Err(RealiseError::Cancelled),
            Outcome::Broken(error) => return Err(error.into()),
        };
        let text = |digest| {
            let bytes = store.get(digest)?;
            Ok::<_, RealiseError>(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
        };
        Ok(Ended { problem, stdout: text(result.stdout)?, stderr: text(result.stderr)? })
    }

    /// What a script finds: see the module's head.
    fn preamble(&self, program: &str, terminal: i32) -> String {
        let mut words = self.target.run.command();
        words.push(program.to_owned());
        let target = self.target.triple.as_str();
        // Wine shows the root of the sandbox as a drive.
        let drive = if target.contains("windows") { "Z:" } else { "" };
        format!(
            "set -eu\ntarget={}\nprogram={}\nhere={drive}{}\nterminal={terminal}\napp={}\n\
             app() {{ $app \"$@\"; }}\n",
            quoted(target),
            quoted(program),
            quoted(&place(FOLDER).in_sandbox()),
            quoted(&words.join(" ")),
        )
    }
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    /// `None` when it succeeded.
    problem: Option<String>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn succeeded(&self) -> Verdict {
        let Self { problem: Some(problem), stdout, stderr } = self else { return Ok(()) };
        // The last that was said is the nearest to the failure.
        let said = [stderr, stdout].into_iter().find_map(|text| {
            text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        });
        Err(said.map_or_else(|| problem.clone(), |said| format!("{problem}: {said}")))
    }

    fn judged(&self, job: &Job, unseen: &[String]) -> Verdict {
        if let Some(first) = unseen.first() {
            let why = self.succeeded().err().map_or_else(String::new, |why| format!(" ({why})"));
            return Err(format!("the terminal doesn't show `{first}`{why}"));
        }
        self.succeeded()?;
        if self.stdout.trim_end() == job.prints.trim_end() {
            return Ok(());
        }
        let (is, should) = (self.stdout.lines(), job.prints.lines());
        let line = is.zip(should).find(|(is, should)| is != should);
        Err(match line {
            Some((is, should)) => format!("it prints `{is}` instead of `{should}`"),
            None => format!(
                "it prints {} lines instead of {}",
                self.stdout.trim_end().lines().count(),
                job.prints.trim_end().lines().count()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(problem: Option<&str>, stdout: &str, stderr: &str) -> Ended {
        let [stdout, stderr] = [stdout, stderr].map(str::to_owned);
        Ended { problem: problem.map(str::to_owned), stdout, stderr }
    }

    fn job(prints: &str) -> Job {
        toml::from_str(&format!("does = \"\"\nscript = \"\"\nprints = {prints:?}")).unwrap()
    }

    #[test]
    fn a_failure_is_told_with_the_last_that_was_said() {
        let why = |ended: Ended| ended.succeeded().unwrap_err();
        assert_eq!(why(ended(Some("exit code 1"), "out\n", "one\ntwo\n\n")), "exit code 1: two");
        assert_eq!(why(ended(Some("exit code 1"), "out\n", "")), "exit code 1: out");
        assert_eq!(why(ended(Some("exit code 1"), "", "")), "exit code 1");
    }

    #[test]
    fn what_is_printed_must_be_what_is_expected() {
        assert_eq!(ended(None, "a\nb\n", "noise").judged(&job("a\nb"), &[]), Ok(()));
        let why = |stdout: &str, unseen: &[String]| ended(None, stdout, "").judged(&job("a\nb"), unseen);
        assert_eq!(why("a\nc\n", &[]).unwrap_err(), "it prints `c` instead of `b`");
        assert_eq!(why("a\n", &[]).unwrap_err(), "it prints 1 lines instead of 2");
        assert!(why("a\nb\n", &["foo".to_owned()]).unwrap_err().contains("doesn't show `foo`"));
    }
}
