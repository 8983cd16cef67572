//! `[stamp]`: what programs are told of the commit that they are made from. Only the last unit of each is told, and
//! build scripts that ask: a new commit builds nothing else again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use semver::Version;
use xbuild_base::Sha256;
use xbuild_cargo::{Context, UnitIndex};
use xbuild_describe::{Asked, Stamp as Described, Variables};
use xbuild_plan::graph::{self, Part};
use xbuild_realise::native;

use crate::description;
use crate::error::XbuildError;
use crate::inputs::Commit;
use crate::native::recipes_of;
use crate::revision;

/// The variables of `built` begin with this and the package's name.
const BUILT: &str = "BUILT_OVERRIDE_";
/// How many digits of a commit people read.
const SHORT: usize = 9;

/// What is known of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    revision: String,
    /// The nearest tag, and how many commits lie between.
    tag: Option<(String, u64)>,
    is_dirty: bool,
    /// In seconds since 1970.
    commit_time: Option<u64>,
    /// The commit's object.
    object: Option<Vec<u8>>,
    /// What is said of it in the description.
    described: Described,
}

impl Stamp {
    /// What programs of a project are told, where its description has it so.
    pub(crate) fn of(project: &description::Described) -> Result<Option<Self>, XbuildError> {
        let Some(stamp) = &project.description.stamp else { return Ok(None) };
        Ok(Some(match &project.standing.commit {
            Some(commit) => Self::of_commit(commit, stamp),
            None => Self::find(&project.root, stamp)?,
        }))
    }

    /// Asks git for what the description does not say.
    fn find(root: &Path, described: &Described) -> Result<Self, XbuildError> {
        let head = revision::head(root);
        let revision = described.revision.clone().or_else(|| Some(head.as_ref()?.commit.clone()));
        let revision = revision.ok_or_else(|| {
            XbuildError::user(
                format!(
                    "[stamp] asks for the commit, and {} has none: it is in no git repository",
                    root.display()
                ),
                "commit it, or say which: --set stamp.revision=HASH",
            )
        })?;
        // Of another commit than git's, only what is said is known.
        let is_heads = head.as_ref().is_some_and(|head| head.commit == revision);
        Ok(Self {
            tag: is_heads.then(|| revision::tag(root, &revision)).flatten(),
            is_dirty: described.dirty.unwrap_or(is_heads && head.is_some_and(|head| head.is_dirty)),
            commit_time: described
                .commit_time
                .or_else(|| is_heads.then(|| revision::time(root, &revision)).flatten()),
            object: is_heads.then(|| revision::object(root, &revision)).flatten(),
            described: described.clone(),
            revision,
        })
    }

    /// What is told where nothing is delivered: to checks and tests, which so stay as they are from commit to commit.
    pub(crate) fn none() -> Self {
        let described =
            Described { describe: Some("unknown".to_owned()), version: None, ..Described::default() };
        Self {
            revision: "0".repeat(40),
            tag: None,
            is_dirty: false,
            commit_time: Some(0),
            object: None,
            described,
        }
    }

    /// What a commit says of itself whose files are laid out, with no repository around them.
    fn of_commit(commit: &Commit, described: &Described) -> Self {
        Self {
            revision: commit.hash.clone(),
            tag: None,
            is_dirty: false,
            commit_time: commit.time(),
            object: Some(commit.object.clone()),
            described: described.clone(),
        }
    }

    /// Tells whoever is to be told among a part's units.
    pub(crate) fn tell(&self, described: &description::Described, asked: &Asked, part: &mut Part) {
        let context = &part.context;
        let last = part.wanted.iter().copied().filter(|&unit| is_last(context, unit));
        let mut stamps: BTreeMap<UnitIndex, graph::Stamp> = BTreeMap::new();
        for unit in last {
            let environment = self.variables(&context.package(unit).version);
            stamps.insert(unit, graph::Stamp { environment, commit: None });
        }
        let recipes = native::recipes(context, part.needed(), &recipes_of(described, &asked.variant));
        let asks = recipes.into_iter().filter(|(_, native)| native.stamp == Some(true));
        for (run, _) in asks.filter(|&(run, _)| context.package(run).is_local()) {
            let crates = context.script_crates(run);
            stamps.insert(run, self.of_script(context, run, &crates));
        }
        part.stamps = stamps;
    }

    /// What is told of a commit, all of it: for the key of a request.
    pub(crate) fn key(&self) -> Sha256 {
        Sha256::of(format!("{self:?}").as_bytes())
    }

    fn describe(&self) -> String {
        if let Some(describe) = &self.described.describe {
            return describe.clone();
        }
        let short = self.short();
        let name = match &self.tag {
            Some((tag, 0)) => tag.clone(),
            Some((tag, distance)) => format!("{tag}-{distance}-g{short}"),
            None => short.to_owned(),
        };
        if self.is_dirty { format!("{name}-dirty") } else { name }
    }

    fn short(&self) -> &str {
        self.revision.get(..SHORT).unwrap_or(&self.revision)
    }

    /// The tag's version, or else the package's, and what came after it as semver's build metadata.
    fn version(&self, package: &Version) -> String {
        if let Some(version) = &self.described.version {
            return version.clone();
        }
        let tagged = self.tag.as_ref().and_then(|(tag, distance)| Some((version_in(tag)?, *distance)));
        let mut after = Vec::new();
        let version = match &tagged {
            Some((version, 0)) => version,
            Some((version, distance)) => {
                after.extend([distance.to_string(), format!("g{}", self.short())]);
                version
            }
            None => {
                after.push(format!("g{}", self.short()));
                package
            }
        };
        after.extend(self.is_dirty.then(|| "dirty".to_owned()));
        match (version.build.is_empty(), after.is_empty()) {
            (_, true) => version.to_string(),
            (true, false) => format!("{version}+{}", after.join(".")),
            (false, false) => format!("{version}.{}", after.join(".")),
        }
    }

