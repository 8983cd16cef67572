//! What came of a run, for people who look at it on a page: Markdown; and for the next run: JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xbuild_output::size;

use super::run::seconds;
use crate::error::XbuildError;
use crate::ui::Ui;

/// What became of a stage.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What was called.
    pub(super) call: String,
    pub(super) code: u8,
    pub(super) time: Duration,
}

/// Everything that a run tells.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) stages: Vec<Outcome>,
    made: BTreeMap<String, Made>,
    /// What an earlier run made.
    before: Option<BTreeMap<String, Made>>,
}

/// An output, or an image for a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// In bytes; an image's uncompressed.
    size: u64,
    /// `sha256:…`: of a file its own, of an image that of its manifest.
    digest: String,
    /// `built` or `cached`.
    #[serde(skip)]
    status: String,
    /// How long making it took, and for an output all that it needs; nothing where it was there.
    #[serde(skip)]
    time: Duration,
}

impl Summary {
    /// Notes an output, as `--message-format json` has it.
    pub(super) fn output(&mut self, line: &Value) {
        let name = line["output"].as_str().unwrap_or_default().to_owned();
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let size = line["size"].as_u64().unwrap_or_default();
        let (digest, status, time) = (text("sha256"), text("status"), time(line));
        self.made.insert(name, Made { size, digest, status, time });
    }

    /// Notes an image, likewise.
    pub(super) fn image(&mut self, line: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for image in line["images"].as_array().into_iter().flatten() {
            let name = format!(
                "image {}/{} {}",
                text(&line["variant"]),
                text(&line["name"]),
                text(&image["platform"])
            );
            let size = image["size"].as_u64().unwrap_or_default();
            let (digest, status, time) = (text(&image["digest"]), text(&line["status"]), time(image));
            self.made.insert(name, Made { size, digest, status, time });
        }
    }

    /// The outputs, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(name, made): (&String, &Made)| {
            format!("{:>10}  {}  {name}  {}", size(made.size), short(&made.digest), made.status)
                .trim_end()
                .to_owned()
        };
        self.made.iter().map(line).collect()
    }

    /// Takes what an earlier run has recorded; none is no mistake: there is a first run.
    pub(super) fn compare(&mut self, file: &Path, ui: &Ui) -> Result<(), XbuildError> {
        let text = match fs_err::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                ui.note(format!("there is no {} to compare with", file.display()));
                return Ok(());
            }
            Err(error) => return Err(XbuildError::machine(&error)),
        };
        let before = serde_json::from_str(&text).map_err(|error| {
            XbuildError::user(
                format!("{}: {error}", file.display()),
                "name a file that xbuild ci run --record wrote",
            )
        })?;
        self.before = Some(before);
        Ok(())
    }

    /// Writes what was made, for a later run to compare with.
    pub(super) fn record(&self, file: &Path) -> Result<(), XbuildError> {
        let text = serde_json::to_string_pretty(&self.made).unwrap_or_default();
        fs_err::write(file, text + "\n").map_err(|error| XbuildError::machine(&error))
    }

    /// Adds the page's text to a file.
    pub(super) fn append(&self, file: &Path) -> Result<(), XbuildError> {
        let mut file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .map_err(|error| XbuildError::machine(&error))?;
        file.write_all(self.markdown().as_bytes()).map_err(|error| XbuildError::machine(&error))
    }

    /// The page: stages, then outputs.
    fn markdown(&self) -> String {
        let mut page = "## xbuild\n\n| | stage | time |\n|---|---|--:|\n".to_owned();
        for Outcome { call, code, time } in &self.stages {
            let mark = if *code == 0 { "✅" } else { "❌" };
            let _ = writeln!(page, "| {mark} | `{call}` | {} |", seconds(*time));
        }
        let gone: Vec<&String> = self
            .before
            .iter()
            .flat_map(BTreeMap::keys)
            .filter(|name| !self.made.contains_key(*name))
            .collect();
        if self.made.is_empty() && gone.is_empty() {
            return page;
        }
        page.push_str("\n| output | size | change | digest | | time |\n|---|--:|--:|---|---|--:|\n");
        for (name, made) in &self.made {
            let Made { size: bytes, digest, status, time } = made;
            let (bytes, change, digest) = (size(*bytes), self.change(name, made), short(digest));
            let time = if time.is_zero() { String::new() } else { seconds(*time) };
            let _ = writeln!(page, "| `{name}` | {bytes} | {change} | `{digest}` | {status} | {time} |");
        }
        for name in gone {
            let _ = writeln!(page, "| `{name}` | | gone | | | |");
        }
        page
    }

    /// What is otherwise than in the earlier run.
    fn change(&self, name: &str, made: &Made) -> String {
        let Some(before) = &self.before else { return String::new() };
        let Some(old) = before.get(name) else { return "new".to_owned() };
        match made.size.cmp(&old.size) {
            _ if old.digest == made.digest => "same".to_owned(),
            std::cmp::Ordering::Less => format!("−{}", size(old.size - made.size)),
            std::cmp::Ordering::Equal => "other bytes".to_owned(),
            std::cmp::Ordering::Greater => format!("+{}", size(made.size - old.size)),
        }
    }
}

