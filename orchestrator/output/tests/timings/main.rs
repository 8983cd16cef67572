//! The page about a build's time, as a whole.

mod synthetic;

use std::time::{Duration, Instant};

use synthetic::build;
use xbuild_output::timings_page;

#[test]
fn the_same_build_gives_the_same_page() {
    assert_eq!(timings_page(&build(170, 2, 20)), timings_page(&build(170, 2, 20)));
    assert_ne!(timings_page(&build(170, 2, 20)), timings_page(&build(170, 3, 20)));
}

#[test]
fn the_page_loads_nothing() {
    let page = timings_page(&build(60, 2, 20));
    for outside in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_page_of_five_thousand_units_is_small_and_quickly_made() {
    let build = build(5_000, 8, 10);
    assert!(build.units.len() > 4_990);
    let start = Instant::now();
    let page = timings_page(&build);
    println!("{} bytes in {:?}", page.len(), start.elapsed());
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
