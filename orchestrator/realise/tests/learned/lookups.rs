//! What is found by the second level, and when.

use xbuild_action::ActionCache as _;
use xbuild_realise::engine::Source;

use crate::package::{Node, Package};
use crate::program::Step;
use crate::world::{One, World, build, path, seen};

crate::tests![
    what_nobody_reads_may_change,
    a_result_that_is_gone_is_no_hit,
    a_result_of_no_use_is_forgotten_at_both_levels,
    a_dry_run_knows_what_was_learned,
    several_notes_of_one_shape_are_kept,
    what_was_looked_at_is_told,
];

fn file(text: &'static str) -> Node {
    Node::File { text, executable: false }
}

/// `a` is read, `b` isn't.
fn package(a: &'static str, b: &'static str) -> Package {
    Package { nodes: [("a", file(a)), ("b", file(b))].into(), beside: "" }
}

fn program() -> Vec<Step> {
    vec![Step::Read("a".to_owned()), Step::List(".".to_owned())]
}

fn what_nobody_reads_may_change() {
    let world = World::new();
    let engine = world.engine(&world.sandbox);
    let build = |package: &Package| build(&engine, world.bound(package, &program()));
    let (first, source, action) = build(&package("one", "two"));
    assert_eq!(source, Source::Executed);

    let edited = package("one", "longer");
    let (result, source, own) = build(&edited);
    assert_eq!((&result, source), (&first, Source::Learned(action)));
    assert_eq!(build(&edited).1, Source::Cached, "by its first key, the next time");
    assert_eq!(world.store.result(own).unwrap(), Some(first.clone()));

    assert_eq!(build(&package("two", "longer")).1, Source::Executed, "what is read");
    let mut listed = edited.clone();
    listed.nodes.insert("p/a", file("one"));
    assert_eq!(build(&listed).1, Source::Executed, "what is listed");
    let mut beside = edited.clone();
    beside.beside = "one";
    assert_eq!(build(&beside).1, Source::Executed, "what is not observed");
    // Elsewhere, or by an older xbuild, nobody looked: all of it counts.
    let mut unobserved = world.bound(&package("one", "p/a"), &program());
    unobserved.observe.clear();
    assert_eq!(crate::world::build(&engine, unobserved).1, Source::Executed);
}

fn a_result_that_is_gone_is_no_hit() {
    let world = World::new();
    let engine = world.engine(&world.sandbox);
    let (_, _, action) = build(&engine, world.bound(&package("one", "two"), &program()));
    world.store.forget_result(action).unwrap();
    let edited = world.bound(&package("one", "longer"), &program());
    assert_eq!(build(&engine, edited).1, Source::Executed);
    // And its own note leads on.
    assert!(matches!(build(&engine, world.bound(&package("one", ""), &program())).1, Source::Learned(_)));
}

fn a_result_of_no_use_is_forgotten_at_both_levels() {
    let world = World::new();
    let engine = world.engine(&world.sandbox);
    build(&engine, world.bound(&package("one", "two"), &program()));
    let edited = world.bound(&package("one", "longer"), &program());
    let mut nonsense = One::new(edited.clone());
    nonsense.is_nonsense = true;
    assert_eq!(nonsense.run(&engine).failed, 1);
    assert_eq!(build(&engine, edited).1, Source::Executed);
}

fn a_dry_run_knows_what_was_learned() {
    let world = World::new();
    let engine = world.engine(&world.sandbox);
    build(&engine, world.bound(&package("one", "two"), &program()));
    let missing = |package| engine.missing(&mut One::new(world.bound(&package, &program()))).unwrap();
    assert_eq!(missing(package("one", "longer")), Vec::<usize>::new());
    assert_eq!(missing(package("longer", "two")), [0]);
}

fn several_notes_of_one_shape_are_kept() {
    let world = World::new();
    let engine = world.engine(&world.sandbox);
    let mut actions = Vec::new();
    for a in ["one", "two", "longer"] {
        let (_, source, action) = build(&engine, world.bound(&package(a, "two"), &program()));
        assert_eq!(source, Source::Executed);
        actions.push((a, action));
    }
    for (a, action) in actions {
        let (_, source, _) = build(&engine, world.bound(&package(a, "longer"), &program()));
        assert_eq!(source, Source::Learned(action), "switched back to {a}");
    }
}

fn what_was_looked_at_is_told() {
    let world = World::new();
    let engine = world.engine(&world.sandbox);
    let seen = |b| seen(&engine, world.bound(&package("one", b), &program()));
    let (source, first) = seen("two");
    let first = first.unwrap();
    assert_eq!(source, Source::Executed);
    assert!(first.contains(&path("build/ws/a")) && !first.contains(&path("build/ws/b")), "{first:?}");
    let (source, again) = seen("longer");
    assert!(matches!(source, Source::Learned(_)));
    assert_eq!(again, Some(first));
    // Whoever finds it by its own key hasn't looked.
    assert_eq!(seen("longer"), (Source::Cached, None));
}
