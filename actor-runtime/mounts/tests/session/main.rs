//! A host directory mounted in a session, used through the kernel's own calls.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::disallowed_methods, reason = "the tests are the host")]

mod driver_calls;
mod world;

use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Uid;
use warren_kernel::seek::Whence;
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode};
use world::{Fixture, NEW, SESSION_PASSWD, Threads, USER, failed};

#[test]
fn a_session_works_with_the_files_of_a_mounted_directory() {
    let fixture = Fixture::with_threads();
    std::fs::write(fixture.host("from-host"), b"made by the host").unwrap();
    assert_eq!(fixture.read_all("/mnt/from-host").unwrap(), b"made by the host");

    fixture.call(|kernel, call| kernel.mkdir(call, At::Cwd, b"/mnt/work", Mode::new(0o777))).unwrap();
    let fd = fixture.open("/mnt/work/new", NEW | OpenFlags::EXCLUSIVE).unwrap();
    assert_eq!(fixture.write(fd, b"one "), Ok(4));
    assert_eq!(fixture.write(fd, b"two"), Ok(3));
    assert_eq!(fixture.call(|kernel, call| kernel.seek(call, fd, 0, Whence::End)), Ok(7));
    assert_eq!(fixture.call(|kernel, call| kernel.fstat(call, fd)).unwrap().size, 7);
    fixture.call(|kernel, call| kernel.set_len(call, fd, 5)).unwrap();
    fixture.call(|kernel, call| kernel.sync(call, fd)).unwrap();
    fixture.close(fd);
    assert_eq!(std::fs::read(fixture.host("work/new")).unwrap(), b"one t");
    let stat = fixture.stat("/mnt/work/new").unwrap();
    assert_eq!((stat.kind, stat.mode, (stat.uid, stat.gid)), (FileKind::Regular, Mode::new(0o644), USER));
    assert_eq!(fixture.stat("/mnt/work").unwrap().mode, Mode::new(0o755), "the session's umask is 022");

    let appender = fixture.open("/mnt/work/new", OpenFlags::WRITE | OpenFlags::APPEND).unwrap();
    fixture.write(appender, b"hree").unwrap();
    fixture.close(appender);
    assert_eq!(fixture.read_all("/mnt/work/new").unwrap(), b"one three");

    fixture.call(|kernel, call| kernel.chmod(call, At::Cwd, b"/mnt/work/new", Mode::new(0o600))).unwrap();
    let time = SetTime::To(Timestamp(1_234_567_890_987_654_321));
    fixture.call(|kernel, call| kernel.set_times(call, At::Cwd, b"/mnt/work/new", true, SetTime::Omit, time)).unwrap();
    let stat = fixture.stat("/mnt/work/new").unwrap();
    assert_eq!((stat.mode, stat.mtime), (Mode::new(0o600), Timestamp(1_234_567_890_987_654_321)));
    let chown = |uid| fixture.call(|kernel, call| kernel.chown(call, At::Cwd, b"/mnt/work/new", true, Some(uid), None));
    assert_eq!((chown(USER.0), chown(Uid(0))), (Ok(()), failed(Errno::EPERM)));

    assert_eq!(fixture.open("/mnt/work/new", NEW | OpenFlags::EXCLUSIVE), failed(Errno::EEXIST));
    assert_eq!(fixture.rename("/mnt/work/new", "/mnt/from-host", Replace::No), failed(Errno::EEXIST));
    fixture.rename("/mnt/work/new", "/mnt/moved", Replace::No).unwrap();
    assert_eq!(fixture.rename("/mnt/moved", "/moved", Replace::Yes), failed(Errno::EXDEV));
    fixture.call(|kernel, call| kernel.link(call, At::Cwd, b"/mnt/moved", false, At::Cwd, b"/mnt/again")).unwrap();
    assert_eq!(fixture.stat("/mnt/again").unwrap().ino, fixture.stat("/mnt/moved").unwrap().ino);
    fixture.call(|kernel, call| kernel.symlink(call, b"moved", At::Cwd, b"/mnt/link")).unwrap();
    assert_eq!(fixture.read_all("/mnt/link").unwrap(), b"one three");
    let names = fixture.list("/mnt").unwrap();
    assert_eq!(names.len(), 7, "{names:?}");
    assert_eq!(
        (names["link"], names["work"], names["."]),
        (FileKind::Symlink, FileKind::Directory, FileKind::Directory)
    );

    let unlink = |path: &str| fixture.call(|kernel, call| kernel.unlink(call, At::Cwd, path.as_bytes()));
    unlink("/mnt/link").unwrap();
    unlink("/mnt/again").unwrap();
    assert_eq!(unlink("/mnt/work"), failed(Errno::EISDIR));
    assert_eq!(unlink("/mnt"), failed(Errno::EBUSY));
    fixture.call(|kernel, call| kernel.rmdir(call, At::Cwd, b"/mnt/work")).unwrap();
    assert_eq!(fixture.stat("/mnt/again"), failed(Errno::ENOENT));
    assert_eq!(std::fs::read(fixture.host("moved")).unwrap(), b"one three");
    assert!(fixture.call(|kernel, call| kernel.statfs(call, At::Cwd, b"/mnt/moved")).unwrap().bytes > 0);
}

