//! Regular files, devices and directories through descriptors.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, NEW, Proc, R, RW, W};
use warren_kernel::Errno;
use warren_kernel::extent::{BLOCK, FILE_SIZE_MAX};
use warren_kernel::id::Fd;
use warren_kernel::seek::Whence;
use warren_kernel::vfs::FileKind;
use warren_kernel::vfs::open::{At, OpenFlags};

#[test]
fn offsets_are_shared_by_duplicates_and_not_by_opens() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", b"0123456789");
    let one = agent.open("f", RW).unwrap();
    let other = agent.open("f", R).unwrap();
    let twin = agent.now(|kernel, call| kernel.duplicate(call, one, Fd(10), false)).unwrap();
    assert_eq!(twin, Fd(10));
    assert_eq!(agent.read(one, 3).unwrap(), b"012");
    assert_eq!(agent.read(twin, 3).unwrap(), b"345");
    assert_eq!(agent.read(other, 3).unwrap(), b"012");
    let pread = agent.call(|kernel, call| {
        let mut got = Vec::new();
        kernel.pread(call, one, 8, 10, &mut |bytes| got.extend_from_slice(bytes))?;
        Ok(got)
    });
    assert_eq!(pread.unwrap(), b"89");
    assert_eq!(agent.read(one, 1).unwrap(), b"6", "pread moved nothing");
    assert_eq!(agent.call(|kernel, call| kernel.pwrite(call, one, 20, &[b"end"])), Ok(3));
    assert_eq!(agent.stat("f").unwrap().size, 23);
    assert_eq!(agent.read(one, 100).unwrap().len(), 16);
    assert_eq!(agent.read(one, 100).unwrap(), b"");
}

#[test]
fn appending_goes_to_the_end_wherever_that_is() {
    let machine = Machine::new();
    let agent = machine.agent();
    let log = agent.open("log", NEW | OpenFlags::APPEND).unwrap();
    let other = agent.open("log", W).unwrap();
    agent.write(log, b"one ").unwrap();
    agent.seek(log, 0, Whence::Set).unwrap();
    agent.call(|kernel, call| kernel.pwrite(call, other, 4, &[b"two "])).unwrap();
    agent.write(log, b"three").unwrap();
    assert_eq!(agent.seek(log, 0, Whence::Current), Ok(13));
    assert_eq!(
        agent.call(|kernel, call| kernel.pwrite(call, log, 0, &[b"!"])),
        Ok(1),
        "as Linux: the offset is ignored"
    );
    assert_eq!(agent.text("log").unwrap(), "one two three!");
    agent.now(|kernel, call| kernel.set_status(call, log, false, false)).unwrap();
    agent.seek(log, 0, Whence::Set).unwrap();
    agent.call(|kernel, call| kernel.write(call, log, &[b"O", b"", b"NE"])).unwrap();
    assert_eq!(agent.text("log").unwrap(), "ONE two three!");
}

#[test]
fn seeking() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", b"12345");
    let fd = agent.open("f", RW).unwrap();
    assert_eq!(agent.seek(fd, -2, Whence::End), Ok(3));
    assert_eq!(agent.seek(fd, 10, Whence::Current), Ok(13));
    assert_eq!(agent.read(fd, 1).unwrap(), b"");
    assert_eq!(agent.seek(fd, -1, Whence::Set), Err(Errno::EINVAL));
    assert_eq!(agent.seek(fd, i64::MAX, Whence::Current), Err(Errno::EOVERFLOW));
    assert_eq!(agent.seek(fd, 0, Whence::Current), Ok(13), "a failed seek moves nothing");
    assert_eq!(agent.seek(fd, -1, Whence::Data), Err(Errno::ENXIO));
    assert_eq!(agent.seek(fd, 5, Whence::Data), Err(Errno::ENXIO));
    assert_eq!(agent.seek(fd, 5, Whence::Hole), Err(Errno::ENXIO));
    assert_eq!(agent.seek(fd, 2, Whence::Hole), Ok(5));
    let (reader, _) = agent.pipe();
    assert_eq!(agent.seek(reader, 0, Whence::Set), Err(Errno::ESPIPE));
    let null = agent.open("/dev/null", R).unwrap();
    assert_eq!(agent.seek(null, 5, Whence::Set), Ok(0));
    assert_eq!(agent.seek(Fd(77), 0, Whence::Set), Err(Errno::EBADF));
}

