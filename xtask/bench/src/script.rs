//! What the shell in cargo's sandbox does, and what its marks say.

use std::ops::Range;
use std::os::fd::RawFd;
use std::time::Duration;

use xbuild_plan::places::place;
use xtask_ground::cargo::{LOG, TARGET_FOLDER, call};
use xtask_ground::{PlannedGraph, quoted};

use crate::measure::Sample;

/// The target folder that is used where nothing else is said.
const SHARED: &str = "shared";

/// Something that is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phase {
    /// What changes the sources before it, in words of a shell; it doesn't count.
    pub(crate) before: String,
    pub(crate) calls: Calls,
    /// Which target folder: see [`target_folder`].
    pub(crate) folder: String,
    pub(crate) counts: Counts,
    pub(crate) built: Built,
}

/// What is run, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Cargo for each of these graphs.
    Each(Range<usize>),
    /// Cargo for the targets of all graphs at once; they have the same packages and features.
    Together,
    /// These words of a shell.
    Own(Vec<String>),
}

/// What of cargo's output is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// The programs that it starts: compilers and build scripts.
    Programs,
    /// The compilers that it starts, and no build scripts.
    Compilers,
    /// The crates that it compiles: less is written.
    Crates,
}

/// What must have been built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Built {
    Something,
    Nothing,
    Anything,
}

impl Phase {
    /// From nothing built.
    pub(crate) fn cold(graphs: Range<usize>) -> Self {
        Self {
            before: String::new(),
            calls: Calls::Each(graphs),
            folder: SHARED.to_owned(),
            counts: Counts::Programs,
            built: Built::Something,
        }
    }

    /// Nothing has changed.
    pub(crate) fn unchanged(graphs: Range<usize>) -> Self {
        Self { counts: Counts::Crates, built: Built::Nothing, ..Self::cold(graphs) }
    }

    /// Something has been changed by these words.
    pub(crate) fn edited(graphs: Range<usize>, before: String) -> Self {
        Self { before, counts: Counts::Crates, ..Self::cold(graphs) }
    }

    fn samples(&self) -> usize {
        match &self.calls {
            Calls::Each(graphs) => graphs.len(),
            Calls::Together => 1,
            Calls::Own(words) => words.len(),
        }
    }

    /// How many lines it prints.
    pub(crate) fn marks(&self) -> usize {
        4 + 3 * self.samples()
    }
}

/// A target folder of this name, in the sandbox.
pub(crate) fn target_folder(name: &str) -> String {
    format!("{}/{name}", place(TARGET_FOLDER).in_sandbox())
}

/// Appends a line to a file, in words of a shell.
pub(crate) fn append(path: &str, line: &str) -> String {
    format!("echo {} >> {}", quoted(line), quoted(path))
}

/// When a line came, and the line.
pub(crate) type Mark = (Duration, String);

/// What the shell does. It waits for a line from descriptor `gate` at its end, and before each phase, which prints
///
/// ```text
/// 0m0.00s 0m0.00s      the shell's own time
/// 0m1.23s 0m0.45s      its children's, user and system
/// begin
/// end                  for each call
/// 0m0.00s 0m0.00s
/// 0m9.87s 0m0.65s
/// 123                  how many programs were started, or crates compiled
/// ```
pub(crate) fn script(graphs: &[PlannedGraph], phases: &[Phase], gate: RawFd) -> String {
    // Functions: a shell takes its script as one argument, which has a limit.
    let mut script = String::new();
    for (index, graph) in graphs.iter().enumerate() {
        script.push_str(&format!("call_{index}() {{ {} \"$@\"; }}\n", call(std::slice::from_ref(graph))));
    }
    if phases.iter().any(|phase| phase.calls == Calls::Together) {
        script.push_str(&format!("together() {{ {} \"$@\"; }}\n", call(graphs)));
    }
    for Phase { before, calls, folder, counts, built: _ } in phases {
        let (option, counted) = match counts {
            Counts::Programs => (" --verbose", "^ *Running `"),
            Counts::Compilers => (" --verbose", "^ *Running `.* --crate-name "),
            Counts::Crates => ("", "^ *Compiling "),
        };
        let options = format!("--target-dir {}{option}", target_folder(folder));
        let words = match calls {
            Calls::Each(graphs) => graphs.clone().map(|index| format!("call_{index} {options}")).collect(),
            Calls::Together => vec![format!("together {options}")],
            Calls::Own(words) => words.clone(),
        };
        script.push_str(&format!("read go <&{gate} || exit 1\n"));
        if !before.is_empty() {
            script.push_str(&format!("{{ {before}; }} || exit 1\n"));
        }
        script.push_str(&format!(": > {LOG}\ntimes\necho begin\n"));
        for words in words {
            script.push_str(&format!(
                "{{ {words}; }} >> {LOG} 2>&1 || {{ cat {LOG} >&2; exit 1; }}\necho end\ntimes\n"
            ));
        }
        script.push_str(&format!("grep -c {} {LOG}\n", quoted(counted)));
    }
    script + &format!("read end <&{gate} && exit 0\n")
}

