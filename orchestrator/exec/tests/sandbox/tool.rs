//! What the tests run inside (and outside) of the sandbox where a shell can't: this program, with an argument.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::world::World;

/// The first argument.
pub(crate) const ARGUMENT: &str = "__tool";

/// Runs a verb of the tool if asked to, and ends the process.
pub(crate) fn run_if_asked() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((ARGUMENT, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
        return;
    };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let result = run(&rest);
    if let Err(error) = &result {
        eprintln!("{error}");
    }
    #[expect(clippy::disallowed_methods, reason = "a test program")]
    std::process::exit(i32::from(result.is_err()));
}

fn run(arguments: &[&str]) -> std::io::Result<()> {
    match arguments {
        ["connect", address] => TcpStream::connect(address).map(drop),
        ["look", how @ .., path] => crate::look::look(how, path),
        ["serve-myself"] => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            TcpStream::connect(listener.local_addr()?).map(drop)
        }
        ["bind", socket] => UnixListener::bind(socket).map(drop),
        ["allocate", mebibytes] => {
            let mebibytes: usize = mebibytes.parse().map_err(std::io::Error::other)?;
            let memory: Vec<Vec<u8>> = (0..mebibytes).map(|_| vec![1; 1 << 20]).collect();
            std::thread::sleep(Duration::from_secs(30));
            println!("{}", memory.len());
            Ok(())
        }
        ["fork-without-end", seconds] => loop {
            // Whether there is room for another one is not this program's worry.
            drop(std::process::Command::new("/usr/bin/sleep").arg(seconds).spawn());
        },
        // The rest runs outside: a whole xbuild, so to speak.
        ["ordinary-user", folder] => {
            let world = World::at(Path::new(folder));
            assert_eq!(world.prints("id -u; echo out > x; cat x"), "1000\nout\n");
            let action =
                world.script("mkdir -p out; echo y > out/f; chmod 0 out/f; chmod 0 out", &["build/out"]);
            let ran = world.run(&action);
            assert_eq!(world.output_tree(&ran, "build/out").len(), 1);
            Ok(())
        }
        // What one action costs; by hand: `cargo test -p xbuild-exec --test sandbox -- __tool bench FOLDER 100`.
        ["bench", folder, count] => {
            let world = World::at(Path::new(folder));
            let count: u32 = count.parse().map_err(std::io::Error::other)?;
            let mut action = world.script("exit 0", &["build/out/x"]);
            for number in 0..50 {
                let at = crate::world::path(&format!("build/deps/{number}"));
                action.inputs.files.insert(at, world.file(&number.to_string()));
            }
            world.run(&action).success();
            let cpu = || {
                let who = [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN];
                let used = who.map(|who| getrusage(who).map(|usage| usage.user_time() + usage.system_time()));
                used.into_iter().flatten().map(|time| time.num_microseconds()).sum::<i64>()
            };
            let (start, before) = (std::time::Instant::now(), cpu());
            for _ in 0..count {
                world.run(&action).success();
            }
            let used = (cpu() - before) / i64::from(count);
            println!("an action: {:?} wall, {used} µs CPU", start.elapsed() / count);
            Ok(())
        }
        // What it costs to be observed: a look at a file, COUNT times, and a compilation by the rustc in SYSROOT (what
        // `rustc --print sysroot` prints). By hand, as above.
        ["bench-look", folder, count] => {
            let world = World::at(Path::new(folder));
            let looks = format!("i=0; while [ $i -lt {count} ]; do [ -e ws/a ]; i=$((i+1)); done");
            bench_observed(&world, world.script(&looks, &[]), &[("a", "")]);
            Ok(())
        }
        ["bench-compile", folder, sysroot] => {
            let world = World::at(Path::new(folder));
            let mut action = world.script("rustc --crate-type lib --emit metadata,link -O ws/lib.rs", &[]);
            action.inputs.layers.push(world.rustc(Path::new(sysroot)));
            let text = "use std::collections::BTreeMap;\npub mod more;\n\
                        pub fn count(words: &[String]) -> BTreeMap<&str, usize> {\n    \
                        let mut map = BTreeMap::new();\n    \
                        for word in words { *map.entry(word.as_str()).or_default() += 1; }\n    map\n}\n";
            bench_observed(&world, action, &[("lib.rs", text), ("more.rs", "pub fn more() {}\n")]);
            Ok(())
        }
        ["parent", folder, marker] => {
            let world = World::at(Path::new(folder));
            world.run(&world.script(
                &format!("sh -c 'trap \"\" TERM HUP INT; sleep {marker}; sleep {marker}' & sleep {marker}"),
                &[],
            ));
            Ok(())
        }
        ["parent-none", folder, marker] => {
            let world = World::at(Path::new(folder));
            let mut action = world.script(&format!("sleep {marker} & sleep {marker}"), &[]);
            action.isolation = xbuild_action::Isolation::None;
            world.run(&action);
            Ok(())
        }
        _ => Err(std::io::Error::other(format!("no such verb: {arguments:?}"))),
    }
}

/// Runs an action by turns untold and told of.
fn bench_observed(world: &World, mut action: crate::world::Action, sources: &[(&str, &str)]) {
    let folder = crate::world::path("build/ws");
    action.inputs.mounts.insert(folder.clone(), world.tree(sources));
    world.run(&action).success();
    for pair in 0..15 {
        let times = [false, true].map(|is_observed| {
            action.observe = is_observed.then(|| folder.clone()).into_iter().collect();
            world.run(&action).success().times
        });
        let [untold, told] = times.map(|times| format!("{:?} ({:?} CPU)", times.wall, times.cpu));
        println!("pair {pair}: {untold}, observed {told}");
    }
}
