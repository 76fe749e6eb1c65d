//! Stat, List, ReadLink, SetAttributes, Capacity.

use super::*;

#[test]
fn stat_tells_the_hosts_attributes_with_the_sessions_owner() {
    let fixture = Fixture::new();
    fixture.file("file", &[7; 5000]);
    fixture.chmod("file", 0o4751);
    let shown = fixture.stat("file").unwrap();
    let host = std::fs::metadata(fixture.inside("file")).unwrap();
    assert_eq!((shown.kind, shown.mode), (FileKind::Regular, Mode::new(0o751)), "set-id bits are not shown");
    assert_eq!((shown.uid, shown.gid), OWNER);
    assert_eq!((shown.size, shown.sectors, shown.links), (5000, host.blocks(), 1));
    let times =
        [(host.atime(), host.atime_nsec()), (host.mtime(), host.mtime_nsec()), (host.ctime(), host.ctime_nsec())];
    assert_eq!(shown.times, times.map(|(seconds, nanoseconds)| Timestamp(seconds * 1_000_000_000 + nanoseconds)));
}

#[test]
fn stat_of_the_root_a_directory_and_nothing() {
    let fixture = Fixture::new();
    fixture.dir("directory");
    fixture.file("directory/file", b"");
    assert_eq!(fixture.stat("").unwrap().kind, FileKind::Directory);
    assert_eq!(fixture.stat("directory").unwrap().kind, FileKind::Directory);
    assert_eq!(fixture.stat("directory/file").unwrap().size, 0);
    assert_eq!(fixture.stat("missing"), Err(Errno::ENOENT));
    assert_eq!(fixture.stat("missing/file"), Err(Errno::ENOENT));
    assert_eq!(fixture.stat("directory/file/deeper"), Err(Errno::ENOTDIR));
}

#[test]
fn names_of_one_file_share_a_number_and_files_do_not() {
    let fixture = Fixture::new();
    fixture.file("one", b"");
    fixture.file("other", b"");
    std::fs::hard_link(fixture.inside("one"), fixture.inside("two")).unwrap();
    let (one, two, other) =
        (fixture.stat("one").unwrap(), fixture.stat("two").unwrap(), fixture.stat("other").unwrap());
    assert_eq!((one.ino, one.links), (two.ino, 2));
    assert_ne!(one.ino, other.ino);
    let opened = fixture.open("two", READ).unwrap();
    assert_eq!(opened.0.stat().unwrap().ino, one.ino);
    let listed = fixture.list("").unwrap();
    assert_eq!(listed[0], ("one".to_owned(), one.ino, FileKind::Regular));
    let again = HostDirectory::open(fixture.inside(""), Options { read_only: false, owner: OWNER }).unwrap();
    let Ok(FsAnswer::Stat(same)) = again.perform(&FsRequest::Stat(at("one"))) else { panic!() };
    assert_eq!(same.ino, one.ino, "numbers survive the driver");
}

#[test]
fn numbers_mix_device_and_inode() {
    use crate::host_directory::attributes::ino;
    assert_ne!(ino(1, 7), ino(2, 7));
    assert_ne!(ino(1, 7), ino(1, 8));
    assert_eq!(ino(1, 7), ino(1, 7));
    // The one inode number that would become 0, which is none.
    let zeroed = ino(1, 0).0;
    assert_ne!(ino(1, zeroed), Ino(0));
}

#[test]
fn list_tells_names_numbers_and_kinds() {
    let fixture = Fixture::new();
    fixture.file("file", b"");
    fixture.dir("directory");
    fixture.symlink("nowhere", "link");
    let raw: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\n");
    std::fs::write(fixture.inside("").join(raw), b"").unwrap();
    let kinds: Vec<_> = fixture.list("").unwrap().into_iter().map(|(name, _, kind)| (name, kind)).collect();
    let named = |name: &str, kind| (name.to_owned(), kind);
    assert_eq!(
        kinds,
        [
            named("directory", FileKind::Directory),
            named("file", FileKind::Regular),
            named("link", FileKind::Symlink),
            named("\u{fffd}\n", FileKind::Regular),
        ]
    );
    assert_eq!(fixture.list("directory"), Ok(Vec::new()));
    assert_eq!(fixture.list("file"), Err(Errno::ENOTDIR));
    assert_eq!(fixture.list("link"), Err(Errno::ENOTDIR));
    assert_eq!(fixture.list("missing"), Err(Errno::ENOENT));
}

#[test]
fn read_link_tells_the_target_as_it_is() {
    let fixture = Fixture::new();
    fixture.symlink("/absolute/../x//y", "link");
    let longest = "x/".repeat(2047) + "x";
    fixture.symlink(&longest, "long");
    fixture.file("file", b"");
    assert_eq!(fixture.read_link("link").unwrap(), b"/absolute/../x//y");
    assert_eq!(fixture.read_link("long").unwrap(), longest.as_bytes());
    assert_eq!(fixture.read_link("file"), Err(Errno::EINVAL));
    assert_eq!(fixture.read_link(""), Err(Errno::EINVAL));
    assert_eq!(fixture.read_link("missing"), Err(Errno::ENOENT));
}