/// The phase that [`script`]'s marks tell of: what each call took, and how much was built.
pub(crate) fn read(marks: &[Mark]) -> Option<(Vec<Sample>, usize)> {
    let [(_, _), (_, before), (start, begin), calls @ .., (_, count)] = marks else { return None };
    if begin != "begin" || calls.len() % 3 != 0 {
        return None;
    }
    let mut last = (*start, children(before)?);
    let mut samples = Vec::new();
    for call in calls.chunks_exact(3) {
        let [(stop, end), (_, _), (_, after)] = call else { return None };
        let now = (*stop, children(after)?);
        if end != "end" {
            return None;
        }
        samples.push(Sample { wall: now.0.saturating_sub(last.0), cpu: now.1.saturating_sub(last.1) });
        last = now;
    }
    Some((samples, count.trim().parse().ok()?))
}

/// User and system time of a line of `times`, as in `1m2.34s 0m5.67s`, together.
fn children(line: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for time in line.split_whitespace() {
        let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
        let minutes: u64 = minutes.parse().ok()?;
        total +=
            Duration::from_secs(minutes * 60) + Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(lines: &[(u64, &str)]) -> Vec<Mark> {
        lines.iter().map(|&(at, line)| (Duration::from_millis(at), line.to_owned())).collect()
    }

    #[test]
    fn each_call_is_what_lies_between_its_marks() {
        let mut lines = vec![
            (1, "0m0.00s 0m0.00s"),
            (1, "0m1.00s 0m0.50s"),
            (2, "begin"),
            (1502, "end"),
            (1503, "0m0.01s 0m0.00s"),
            (1503, "1m2.25s 0m0.75s"),
            (1702, "end"),
            (1703, "0m0.01s 0m0.00s"),
            (1703, "1m2.75s 0m1.00s"),
            (1710, "42"),
        ];
        let sample =
            |wall, cpu| Sample { wall: Duration::from_millis(wall), cpu: Duration::from_millis(cpu) };
        assert_eq!(read(&marks(&lines)), Some((vec![sample(1500, 61_500), sample(200, 750)], 42)));
        assert_eq!(Phase::cold(0..2).marks(), lines.len());
        lines.remove(6);
        assert_eq!(read(&marks(&lines)), None);
        lines.truncate(5);
        assert_eq!(read(&marks(&lines)), None);
    }

    #[test]
    fn a_line_is_appended_as_it_is() {
        assert_eq!(append("a b", "// it's"), r"echo '// it'\''s' >> 'a b'");
    }

    #[test]
    fn a_phase_waits_changes_and_calls_in_its_own_folder() {
        let edit = Phase { folder: "alone".to_owned(), ..Phase::edited(1..3, "touch x".to_owned()) };
        let own = Phase { calls: Calls::Own(vec!["true".to_owned()]), ..Phase::unchanged(0..1) };
        let text = script(&[], &[edit, own], 7);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0..2], ["read go <&7 || exit 1", "{ touch x; } || exit 1"]);
        assert!(text.contains("{ call_1 --target-dir /build/target/alone; } >>"), "{text}");
        assert!(text.contains("{ call_2 --target-dir /build/target/alone; } >>"), "{text}");
        assert!(text.contains("{ true; } >>") && text.ends_with("read end <&7 && exit 0\n"), "{text}");
        assert_eq!(text.matches("echo end\n").count(), 3);
    }
}