    fn time(&self) -> Option<String> {
        let seconds = i64::try_from(self.commit_time?).ok()?;
        Some(jiff::Timestamp::from_second(seconds).ok()?.to_string())
    }

    /// What each program can read with `option_env!`.
    fn variables(&self, package: &Version) -> Variables {
        let mut variables = Variables::from([
            ("XBUILD_REVISION".to_owned(), self.revision.clone()),
            ("XBUILD_DESCRIBE".to_owned(), self.describe()),
            ("XBUILD_DIRTY".to_owned(), self.is_dirty.to_string()),
            ("XBUILD_VERSION".to_owned(), self.version(package)),
        ]);
        variables.extend(self.time().map(|time| ("XBUILD_COMMIT_TIME".to_owned(), time)));
        variables
    }

    /// What a build script is told: the same, in the words of those who ask.
    fn of_script(&self, context: &Context, run: UnitIndex, crates: &BTreeSet<&str>) -> graph::Stamp {
        let package = context.package(run);
        let mut environment = self.variables(&package.version);
        let mut say = |name: String, value: String| drop(environment.insert(name, value));
        let vergen = |name: &str| format!("VERGEN_GIT_{name}");
        if let Some(seconds) = self.commit_time {
            say("SOURCE_DATE_EPOCH".to_owned(), seconds.to_string());
            say(vergen("COMMIT_TIMESTAMP_UNIX"), seconds.to_string());
        }
        say(vergen("SHA"), self.revision.clone());
        say(vergen("DESCRIBE"), self.describe());
        say(vergen("DIRTY"), self.is_dirty.to_string());
        if let Some(time) = self.time() {
            say(vergen("COMMIT_DATE"), time.chars().take_while(|c| *c != 'T').collect());
            say(vergen("COMMIT_TIMESTAMP"), time);
        }
        // `built` is told by names that have the package's own name in them.
        if crates.contains("built") {
            let built = |name: &str| format!("{BUILT}{}_{name}", package.name.replace('-', "_"));
            say(built("GIT_COMMIT_HASH"), self.revision.clone());
            say(built("GIT_COMMIT_HASH_SHORT"), self.short().to_owned());
            say(built("GIT_VERSION"), self.describe());
            say(built("GIT_DIRTY"), self.is_dirty.to_string());
        }
        let object = self.object.clone().map(|object| (self.revision.clone(), object));
        graph::Stamp { environment, commit: object }
    }
}

/// Whether a unit is the last one of something that people take away.
fn is_last(context: &Context, unit: UnitIndex) -> bool {
    let unit = context.unit(unit);
    unit.target.is_executable() || unit.requires_upstream_objects()
}

/// The version that a tag names, after whatever stands before it: `v1.2.3`, `foo-v1.2.3`, `release/1.2.3`.
fn version_in(tag: &str) -> Option<Version> {
    let starts = tag.char_indices().filter(|&(at, c)| {
        let before = tag.get(..at).and_then(|before| before.chars().next_back());
        c.is_ascii_digit() && before.is_none_or(|c| !c.is_ascii_digit() && c != '.')
    });
    starts.filter_map(|(at, _)| tag.get(at..)?.parse().ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(tag: Option<(&str, u64)>, is_dirty: bool) -> Stamp {
        Stamp {
            revision: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            tag: tag.map(|(tag, distance)| (tag.to_owned(), distance)),
            is_dirty,
            commit_time: Some(1_706_925_906),
            object: None,
            described: Described::default(),
        }
    }

    #[test]
    fn a_commit_is_called_by_its_tag_and_what_came_after() {
        let package = Version::new(0, 3, 0);
        let said = |tag, is_dirty| {
            let stamp = stamp(tag, is_dirty);
            (stamp.describe(), stamp.version(&package))
        };
        let pair = |describe: &str, version: &str| (describe.to_owned(), version.to_owned());
        assert_eq!(said(Some(("v1.2.3", 0)), false), pair("v1.2.3", "1.2.3"));
        assert_eq!(said(Some(("v1.2.3", 0)), true), pair("v1.2.3-dirty", "1.2.3+dirty"));
        assert_eq!(
            said(Some(("foo-1.0.0-rc.1", 4)), false),
            pair("foo-1.0.0-rc.1-4-g012345678", "1.0.0-rc.1+4.g012345678")
        );
        assert_eq!(said(Some(("nightly", 2)), false), pair("nightly-2-g012345678", "0.3.0+g012345678"));
        assert_eq!(said(None, true), pair("012345678-dirty", "0.3.0+g012345678.dirty"));
        let variables = stamp(None, false).variables(&package);
        assert_eq!(variables["XBUILD_COMMIT_TIME"], "2024-02-03T02:05:06Z");
        assert_eq!(variables["XBUILD_DIRTY"], "false");
    }

    #[test]
    fn a_version_is_found_in_a_tag() {
        let found = |tag| version_in(tag).map(|version| version.to_string());
        assert_eq!(found("v1.2.3").as_deref(), Some("1.2.3"));
        assert_eq!(found("foo2-v1.2.3-beta.1+7").as_deref(), Some("1.2.3-beta.1+7"));
        assert_eq!(found("release/10.0.0").as_deref(), Some("10.0.0"));
        assert_eq!(found("v1.2"), None);
        assert_eq!(found("weekly"), None);
    }
}
