//! `[step.NAME]` and `[fetch.NAME]`: what programs make of files goes into packages, images and archives; and steps are
//! explained, planned and reproduced as units are.

mod common;

use std::process::Command;

use common::{Project, TARGETS, said, serve_once};
use flate2::Compression;
use flate2::write::GzEncoder;
use xbuild_base::Sha256;

const MUSL: &str = TARGETS[0];
/// It has a std that needn't be built.
const GNU: &str = "x86_64-unknown-linux-gnu";

#[test]
fn a_package_reads_what_steps_have_made_of_sources_of_others_and_of_the_net() {
    const WORDS: &str = "zwei\neins\nzwei\n";
    let url = serve_once("words.txt", WORDS.as_bytes());
    let project = Project::program(
        "reader",
        "fn main() {\n    print!(\"{}\", include_str!(concat!(env!(\"XBUILD_INPUT_ALL_WORDS\"), \"/out/all.json\")));\n}\n",
    );
    project.write("own/more.txt", "drei\n");
    project.write(
        "tools/join.sh",
        "#!/bin/sh\nset -e\nmkdir out\njq --null-input --raw-input '[inputs]' \"$@\" > out/all.json\n",
    );
    project.write(
        "xbuild.toml",
        &format!(
            "[package.reader]\ninputs = [\"all-words\"]\n\n\
             [fetch.words]\nurl = \"{url}\"\nsha256 = \"{}\"\n\n\
             [step.sorted]\nargv = [\"sort\", \"-u\", \"words\", \"-o\", \"sorted.txt\"]\n\
             inputs = [{{ fetch = \"words\" }}]\noutputs = [\"sorted.txt\"]\n\n\
             [step.all-words]\nargv = [\"sh\", \"tools/join.sh\", \"own/more.txt\", \"sorted.txt\"]\ntools = [\"jq\"]\n\
             inputs = [\"tools/\", \"own/more.txt\", {{ step = \"sorted/sorted.txt\", to = \"sorted.txt\" }}]\n\
             outputs = [\"out\"]\n",
            Sha256::of(WORDS.as_bytes()).to_hex(),
        ),
    );
    let run = || project.xbuild(&["run", "--target", MUSL, "reader"]);
    let printed = run().ok().stdout;
    let printed: Vec<String> = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, ["drei", "eins", "zwei"]);
    assert!(project.read("xbuild.lock").contains("jq"), "the tool is pinned");

    // Cached as a unit is: nothing is run again, and an edit runs what sees it.
    project.xbuild(&["build", "--target", MUSL, "--locked", "--offline"]).ok();
    project.write("own/more.txt", "vier\n");
    assert!(run().ok().stdout.contains("vier"));
}