#[test]
fn links_of_the_host_lead_into_the_session() {
    let fixture = Fixture::with_threads();
    std::fs::create_dir(fixture.host("inner")).unwrap();
    for (target, name) in [
        ("/etc/passwd", "absolute"),
        ("../../../../etc/passwd", "inner/climbing"),
        ("absolute", "chain"),
        ("/etc", "etc"),
        ("loop", "loop"),
        ("/proc/self/root", "magic"),
    ] {
        std::os::unix::fs::symlink(target, fixture.host(name)).unwrap();
    }
    for path in ["/mnt/absolute", "/mnt/inner/climbing", "/mnt/chain", "/mnt/etc/passwd", "/mnt/inner/../absolute"] {
        assert_eq!(fixture.read_all(path).unwrap(), SESSION_PASSWD, "{path}");
    }
    assert_eq!(fixture.read_all("/mnt/loop"), failed(Errno::ELOOP));
    assert_eq!(fixture.read_all("/mnt/magic/etc/passwd"), failed(Errno::ENOENT), "this session has no /proc");
    assert_eq!(fixture.read_all("/mnt/../etc/passwd").unwrap(), SESSION_PASSWD);
    let target = fixture.call(|kernel, call| kernel.readlink(call, At::Cwd, b"/mnt/absolute")).unwrap();
    assert_eq!(&*target, b"/etc/passwd");
}

#[test]
fn a_read_only_mount_answers_erofs_whichever_side_says_so() {
    for (driver_read_only, mount_read_only) in [(true, false), (false, true), (true, true)] {
        let fixture = Fixture::new(Arc::new(Threads));
        fixture.mount("/ro", driver_read_only, mount_read_only);
        std::fs::write(fixture.host("file"), b"text").unwrap();
        std::fs::create_dir(fixture.host("directory")).unwrap();
        assert_eq!(fixture.read_all("/ro/file").unwrap(), b"text");
        assert_eq!(fixture.open("/ro/file", OpenFlags::WRITE), failed(Errno::EROFS));
        assert_eq!(fixture.open("/ro/file", OpenFlags::READ | OpenFlags::TRUNCATE), failed(Errno::EROFS));
        assert_eq!(fixture.open("/ro/new", NEW), failed(Errno::EROFS));
        assert_eq!(fixture.rename("/ro/file", "/ro/new", Replace::Yes), failed(Errno::EROFS));
        let erofs = failed(Errno::EROFS);
        let at = At::Cwd;
        assert_eq!(fixture.call(|kernel, call| kernel.mkdir(call, at, b"/ro/new", Mode::new(0o777))), erofs);
        assert_eq!(fixture.call(|kernel, call| kernel.symlink(call, b"x", at, b"/ro/new")), erofs);
        assert_eq!(fixture.call(|kernel, call| kernel.link(call, at, b"/ro/file", true, at, b"/ro/new")), erofs);
        assert_eq!(fixture.call(|kernel, call| kernel.unlink(call, at, b"/ro/file")), erofs);
        assert_eq!(fixture.call(|kernel, call| kernel.rmdir(call, at, b"/ro/directory")), erofs);
        assert_eq!(fixture.call(|kernel, call| kernel.chmod(call, at, b"/ro/file", Mode::new(0))), erofs);
        let now = SetTime::Now;
        assert_eq!(fixture.call(|kernel, call| kernel.set_times(call, at, b"/ro/file", true, now, now)), erofs);
        assert_eq!(std::fs::read_dir(fixture.host("")).unwrap().count(), 2);
    }
}

#[test]
fn special_files_of_the_host_cannot_be_opened() {
    let fixture = Fixture::with_threads();
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, fixture.host("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(fixture.stat("/mnt/fifo").unwrap().kind, FileKind::Fifo);
    for flags in [OpenFlags::READ, OpenFlags::WRITE, OpenFlags::READ | OpenFlags::WRITE] {
        assert_eq!(fixture.open("/mnt/fifo", flags), failed(Errno::ENXIO));
    }
}
