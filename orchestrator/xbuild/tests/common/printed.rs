//! What a call prints, as it is on every machine and in every run: for snapshots.

use fs_err as fs;

use super::{Project, Ran};

/// Standard output and standard error, each under its name where there is any. Folders of the project have names;
/// digests, commits, sizes, times and numbers of files are left out, and what was fetched on the way; between words stand
/// no more than two spaces.
pub(crate) fn printed(project: &Project, ran: &Ran) -> String {
    let folders = [(&*project.root, "[project]"), (project.folder.path(), "[folder]")];
    let in_words = |text: &str| {
        let mut text = text.to_owned();
        for (folder, name) in &folders {
            for folder in [fs::canonicalize(folder).unwrap(), folder.to_path_buf()] {
                text = text.replace(folder.to_str().unwrap(), name);
            }
        }
        plain(&text)
    };
    let mut all = String::new();
    for (name, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        let text = in_words(text);
        if !text.is_empty() {
            all += &format!("{name}:\n{text}\n");
        }
    }
    all.trim_end().to_owned()
}

/// The same of a text, but for the folders.
pub(crate) fn plain(text: &str) -> String {
    let is_progress = |line: &str| {
        let fetched = line.trim_start().strip_prefix("Fetched ");
        let is_count = fetched.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        is_count || line.trim_start().starts_with("Waiting ")
    };
    text.lines().filter(|line| !is_progress(line)).map(line).collect::<Vec<_>>().join("\n")
}

fn line(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let indent = words.iter().take_while(|word| word.is_empty()).count();
    let (mut text, mut gap, mut at) = (String::new(), 0, indent);
    while let Some(&word) = words.get(at) {
        let next = words.get(at + 1).copied().unwrap_or_default();
        at += 1;
        if word.is_empty() {
            gap += 1;
            continue;
        }
        let (word, used) = redacted(word, next);
        at += used;
        let space = match gap {
            // What is aligned to the right stands elsewhere when it is of another length.
            _ if text.is_empty() && used == 0 => " ".repeat(indent),
            _ if text.is_empty() => String::new(),
            0 => " ".to_owned(),
            _ => "  ".to_owned(),
        };
        text += &(space + &word);
        gap = 0;
    }
    text
}

/// A word without what differs, and how many of those after it belong to it.
fn redacted(word: &str, next: &str) -> (String, usize) {
    let (bare, unit) = (word.trim_start_matches('('), next.trim_end_matches([',', ')', ':']));
    let around = |name: &str| {
        let (before, after) = (&word[..word.len() - bare.len()], &next[unit.len()..]);
        (format!("{before}{name}{after}"), 1)
    };
    let is_hex = |length: usize| word.len() == length && word.chars().all(|c| c.is_ascii_hexdigit());
    match unit {
        "B" | "KiB" | "MiB" | "GiB" if bare.parse::<f64>().is_ok() => around("[size]"),
        "s" if bare.parse::<f64>().is_ok() => around("[time]"),
        "file" | "files" if next.ends_with(',') && bare.parse::<u64>().is_ok() => around("[files]"),
        _ if word.starts_with("sha256:") => ("[digest]".to_owned(), 0),
        _ if is_hex(64) || is_hex(12) => ("[sum]".to_owned(), 0),
        _ if is_hex(40) => ("[commit]".to_owned(), 0),
        _ => (word.to_owned(), 0),
    }
}