#[test]
fn holes() {
    let machine = Machine::new();
    let agent = machine.agent();
    let fd = agent.open("sparse", RW | CREATE).unwrap();
    let block = BLOCK as i64;
    agent.seek(fd, 10 * block, Whence::Set).unwrap();
    agent.write(fd, b"end").unwrap();
    let stat = agent.fstat(fd).unwrap();
    assert_eq!((stat.size, stat.sectors), (10 * BLOCK + 3, 8));
    assert_eq!(agent.seek(fd, 0, Whence::Data), Ok(10 * BLOCK));
    assert_eq!(agent.seek(fd, 0, Whence::Hole), Ok(0));
    assert_eq!(agent.seek(fd, 10 * block, Whence::Hole), Ok(10 * BLOCK + 3));
    let punch = |offset, count| agent.call(move |kernel, call| kernel.punch_hole(call, fd, offset, count));
    assert_eq!(punch(0, 0), Err(Errno::EINVAL));
    assert_eq!(punch(u64::MAX, 2), Err(Errno::EINVAL));
    assert_eq!(punch(9 * BLOCK, 2 * BLOCK), Ok(()));
    assert_eq!(agent.seek(fd, 0, Whence::Data), Err(Errno::ENXIO));
    assert_eq!(machine.usage().file_bytes, 0);
    assert_eq!(agent.fstat(fd).unwrap().size, 10 * BLOCK + 3, "the length stays");
    let allocate = |fd, offset, count| agent.call(move |kernel, call| kernel.allocate(call, fd, offset, count));
    assert_eq!(allocate(fd, 0, 11 * BLOCK), Ok(()));
    assert_eq!(agent.fstat(fd).unwrap().size, 11 * BLOCK);
    assert_eq!(allocate(fd, 0, 10), Ok(()), "never shorter");
    assert_eq!(agent.fstat(fd).unwrap().size, 11 * BLOCK);
    assert_eq!(allocate(fd, 0, 0), Err(Errno::EINVAL));
    assert_eq!(allocate(fd, u64::MAX, 1), Err(Errno::EINVAL));
    assert_eq!(allocate(fd, 0, 1 << 39), Err(Errno::EDQUOT));
    let read_only = agent.open("sparse", R).unwrap();
    assert_eq!(allocate(read_only, 0, 1), Err(Errno::EBADF));
    let (_, writer) = agent.pipe();
    assert_eq!(allocate(writer, 0, 1), Err(Errno::ESPIPE));
    assert_eq!(agent.set_len(read_only, 1), Err(Errno::EINVAL));
    assert_eq!(agent.set_len(writer, 1), Err(Errno::EINVAL));
    agent.set_len(fd, 2).unwrap();
    assert_eq!(agent.get("sparse").unwrap(), [0, 0]);
}

#[test]
fn offsets_too_large_are_refused_and_harmless() {
    let machine = Machine::new();
    let agent = machine.agent();
    let fd = agent.open("f", RW | CREATE).unwrap();
    agent
        .now(|kernel, call| {
            let infinite = warren_kernel::process::ResourceLimit::both(1 << 40);
            // Past the limit a process gets SIGXFSZ, and one that ended makes no further call.
            kernel.sigaction(call, warren_kernel::signal::Signal::XFSZ, warren_kernel::signal::Disposition::Ignore)?;
            kernel.setrlimit(call, warren_kernel::process::Resource::FSIZE, infinite)
        })
        .unwrap();
    for offset in [FILE_SIZE_MAX, u64::MAX - 1, u64::MAX] {
        let write = agent.call(move |kernel, call| kernel.pwrite(call, fd, offset, &[b"xy"]));
        assert_eq!(write, Err(Errno::EFBIG), "{offset}");
        let read = agent.call(move |kernel, call| kernel.pread(call, fd, offset, usize::MAX, &mut |_| ()));
        assert_eq!(read, Ok(0), "{offset}");
        assert_eq!(agent.set_len(fd, offset), Err(Errno::EFBIG), "{offset}");
    }
    assert_eq!(agent.fstat(fd).unwrap().size, 0);
    let text = agent.open("/proc/version", R).unwrap();
    agent.read(text, 1).unwrap();
    let all = agent.call(|kernel, call| kernel.read(call, text, usize::MAX, &mut |_| ()));
    assert!(all.unwrap() > 10);
}

