//! `docs/BENCH-IMAGE.md`: figures as text.

use xtask_ground::Machine;

use super::requests::Requests;
use super::sizes::Size;
use super::{Figures, Measured, Pair};
use crate::measure::Sample;
use crate::row::{Limit, Row, add_lost, bytes, verdict};

/// The platforms of an index that is pushed.
const PLATFORMS: usize = 2;

/// A kind of request to a registry.
struct Kind {
    name: &'static str,
    count: fn(&Requests) -> usize,
    /// How many there may be after a changed line.
    limit: Option<usize>,
}

const KINDS: &[Kind] = &[
    Kind { name: "application layers sent", count: |of| of.applications, limit: Some(PLATFORMS) },
    Kind { name: "configurations sent", count: |of| of.configurations, limit: Some(PLATFORMS) },
    Kind { name: "other layers sent", count: |of| of.others, limit: Some(0) },
    Kind { name: "manifests put", count: |of| of.manifests, limit: Some(PLATFORMS) },
    Kind { name: "index put, by its digest", count: |of| of.indexes, limit: Some(1) },
    Kind { name: "index put, by its tag", count: |of| of.tags, limit: Some(1) },
    Kind { name: "anything else that changes something", count: |of| of.unknown, limit: Some(0) },
    Kind { name: "uploads begun", count: |of| of.begun, limit: Some(2 * PLATFORMS) },
    Kind { name: "pieces of uploads", count: |of| of.pieces, limit: None },
    Kind { name: "questions: is it there, must one log in", count: |of| of.questions, limit: None },
];

/// The whole file.
pub(crate) fn report(machine: &Machine, buildah: &str, measured: &Measured) -> String {
    let mut text = format!(
        "# Benchmark of images\n\n\
         `cargo xtask bench image` measures images, where it can beside buildah, and writes this file. Measured on \
         {}.\n\n{}\n",
        machine.date,
        machine.table("buildah", buildah),
    );
    text.push_str(METHOD);
    add_sizes(&mut text, measured);
    add_times(&mut text, measured);
    add_requests(&mut text, measured);

    let sizes =
        measured.sizes.iter().filter(|size| !size.held()).map(|size| {
            format!("{}: {} beside the program: **over the limit**", size.name, bytes(size.more()))
        });
    let rows = rows(measured);
    let rows = rows.iter().filter_map(|row| row.lost("buildah"));
    let requests = KINDS.iter().filter(|kind| kind.held(measured) == Some(false));
    let requests =
        requests.map(|kind| format!("{}: {}: **over the limit**", kind.name, kind.most(measured, 1)));
    add_lost(&mut text, &sizes.chain(rows).chain(requests).collect::<Vec<_>>());
    text
}

const METHOD: &str = "\
## What is measured

- **Sizes** are those of an image's layers, uncompressed. What counts is what there is beside the program.
- **One changed line**: a program that is made for this carries bytes with it, a quarter of them as dense as they can \
be, the others text, which compresses as programs do when both are taken together. A line of its source is changed, \
and `xbuild build` compiles it; that is not counted. Then `xbuild image --target x86_64-unknown-linux-musl` makes its \
image, with the base `static`, from reading the descriptions to the link to a layout. buildah makes an image of the \
same file with nothing beside it: `from scratch`, `copy`, `config --entrypoint`, and `commit` to a layout, four calls \
without a daemon, with the storage driver vfs on the same file system; removing its container is not counted. Both \
compress the layer by gzip, at their own level. Once more neither does, which is buildah's default. One side runs \
after the other; who is first changes from pair to pair, and the first pair of a round is not counted.
- **Nothing changed**: the same call of xbuild again.
- **Pushing again** is after one more changed line, with images for x86_64-unknown-linux-musl and \
aarch64-unknown-linux-gnu on the base `static` and an index over them, to Debian's docker-registry on loopback. The \
requests are the lines of its access log. All rounds together: what is told is the most.
- **The large layer** is one file that can't be compressed, beside a program of one line. xbuild reads the file, \
builds the program, packs both and pushes them, in one call. The memory is the high-water mark of the resident set of \
xbuild's own process, without the compilers.
- Each round has a store, a registry and projects of its own; toolchain and std are ready in the store. The file is \
written after each round, so that a run that is stopped leaves what it has measured. A figure is the median, with the \
least and the most in brackets. So is a ratio: of the ratios of the pairs. CPU is user and system time of all processes.
";

