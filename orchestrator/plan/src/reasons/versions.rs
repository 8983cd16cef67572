//! A unit that has taken the place of one of another version, and what follows from that alone.

use std::collections::BTreeMap;

use xbuild_base::RelPath;

use super::{Components, Ingredients, Reason, Side};
use crate::label::Label;

/// Which of the labels of an earlier run is that of the unit whose place one has taken that wasn't there: the same, but for
/// its version or where it comes from. `is_there` says which labels are in the run that has it. Of several it is the one
/// whose version begins as the new one does: packages may be there in more than one.
#[must_use]
pub fn predecessor<'l>(
    label: &Label,
    before: impl IntoIterator<Item = &'l Label>,
    is_there: impl Fn(&Label) -> bool,
) -> Option<&'l Label> {
    let Label { package, version, what, checker, platform, package_id: _, local: _ } = label;
    let is_of_same = |other: &&Label| {
        (&other.package, &other.what, &other.checker, &other.platform) == (package, what, checker, platform)
    };
    let in_common = |other: &&Label| {
        let parts = version.split('.').zip(other.version.split('.'));
        parts.take_while(|(a, b)| a == b).count()
    };
    before
        .into_iter()
        .filter(is_of_same)
        .filter(|other| *other != label && !is_there(other))
        .max_by_key(in_common)
}

/// What makes a unit another one than an earlier one of the same name, and no action of it.
pub(super) fn of_package(old: &Label, new: &Label) -> Option<Reason> {
    if old.version != new.version {
        return Some(Reason::Version { old: old.version.clone(), new: new.version.clone() });
    }
    let (old, new) = (&old.package_id, &new.package_id);
    (old != new).then(|| Reason::Package { old: old.clone(), new: new.clone() })
}

/// Whether a difference is only what another version of a package says of itself.
pub(super) fn is_of_version(reason: &Reason, new: &Label) -> bool {
    match reason {
        Reason::Argument { old, new } => {
            let is_of_manifest =
                |word: &String| ["--edition=", "--check-cfg "].iter().any(|start| word.starts_with(start));
            old.iter().chain(new).all(is_of_manifest)
        }
        Reason::Variable { name, .. } => name.starts_with("CARGO_PKG_"),
        Reason::Source(difference) => difference.path.components().any(|part| part == folder(new)),
        _ => false,
    }
}

/// What the folder of a fetched package is called.
fn folder(Label { package, version, .. }: &Label) -> String {
    format!("{package}-{version}")
}

/// What an action is called otherwise for the version alone, or for the commit of a repository: as it was, and as it is.
pub(super) fn renames(components: &Components, old: Side<'_>, new: Side<'_>) -> BTreeMap<String, String> {
    let mut renames = BTreeMap::new();
    if old.label.version != new.label.version {
        renames.insert(folder(old.label), folder(new.label));
    }
    let (was, is) = (&old.ingredients.mounts, &new.ingredients.mounts);
    let name = |tree| components.get(tree).map(|component| component.name.as_str());
    for (place, tree) in was.iter().filter(|(place, _)| !is.contains_key(*place)) {
        let mut come = is.iter().filter(|(place, _)| !was.contains_key(*place));
        let same = come.find(|(_, other)| name(tree).is_some() && name(other) == name(tree));
        renames.extend(same.map(|(other, _)| (place.to_string(), other.to_string())));
    }
    renames
}

/// What an action is made of, with everything called as a later one calls it.
pub(super) fn renamed(old: &Ingredients, renames: &BTreeMap<String, String>) -> Ingredients {
    let text = |text: &str| renames.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new));
    let path = |path: &RelPath| RelPath::new(text(path.as_str())).unwrap_or_else(|_| path.clone());
    let Ingredients {
        argv,
        environment,
        layers,
        mounts,
        observed,
        files,
        programs,
        directories,
        working_directory,
        outputs,
    } = old;
    Ingredients {
        argv: argv.iter().map(|word| text(word)).collect(),
        environment: environment.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        layers: layers.clone(),
        mounts: mounts.iter().map(|(place, tree)| (path(place), *tree)).collect(),
        observed: observed.iter().map(path).collect(),
        files: files.iter().map(|(place, file)| (path(place), *file)).collect(),
        programs: programs.iter().map(path).collect(),
        directories: directories.iter().map(path).collect(),
        working_directory: working_directory.as_ref().map(path),
        outputs: outputs.iter().map(path).collect(),
    }
}

