//! What is found compared with what is allowed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::elf::glibc_version;
use super::{Expectation, Form, Format, Found, Linking};

/// Something that a target doesn't allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rule")]
pub enum Violation {
    /// Another file format.
    Format {
        /// What it is.
        found: Format,
        /// What it should be.
        expected: Format,
    },
    /// Another machine.
    Machine {
        /// What it is for.
        found: String,
        /// What it should be for.
        expected: String,
        /// In an archive: the members that are, sorted.
        members: Vec<String>,
    },
    /// It needs an interpreter or libraries and should be static.
    NotStatic {
        /// The interpreter.
        interpreter: Option<String>,
        /// The libraries, sorted.
        libraries: Vec<String>,
    },
    /// It needs a newer glibc than the floor.
    GlibcTooNew {
        /// The newest that is allowed.
        floor: (u32, u32),
        /// What is needed.
        needed: (u32, u32),
        /// What needs more than the floor, sorted: `symbol@GLIBC_2.34`.
        symbols: Vec<String>,
    },
    /// It needs a version of glibc's that is no number: a private interface, or a feature of its loader.
    GlibcVersion {
        /// The version as the file spells it.
        version: String,
        /// What needs it, sorted.
        symbols: Vec<String>,
    },
    /// It needs a library that is not part of every such system.
    Library {
        /// The library's name.
        name: String,
    },
    /// It imports a DLL that is not part of Windows.
    Dll {
        /// The DLL's name.
        name: String,
    },
    /// Its interpreter is not where such systems have theirs.
    Interpreter {
        /// The path.
        path: String,
    },
    /// It would look for libraries in a folder of the machine that it was built on, or beside itself.
    SearchPath {
        /// The folder.
        path: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { found, expected } => write!(f, "it is a {found} file and should be {expected}"),
            Self::Machine { found, expected, members } => {
                write!(f, "it is for {found} and should be for {expected}")?;
                if members.is_empty() { Ok(()) } else { write!(f, ": {}", some_of(members)) }
            }
            Self::NotStatic { interpreter, libraries } => {
                f.write_str("it is not static:")?;
                if let Some(interpreter) = interpreter {
                    write!(f, " its interpreter is {interpreter}")?;
                }
                if !libraries.is_empty() {
                    let and = if interpreter.is_some() { " and" } else { "" };
                    write!(f, "{and} it needs {}", some_of(libraries))?;
                }
                Ok(())
            }
            Self::GlibcTooNew { floor, needed, symbols } => {
                let ((major, minor), (needed_major, needed_minor)) = (floor, needed);
                write!(f, "it needs glibc {needed_major}.{needed_minor} and the floor is {major}.{minor}")?;
                if symbols.is_empty() { Ok(()) } else { write!(f, ": {}", some_of(symbols)) }
            }
            Self::GlibcVersion { version, symbols } => {
                write!(f, "it needs {version}, which no version of glibc promises")?;
                if symbols.is_empty() { Ok(()) } else { write!(f, ": {}", some_of(symbols)) }
            }
            Self::Library { name } => write!(f, "it needs the library {name}, which not every system has"),
            Self::Dll { name } => write!(f, "it imports {name}, which is not part of Windows"),
            Self::Interpreter { path } => {
                write!(f, "its interpreter is {path}, which is not where systems have theirs")
            }
            Self::SearchPath { path } => write!(f, "it would look for libraries in `{path}`"),
        }
    }
}

impl Violation {
    /// What to do about it, when there is something: the text after `help:`.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::GlibcTooNew { needed: (major, minor), .. } => Some(format!(
                "raise the floor with `glibc = \"{major}.{minor}\"` below [build] in xbuild.toml, or find the crate that \
                 calls these functions"
            )),
            Self::NotStatic { .. } | Self::Library { .. } => {
                Some("let the crate that links it build it from source and link it statically".to_owned())
            }
            Self::Dll { .. } => Some(
                "link it statically, or list it in [check] of the target when every Windows has it"
                    .to_owned(),
            ),
            Self::SearchPath { .. } => {
                Some("look for `-rpath` in the build scripts and in rustflags".to_owned())
            }
            Self::Format { .. }
            | Self::Machine { .. }
            | Self::GlibcVersion { .. }
            | Self::Interpreter { .. } => None,
        }
    }
}

