//! Ways in which a program may look at a file: for the tests of what is seen of it.

use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, accessat, getxattr, listxattr, open,
    openat, openat2, readlinkat, statat, statx,
};

/// Looks at `path` in the way `how[0]`; `child` and `thread` let another one look.
pub(crate) fn look(how: &[&str], path: &str) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let none = Mode::empty();
    match how {
        ["nothing"] => {}
        ["open"] => drop(open(path, flags, none)?),
        ["open-path"] => drop(rustix::fs::fstat(open(path, flags | OFlags::PATH, none)?)?),
        ["open-folder"] => drop(open(path, flags | OFlags::DIRECTORY, none)?),
        ["openat"] => drop(openat(CWD, path, flags | OFlags::NOFOLLOW, none)?),
        ["openat2"] => drop(openat2(CWD, path, flags, none, ResolveFlags::NO_MAGICLINKS)?),
        ["stat"] => drop(rustix::fs::stat(path)?),
        ["lstat"] => drop(rustix::fs::lstat(path)?),
        ["statat"] => drop(statat(CWD, path, AtFlags::NO_AUTOMOUNT)?),
        ["statx"] => drop(statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)?),
        ["attribute"] => drop(getxattr(path, "user.x", &mut [0_u8; 8][..])),
        ["attributes"] => drop(listxattr(path, &mut [0_u8; 8][..])?),
        ["access"] => accessat(CWD, path, Access::READ_OK, AtFlags::empty())?,
        ["read-link"] => drop(readlinkat(CWD, path, Vec::new())?),
        ["mapped"] => drop(fs_err::read(path)?),
        ["list"] => drop(fs_err::read_dir(path)?.count()),
        ["fails"] => {
            let failed = [open(path, flags, none).is_err(), rustix::fs::stat(path).is_err()];
            assert_eq!(failed, [true, true], "{path} is there");
        }
        ["from-folder"] => {
            let (folder, name) = (Path::new(path).parent().unwrap(), Path::new(path).file_name().unwrap());
            let folder = open(folder, flags | OFlags::DIRECTORY, none)?;
            drop(openat(folder.as_fd(), name, flags, none)?);
        }
        // It is no program; that it isn't is seen of it.
        ["execute-check"] => drop(std::process::Command::new(std::path::absolute(path)?).status()),
        ["child", how @ ..] => {
            let mut child = std::process::Command::new("/proc/self/exe");
            let status = child.args([crate::tool::ARGUMENT, "look"]).args(how).arg(path).status()?;
            assert!(status.success());
        }
        ["thread", how @ ..] => std::thread::scope(|scope| scope.spawn(|| look(how, path)).join().unwrap())?,
        _ => return Err(std::io::Error::other(format!("no such way: {how:?}"))),
    }
    Ok(())
}
