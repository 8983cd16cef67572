//! What must not be in an image by mistake: private keys and tokens, paths of this machine, home folders.
//!
//! One search over a file's bytes stops where something may start; what follows there decides. A program's
//! texts stand side by side with nothing between them, so a path that is long enough to be one is found
//! whatever is beside it. Compressed data and UTF-16 are not looked into.

mod bytes;
mod key;
mod path;
mod token;

use std::cmp::Reverse;
use std::io::Read;

use aho_corasick::{AhoCorasick, Input, Match, MatchKind};
use serde::{Deserialize, Serialize};
use xbuild_action::Content as _;
use xbuild_base::{Blob, Digest, Hasher, Sha256};
use xbuild_store::{Disk, Namespace};

use self::bytes::is_name;
use self::key::{KEY_WINDOW, private_key};
use self::path::{extract, is_drive, is_within, names_somebody};
use self::token::{TOKENS, Token};
use crate::error::ImageError;

/// The memo namespace: a file and the paths looked for → what was found.
const SCANS: Namespace = Namespace::new("image-scan-1");

/// The version of what is looked for: a change of it is looked for anew.
const PATTERNS: u32 = 1;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// So many bytes after the start of something are enough to decide on it, but for a path of the machine.
const AHEAD: usize = 4096;

/// So many bytes before it are.
const BEHIND: usize = 256;

/// Findings that are kept of a file.
const MOST: usize = 20;

/// What must not be in an image by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Leak {
    /// A private key as PEM.
    PrivateKey,
    /// What a service takes for a password.
    Token,
    /// A path of the machine that builds.
    MachinePath,
    /// The home folder of somebody.
    HomeFolder,
}

impl Leak {
    /// Whether it gives access to something: a path only tells of where something was built.
    #[must_use]
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::PrivateKey | Self::Token)
    }
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// Of which kind it is.
    pub(crate) leak: Leak,
    /// Where it starts, in bytes.
    pub(crate) offset: u64,
    /// A path's beginning; of a key or token the kind alone, as in `a token of npm (npm_…)`.
    pub(crate) what: String,
}

/// Scans a file of the store for keys, tokens, home folders and the paths in `machine`, which are absolute.
/// What was found before is remembered. At most 20 findings are given, in the file's order; paths never crowd
/// out secrets.
///
/// # Errors
/// When the file is missing in the store or can't be read; when what was found can't be remembered.
pub(crate) fn scan(store: &Disk, file: Digest<Blob>, machine: &[String]) -> Result<Vec<Finding>, ImageError> {
    let paths = ordered(machine);
    let key = key(file, &paths);
    let known: Option<Vec<Finding>> =
        store.memo(SCANS, key).and_then(|record| serde_json::from_slice(&record).ok());
    if let Some(known) = known {
        return Ok(known);
    }
    let scanner = Scanner::new(&paths)?;
    let findings =
        scanner.scan(store.open_blob(file)?, PIECE).map_err(ImageError::io("scan", file.to_hex()))?;
    let record =
        serde_json::to_vec(&findings).map_err(|error| ImageError::Specification(error.to_string()))?;
    store.put_memo(SCANS, key, &record)?;
    Ok(findings)
}

/// What the findings depend on.
fn key(file: Digest<Blob>, paths: &[&str]) -> Sha256 {
    let mut key = Hasher::default();
    key.update_framed(&PATTERNS.to_string());
    key.update_framed(&file.to_string());
    paths.iter().for_each(|path| key.update_framed(path));
    key.sha256()
}

/// The machine's paths, each once, a longer one before those that it starts with. The root is in every path.
fn ordered(machine: &[String]) -> Vec<&str> {
    let mut paths: Vec<&str> =
        machine.iter().map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty()).collect();
    paths.sort_unstable_by_key(|path| (Reverse(path.len()), *path));
    paths.dedup();
    paths
}

/// How what may stand somewhere is looked at.
#[derive(Debug)]
enum Rule<'m> {
    /// This path.
    Machine(&'m str),
    /// A folder of home folders, and what separates names in it.
    Home { start: &'static str, separator: &'static str },
    /// PEM.
    Pem,
    /// This token.
    Token(&'static Token),
}

impl Rule<'_> {
    const fn start(&self) -> &str {
        match self {
            Self::Machine(path) => path,
            Self::Home { start, .. } => start,
            Self::Pem => "-----BEGIN ",
            Self::Token(token) => token.start,
        }
    }
}

