use xbuild_action::{ContentExt as _, Directory, File, Memory};

use super::*;

pub(super) fn label(package: &str, version: &str) -> Label {
    Label {
        package: package.to_owned(),
        version: version.to_owned(),
        package_id: format!("registry+r#{package}@{version}"),
        what: crate::label::What::Library,
        checker: None,
        platform: "x86_64-unknown-linux-musl".to_owned(),
        local: false,
    }
}

pub(super) fn ingredients(argv: &[&str]) -> Ingredients {
    Ingredients {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        environment: BTreeMap::new(),
        layers: Vec::new(),
        mounts: BTreeMap::new(),
        observed: BTreeSet::new(),
        files: BTreeMap::new(),
        programs: BTreeSet::new(),
        directories: BTreeSet::new(),
        working_directory: None,
        outputs: BTreeSet::new(),
    }
}

fn found(store: &Memory, old: &Ingredients, new: &Ingredients) -> Vec<Reason> {
    let label = label("foo", "1.0.0");
    let [old, new] = [old, new].map(|ingredients| Side { label: &label, ingredients });
    reasons(store, &Components::new(), old, new)
}

fn told(store: &Memory, old: &Ingredients, new: &Ingredients) -> Vec<String> {
    found(store, old, new).iter().map(ToString::to_string).collect()
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

#[test]
fn features_and_arguments_are_told_apart_and_hashes_are_none() {
    let store = Memory::default();
    let old = ingredients(&[
        "rustc",
        "--cfg",
        "feature=\"a\"",
        "-C",
        "opt-level=3",
        "-C",
        "metadata=0123456789abcdef",
        "-C",
        "strip=debuginfo",
        "--extern",
        "x=/build/deps/libx-0123456789abcdef.rmeta",
    ]);
    let new = ingredients(&[
        "rustc",
        "--cfg",
        "feature=\"b\"",
        "-C",
        "opt-level=0",
        "-C",
        "metadata=ffffffffffffffff",
        "--extern",
        "x=/build/deps/libx-ffffffffffffffff.rmeta",
    ]);
    let expected = [
        "feature `b` is on",
        "argument `-C opt-level=3` → `-C opt-level=0`",
        "feature `a` is off",
        "argument `-C strip=debuginfo` has gone",
    ];
    assert_eq!(told(&store, &old, &new), expected);
    assert!(told(&store, &new, &new).is_empty());
}

#[test]
fn of_two_trees_the_files_are_told_and_of_a_lost_one_its_place() {
    let store = Memory::default();
    let file =
        |text: &str| Entry::File(File { digest: store.put(text.as_bytes()).unwrap(), executable: false });
    let tree = |entries: &[(&str, Entry)]| {
        let entries = entries.iter().map(|(name, entry)| ((*name).to_owned(), entry.clone())).collect();
        store.put_directory(&Directory { entries }).unwrap()
    };
    let same = Entry::Directory(tree(&[("s", file("same"))]));
    let old = tree(&[("a", file("1")), ("b", file("1")), ("d", same.clone())]);
    let new = tree(&[("a", file("2")), ("c", file("1")), ("d", same)]);
    let with = |tree| Ingredients { mounts: [(path("build/ws"), tree)].into(), ..ingredients(&[]) };
    let expected = ["/build/ws/a has changed", "/build/ws/b has gone", "/build/ws/c is new"];
    assert_eq!(told(&store, &with(old), &with(new)), expected);
    let lost = Directory { entries: [("x".to_owned(), file("lost"))].into() }.digest();
    assert_eq!(told(&store, &with(lost), &with(new)), ["/build/ws has changed"]);
}

#[test]
fn an_artefact_of_another_hash_is_the_same_one_changed() {
    let store = Memory::default();
    let digest = |text: &str| store.put(text.as_bytes()).unwrap();
    let with = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(place, text)| (path(place), digest(text))).collect();
        Ingredients { files, ..ingredients(&[]) }
    };
    let old = with(&[
        ("build/deps/libx-0123456789abcdef.rlib", "1"),
        ("build/deps/liby-0123456789abcdef.rlib", "1"),
    ]);
    let new = with(&[
        ("build/deps/libx-ffffffffffffffff.rlib", "2"),
        ("build/deps/liby-ffffffffffffffff.rlib", "1"),
    ]);
    assert_eq!(told(&store, &old, &new), ["/build/deps/libx-ffffffffffffffff.rlib has changed"]);
}

