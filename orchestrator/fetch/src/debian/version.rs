//! Debian version numbers and their order.
//!
//! The rule is Debian Policy's, section 5.6.12 ("Version"), as `dpkg --compare-versions` does it.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Why a text is not a [`Version`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a Debian version: {problem}")]
pub struct VersionError {
    text: String,
    problem: &'static str,
}

/// A Debian version, `[epoch:]upstream[-revision]`.
///
/// Ordered and compared as Debian does it: `1.0~rc1 < 1.0 < 1.0-0.1 < 1:0`, and `1.0 = 0:1.0-0 = 1.00`. The
/// text stays as it was written.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
}

impl Version {
    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Epoch, upstream version and revision. What was not written is empty, which counts as zero.
    fn parts(&self) -> (&str, &str, &str) {
        let (epoch, rest) = self.text.split_once(':').unwrap_or(("", &self.text));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let version = Self { text: text.trim().to_owned() };
        let (epoch, upstream, revision) = version.parts();
        let allowed = |part: &str, also: &str| {
            part.chars().all(|c| c.is_ascii_alphanumeric() || ".+~".contains(c) || also.contains(c))
        };
        let problem = if version.text.contains(':') && epoch.parse::<u32>().is_err() {
            Some("the epoch is not a number")
        } else if upstream.is_empty() {
            Some("there is no upstream version")
        } else if !allowed(upstream, "-:") || !allowed(revision, "") {
            Some("only letters, digits and `.+-~:` may stand in one")
        } else {
            None
        };
        match problem {
            Some(problem) => Err(VersionError { text: text.to_owned(), problem }),
            None => Ok(version),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.parts(), other.parts());
        compare_numbers(a.0, b.0).then_with(|| compare(a.1, b.1)).then_with(|| compare(a.2, b.2))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// Compares two upstream versions or two revisions: runs of non-digits and runs of digits in turn.
fn compare(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (word_a, word_b);
        (word_a, a) = split(a, |c| !c.is_ascii_digit());
        (word_b, b) = split(b, |c| !c.is_ascii_digit());
        let order = compare_words(word_a, word_b);
        if order != Ordering::Equal {
            return order;
        }
        let (number_a, number_b);
        (number_a, a) = split(a, |c| c.is_ascii_digit());
        (number_b, b) = split(b, |c| c.is_ascii_digit());
        let order = compare_numbers(number_a, number_b);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The longest start of `text` all of whose characters `belong`, and the rest.
fn split(text: &str, belong: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belong(c)).unwrap_or(text.len()))
}

/// `~` sorts before the end, the end before letters, letters before everything else.
fn compare_words(a: &str, b: &str) -> Ordering {
    let weight = |c: Option<char>| match c {
        Some('~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        Some(c) => i64::from(u32::from(c)) + 0x0011_0000,
    };
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let (x, y) = (a.next(), b.next());
        let order = weight(x).cmp(&weight(y));
        if order != Ordering::Equal || (x.is_none() && y.is_none()) {
            return order;
        }
    }
}

/// Compares runs of digits as numbers of any length; nothing counts as zero.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    /// Each line in ascending order; the first ones are Debian Policy's own examples.
    const ASCENDING: &[&[&str]] = &[
        &["1~~", "1~~a", "1~", "1", "1a"],
        &["1.0~beta1~svn1245", "1.0~beta1", "1.0"],
        &["0.9", "1.0-0.1", "1.0-1", "1.0-1+b1", "1.0-1+deb13u1", "1.0-1.1", "1.0-2", "1.0-10", "1.1-1"],
        &["2.5", "2.10", "2.100", "1:0.1", "1:2.5", "2:0", "10:0"],
        &["1.2a", "1.2b", "1.2+git", "1.2.3"],
        &["1.96.1+dfsg1-1~bpo13+1", "1.96.1+dfsg1-1", "1.96.1+dfsg1-1+b1", "1.96.2~rc1-1"],
        &["6.12.9-1~bpo12+1", "6.12.9-1", "6.12.41-1", "99999999999999999999-1", "100000000000000000000-1"],
        &["1.0-a-1", "1.0-b-0"],
    ];

    #[test]
    fn order_is_debian_policys() {
        for line in ASCENDING {
            for (i, a) in line.iter().enumerate() {
                for (j, b) in line.iter().enumerate() {
                    assert_eq!(version(a).cmp(&version(b)), i.cmp(&j), "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn different_texts_of_one_version_are_equal() {
        for (a, b) in
            [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.00", "1.0"), ("1.007-02", "1.7-2"), ("0-0", "0")]
        {
            assert_eq!(version(a), version(b), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "a:1", ":1", "1_0", "1 0", "-1", "1:", "99999999999:1"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }

    /// `dpkg` itself, where it is.
    fn dpkg_says(a: &str, op: &str, b: &str) -> Option<bool> {
        let status =
            std::process::Command::new("dpkg").args(["--compare-versions", a, op, b]).status().ok()?;
        Some(status.success())
    }

    #[test]
    fn order_is_dpkgs_where_there_is_one() {
        for line in ASCENDING {
            for pair in line.windows(2) {
                if let Some(less) = dpkg_says(pair[0], "lt", pair[1]) {
                    assert!(less, "{pair:?}");
                }
            }
        }
    }

    fn any_version() -> impl Strategy<Value = String> {
        "([0-3]:)?[0-9]{1,3}([.+~a-c][0-9a-c~]{0,3}){0,3}(-[0-9]{1,2}([~+.][a-b0-9]{1,2})?)?"
    }

    proptest! {
        #[test]
        fn order_is_total(a in any_version(), b in any_version(), c in any_version()) {
            let (a, b, c) = (version(&a), version(&b), version(&c));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        }

        #[test]
        fn tilde_lowers_and_a_suffix_raises(a in any_version()) {
            let a = if a.contains('-') { a } else { format!("{a}-1") };
            let version_a = version(&a);
            let (lower, higher) = (version(&format!("{a}~x")), version(&format!("{a}+x")));
            prop_assert!(lower < version_a && version_a < higher);
        }
    }

    #[test]
    fn random_versions_compare_as_dpkg_says() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for _ in 0..40 {
            let mut pick = || any_version().new_tree(&mut runner).unwrap().current();
            let (a, b) = (pick(), pick());
            let Some(less) = dpkg_says(&a, "lt", &b) else { return };
            assert_eq!(version(&a) < version(&b), less, "{a} {b}");
        }
    }
}
