//! smoke
use xbuild_base::Sha256;
use xbuild_fetch::{Event, Fetcher, FixedOutput, InMemory, Place, Progress, Settings, Unpack};
struct P;
impl Progress for P { fn event(&self, n: &str, e: Event<'_>) { match e { Event::Retrying{..} | Event::Failed => eprintln!("{n} {e:?}"), _ => {} } } }
fn main() {
    let text = std::fs::read_to_string("toolchains.toml").unwrap();
    let mut wanted = std::collections::BTreeMap::new();
    for line in text.lines().filter(|l| l.contains("path = \"pool")) {
        let f = |k: &str| line.split(&format!("{k} = \"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
        if f("arch") == "arm64" { continue }
        let sha = Sha256::from_hex(&f("sha256")).unwrap();
        let base = std::env::args().nth(1).unwrap();
        wanted.insert(sha, FixedOutput { name: f("name") + " " + &f("version"), sha256: sha, size: None, places: vec![Place::from_url(&format!("{base}/{}", f("path"))).unwrap()], kind: Unpack::Deb });
    }
    let all: Vec<_> = wanted.into_values().collect();
    let t = std::time::Instant::now();
    for chunk in all.chunks(16) {
        let store = InMemory::new().unwrap();
        let f = Fetcher::new(&store, Settings::default(), &P);
        if let Err(e) = f.trees(chunk) { println!("{e}\nhelp: {:?}", e.help()) }
    }
    println!("{} debs {:?}", all.len(), t.elapsed());
}
