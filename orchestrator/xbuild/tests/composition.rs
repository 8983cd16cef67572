//! `[inputs]`: outputs of other projects in steps, packages, images and archives; their pins; projects that are named from
//! elsewhere.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Project, TARGETS, said};

const MUSL: &str = TARGETS[0];

/// A program that prints a word, and whatever it is called with.
fn generator(word: &str) -> String {
    format!(
        "fn main() {{\n    let words: Vec<String> = std::env::args().skip(1).collect();\n    \
         println!(\"{word} {{}}\", words.join(\" \"));\n}}\n"
    )
}

/// A program that prints what its build script had another one print, with an input of that name.
fn relay(name: &str, program: &str, inputs: &str) -> Project {
    let project = Project::program(name, "fn main() {\n    print!(\"{}\", env!(\"SAID\"));\n}\n");
    relays(&project, name, program, inputs);
    project
}

fn relays(project: &Project, name: &str, program: &str, inputs: &str) {
    project.write(
        "build.rs",
        &format!(
            "fn main() {{\n    let said = std::process::Command::new(\"{program}\").arg(\"x\").output().unwrap();\n    \
             println!(\"cargo::rustc-env=SAID={{}}\", String::from_utf8(said.stdout).unwrap().trim());\n}}\n"
        ),
    );
    let description = format!("{inputs}\n[native.{name}]\ntools = [\"{program}/{program}\"]\n");
    project.write("xbuild.toml", &description);
}

/// `[inputs.NAME]` of a folder.
fn folder(name: &str, project: &Project) -> String {
    format!("[inputs.{name}]\npath = \"{}\"\n", project.root.display())
}

/// `[inputs.NAME]` of a repository.
fn repository(name: &str, project: &Project) -> String {
    format!("[inputs.{name}]\ngit = \"file://{}\"\n", project.root.display())
}

/// A project of which a package reads what the step `text` prints.
fn reader(name: &str, description: &str) -> Project {
    let include = "include_str!(concat!(env!(\"XBUILD_INPUT_TEXT\"), \"/text.txt\"))";
    let project = Project::program(name, &format!("fn main() {{\n    print!(\"{{}}\", {include});\n}}\n"));
    project.write(
        "xbuild.toml",
        &format!("[package.{name}]\ninputs = [\"text\"]\n\n[build]\ntargets = [\"{MUSL}\"]\n\n{description}"),
    );
    project
}

const STEP: &str = "[step.text]\nargv = [\"sh\", \"-c\", \"generate hello > text.txt\"]\n\
                    tools = [\"codegen/generate\"]\noutputs = [\"text.txt\"]\n\n";

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=x", "-c", "user.email=x@example.invalid"]).args(arguments);
    said(git.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null"))
}

/// Makes a repository of a project, and commits it.
fn commit(project: &Project) -> String {
    if !project.root.join(".git").exists() {
        git(&project.root, &["init", "--quiet", "--initial-branch=main"]);
    }
    git(&project.root, &["add", "."]);
    git(&project.root, &["commit", "--quiet", "-m", "all of it"]);
    git(&project.root, &["rev-parse", "HEAD"]).trim().to_owned()
}

#[test]
fn outputs_of_a_project_in_a_folder_are_tools_files_and_inputs() {
    let codegen = Project::program("generate", &generator("made"));
    let path = codegen.root.display();
    let inputs = format!("[inputs.codegen]\npath = \"{path}\"\n\n");
    let uses = "[dist]\nfiles = [{ input = \"codegen/generate\", to = \"bin/generate\" }]\n\n\
                [image.files]\n\"/usr/bin/generate\" = { input = \"codegen/generate\" }\n\n";
    let project = reader("told", &format!("{inputs}{STEP}{uses}"));
    let run = || project.xbuild(&["run", "told"]).ok().stdout;
    assert_eq!(run(), "made hello\n");

    project.xbuild(&["dist"]).ok();
    let archive = project.root.join(format!("result/dist/told-0.1.0-{MUSL}.tar.gz"));
    assert!(said(Command::new("tar").arg("-tzf").arg(&archive)).contains("/bin/generate\n"));
    project.xbuild(&["image", "--no-link"]).ok();
    project.xbuild(&["image", "inspect"]).ok().says("/usr/bin/generate");

    // Nothing is done anew where nothing has changed, and what has is seen.
    let again = project.xbuild(&["build", "--locked", "--offline"]).ok();
    assert!(!again.stderr.contains("Building"), "{}", again.stderr);
    codegen.write("src/main.rs", &generator("made anew:"));
    assert_eq!(run(), "made anew: hello\n");
    // Another folder for a day's work.
    let other = Project::program("generate", &generator("mine:"));
    let given = format!("codegen={}", other.root.display());
    let ran = project.xbuild(&["run", "--override-input", &given, "told"]).ok();
    assert_eq!(ran.stdout, "mine: hello\n");
    assert_eq!(run(), "made anew: hello\n");
}

