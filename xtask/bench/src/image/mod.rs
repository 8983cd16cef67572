//! Images: what they weigh, and what it takes to make them again and to push them, beside buildah where it does the
//! same. `cargo xtask bench image` runs this.
//!
//! | module | what it holds |
//! |---|---|
//! | `made` | projects that are made for this |
//! | `calls` | xbuild, called |
//! | `tools` | buildah and a registry |
//! | `layout`, `requests` | what is in an image, and what a registry was asked for it |
//! | `sizes`, `round` | what is measured |
//! | `report` | how it is shown |

mod calls;
mod layout;
mod made;
mod report;
mod requests;
mod round;
mod sizes;
mod tools;

use xtask_ground::{Ground, Machine};

use crate::bench::Places;
use crate::catalogue;
use crate::error::Error;
use crate::measure::Sample;
use crate::project::Project;
use crate::xbuild::Fetch;
use crate::{Arguments, stores};

use calls::Xbuild;
use requests::Requests;
use round::Round;
use sizes::Size;
use tools::{Buildah, Tools};

/// Where the figures are written.
const REPORT: &str = "docs/BENCH-IMAGE.md";

/// How many rounds, where nothing else is asked for.
const RUNS: u16 = 3;

/// The targets of images: a static program for one platform, a dynamic one for another.
const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "aarch64-unknown-linux-gnu";

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Whose images are weighed.
    project: Project,
    /// Its program.
    program: &'static str,
    /// Bytes of the program whose image is made again: those that can't be compressed, and text.
    dense: u64,
    text: u64,
    /// Bytes of the large layer.
    data: u64,
    /// How often a line is changed in a round, for each way to store layers.
    edits: usize,
    /// How often nothing is.
    unchanged: usize,
}

const FULL: Extent = Extent {
    project: catalogue::EXAMPLE,
    program: "foo",
    dense: 8_000_000,
    text: 25_500_000,
    data: 1_000_000_000,
    edits: 3,
    unchanged: 5,
};

const SAMPLE: Extent = Extent {
    project: catalogue::SAMPLE,
    program: "sample",
    dense: 200_000,
    text: 800_000,
    data: 64_000_000,
    edits: 1,
    unchanged: 1,
};

/// How layers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Gzip,
    Uncompressed,
}

impl Stored {
    /// In words of xbuild, whose default is gzip.
    const fn of_xbuild(self) -> &'static [&'static str] {
        match self {
            Self::Gzip => &[],
            Self::Uncompressed => &["--set", "image.compression=none"],
        }
    }

    /// Where xbuild has images that are stored so, below `result`.
    const fn folder(self) -> &'static str {
        match self {
            Self::Gzip => "default",
            Self::Uncompressed => "default+image.compression=none",
        }
    }

    /// In words of buildah.
    const fn of_buildah(self) -> &'static str {
        match self {
            Self::Gzip => "--disable-compression=false",
            Self::Uncompressed => "--disable-compression=true",
        }
    }
}

/// All that was measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Whose images were weighed.
    project: &'static str,
    sizes: Vec<Size>,
    /// The program whose image is made again, and the file of the large layer, in bytes.
    program: u64,
    data: u64,
    gzip: Vec<Pair>,
    uncompressed: Vec<Pair>,
    unchanged: Vec<Sample>,
    /// The first push of a round, and the one after a changed line.
    pushes: Vec<[Requests; 2]>,
    large: Vec<Sample>,
    /// xbuild's own, with the large layer, in bytes.
    peak_memory: Vec<u64>,
}

/// The same image, made by both sides one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    buildah: Figures,
    xbuild: Figures,
}

/// What making an image took, and what the application's layer is then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    sample: Sample,
    /// In bytes, as it is stored.
    layer: u64,
}

/// Measures, and writes the report.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let (extent, runs) = if arguments.sample { (SAMPLE, 1) } else { (FULL, arguments.runs.unwrap_or(RUNS)) };
    let Arguments { root, store, xbuild: program, .. } = arguments;
    let places = Places::new(store)?;

    println!("{}: sizes", extent.project.name);
    let project = extent.project.copy(root, None, &places.copy("sizes"))?;
    let online = Xbuild { program, store, fetch: Fetch::Missing };
    let sizes = sizes::measure(&online, &project, extent.program)?;
    // Toolchain, std and the base are in the store now.
    let tools = Tools(Ground::open(root, store)?.component(tools::COMPONENT)?);
    let ready = places.store("ready");
    stores::ready(store, &ready)?;

    let machine = Machine::look()?;
    let version = Buildah::new(&tools, places.store("buildah"))?.version()?;
    let (project, data) = (extent.project.name, extent.data);
    let mut measured = Measured { project, sizes, data, ..Measured::default() };
    for number in 1..=runs {
        let title = format!("images, round {number} of {runs}");
        // The projects lie in no git repository, which would say what their sources are.
        let [store, beside, place] = [places.store("round"), places.store("beside"), places.copy("round")];
        let xbuild = Xbuild { program, store: &store, fetch: Fetch::Never };
        stores::fresh(&ready, &store)?;
        let round = Round { xbuild, tools: &tools, extent: &extent, place: &place, beside: &beside };
        round.run(&title, number, &mut measured)?;
        for folder in [store, beside, place] {
            fs_err::remove_dir_all(folder)?;
        }
        if !arguments.sample {
            fs_err::write(root.join(REPORT), report::report(&machine, &version, &measured))?;
        }
    }
    if arguments.sample {
        println!("\n{}", report::report(&machine, &version, &measured));
    } else {
        println!("{REPORT} written");
    }
    Ok(())
}
