//! Prints the page about a build that never was, to be looked at:
//! `cargo run -p xbuild-output --example timings -- 2000 8 > page.html`, with numbers of units and of jobs.

#[path = "../tests/timings/synthetic.rs"]
mod synthetic;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<usize>().ok());
    let units = numbers.next().unwrap_or(170);
    let jobs = numbers.next().unwrap_or(2);
    let cached_percent = numbers.next().unwrap_or(20);
    print!("{}", xbuild_output::timings_page(&synthetic::build(units, jobs, cached_percent)));
}