#[test]
fn an_unlinked_file_lives_while_it_is_open() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", &[1; 10_000]);
    let before = machine.usage();
    let fd = agent.open("f", RW).unwrap();
    let twin = agent.open("f", R).unwrap();
    agent.unlink("f").unwrap();
    assert_eq!(agent.stat("f"), Err(Errno::ENOENT));
    assert_eq!((agent.fstat(fd).unwrap().links, agent.fstat(fd).unwrap().size), (0, 10_000));
    agent.write(fd, b"more").unwrap();
    agent.put("f", b"another");
    assert_ne!(agent.stat("f").unwrap().ino, agent.fstat(fd).unwrap().ino);
    agent.unlink("f").unwrap();
    assert_eq!(machine.usage().file_bytes, before.file_bytes, "still charged");
    agent.close(fd).unwrap();
    assert_eq!(agent.read(twin, 4).unwrap(), b"more");
    agent.close(twin).unwrap();
    let after = machine.usage();
    assert_eq!((after.file_bytes, after.inodes), (0, before.inodes - 1));
    agent.put("g", b"replaced while open");
    let open = agent.open("g", R).unwrap();
    agent.put("h", b"");
    agent.rename("h", "g").unwrap();
    assert_eq!(agent.read(open, 100).unwrap(), b"replaced while open");
    agent.close(open).unwrap();
    assert_eq!(machine.usage().file_bytes, 0);
}

#[test]
fn a_full_quota_takes_what_fits() {
    let machine = Machine::limited(|limits| {
        limits.file_bytes = 5 * 4096;
        limits.inodes = 4;
    });
    let agent = machine.agent();
    let fd = agent.open("f", NEW).unwrap();
    assert_eq!(agent.write(fd, &[1; 15_000]), Ok(15_000));
    assert_eq!(agent.write(fd, &[2; 15_000]), Ok(1384), "the rest of four pages: a fifth would need four more");
    assert_eq!(agent.write(fd, b"x"), Err(Errno::EDQUOT));
    let other = agent.open("g", NEW).unwrap();
    assert_eq!(agent.write(other, &[3; 9000]), Ok(4096));
    assert_eq!(agent.write(other, b"x"), Err(Errno::EDQUOT));
    assert_eq!(machine.limits_reached(), [("file_bytes".to_owned(), Errno::EDQUOT)]);
    let statfs = || agent.call(|kernel, call| kernel.statfs(call, At::Cwd, b"/")).unwrap();
    assert_eq!((statfs().bytes, statfs().bytes_free, statfs().inodes, statfs().inodes_free), (20_480, 0, 4, 1));
    agent.open("h", NEW).unwrap();
    assert_eq!(agent.open("i", NEW), Err(Errno::EDQUOT));
    assert_eq!(agent.mkdir("i"), Err(Errno::EDQUOT));
    assert_eq!(agent.symlink("x", "i"), Err(Errno::EDQUOT));
    assert_eq!(machine.limits_reached().last().unwrap().0, "inodes");
    assert_eq!(agent.stat("i"), Err(Errno::ENOENT));
    agent.unlink("f").unwrap();
    assert_eq!(statfs().bytes_free, 0, "it is open");
    agent.close(fd).unwrap();
    assert_eq!(statfs().bytes_free, 4 * 4096);
    assert_eq!(agent.write(other, b"x"), Ok(1));
    assert!(agent.put_and_back("i"));
}

impl Proc<'_> {
    fn put_and_back(&self, path: &str) -> bool {
        let made = self.open(path, NEW).is_ok();
        made && self.unlink(path).is_ok()
    }
}

#[test]
fn punching_a_shared_file_is_charged_too() {
    let machine = Machine::limited(|limits| limits.file_bytes = 0);
    let root = machine.root();
    let fd = root.open("/bin/prog", RW).unwrap();
    let punch = root.call(|kernel, call| kernel.punch_hole(call, fd, 2, 3));
    assert_eq!(punch, Err(Errno::EDQUOT), "the block would be the session's own");
    assert_eq!(root.set_len(fd, 6), Ok(()), "cutting needs no room");
    assert_eq!(root.read(fd, 100).unwrap(), b"\0asm\x01\0");
}