#[test]
fn mode_is_set_exactly_but_for_the_hosts_own_bits() {
    let fixture = Fixture::new();
    fixture.file("file", b"");
    fixture.dir("directory");
    fixture.chmod("file", 0o6755);
    fixture.chmod("directory", 0o3755);
    let mode = |bits| SetAttributes { mode: Some(Mode::new(bits)), ..SetAttributes::default() };
    fixture.set("file", mode(0o7777)).unwrap();
    assert_eq!(fixture.mode("file"), 0o777, "no set-id program of the host can be made");
    fixture.set("file", mode(0)).unwrap();
    assert_eq!(fixture.mode("file"), 0);
    fixture.set("directory", mode(0o4711)).unwrap();
    assert_eq!(fixture.mode("directory"), 0o3711, "a shared directory of the host stays one");
    fixture.set("", mode(0o700)).unwrap();
    assert_eq!(fixture.stat("").unwrap().mode, Mode::new(0o700));
    assert_eq!(fixture.set("missing", mode(0)), Err(Errno::ENOENT));
}

#[test]
fn times_are_set_to_the_nanosecond_each_alone() {
    let fixture = Fixture::new();
    fixture.file("file", b"");
    fixture.symlink("file", "link");
    let (atime, mtime) = (Timestamp(1_700_000_000_123_456_789), Timestamp(-1));
    fixture.set("file", SetAttributes { atime: Some(atime), ..SetAttributes::default() }).unwrap();
    fixture.set("file", SetAttributes { mtime: Some(mtime), ..SetAttributes::default() }).unwrap();
    assert_eq!(fixture.stat("file").unwrap().times[..2], [atime, mtime]);
    let both = SetAttributes { atime: Some(mtime), mtime: Some(atime), ..SetAttributes::default() };
    fixture.set("link", both).unwrap();
    assert_eq!(fixture.stat("link").unwrap().times[..2], [mtime, atime], "the link's own");
    assert_eq!(fixture.stat("file").unwrap().times[..2], [atime, mtime]);
}

#[test]
fn len_is_set_of_regular_files_only() {
    let fixture = Fixture::new();
    fixture.file("file", b"12345");
    fixture.dir("directory");
    fixture.symlink("file", "link");
    let len = |len| SetAttributes { len: Some(len), ..SetAttributes::default() };
    fixture.set("file", len(2)).unwrap();
    fixture.set("file", len(4)).unwrap();
    assert_eq!(std::fs::read(fixture.inside("file")).unwrap(), b"12\0\0");
    assert_eq!(fixture.set("file", len(u64::MAX)), Err(Errno::EFBIG));
    assert_eq!(fixture.set("directory", len(0)), Err(Errno::EISDIR));
    assert_eq!(fixture.set("link", len(0)), Err(Errno::EINVAL));
    let all =
        SetAttributes { len: Some(1), mtime: Some(Timestamp(5)), mode: Some(Mode::new(0o600)), ..Default::default() };
    fixture.set("file", all).unwrap();
    let stat = fixture.stat("file").unwrap();
    assert_eq!((stat.size, stat.times[1], stat.mode), (1, Timestamp(5), Mode::new(0o600)));
}

#[test]
fn owner_cannot_be_changed() {
    let fixture = Fixture::new();
    fixture.file("file", b"");
    let host = std::fs::metadata(fixture.inside("file")).unwrap();
    let (uid, gid) = (Some(OWNER.0), Some(OWNER.1));
    fixture.set("file", SetAttributes { uid, gid, ..SetAttributes::default() }).unwrap();
    let other = SetAttributes { uid: Some(Uid(0)), mode: Some(Mode::new(0)), ..SetAttributes::default() };
    assert_eq!(fixture.set("file", other), Err(Errno::EPERM));
    let other = SetAttributes { uid, gid: Some(Gid(0)), ..SetAttributes::default() };
    assert_eq!(fixture.set("file", other), Err(Errno::EPERM));
    let after = std::fs::metadata(fixture.inside("file")).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode()), (host.uid(), host.gid(), host.mode()), "nothing was changed");
}

#[test]
fn capacity_is_that_of_the_hosts_file_system() {
    let fixture = Fixture::new();
    let Ok(FsAnswer::Capacity(capacity)) = fixture.perform(FsRequest::Capacity) else { panic!() };
    let host = rustix::fs::statvfs(fixture.inside("")).unwrap();
    assert_eq!(capacity.bytes, host.f_blocks * host.f_frsize);
    assert_eq!(capacity.inodes, host.f_files);
    assert!(capacity.bytes_free <= capacity.bytes && capacity.inodes_free <= capacity.inodes);
}
