//! Calls in one language: cargo's folders under the names of ours, and every hash under the number of the unit
//! that it names. Nothing else is changed.
//!
//! | cargo's | ours |
//! |---|---|
//! | `target/<triple>/<profile>/deps`, `target/<profile>/deps` | `/build/deps`, `/build/host-deps` |
//! | `target/[<triple>/]<profile>/build/<package>-<hash>` | `/build/script/<package>-<hash>` |
//! | `target/<triple>/tmp` | `/build/tmp` |
//! | a program in `target/<triple>/<profile>`, as `CARGO_BIN_EXE_…` has it | `/build/bin/…` |
//! | `target/<profile>` in `LD_LIBRARY_PATH`, the host's finished programs | nothing: no action has them |
//! | `$HOME/.cargo` | `/build/home` |
//! | what follows `--out-dir` | `/build/out` |
//! | the linker of a host unit, where the target is the host's triple: cargo has one linker for a triple | the host's |
//! | `CARGO_MAKEFLAGS`, the jobserver's descriptors | nothing: xbuild's has them outside of keys |

use std::collections::BTreeMap;

use crate::call::{Call, Kind};
use crate::theirs::TARGET_FOLDER;

/// What tells where the jobserver is.
const JOBSERVER: &str = "CARGO_MAKEFLAGS";

/// The length of a hash, in hexadecimal digits.
const HASH: usize = 16;

/// Cargo's folders and ours.
#[derive(Debug)]
pub(crate) struct Folders {
    pairs: Vec<(String, String)>,
    /// Where cargo leaves what it has finished: for the target, and for the host.
    target: String,
    host: String,
    /// The linkers of target and host.
    linkers: (String, String),
}

impl Folders {
    /// The folders of one call of cargo.
    pub(crate) fn new(triple: &str, profile: &str, linkers: (String, String)) -> Self {
        let profile = match profile {
            "dev" | "test" => "debug",
            "bench" => "release",
            other => other,
        };
        let (target, host) =
            (format!("/{TARGET_FOLDER}/{triple}/{profile}"), format!("/{TARGET_FOLDER}/{profile}"));
        let pair = |theirs: String, ours: &str| (theirs, ours.to_owned());
        let pairs = vec![
            pair(format!("{target}/deps"), "/build/deps"),
            pair(format!("{target}/build/"), "/build/script/"),
            pair(format!("{host}/deps"), "/build/host-deps"),
            pair(format!("{host}/build/"), "/build/script/"),
            pair(format!("/{TARGET_FOLDER}/{triple}/tmp"), "/build/tmp"),
            pair("/tmp/.cargo/".to_owned(), "/build/home/"),
        ];
        Self { pairs, target, host, linkers }
    }

    /// A call of cargo's, as if it were ours.
    pub(crate) fn translate(&self, call: &Call) -> Call {
        let mut argv: Vec<String> = call.argv.iter().map(|argument| self.text(argument)).collect();
        if call.kind == Kind::Rustc
            && let Some(at) = argv.iter().position(|argument| argument == "--out-dir")
            && let Some(folder) = argv.get_mut(at + 1)
        {
            "/build/out".clone_into(folder);
        }
        let is_host = match call.kind {
            Kind::Rustc => call.value("--target").is_none(),
            Kind::Script => call.environment.get("OUT_DIR").is_some_and(|out| out.starts_with(&self.host)),
        };
        let linker = |linker: &str| {
            let (target, host) = &self.linkers;
            if is_host && linker == target { host.clone() } else { linker.to_owned() }
        };
        for argument in &mut argv {
            if let Some(path) = argument.strip_prefix("linker=") {
                *argument = format!("linker={}", linker(path));
            }
        }
        let variable = |(name, value): (&String, &String)| {
            let value = match name.as_str() {
                "RUSTC_LINKER" => linker(value),
                "LD_LIBRARY_PATH" => {
                    let kept: Vec<&str> = value.split(':').filter(|path| *path != self.host).collect();
                    self.text(&kept.join(":"))
                }
                name if name.starts_with("CARGO_BIN_EXE_") => {
                    value.replace(&format!("{}/", self.target), "/build/bin/")
                }
                _ => self.text(value),
            };
            (name.clone(), value)
        };
        let compared = call.environment.iter().filter(|(name, _)| *name != JOBSERVER);
        Call {
            kind: call.kind,
            argv,
            environment: compared.map(variable).collect(),
            working_directory: self.text(&call.working_directory),
        }
    }

    fn text(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }
}

/// What hashes of one side are called.
#[derive(Debug, Default)]
pub(crate) struct Hashes(BTreeMap<String, String>);

