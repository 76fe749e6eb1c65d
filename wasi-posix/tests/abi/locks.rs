//! flock() and record locks as a guest sees those of another process.

use crate::harness::errno::{EAGAIN, EBADF, EFAULT, EINVAL, EOVERFLOW, OK};
use crate::harness::{CWD, END, Place, Script, at, i, l, within};
use warren_kernel::id::Pid;
use warren_kernel::lock::{LockKind, LockRange, OnConflict};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};

const FLOCK: &str = "host_process.fd_flock";
const RECORD: &str = "host_process.fd_record_lock";
/// fd_read and fd_write.
const READ_WRITE: u64 = 1 << 1 | 1 << 6;
const SHARED: u32 = 1;
const EXCLUSIVE: u32 = 2;
const NONBLOCK: u32 = 4;
const UNLOCK: u32 = 8;

fn open(script: &mut Script, rights: u64) -> u32 {
    let fd = script.room(4);
    let [path, len] = script.text("/tmp/file");
    let args = [i(CWD), i(0), path, len, i(0), l(rights), l(0), i(0), i(fd)];
    script.expect("wasi_snapshot_preview1.path_open", &args, OK);
    fd
}

/// A file on which init holds a shared flock() and writes bytes 10 to 14.
fn place() -> Place {
    let place = Place::new();
    place.file("/tmp/file", 0o666, b"text");
    within(place.session.call(Pid::INIT, |kernel, call| {
        let flags = OpenFlags::READ | OpenFlags::WRITE;
        let fd = kernel.open(call, At::Root, b"/tmp/file", flags, Mode::new(0))?;
        kernel.flock(call, fd, Some(LockKind::Shared), OnConflict::Fail)?;
        let range = LockRange::new(10, 5).expect("a range");
        kernel.record_lock(call, fd, Some(LockKind::Exclusive), range, OnConflict::Fail)
    }))
    .unwrap();
    place
}

#[test]
fn a_flock_of_someone_else_is_met() {
    let place = place();
    let mut script = Script::posix();
    let fd = open(&mut script, READ_WRITE);
    script.expect(FLOCK, &[at(fd), i(EXCLUSIVE | NONBLOCK)], EAGAIN);
    script.expect(FLOCK, &[at(fd), i(SHARED)], OK);
    script.expect(FLOCK, &[at(fd), i(UNLOCK | NONBLOCK)], OK);
    for op in [0, 3, 16, NONBLOCK, SHARED | UNLOCK, u32::MAX] {
        script.expect(FLOCK, &[at(fd), i(op)], EINVAL);
    }
    script.expect(FLOCK, &[i(99), i(SHARED)], EBADF);
    script.run(&place);
    assert_eq!(place.session.with(|kernel| kernel.usage().locks), 2, "init's alone are left");
}

#[test]
fn a_record_lock_of_someone_else_is_met_and_told() {
    const GET: u32 = 12;
    const SET: u32 = 13;
    let place = place();
    let mut script = Script::posix();
    let (fd, reader) = (open(&mut script, READ_WRITE), open(&mut script, 1 << 1));
    let (told, free) = (script.room(24), script.room(24));
    let mut record = |fd: u32, cmd: u32, kind: u32, start: i64, len: i64, to: u32, want: i64| {
        let range = [l(start as u64), l(len as u64)];
        let out = [i(to), i(to.wrapping_add(4)), i(to.wrapping_add(8)), i(to.wrapping_add(16))];
        script.expect(RECORD, &[&[at(fd), i(cmd), i(kind)][..], &range, &out].concat(), want);
    };
    record(fd, GET, 0, 0, 0, told, OK);
    record(fd, GET, 1, 15, 7, free, OK);
    record(fd, GET, 2, 0, 0, told, EINVAL);
    record(fd, GET, 0, 0, 0, END - 20, EFAULT);
    record(fd, SET, 0, 14, 1, u32::MAX, EAGAIN);
    record(fd, SET, 1, 15, -5, u32::MAX, EAGAIN);
    record(fd, SET, 1, 15, i64::MAX - 14, u32::MAX, OK);
    record(fd, SET, 1, 10, -10, u32::MAX, OK);
    record(fd, SET + 1, 2, 0, 0, u32::MAX, OK);
    record(fd, SET, 0, -1, 0, u32::MAX, EINVAL);
    record(fd, SET, 0, 3, -4, u32::MAX, EINVAL);
    record(fd, SET, 0, 2, i64::MAX, u32::MAX, EOVERFLOW);
    record(fd, SET, 3, 0, 0, u32::MAX, EINVAL);
    record(fd, 11, 0, 0, 0, u32::MAX, EINVAL);
    record(reader, SET, 1, 0, 1, u32::MAX, EBADF);
    record(reader, SET, 0, 0, 1, u32::MAX, OK);
    let (told, free) = (script.dump(told, 24), script.dump(free, 24));
    let found = script.run(&place);
    let held = |dump: usize| {
        let word = |at: usize| u32::from_le_bytes(found.dumps[dump][at..at + 4].try_into().unwrap());
        (word(0), word(4), found.long(dump, 8), found.long(dump, 16))
    };
    assert_eq!(held(told), (1, 1, 10, 5), "a write lock of pid 1 on bytes 10 to 14");
    assert_eq!(held(free), (2, 0, 15, 7), "nobody's");
    assert_eq!(place.session.with(|kernel| kernel.usage().locks), 2, "a guest's end with it");
}
