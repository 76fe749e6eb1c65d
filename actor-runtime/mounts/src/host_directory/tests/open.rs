//! Open, Read, Write, StatOpen, SetLen, Sync.

use super::*;
use std::collections::BTreeSet;

#[test]
fn create_write_read_through_requests() {
    let fixture = Fixture::new();
    let handle = fixture.open("file", create(0o666)).unwrap();
    assert_eq!(fixture.mode("file"), 0o666, "the umask of this process plays no part");
    let write = |offset, bytes: &[u8]| fixture.perform(FsRequest::Write(handle.clone(), offset, bytes.into()));
    assert_eq!(write(Some(0), b"hello"), Ok(FsAnswer::Written(5, 5)));
    assert_eq!(write(None, b" world"), Ok(FsAnswer::Written(6, 11)));
    assert_eq!(write(Some(1), b"E"), Ok(FsAnswer::Written(1, 2)), "an append leaves other writes where they are told");
    assert_eq!(write(Some(20), b"!"), Ok(FsAnswer::Written(1, 21)));
    assert_eq!(write(Some(3), b""), Ok(FsAnswer::Written(0, 3)));
    assert_eq!(write(None, b""), Ok(FsAnswer::Written(0, 21)));
    let read = |offset, len| fixture.perform(FsRequest::Read(handle.clone(), offset, len));
    let data = |bytes: &[u8]| Ok(FsAnswer::Data(bytes.to_vec().into()));
    assert_eq!(read(0, 11), data(b"hEllo world"));
    assert_eq!(read(9, 100), data(b"ld\0\0\0\0\0\0\0\0\0!"));
    assert_eq!(read(21, 1), data(b""));
    assert_eq!(read(1 << 40, 1), data(b""));
    assert_eq!(read(0, 0), data(b""));
    assert_eq!(read(u64::MAX, 1), Err(Errno::EINVAL));
    assert_eq!(write(Some(u64::MAX), b"x"), Err(Errno::EINVAL));
    fixture.done(FsRequest::SetLen(handle.clone(), 3)).unwrap();
    assert_eq!(fixture.done(FsRequest::SetLen(handle.clone(), u64::MAX)), Err(Errno::EFBIG));
    fixture.done(FsRequest::Sync(handle.clone())).unwrap();
    let Ok(FsAnswer::Stat(stat)) = fixture.perform(FsRequest::StatOpen(handle.clone())) else { panic!() };
    assert_eq!((stat.size, stat.uid, stat.mode), (3, OWNER.0, Mode::new(0o666)));
    assert_eq!(stat, fixture.stat("file").unwrap());
}

#[test]
fn open_asks_for_no_more_than_it_is_told() {
    let fixture = Fixture::new();
    fixture.file("file", b"text");
    let reader = fixture.open("file", READ).unwrap();
    assert_eq!(reader.0.write_at(Some(0), b"x"), Err(Errno::EBADF));
    assert_eq!(reader.0.write_at(None, b"x"), Err(Errno::EBADF));
    assert_eq!(reader.0.set_len(0), Err(Errno::EINVAL));
    let writer = fixture.open("file", DriverOpen { read: false, ..WRITE }).unwrap();
    assert_eq!(writer.0.read_at(0, 1), Err(Errno::EBADF));
    assert_eq!(std::fs::read(fixture.inside("file")).unwrap(), b"text");
}

#[test]
fn create_exclusive_and_truncate() {
    let fixture = Fixture::new();
    fixture.file("file", b"text");
    fixture.chmod("file", 0o640);
    let exclusive = DriverOpen { exclusive: true, ..create(0o600) };
    assert_eq!(fixture.open("file", exclusive), Err(Errno::EEXIST));
    fixture.open("file", create(0o777)).unwrap();
    assert_eq!(fixture.mode("file"), 0o640, "what is there keeps its bits");
    assert_eq!(std::fs::read(fixture.inside("file")).unwrap(), b"text");
    fixture.open("file", DriverOpen { truncate: true, ..READ }).unwrap();
    assert_eq!(fixture.stat("file").unwrap().size, 0);
    let new = fixture.open("new", DriverOpen { truncate: true, ..exclusive }).unwrap();
    assert_eq!(new.0.write_at(Some(0), b"x"), Ok((1, 1)));
    let closed = fixture.open("closed", create(0o7000)).unwrap();
    assert_eq!(closed.0.write_at(Some(0), b"x"), Ok((1, 1)), "open for what was asked, whatever its bits");
    assert_eq!(fixture.mode("closed"), 0, "set-id bits are never made");
    assert_eq!(fixture.open("missing", READ), Err(Errno::ENOENT));
    assert_eq!(fixture.open("missing/file", create(0o666)), Err(Errno::ENOENT));
    assert_eq!(fixture.open("file/file", create(0o666)), Err(Errno::ENOTDIR));
}

