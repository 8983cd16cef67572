//! What a call has otherwise than the description, as a part of names.

use serde::Serialize;
use xbuild_base::Hasher;

/// The longest text of overrides that stands in a file's name as it is, in bytes: such a name has room for 255, and holds
/// more than this.
const LONGEST: usize = 64;
/// Digits of a checksum that tell names apart whose texts were changed.
const DIGITS: usize = 8;

/// The values that a call has otherwise than the description, each as `KEY=VALUE`, in an order that does not depend on
/// the one in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Overrides(Vec<String>);

impl Overrides {
    /// Those of a call, in their order.
    #[must_use]
    pub const fn new(values: Vec<String>) -> Self {
        Self(values)
    }

    /// Whether everything is as the description says.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of something, a variant or an image, as people are told it: `default[profile=dev features=a,b]`.
    #[must_use]
    pub fn told(&self, name: &str) -> String {
        if self.is_empty() { name.to_owned() } else { format!("{name}[{}]", self.0.join(" ")) }
    }

    /// A variant's name in the names of files and folders: `default+profile=dev+features=a,b`. No variant is called so,
    /// for none has a `=` in its name.
    #[must_use]
    pub fn in_files(&self, variant: &str) -> String {
        if self.is_empty() { variant.to_owned() } else { format!("{variant}+{}", self.for_files()) }
    }

    /// The tag that an image has where none is named for it: `profile-dev`; none where nothing is otherwise.
    #[must_use]
    pub fn tag(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.for_files().replace(['+', '=', ','], "-"))
    }

    /// All of them in letters, digits and `.,=_-`, with `+` between. Other characters are `_`; where there are such, or
    /// the text is long and is cut, digits of its checksum follow.
    fn for_files(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '=' | '_' | '-');
        let plain: Vec<String> = self.0.iter().map(|one| one.replace(|c: char| !is_plain(c), "_")).collect();
        let mut text = plain.join("+");
        if plain != self.0 || text.len() > LONGEST {
            let mut whole = Hasher::default();
            self.0.iter().for_each(|one| whole.update_framed(one));
            text.truncate(LONGEST);
            text = format!("{text}-{}", &whole.sha256().to_hex()[..DIGITS]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Overrides {
        Overrides::new(values.iter().map(|&value| value.to_owned()).collect())
    }

    #[test]
    fn names_are_plain_where_nothing_is_otherwise() {
        let none = Overrides::default();
        assert_eq!(
            (none.told("default"), none.in_files("small")),
            ("default".to_owned(), "small".to_owned())
        );
        assert_eq!(none.tag(), None);
        assert_eq!(serde_json::to_string(&none).unwrap(), "[]");
    }

    #[test]
    fn names_tell_what_is_otherwise() {
        let two = of(&["profile=dev", "features=a,b"]);
        assert_eq!(two.told("default"), "default[profile=dev features=a,b]");
        assert_eq!(two.in_files("default"), "default+profile=dev+features=a,b");
        assert_eq!(two.tag().unwrap(), "profile-dev-features-a-b");
        assert_eq!(serde_json::to_string(&two).unwrap(), r#"["profile=dev","features=a,b"]"#);
    }

    #[test]
    fn no_two_texts_have_one_name_in_files() {
        let texts: [&[&str]; 7] = [
            &["features=a/b"],
            &["features=a_b"],
            &["features=a+b"],
            &["features=a", "b"],
            &["features=a?/b"],
            &["env.X=é"],
            &["env.X=\"../..\""],
        ];
        let long = "x".repeat(300);
        let long = [of(&[&format!("env.X={long}")]), of(&[&format!("env.X={long}y")])];
        let all: Vec<Overrides> = texts.iter().map(|values| of(values)).chain(long).collect();
        for (at, one) in all.iter().enumerate() {
            for name in [one.in_files("default"), one.tag().unwrap()] {
                let is_safe = |c: char| c.is_ascii_alphanumeric() || "+.,=_-".contains(c);
                assert!(name.chars().all(is_safe) && name.len() <= 100, "{name}");
            }
            for other in &all[at + 1..] {
                assert_ne!(one.in_files("default"), other.in_files("default"));
            }
        }
        assert_eq!(of(&["features=a/b"]).in_files("small"), "small+features=a_b-f43416c0");
    }
}