#[test]
fn a_build_script_runs_a_program_of_another_project() {
    let codegen = Project::program("generate", &generator("native"));
    let project = relay("scripted", "generate", &folder("generate", &codegen));
    assert_eq!(project.xbuild(&["run", "--target", MUSL, "scripted"]).ok().stdout, "native x");
}

#[test]
fn a_project_of_a_repository_is_pinned_and_moved() {
    let codegen = Project::program("generate", &generator("first"));
    let first = commit(&codegen);
    let inputs = format!("[inputs.codegen]\ngit = \"file://{}\"\n\n", codegen.root.display());
    let project = reader("pinned", &format!("{inputs}{STEP}"));
    let run = || project.xbuild(&["run", "pinned"]).ok().stdout;
    project.xbuild(&["build", "--locked"]).fails(1).says("the input `codegen` has no pin in xbuild.lock");
    assert_eq!(run(), "first hello\n");
    assert!(project.read("xbuild.lock").contains(&first), "{}", project.read("xbuild.lock"));

    codegen.write("src/main.rs", &generator("second"));
    let second = commit(&codegen);
    assert_eq!(run(), "first hello\n", "the pin holds");
    project.xbuild(&["build", "--locked", "--offline"]).ok();
    project.xbuild(&["update", "codegen"]).ok().says(&second);
    assert_eq!(run(), "second hello\n");
    project.xbuild(&["update", "codgen"]).fails(1).says("codgen");

    git(&codegen.root, &["tag", "v1", &first]);
    git(&codegen.root, &["tag", "release-1", &first]);
    let text = project.read("xbuild.toml");
    project.write("xbuild.toml", &text.replace("[step.text]", "tag = \"v1\"\n\n[step.text]"));
    assert_eq!(run(), "first hello\n", "another reference has another pin");
    project.write("xbuild.toml", &text.replace("[step.text]", "tag = \"v2\"\n\n[step.text]"));
    project.xbuild(&["build"]).fails(3).says("tag v2").says("no such name");
    project.write("xbuild.toml", &text.replace("[step.text]", "tag = \"relase-1\"\n\n[step.text]"));
    project.xbuild(&["build"]).fails(3).says("tag relase-1").says("did you mean `release-1`?");
    project.write("xbuild.toml", &text.replace("[step.text]", &format!("rev = \"{second}\"\n\n[step.text]")));
    assert_eq!(run(), "second hello\n");
    // Nothing of it is asked for where nothing of it is needed.
    project.write("xbuild.toml", "[inputs.codegen]\ngit = \"file:///there/is/none\"\n");
    project.write("src/main.rs", "fn main() {}\n");
    project.xbuild(&["build", "--target", MUSL]).ok();
}

#[test]
fn projects_of_one_repository_find_each_other() {
    let both = relay("generate", "words", "[inputs.words]\npath = \"words\"\n");
    let words = Project::program("words", &generator("of the commit"));
    for file in ["Cargo.toml", "Cargo.lock", "src/main.rs"] {
        both.write(&format!("words/{file}"), &words.read(file));
    }
    // What is ignored where people work is a file like any other in a commit.
    both.write(".gitignore", "words\n");
    git(&both.root, &["init", "--quiet", "--initial-branch=main"]);
    git(&both.root, &["add", "--force", "words"]);
    commit(&both);
    let inputs = format!("[inputs.codegen]\ngit = \"file://{}\"\n\n", both.root.display());
    let project = reader("found", &format!("{inputs}{STEP}"));
    assert_eq!(project.xbuild(&["run", "found"]).ok().stdout, "of the commit x");
    project.xbuild(&["update"]).ok();

    both.write(
        "xbuild.toml",
        "[inputs.words]\npath = \"/etc\"\n\n[native.generate]\ntools = [\"words/words\"]\n",
    );
    commit(&both);
    project.xbuild(&["update"]).fails(1).says("a folder outside of the commit that names it");
}