#[test]
fn only_regular_files_are_opened() {
    let fixture = Fixture::new();
    fixture.dir("directory");
    fixture.symlink("file", "link");
    for how in [READ, WRITE, create(0o666), DriverOpen { truncate: true, ..WRITE }] {
        assert_eq!(fixture.open("", how), Err(Errno::EISDIR));
        assert_eq!(fixture.open("directory", how), Err(Errno::EISDIR));
        assert_eq!(fixture.open("link", how), Err(Errno::ELOOP));
    }
    assert_eq!(fixture.stat("file"), Err(Errno::ENOENT), "nothing is made through a link");
}

/// A FIFO without a writer would block an open for ever, and a device node may act on being opened.
#[test]
fn special_files_are_shown_and_refused_at_once() {
    use rustix::fs::{CWD, FileType, Mode as HostMode, makedev, mknodat};
    let fixture = Fixture::new();
    let make = |name, kind, device| mknodat(CWD, fixture.inside(name), kind, HostMode::RWXU, device).unwrap();
    make("fifo", FileType::Fifo, 0);
    make("null", FileType::CharacterDevice, makedev(1, 3));
    make("loop", FileType::BlockDevice, makedev(7, 250));
    let _listener = std::os::unix::net::UnixListener::bind(fixture.inside("socket")).unwrap();
    let listed = fixture.list("").unwrap();
    for (name, kind) in [
        ("fifo", FileKind::Fifo),
        ("null", FileKind::Character),
        ("loop", FileKind::Block),
        ("socket", FileKind::Socket),
    ] {
        let stat = fixture.stat(name).unwrap();
        assert_eq!(stat.kind, kind);
        assert!(listed.contains(&(name.to_owned(), stat.ino, kind)));
        for how in [READ, WRITE, DriverOpen { read: false, ..WRITE }, create(0o666)] {
            assert_eq!(fixture.open(name, how), Err(Errno::ENXIO), "{name}");
        }
        assert_eq!(fixture.open(name, DriverOpen { exclusive: true, ..create(0o666) }), Err(Errno::EEXIST));
        let set = SetAttributes { mode: Some(Mode::new(0o777)), ..SetAttributes::default() };
        assert_eq!(fixture.set(name, set), Err(Errno::EPERM));
        let set = SetAttributes { len: Some(0), ..SetAttributes::default() };
        assert_eq!(fixture.set(name, set), Err(Errno::EPERM));
        assert_eq!(fixture.list(name), Err(Errno::ENOTDIR));
        assert_eq!(fixture.read_link(name), Err(Errno::EINVAL));
        fixture.rename(name, "moved", true).unwrap();
        fixture.unlink("moved").unwrap();
    }
}

#[test]
fn writing_takes_set_id_bits_though_root_writes() {
    let fixture = Fixture::new();
    fixture.file("program", b"code");
    for how in [WRITE, create(0o666), DriverOpen { truncate: true, ..READ }] {
        fixture.chmod("program", 0o6755);
        fixture.open("program", READ).unwrap();
        assert_eq!(fixture.mode("program"), 0o6755);
        fixture.open("program", how).unwrap();
        assert_eq!(fixture.mode("program"), 0o755);
    }
    fixture.chmod("program", 0o4755);
    fixture.set("program", SetAttributes { len: Some(0), ..SetAttributes::default() }).unwrap();
    assert_eq!(fixture.mode("program"), 0o755);
}

#[test]
fn concurrent_appends_lose_nothing_and_know_where_they_ended() {
    const RECORDS: usize = 10_000;
    let fixture = Fixture::new();
    let first = fixture.open("log", create(0o666)).unwrap();
    let second = fixture.open("log", WRITE).unwrap();
    let record = |writer: usize, index: usize| format!("{writer}:{index:06}\n");
    // Three threads on one handle: one descriptor's position is shared as well.
    let ends: Vec<(u64, String)> = std::thread::scope(|scope| {
        let writers: Vec<_> = [&first, &first, &first, &second]
            .into_iter()
            .enumerate()
            .map(|(writer, handle)| {
                scope.spawn(move || {
                    let append = |index| {
                        let text = record(writer, index);
                        let (count, end) = handle.0.write_at(None, text.as_bytes()).unwrap();
                        assert_eq!(count, text.len());
                        (end, text)
                    };
                    (0..RECORDS).map(append).collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let bytes = std::fs::read(fixture.inside("log")).unwrap();
    assert_eq!(bytes.len(), 4 * RECORDS * record(0, 0).len());
    for (end, text) in &ends {
        assert_eq!(&bytes[*end as usize - text.len()..*end as usize], text.as_bytes());
    }
    let distinct: BTreeSet<u64> = ends.iter().map(|(end, _)| *end).collect();
    assert_eq!(distinct.len(), 4 * RECORDS);
}
