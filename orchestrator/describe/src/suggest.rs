//! "Did you mean": the nearest of the names that are allowed.

/// How alike two names must be to be worth suggesting (Jaro-Winkler, from 0 to 1).
const ALIKE: f64 = 0.85;

/// The nearest of `allowed` to `name`, when one is near enough: of equals the last, which of versions is the newest.
/// None where `name` is one of them, since then it isn't the name that is wrong.
#[must_use]
pub fn nearest<'a>(name: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let likeness = strsim::jaro_winkler(&lower, &candidate);
        // That says little of short words: there a slip of one key counts, or of two that were swapped.
        let is_slip = || lower.chars().count() > 2 && strsim::osa_distance(&lower, &candidate) == 1;
        (likeness >= ALIKE || is_slip()).then_some(likeness)
    };
    allowed
        .into_iter()
        .filter_map(|candidate| Some((likeness(candidate)?, candidate)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
        .filter(|candidate| *candidate != name)
}

/// A help line: the nearest name if there is one, and what is allowed. `what` is their plural.
#[must_use]
pub fn help(name: &str, what: &str, allowed: &[&str]) -> String {
    let listed = list(allowed);
    match (nearest(name, allowed.iter().copied()), allowed) {
        (_, []) => format!("there are no {what}"),
        (Some(_), [only]) => format!("did you mean `{only}`?"),
        (None, [only]) => format!("there is only `{only}`"),
        (Some(near), _) => format!("did you mean `{near}`? The {what} are {listed}"),
        (None, _) => format!("the {what} are {listed}"),
    }
}

/// A help line where what is allowed is too much to be listed, or is more than names: the nearest name if there is one,
/// and what to do `otherwise`.
#[must_use]
pub fn help_or<'a>(name: &str, allowed: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    match nearest(name, allowed) {
        Some(near) => format!("did you mean `{near}`? Else {otherwise}"),
        None => otherwise.to_owned(),
    }
}

/// Names in words, each quoted; a long list is cut.
pub(crate) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 24;
    let mut quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        quoted.push(format!("{} more", names.len() - SHOWN));
    }
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_strange_word_none() {
        let allowed = ["packages", "profile", "targets", "features"];
        assert_eq!(nearest("pakages", allowed), Some("packages"));
        assert_eq!(nearest("Target", allowed), Some("targets"));
        assert_eq!(nearest("xyzzy", allowed), None);
        assert_eq!(nearest("tga", ["branch", "rev", "tag"]), Some("tag"));
        assert_eq!(nearest("v2", ["v1"]), None, "two letters are alike too easily");
        assert_eq!(nearest("feature-x", ["Feature-X1"]), Some("Feature-X1"), "capitals are no difference");
    }

    #[test]
    fn of_equals_the_last_is_meant_and_what_is_there_is_no_slip() {
        assert_eq!(nearest("1.96.2", ["1.95.0", "1.96.0", "1.96.1"]), Some("1.96.1"));
        assert_eq!(nearest("serde", ["serde", "serde_json"]), None);
        assert_eq!(
            help("serde", "crates", &["serde", "serde_json"]),
            "the crates are `serde` and `serde_json`"
        );
        assert_eq!(
            help_or("mian", ["dev", "main"], "name a branch"),
            "did you mean `main`? Else name a branch"
        );
        assert_eq!(help_or("xyzzy", ["dev", "main"], "name a branch"), "name a branch");
    }

    #[test]
    fn a_triple_without_its_vendor_finds_the_full_one() {
        let triples = ["aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-unknown-linux-musl"];
        assert_eq!(nearest("x86_64-linux-musl", triples), Some("x86_64-unknown-linux-musl"));
        assert_eq!(nearest("x86_64-windows-gnu", triples), Some("x86_64-pc-windows-gnu"));
    }
}