#[test]
fn an_order_and_what_is_made_are_differences_too() {
    let store = Memory::default();
    let with = |argv: &[&str], outputs: &[&str]| Ingredients {
        outputs: outputs.iter().map(|output| path(output)).collect(),
        ..ingredients(argv)
    };
    let old = with(&["/usr/bin/sort", "a", "b"], &["build/step/x"]);
    let new = with(&["/usr/bin/sort", "b", "a"], &["build/step/y"]);
    let expected = [
        "argument `/usr/bin/sort a b` → `/usr/bin/sort b a`",
        "output /build/step/x has gone",
        "output /build/step/y is new",
    ];
    assert_eq!(told(&store, &old, &new), expected);
    // An older record says nothing of what is made.
    assert_eq!(told(&store, &with(&["a"], &[]), &with(&["a"], &["build/out"])), [] as [&str; 0]);
}

#[test]
fn what_was_there_and_what_is_are_told_when_asked() {
    let store = Memory::default();
    let digest = |text: &str| store.put(text.as_bytes()).unwrap();
    let with = |text: &str, is_program: bool| Ingredients {
        files: [(path("build/bin/app"), digest(text))].into(),
        programs: is_program.then(|| path("build/bin/app")).into_iter().collect(),
        ..ingredients(&[])
    };
    let found = found(&store, &with("1", false), &with("2", true));
    let (old, new) = (digest("1"), digest("2"));
    let [reason] = &found[..] else { panic!("{found:?}") };
    assert_eq!(reason.to_string(), "/build/bin/app has changed");
    assert_eq!(format!("{reason:#}"), format!("/build/bin/app has changed: file {old} → program {new}"));
}

#[test]
fn what_was_not_looked_at_is_no_reason_where_it_is_known_what_was() {
    let store = Memory::default();
    let file =
        |text: &str| Entry::File(File { digest: store.put(text.as_bytes()).unwrap(), executable: false });
    let level = |entries: &[(&str, &str)]| {
        let entries = entries.iter().map(|(name, text)| ((*name).to_owned(), file(text))).collect();
        store.put_directory(&Directory { entries }).unwrap()
    };
    let with = |ws: &[(&str, &str)], made: &str| Ingredients {
        mounts: [(path("build/ws"), level(ws)), (path("build/ws/out"), level(&[("gen.rs", made)]))].into(),
        observed: [path("build/ws")].into(),
        ..ingredients(&[])
    };
    let old = with(&[("a", "1"), ("b", "1"), ("gone", "1")], "1");
    let new = with(&[("a", "2"), ("b", "2"), ("come", "1")], "2");
    let seen: BTreeSet<RelPath> = [path("build/ws/a")].into();
    let is_unseen = |reason: &Reason| (reason.to_string(), old.is_unseen(reason, &seen));
    let found: Vec<(String, bool)> = found(&store, &old, &new).iter().map(is_unseen).collect();
    let expected = [
        ("/build/ws/a has changed", false),
        ("/build/ws/b has changed", true),
        // Names are looked at wherever a folder is.
        ("/build/ws/come is new", false),
        ("/build/ws/gone has gone", false),
        // Nobody has seen who looks at that.
        ("/build/ws/out/gen.rs has changed", false),
    ];
    assert_eq!(found, expected.map(|(text, unseen)| (text.to_owned(), unseen)));
}

#[test]
fn hashes_are_taken_out_of_names_and_nothing_else_is() {
    for (text, short) in [
        ("libx-0123456789abcdef.rmeta", "libx.rmeta"),
        ("/build/script/a-b-0123456789abcdef/out", "/build/script/a-b/out"),
        ("a-0123456789abcde.rs", "a-0123456789abcde.rs"),
        ("a-0123456789abcdef0", "a-0123456789abcdef0"),
        ("a-0123456789abcdeg", "a-0123456789abcdeg"),
        ("gemüse-0123456789abcdef-", "gemüse-"),
        ("--", "--"),
    ] {
        assert_eq!(without_hashes(text), short);
    }
}
