//! `xbuild ci github`: the workflow that runs the gate on GitHub, one job for all targets, and what an existing one has.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use xbuild_base::Triple;
use xbuild_describe::OutputKind;

use super::matrix;
use crate::choose::facts;
use crate::cli::{CiGithub, Global};
use crate::description::Described;
use crate::error::XbuildError;
use crate::revision;
use crate::session::Session;
use crate::ui::Ui;

/// Where GitHub looks for it, from the repository's root.
const WORKFLOW: &str = ".github/workflows/xbuild.yml";
/// What a pack is of, as an expression: whatever a build is pinned by.
const LOCKS: &str = "${{ hashFiles('**/Cargo.lock', '**/xbuild.lock', '**/xbuild*.toml', '**/.xbuild/**', '**/rust-toolchain*') }}";
/// The runner's own target: what xbuild's release for it is called by.
const RUNNER: &str = "x86_64-unknown-linux-musl";

pub(crate) fn run(global: &Global, wanted: &CiGithub, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    if let Some(file) = &wanted.from {
        return matrix::run(&described, file, ui);
    }
    // Where there is no repository yet, the project's folder will be its root.
    let folder = revision::prefix(&described.root).unwrap_or_default();
    let top = revision::top(&described.root, &folder);
    let file = wanted.file.clone().unwrap_or_else(|| top.join(WORKFLOW));
    let text = Workflow::of(&described, wanted, folder.trim_end_matches('/'), ui)?.text();
    if wanted.check {
        return match fs_err::read_to_string(&file) {
            Ok(there) if there == text => Ok(ExitCode::SUCCESS),
            Ok(_) => Err(XbuildError::user(
                format!("{} is not what xbuild writes for this description", file.display()),
                "xbuild ci github, with the same options",
            )),
            Err(error) => Err(XbuildError::user(error.to_string(), "write it first: xbuild ci github")),
        };
    }
    write(&file, &text)?;
    ui.status("Wrote", file.display());
    Ok(ExitCode::SUCCESS)
}

fn write(file: &Path, text: &str) -> Result<(), XbuildError> {
    if let Some(folder) = file.parent() {
        fs_err::create_dir_all(folder).map_err(|error| XbuildError::machine(&error))?;
    }
    fs_err::write(file, text).map_err(|error| XbuildError::machine(&error))
}

/// What a project's workflow depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Workflow {
    /// The branch whose runs others are compared with.
    branch: String,
    /// The project's folder from the repository's root; empty where it is that.
    folder: String,
    /// The registry that images go to, where the description has one.
    registry: Option<String>,
    has_programs: bool,
    /// Targets whose programs real machines start: the runner, the target, and a program of it.
    native: Vec<(&'static str, Triple, String)>,
}

impl Workflow {
    fn of(described: &Described, wanted: &CiGithub, folder: &str, ui: &Ui) -> Result<Self, XbuildError> {
        let session = Session::open(ui)?;
        let facts = facts(described, &session)?;
        let outputs = || facts.members.values().flat_map(|member| &member.outputs);
        let programs: Vec<&str> = outputs()
            .filter(|output| output.kind == OutputKind::Bin)
            .map(|output| output.name.as_str())
            .collect();
        let images = &described.description.images;
        let registry = images.common.repository.as_deref().and_then(|name| name.split('/').next());
        let mut native = Vec::new();
        if wanted.native {
            let targets = described.description.variants.values().flat_map(|variant| &variant.targets);
            for target in targets {
                if let (Some(runner), Some(program)) = (runner_of(target), programs.first()) {
                    let row = (runner, target.clone(), (*program).to_owned());
                    if !native.contains(&row) {
                        native.push(row);
                    }
                }
            }
        }
        Ok(Self {
            branch: wanted.branch.clone(),
            folder: folder.to_owned(),
            registry: registry.filter(|_| images.is_described).map(str::to_owned),
            has_programs: !programs.is_empty(),
            native,
        })
    }

