//! The system calls that show content or metadata of a file by its name.
//!
//! | call | why it is (not) here |
//! |---|---|
//! | `open`, `execve`, `open_tree` and their kin | they give the content, or a descriptor |
//! | `stat`, `getxattr`, `name_to_handle_at`, `file_getattr` and their kin | size, attributes |
//! | `truncate` | it needs no descriptor |
//! | `readlink`, `access`, `chdir`, `getdents` | no: they show what a folder's listing has: names, kinds, links' targets, and modes, of which only the execute bit differs |
//! | `fstat`, `mmap`, `ioctl` and whatever else takes a descriptor alone | no: the file was opened before |
//! | `rename`, `link`, `chmod`, `unlink` … | no: they leave a trace in the overlay, see `upper` |
//! | `io_uring_setup`, `open_by_handle_at`, `uselib`, and calls newer than this table | files may be opened unseen: nothing is known any more |

use nix::libc;

/// `O_NOFOLLOW`.
const NOT_OPENED: u64 = libc::O_NOFOLLOW as u64;
/// `AT_SYMLINK_NOFOLLOW`.
const NOT_FOLLOWED: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;

/// The newest call that this table was made with: Linux 6.18. All architectures count alike from 424 on.
pub(super) const NEWEST: u32 = 469;
const GETXATTRAT: libc::c_long = 464;
const LISTXATTRAT: libc::c_long = 465;
const REMOVEXATTRAT: libc::c_long = 466;
const OPEN_TREE_ATTR: libc::c_long = 467;
const FILE_GETATTR: libc::c_long = 468;
const FILE_SETATTR: libc::c_long = 469;

/// One of the calls. Arguments are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// Its number on this architecture.
    pub(super) number: libc::c_long,
    /// The argument with the folder that a relative path starts at; the working directory where there is none.
    pub(super) folder: Option<usize>,
    /// The argument with the path's address.
    pub(super) path: usize,
    /// Whether a link in the last part is followed.
    links: Links,
    /// What it does with the file.
    pub(super) does: Does,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    Shown,
    /// Followed unless this argument has this bit.
    Unless(usize, u64),
}

/// What a call does with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It shows something of it, or opens it.
    Show,
    /// It executes it: the kernel opens the interpreter that it names, too.
    Execute,
    /// `openat2`: this argument is the address of a `struct open_how`.
    OpenHow(usize),
}

impl Call {
    const fn new(number: libc::c_long, links: Links) -> Self {
        Self { number, folder: None, path: 0, links, does: Does::Show }
    }

    const fn at(number: libc::c_long, links: Links) -> Self {
        Self { number, folder: Some(0), path: 1, links, does: Does::Show }
    }

    const fn which(self, does: Does) -> Self {
        Self { does, ..self }
    }

    /// Whether a link in the last part is followed. Where a call's flags are not looked at, it is taken to be: what
    /// was not seen may be taken for seen, and never the other way round.
    pub(super) fn follows(&self, arguments: &[u64; 6]) -> bool {
        match self.links {
            Links::Followed => true,
            Links::Shown => false,
            Links::Unless(argument, flag) => arguments[argument] & flag == 0,
        }
    }
}

const EVERYWHERE: &[Call] = &[
    Call::at(libc::SYS_openat, Links::Unless(2, NOT_OPENED)),
    Call::at(libc::SYS_openat2, Links::Followed).which(Does::OpenHow(2)),
    Call::at(libc::SYS_open_tree, Links::Unless(2, NOT_FOLLOWED)),
    Call::at(OPEN_TREE_ATTR, Links::Unless(2, NOT_FOLLOWED)),
    Call::at(libc::SYS_newfstatat, Links::Unless(3, NOT_FOLLOWED)),
    Call::at(libc::SYS_statx, Links::Unless(2, NOT_FOLLOWED)),
    Call::new(libc::SYS_execve, Links::Followed).which(Does::Execute),
    Call::at(libc::SYS_execveat, Links::Followed).which(Does::Execute),
    Call::at(libc::SYS_name_to_handle_at, Links::Followed),
    Call::new(libc::SYS_truncate, Links::Followed),
    Call::new(libc::SYS_getxattr, Links::Followed),
    Call::new(libc::SYS_lgetxattr, Links::Shown),
    Call::new(libc::SYS_listxattr, Links::Followed),
    Call::new(libc::SYS_llistxattr, Links::Shown),
    Call::new(libc::SYS_removexattr, Links::Followed),
    Call::new(libc::SYS_lremovexattr, Links::Shown),
    Call::at(GETXATTRAT, Links::Unless(2, NOT_FOLLOWED)),
    Call::at(LISTXATTRAT, Links::Unless(2, NOT_FOLLOWED)),
    Call::at(REMOVEXATTRAT, Links::Unless(2, NOT_FOLLOWED)),
    Call::at(FILE_GETATTR, Links::Unless(4, NOT_FOLLOWED)),
    Call::at(FILE_SETATTR, Links::Unless(4, NOT_FOLLOWED)),
];

/// Calls that newer architectures have no more.
#[cfg(target_arch = "x86_64")]
const OLD: &[Call] = &[
    Call::new(libc::SYS_open, Links::Unless(1, NOT_OPENED)),
    Call::new(libc::SYS_creat, Links::Followed),
    Call::new(libc::SYS_stat, Links::Followed),
    Call::new(libc::SYS_lstat, Links::Shown),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Call] = &[];

/// Calls by which files may be opened without any of the others.
#[cfg(target_arch = "x86_64")]
const BLINDING: &[libc::c_long] = &[libc::SYS_io_uring_setup, libc::SYS_open_by_handle_at, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const BLINDING: &[libc::c_long] = &[libc::SYS_io_uring_setup, libc::SYS_open_by_handle_at];

/// The call of a number; `None` for all that blind.
pub(super) fn find(number: i32) -> Option<Call> {
    all().find(|call| call.number == libc::c_long::from(number)).copied()
}

/// The numbers of all calls that are to be told, of those up to [`NEWEST`].
pub(super) fn told() -> impl Iterator<Item = libc::c_long> {
    all().map(|call| call.number).chain(BLINDING.iter().copied())
}

fn all() -> impl Iterator<Item = &'static Call> {
    EVERYWHERE.iter().chain(OLD)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_is_one_calls_and_known_to_this_table() {
        let numbers: Vec<_> = told().collect();
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
        assert!(numbers.iter().all(|&number| number >= 0 && number <= NEWEST.into()));
        assert!(BLINDING.iter().all(|&number| find(number.try_into().unwrap()).is_none()));
    }

    #[test]
    fn a_links_own_metadata_is_not_its_targets() {
        let of =
            |number: libc::c_long, arguments| find(number.try_into().unwrap()).unwrap().follows(&arguments);
        let nofollow = libc::AT_SYMLINK_NOFOLLOW as u64;
        assert!(of(libc::SYS_newfstatat, [0; 6]) && !of(libc::SYS_newfstatat, [0, 0, 0, nofollow, 0, 0]));
        assert!(of(libc::SYS_statx, [0; 6]) && !of(libc::SYS_statx, [0, 0, nofollow, 0, 0, 0]));
        assert!(!of(libc::SYS_openat, [0, 0, libc::O_NOFOLLOW as u64, 0, 0, 0]));
        assert!(of(libc::SYS_execve, [0; 6]) && !of(libc::SYS_lgetxattr, [0; 6]));
    }
}
