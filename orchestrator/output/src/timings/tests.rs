//! What follows from small builds, and what the page says of them.

use std::time::Duration;

use xbuild_action::Times;
use xbuild_base::Digest;

use super::analysis::{Analysis, State, analyse};
use super::{Ending, Fate, Stage, Timings, Unit, Until, timings_page};

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// A unit that ran from one moment to another, in milliseconds.
fn ran(name: &str, from: u64, metadata: Option<u64>, to: u64, needs: &[(usize, Until)]) -> Unit {
    let wall = ms(to - from);
    Unit {
        name: name.to_owned(),
        target: "x86_64-unknown-linux-musl".to_owned(),
        action: Some(Digest::of(name.as_bytes())),
        queued: ms(10),
        started: Some(ms(from)),
        metadata: metadata.map(ms),
        ended: Some(ms(to)),
        fate: Fate::Executed,
        times: Some(Times { wall, cpu: wall / 2, peak_memory: 1 << 20 }),
        needs: needs.to_vec(),
    }
}

/// A unit whose result was found at a moment.
fn found(name: &str, at: u64, needs: &[(usize, Until)]) -> Unit {
    let times = Times { wall: ms(700), cpu: ms(900), peak_memory: 0 };
    Unit { started: None, fate: Fate::Cached, times: Some(times), ..ran(name, at, None, at, needs) }
}

fn timings(units: Vec<Unit>) -> Timings {
    let ended = units.iter().filter_map(|unit| unit.ended).max().unwrap_or_default();
    Timings {
        project: "app".to_owned(),
        request: "release".to_owned(),
        program: "xbuild 1.2.3".to_owned(),
        began: None,
        wall: ended + ms(5),
        jobs: 2,
        ending: Ending::Succeeded,
        stages: vec![Stage { name: "plan".to_owned(), from: ms(0), to: ms(10) }],
        units,
    }
}

/// The critical path: name, milliseconds waited, milliseconds taken.
fn path(timings: &Timings, analysis: &Analysis) -> Vec<(String, u128, u128)> {
    let name = |entry: usize| timings.units[analysis.entries[entry].units[0]].name.clone();
    let step =
        |step: &super::analysis::Step| (name(step.entry), step.waited.as_millis(), step.took.as_millis());
    analysis.path.iter().map(step).collect()
}

fn steps(expected: &[(&str, u128, u128)]) -> Vec<(String, u128, u128)> {
    expected.iter().map(|&(name, waited, took)| (name.to_owned(), waited, took)).collect()
}

#[test]
fn the_critical_path_follows_what_each_waited_for_longest() {
    let timings = timings(vec![
        ran("short", 10, None, 50, &[]),
        ran("long", 10, None, 110, &[]),
        ran("app", 130, None, 180, &[(0, Until::End), (1, Until::End)]),
        ran("aside", 110, None, 170, &[(0, Until::End)]),
    ]);
    let analysis = analyse(&timings);
    assert_eq!(path(&timings, &analysis), steps(&[("long", 0, 100), ("app", 20, 50)]));
    assert_eq!(analysis.longest_chain, ms(150));
    assert_eq!(analysis.busy, ms(170));
}

#[test]
fn a_dependent_that_starts_at_the_metadata_counts_from_there() {
    let timings = timings(vec![
        ran("base", 10, Some(40), 200, &[]),
        ran("middle", 40, Some(90), 150, &[(0, Until::Metadata)]),
        ran("top", 95, None, 260, &[(0, Until::Metadata), (1, Until::Metadata)]),
    ]);
    let analysis = analyse(&timings);
    assert_eq!(path(&timings, &analysis), steps(&[("base", 0, 30), ("middle", 0, 50), ("top", 5, 165)]));
    assert_eq!(analysis.longest_chain, ms(30 + 50 + 165));

    // The program needs all to have ended, and one ended late.
    let mut linked = timings.clone();
    linked.units[0].ended = Some(ms(300));
    let needs = [0, 1, 2].map(|unit| (unit, Until::End));
    linked.units.push(ran("program", 300, None, 320, &needs));
    let analysis = analyse(&linked);
    assert_eq!(path(&linked, &analysis), steps(&[("base", 0, 290), ("program", 0, 20)]));
}

#[test]
fn the_path_looks_through_what_was_cached() {
    let timings = timings(vec![
        ran("edited", 10, None, 100, &[]),
        found("same bytes", 101, &[(0, Until::End)]),
        found("there from the start", 11, &[]),
        ran("late", 104, None, 160, &[(1, Until::End), (2, Until::End)]),
    ]);
    let analysis = analyse(&timings);
    assert_eq!(path(&timings, &analysis), steps(&[("edited", 0, 90), ("late", 4, 56)]));
    let late = analysis.entries.iter().find(|entry| entry.units == [3]).unwrap();
    assert_eq!(late.ready, ms(101));
    assert_eq!((analysis.saved.wall, analysis.saved.cpu), (ms(1400), ms(1800)));
}