#[test]
fn inputs_have_inputs_which_may_be_this_project_s() {
    let words = Project::program("words", &generator("its own"));
    let ours = Project::program("words", &generator("ours"));
    let codegen = relay("generate", "words", &folder("words", &words));
    let inputs = |follows: &str| {
        format!(
            "[inputs.words]\npath = \"{}\"\n\n[inputs.codegen]\npath = \"{}\"\n{follows}\n",
            ours.root.display(),
            codegen.root.display()
        )
    };
    let project = reader("nested", &format!("{}{STEP}", inputs("")));
    let run = |more: &[&str]| project.xbuild(&[&["run"], more, &["nested"]].concat());
    assert_eq!(run(&[]).ok().stdout, "its own x");
    let given = format!("codegen/words={}", ours.root.display());
    assert_eq!(run(&["--override-input", &given]).ok().stdout, "ours x");
    let with = |follows: &str| {
        let text = format!("{}{STEP}", inputs(follows));
        project.write("xbuild.toml", &format!("[package.nested]\ninputs = [\"text\"]\n\n{text}"));
        project.xbuild(&["run", "--target", MUSL, "nested"])
    };
    assert_eq!(with("follows = { words = \"words\" }").ok().stdout, "ours x");
    with("follows = { wrods = \"words\" }")
        .fails(1)
        .says("the input `codegen` has no input `wrods`")
        .says("did you mean `words`?");
    with("follows = { words = \"wrds\" }").fails(1).says("there is no [inputs.wrds]");
}

#[test]
fn what_is_wrong_with_an_input_is_said_where_it_is_needed() {
    let codegen = Project::program("generate", &generator("x"));
    let path = codegen.root.display().to_string();
    let project = reader("wrong", "");
    let with = |inputs: &str, tool: &str| {
        project.write(
            "xbuild.toml",
            &format!(
                "[package.wrong]\ninputs = [\"text\"]\n\n{inputs}\n\n{}",
                STEP.replace("codegen/generate", tool)
            ),
        );
        project.xbuild(&["build", "--target", MUSL])
    };
    let there = format!("[inputs.codegen]\npath = \"{path}\"");
    with(&there, "codgen/generate").fails(1).says("there is no [inputs.codgen]").says("`codegen`");
    with(&there, "codegen/generat").fails(1).says("generat").says("did you mean `generate`?");
    with(&there, "codegen/generat*").fails(1).says("makes no `generat*`").says("did you mean `generate`?");
    with("[inputs.codegen]\npath = \"../nowhere\"", "codegen/generate")
        .fails(1)
        .says("the input `codegen`: there is no folder");
    with("[inputs.codegen]\n", "codegen/generate").fails(1).says("nothing says where it comes from");
    with("[inputs.codegen]\ngit = \"file:///x\"\npath = \"y\"", "codegen/generate")
        .fails(1)
        .says("one place only");
    with("[inputs.codegen]\ngit = \"file:///x\"\nrev = \"abc\"", "codegen/generate")
        .fails(1)
        .says("no commit's hash");
    codegen.write("xbuild.toml", "[build]\nprofil = \"dev\"\n");
    with(&there, "codegen/generate").fails(1).says("profil").says(&format!("{path}/xbuild.toml"));
    // One that the sandbox has.
    let more = Project::program("more", &generator("x"));
    let step =
        format!("[package.wrong]\ninputs = [\"text\"]\n\n{}", STEP.replace("codegen/generate", "more/more"));
    for uses in [&step, "[native.wrong]\ntools = [\"more/more\"]\n"] {
        project.write("build.rs", "fn main() {}\n");
        project.write("xbuild.toml", &format!("{}\n{uses}", folder("more", &more)));
        let ran = project.xbuild(&["build", "--target", MUSL]).fails(1);
        ran.says("`more/more` can't be a tool: the sandbox has a program `more` already");
    }
    with(&there, "codegen/generat").fails(1);
    project.xbuild(&["build", "--override-input", "nonsense"]).fails(1).says("names no folder");
    project
        .xbuild(&["build", "--override-input", "codgen=."])
        .fails(1)
        .says("there is no input `codgen`")
        .says("did you mean `codegen`?");

    // Two that need each other.
    codegen.write("build.rs", "fn main() {}\n");
    let own = project.root.display();
    codegen.write(
        "xbuild.toml",
        &format!("[inputs.back]\npath = \"{own}\"\n\n[native.generate]\ntools = [\"back/wrong\"]\n"),
    );
    with(&there, "codegen/generate").fails(1).says("leads back to one");
}

