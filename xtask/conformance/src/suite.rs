//! All cases of all fixtures, one after the other.

use std::collections::BTreeSet;
use std::path::Path;

use xbuild_cargo::{Flavour, Platform};
use xbuild_describe::{Asked, Description, Override, Request};
use xbuild_realise::Metadata;
use xbuild_realise::platform::{self, Layers};
use xbuild_realise::project::Project;
use xtask_ground::{Ground, Kit, Ready, TARGETS};

use crate::compare::{Compared, compare};
use crate::error::Error;
use crate::exceptions::Exceptions;
use crate::fixture::{Case, Fixture};
use crate::normal::Folders;
use crate::ours;
use crate::place::Placed;
use crate::theirs::Oracle;

/// What became of a case for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) fixture: String,
    pub(crate) case: String,
    /// None where a case ends before there are targets.
    pub(crate) target: Option<String>,
    pub(crate) verdict: Verdict,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Compared.
    Compared(Compared),
    /// xbuild refuses it, as it should.
    Refused,
    /// Neither can build it, as it should be.
    FailsBoth,
    /// Not as it should be.
    Wrong(String),
}

impl Row {
    /// A fixture that could not even be laid out.
    pub(crate) fn broken(fixture: &Fixture, error: &Error) -> Self {
        let verdict = Verdict::Wrong(error.to_string());
        Self { fixture: fixture.name.clone(), case: String::new(), target: None, verdict }
    }

    /// Whether it is as it should be.
    pub(crate) fn passes(&self) -> bool {
        match &self.verdict {
            Verdict::Compared(compared) => compared.differences.is_empty() && compared.units > 0,
            Verdict::Refused | Verdict::FailsBoth => true,
            Verdict::Wrong(_) => false,
        }
    }

    /// Fixture, case and target.
    pub(crate) fn name(&self) -> String {
        let target = self.target.as_deref().unwrap_or("all targets");
        let case = if self.case.is_empty() { String::new() } else { format!(" ({})", self.case) };
        format!("{}{case} for {target}", self.fixture)
    }
}

/// What a run has to work with.
pub(crate) struct Suite<'s> {
    pub(crate) ground: &'s Ground,
    pub(crate) kit: &'s Kit<'s>,
    pub(crate) exceptions: &'s Exceptions,
    /// `--set` flags for every case.
    pub(crate) set: &'s [String],
    /// Where fixtures' git repositories are made: always the same, for their addresses are in keys.
    pub(crate) git: &'s Path,
}

