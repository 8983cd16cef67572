//! smoke
use std::collections::BTreeMap;
use std::sync::Arc;
use xbuild_fetch::source::{cargo_config::CargoConfig, crates, lock::Lock, wheel::{PackageIndex, Wheel}};
use xbuild_fetch::{Event, Fetcher, InMemory, Progress, Settings};
struct P;
impl Progress for P { fn event(&self, n: &str, e: Event<'_>) { match e { Event::Retrying{..} | Event::Failed => eprintln!("{n} {e:?}"), _ => {} } } }
fn main() {
    let vars: BTreeMap<String, String> = std::env::vars().collect();
    let s = Settings::from_environment(&|n| vars.get(n).cloned()).unwrap();
    let store = InMemory::new().unwrap();
    let f = Fetcher::new(&store, s, &P);
    let t = std::time::Instant::now();
    let lock = Lock::parse(&std::fs::read_to_string("Cargo.lock").unwrap()).unwrap();
    let config = CargoConfig::load(std::path::Path::new("/work/main"), &vars).unwrap();
    let list = crates::from_lock(&lock, &config).unwrap();
    match crates::fetch(&f, &list) { Ok(t2) => println!("{} crates {:?}", t2.len(), t.elapsed()), Err(e) => println!("{e}\nhelp: {:?}", e.help()) }
    let t = std::time::Instant::now();
    crates::fetch(&f, &list).unwrap();
    println!("again {:?}", t.elapsed());
    let index = Arc::new(PackageIndex::load(&vars, None).unwrap());
    let w = Wheel { name: "six".into(), version: "1.17.0".into(), file_name: "six-1.17.0-py2.py3-none-any.whl".into(),
        sha256: xbuild_base::Sha256::from_hex("4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274").unwrap(), size: None, keep: "".parse().unwrap(), prefix: "".parse().unwrap() };
    match f.trees(&[w.output(&index)]) { Ok(t) => println!("{t:?}"), Err(e) => println!("{e}") }
}