#[test]
fn units_of_one_action_are_one_entry() {
    let mut other = ran("shared", 10, None, 60, &[]);
    (other.started, other.fate, other.target) = (None, Fate::Cached, "host".to_owned());
    let timings = timings(vec![
        other,
        ran("shared", 10, None, 60, &[]),
        ran("for one", 60, None, 90, &[(0, Until::End)]),
        ran("for the other", 90, None, 100, &[(1, Until::End)]),
    ]);
    let analysis = analyse(&timings);
    assert_eq!(analysis.entries.len(), 3);
    assert_eq!((&analysis.entries[0].units[..], analysis.entries[0].state), (&[1, 0][..], State::Executed));
    assert_eq!(path(&timings, &analysis), steps(&[("shared", 0, 50), ("for the other", 30, 10)]));
    assert_eq!(analysis.cpu, ms(25 + 15 + 5), "the shared one counts once");
}

#[test]
fn what_another_process_built_is_no_work_of_this_build() {
    let mut elsewhere = ran("elsewhere", 10, None, 60, &[]);
    elsewhere.fate = Fate::Cached;
    let timings = timings(vec![elsewhere, ran("app", 60, None, 80, &[(0, Until::End)])]);
    let analysis = analyse(&timings);
    assert_eq!(analysis.entries[0].state, State::Elsewhere);
    assert_eq!(path(&timings, &analysis), steps(&[("elsewhere", 0, 50), ("app", 0, 20)]));
    assert_eq!((analysis.cpu, analysis.saved.cpu), (ms(10), ms(0)));
}

/// A build that failed: one unit did, one was stopped, one was never tried.
fn failed() -> Timings {
    let mut wrong = ran("wrong", 10, None, 70, &[]);
    wrong.fate = Fate::Failed;
    let mut stopped = ran("stopped", 20, None, 30, &[]);
    (stopped.fate, stopped.ended, stopped.times) = (Fate::Unfinished, None, None);
    let mut untried = ran("untried", 20, None, 30, &[(0, Until::End)]);
    (untried.fate, untried.started, untried.ended) = (Fate::Unfinished, None, None);
    (untried.action, untried.times) = (None, None);
    Timings { ending: Ending::Failed, ..timings(vec![wrong, stopped, untried]) }
}

#[test]
fn a_build_that_failed_shows_what_ran_until_then() {
    let timings = failed();
    let analysis = analyse(&timings);
    let states: Vec<State> = analysis.entries.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [State::Failed, State::Interrupted, State::Untried]);
    assert_eq!(analysis.entries[1].span.unwrap().end, timings.wall);
    let page = timings_page(&timings);
    for text in ["failed</span>", "1 interrupted", "1 not tried", r#"["failed","interrupted","untried"]"#] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn the_page_says_what_was_built_and_for_how_long() {
    let timings = timings(vec![
        ran("base", 10, Some(40), 200, &[]),
        found("old", 11, &[]),
        ran("top", 45, None, 260, &[(0, Until::Metadata)]),
    ]);
    let page = timings_page(&timings);
    for text in [
        "<title>app · timings</title>",
        "xbuild 1.2.3",
        "2 actions at once",
        "<dd>250 ms</dd><dd class=\"more\">2 actions, 5 ms of it waiting</dd>",
        "saved 700 ms, 900 ms of CPU",
        "<dd>0.81 <small>of 2</small></dd>",
        "<td>metadata</td>",
        r#""names":["base","old","top"]"#,
        r#""start":[10000,null,45000]"#,
        r#""cause":[null,null,0]"#,
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
}

#[test]
fn names_stay_text() {
    let evil = r#"</script><script>alert(1)</script><img src=x onerror="alert('2')">&amp;<!--"#;
    let mut timings = timings(vec![ran("harmless", 10, None, 60, &[])]);
    let harmless = timings_page(&timings).matches('<').count();
    timings.units[0].name = evil.to_owned();
    timings.units[0].target = evil.to_owned();
    for text in [&mut timings.project, &mut timings.request, &mut timings.program] {
        *text = evil.to_owned();
    }
    timings.stages[0].name = evil.to_owned();
    let page = timings_page(&timings);
    assert!(!page.contains("<script>alert") && !page.contains("<img") && !page.contains("<!--"));
    // The two scripts of the page, and none that begins or ends elsewhere.
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2));
    assert_eq!(page.matches('<').count(), harmless, "no name opens an element");
    // The script still gets them as they are.
    let data = page.split("application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((&data["names"][0], &data["targets"][0]), (&evil.into(), &evil.into()));
    assert_eq!(data["stages"][0][0], evil);
}

#[test]
fn nothing_at_all_makes_a_page_too() {
    let page = timings_page(&timings(Vec::new()));
    assert!(page.contains("<dd>0</dd>") && page.ends_with("</html>\n"));
}

#[test]
fn needs_that_make_no_sense_do_no_harm() {
    let timings = timings(vec![
        ran("circle", 10, None, 60, &[(1, Until::End), (0, Until::End), (99, Until::End)]),
        ran("other", 10, None, 60, &[(0, Until::End)]),
    ]);
    assert_eq!(analyse(&timings).path.len(), 2);
}
