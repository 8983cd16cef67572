//! The pinned list of programs: `apps.toml`, whose head describes it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xbuild_base::{RelPath, Sha256};
use xtask_ground::TARGETS;

const LIST: &str = include_str!("../apps.toml");

/// A package of crates.io with a program in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its `.crate` file, in hexadecimal digits.
    pub sha256: String,
    /// Its program, without `.exe`.
    pub program: String,
    job: Job,
    /// Other jobs where a target can't do the usual one.
    #[serde(default)]
    instead: BTreeMap<String, Job>,
    /// Its own tests, where they are run too. What is built doesn't depend on them.
    #[serde(skip_serializing)]
    pub tests: Option<OwnTests>,
}

/// A program's own tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnTests {
    /// Those that can't pass.
    #[serde(default)]
    without: Vec<Without>,
}

/// Tests that can't pass on some targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Without {
    /// On which targets; none means on any.
    #[serde(default)]
    targets: Vec<String>,
    /// Their names, in full.
    names: Vec<String>,
    /// Why.
    because: String,
}

impl OwnTests {
    /// The tests that are left out on a target, and why.
    pub fn left_out(&self, target: &str) -> impl Iterator<Item = (Vec<&str>, &str)> {
        let is_meant =
            move |one: &&Without| one.targets.is_empty() || one.targets.iter().any(|it| it == target);
        self.without
            .iter()
            .filter(is_meant)
            .map(|one| (one.names.iter().map(String::as_str).collect(), one.because.as_str()))
    }
}

/// Something real that a program does, with an outcome that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What it does, in words that follow the program's name.
    pub does: String,
    /// Why it is another one than on other targets.
    pub because: Option<String>,
    /// Files in the folder that it starts in: path → text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What the shell does.
    pub script: String,
    /// What the shell prints on standard output, exactly but for the ends of lines.
    pub prints: String,
    /// What is seen on a terminal, for programs that want one.
    pub screen: Option<Screen>,
}

/// What a program shows on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Screen {
    /// Words, each written in one go.
    pub shows: Vec<String>,
    /// Keys that are pressed when all of them have been seen.
    pub keys: String,
}

/// What is wrong with the list.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// It doesn't have its form.
    #[error("apps.toml: {0}")]
    Form(#[from] toml::de::Error),
    /// An entry makes no sense.
    #[error("apps.toml: {app}: {problem}")]
    Entry {
        /// Whose.
        app: String,
        /// What is wrong.
        problem: String,
    },
}

/// The programs, and when they were looked up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct List {
    /// When these were the newest versions that the pinned Rust compiles, as year, month and day.
    pub looked_up: String,
    /// The programs.
    #[serde(rename = "app")]
    pub apps: Vec<App>,
}

/// The list.
///
/// # Errors
/// When it is wrong.
pub fn list() -> Result<List, AppError> {
    read(LIST)
}

fn read(text: &str) -> Result<List, AppError> {
    let list: List = toml::from_str(text)?;
    let mut names = BTreeSet::new();
    for app in &list.apps {
        let wrong = |problem: String| AppError::Entry { app: app.name.clone(), problem };
        if !names.insert(&app.name) {
            return Err(wrong("it is there twice".to_owned()));
        }
        app.sha256.parse::<Sha256>().map_err(|error| wrong(error.to_string()))?;
        for (target, job) in &app.instead {
            if !TARGETS.contains(&target.as_str()) {
                return Err(wrong(format!("`{target}` is no target")));
            }
            if job.because.is_none() {
                return Err(wrong(format!("it doesn't say why it does something else for {target}")));
            }
        }
        let own = app.tests.iter().flat_map(|tests| &tests.without);
        if let Some(target) =
            own.flat_map(|one| &one.targets).find(|target| !TARGETS.contains(&target.as_str()))
        {
            return Err(wrong(format!("`{target}` is no target")));
        }
        for path in app.jobs().flat_map(|job| job.files.keys()) {
            RelPath::new(path).map_err(|error| wrong(error.to_string()))?;
        }
    }
    Ok(list)
}

impl App {
    /// Its job on a target.
    #[must_use]
    pub fn job(&self, target: &str) -> &Job {
        self.instead.get(target).unwrap_or(&self.job)
    }

    /// Its usual job, then those that some targets have instead.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        std::iter::once(&self.job).chain(self.instead.values())
    }

    /// The targets that have another job.
    pub fn instead(&self) -> impl Iterator<Item = (&str, &Job)> {
        self.instead.iter().map(|(target, job)| (target.as_str(), job))
    }

    /// The name of its program's file for a target.
    #[must_use]
    pub fn file(&self, target: &str) -> String {
        let suffix = if target.contains("windows") { ".exe" } else { "" };
        format!("{}{suffix}", self.program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "[[app]]\nname = \"a\"\nversion = \"1.0.0\"\nprogram = \"b\"\n\
        sha256 = \"70613c41881ca1e5b69e6bb110f2ac499739c03a151b00e41e16090974b826a8\"\n\
        [app.job]\ndoes = \"prints\"\nscript = \"app\"\nprints = \"x\"\n";

    fn of(text: &str) -> Result<List, AppError> {
        read(&format!("looked-up = \"2026-01-01\"\n{text}"))
    }

    #[test]
    fn the_list_is_right() {
        assert_eq!(list().unwrap().apps.len(), 16);
    }

    #[test]
    fn a_target_s_own_job_takes_the_place_of_the_usual_one() {
        let other = "[app.instead.x86_64-pc-windows-gnu]\nbecause = \"of Wine\"\ndoes = \"says\"\nscript = \"app\"\n\
            prints = \"y\"\n";
        let apps = of(&format!("{APP}{other}")).unwrap().apps;
        assert_eq!(apps[0].job("x86_64-unknown-linux-musl").prints, "x");
        assert_eq!(apps[0].job("x86_64-pc-windows-gnu").prints, "y");
        assert_eq!(apps[0].file("x86_64-pc-windows-gnu"), "b.exe");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let problem = |text: &str| of(text).unwrap_err().to_string();
        assert!(problem(&format!("{APP}{APP}")).contains("twice"));
        assert!(problem(&APP.replace("706", "xyz")).contains("apps.toml: a:"));
        let instead = "[app.instead.nowhere]\ndoes = \"\"\nscript = \"\"\nprints = \"\"\n";
        assert!(problem(&format!("{APP}{instead}")).contains("`nowhere` is no target"));
        let silent = instead.replace("nowhere", "x86_64-pc-windows-gnu");
        assert!(problem(&format!("{APP}{silent}")).contains("doesn't say why"));
        let outside = "files = { \"../x\" = \"\" }\n";
        assert!(problem(&format!("{APP}{outside}")).contains("../x"));
    }
}
