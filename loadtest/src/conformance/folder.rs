//! Puts a test into a session: its program, and copies of the folders it works on.

use crate::bed::{Failure, done, put_file};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use warren_kernel::id::{Gid, Pid, Uid};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::At;
use warren_kernel::{Call, Session};
use warren_wasi_posix::layer::USER_ID;

/// Files and folders of one copied folder, at most.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of one copied folder, at most.
const BYTES_MAX: u64 = 64 << 20;
/// Levels of one copied folder, at most.
const DEPTH_MAX: usize = 32;

/// Makes an empty working directory, and the program.
pub(super) fn prepare(session: &Session, work: &str, program: &str, module: &[u8]) -> Result<(), Failure> {
    make_directory(session, work)?;
    put_file(session, program, module)?;
    let executable = Mode::new(0o755);
    session.with(|kernel| done(kernel.chmod(&mut Call::new(Pid::INIT), At::Root, program.as_bytes(), executable)))
}

/// Copies a folder of this machine to `to`, whose parents are made as needed. Everything in it belongs to the
/// session's user. Links are copied as links; what is neither file, folder nor link is refused.
pub(super) fn copy(session: &Session, from: &Path, to: &str) -> Result<(), Failure> {
    let mut parent = String::new();
    for part in to.split('/').filter(|part| !part.is_empty()) {
        parent = format!("{parent}/{part}");
        make_directory(session, &parent)?;
    }
    let (mut entries, mut bytes) = (0, 0);
    let mut folders = vec![(from.to_owned(), to.to_owned(), 0)];
    while let Some((folder, place, depth)) = folders.pop() {
        if depth > DEPTH_MAX {
            return Err(format!("{} is more than {DEPTH_MAX} folders deep", folder.display()).into());
        }
        for entry in std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            let name = path.file_name().and_then(|name| name.to_str());
            let place = format!("{place}/{}", name.ok_or("a file's name is not UTF-8")?);
            entries += 1;
            bytes += metadata.len();
            if entries > ENTRIES_MAX || bytes > BYTES_MAX {
                return Err(format!("{} has more than {ENTRIES_MAX} files or {BYTES_MAX} bytes", from.display()).into());
            }
            if metadata.is_dir() {
                make_directory(session, &place)?;
                folders.push((path, place, depth + 1));
            } else if metadata.is_symlink() {
                let target = std::fs::read_link(&path)?;
                let call = &mut Call::new(Pid::INIT);
                session.with(|kernel| {
                    done(kernel.symlink(call, target.as_os_str().as_bytes(), At::Root, place.as_bytes()))
                })?;
            } else if metadata.is_file() {
                put_file(session, &place, &std::fs::read(&path)?)?;
                give(session, &place)?;
            } else {
                return Err(format!("{} is neither file, folder nor link", path.display()).into());
            }
        }
    }
    Ok(())
}

/// Makes a directory of the session's user, unless it is there.
fn make_directory(session: &Session, path: &str) -> Result<(), Failure> {
    let call = &mut Call::new(Pid::INIT);
    let there = session.with(|kernel| done(kernel.stat(call, At::Root, path.as_bytes(), true)).is_ok());
    if there {
        return Ok(());
    }
    session.with(|kernel| done(kernel.mkdir(call, At::Root, path.as_bytes(), Mode::new(0o755))))?;
    give(session, path)
}

fn give(session: &Session, path: &str) -> Result<(), Failure> {
    let owner = (Some(Uid(USER_ID)), Some(Gid(USER_ID)));
    let call = &mut Call::new(Pid::INIT);
    session.with(|kernel| done(kernel.chown(call, At::Root, path.as_bytes(), true, owner.0, owner.1)))
}