impl Hashes {
    /// Takes the hashes of a call for those of the unit with that number.
    pub(crate) fn learn(&mut self, call: &Call, number: usize) {
        for hash in own_hashes(call) {
            self.0.entry(hash.to_owned()).or_insert_with(|| format!("<hash of {number}>"));
        }
    }

    /// A call with hashes under their names, its own as such.
    pub(crate) fn apply(&self, call: &Call) -> Call {
        let own = own_hashes(call);
        let out = out_hash(call);
        let name = |hash: &str| {
            if own.contains(&hash) {
                return Some("<own hash>");
            }
            // Where the configuration stands in the place of a script, nothing runs in the folder that `OUT_DIR` names.
            let known = self.0.get(hash).map(String::as_str);
            known.or_else(|| (out == Some(hash)).then_some("<hash of no run>"))
        };
        let text = |text: &String| replace_hashes(text, name);
        Call {
            kind: call.kind,
            argv: call.argv.iter().map(text).collect(),
            environment: call.environment.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            working_directory: text(&call.working_directory),
        }
    }
}

/// The hashes that name a unit.
fn own_hashes(call: &Call) -> Vec<&str> {
    let found = match call.kind {
        Kind::Rustc => {
            let find = |prefix: &str| call.argv.iter().find_map(|word| word.strip_prefix(prefix));
            [find("metadata="), find("extra-filename=-")]
        }
        Kind::Script => [out_hash(call), None],
    };
    found.into_iter().flatten().filter(|hash| hash.len() == HASH).collect()
}

/// The hash in `OUT_DIR`.
fn out_hash(call: &Call) -> Option<&str> {
    let folder = call.environment.get("OUT_DIR")?.strip_suffix("/out")?;
    folder.rsplit_once('-').map(|(_, hash)| hash)
}

/// Replaces what looks like a hash and has a name.
fn replace_hashes<'n>(text: &str, name: impl Fn(&str) -> Option<&'n str>) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_digit) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_digit(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        replaced.push_str(before);
        replaced.push_str(if run.len() == HASH { name(run).unwrap_or(run) } else { run });
        rest = after;
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rustc(argv: &[&str], environment: &[(&str, &str)]) -> Call {
        Call {
            kind: Kind::Rustc,
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            environment: environment.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect(),
            working_directory: "/build/ws".to_owned(),
        }
    }

    #[test]
    fn folders_of_cargo_s_are_called_as_ours() {
        let theirs = rustc(
            &[
                "rustc",
                "--out-dir",
                "/build/target/t/debug/deps",
                "-L",
                "native=/build/target/t/debug/build/a-1/out",
            ],
            &[
                ("LD_LIBRARY_PATH", "/build/target/debug/deps:/build/target/debug:/usr/lib"),
                ("CARGO_BIN_EXE_a", "/build/target/t/debug/a"),
                ("CARGO_MANIFEST_DIR", "/tmp/.cargo/git/checkouts/x"),
                ("OTHER", "/build/target/t/tmp"),
                ("CARGO_MAKEFLAGS", "-j --jobserver-fds=5,6"),
            ],
        );
        let ours = rustc(
            &["rustc", "--out-dir", "/build/out", "-L", "native=/build/script/a-1/out"],
            &[
                ("LD_LIBRARY_PATH", "/build/host-deps:/usr/lib"),
                ("CARGO_BIN_EXE_a", "/build/bin/a"),
                ("CARGO_MANIFEST_DIR", "/build/home/git/checkouts/x"),
                ("OTHER", "/build/tmp"),
            ],
        );
        assert_eq!(Folders::new("t", "dev", Default::default()).translate(&theirs), ours);
    }

    #[test]
    fn only_hashes_that_name_a_unit_are_replaced() {
        let (a, b) = ("0123456789abcdef", "fedcba9876543210");
        let dependency = rustc(&[&format!("metadata={a}"), &format!("extra-filename=-{b}")], &[]);
        let mut hashes = Hashes::default();
        hashes.learn(&dependency, 7);
        let other = "00000000000000ff";
        let text = format!("x-{b}.rlib {a}0 {other}");
        let named = hashes.apply(&rustc(&[&text, "metadata=1111111111111111"], &[]));
        assert_eq!(
            named.argv,
            [format!("x-<hash of 7>.rlib {a}0 {other}"), "metadata=<own hash>".to_owned()]
        );

        let out =
            |hash: &str| hashes.apply(&rustc(&[], &[("OUT_DIR", &format!("/build/script/x-{hash}/out"))]));
        assert_eq!(out(b).environment["OUT_DIR"], "/build/script/x-<hash of 7>/out");
        assert_eq!(out(other).environment["OUT_DIR"], "/build/script/x-<hash of no run>/out");
    }
}