#[test]
fn devices() {
    let machine = Machine::new();
    let agent = machine.agent();
    let open = |name: &str| agent.open(&format!("/dev/{name}"), RW).unwrap();
    let (null, zero, full, random) = (open("null"), open("zero"), open("full"), open("urandom"));
    assert_eq!(agent.read(null, 10).unwrap(), b"");
    assert_eq!(agent.read(zero, 10_000).unwrap(), vec![0; 10_000]);
    assert_eq!(agent.read(full, 3).unwrap(), [0; 3]);
    let bytes = agent.read(random, 5000).unwrap();
    assert!(bytes.len() == 5000 && bytes.iter().any(|byte| *byte != bytes[0]));
    assert_eq!(agent.write(null, b"gone"), Ok(4));
    assert_eq!(agent.write(zero, b"gone"), Ok(4));
    assert_eq!(agent.write(full, b"gone"), Err(Errno::ENOSPC));
    assert_eq!(agent.fstat(null).unwrap().kind, FileKind::Character);
    assert_eq!(agent.set_len(null, 0), Err(Errno::EINVAL));
    let many = agent.call(|kernel, call| kernel.read(call, zero, usize::MAX, &mut |_| ())).unwrap();
    assert_eq!(many, warren_kernel::io::TRANSFER_MAX, "one call moves so much");
}

#[test]
fn reading_what_cannot_be_read() {
    let machine = Machine::new();
    let agent = machine.agent();
    let directory = agent.open("/etc", R).unwrap();
    assert_eq!(agent.read(directory, 1), Err(Errno::EISDIR));
    assert_eq!(agent.write(directory, b"x"), Err(Errno::EBADF));
    agent.put("f", b"x");
    let (reader, writer) = (agent.open("f", R).unwrap(), agent.open("f", W).unwrap());
    assert_eq!(agent.read(writer, 1), Err(Errno::EBADF));
    assert_eq!(agent.write(reader, b"x"), Err(Errno::EBADF));
    assert_eq!(agent.read(Fd(50), 1), Err(Errno::EBADF));
    assert_eq!(agent.call(|kernel, call| kernel.readdir(call, reader, 0, &mut |_| true)), Err(Errno::ENOTDIR));
    let (pipe, _) = agent.pipe();
    assert_eq!(agent.call(|kernel, call| kernel.pread(call, pipe, 0, 1, &mut |_| ())), Err(Errno::ESPIPE));
    assert_eq!(agent.call(|kernel, call| kernel.sync(call, pipe)), Err(Errno::EINVAL));
    assert_eq!(agent.call(|kernel, call| kernel.sync(call, reader)), Ok(()));
}

#[test]
fn descriptors_are_the_lowest_free_and_end_at_the_limit() {
    let machine = Machine::limited(|limits| limits.descriptors = 4);
    let agent = machine.agent();
    assert_eq!(agent.pipe(), (Fd(0), Fd(1)));
    agent.close(Fd(0)).unwrap();
    assert_eq!(agent.open("/etc/passwd", R), Ok(Fd(0)));
    let dup = |fd, from| agent.now(|kernel, call| kernel.duplicate(call, fd, from, true));
    assert_eq!(dup(Fd(0), Fd(3)), Ok(Fd(3)));
    assert_eq!(dup(Fd(0), Fd(3)), Err(Errno::EMFILE));
    assert_eq!(dup(Fd(0), Fd(4)), Err(Errno::EINVAL));
    assert_eq!(dup(Fd(9), Fd(0)), Err(Errno::EBADF));
    let dup2 = |fd, to| agent.now(|kernel, call| kernel.duplicate_to(call, fd, to, false));
    assert_eq!(dup2(Fd(0), Fd(0)), Ok(Fd(0)));
    assert_eq!(dup2(Fd(9), Fd(0)), Err(Errno::EBADF));
    assert_eq!(dup2(Fd(0), Fd(4)), Err(Errno::EBADF));
    assert_eq!(dup2(Fd(0), Fd(1)), Ok(Fd(1)), "what was there is closed");
    assert_eq!(machine.usage().pipes, 0);
    assert_eq!(dup(Fd(0), Fd(0)), Ok(Fd(2)));
    assert_eq!(agent.open("/etc/passwd", R), Err(Errno::EMFILE));
    assert_eq!(agent.now(|kernel, call| kernel.pipe(call, OpenFlags::empty())), Err(Errno::EMFILE));
    assert_eq!(machine.limits_reached()[0], ("descriptors".to_owned(), Errno::EMFILE));
    assert_eq!(machine.usage().open_files, 1);
    agent.now(|kernel, call| kernel.close_from(call, Fd(1))).unwrap();
    assert_eq!(agent.close(Fd(1)), Err(Errno::EBADF));
    agent.close(Fd(0)).unwrap();
    assert_eq!(machine.usage().open_files, 0);
}