fn add_sizes(text: &mut String, measured: &Measured) {
    text.push_str(&format!("\n## Sizes: {}\n\n", measured.project));
    text.push_str("| | program | image | beside the program | at most | held |\n|---|--:|--:|--:|--:|---|\n");
    for size in &measured.sizes {
        let Size { name, program, image, limit } = *size;
        let [program, image, more, limit] = [program, image, size.more(), limit].map(bytes);
        let held = verdict(Some(size.held()));
        text.push_str(&format!("| {name} | {program} | {image} | {more} | {limit} | {held} |\n"));
    }
}

fn add_times(text: &mut String, measured: &Measured) {
    text.push_str(&format!(
        "\n## Again, and large\n\nRounds: {}. The program with the changed line has {}, the file of the large layer {}.\n\n\
         | | buildah | xbuild | ratio | at most | held |\n|---|--:|--:|--:|--:|---|\n",
        measured.pushes.len(),
        bytes(measured.program),
        bytes(measured.data),
    ));
    for row in rows(measured) {
        text.push_str(&row.line());
    }
}

fn rows(measured: &Measured) -> Vec<Row> {
    let wall = |sample: &Sample| sample.wall;
    let cpu = |sample: &Sample| sample.cpu;
    let samples = |pairs: &[Pair], side: fn(&Pair) -> Figures| -> Vec<Sample> {
        pairs.iter().map(|pair| side(pair).sample).collect()
    };
    let layers = |pairs: &[Pair], side: fn(&Pair) -> Figures| -> Vec<u64> {
        pairs.iter().map(|pair| side(pair).layer).collect()
    };
    let buildah = |pair: &Pair| pair.buildah;
    let xbuild = |pair: &Pair| pair.xbuild;
    let again = Limit::Both { absolute: 1.0, ratio: 0.5 };
    let row = Row::of_samples;

    let gzip = [samples(&measured.gzip, buildah), samples(&measured.gzip, xbuild)];
    let plain = [samples(&measured.uncompressed, buildah), samples(&measured.uncompressed, xbuild)];
    let layers = [layers(&measured.gzip, buildah), layers(&measured.gzip, xbuild)];
    let Measured { unchanged, large, peak_memory, .. } = measured;
    vec![
        row("one changed line, wall", &gzip[0], &gzip[1], wall, again),
        row("one changed line, CPU", &gzip[0], &gzip[1], cpu, Limit::None),
        Row::of_sizes("the program's layer, compressed", &layers[0], &layers[1]),
        row("one changed line, layers uncompressed, wall", &plain[0], &plain[1], wall, again),
        row("one changed line, layers uncompressed, CPU", &plain[0], &plain[1], cpu, Limit::None),
        row("nothing changed, wall", &[], unchanged, wall, Limit::Absolute(0.1)),
        Row::of_memory("xbuild's own peak memory, the large layer", peak_memory, 100e6),
        row("the large layer, read, packed and pushed, wall", &[], large, wall, Limit::None),
    ]
}

fn add_requests(text: &mut String, measured: &Measured) {
    text.push_str(
        "\n## Pushing again\n\n| requests | first push | after one changed line | at most | held |\n|---|--:|--:|--:|---|\n",
    );
    for kind in KINDS {
        let limit = kind.limit.map_or("–".to_owned(), |limit| limit.to_string());
        let [first, again] = [0, 1].map(|push| kind.most(measured, push));
        text.push_str(&format!(
            "| {} | {first} | {again} | {limit} | {} |\n",
            kind.name,
            verdict(kind.held(measured))
        ));
    }
}

impl Kind {
    /// The most there were of it in the first push of a round, or in the second.
    fn most(&self, measured: &Measured, push: usize) -> usize {
        measured.pushes.iter().map(|pushes| (self.count)(&pushes[push])).max().unwrap_or_default()
    }

