//! Which images are wanted: a request and a description → variants and targets, and what must be built for them.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::Triple;
use xbuild_describe::{Base, FileSource, ImageFile, ImageGround, VariantName, name_matches, suggest};
use xbuild_fetch::{FixedOutput, Place, Unpack};
use xbuild_image::Platform;

use crate::cli::{Build, WantedImages};
use crate::description::Described;
use crate::error::XbuildError;
use crate::work::Extra;

/// The component that the base `static` is made of.
pub(crate) const STATIC: &str = "image-static";

/// A variant's image for a target.
pub(crate) type Pair = (VariantName, Triple);

/// Whether an image's name is among those that are asked for: none is all.
pub(crate) fn is_wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

/// What is asked for, of each variant: the targets and platforms that are named, else all of its targets that have
/// images. `tell` is told of those that have none.
pub(crate) fn pairs(
    described: &Described,
    image: &WantedImages,
    tell: &dyn Fn(&str),
) -> Result<Vec<Pair>, XbuildError> {
    let named: Vec<Triple> =
        image.targets.iter().map(|text| target(described, text)).collect::<Result<_, _>>()?;
    let variants: Vec<(&VariantName, &[Triple])> = described
        .description
        .variants
        .iter()
        .filter(|(name, _)| {
            image.variants.is_empty() || image.variants.iter().any(|glob| name_matches(glob, name.as_str()))
        })
        .map(|(name, build)| (name, build.targets.as_slice()))
        .collect();
    let mut pairs = BTreeSet::new();
    let mut left_out: BTreeSet<&Triple> = BTreeSet::new();
    for (variant, own) in &variants {
        let mut targets: BTreeSet<Triple> = named.iter().cloned().collect();
        for text in &image.platforms {
            targets.extend(on_platform(described, own, text)?);
        }
        if image.targets.is_empty() && image.platforms.is_empty() {
            let (with, without): (Vec<&Triple>, Vec<&Triple>) =
                own.iter().partition(|triple| ground(described, triple).is_some());
            left_out.extend(without);
            targets.extend(with.into_iter().cloned());
        }
        check_platforms(described, &targets)?;
        pairs.extend(targets.into_iter().map(|target| ((*variant).clone(), target)));
    }
    for triple in left_out {
        tell(&format!("{triple} is left out: there is no empty base for its images"));
    }
    if pairs.is_empty() {
        return Err(match image.platforms.first() {
            Some(text) => nothing_for(described, text),
            None if variants.is_empty() => {
                let names: Vec<&str> =
                    described.description.variants.keys().map(|name| name.as_str()).collect();
                XbuildError::user(
                    format!("there is no variant `{}`", image.variants.join("`, `")),
                    suggest(&image.variants[0], "variants", &names),
                )
            }
            None => XbuildError::user(
                "no target of this project has images",
                "name one: --target x86_64-unknown-linux-musl",
            ),
        });
    }
    Ok(pairs.into_iter().collect())
}

/// A target that is named; one that is unknown is told by the evaluation, with those that are known.
fn target(described: &Described, text: &str) -> Result<Triple, XbuildError> {
    let triple: Triple = text.parse().map_err(|error: xbuild_base::TripleError| {
        let known: Vec<&str> = described.targets.iter().map(|spec| spec.triple.as_str()).collect();
        XbuildError::user(error.to_string(), suggest(text, "targets", &known))
    })?;
    if described.targets.get(&triple).is_some_and(|spec| spec.image.is_none()) {
        return Err(XbuildError::user(
            format!("there are no images for {triple}: its system has no empty base"),
            "leave it out: images based on another one are made for Linux alone",
        ));
    }
    Ok(triple)
}

fn ground<'d>(described: &'d Described, triple: &Triple) -> Option<&'d ImageGround> {
    described.targets.get(triple).and_then(|spec| spec.image.as_ref())
}

fn is_for(described: &Described, triple: &Triple, text: &str) -> bool {
    ground(described, triple).is_some_and(|ground| platform(ground).to_string() == text)
}

/// The target of a variant that is for a platform, if it has one.
fn on_platform(described: &Described, own: &[Triple], text: &str) -> Result<Option<Triple>, XbuildError> {
    let found: BTreeSet<&Triple> = own.iter().filter(|triple| is_for(described, triple, text)).collect();
    match found.into_iter().collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [one] => Ok(Some((*one).clone())),
        several => {
            let several: Vec<String> = several.iter().map(|triple| format!("--target {triple}")).collect();
            Err(XbuildError::user(
                format!("several targets of this project are for {text}"),
                format!("name one: {}", several.join(", or ")),
            ))
        }
    }
}