/// An archive of one file in a folder of its own.
fn archive(path: &str, text: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_step_sees_an_archive_unpacked_and_its_variables_and_is_run_once_for_what_it_sees() {
    let packed = archive("words-1.0/list/words.txt", "packed\n");
    let sha256 = Sha256::of(&packed).to_hex();
    let url = serve_once("words-1.0.tar.gz", packed.leak());
    let project = Project::program(
        "unpacked",
        "fn main() {\n    print!(\"{}\", include_str!(concat!(env!(\"XBUILD_INPUT_MADE\"), \"/made.txt\")));\n}\n",
    );
    // What it makes is another each time: so one sees whether it was run again.
    let describe = |mode: &str| {
        project.write(
            "xbuild.toml",
            &format!(
                "[package.unpacked]\ninputs = [\"made\"]\n\n\
                 [fetch.words]\nurl = \"{url}\"\nsha256 = \"{sha256}\"\nunpack = true\nstrip = 1\n\n\
                 [step.made]\nargv = [\"sh\", \"-c\", \"(cat w/list/words.txt own.txt; echo $MODE; cat /proc/sys/kernel/random/uuid) > made.txt\"]\n\
                 inputs = [\"own.txt\", {{ fetch = \"words\", to = \"w\" }}]\noutputs = [\"made.txt\"]\n\
                 env = {{ MODE = \"{mode}\" }}\n"
            ),
        );
    };
    let run = || -> Vec<String> {
        let ran = project.xbuild(&["run", "-q", "--target", MUSL, "unpacked"]).ok();
        ran.stdout.lines().map(str::to_owned).collect()
    };
    project.write("own.txt", "one\n");
    describe("loud");
    let first = run();
    assert_eq!(first[..3], ["packed", "one", "loud"]);
    project.append("src/main.rs", "// What it doesn't see has changed.\n");
    assert_eq!(run(), first);
    project.write("own.txt", "two\n");
    let second = run();
    assert!(second[..3] == ["packed", "two", "loud"] && second[3] != first[3], "{first:?} {second:?}");
    describe("quiet");
    let third = run();
    assert!(third[..3] == ["packed", "two", "quiet"] && third[3] != second[3], "{second:?} {third:?}");
    project.write("own.txt", "one\n");
    describe("loud");
    assert_eq!(run(), first, "as it was before");
}

#[test]
fn images_and_archives_take_what_steps_have_made_of_outputs() {
    let project = Project::program("packed", "fn main() {\n    println!(\"packed by a step\");\n}\n");
    let step = "[step.packed]\nargv = [\"gzip\", \"-k\", \"bin/packed\"]\n\
                inputs = [{ output = \"packed\", to = \"bin/packed\" }]\noutputs = [\"bin/packed.gz\"]\n";
    project.write(
        "xbuild.toml",
        &format!(
            "[dist]\nfiles = [{{ step = \"packed/bin/packed.gz\" }}]\n\n\
             [image.files]\n\"/srv\" = {{ step = \"packed/bin\" }}\n\n{step}"
        ),
    );
    project.xbuild(&["build", "--target", MUSL]).ok();
    project.xbuild(&["dist", "--target", MUSL]).ok();
    let archive = project.root.join(format!("result/dist/packed-0.1.0-{MUSL}.tar.gz"));
    let tar = |arguments: &[&str]| said(Command::new("tar").args(arguments).arg(&archive));
    assert!(tar(&["-tzf"]).contains("/packed.gz\n"), "{}", tar(&["-tzf"]));
    let inner = format!("packed-0.1.0-{MUSL}/packed.gz");
    let shell = format!(
        "tar -xzOf '{}' '{inner}' | gunzip > '{}'",
        archive.display(),
        project.root.join("again").display()
    );
    said(Command::new("sh").args(["-c", &shell]));
    let built = project.result(&format!("default/{MUSL}/bin/packed"));
    assert_eq!(fs_err::read(project.root.join("again")).unwrap(), fs_err::read(built).unwrap());
    project.xbuild(&["image", "--target", MUSL, "--no-link"]).ok();
    project.xbuild(&["image", "inspect", "--target", MUSL]).ok().says("/srv/packed.gz");

    let unique = project.folder.path().display();
    project.write("src/main.rs", &format!("fn main() {{\n    println!(\"packed in {unique}\");\n}}\n"));
    project.xbuild(&["image", "--target", MUSL, "--no-link"]).ok();
    project
        .xbuild(&["explain", "step packed"])
        .ok()
        .says("step packed [host] of default/x86_64-unknown-linux-musl is another action:")
        .says("- /build/step/bin/packed has changed (made by packed 0.1.0 (bin packed))")
        .says("/build/ws/src/main.rs has changed");

    project.write("xbuild.toml", &format!("[package.packed]\ninputs = [\"packed\"]\n\n{step}"));
    project.xbuild(&["build"]).fails(1).says("takes the output `packed`, which is built after this");
}

/// A program that holds what a step makes of what another one has made of a file.
fn shouting() -> Project {
    let project = Project::program(
        "shouting",
        "fn main() {\n    print!(\"{}\", include_str!(concat!(env!(\"XBUILD_INPUT_SHOUTED\"), \"/shouted.txt\")));\n}\n",
    );
    // Nothing is known of it from an earlier run.
    project.write("words.txt", &format!("{}\n", project.folder.path().display()));
    project
}

/// Describes the steps: the last of them is in this mode, and `then` is what it does in the end.
fn describe(project: &Project, mode: &str, then: &str) {
    let unique = project.folder.path().display();
    project.write(
        "xbuild.toml",
        &format!(
            "[package.shouting]\ninputs = [\"shouted\"]\n\n\
             [step.plain]\nargv = [\"sh\", \"-c\", \"cp words.txt plain.txt; echo took the words\"]\n\
             inputs = [\"words.txt\"]\noutputs = [\"plain.txt\"]\nenv = {{ OF = \"{unique}\" }}\n\n\
             [step.shouted]\nargv = [\"sh\", \"-c\", \"tr a-z A-Z < plain.txt > shouted.txt; {then}\"]\n\
             inputs = [{{ step = \"plain/plain.txt\", to = \"plain.txt\" }}]\noutputs = [\"shouted.txt\"]\n\
             env = {{ MODE = \"{mode}\" }}\n",
        ),
    );
}

#[test]
fn a_step_is_explained_and_its_words_are_told_from_the_cache_too() {
    let project = shouting();
    let build = || project.xbuild(&["build", "-q", "--target", MUSL]);
    let explain = |name: &str| project.xbuild(&["explain", name]).ok();
    let log = |name: &str| project.xbuild(&["log", name]).ok();
    describe(&project, "quiet", "true");
    build().ok();
    explain("shouted").says("step shouted [host] was run for the first time");
    log("plain").says("took the words");
    log("step shouted").says("it printed nothing");

    project.append("words.txt", "more\n");
    build().ok();
    let of_file = explain("shouted");
    of_file
        .says("step shouted [host] is another action:")
        .says("- /build/step/plain.txt has changed (made by step plain)")
        .says("  step plain [host] is another action:")
        .says("    - /build/step/words.txt has changed");
    // And the unit that takes it, which has not looked at the file itself.
    let of_unit = explain("shouting");
    of_unit
        .says("- /build/inputs/shouted/shouted.txt has changed (made by step shouted)")
        .says("and 1 file that it had not looked at");

    describe(&project, "loud", "echo $MODE");
    build().ok();
    explain("shouted").says("variable MODE: `quiet` → `loud`").says("echo $MODE");
    let lines = project.xbuild(&["explain", "shouted", "--message-format", "json"]).ok().json();
    let expected = serde_json::json!({ "what": "variable", "name": "MODE", "old": "quiet", "new": "loud" });
    assert!(lines[0]["differences"].as_array().unwrap().contains(&expected), "{lines:#?}");
    assert_eq!(lines[0]["package_id"], serde_json::Value::Null);

    let other = Project::empty();
    common::copy(&project.root, &other.root);
    other.xbuild(&["build", "-q", "--target", MUSL]).ok();
    other.xbuild(&["log", "shouted"]).ok().says("loud");
    // Another folder is given what the first one's run has made, and its record.
    other.xbuild(&["explain", "shouted"]).ok().says("was run for the first time over this store");

    describe(&project, "loud", "echo not today >&2; exit 3");
    build().fails(1).says("the step `shouted` failed");
    log("shouted").says("--- standard error\nnot today");
    project.xbuild(&["log", "shoutd"]).fails(1).says("did you mean `shouted`?");
}

#[test]
fn steps_are_actions_of_a_plan_and_of_a_dry_run_and_neither_runs_one() {
    let project = shouting();
    describe(&project, "quiet", "true");
    let target = ["--target", GNU];
    let plan = |options: &[&str]| project.xbuild(&[&["plan"][..], &target, options].concat()).ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&plan(&[])).unwrap();
    let needs = |action: &serde_json::Value| {
        let needs = action["needs"].as_array().unwrap().iter();
        needs.map(|need| (need["action"].as_u64().unwrap(), need["until"] == "end")).collect::<Vec<_>>()
    };
    let actions = json["actions"].as_array().unwrap().iter();
    let actions: Vec<_> = actions.map(|action| (action["unit"].as_str().unwrap(), needs(action))).collect();
    let expected = [
        ("step plain", vec![]),
        ("step shouted", vec![(0, true)]),
        ("shouting 0.1.0 (bin shouting)", vec![(1, true)]),
    ];
    assert_eq!(actions, expected);
    assert_eq!(json["actions"][0]["package_id"], serde_json::Value::Null);
    assert_eq!(json["actions"][0]["platform"], "host");
    // Two targets' programs take one step's files.
    let both: serde_json::Value = serde_json::from_str(&plan(&["--target", TARGETS[1]])).unwrap();
    let both = both["actions"].as_array().unwrap();
    assert_eq!((both.len(), needs(&both[2]), needs(&both[3])), (4, vec![(1, true)], vec![(1, true)]));
    let dot = plan(&["--format", "dot"]);
    assert!(dot.contains("[label=\"step plain\\nhost\"]") && dot.contains("a0 -> a1;\n"), "{dot}");
    assert!(dot.contains("a1 -> a2;\n"), "{dot}");
    assert!(plan(&["--format", "svg"]).contains("step shouted"));

    let dry_run = || project.xbuild(&[&["build", "--dry-run"][..], &target].concat()).ok();
    let all = "2 steps would be run; 1 unit would be built, 0 cached";
    for _ in 0..2 {
        dry_run()
            .says("would run step plain [host]: for the first time\nwould run step shouted [host]: needs step plain\n")
            .says("would build shouting 0.1.0 (bin shouting) [x86_64-unknown-linux-gnu]: needs step shouted\n")
            .says(all);
    }
    project.xbuild(&["explain", "shouted"]).fails(1).says("it was not built over this store");
    project.xbuild(&[&["build", "-q"][..], &target].concat()).ok();
    assert!(!dry_run().says("0 units would be built, 1 cached").stdout.contains("step"));
    project.append("words.txt", "more\n");
    dry_run().says("would run step plain [host]: /build/step/words.txt has changed\n").says(all);
    let lines = project.xbuild(&[&["build", "--dry-run", "--message-format", "json"][..], &target].concat());
    let mut lines = lines.ok().json();
    let last = lines.pop().unwrap();
    let named = |name: &str| lines.iter().find(|line| line["unit"] == name).unwrap();
    let (plain, shouted) = (named("step plain"), named("step shouted"));
    assert_eq!((&plain["reason"], &plain["why"]), (&"xbuild-would-run".into(), &"changed".into()), "{plain}");
    assert_eq!(shouted["needs"], serde_json::json!(["step plain [host]"]));
    assert_eq!((&last["would-run"], &last["would-build"]), (&2.into(), &1.into()), "{last}");
    // What the last of them alone would run is known when what it takes is there.
    project.xbuild(&[&["build", "-q"][..], &target].concat()).ok();
    describe(&project, "loud", "true");
    dry_run()
        .says("would run step shouted [host]: variable MODE: `quiet` → `loud`\n")
        .says("1 step would be run; 1 unit would be built, 0 cached");
}

