//! A row of a table: a figure of both sides, what it is to be at most, and whether it is.

use std::time::Duration;

use crate::measure::{Sample, Spread};

/// What a figure is to be at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// So many times the other side's.
    Ratio(f64),
    /// So much, in the figure's own unit, and less than the other side's where that has one.
    Absolute(f64),
    /// So much, and so many times the other side's.
    Both { absolute: f64, ratio: f64 },
    /// So much, whatever the other side's is.
    AtMost(f64),
    /// Just as much as the other side's.
    Equal,
    /// As much as the other side's, or less.
    NoMore,
    /// It is told for what it's worth.
    None,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    /// Of memory, to the megabyte.
    Memory,
    /// Actions, programs.
    Number,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    name: String,
    unit: Unit,
    other: Option<Spread>,
    xbuild: Option<Spread>,
    /// xbuild's over the other side's, pair by pair.
    ratio: Option<Spread>,
    limit: Limit,
}

impl Row {
    /// Something of the samples of both sides, pair by pair.
    pub(crate) fn of_samples(
        name: &str,
        other: &[Sample],
        xbuild: &[Sample],
        of: fn(&Sample) -> Duration,
        limit: Limit,
    ) -> Self {
        let seconds =
            |samples: &[Sample]| samples.iter().map(|sample| of(sample).as_secs_f64()).collect::<Vec<_>>();
        Self::new(name, Unit::Seconds, &seconds(other), &seconds(xbuild), limit)
    }

    /// Sizes of both sides, pair by pair.
    pub(crate) fn of_sizes(name: &str, other: &[u64], xbuild: &[u64]) -> Self {
        Self::new(name, Unit::Bytes, &floats(other), &floats(xbuild), Limit::None)
    }

    /// Memory of xbuild alone, in bytes.
    pub(crate) fn of_memory(name: &str, xbuild: &[u64], limit: f64) -> Self {
        Self::new(name, Unit::Memory, &[], &floats(xbuild), Limit::Absolute(limit))
    }