    fn text(&self) -> String {
        let Self { branch, folder, registry, has_programs, native } = self;
        let version = env!("CARGO_PKG_VERSION");
        let result = if folder.is_empty() { "result".to_owned() } else { format!("{folder}/result") };
        let mut text = format!(
            r#"# Written by `xbuild ci github`, which `--check` holds it against. One job builds and tests all targets.
name: xbuild

on:
  push:
    branches: [{branch}]
    tags: ["v*"]
  pull_request:

permissions:
  contents: read

concurrency:
  group: xbuild-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

jobs:
  xbuild:
    runs-on: ubuntu-24.04
    timeout-minutes: 120
"#
        );
        text.push_str(&self.beginning());
        let _ = write!(
            text,
            r#"      - name: Restore the pack of the last run
        uses: actions/cache/restore@v4
        with:
          path: |
            ${{{{ runner.temp }}}}/run.pack
            ${{{{ runner.temp }}}}/outputs.json
          key: xbuild-run-{version}-{LOCKS}-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
          restore-keys: |
            xbuild-run-{version}-{LOCKS}-
            xbuild-run-{version}-
{TAKE_IN}
      - name: Check, test and build everything
        run: xbuild ci run --locked --against "$RUNNER_TEMP/outputs.json" --record "$RUNNER_TEMP/outputs.json"
"#
        );
        text.push_str(
            r#"
      - name: Pack what was used
        if: github.event_name != 'pull_request'
        env:
          BASE_IS_OF_THESE_LOCKS: ${{ steps.base.outputs.cache-hit }}
        run: |
          started=$(cat "$RUNNER_TEMP/xbuild/started")
          base="$RUNNER_TEMP/base.pack"
          if [ "$BASE_IS_OF_THESE_LOCKS" = true ]; then
            xbuild store export "$RUNNER_TEMP/run.pack" --used-since "$started" --without "$base"
          else
            xbuild store export "$base" --used-since "$started"
            xbuild store export "$RUNNER_TEMP/run.pack" --without "$base"
          fi
"#,
        );
        let _ = write!(
            text,
            r#"      - name: Save the pack of the locks
        if: github.event_name != 'pull_request' && steps.base.outputs.cache-hit != 'true'
        uses: actions/cache/save@v4
        with:
          path: ${{{{ runner.temp }}}}/base.pack
          key: ${{{{ steps.base.outputs.cache-primary-key }}}}
      - name: Save the pack of this run
        if: github.event_name != 'pull_request' && github.ref == 'refs/heads/{branch}'
        uses: actions/cache/save@v4
        with:
          path: |
            ${{{{ runner.temp }}}}/run.pack
            ${{{{ runner.temp }}}}/outputs.json
          key: xbuild-run-{version}-{LOCKS}-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
"#
        );
        if *has_programs {
            let _ = write!(
                text,
                r#"
      - name: Pack programs
        run: xbuild dist --locked
      - uses: actions/upload-artifact@v4
        with:
          name: dist
          path: {}
          if-no-files-found: error
"#,
                quoted(&format!("{result}/dist/*"))
            );
        }
        if let Some(registry) = registry {
            text.push_str(HAND_OVER);
            text.push_str(PUSH);
            text.push_str(&self.beginning());
            let _ = write!(
                text,
                r#"      - uses: actions/download-artifact@v5
        with:
          name: run-pack
          path: ${{{{ runner.temp }}}}
{TAKE_IN}
      - name: Push images
        env:
          REGISTRY: {}
          REGISTRY_USER: ${{{{ github.actor }}}}
          REGISTRY_TOKEN: ${{{{ secrets.GITHUB_TOKEN }}}}
        run: |
          echo "$REGISTRY_TOKEN" | docker login "$REGISTRY" --username "$REGISTRY_USER" --password-stdin
          xbuild image --locked --push --tag "${{GITHUB_REF_NAME#v}}" | tee "$RUNNER_TEMP/pushed"
          {{ echo; sed 's/.*/- `&`/' "$RUNNER_TEMP/pushed"; }} >> "$GITHUB_STEP_SUMMARY"
"#,
                quoted(registry)
            );
        }
        if !native.is_empty() {
            text.push_str(NATIVE);
            for (runner, target, program) in native {
                let _ = writeln!(
                    text,
                    "          - {{ os: {runner}, target: {target}, program: {} }}",
                    quoted(program)
                );
            }
            text.push_str(NATIVE_STEPS);
        }
        text
    }

