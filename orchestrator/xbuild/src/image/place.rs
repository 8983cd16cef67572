//! Where images are written beside the store: folders, archives, daemons, in skopeo's words.

use std::path::{Path, PathBuf};
use std::process::Command;

use xbuild_describe::suggest_or;
use xbuild_image::Layout;
use xbuild_store::Disk;

use super::Made;
use crate::error::XbuildError;
use crate::ui::Ui;

/// What a place begins with.
const FORMATS: [&str; 5] = ["oci", "oci-archive", "docker-archive", "docker-daemon", "podman"];

/// Where an image is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `oci:DIR[:TAG]`
    Layout(PathBuf, Option<String>),
    /// `oci-archive:FILE[:TAG]`
    OciArchive(PathBuf, Option<String>),
    /// `docker-archive:FILE[:NAME:TAG]`
    DockerArchive(PathBuf, Option<String>),
    /// `docker-daemon:[NAME:TAG]`, `podman:[NAME:TAG]`
    Daemon(Daemon, Option<String>),
}

/// Who keeps images on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Daemon {
    /// Docker's daemon.
    Docker,
    /// podman's storage.
    Podman,
}

impl Daemon {
    const fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl Place {
    /// Reads a place. A name there without a tag gets `tag`.
    pub(crate) fn parse(text: &str, tag: Option<&str>) -> Result<Self, XbuildError> {
        let wrong = || {
            let format = text.split(':').next().unwrap_or(text);
            let help = "write oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], \
                        docker-daemon:[NAME:TAG] or podman:[NAME:TAG]";
            XbuildError::user(format!("`{text}` is no place for an image"), suggest_or(format, FORMATS, help))
        };
        let (format, rest) = text.split_once(':').ok_or_else(wrong)?;
        let name = |name: &str| (!name.is_empty()).then(|| tagged(name, tag));
        match format {
            "docker-daemon" => Ok(Self::Daemon(Daemon::Docker, name(rest))),
            "podman" => Ok(Self::Daemon(Daemon::Podman, name(rest))),
            _ if rest.is_empty() => Err(wrong()),
            "oci" | "oci-archive" => {
                let (path, tag) = match rest.split_once(':') {
                    Some((path, tag)) if !path.is_empty() && !tag.is_empty() => (path, Some(tag.to_owned())),
                    Some(_) => return Err(wrong()),
                    None => (rest, None),
                };
                Ok(if format == "oci" {
                    Self::Layout(path.into(), tag)
                } else {
                    Self::OciArchive(path.into(), tag)
                })
            }
            "docker-archive" => Ok(match rest.split_once(':') {
                Some((file, rest)) => Self::DockerArchive(file.into(), name(rest)),
                None => Self::DockerArchive(rest.into(), None),
            }),
            _ => Err(wrong()),
        }
    }

    /// Writes images there. What has no name there gets its own, and `tag`.
    pub(crate) fn write(
        &self,
        store: &Disk,
        made: &[Made],
        tag: Option<&str>,
        ui: &Ui,
    ) -> Result<(), XbuildError> {
        if let Self::Daemon(daemon, name) = self {
            if made.len() > 1 && name.is_some() {
                return Err(one_image(made));
            }
            let name = |made: &Made| name.clone().unwrap_or_else(|| tagged(&made.name, tag));
            return made.iter().try_for_each(|made| load(store, made, *daemon, &name(made), ui));
        }
        let [made] = made else { return Err(one_image(made)) };
        match self {
            Self::Layout(folder, own) => {
                xbuild_image::write_layout(store, &layout(store, made, own.as_deref().or(tag))?, folder)?;
            }
            Self::OciArchive(file, own) => {
                xbuild_image::oci_archive(store, &layout(store, made, own.as_deref().or(tag))?, file)?;
            }
            Self::DockerArchive(file, name) => {
                let name = name.clone().unwrap_or_else(|| tagged(&made.name, tag));
                archive(store, made, name, file)?;
            }
            Self::Daemon(..) => {}
        }
        Ok(())
    }
}

/// The layout, with what is in it under another tag where one is given.
fn layout(store: &Disk, made: &Made, tag: Option<&str>) -> Result<Layout, XbuildError> {
    Ok(match tag {
        Some(tag) => made.layout.tagged(store, tag)?,
        None => made.layout.clone(),
    })
}

/// A name with a tag: this one where it has none, else `latest`.
fn tagged(name: &str, tag: Option<&str>) -> String {
    let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { name.to_owned() } else { format!("{name}:{}", tag.unwrap_or("latest")) }
}

fn one_image(made: &[Made]) -> XbuildError {
    let names: Vec<&str> = made.iter().map(|made| made.name.as_str()).collect();
    XbuildError::user(
        "several images can't be written to one place",
        format!("name one: {}", names.join(", ")),
    )
}

/// Writes the image of the only platform, or of this machine's, as `docker save` does.
fn archive(store: &Disk, made: &Made, name: String, file: &Path) -> Result<(), XbuildError> {
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let is_here = |image: &&xbuild_image::Image| image.platform.architecture == here;
    let image = match made.images.as_slice() {
        [one] => Some(one),
        several => several.iter().find(is_here),
    };
    let image = image.ok_or_else(|| {
        XbuildError::user("there it is an image of one platform", "name it: --platform linux/amd64")
    })?;
    Ok(xbuild_image::docker_archive(store, image, &[name], file)?)
}

/// Has a daemon take an image.
fn load(store: &Disk, made: &Made, daemon: Daemon, name: &str, ui: &Ui) -> Result<(), XbuildError> {
    let program = daemon.program();
    let failed = |why: String, help: &str| {
        XbuildError::environment(format!("{program} does not take the image {}: {why}", made.name), help)
    };
    let folder =
        tempfile::tempdir().map_err(|error| failed(error.to_string(), "see that TMPDIR can be written"))?;
    let file = folder.path().join("image.tar");
    archive(store, made, name.to_owned(), &file)?;
    let output = Command::new(program).arg("load").arg("-i").arg(&file).output().map_err(|error| {
        let help = "install it, or write an archive: -o oci-archive:FILE";
        match error.kind() {
            std::io::ErrorKind::NotFound => failed("there is no such program".to_owned(), help),
            _ => failed(error.to_string(), help),
        }
    })?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(failed(said, "see that it runs: its own `info` says so"));
    }
    ui.status("Loaded", format!("{name} into {program}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_skopeo_s_words() {
        let parse = |text: &str| Place::parse(text, None).unwrap();
        assert_eq!(parse("oci:a/b"), Place::Layout("a/b".into(), None));
        assert_eq!(parse("oci:a/b:v1"), Place::Layout("a/b".into(), Some("v1".to_owned())));
        assert_eq!(parse("oci-archive:a.tar:v1"), Place::OciArchive("a.tar".into(), Some("v1".to_owned())));
        assert_eq!(parse("docker-archive:f.tar"), Place::DockerArchive("f.tar".into(), None));
        let named = |name: &str| Place::DockerArchive("f.tar".into(), Some(name.to_owned()));
        assert_eq!(parse("docker-archive:f.tar:foo"), named("foo:latest"));
        assert_eq!(parse("docker-archive:f.tar:host:5000/foo:v1"), named("host:5000/foo:v1"));
        assert_eq!(parse("docker-daemon:"), Place::Daemon(Daemon::Docker, None));
        assert_eq!(parse("podman:foo"), Place::Daemon(Daemon::Podman, Some("foo:latest".to_owned())));
        for wrong in ["", "oci", "oci:", "oci:a:", "tarball:x", "oci-archive:"] {
            Place::parse(wrong, None).unwrap_err();
        }
        let help = Place::parse("oci-archve:x", None).unwrap_err().help().unwrap();
        assert!(help.starts_with("did you mean `oci-archive`? Else write oci:"), "{help}");
    }

    #[test]
    fn a_name_without_a_tag_gets_that_of_the_overrides() {
        let parse = |text: &str| Place::parse(text, Some("profile-dev")).unwrap();
        let podman = |name: &str| Place::Daemon(Daemon::Podman, Some(name.to_owned()));
        assert_eq!(parse("podman:foo"), podman("foo:profile-dev"));
        assert_eq!(parse("podman:foo:v1"), podman("foo:v1"));
        assert_eq!(tagged("foo", Some("profile-dev")), "foo:profile-dev");
        assert_eq!(tagged("foo", None), "foo:latest");
    }
}
