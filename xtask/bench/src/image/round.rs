//! A round: with a store, a registry and projects of its own.

use std::path::Path;

use super::calls::{TAG, Xbuild};
use super::layout::Layout;
use super::made::Made;
use super::requests::Requests;
use super::tools::{Buildah, Registry, Tools};
use super::{Extent, Figures, GNU, MUSL, Measured, Pair, Stored};
use crate::error::Error;
use crate::process::Called;
use crate::xbuild::built;

/// What a round needs.
pub(crate) struct Round<'r> {
    /// With the round's store.
    pub(crate) xbuild: Xbuild<'r>,
    pub(crate) tools: &'r Tools,
    pub(crate) extent: &'r Extent,
    /// Where projects are made.
    pub(crate) place: &'r Path,
    /// Where tools have their storage: on the file system of the store.
    pub(crate) beside: &'r Path,
}

impl Round<'_> {
    pub(crate) fn run(&self, title: &str, number: u16, measured: &mut Measured) -> Result<(), Error> {
        let Extent { dense, text, data, edits, unchanged, .. } = *self.extent;
        let carrier = Made::carrier(self.place.join("carrier"), dense, text)?;
        let buildah = Buildah::new(self.tools, self.beside.join("buildah"))?;
        let mut edit = 0;
        let mut edited = || {
            edit += 1;
            carrier.edit(edit)
        };
        for stored in [Stored::Uncompressed, Stored::Gzip] {
            println!("{title}: one changed line, {stored:?}");
            // The first pair is not counted: no side has made an image of this kind before it.
            for pair in 0..=edits {
                edited()?;
                let xbuild_first = (usize::from(number) + pair).is_multiple_of(2);
                let figures = self.pair(&carrier, &buildah, stored, xbuild_first)?;
                match stored {
                    _ if pair == 0 => {}
                    Stored::Gzip => measured.gzip.push(figures),
                    Stored::Uncompressed => measured.uncompressed.push(figures),
                }
            }
        }
        measured.program = fs_err::metadata(carrier.program(MUSL))?.len();

        println!("{title}: nothing changed");
        for _ in 0..unchanged {
            measured.unchanged.push(self.image(&carrier, Stored::Gzip)?.sample);
        }

        println!("{title}: pushing");
        let registry = Registry::start(self.tools, &self.beside.join("registry"))?;
        let first = self.push(&carrier, &registry)?;
        edited()?;
        let again = self.push(&carrier, &registry)?;
        measured.pushes.push([first, again]);

        println!("{title}: a layer of {} MB", data / 1_000_000);
        let large = Made::with_data(self.place.join("data"), data, number)?;
        let Called { sample, peak_memory, .. } =
            self.xbuild.push(&large.folder, large.name, &[MUSL], &registry.repository(large.name))?;
        let size = Layout::read(&large.layout(Stored::Gzip))?.largest();
        if size < data {
            return wrong(&large, format!("its layer has {size} bytes: the file of {data} is not in it"));
        }
        measured.large.push(sample);
        measured.peak_memory.push(peak_memory);
        Ok(())
    }

    /// Compiles what was changed, then makes an image of it by each side.
    fn pair(
        &self,
        carrier: &Made,
        buildah: &Buildah<'_>,
        stored: Stored,
        xbuild_first: bool,
    ) -> Result<Pair, Error> {
        self.xbuild.build(&carrier.folder, &[MUSL])?;
        let program = fs_err::canonicalize(carrier.program(MUSL))?;
        // There is none before the first image.
        let before = Layout::read(&carrier.layout(stored)).ok();
        let by_xbuild = || -> Result<Figures, Error> {
            let sample = self.image(carrier, stored)?.sample;
            let after = Layout::read(&carrier.layout(stored))?;
            let layer = after.application().map_or(0, |layer| layer.size);
            if before.as_ref() == Some(&after) {
                return wrong(carrier, "a line has changed, and the image has not".to_owned());
            }
            Ok(Figures { sample, layer })
        };
        let by_buildah = || buildah.image(&program, stored);
        if xbuild_first {
            let xbuild = by_xbuild()?;
            Ok(Pair { xbuild, buildah: by_buildah()? })
        } else {
            let buildah = by_buildah()?;
            Ok(Pair { xbuild: by_xbuild()?, buildah })
        }
    }

    /// Makes the image of a program that has been compiled.
    fn image(&self, carrier: &Made, stored: Stored) -> Result<Called, Error> {
        let called = self.xbuild.image(&carrier.folder, carrier.name, &[MUSL], stored.of_xbuild())?;
        match built(&called.stderr) {
            0 => Ok(called),
            count => wrong(carrier, format!("{count} units were compiled while images were measured")),
        }
    }

    /// Pushes the images of both platforms and their index.
    fn push(&self, carrier: &Made, registry: &Registry) -> Result<Requests, Error> {
        let before = registry.written()?;
        let repository = registry.repository(carrier.name);
        self.xbuild.push(&carrier.folder, carrier.name, &[MUSL, GNU], &repository)?;
        let log = registry.since(before, TAG)?;
        Ok(Requests::of(&log, &Layout::read(&carrier.layout(Stored::Gzip))?))
    }
}

fn wrong<T>(made: &Made, problem: String) -> Result<T, Error> {
    Err(Error::NotComparable { project: made.name, problem })
}