impl Suite<'_> {
    /// The release of the toolchain's cargo.
    pub(crate) fn cargo_version(&self) -> Result<String, Error> {
        let set: Result<Vec<Override>, _> = self.set.iter().map(|text| Override::parse(text)).collect();
        let host = self.ground.host_layers(self.kit, &set?)?;
        Oracle::new(self.kit, &host)?.version(&host)
    }

    /// Runs a fixture's cases, each for its targets; where `only` holds some, for no others.
    pub(crate) fn run(&self, fixture: &Fixture, only: &[String]) -> Result<Vec<Row>, Error> {
        let git = self.git.join(&fixture.name);
        if git.exists() {
            fs_err::remove_dir_all(&git)?;
        }
        let placed = Placed::new(fixture, &git)?;
        let mut rows = Vec::new();
        for case in &fixture.cases {
            let row =
                |target, verdict| Row { fixture: fixture.name.clone(), case: case.name(), target, verdict };
            let mut targets = case.targets.clone();
            if targets.is_empty() {
                targets.extend(TARGETS.map(str::to_owned));
            }
            targets.retain(|target| only.is_empty() || only.contains(target));
            if targets.is_empty() {
                continue;
            }
            match self.case(case, &placed, &targets) {
                Ok(verdicts) => {
                    rows.extend(verdicts.into_iter().map(|(target, verdict)| row(Some(target), verdict)));
                }
                Err(error) => rows.push(row(None, ended(case, &error))),
            }
        }
        Ok(rows)
    }

    fn case(
        &self,
        case: &Case,
        placed: &Placed,
        targets: &[String],
    ) -> Result<Vec<(String, Verdict)>, Error> {
        let workspace = placed.workspace();
        let set: Result<Vec<Override>, _> =
            self.set.iter().chain(&case.set).map(|text| Override::parse(text)).collect();
        let description = self.ground.description(&workspace, &set?)?;
        let request = Request { targets: targets.to_vec(), ..Request::default() };
        if let Some(text) = &case.config {
            placed.configure(text)?;
        }
        let ready = self.ground.ready(self.kit, &workspace, &description, &request)?;
        let notices = ready.project.configuration.notices();
        let keys: BTreeSet<&str> = notices.iter().map(|notice| notice.key.as_str()).collect();
        if keys != case.notices.iter().map(String::as_str).collect() {
            let problem = format!("xbuild says something of {keys:?}, not of {:?}", case.notices);
            return Ok(vec![(targets.join(", "), Verdict::Wrong(problem))]);
        }
        // Cargo has all sources, and xbuild those alone that a graph reaches.
        let ours = ready.asked.iter().map(|(asked, layers)| {
            self.ground.with_stand_ins(self.kit, &workspace, (asked, layers), !case.options.is_empty())
        });
        let ours: Vec<(Project, Metadata)> = ours.collect::<Result<_, _>>()?;
        let other = match &case.config_for_cargo {
            None => None,
            Some(text) => {
                placed.configure(text)?;
                Some(self.ground.ready(self.kit, &workspace, &description, &request)?)
            }
        };
        let theirs = other.as_ref().unwrap_or(&ready);
        let mut verdicts = Vec::new();
        for ((asked, layers), ours) in ready.asked.iter().zip(&ours) {
            let compared = self.compare(case, &description, (ours, theirs), asked, layers);
            let verdict = match (compared, &case.fails) {
                (Ok(_), Some(_)) => Verdict::Wrong("xbuild can build it".to_owned()),
                (Ok(compared), None) => Verdict::Compared(compared),
                (Err(error), _) => ended(case, &error),
            };
            verdicts.push((asked.target.to_string(), verdict));
        }
        Ok(verdicts)
    }

    fn compare(
        &self,
        case: &Case,
        description: &Description,
        (ours, theirs): (&(Project, Metadata), &Ready),
        asked: &Asked,
        layers: &Layers,
    ) -> Result<Compared, Error> {
        let Self { ground, kit, exceptions, .. } = self;
        let spec = ground.target(asked.target.as_str())?;
        let oracle = Oracle::new(kit, &layers.host)?;
        let configuration = ours.0.configuration.clone();
        let toolchain = platform::toolchain(kit.engine, layers, spec, Flavour::Project, configuration)?;
        let recorded = oracle.record(theirs, asked, layers, &toolchain, &case.options);
        let recorded = match (recorded, &case.fails, &case.cargo_says) {
            (Ok(_), Some(_), _) => return Err(Error::Recording("cargo can build it".to_owned())),
            (Err(error), Some(_), Some(said)) if error.to_string().contains(said) => Vec::new(),
            (recorded, ..) => recorded?,
        };
        let context = ours::plan(kit, ours, asked, (spec, layers), &case.options)?;
        let built = ours::build(kit, &ours.0, context, layers, description.includes())?;
        let linker =
            |platform: Option<&Platform>| platform.and_then(|it| it.linker.clone()).unwrap_or_default();
        let linkers = (linker(toolchain.targets.get(&asked.target)), linker(Some(&toolchain.host)));
        let folders = Folders::new(asked.target.as_str(), &asked.plan.profile, linkers);
        Ok(compare(&built, &recorded, &folders, exceptions))
    }
}

/// What an end without a comparison means for a case.
fn ended(case: &Case, error: &Error) -> Verdict {
    let said = error.to_string();
    match (&case.refused, &case.fails) {
        (Some(text), _) if said.contains(text) => Verdict::Refused,
        (_, Some(text)) if said.contains(text) => Verdict::FailsBoth,
        _ => Verdict::Wrong(said),
    }
}
