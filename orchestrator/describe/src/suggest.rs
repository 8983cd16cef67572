//! "Did you mean": the nearest of the names that are allowed.

/// How alike two names must be to be worth suggesting (Jaro-Winkler, from 0 to 1).
const ALIKE: f64 = 0.85;

/// The nearest of `allowed` to `name`, when one is near enough.
pub(crate) fn nearest<'a>(name: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    allowed
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

/// A help line: the nearest name if there is one, and what is allowed. `what` is their plural.
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
    }

    #[test]
    fn a_triple_without_its_vendor_finds_the_full_one() {
        let triples = ["aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-unknown-linux-musl"];
        assert_eq!(nearest("x86_64-linux-musl", triples), Some("x86_64-unknown-linux-musl"));
        assert_eq!(nearest("x86_64-windows-gnu", triples), Some("x86_64-pc-windows-gnu"));
    }
}