    /// Figures of both sides in one unit, pair by pair.
    pub(crate) fn new(name: &str, unit: Unit, other: &[f64], xbuild: &[f64], limit: Limit) -> Self {
        let ratios = other.iter().zip(xbuild).map(|(other, xbuild)| xbuild / other);
        Self {
            name: name.to_owned(),
            unit,
            other: Spread::of(other.iter().copied()),
            xbuild: Spread::of(xbuild.iter().copied()),
            // Of nothing there is no ratio.
            ratio: Spread::of(ratios.filter(|ratio| ratio.is_finite())),
            limit,
        }
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.ratio?.median)
    }

    /// Whether it is within its limit, where it has one.
    pub(crate) fn held(&self) -> Option<bool> {
        match self.limit {
            Limit::Ratio(limit) => Some(self.ratio()? <= limit),
            Limit::Absolute(limit) => {
                Some(self.xbuild?.median <= limit && self.ratio().is_none_or(|ratio| ratio < 1.0))
            }
            Limit::Both { absolute, ratio } => {
                Some(self.xbuild?.median <= absolute && self.ratio()? <= ratio)
            }
            // Counts don't spread: one that is over is.
            Limit::AtMost(limit) if self.unit == Unit::Number => Some(self.xbuild?.most <= limit),
            Limit::AtMost(limit) => Some(self.xbuild?.median <= limit),
            // Pair by pair; of nothing there is no ratio.
            Limit::Equal => Some(match self.ratio {
                Some(ratio) => ratio.least == 1.0 && ratio.most == 1.0,
                None => self.other? == self.xbuild?,
            }),
            Limit::NoMore => Some(match self.ratio {
                Some(ratio) => ratio.most <= 1.0,
                None => self.xbuild?.most == 0.0,
            }),
            Limit::None => None,
        }
    }

    /// Name, other side, xbuild, ratio, limit, and whether it held.
    pub(crate) fn line(&self) -> String {
        let spread = |spread: Option<Spread>| spread.map_or("–".to_owned(), |spread| self.spread(spread));
        let limit = match self.limit {
            Limit::Ratio(limit) => format!("{limit:.2} ×"),
            Limit::Absolute(limit) | Limit::AtMost(limit) => self.amount(limit),
            Limit::Equal => "as many".to_owned(),
            Limit::NoMore => "as many, or fewer".to_owned(),
            Limit::Both { absolute, ratio } => format!("{}, {ratio:.2} ×", self.amount(absolute)),
            Limit::None => "–".to_owned(),
        };
        format!(
            "| {} | {} | {} | {} | {limit} | {} |\n",
            self.name,
            spread(self.other),
            spread(self.xbuild),
            self.ratio.map_or("–".to_owned(), |Spread { median, least, most }| {
                format!("{median:.2} ({least:.2}–{most:.2})")
            }),
            verdict(self.held())
        )
    }

    /// In words, when it is over its limit or more than the other side's.
    pub(crate) fn lost(&self, other: &str) -> Option<String> {
        let over = self.held() == Some(false);
        let ratio = self.ratio().filter(|_| !matches!(self.limit, Limit::AtMost(_)));
        if !over && ratio.is_none_or(|ratio| ratio <= 1.0) {
            return None;
        }
        let amount = || match self.xbuild {
            Some(spread) if self.unit == Unit::Number => self.spread(spread),
            spread => self.amount(spread.map_or(0.0, |spread| spread.median)),
        };
        let compared = match (ratio, self.limit) {
            (None, _) => amount(),
            (Some(ratio), Limit::Both { .. }) => format!("{}, {ratio:.2} × {other}", amount()),
            (Some(ratio), _) => format!("{ratio:.2} × {other}"),
        };
        let verdict = match self.held() {
            Some(false) if self.limit == Limit::Equal => ": **not as many**",
            Some(false) => ": **over the limit**",
            Some(true) => ", within the limit",
            None => "",
        };
        Some(format!("{}: {compared}{verdict}", self.name))
    }

    fn spread(&self, Spread { median, least, most }: Spread) -> String {
        // One unit for all three: that of the median.
        let (scale, digits, unit) = scale(self.unit, median);
        if self.unit == Unit::Number && least == most {
            return self.amount(median);
        }
        format!("{:.digits$}{unit} ({:.digits$}–{:.digits$})", median * scale, least * scale, most * scale)
    }

    fn amount(&self, value: f64) -> String {
        shown(self.unit, value)
    }
}

/// A figure with its unit.
pub(crate) fn shown(unit: Unit, value: f64) -> String {
    let (scale, digits, name) = scale(unit, value);
    format!("{:.digits$}{name}", value * scale)
}

/// Factor, digits behind the point, and unit for a value, with the blank before it.
fn scale(unit: Unit, value: f64) -> (f64, usize, &'static str) {
    match unit {
        Unit::Memory => (1e-6, 0, " MB"),
        Unit::Bytes => scale_of_bytes(value),
        Unit::Number => (1.0, 0, ""),
        Unit::Seconds if value < 0.0005 => (1e6, 0, " µs"),
        Unit::Seconds if value < 0.01 => (1000.0, 2, " ms"),
        Unit::Seconds if value < 1.0 => (1000.0, 0, " ms"),
        Unit::Seconds if value < 10.0 => (1.0, 2, " s"),
        Unit::Seconds => (1.0, 1, " s"),
    }
}

/// The word for whether a limit was held, where there is one.
pub(crate) fn verdict(held: Option<bool>) -> &'static str {
    match held {
        None => "–",
        Some(true) => "yes",
        Some(false) => "**no**",
    }
}

/// A size, in kB or MB.
pub(crate) fn bytes(size: u64) -> String {
    let (scale, digits, unit) = scale_of_bytes(float(size));
    format!("{:.digits$}{unit}", float(size) * scale)
}