#[test]
fn a_step_is_run_again_and_compared_with_the_units_that_take_it() {
    let project = shouting();
    let reproduce = || project.xbuild(&["reproduce", "--target", GNU]);
    // What it prints goes nowhere.
    describe(&project, "quiet", "cat /proc/sys/kernel/random/uuid");
    reproduce().ok().says("Reproduced 1 unit and 2 steps, all the same bits");
    describe(&project, "quiet", "cat /proc/sys/kernel/random/uuid >> shouted.txt");
    let ran = reproduce().fails(1);
    ran.clone().says("step shouted [host] made something else:").says("build/step/shouted.txt: byte ");
    ran.says("1 of 1 unit and 2 steps made something else when executed again");
    let lines = project.xbuild(&["reproduce", "--target", GNU, "--message-format", "json"]).fails(1).json();
    let line = lines.iter().find(|line| line["reason"] == "xbuild-not-reproducible").unwrap();
    assert_eq!(
        (line["unit"].as_str(), &line["package_id"]),
        (Some("step shouted"), &serde_json::Value::Null)
    );
}

#[test]
fn what_goes_wrong_with_a_step_is_said() {
    let project = Project::program("tool", "fn main() {}\n");
    let with = |step: &str| {
        project.write("xbuild.toml", &format!("[package.tool]\ninputs = [\"made\"]\n\n[step.made]\n{step}"));
        project.xbuild(&["build", "--target", MUSL])
    };
    with("argv = [\"sh\", \"-c\", \"echo not today >&2; exit 3\"]\noutputs = [\"x\"]\n")
        .fails(1)
        .says("the step `made` failed: it ended with exit code 3")
        .says("not today");
    with("argv = [\"true\"]\noutputs = [\"x\"]\n").fails(1).says("has not made `x`");
    with("argv = [\"no-such-program\"]\noutputs = [\"x\"]\n")
        .fails(1)
        .says("the step `made` runs `no-such-program`, which the sandbox does not have")
        .says("tools = ");
    with("argv = [\"mkdri\"]\noutputs = [\"x\"]\n")
        .fails(1)
        .says("did you mean `mkdir`? Else name the Debian package");
    with("argv = [\"true\"]\ninputs = [\"missing.txt\"]\noutputs = [\"x\"]\n")
        .fails(1)
        .says("[step.made] inputs names `missing.txt`");
    with("argv = [\"true\"]\ninputs = [{ step = \"mad\" }]\noutputs = [\"x\"]\n")
        .fails(1)
        .says("there is no [step.mad]")
        .says("did you mean `made`?");
    with("argv = [\"true\"]\ninputs = [{ step = \"made\" }]\noutputs = [\"x\"]\n")
        .fails(1)
        .says("needs itself");
    with("argv = [\"true\"]\ninputs = [{ fetch = \"logo\", step = \"made\" }]\n")
        .fails(1)
        .says("`outputs` is missing")
        .says("there is no [fetch.logo]")
        .says("it can come from one place only");
    let step = "[step.made]\nargv = [\"true\"]\ninputs = [{ output = \"tol\" }]\noutputs = [\"x\"]\n";
    project.write("xbuild.toml", &format!("{step}\n[image.files]\n\"/x\" = {{ step = \"made\" }}\n"));
    project
        .xbuild(&["image", "--target", MUSL])
        .fails(1)
        .says("[step.made] inputs names the output `tol`")
        .says("did you mean `tool`?");
    // What isn't needed harms nobody.
    project.write("xbuild.toml", "[step.made]\nargv = [\"false\"]\noutputs = [\"x\"]\n");
    project.xbuild(&["build", "--target", MUSL]).ok();
}