#[test]
fn a_project_is_named_by_where_it_is() {
    let tool = Project::program("tool", &generator("from afar"));
    commit(&tool);
    let url = format!("git+file://{}", tool.root.display());
    let here = tempfile::tempdir().unwrap();
    let xbuild = common::Xbuild::new().folder(here.path());
    let run = |output: &str| xbuild.run(&["run", "--target", MUSL, output, "--", "x"]);
    assert_eq!(run(&format!("{url}#tool")).ok().stdout, "from afar x\n");
    assert_eq!(run(&format!("{url}?branch=main#tool")).ok().stdout, "from afar x\n");
    assert_eq!(run(&format!("{}#tool", tool.root.display())).ok().stdout, "from afar x\n");
    run(&format!("{url}?branch=mian#tool")).fails(3).says("branch mian");
    run(&format!("{url}?brnch=main#tool")).fails(1).says("nothing is called `brnch`");
    run(&format!("{url}#tol")).fails(1).says("tol");
    // Results lie where it was asked for.
    xbuild.run(&["build", "--target", MUSL, "--project", &url]).ok();
    assert!(here.path().join(format!("result/default/{MUSL}/bin/tool")).exists());
    assert!(!tool.root.join("result").exists());
    // Nothing is written among a commit's files.
    for verb in [&["init"][..], &["update"], &["toolchain", "update"]] {
        xbuild
            .run(&[verb, &["--project", &url]].concat())
            .fails(1)
            .says("nothing can be written into a commit");
    }
    // Where the store lies behind a link, a commit is found all the same.
    let link = here.path().join("store");
    std::os::unix::fs::symlink(common::shared_store(), &link).unwrap();
    let ran = xbuild.clone().store(&link).run(&["run", "--target", MUSL, &format!("{url}#tool")]);
    assert_eq!(ran.ok().stdout, "from afar \n");
}

#[test]
fn what_a_named_project_takes_of_others_is_always_the_newest() {
    let words = Project::program("words", &generator("old"));
    commit(&words);
    let tool = relay("tool", "words", &repository("words", &words));
    commit(&tool);
    let output = format!("git+file://{}#tool", tool.root.display());
    let here = tempfile::tempdir().unwrap();
    let run =
        || common::Xbuild::new().folder(here.path()).run(&["run", "--target", MUSL, &output]).ok().stdout;
    assert_eq!(run(), "old x");
    words.write("src/main.rs", &generator("new"));
    commit(&words);
    assert_eq!(run(), "new x");
}

/// `reader` over a project in a repository that takes `words` itself.
fn over(name: &str, words: &str) -> (Project, Project) {
    let codegen = relay("generate", "words", words);
    commit(&codegen);
    let project = reader(name, &format!("{}\n{STEP}", repository("codegen", &codegen)));
    (project, codegen)
}

#[test]
fn what_is_given_below_a_commit_is_used_and_used_for_that_alone() {
    let (words, ours) =
        (Project::program("words", &generator("theirs")), Project::program("words", &generator("ours")));
    commit(&words);
    let (project, _codegen) = over("below", &repository("words", &words));
    let run = |more: &[&str]| project.xbuild(&[&["run"], more, &["below"]].concat()).ok().stdout;
    assert_eq!(run(&[]), "theirs x");
    let given = format!("codegen/words={}", ours.root.display());
    assert_eq!(run(&["--override-input", &given]), "ours x");
    assert_eq!(run(&[]), "theirs x");
    ours.write("src/main.rs", &generator("edited"));
    assert_eq!(run(&["--override-input", &given]), "edited x");
    // What such a folder needs is pinned nowhere.
    let more = Project::program("further", &generator("more"));
    commit(&more);
    relays(&ours, "words", "further", &repository("further", &more));
    ours.write("src/main.rs", "fn main() {\n    print!(\"{}\", env!(\"SAID\"));\n}\n");
    let lock = project.read("xbuild.lock");
    assert_eq!(run(&["--override-input", &given]), "more x");
    assert_eq!(project.read("xbuild.lock"), lock);
    more.write("src/main.rs", &generator("even more"));
    commit(&more);
    assert_eq!(run(&["--override-input", &given]), "even more x");

    // A pin that is moved below is seen.
    words.write("src/main.rs", &generator("moved"));
    let moved = commit(&words);
    assert_eq!(run(&[]), "theirs x");
    project.xbuild(&["update", "codegen/words"]).ok().says(&moved);
    assert_eq!(run(&[]), "moved x");
}

