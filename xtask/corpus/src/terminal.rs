//! A terminal for programs that want one. The sandbox has none of its own; a program gets this one by descriptor.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::app::Screen;

/// How often somebody looks whether the program has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Ours.
    controller: File,
    /// The program's.
    end: OwnedFd,
}

impl Terminal {
    /// One of 80 columns and 24 lines.
    pub(crate) fn open() -> std::io::Result<Self> {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let name = ptsname(&controller, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let end = rustix::fs::open(name, flags, Mode::empty())?;
        tcsetwinsize(&end, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
        // A POSIX shell redirects to descriptors of one digit only.
        if end.as_raw_fd() > 9 {
            return Err(std::io::Error::other("too many files are open for a terminal"));
        }
        Ok(Self { controller: File::from(controller), end })
    }

    /// The number of the program's end.
    pub(crate) fn number(&self) -> RawFd {
        self.end.as_raw_fd()
    }

    /// Reads what the program writes until it has ended, and presses the keys once all has been seen that it
    /// should show. Tells what has not been seen.
    pub(crate) fn watch(&self, screen: &Screen, ended: &AtomicBool) -> std::io::Result<Vec<String>> {
        let (mut written, mut pressed) = (Vec::new(), false);
        loop {
            let unseen: Vec<String> = {
                let text = plain(&String::from_utf8_lossy(&written));
                screen.shows.iter().filter(|word| !text.contains(*word)).cloned().collect()
            };
            if unseen.is_empty() && !pressed {
                (&self.controller).write_all(screen.keys.as_bytes())?;
                pressed = true;
            }
            // Before the look: what was written until then is read.
            let is_over = ended.load(Ordering::SeqCst);
            let mut ready = [PollFd::new(&self.controller, PollFlags::IN)];
            if poll(&mut ready, Some(&LOOK.try_into().unwrap_or_default()))? > 0 {
                let mut part = [0; 4096];
                let count = (&self.controller).read(&mut part)?;
                written.extend_from_slice(&part[..count]);
            } else if is_over {
                return Ok(unseen);
            }
        }
    }
}

/// A text without escape sequences (ECMA-48).
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            plain.push(character);
            continue;
        }
        let last = match characters.next() {
            // Up to its final character.
            Some('[') => characters.find(|character| ('@'..='~').contains(character)),
            // A string, up to BEL or ESC \.
            Some(']' | 'P' | '_' | '^') => {
                characters.find(|&character| matches!(character, '\u{7}' | '\u{1b}'))
            }
            // One of one character more, such as those that name a character set.
            Some('(' | ')' | '#') => characters.next(),
            other => other,
        };
        if last == Some('\u{1b}') {
            characters.next();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_no_text() {
        assert_eq!(plain("\u{1b}[1;1H\u{1b}[38;5;2mfoo\u{1b}[0m bar"), "foo bar");
        assert_eq!(plain("\u{1b}]0;title\u{7}x\u{1b}]8;;y\u{1b}\\z\u{1b}(B\u{1b}=."), "xz.");
    }

    #[test]
    fn keys_are_pressed_when_everything_has_been_seen() {
        let terminal = Terminal::open().unwrap();
        let screen = Screen { shows: vec!["foo".to_owned(), "bar".to_owned()], keys: "quit\n".to_owned() };
        let ended = AtomicBool::new(false);
        let (unseen, line) = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| terminal.watch(&screen, &ended).unwrap());
            let mut end = File::from(terminal.end.try_clone().unwrap());
            end.write_all(b"fo").unwrap();
            end.write_all(b"o \x1b[1mbar\n").unwrap();
            let mut line = [0; 5];
            end.read_exact(&mut line).unwrap();
            ended.store(true, Ordering::SeqCst);
            (watcher.join().unwrap(), line)
        });
        assert_eq!((unseen, &line), (Vec::new(), b"quit\n"));
    }

    #[test]
    fn what_was_not_shown_is_told() {
        let terminal = Terminal::open().unwrap();
        let screen = Screen { shows: vec!["foo".to_owned()], keys: String::new() };
        assert_eq!(terminal.watch(&screen, &AtomicBool::new(true)).unwrap(), ["foo"]);
    }
}
