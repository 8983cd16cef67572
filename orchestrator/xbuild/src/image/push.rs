//! Images → repositories.

use xbuild_describe::name_matches;
use xbuild_output::Overrides;
use xbuild_registry::{Push, Pushed, check};

use super::Made;
use super::select::is_wanted;
use crate::cli::{Global, Image};
use crate::description::Described;
use crate::error::XbuildError;
use crate::session::Session;
use crate::settings;
use crate::ui::Ui;

/// The setting that names a repository.
const VARIABLE: &str = "XBUILD_REPOSITORY";

/// Checks what can be checked before anything is built.
pub(crate) fn check_early(global: &Global, described: &Described, image: &Image) -> Result<(), XbuildError> {
    if !image.push {
        return Ok(());
    }
    if settings::is_offline(global)? {
        return Err(XbuildError::user("--offline: nothing can be pushed", "leave one of the two away"));
    }
    let images = &described.description.images;
    let wanted = &image.wanted;
    let names: Vec<&str> = match (images.named.is_empty(), wanted.names.as_slice()) {
        (true, []) => vec!["name"],
        (true, names) => names.iter().map(String::as_str).collect(),
        (false, names) => {
            images.named.keys().map(String::as_str).filter(|name| is_wanted(names, name)).collect()
        }
    };
    for name in names {
        let variants = described.description.variants.keys().map(|variant| variant.as_str());
        let is_asked = |variant: &&str| {
            wanted.variants.is_empty() || wanted.variants.iter().any(|word| name_matches(word, variant))
        };
        for variant in variants.filter(is_asked) {
            let template = images.settings(name, variant, |_| false).repository;
            check(&repository(image, template.as_deref(), name, variant)?, &image.tags)?;
        }
    }
    Ok(())
}

/// The repository of an image.
fn repository(
    image: &Image,
    described: Option<&str>,
    name: &str,
    variant: &str,
) -> Result<String, XbuildError> {
    let template = image
        .repository
        .clone()
        .or_else(|| described.map(str::to_owned))
        .or_else(|| settings::variable(VARIABLE))
        .ok_or_else(|| {
            XbuildError::user(
                format!("nothing says which repository the image {name} is pushed to"),
                format!(
                    "write `repository = \"registry.example/team/{{name}}\"` into [image], or set {VARIABLE}"
                ),
            )
        })?;
    Ok(template.replace("{name}", name).replace("{variant}", variant))
}

/// Sends images to their repositories. Prints their references.
pub(crate) fn push(
    session: &Session,
    image: &Image,
    (made, overrides): (&[Made], &Overrides),
    ui: &Ui,
) -> Result<(), XbuildError> {
    let mut wanted: Vec<(&Made, String)> = Vec::new();
    for made in made {
        let repository = repository(image, made.repository.as_deref(), &made.name, &made.variant)?;
        if let Some((other, _)) = wanted.iter().find(|(_, there)| *there == repository)
            && !image.tags.is_empty()
        {
            return Err(XbuildError::user(
                format!("{} and {} would have the same tags in {repository}", other.name, made.name),
                "write `{name}` and `{variant}` into the repository's name, or name one image",
            ));
        }
        wanted.push((made, repository));
    }
    let pushes: Vec<Push<'_>> = wanted
        .iter()
        .map(|(Made { layout, images, .. }, repository)| {
            let (tags, plain_http) = (&image.tags, image.plain_http);
            Push { images, layout, repository, tags, plain_http }
        })
        .collect();
    let told = &mut |push: &Push<'_>| ui.status("Pushing", push.repository);
    let pushed = xbuild_registry::push(&session.store, &pushes, told)?;
    for ((made, repository), pushed) in wanted.iter().zip(pushed) {
        let Pushed { reference, sent: (count, bytes), mounted, there } = pushed;
        let bytes = xbuild_output::size(bytes);
        let name = overrides.told(&made.name);
        ui.status(
            "Pushed",
            format!("{name}: {count} blobs sent ({bytes}), {mounted} mounted, {there} there"),
        );
        if !overrides.is_empty() && !image.tags.is_empty() {
            ui.note(format!("{repository}: {} leads to {name} now", image.tags.join(", ")));
        }
        if ui.json {
            let line = serde_json::json!({
                "reason": "xbuild-pushed", "name": made.name, "variant": made.variant, "reference": reference,
                "tags": image.tags, "overrides": overrides,
            });
            ui.output_line(&line.to_string());
        } else {
            ui.output_line(&reference);
        }
    }
    Ok(())
}