#[test]
fn what_came_of_a_first_pin_is_remembered() {
    let words = Project::program("words", &generator("pinned"));
    commit(&words);
    let (project, _codegen) = over("first", &repository("words", &words));
    project.xbuild(&["build", "--dry-run"]).ok().says("would be built");
    assert!(!project.root.join("xbuild.lock").exists(), "a dry run writes nothing");
    project.xbuild(&["build"]).ok().says("Input");
    let again = project.xbuild(&["build"]).ok();
    assert!(!again.stderr.contains("Input"), "{}", again.stderr);
}

#[test]
fn what_folders_are_made_from_is_seen() {
    let words = Project::program("words", &generator("pinned"));
    commit(&words);
    // Its own lock counts, and so does the commit that it tells of.
    let codegen = relay("generate", "words", &repository("words", &words));
    codegen.append("xbuild.toml", "\n[stamp]\n");
    let told =
        "fn main() {\n    println!(\"{} {:?}\", env!(\"SAID\"), option_env!(\"XBUILD_REVISION\"));\n}\n";
    codegen.write("src/main.rs", told);
    let first = commit(&codegen);
    let text = format!("{}own-lock = true\n\n{STEP}", folder("codegen", &codegen));
    let project = reader("seen", &text);
    project.xbuild(&["run", "seen"]).fails(1).says("the input `codegen/words` has no pin").says("own-lock");
    codegen.xbuild(&["build", "--target", MUSL]).ok();
    let run = || project.xbuild(&["run", "seen"]).ok().stdout;
    assert_eq!(run(), format!("pinned x Some(\"{first}\")\n"));
    git(&codegen.root, &["commit", "--quiet", "--allow-empty", "-m", "another"]);
    let second = git(&codegen.root, &["rev-parse", "HEAD"]).trim().to_owned();
    assert_eq!(run(), format!("pinned x Some(\"{second}\")\n"));
    words.write("src/main.rs", &generator("moved"));
    commit(&words);
    codegen.xbuild(&["update"]).ok();
    assert_eq!(run(), format!("moved x Some(\"{second}\")\n"));
}

#[test]
fn what_is_followed_may_follow_others() {
    let (theirs, ours) =
        (Project::program("base", &generator("theirs")), Project::program("base", &generator("ours")));
    let words = relay("words", "base", &folder("base", &theirs));
    let codegen = relay("generate", "words", &folder("words", &words));
    let project = reader("chain", "");
    let run = |base: &Project| {
        let text = format!(
            "[package.chain]\ninputs = [\"text\"]\n\n{}\n{}follows = {{ base = \"base\" }}\n\n\
             {}follows = {{ words = \"words\" }}\n\n{STEP}",
            folder("base", base),
            folder("words", &words),
            folder("codegen", &codegen)
        );
        project.write("xbuild.toml", &text);
        project.xbuild(&["run", "--target", MUSL, "chain"]).ok().stdout
    };
    assert_eq!(run(&ours), "ours x");
    assert_eq!(run(&theirs), "theirs x");
    let given = format!("codegen/words/base={}", ours.root.display());
    project
        .xbuild(&["run", "--target", MUSL, "--override-input", &given, "chain"])
        .fails(1)
        .says("`codegen/words` follows `words`")
        .says("--override-input words/base=PATH");
    let given = format!("words/base={}", ours.root.display());
    let ran = project.xbuild(&["run", "--target", MUSL, "--override-input", &given, "chain"]);
    assert_eq!(ran.ok().stdout, "ours x");
}