#[test]
fn a_listing_is_frozen_when_it_begins() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    for at in 0..20 {
        agent.put(&format!("d/{at:02}"), b"");
    }
    let fd = agent.open("d", R).unwrap();
    let page = |from, count| {
        agent
            .call(|kernel, call| {
                let mut page = Vec::new();
                kernel.readdir(call, fd, from, &mut |entry| {
                    page.push((String::from_utf8_lossy(&entry.name).into_owned(), entry.next));
                    page.len() < count
                })?;
                Ok(page)
            })
            .unwrap()
    };
    let first = page(0, 7);
    assert_eq!(first[0], (".".to_owned(), 1));
    assert_eq!(first.last().unwrap(), &("04".to_owned(), 7));
    agent.unlink("d/00").unwrap();
    agent.unlink("d/10").unwrap();
    agent.put("d/000", b"");
    let rest: Vec<String> = page(7, 100).into_iter().map(|(name, _)| name).collect();
    assert_eq!(rest, (5..20).map(|at| format!("{at:02}")).collect::<Vec<_>>(), "nothing shifted, appeared or vanished");
    assert_eq!(page(22, 5), []);
    assert_eq!(page(u64::MAX, 5), []);
    let again: Vec<String> = page(0, 100).into_iter().map(|(name, _)| name).collect();
    assert!(again.contains(&"000".to_owned()) && !again.contains(&"00".to_owned()), "position 0 looks anew");
    let dots = agent.call(|kernel, call| {
        let mut inos = Vec::new();
        kernel.readdir(call, fd, 0, &mut |entry| {
            inos.push(entry.ino);
            inos.len() < 2
        })?;
        Ok(inos)
    });
    assert_eq!(dots.unwrap(), [agent.stat("d").unwrap().ino, agent.stat(".").unwrap().ino]);
}

#[test]
fn removing_ten_thousand_names_while_listing_them() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    let names: Vec<String> = (0..10_000).map(|at| format!("d/file-{at}")).collect();
    for name in &names {
        agent.open(name, NEW).and_then(|fd| agent.close(fd)).unwrap();
    }
    let fd = agent.open("d", R).unwrap();
    let (mut position, mut removed) = (0, 0);
    loop {
        let mut page = Vec::new();
        agent
            .call(|kernel, call| {
                kernel.readdir(call, fd, position, &mut |entry| {
                    page.push((String::from_utf8_lossy(&entry.name).into_owned(), entry.next));
                    page.len() < 100
                })
            })
            .unwrap();
        let Some((_, last)) = page.last() else { break };
        position = *last;
        for (name, _) in page.iter().filter(|(name, _)| !name.starts_with('.')) {
            agent.unlink(&format!("d/{name}")).unwrap();
            removed += 1;
        }
    }
    assert_eq!(removed, 10_000);
    agent.rmdir("d").unwrap();
}

#[test]
fn times_tell_what_was_done() {
    let machine = Machine::new();
    let agent = machine.agent();
    let at = |seconds: i64| {
        machine.host.realtime.store(seconds * 1_000_000_000, std::sync::atomic::Ordering::SeqCst);
    };
    let times = |path: &str| {
        let stat = agent.lstat(path).unwrap();
        (stat.atime.seconds(), stat.mtime.seconds(), stat.ctime.seconds())
    };
    at(100);
    agent.put("f", b"x");
    agent.mkdir("d").unwrap();
    assert_eq!(times("f"), (100, 100, 100));
    at(200);
    agent.get("f").unwrap();
    assert_eq!(times("f"), (200, 100, 100));
    at(300);
    agent.chmod("f", 0o600).unwrap();
    assert_eq!(times("f"), (200, 100, 300));
    at(400);
    agent.link("f", "d/g").unwrap();
    assert_eq!((times("f"), times("d")), ((200, 100, 400), (100, 400, 400)));
    at(500);
    let fd = agent.open("f", W).unwrap();
    agent.write(fd, b"").unwrap();
    assert_eq!(times("f"), (200, 100, 400), "nothing written is nothing changed");
    agent.set_len(fd, 0).unwrap();
    assert_eq!(times("f"), (200, 500, 500));
    at(600);
    agent.unlink("d/g").unwrap();
    assert_eq!((times("f"), times("d")), ((200, 500, 600), (100, 600, 600)));
}
