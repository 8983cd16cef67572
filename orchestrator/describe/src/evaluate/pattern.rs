//! Names with globs: `foo`, `x86_64-*/foo`, `checked/*/foo`.

use globset::{GlobBuilder, GlobMatcher};

/// A name, or a glob of names.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    /// `None` when it is a plain name.
    glob: Option<GlobMatcher>,
}

impl Pattern {
    /// # Errors
    /// What is wrong with the glob.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a name is empty".to_owned());
        }
        let glob = if text.contains(['*', '?', '[', '{']) {
            let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
            Some(glob.map_err(|error| error.kind().to_string())?.compile_matcher())
        } else {
            None
        };
        Ok(Self { text: text.to_owned(), glob })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.names(name) || self.glob.as_ref().is_some_and(|glob| glob.is_match(name))
    }

    /// Whether it is this very name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.glob.is_none() && self.text == name
    }

    /// The name, if it is no glob.
    pub(super) fn literal(&self) -> Option<&str> {
        self.glob.is_none().then_some(&self.text)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// An output selector, `[[<variant>/]<target>/]<name>`.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    /// As it was written.
    pub(super) text: String,
    pub(super) variant: Option<Pattern>,
    pub(super) target: Option<Pattern>,
    pub(super) name: Pattern,
}

impl Selector {
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        // A slash inside braces would be cut in two by this, and no name has one.
        let parts = text.split('/').map(Pattern::new).collect::<Result<Vec<_>, _>>()?;
        let mut parts = parts.into_iter().rev();
        let (Some(name), target, variant, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it has more than three parts".to_owned());
        };
        Ok(Self { text: text.to_owned(), variant, target, name })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn leading_parts_are_optional() {
        let shape = |text: &str| {
            let selector = Selector::new(text).unwrap();
            let text = |pattern: Option<Pattern>| pattern.map(|pattern| pattern.text);
            (text(selector.variant), text(selector.target), selector.name.text)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shape("foo"), (None, None, "foo".to_owned()));
        assert_eq!(shape("x86_64-*/foo"), (None, some("x86_64-*"), "foo".to_owned()));
        assert_eq!(shape("checked/*/foo"), (some("checked"), some("*"), "foo".to_owned()));
        for bad in ["", "/foo", "foo/", "a//b", "a/b/c/d", "[", "{a"] {
            assert!(Selector::new(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_nothing_else(name in "[a-z0-9_-]{1,12}", other in "[a-z0-9_-]{1,12}") {
            let pattern = Pattern::new(&name).unwrap();
            prop_assert!(pattern.matches(&name));
            prop_assert_eq!(pattern.matches(&other), name == other);
        }

        #[test]
        fn a_star_stands_for_any_end(name in "[a-z0-9_-]{1,12}", cut in 0usize..12) {
            let cut = cut.min(name.len());
            let pattern = Pattern::new(&format!("{}*", &name[..cut])).unwrap();
            prop_assert!(pattern.matches(&name));
            let crossing = format!("{}/{}", name, name);
            prop_assert!(!pattern.matches(&crossing));
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,24}") {
            if let Ok(selector) = Selector::new(&text) {
                let _ = selector.name.matches("foo");
            }
        }
    }
}
