//! Folders of packages and of build scripts, where texts name them: what a build script says, and what variables hold.

use std::collections::BTreeMap;

/// The folders of packages.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackageFolders {
    /// Folder in the sandbox → the package's identifier.
    by_folder: BTreeMap<String, String>,
    /// Those with something in them that ends a path elsewhere.
    divided: Vec<String>,
}

/// Whether it separates a path from others in lists and flags.
fn ends_path(c: char) -> bool {
    c.is_whitespace() || matches!(c, ':' | ';' | ',' | '=' | '\'' | '"' | '\u{1f}')
}

impl PackageFolders {
    /// Of pairs of a folder and an identifier.
    pub(crate) fn new(folders: impl IntoIterator<Item = (String, String)>) -> Self {
        let by_folder: BTreeMap<String, String> = folders.into_iter().collect();
        let divided = by_folder.keys().filter(|folder| folder.contains(ends_path)).cloned().collect();
        Self { by_folder, divided }
    }

    /// The identifiers of the packages whose folder, or something in it, is named in a text.
    pub(crate) fn named_in<'t>(&'t self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let words = text.split(ends_path).filter_map(|word| {
            // A path begins where no path goes on.
            let path = &word[word.find('/')?..];
            let mut folders = std::iter::successors(Some(path), |path| Some(path.rsplit_once('/')?.0));
            folders.find_map(|folder| self.by_folder.get(folder))
        });
        let divided = self.divided.iter().filter(|folder| {
            let mut rests = text.match_indices(folder.as_str()).map(|(at, _)| &text[at + folder.len()..]);
            rests.any(|rest| rest.chars().next().is_none_or(|next| next == '/' || ends_path(next)))
        });
        words.chain(divided.filter_map(|folder| self.by_folder.get(folder))).map(String::as_str)
    }
}

/// The names of folders that a text has below another. `below` ends in a slash.
pub(crate) fn names_below<'t>(text: &'t str, below: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(below).map(|(at, _)| {
        let rest = &text[at + below.len()..];
        &rest[..rest.find(|c| c == '/' || ends_path(c)).unwrap_or(rest.len())]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_packages_are_found_in_lists_and_flags_whatever_their_names() {
        let folders = ["/build/ws/a", "/build/ws/a/deep", "/build/ws/with blank/gemüse", "/build/ws/x=y"];
        let folders = PackageFolders::new(folders.map(|folder| (folder.to_owned(), folder.to_owned())));
        let named = |text: &str| -> Vec<String> { folders.named_in(text).map(str::to_owned).collect() };
        assert_eq!(named("-L native=/build/ws/a/lib"), ["/build/ws/a"]);
        assert_eq!(named("/build/ws/a/deep/x:/build/ws/ab"), ["/build/ws/a/deep"]);
        assert_eq!(named("native=/build/ws/with blank/gemüse/lib"), ["/build/ws/with blank/gemüse"]);
        assert_eq!(named("'/build/ws/x=y' /build/ws/a"), ["/build/ws/a", "/build/ws/x=y"]);
        assert!(named("/build/ws/with blank/gemüsegarten").is_empty());
    }

    #[test]
    fn names_below_a_folder_may_have_any_letter() {
        let text = "/s/gemüse-01/out:/s/b-02 x/s/c_d-03";
        assert_eq!(names_below(text, "/s/").collect::<Vec<_>>(), ["gemüse-01", "b-02", "c_d-03"]);
    }
}