fn scale_of_bytes(size: f64) -> (f64, usize, &'static str) {
    if size < 1e6 { (1e-3, 1, " kB") } else { (1e-6, 2, " MB") }
}

/// The last part of a report: cases that are lost, each in words.
pub(crate) fn add_lost(text: &mut String, lost: &[String]) {
    text.push_str("\n## What xbuild loses\n\n");
    if lost.is_empty() {
        text.push_str("Nothing in this run.\n");
    }
    for lost in lost {
        text.push_str(&format!("- {lost}\n"));
    }
}

#[expect(clippy::cast_precision_loss, reason = "one more or less of so many")]
pub(crate) const fn float(size: u64) -> f64 {
    size as f64
}

fn floats(sizes: &[u64]) -> Vec<f64> {
    sizes.iter().map(|size| float(*size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(other: &[f64], xbuild: &[f64], limit: Limit) -> Row {
        Row::new("a row", Unit::Seconds, other, xbuild, limit)
    }

    #[test]
    fn two_limits_must_both_be_held() {
        let limit = Limit::Both { absolute: 1.0, ratio: 0.5 };
        let good = row(&[2.0, 2.0], &[0.8, 1.0], limit);
        assert_eq!(
            good.line(),
            "| a row | 2.00 s (2.00–2.00) | 900 ms (800–1000) | 0.45 (0.40–0.50) | 1.00 s, 0.50 × | yes |\n"
        );
        assert_eq!(good.lost("buildah"), None);
        let slow = row(&[4.0], &[1.2], limit).lost("buildah");
        assert_eq!(slow.as_deref(), Some("a row: 1.20 s, 0.30 × buildah: **over the limit**"));
        let slower = row(&[1.0], &[0.6], limit).lost("buildah");
        assert_eq!(slower.as_deref(), Some("a row: 600 ms, 0.60 × buildah: **over the limit**"));
    }

    #[test]
    fn counts_are_held_when_none_is_over_or_all_are_equal() {
        let count =
            |other: &[f64], xbuild: &[f64], limit| Row::new("a count", Unit::Number, other, xbuild, limit);
        let none = count(&[0.0], &[0.0], Limit::AtMost(0.0));
        assert_eq!(none.line(), "| a count | 0 | 0 | – | 0 | yes |\n");
        let some = count(&[5.0, 5.0, 5.0], &[0.0, 0.0, 2.0], Limit::AtMost(0.0));
        assert_eq!(some.lost("cargo").as_deref(), Some("a count: 0 (0–2): **over the limit**"));
        let equal = count(&[12.0], &[12.0], Limit::Equal);
        assert_eq!(equal.line(), "| a count | 12 | 12 | 1.00 (1.00–1.00) | as many | yes |\n");
        assert_eq!(count(&[9.0, 12.0], &[12.0, 9.0], Limit::Equal).held(), Some(false));
        assert_eq!(count(&[9.0, 12.0], &[9.0, 9.0], Limit::NoMore).held(), Some(true));
        assert_eq!(count(&[9.0, 12.0, 9.0], &[9.0, 9.0, 10.0], Limit::NoMore).held(), Some(false));
        let fewer = count(&[12.0], &[9.0], Limit::Equal).lost("cargo");
        assert_eq!(fewer.as_deref(), Some("a count: 0.75 × cargo: **not as many**"));
    }

    #[test]
    fn what_has_no_limit_is_lost_when_it_is_more_than_the_other_side_s() {
        let row = Row::of_sizes("a layer", &[2_000_000], &[3_000_000]);
        assert_eq!(
            row.line(),
            "| a layer | 2.00 MB (2.00–2.00) | 3.00 MB (3.00–3.00) | 1.50 (1.50–1.50) | – | – |\n"
        );
        assert_eq!(row.lost("buildah").as_deref(), Some("a layer: 1.50 × buildah"));
        assert_eq!(bytes(1_234), "1.2 kB");
        assert_eq!(bytes(34_120_000), "34.12 MB");
    }
}