/// How long something took, as a line of JSON has it.
fn time(line: &Value) -> Duration {
    Duration::try_from_secs_f64(line["seconds"].as_f64().unwrap_or_default()).unwrap_or_default()
}

/// So much of a digest as people compare.
fn short(digest: &str) -> &str {
    let end = digest.find(':').map_or(0, |colon| colon + 1) + 12;
    digest.get(..end).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_stages_outputs_and_what_has_changed() {
        let made = |size: u64, digit: &str| Made {
            size,
            digest: format!("sha256:{}", digit.repeat(64)),
            status: "built".to_owned(),
            time: Duration::from_millis(1500),
        };
        let outcome = |call: &str, code, seconds| Outcome {
            call: call.to_owned(),
            code,
            time: Duration::from_secs(seconds),
        };
        let of = |entries: &[(&str, Made)]| {
            entries.iter().map(|(name, made)| ((*name).to_owned(), made.clone())).collect::<BTreeMap<_, _>>()
        };
        let summary = Summary {
            stages: vec![outcome("xbuild fmt --check", 1, 2), outcome("xbuild all", 0, 125)],
            made: of(&[
                ("a", made(3072, "1")),
                ("b", made(10, "2")),
                ("c", made(10, "3")),
                ("d", made(1, "4")),
            ]),
            before: Some(of(&[
                ("a", made(1024, "0")),
                ("b", made(10, "2")),
                ("c", made(10, "0")),
                ("e", made(1, "5")),
            ])),
        };
        insta::assert_snapshot!(summary.markdown(), @r"
        ## xbuild

        | | stage | time |
        |---|---|--:|
        | ❌ | `xbuild fmt --check` | 2.0 s |
        | ✅ | `xbuild all` | 2 min 5 s |

        | output | size | change | digest | | time |
        |---|--:|--:|---|---|--:|
        | `a` | 3.0 KiB | +2.0 KiB | `sha256:111111111111` | built | 1.5 s |
        | `b` | 10 B | same | `sha256:222222222222` | built | 1.5 s |
        | `c` | 10 B | other bytes | `sha256:333333333333` | built | 1.5 s |
        | `d` | 1 B | new | `sha256:444444444444` | built | 1.5 s |
        | `e` | | gone | | | |
        ");
    }

    #[test]
    fn outputs_and_images_are_told_from_lines_of_json() {
        let mut summary = Summary::default();
        summary.output(&serde_json::json!({
            "output": "default/x/bin/foo", "size": 3072, "sha256": "sha256:1", "status": "built", "seconds": 61.25
        }));
        let image = |platform: &str, seconds: f64| {
            serde_json::json!({
                "platform": platform, "digest": "sha256:2", "size": 10, "compressed-size": 5, "seconds": seconds
            })
        };
        let line = |name: &str, status: &str, seconds: f64| {
            serde_json::json!({
                "variant": "default", "name": name, "status": status,
                "images": [image("linux/amd64", seconds), image("linux/arm64", 2.0 * seconds)]
            })
        };
        summary.image(&line("foo", "built", 0.5));
        summary.image(&line("old", "cached", 0.0));
        insta::assert_snapshot!(summary.markdown(), @r"
        ## xbuild

        | | stage | time |
        |---|---|--:|

        | output | size | change | digest | | time |
        |---|--:|--:|---|---|--:|
        | `default/x/bin/foo` | 3.0 KiB |  | `sha256:1` | built | 1 min 1 s |
        | `image default/foo linux/amd64` | 10 B |  | `sha256:2` | built | 0.5 s |
        | `image default/foo linux/arm64` | 10 B |  | `sha256:2` | built | 1.0 s |
        | `image default/old linux/amd64` | 10 B |  | `sha256:2` | cached |  |
        | `image default/old linux/arm64` | 10 B |  | `sha256:2` | cached |  |
        ");
    }
}
