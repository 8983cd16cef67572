//! Lines over two logarithmic axes, as SVG: what grows linearly is a line of the slope 1.

use std::fmt::Write as _;

/// The drawing, in pixels.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// The plot in it: left, top, right, bottom.
const LEFT: f64 = 70.0;
const TOP: f64 = 20.0;
const RIGHT: f64 = 500.0;
const BOTTOM: f64 = 370.0;

/// Told apart by people who see colours in other ways, too.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#5b5b5b"];

/// A line: its name, and its points, neither of whose coordinates is 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A drawing of lines over units, in seconds.
pub(crate) fn draw(lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let Some(frame) = Frame::around(points()) else { return String::new() };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    frame.add_grid(&mut svg);
    for (index, line) in lines.iter().enumerate() {
        frame.add_line(&mut svg, line, COLOURS[index % COLOURS.len()], index);
    }
    svg + "</svg>\n"
}

/// The powers of ten around all points.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn around<'p>(points: impl Iterator<Item = &'p (f64, f64)> + Clone) -> Option<Self> {
        let powers = |values: &mut dyn Iterator<Item = f64>| {
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            for value in values {
                (least, most) = (least.min(value.log10().floor()), most.max(value.log10().ceil()));
            }
            (least.is_finite() && most.is_finite()).then(|| (least, most.max(least + 1.0)))
        };
        let x = powers(&mut points.clone().map(|point| point.0))?;
        let y = powers(&mut points.map(|point| point.1))?;
        Some(Self { x, y })
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value.log10() - self.x.0) / (self.x.1 - self.x.0) * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (value.log10() - self.y.0) / (self.y.1 - self.y.0) * (BOTTOM - TOP)
    }

    /// A line at each power of ten, with its name.
    fn add_grid(&self, svg: &mut String) {
        let rule = |svg: &mut String, [x1, y1, x2, y2]: [f64; 4]| {
            let _ = writeln!(
                svg,
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
            );
        };
        for value in powers(self.x) {
            let x = self.x(value);
            rule(svg, [x, TOP, x, BOTTOM]);
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
                BOTTOM + 18.0
            );
        }
        for value in powers(self.y) {
            let y = self.y(value);
            rule(svg, [LEFT, y, RIGHT, y]);
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                time(value)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">units</text>",
            f64::midpoint(LEFT, RIGHT),
            BOTTOM + 38.0
        );
    }

    fn add_line(&self, svg: &mut String, line: &Line, colour: &str, index: usize) {
        let places: Vec<(f64, f64)> = line.points.iter().map(|&(x, y)| (self.x(x), self.y(y))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in places {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
        let y = TOP + 14.0 + 22.0 * f64::from(u32::try_from(index).unwrap_or_default());
        let _ = writeln!(
            svg,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            RIGHT + 16.0,
            y - 4.0,
            RIGHT + 40.0,
            y - 4.0,
            RIGHT + 48.0,
            escaped(&line.name),
        );
    }
}

fn powers((least, most): (f64, f64)) -> impl Iterator<Item = f64> {
    let steps = std::iter::successors(Some(least), |power| Some(power + 1.0));
    steps.take_while(move |power| *power <= most).map(|power| 10_f64.powf(power))
}

/// A power of ten in seconds, in words.
fn time(seconds: f64) -> String {
    if seconds < 0.9e-3 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 0.9 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.0} s")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_linearly_has_the_slope_of_the_frame_s_diagonal() {
        let line = |name: &str, of: fn(f64) -> f64| Line {
            name: name.to_owned(),
            points: [100.0, 1000.0, 10_000.0].map(|units| (units, of(units))).into(),
        };
        let lines = [line("linear & more", |units| units / 1e5), line("flat", |_| 0.01)];
        let frame = Frame::around(lines.iter().flat_map(|line| &line.points)).unwrap();
        assert_eq!(frame, Frame { x: (2.0, 4.0), y: (-3.0, -1.0) });
        assert_eq!((frame.x(100.0), frame.x(10_000.0)), (LEFT, RIGHT));
        let svg = draw(&lines);
        assert!(svg.contains("points=\"70.0,370.0 285.0,195.0 500.0,20.0\""), "{svg}");
        assert!(svg.contains("points=\"70.0,195.0 285.0,195.0 500.0,195.0\""), "{svg}");
        assert!(svg.contains(">linear &amp; more</text>") && svg.contains(">10 ms</text>"), "{svg}");
        assert_eq!(draw(&[]), "");
    }
}
