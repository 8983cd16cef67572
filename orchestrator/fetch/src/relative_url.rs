//! Addresses relative to others (RFC 3986, section 5.2), as far as redirections and index pages need
//! them.

/// What `link` means on the page at `base`.
pub(crate) fn join(base: &str, link: &str) -> String {
    if has_scheme(link) {
        return link.to_owned();
    }
    let Some((scheme, rest)) = base.split_once("://") else { return link.to_owned() };
    if let Some(rest) = link.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (link, tail) = link.split_at(link.find(['?', '#']).unwrap_or(link.len()));
    let folder =
        if link.starts_with('/') { "" } else { path.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let slash = if link.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("{scheme}://{host}/{}{slash}{tail}", parts.join("/"))
}

fn has_scheme(link: &str) -> bool {
    link.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn links_mean_what_a_browser_takes_them_for() {
        let base = "https://h.example/simple/zig/?x=1";
        for (link, expected) in [
            ("https://other.example/a", "https://other.example/a"),
            ("//other.example/a", "https://other.example/a"),
            ("/packages/a.whl#sha256=00", "https://h.example/packages/a.whl#sha256=00"),
            ("../../packages/a%20b.whl", "https://h.example/packages/a%20b.whl"),
            ("a.whl", "https://h.example/simple/zig/a.whl"),
            ("../../../../a/", "https://h.example/a/"),
        ] {
            assert_eq!(join(base, link), expected);
        }
        assert_eq!(join("http://h.example", "a"), "http://h.example/a");
    }
}