#[cfg(test)]
mod tests {
    use xbuild_action::Memory;

    use super::super::reasons;
    use super::super::tests::{ingredients, label};
    use super::*;
    use crate::label::What;
    use crate::reasons::Component;
    use crate::trees::tree;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn a_unit_has_taken_the_place_of_one_that_is_gone() {
        let labels = ["1.0.1", "1.2.0", "2.0.0"].map(|version| label("foo", version));
        let new = label("foo", "1.2.1");
        let found = |labels: &[Label], there: &[&str]| {
            let is_there = |label: &Label| there.contains(&label.version.as_str());
            predecessor(&new, labels, is_there).map(|label| label.version.clone())
        };
        assert_eq!(found(&labels, &[]).as_deref(), Some("1.2.0"));
        assert_eq!(found(&labels, &["1.2.0"]).as_deref(), Some("1.0.1"));
        assert_eq!(found(&labels, &["1.0.1", "1.2.0", "2.0.0"]), None);
        assert_eq!(found(std::slice::from_ref(&new), &[]), None);
        let others = [
            label("bar", "1.2.0"),
            Label { what: What::BuildScript, ..label("foo", "1.2.0") },
            Label { platform: "host".to_owned(), ..label("foo", "1.2.0") },
        ];
        assert_eq!(found(&others, &[]), None);
        let moved = Label { package_id: "git+u#foo@1.2.1".to_owned(), ..new.clone() };
        assert_eq!(found(&[moved], &[]).as_deref(), Some("1.2.1"));
    }

    #[test]
    fn another_version_is_told_and_not_all_that_it_says_of_itself() {
        let store = Memory::default();
        let of = |version: &str, edition: &str, more: &[&str]| {
            let folder = format!("build/crates/foo-{version}");
            let (edition, source) = (format!("--edition={edition}"), format!("/{folder}/src/lib.rs"));
            let words = [&["rustc", &edition, &source][..], more].concat();
            let mut of = ingredients(&words);
            of.environment.insert("CARGO_PKG_VERSION".to_owned(), version.to_owned());
            of.environment.insert("CARGO_MANIFEST_DIR".to_owned(), format!("/{folder}"));
            of.mounts.insert(path(&folder), tree(&store, &[("lib.rs", version)]));
            of
        };
        let (old, new) = (label("foo", "1.0.1"), label("foo", "1.0.2"));
        let told = |was: &Ingredients, is: &Ingredients| {
            let (was, is) = (Side { label: &old, ingredients: was }, Side { label: &new, ingredients: is });
            let found = reasons(&store, &Components::new(), was, is);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let was = of("1.0.1", "2018", &[]);
        assert_eq!(told(&was, &of("1.0.2", "2021", &[])), ["version 1.0.1 → 1.0.2"]);
        let with_more = of("1.0.2", "2018", &["--cfg", "feature=\"more\"", "-C", "opt-level=0"]);
        let expected = ["version 1.0.1 → 1.0.2", "feature `more` is on", "argument `-C opt-level=0` is new"];
        assert_eq!(told(&was, &with_more), expected);
    }

    #[test]
    fn a_repository_s_commit_is_told_and_not_its_files() {
        let store = Memory::default();
        let [old, new] = ["old", "new"].map(|text| tree(&store, &[("lib.rs", text)]));
        let of = |commit: &str| Component {
            name: "https://git.example/foo".to_owned(),
            versions: [("https://git.example/foo".to_owned(), commit.to_owned())].into(),
            is_pending: false,
        };
        let components: Components = [(old, of("aaaaaaa")), (new, of("bbbbbbb"))].into();
        let at = |commit: &str, tree| {
            let folder = format!("build/cargo/git/checkouts/foo-0123456789abcdef/{commit}");
            let mut of = ingredients(&["rustc", &format!("/{folder}/src/lib.rs")]);
            of.mounts.insert(path(&folder), tree);
            of
        };
        let label = label("foo", "1.0.0");
        let (was, is) = (at("aaaaaaa", old), at("bbbbbbb", new));
        let (was, is) = (Side { label: &label, ingredients: &was }, Side { label: &label, ingredients: &is });
        let found = reasons(&store, &components, was, is);
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["https://git.example/foo aaaaaaa → bbbbbbb"]);
    }
}