/// The first few of many names.
pub(super) fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Everything that is not as expected, most fundamental first.
pub(super) fn compare(found: &Found, expectation: &Expectation) -> Vec<Violation> {
    let Found { proof, glibc, members } = found;
    let Expectation { format, machine, static_link, libraries, glibc: floor } = expectation;
    let mut violations = Vec::new();
    if proof.format != *format {
        violations.push(Violation::Format { found: proof.format, expected: *format });
    }
    if proof.machine != *machine {
        let strange = members.iter().filter(|(_, of)| of != machine).map(|(name, _)| name.clone());
        violations.push(Violation::Machine {
            found: proof.machine.clone(),
            expected: machine.clone(),
            members: strange.collect(),
        });
    }
    if proof.form == Form::Archive || proof.format != *format {
        return violations;
    }

    let unlisted = || proof.libraries.iter().filter(|name| !is_listed(libraries, name, *format));
    match format {
        Format::Elf if *static_link => {
            if proof.linking == Some(Linking::Dynamic) {
                violations.push(Violation::NotStatic {
                    interpreter: proof.interpreter.clone(),
                    libraries: proof.libraries.clone(),
                });
            }
        }
        Format::Elf => {
            violations.extend(unlisted().map(|name| Violation::Library { name: name.clone() }));
            violations.extend(
                proof
                    .interpreter
                    .iter()
                    .filter(|path| !is_usual_interpreter(path))
                    .map(|path| Violation::Interpreter { path: path.clone() }),
            );
        }
        Format::Pe => violations.extend(unlisted().map(|name| Violation::Dll { name: name.clone() })),
    }
    if let Some(floor) = *floor {
        violations.extend(over_the_floor(glibc, floor));
    }
    violations.extend(proof.search_paths.iter().map(|path| Violation::SearchPath { path: path.clone() }));
    violations
}

fn over_the_floor(glibc: &[(String, Vec<String>)], floor: (u32, u32)) -> Vec<Violation> {
    let (mut violations, mut needed, mut over) = (Vec::new(), floor, Vec::new());
    for (name, symbols) in glibc {
        match glibc_version(name) {
            None => {
                violations.push(Violation::GlibcVersion { version: name.clone(), symbols: symbols.clone() });
            }
            Some(version) if version > floor => {
                needed = needed.max(version);
                over.extend(symbols.iter().map(|symbol| format!("{symbol}@{name}")));
                if symbols.is_empty() {
                    over.push(name.clone());
                }
            }
            Some(_) => {}
        }
    }
    if needed > floor {
        over.sort();
        violations.insert(0, Violation::GlibcTooNew { floor, needed, symbols: over });
    }
    violations
}

/// Where all of Linux's C libraries have their loaders.
fn is_usual_interpreter(path: &str) -> bool {
    ["/lib/", "/lib64/"]
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|name| !name.contains('/')))
}

fn is_listed(patterns: &[String], name: &str, format: Format) -> bool {
    patterns.iter().any(|pattern| match format {
        Format::Elf => matches(pattern, name),
        // Windows looks files up without regard to case, and import libraries differ in it.
        Format::Pe => matches(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase()),
    })
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let listed = |name: &str| {
            is_listed(&["kernel32.dll".to_owned(), "api-ms-win-*.dll".to_owned()], name, Format::Pe)
        };
        assert!(listed("KERNEL32.dll") && listed("api-ms-win-core-synch-l1-2-0.dll"));
        assert!(!listed("api-ms-win-core") && !listed("zlib1.dll") && !listed("kernel32.dll.evil"));
        assert!(!is_listed(&["libc.so.6".to_owned()], "LIBC.so.6", Format::Elf));
    }

    #[test]
    fn only_what_is_over_the_floor_is_named() {
        let need = |version: &str, symbol: &str| (version.to_owned(), vec![symbol.to_owned()]);
        let glibc =
            [need("GLIBC_2.2.5", "puts"), need("GLIBC_2.34", "dlsym"), need("GLIBC_PRIVATE", "_dl_open")];
        assert_eq!(
            over_the_floor(&glibc, (2, 31)),
            [
                Violation::GlibcTooNew {
                    floor: (2, 31),
                    needed: (2, 34),
                    symbols: vec!["dlsym@GLIBC_2.34".to_owned()]
                },
                Violation::GlibcVersion {
                    version: "GLIBC_PRIVATE".to_owned(),
                    symbols: vec!["_dl_open".to_owned()]
                },
            ]
        );
        assert_eq!(over_the_floor(&glibc[..2], (2, 34)), []);
    }
}