/// The folders of home folders. Windows' paths stand in sources and in JSON with two backslashes.
const HOMES: [Rule<'static>; 4] = [
    Rule::Home { start: "/home/", separator: "/" },
    Rule::Home { start: "/Users/", separator: "/" },
    Rule::Home { start: r":\Users\", separator: r"\" },
    Rule::Home { start: r":\\Users\\", separator: r"\\" },
];

/// A rule that holds somewhere.
struct Hit {
    leak: Leak,
    start: usize,
    /// Where the search goes on.
    end: usize,
    what: String,
}

/// What is looked for, made ready.
struct Scanner<'m> {
    rules: Vec<Rule<'m>>,
    starts: AhoCorasick,
    ahead: usize,
}

impl<'m> Scanner<'m> {
    /// `paths` as [`ordered`] gives them: of two that start at one place the first is found.
    fn new(paths: &[&'m str]) -> Result<Self, ImageError> {
        let mut rules: Vec<Rule<'m>> = paths.iter().copied().map(Rule::Machine).collect();
        rules.extend(HOMES);
        rules.push(Rule::Pem);
        rules.extend(TOKENS.iter().map(Rule::Token));
        // Of this kind of matching alone comes the search by vector instructions.
        let starts = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(rules.iter().map(Rule::start))
            .map_err(|error| ImageError::Specification(error.to_string()))?;
        let longest = paths.iter().map(|path| path.len()).max().unwrap_or_default();
        Ok(Self { rules, starts, ahead: AHEAD + longest })
    }

    /// Reads and scans piece by piece. What stands at a piece's end is decided on when more of it is there:
    /// the findings don't depend on where pieces end.
    fn scan(&self, mut reader: impl Read, piece: usize) -> std::io::Result<Vec<Finding>> {
        let mut found = Found::default();
        let mut buffer = Vec::with_capacity(BEHIND + piece + self.ahead);
        // Bytes of the file that the buffer holds no more.
        let mut gone = 0_u64;
        let mut at = 0;
        loop {
            let read = reader.by_ref().take(piece as u64).read_to_end(&mut buffer)?;
            let is_last = read < piece;
            let until = if is_last { buffer.len() } else { buffer.len().saturating_sub(self.ahead) };
            while at < until && !found.is_full() {
                let Some(start) = self.starts.find(Input::new(&buffer).range(at..)) else { break };
                if start.start() >= until {
                    break;
                }
                at = match self.check(&buffer, &start, found.has_room_for_paths()) {
                    Some(hit) => {
                        let end = hit.end;
                        found.add(hit, gone);
                        end
                    }
                    None => start.start() + 1,
                };
            }
            if is_last || found.is_full() {
                return Ok(found.findings());
            }
            let done = until.saturating_sub(BEHIND);
            buffer.drain(..done);
            gone += done as u64;
            at = at.max(until) - done;
        }
    }

    /// Whether there is what may start there. Programs have thousands of paths, which are not looked at when
    /// there are enough of them.
    fn check(&self, bytes: &[u8], at: &Match, with_paths: bool) -> Option<Hit> {
        let (start, end) = (at.start(), at.end());
        let before = &bytes[start.saturating_sub(BEHIND)..start];
        match self.rules.get(at.pattern().as_usize())? {
            Rule::Machine(_) | Rule::Home { .. } if !with_paths => None,
            Rule::Machine(path) => {
                // `/src` or `/app` is a part of many a path that has nothing to do with this machine.
                let is_one_name = path.matches('/').count() == 1;
                if is_one_name && (is_within(before) || bytes.get(end).copied().is_some_and(is_name)) {
                    return None;
                }
                Some(Hit { leak: Leak::MachinePath, start, end, what: extract(bytes, start, end) })
            }
            Rule::Home { start: folder, separator } => {
                let is_windows = folder.starts_with(':');
                let is_whole = if is_windows { is_drive(before) } else { !is_within(before) };
                if !is_whole || !names_somebody(&bytes[end..], separator) {
                    return None;
                }
                // The drive's letter stands before.
                let start = start - usize::from(is_windows);
                Some(Hit { leak: Leak::HomeFolder, start, end, what: extract(bytes, start, end) })
            }
            Rule::Pem => {
                let kind = private_key(&bytes[end..bytes.len().min(end + KEY_WINDOW)])?;
                Some(Hit { leak: Leak::PrivateKey, start, end, what: format!("a private key ({kind})") })
            }
            Rule::Token(token) => {
                let end = token.end(bytes, start)?;
                Some(Hit { leak: Leak::Token, start, end, what: token.what.to_owned() })
            }
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    secrets: Vec<Finding>,
    paths: Vec<Finding>,
}

impl Found {
    fn add(&mut self, hit: Hit, gone: u64) {
        let Hit { leak, start, end: _, what } = hit;
        let list = if leak.is_secret() { &mut self.secrets } else { &mut self.paths };
        if list.len() < MOST {
            list.push(Finding { leak, offset: gone + start as u64, what });
        }
    }

    fn has_room_for_paths(&self) -> bool {
        self.paths.len() < MOST
    }

    /// Paths alone don't end a scan: a secret may follow.
    fn is_full(&self) -> bool {
        self.secrets.len() >= MOST
    }

    fn findings(mut self) -> Vec<Finding> {
        self.paths.truncate(MOST.saturating_sub(self.secrets.len()));
        self.secrets.append(&mut self.paths);
        self.secrets.sort_by_key(|finding| finding.offset);
        self.secrets
    }
}

#[cfg(test)]
mod tests {
    use xbuild_action::ContentExt as _;

    use super::key::KEYS;
    use super::path::{EXTRACT, LONGEST_NAME};
    use super::token::Beside;
    use super::*;

    /// The project's folder and cargo's home, as of a machine.
    const MACHINE: [&str; 3] = ["/srv/acme", "/opt/.cargo", "/app"];

    fn machine() -> Vec<String> {
        MACHINE.map(str::to_owned).to_vec()
    }

    fn in_pieces(bytes: &[u8], piece: usize) -> Vec<Finding> {
        let machine = machine();
        Scanner::new(&ordered(&machine)).unwrap().scan(bytes, piece).unwrap()
    }

    fn found(bytes: impl AsRef<[u8]>) -> Vec<Finding> {
        in_pieces(bytes.as_ref(), PIECE)
    }

    /// The one finding in a text: its kind, the text from there on, and what is said of it.
    #[track_caller]
    fn one(text: &str) -> (Leak, &str, String) {
        let found = found(text);
        let [finding] = found.as_slice() else { panic!("{found:?} in {text}") };
        (finding.leak, &text[usize::try_from(finding.offset).unwrap()..], finding.what.clone())
    }

    #[track_caller]
    fn none(bytes: impl AsRef<[u8]>) {
        let found = found(&bytes);
        let start = bytes.as_ref().chunks(200).next().map(String::from_utf8_lossy);
        assert!(found.is_empty(), "{found:?} in {start:?}");
    }

    /// Always the same bytes, which look like chance.
    fn random(count: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// So many characters of base64.
    fn base64(count: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        random(count).iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
    }

    /// PEM of that label, with the lines between its first and last.
    fn pem(label: &str, lines: &str) -> String {
        format!(
            "{dashes}BEGIN {label}{dashes}\n{lines}\n{dashes}END {label}{dashes}\n",
            dashes = "-".repeat(5)
        )
    }

    /// A token of each kind: its start, a body, and what is said of it.
    fn tokens() -> Vec<(&'static str, String, &'static str)> {
        let body = |token: &Token| match token.beside {
            Beside::AnythingNumbered => "1234567890-1234567890-abcdef"[..token.length].to_owned(),
            _ if (token.body)(b'a') => "a".repeat(token.length),
            _ => "A7".repeat(token.length / 2),
        };
        TOKENS.iter().map(|token| (token.start, body(token), token.what)).collect()
    }

    #[test]
    fn every_token_is_found_and_told_by_its_kind_alone() {
        for (start, body, what) in tokens() {
            for text in
                [format!("key = \"{start}{body}\";"), format!("{start}{body}"), format!("K={start}{body}\0x")]
            {
                let (leak, at, said) = one(&text);
                assert_eq!(leak, Leak::Token);
                assert!(at.starts_with(start), "{at}");
                assert_eq!(said, what);
                assert!(said.ends_with("…)") && !said.contains(&body), "{said}");
            }
        }
    }

    #[test]
    fn what_is_nearly_a_token_is_not_found() {
        for (start, body, _) in tokens() {
            none(format!("\"{start}\""));
            none(format!("\"{start}{}\"", &body[..body.len() - 1]));
            none(format!("\"{start}{}.{}\"", &body[..4], &body[4..]));
            none(format!("\"{start}{}\"", "X".repeat(body.len())));
        }
        for start in ["AKIA", "ghp_", "npm_", "cio"] {
            let body = tokens().into_iter().find(|token| token.0 == start).unwrap().1;
            none(format!("a{start}{body}"));
            none(format!("{start}{body}A"));
            none(format!("_{start}{body}"));
        }
        none(format!("a{}{}", "AIza", "b".repeat(35)));
        none(format!("{}{}", "cio", "b".repeat(32)).replace("bb", "b+"));
        none(format!("\n{}{}/{}", "cio", "b".repeat(32), "c".repeat(28)));
        none(format!("{}{}{}", "AKIA", "IOSFODNN7", "EXAMPLE"));
        none(format!("{}{}", "xoxb-", "not-numbered-at-all-here"));
        none(format!("{}{}", "glpat-", "your-access-token-goes-here"));
    }

    #[test]
    fn a_token_whose_checksum_holds_is_found_within_text() {
        let random = "0123456789abcdefghijklmnopqrst";
        let text = format!("called on a None value{}{random}{}src/main.rs", "npm_", "3j70pI");
        let (leak, _, what) = one(&text);
        assert_eq!((leak, what.as_str()), (Leak::Token, "a token of npm (npm_…)"));
        none(text.replace("3j70pI", "3j70pJ"));
    }

    #[test]
    fn every_private_key_is_found_in_each_form() {
        let (line, short) = (base64(64), base64(70));
        for (label, kind) in KEYS {
            let key = pem(label, &format!("{line}\n{short}"));
            let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n";
            for text in [
                format!("x{key}"),
                key.replace('\n', "\r\n"),
                format!("{{\"key\": \"{}\"}}", key.replace('\n', r"\n")),
                key.replace('\n', r"\\n"),
                key.replace('\n', "\n    "),
                pem(label, &format!("{headers}{line}")),
                pem(label, &format!("\n{line}")),
                pem(label, &short),
                pem(label, &format!("{}\n{}", &line[..40], &line[40..])),
            ] {
                let (leak, at, what) = one(&text);
                assert_eq!(leak, Leak::PrivateKey);
                assert!(at.starts_with("-----BEGIN"), "{at}");
                assert_eq!(what, format!("a private key ({kind})"));
            }
        }
    }

    #[test]
    fn pem_without_a_private_key_is_not_found() {
        let line = base64(64);
        for (label, _) in KEYS {
            let dashes = "-".repeat(5);
            none(format!("{dashes}BEGIN {label}{dashes}"));
            none(format!("{dashes}BEGIN {label}{dashes}{dashes}END {label}{dashes}"));
            none(format!("{dashes}BEGIN {label}{dashes}\n"));
            none(format!("{dashes}BEGIN {label}{dashes}{line}"));
            none(format!("{dashes}BEGIN {label}\n{line}"));
            none(pem(label, ""));
            none(pem(label, "..."));
            none(pem(label, &line[..63]));
            none(pem(label, &format!("not a key but {line}")));
            none(pem(label, &"\n".repeat(10_000)));
            let letters: String = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
            none(format!("{dashes}BEGIN {label}{dashes}\n{letters}+/{line}"));
        }
        for label in ["CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY", "PGP PUBLIC KEY BLOCK"] {
            none(pem(label, &line));
        }
    }

    #[test]
    fn home_folders_are_found() {
        for (text, what) in [
            ("/home/alice/src/x.c", "/home/alice/src/x.c"),
            ("at \"/home/alice/x\" or", "/home/alice/x"),
            ("-I/home/alice/include", "/home/alice/include"),
            ("PATH=/usr/bin:/home/alice/bin", "/home/alice/bin"),
            ("file:///home/alice/x", "/home/alice/x"),
            ("src/main.rs/home/alice/src/lib.rs", "/home/alice/src/lib.rs"),
            ("a None value/home/alice/x.rs", "/home/alice/x.rs"),
            ("/Users/j.doe-2/x", "/Users/j.doe-2/x"),
            ("/Users/Jürg/x", "/Users/Jürg/x"),
            ("C:/Users/alice/x", "/Users/alice/x"),
            (r"C:\Users\alice\x.pdb", r"C:\Users\alice\x.pdb"),
            (r"D:\\Users\\alice\\x", r"D:\\Users\\alice\\x"),
            (r"C:\Users\Jane Doe\x", r"C:\Users\Jane"),
        ] {
            let (leak, at, said) = one(text);
            assert_eq!((leak, said.as_str()), (Leak::HomeFolder, what), "{text}");
            assert!(at.starts_with(what), "{at}");
        }
        let (_, _, what) = one(&format!("/home/alice/{}", "long/".repeat(100)));
        assert_eq!(what.len(), EXTRACT);
    }

    #[test]
    fn placeholders_and_parts_of_other_paths_are_no_home_folders() {
        for text in [
            "/home/",
            "/home/alice",
            "/home/alice/",
            "/home/alice/\0",
            "/home//x",
            "/home/./x",
            "/home/../x",
            "/home/nonroot/x",
            "/home/user/x",
            "/home/USER/x",
            "/home/username/x",
            "/home/me/x",
            "/home/you/x",
            "/home/example/x",
            "/home/example-user/x",
            "/home/{user}/x",
            "/home/${USER}/x",
            "/home/$USER/x",
            "/home/<name>/x",
            "/home/%s/x",
            "/Users/Shared/x",
            "https://example.com/home/alice/x",
            "http://localhost:8080/home/alice/x",
            "http://home/alice/x",
            "import '../home/pages/x'",
            "library/crates/home/src/lib.rs",
            r"C:\Users\Public\x",
            r"C:\Users\<name>\x",
            r"C:\Users\alice",
            r"\Users\alice\x",
            r"ABC:\Users\alice\x",
        ] {
            none(text);
        }
        none(format!("/home/{}/x", "a".repeat(LONGEST_NAME + 1)));
    }

    #[test]
    fn paths_of_the_machine_are_found_whatever_is_beside_them() {
        for (text, what) in [
            ("/srv/acme/src/lib.rs", "/srv/acme/src/lib.rs"),
            ("a None value/srv/acme/src/lib.rs", "/srv/acme/src/lib.rs"),
            ("in /srv/acme, or", "/srv/acme"),
            ("/opt/.cargo/registry/src", "/opt/.cargo/registry/src"),
            ("/app/main.rs", "/app/main.rs"),
            ("\"/app\"", "/app"),
        ] {
            let (leak, at, said) = one(text);
            assert_eq!((leak, said.as_str()), (Leak::MachinePath, what), "{text}");
            assert!(at.starts_with(what), "{at}");
        }
        for text in ["/srv", "/srv/acm", "/opt/cargo", "/application", "/usr/local/app/x", "../app/x"] {
            none(text);
        }
    }

    #[test]
    fn the_longest_path_counts_and_the_root_is_none() {
        let machine =
            ["/", "", "/home/alice", "/home/alice/project/", "/home/alice/project"].map(str::to_owned);
        let paths = ordered(&machine);
        assert_eq!(paths, ["/home/alice/project", "/home/alice"]);
        let scanner = Scanner::new(&paths).unwrap();
        let found = scanner.scan(&b"/home/alice/project/x /home/alice/y /home/bob/z"[..], PIECE).unwrap();
        let found: Vec<_> = found.iter().map(|finding| (finding.leak, finding.what.as_str())).collect();
        assert_eq!(
            found,
            [
                (Leak::MachinePath, "/home/alice/project/x"),
                (Leak::MachinePath, "/home/alice/y"),
                (Leak::HomeFolder, "/home/bob/z")
            ]
        );
    }

    #[test]
    fn a_secret_in_a_path_is_not_shown() {
        for (start, body, _) in tokens() {
            for folder in ["/home/alice/", "/home/", "/srv/acme/"] {
                let found = found(format!("{folder}{start}{body}/x"));
                assert!(found.iter().all(|finding| !finding.what.contains(&body)), "{found:?}");
            }
        }
        let text = format!("/home/alice/{}{}/x", "ghp_", "a".repeat(36));
        let found = found(&text);
        assert_eq!(
            found.iter().map(|finding| finding.leak).collect::<Vec<_>>(),
            [Leak::HomeFolder, Leak::Token]
        );
        assert_eq!(found[0].what, "/home/alice/");
    }

    #[test]
    fn findings_do_not_depend_on_where_pieces_end() {
        let mut bytes = Vec::new();
        for (start, body, _) in tokens() {
            bytes.extend(random(700));
            bytes.extend(format!("\n{start}{body}\n").into_bytes());
        }
        bytes.extend(pem("PRIVATE KEY", &base64(64)).into_bytes());
        let secrets = in_pieces(&bytes, PIECE);
        assert_eq!(secrets.len(), MOST);
        bytes.clear();
        for text in [
            "/home/alice/x",
            "https://example.com/home/alice/x",
            "/srv/acme/x",
            r"C:\Users\alice\x",
            "/app/x",
        ] {
            bytes.extend(random(3000));
            bytes.extend(format!("\n{text}\n").into_bytes());
            bytes.extend(pem("EC PRIVATE KEY", &base64(64)).into_bytes());
        }
        let whole = in_pieces(&bytes, PIECE);
        assert_eq!(whole.len(), 9);
        for piece in [61, 1000, AHEAD, AHEAD + 1, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
            assert_eq!(in_pieces(&bytes, piece), whole, "{piece}");
        }
    }

    #[test]
    fn what_lies_across_the_end_of_a_piece_is_found_once() {
        let token = format!(" {}{} ", "ghp_", "a".repeat(36));
        let key = pem("PRIVATE KEY", &base64(64));
        let longest = MACHINE.iter().map(|path| path.len()).max().unwrap();
        let mut bytes = vec![0; PIECE + AHEAD];
        for border in [PIECE, PIECE - AHEAD - longest] {
            for text in [token.as_str(), key.as_str(), "/home/alice/x"] {
                for back in [0, 1, 2, 5, text.len() / 2, text.len() - 1, text.len()] {
                    let at = border - back;
                    bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
                    let found = found(&bytes);
                    assert_eq!(found.len(), 1, "{back} {found:?}");
                    let start = at + text.len() - text.trim_start().len();
                    assert_eq!(found[0].offset, start as u64);
                    bytes[at..at + text.len()].fill(0);
                }
            }
        }
    }

    #[test]
    fn chance_is_not_found() {
        none(random(8 << 20));
        let text = base64(1 << 20);
        let lines: Vec<&str> = (0..text.len() / 64).map(|line| &text[line * 64..(line + 1) * 64]).collect();
        none(lines.join("\n"));
    }

    #[test]
    fn many_paths_do_not_hide_a_secret() {
        let token = format!("{}{}", "ghp_", "a".repeat(36));
        let paths = "/srv/acme/x\n".repeat(100);
        let found = self::found(format!("{paths}{token}\n{paths}"));
        assert_eq!(found.len(), MOST);
        assert_eq!(found.iter().filter(|finding| finding.leak.is_secret()).count(), 1);
        assert!(found.is_sorted_by_key(|finding| finding.offset));
        let tokens = format!("{token}\n").repeat(100);
        let found = self::found(format!("{paths}{tokens}"));
        assert_eq!(found.iter().filter(|finding| finding.leak.is_secret()).count(), MOST);
        assert_eq!(found.len(), MOST);
    }

    #[test]
    fn what_was_found_is_remembered_by_file_and_paths() {
        let place = tempfile::tempdir().unwrap();
        let store = Disk::open(&place.path().join("store"), None).unwrap();
        let text = "/srv/acme/src/lib.rs and /elsewhere/x/y";
        let file = store.put(text.as_bytes()).unwrap();
        let machine = machine();
        let found = scan(&store, file, &machine).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(scan(&store, file, &machine).unwrap(), found);

        // Another record in its place shows that it is what is read, whatever the order of the paths.
        let other = vec![Finding { leak: Leak::Token, offset: 7, what: "remembered".to_owned() }];
        let record = serde_json::to_vec(&other).unwrap();
        store.put_memo(SCANS, key(file, &ordered(&machine)), &record).unwrap();
        let mut turned = machine.clone();
        turned.reverse();
        assert_eq!(scan(&store, file, &turned).unwrap(), other);

        let paths = scan(&store, file, &["/elsewhere/x".to_owned()]).unwrap();
        assert_eq!(paths.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(), ["/elsewhere/x/y"]);
        assert!(scan(&store, file, &[]).unwrap().is_empty());
        let same = store.put(format!("{text}.").as_bytes()).unwrap();
        assert_eq!(scan(&store, same, &machine).unwrap(), found);
    }

    #[test]
    fn a_file_that_is_not_in_the_store_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let store = Disk::open(&place.path().join("store"), None).unwrap();
        let error = scan(&store, Digest::of(b"gone"), &[]).unwrap_err();
        assert!(matches!(error, ImageError::Store(_)), "{error}");
    }
}