#[test]
fn a_commit_has_all_of_its_files_among_its_own() {
    let codegen = Project::program("generate", &generator("x"));
    codegen.write("../outside.toml", "[build]\nprofile = \"dev\"\n");
    codegen.write("../other/Cargo.toml", "[package]\nname = \"other\"\nversion = \"0.1.0\"\n");
    codegen.write("../other/src/lib.rs", "");
    let manifest = codegen.read("Cargo.toml");
    let outside = codegen.root.parent().unwrap().display().to_string();
    let fails = |text: &str| {
        commit(&codegen);
        let project = reader("within", &format!("{}\n{STEP}", repository("codegen", &codegen)));
        project.xbuild(&["build"]).fails(1).says(text);
    };
    codegen.write("xbuild.toml", &format!("extends = \"{outside}/outside.toml\"\n"));
    fails("outside.toml is outside of the commit that names it");
    codegen.write("xbuild.toml", "");
    codegen.write("Cargo.toml", &manifest.replace("[package]", "[package]\nworkspace = \"../..\""));
    let workspace = "[workspace]\nmembers = [\"*\"]\n";
    codegen.write(
        "Cargo.toml",
        &manifest.replace("[package]", &format!("[package]\nworkspace = \"{outside}\"")),
    );
    codegen.write("../Cargo.toml", workspace);
    fails("leads outside of the commit that has it");
    let climb = "../".repeat(24);
    let dependency = format!("{manifest}\n[dependencies]\nother = {{ path = \"{climb}{outside}/other\" }}\n");
    codegen.write("Cargo.toml", &dependency);
    fails("leads outside of the commit that has it");
}

#[test]
fn pins_are_moved_all_or_none() {
    let codegen = Project::program("generate", &generator("first"));
    commit(&codegen);
    let project = reader("moved", &format!("{}\n{STEP}", repository("codegen", &codegen)));
    project.xbuild(&["build"]).ok();
    let lock = project.read("xbuild.lock");
    codegen.write("src/main.rs", &generator("second"));
    commit(&codegen);
    for (names, says) in [
        (["codegen", "codgen"], "did you mean `codegen`?"),
        (["codegen", "codegen/words"], "there is no input `codegen/words`"),
    ] {
        project.xbuild(&["update", names[0], names[1]]).fails(1).says(says);
        assert_eq!(project.read("xbuild.lock"), lock, "{names:?}");
    }
    let given = format!("codegen={}", codegen.root.display());
    project.xbuild(&["update", "--override-input", &given]).fails(1).says("--override-input: no pin");
    project.xbuild(&["update"]).ok();
    assert_ne!(project.read("xbuild.lock"), lock);

    // Two that name each other, and build: neither needs what the other one has of it.
    let (one, other) = (Project::program("one", &generator("1")), Project::program("other", &generator("2")));
    one.write("xbuild.toml", &folder("other", &other));
    other.write("xbuild.toml", &folder("one", &one));
    one.xbuild(&["build", "--target", MUSL]).ok();
    one.xbuild(&["update"]).ok();
}

#[test]
fn what_came_of_an_edit_meanwhile_does_not_stand_for_what_was_there_before() {
    let slow = Project::program("slow", "fn main() {}\n");
    // No other run of this test has built it.
    let script = "fn main() {\n    std::thread::sleep(std::time::Duration::from_secs(2));\n}\n";
    slow.write("build.rs", &format!("// {}\n{script}", slow.root.display()));
    let words = Project::program("words", &generator("before"));
    let step = "[step.text]\nargv = [\"sh\", \"-c\", \"words > text.txt\"]\n\
                tools = [\"slow/slow\", \"words/words\"]\noutputs = [\"text.txt\"]\n\n";
    let project =
        reader("meanwhile", &format!("{}\n{}\n{step}", folder("slow", &slow), folder("words", &words)));
    let said = project.folder.path().join("said");
    let mut command = common::Xbuild::new().folder(&project.root).command(&["build"]);
    let mut running = command.stderr(fs_err::File::create(&said).unwrap().into_file()).spawn().unwrap();
    // The tools are made in their order.
    while !fs_err::read_to_string(&said).unwrap().contains("Building slow") {
        assert!(running.try_wait().unwrap().is_none(), "{}", fs_err::read_to_string(&said).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    words.write("src/main.rs", &generator("meanwhile"));
    assert!(running.wait().unwrap().success());
    words.write("src/main.rs", &generator("before"));
    assert_eq!(project.xbuild(&["run", "meanwhile"]).ok().stdout, "before \n");
}