    /// How each job that uses xbuild begins: its folder, a checkout, xbuild, and what everything is built with.
    fn beginning(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let releases = concat!(env!("CARGO_PKG_REPOSITORY"), "/releases/download");
        let mut text = "    defaults:\n      run:\n        shell: bash\n".to_owned();
        if !self.folder.is_empty() {
            let _ = writeln!(text, "        working-directory: {}", quoted(&self.folder));
        }
        let _ = write!(
            text,
            r#"    steps:
      - uses: actions/checkout@v5
        with:
          fetch-depth: 0
          persist-credentials: false

      # A program may open a user namespace of its own: that is the sandbox. Ubuntu allows it to some alone.
      - name: Allow user namespaces
        run: |
          setting=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
          if [ "$(cat "$setting" 2>/dev/null)" = 1 ]; then
            echo 0 | sudo tee "$setting" >/dev/null
          fi

      - name: Install xbuild
        env:
          XBUILD_RELEASES: ${{{{ vars.XBUILD_RELEASES || '{releases}' }}}}
        run: |
          name=xbuild-{version}-{RUNNER}
          mkdir -p "$RUNNER_TEMP/xbuild"
          cd "$RUNNER_TEMP/xbuild"
          curl -fsSL --retry 3 -O "$XBUILD_RELEASES/v{version}/$name.tar.gz" -O "$XBUILD_RELEASES/v{version}/SHA256SUMS"
          grep -F "  $name.tar.gz" SHA256SUMS | sha256sum --check --strict
          tar -xzf "$name.tar.gz" --strip-components=1
          echo "$PWD" >> "$GITHUB_PATH"
          date +%s > started

      # What everything is built with is one pack for each lock; what a run has built beside it is another.
      - name: Restore the pack of the locks
        id: base
        uses: actions/cache/restore@v4
        with:
          path: ${{{{ runner.temp }}}}/base.pack
          key: xbuild-base-{version}-{LOCKS}
          restore-keys: xbuild-base-{version}-
"#
        );
        text
    }
}

const TAKE_IN: &str = r#"      - name: Take in the packs
        run: |
          for pack in base run; do
            if [ -f "$RUNNER_TEMP/$pack.pack" ]; then
              xbuild store import "$RUNNER_TEMP/$pack.pack"
            fi
          done
"#;

const HAND_OVER: &str = r"
      - name: Hand the pack of this run to the job that pushes
        if: startsWith(github.ref, 'refs/tags/v')
        uses: actions/upload-artifact@v4
        with:
          name: run-pack
          path: ${{ runner.temp }}/run.pack
          retention-days: 1
          if-no-files-found: error
";

/// A job's permissions can't depend on the event: so what may write is a job of its own, which no pull request starts.
const PUSH: &str = r"
  # The only job that may write, for tags alone. It builds nothing: it sends what the other has made.
  push:
    if: startsWith(github.ref, 'refs/tags/v')
    needs: xbuild
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    permissions:
      contents: read
      packages: write
";

const NATIVE: &str = r"
  # What emulators have run, real machines start.
  native:
    needs: xbuild
    runs-on: ${{ matrix.os }}
    timeout-minutes: 10
    strategy:
      fail-fast: false
      matrix:
        include:
";

const NATIVE_STEPS: &str = r#"    steps:
      - uses: actions/download-artifact@v5
        with:
          name: dist
      - name: Start it
        shell: bash
        env:
          TARGET: ${{ matrix.target }}
          PROGRAM: ${{ matrix.program }}
        run: |
          mkdir -p programs
          for archive in *"$TARGET"*; do
            case "$archive" in
              *.zip) unzip -o -q "$archive" -d programs ;;
              *.tar.gz) tar -xzf "$archive" -C programs ;;
            esac
          done
          program=$(find programs \( -name "$PROGRAM" -o -name "$PROGRAM.exe" \) -type f | head -n 1)
          chmod +x "$program"
          "$program" --version || "$program" --help
"#;

/// The runner that starts a target's programs without an emulator; x86-64 Linux has been run by the gate.
fn runner_of(target: &Triple) -> Option<&'static str> {
    let target = target.as_str();
    match target.split('-').next()? {
        "aarch64" if target.contains("-linux-") => Some("ubuntu-24.04-arm"),
        "x86_64" if target.contains("-windows-") => Some("windows-2025"),
        _ => None,
    }
}

/// A text that YAML takes as one, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