fn nothing_for(described: &Described, text: &str) -> XbuildError {
    let could: Vec<String> = described
        .targets
        .iter()
        .map(|spec| &spec.triple)
        .filter(|triple| is_for(described, triple, text))
        .map(|triple| format!("--target {triple}"))
        .collect();
    let help = if could.is_empty() {
        let grounds = described.targets.iter().filter_map(|spec| spec.image.as_ref());
        let platforms: BTreeSet<String> = grounds.map(|ground| platform(ground).to_string()).collect();
        let platforms: Vec<&str> = platforms.iter().map(String::as_str).collect();
        suggest(text, "platforms", &platforms)
    } else {
        could.join(", or ")
    };
    XbuildError::user(format!("no target of this project is for {text}"), help)
}

/// An index has one image a platform.
fn check_platforms(described: &Described, targets: &BTreeSet<Triple>) -> Result<(), XbuildError> {
    let mut platforms: BTreeMap<String, &Triple> = BTreeMap::new();
    for triple in targets {
        let Some(ground) = ground(described, triple) else { continue };
        if let Some(other) = platforms.insert(platform(ground).to_string(), triple) {
            return Err(XbuildError::user(
                format!("{other} and {triple} are both for {}", platform(ground)),
                format!("an index has one image a platform: --target {triple}"),
            ));
        }
    }
    Ok(())
}

pub(crate) fn platform(ground: &ImageGround) -> Platform {
    let xbuild_describe::Platform { os, architecture, variant } = ground.platform.clone();
    Platform { os, architecture, variant }
}

/// What the wanted images need beside what is built.
pub(crate) fn extra(described: &Described, names: &[String]) -> Result<Extra, XbuildError> {
    let images = &described.description.images;
    let is_static = images.bases(|name| is_wanted(names, name)).contains(&Base::Static);
    let components = if is_static { STATIC.parse().into_iter().collect() } else { Vec::new() };
    let mut files: BTreeMap<String, FixedOutput> = BTreeMap::new();
    for file in images
        .every(|name| is_wanted(names, name))
        .into_iter()
        .flat_map(|settings| settings.files.into_values())
    {
        if let FileSource::Url { url, sha256 } = file.from {
            let place = Place::from_url(&url)?;
            let name = url.rsplit('/').next().unwrap_or(&url).to_owned();
            let hash = xbuild_base::Sha256::from_hex(&sha256)
                .map_err(|error| XbuildError::user(error.to_string(), "sha256sum FILE"))?;
            let kind = Unpack::Blob { file_name: "file".to_owned(), executable: false };
            files.insert(sha256, FixedOutput { name, sha256: hash, size: None, places: vec![place], kind });
        }
    }
    Ok(Extra { components, files: files.into_values().collect(), development: false })
}

/// Whether some image takes outputs other than programs.
pub(crate) fn wants_outputs(described: &Described, names: &[String]) -> bool {
    let settings = described.description.images.every(|name| is_wanted(names, name));
    let steps = &described.description.steps;
    let takes_outputs = |file: &ImageFile| match &file.from {
        FileSource::Output(_) => true,
        FileSource::Step(part) => steps.output_of(&part.name).is_some(),
        _ => false,
    };
    settings.iter().flat_map(|one| one.files.values()).any(takes_outputs)
}

/// What must be built for the images that are asked for.
pub(crate) fn request(
    described: &Described,
    image: &WantedImages,
    pairs: &[Pair],
) -> Result<Build, XbuildError> {
    let images = &described.description.images;
    let is_unknown = |name: &&String| !images.named.is_empty() && !images.named.contains_key(*name);
    if let Some(name) = image.names.iter().find(is_unknown) {
        let known: Vec<&str> = images.named.keys().map(String::as_str).collect();
        return Err(XbuildError::user(
            format!("there is no image `{name}`"),
            suggest(name, "images", &known),
        ));
    }
    let bins: Option<BTreeSet<String>> = if wants_outputs(described, &image.names) {
        // Any of them may be among the files of an image.
        None
    } else if images.named.is_empty() && !image.names.is_empty() {
        // Each program is an image of its own.
        Some(image.names.iter().cloned().collect())
    } else {
        // An image that names no programs has all.
        let named =
            images.every(|name| is_wanted(&image.names, name)).into_iter().map(|settings| settings.bins);
        named.collect::<Option<Vec<_>>>().map(|sets| sets.into_iter().flatten().collect())
    };
    Ok(Build {
        outputs: pairs.iter().map(|(variant, target)| format!("{variant}/{target}/*")).collect(),
        bins: bins.into_iter().flatten().collect(),
        variants: image.variants.clone(),
        profile: image.profile.clone(),
        execution: image.execution,
        keep_going: image.keep_going,
        no_link: true,
        ..Build::default()
    })
}