    fn held(&self, measured: &Measured) -> Option<bool> {
        Some(self.most(measured, 1) <= self.limit?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(milliseconds: u64) -> Sample {
        let wall = Duration::from_millis(milliseconds);
        Sample { wall, cpu: wall / 2 }
    }

    fn pair(buildah: u64, xbuild: u64) -> Pair {
        let figures = |time| Figures { sample: sample(time), layer: time * 10_000 };
        Pair { buildah: figures(buildah), xbuild: figures(xbuild) }
    }

    fn measured() -> Measured {
        let size = |image| Size { name: "musl on `scratch`", program: 700_000, image, limit: 20_000 };
        let first =
            Requests { applications: 2, configurations: 2, others: 2, begun: 6, ..Requests::default() };
        let again = Requests { others: 1, begun: 4, ..first.clone() };
        Measured {
            project: "a project",
            sizes: vec![size(701_500), size(720_001)],
            program: 34_100_000,
            data: 1_000_000_000,
            gzip: vec![pair(800, 320), pair(1000, 400)],
            uncompressed: vec![pair(500, 300)],
            unchanged: vec![sample(50)],
            pushes: vec![[first.clone(), again], [first.clone(), first]],
            large: vec![sample(20_000)],
            peak_memory: vec![120_000_000],
        }
    }

    fn text() -> String {
        let machine = Machine::example();
        report(&machine, "1.28.2", &measured())
    }

    #[test]
    fn figures_stand_beside_their_limits() {
        let text = text();
        assert!(
            text.contains("Measured on 2026-01-02.\n\n| processor | in use | memory | kernel | buildah |\n"),
            "{text}"
        );
        assert!(text.contains("\n## Sizes: a project\n") && text.contains("Rounds: 2. "), "{text}");
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
        assert_eq!(
            rows,
            [
                "| | program | image | beside the program | at most | held |",
                "| musl on `scratch` | 700.0 kB | 701.5 kB | 1.5 kB | 20.0 kB | yes |",
                "| musl on `scratch` | 700.0 kB | 720.0 kB | 20.0 kB | 20.0 kB | **no** |",
                "| | buildah | xbuild | ratio | at most | held |",
                "| one changed line, wall | 900 ms (800–1000) | 360 ms (320–400) | 0.40 (0.40–0.40) | 1.00 s, 0.50 × | yes |",
                "| one changed line, CPU | 450 ms (400–500) | 180 ms (160–200) | 0.40 (0.40–0.40) | – | – |",
                "| the program's layer, compressed | 9.00 MB (8.00–10.00) | 3.60 MB (3.20–4.00) | 0.40 (0.40–0.40) | – | – |",
                "| one changed line, layers uncompressed, wall | 500 ms (500–500) | 300 ms (300–300) | 0.60 (0.60–0.60) | 1.00 s, 0.50 × | **no** |",
                "| one changed line, layers uncompressed, CPU | 250 ms (250–250) | 150 ms (150–150) | 0.60 (0.60–0.60) | – | – |",
                "| nothing changed, wall | – | 50 ms (50–50) | – | 100 ms | yes |",
                "| xbuild's own peak memory, the large layer | – | 120 MB (120–120) | – | 100 MB | **no** |",
                "| the large layer, read, packed and pushed, wall | – | 20.0 s (20.0–20.0) | – | – | – |",
                "| requests | first push | after one changed line | at most | held |",
                "| application layers sent | 2 | 2 | 2 | yes |",
                "| configurations sent | 2 | 2 | 2 | yes |",
                "| other layers sent | 2 | 2 | 0 | **no** |",
                "| manifests put | 0 | 0 | 2 | yes |",
                "| index put, by its digest | 0 | 0 | 1 | yes |",
                "| index put, by its tag | 0 | 0 | 1 | yes |",
                "| anything else that changes something | 0 | 0 | 0 | yes |",
                "| uploads begun | 6 | 6 | 4 | **no** |",
                "| pieces of uploads | 0 | 0 | – | – |",
                "| questions: is it there, must one log in | 0 | 0 | – | – |",
            ]
        );
    }

    #[test]
    fn what_is_lost_is_told() {
        let text = text();
        let (_, lost) = text.split_once("## What xbuild loses\n\n").unwrap();
        assert_eq!(
            lost.lines().collect::<Vec<_>>(),
            [
                "- musl on `scratch`: 20.0 kB beside the program: **over the limit**",
                "- one changed line, layers uncompressed, wall: 300 ms, 0.60 × buildah: **over the limit**",
                "- xbuild's own peak memory, the large layer: 120 MB: **over the limit**",
                "- other layers sent: 2: **over the limit**",
                "- uploads begun: 6: **over the limit**",
            ]
        );
    }
}
