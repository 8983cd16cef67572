//! `xbuild image`: minimal images of a project's programs, and an index over their platforms.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use xbuild_base::{RelPath, Triple};
use xbuild_describe::{Request, name_matches};
use xbuild_output::{Overrides, Status, install_folder, size};

use crate::cli::{Build, Global, Image, ImageVerb, WantedImages};
use crate::description::Described;
use crate::error::XbuildError;
use crate::history::Echo;
use crate::image::base::Bases;
use crate::image::place::Place;
use crate::image::select::Pair;
use crate::image::{Ground, Made, Record};
use crate::image::{base, inspect, make, push, recall, remember, select};
use crate::session::Session;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::work::{Wanted, Work};

pub(crate) fn run(global: &Global, image: &Image, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let variants = match &image.verb {
        Some(ImageVerb::Inspect(wanted)) => wanted.variants.clone(),
        None => image.wanted.variants.clone(),
    };
    described.toolchains_for(&Request { variants, ..Request::default() })?;
    if let Some(ImageVerb::Inspect(wanted)) = &image.verb {
        let overrides = overrides(&described, wanted);
        let session = Session::open(ui)?;
        let pairs = select::pairs(&described, wanted, &|text| ui.note(text))?;
        let made = images(global, &described, (wanted, &pairs), false, &session, ui)?;
        inspect::inspect(&session.store, &made, &overrides, ui)?;
        return Ok(ExitCode::SUCCESS);
    }
    let overrides = overrides(&described, &image.wanted);
    let tag = overrides.tag();
    let place = |text: &String| Place::parse(text, tag.as_deref());
    let places: Vec<Place> = image.outputs.iter().map(place).collect::<Result<_, _>>()?;
    push::check_early(global, &described, image)?;
    let session = Session::open(ui)?;
    // Where something is pushed, the flag is about where to.
    let plain_http = image.plain_http && !image.push;
    let pairs = select::pairs(&described, &image.wanted, &|text| ui.note(text))?;
    let made = images(global, &described, (&image.wanted, &pairs), plain_http, &session, ui)?;
    places.iter().try_for_each(|place| place.write(&session.store, &made, tag.as_deref(), ui))?;
    deliver(&session, &described, (!image.no_link, !image.push), (&made, &overrides), ui)?;
    if image.push {
        push::push(&session, image, (&made, &overrides), ui)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the images of a build that has all its targets, for `xbuild all`: those that there are.
pub(crate) fn run_after(
    global: &Global,
    described: &Described,
    build: &Build,
    session: &Session,
    ui: &Ui,
) -> Result<(), XbuildError> {
    let own = described.description.variants.values().flat_map(|one| &one.targets);
    let has_images =
        |triple: &&Triple| described.targets.get(triple).is_some_and(|spec| spec.image.is_some());
    let is_asked = |triple: &&Triple| {
        build.targets.is_empty() || build.targets.iter().any(|word| name_matches(word, triple.as_str()))
    };
    let targets: BTreeSet<String> =
        own.filter(has_images).filter(is_asked).map(ToString::to_string).collect();
    if targets.is_empty() {
        return Ok(());
    }
    let wanted = WantedImages {
        names: Vec::new(),
        // Without any, those of each variant are taken.
        targets: if build.targets.is_empty() { Vec::new() } else { targets.into_iter().collect() },
        platforms: Vec::new(),
        variants: build.variants.clone(),
        profile: build.profile.clone(),
        execution: build.execution,
        keep_going: build.keep_going,
    };
    // Whoever asks for everything has the other targets' outputs.
    let pairs = select::pairs(described, &wanted, &|_| ())?;
    let made = images(global, described, (&wanted, &pairs), false, session, ui)?;
    let overrides = overrides(described, &wanted);
    deliver(session, described, (!build.no_link, true), (&made, &overrides), ui)
}

/// What images are made with otherwise than the description says.
fn overrides(described: &Described, wanted: &WantedImages) -> Overrides {
    let profile = wanted.profile.name().map(str::to_owned);
    Overrides::new(Request { profile, ..Request::default() }.overrides(&described.description))
}

/// The images that are asked for, made where they must be.
fn images(
    global: &Global,
    described: &Described,
    (wanted, pairs): (&WantedImages, &[Pair]),
    plain_http: bool,
    session: &Session,
    ui: &Ui,
) -> Result<Vec<Made>, XbuildError> {
    let build = select::request(described, wanted, pairs)?;
    let kinds = match select::wants_outputs(described, &wanted.names) {
        true => Wanted::Everything,
        false => Wanted::Programs,
    };
    let pins = base::pins(global, described, &wanted.names, plain_http, ui)?;
    let ground = Ground::new(described, &session.store, pins);
    let work = Work::new(global, &build, kinds, described, session, ui)?;
    let key = |work| crate::image::key(work, &wanted.names, &ground);
    let record = match work.key()?.and_then(|work| recall(&session.store, key(work))) {
        Some(record) => {
            record.echo.repeat(ui, &session.store, &described.root);
            record
        }
        None => {
            let recorder = &mut Recorder::default();
            let mut planned = work.plan(&select::extra(described, &wanted.names)?, recorder)?;
            let mut realised = work.realise(&mut planned, recorder)?;
            let echo = std::mem::take(&mut realised.echo);
            let bases = Bases { global, session, pins: &ground.pins, plain_http, ui };
            let made = make(described, &wanted.names, &work, (&planned, &realised), &bases, &ground)?;
            // With the steps that it took.
            let run = work.history().add(work.store(), Vec::new())?;
            let record = Record { made, echo: Echo { run, ..echo } };
            if let Some(work) = work.key_after()? {
                remember(&session.store, key(work), &record);
            }
            record
        }
    };
    for note in record.made.iter().flat_map(|made| &made.notes) {
        ui.note(note);
    }
    Ok(record.made)
}

/// Links the layouts into the project, and tells of the images: on standard output, where nothing else is to stand
/// there. Those of a call with overrides have a folder of their own: no one else's link leads to them.
fn deliver(
    session: &Session,
    described: &Described,
    (link, on_output): (bool, bool),
    (made, overrides): (&[Made], &Overrides),
    ui: &Ui,
) -> Result<(), XbuildError> {
    for made in made {
        let path = RelPath::new(format!("{}/image/{}", overrides.in_files(&made.variant), made.name))
            .map_err(xbuild_image::ImageError::from)?;
        let install = || install_folder(&session.store, described.results(), &path, made.layout.tree);
        let link = link.then(install).transpose()?;
        let say = |text: &str| if on_output || ui.json { ui.output_line(text) } else { ui.error_line(text) };
        if ui.json {
            say(&line(made, overrides, link.as_deref()).to_string());
        } else if !ui.quiet {
            let name = overrides.told(&made.name);
            for one in &made.images {
                let (whole, sent) = (size(one.size()), size(one.compressed_size()));
                let digest = one.manifest.sha256();
                say(&format!("{name}  {}  {whole}, {sent} compressed  {digest}", one.platform));
            }
            if made.images.len() > 1 {
                let digest = made.layout.top.sha256();
                say(&format!("{name}  index over {} platforms  {digest}", made.images.len()));
            }
        }
    }
    Ok(())
}

fn line(made: &Made, overrides: &Overrides, path: Option<&std::path::Path>) -> serde_json::Value {
    let seconds = |place: usize| made.times.get(place).map_or(0.0, Duration::as_secs_f64);
    let images: Vec<serde_json::Value> = made
        .images
        .iter()
        .enumerate()
        .map(|(place, one)| {
            json!({
                "platform": one.platform.to_string(),
                "digest": one.manifest.sha256(),
                "size": one.size(),
                "compressed-size": one.compressed_size(),
                "seconds": seconds(place),
            })
        })
        .collect();
    json!({
        "reason": "xbuild-image",
        "variant": made.variant,
        "name": made.name,
        "digest": made.layout.top.sha256(),
        "images": images,
        "overrides": overrides,
        "status": if made.times.is_empty() { Status::Cached } else { Status::Built },
        "path": path,
    })
}
