//! MakeDirectory, MakeSymlink, Unlink, RemoveDirectory, Rename, Link; and all of them read-only.

use super::*;

#[test]
fn make_directory_with_exactly_the_bits_asked_for() {
    let fixture = Fixture::new();
    fixture.mkdir("open", 0o777).unwrap();
    fixture.mkdir("open/closed", 0o7001).unwrap();
    assert_eq!((fixture.mode("open"), fixture.mode("open/closed")), (0o777, 0o001));
    fixture.chmod("open", 0o2777);
    fixture.mkdir("open/shared", 0o750).unwrap();
    assert_eq!(fixture.mode("open/shared"), 0o2750, "the host's set-group-id is inherited as on the host");
    assert_eq!(fixture.mkdir("open", 0o777), Err(Errno::EEXIST));
    assert_eq!(fixture.mkdir("", 0o777), Err(Errno::EEXIST));
    assert_eq!(fixture.mkdir("missing/new", 0o777), Err(Errno::ENOENT));
    fixture.file("file", b"");
    assert_eq!(fixture.mkdir("file/new", 0o777), Err(Errno::ENOTDIR));
}

#[test]
fn make_symlink_keeps_any_target() {
    let fixture = Fixture::new();
    fixture.make_symlink("link", b"/etc/../etc/passwd").unwrap();
    assert_eq!(std::fs::read_link(fixture.inside("link")).unwrap(), Path::new("/etc/../etc/passwd"));
    assert_eq!(fixture.make_symlink("link", b"x"), Err(Errno::EEXIST));
    assert_eq!(fixture.make_symlink("", b"x"), Err(Errno::EEXIST));
    assert_eq!(fixture.make_symlink("empty", b""), Err(Errno::ENOENT));
    assert_eq!(fixture.make_symlink("nul", b"a\0b"), Err(Errno::EINVAL));
    fixture.make_symlink("longest", "x/".repeat(2047).as_bytes()).unwrap();
    assert_eq!(fixture.make_symlink("longer", "x/".repeat(2048).as_bytes()), Err(Errno::ENAMETOOLONG));
}

#[test]
fn unlink_and_remove_directory() {
    let fixture = Fixture::new();
    fixture.dir("directory");
    fixture.file("directory/file", b"");
    assert_eq!(fixture.rmdir("directory"), Err(Errno::ENOTEMPTY));
    assert_eq!(fixture.rmdir("directory/file"), Err(Errno::ENOTDIR));
    assert_eq!(fixture.unlink("directory"), Err(Errno::EISDIR));
    fixture.unlink("directory/file").unwrap();
    fixture.rmdir("directory").unwrap();
    assert_eq!(fixture.stat("directory"), Err(Errno::ENOENT));
    assert_eq!(fixture.unlink("missing"), Err(Errno::ENOENT));
    assert_eq!(fixture.rmdir("missing"), Err(Errno::ENOENT));
    assert_eq!(fixture.unlink(""), Err(Errno::EBUSY));
    assert_eq!(fixture.rmdir(""), Err(Errno::EBUSY));
}

#[test]
fn an_open_file_outlives_its_name() {
    let fixture = Fixture::new();
    fixture.file("file", b"still here");
    let handle = fixture.open("file", READ).unwrap();
    fixture.unlink("file").unwrap();
    assert_eq!(handle.0.read_at(0, 100).unwrap(), b"still here");
    assert_eq!(handle.0.stat().unwrap().links, 0);
}

#[test]
fn rename_replaces_only_when_it_may() {
    let fixture = Fixture::new();
    fixture.dir("directory");
    fixture.file("one", b"one");
    fixture.file("two", b"two");
    assert_eq!(fixture.rename("one", "two", false), Err(Errno::EEXIST));
    fixture.rename("one", "directory/three", false).unwrap();
    fixture.rename("directory/three", "two", true).unwrap();
    assert_eq!(std::fs::read(fixture.inside("two")).unwrap(), b"one");
    assert_eq!(fixture.stat("one"), Err(Errno::ENOENT));
    assert_eq!(fixture.rename("missing", "two", true), Err(Errno::ENOENT));
    assert_eq!(fixture.rename("two", "directory", true), Err(Errno::EISDIR));
    assert_eq!(fixture.rename("directory", "two", true), Err(Errno::ENOTDIR));
    assert_eq!(fixture.rename("directory", "directory/in", true), Err(Errno::EINVAL));
    for (from, to) in [("", "new"), ("two", ""), ("", "")] {
        assert_eq!(fixture.rename(from, to, true), Err(Errno::EBUSY));
        assert_eq!(fixture.rename(from, to, false), Err(Errno::EBUSY));
    }
}

#[test]
fn link_gives_a_file_another_name_and_follows_nothing() {
    let fixture = Fixture::new();
    fixture.dir("directory");
    fixture.file("file", b"text");
    fixture.symlink(fixture.outside("secret"), "link");
    fixture.link("file", "directory/again").unwrap();
    assert_eq!(fixture.stat("file").unwrap().links, 2);
    fixture.link("link", "link2").unwrap();
    assert_eq!(fixture.stat("link2").unwrap().kind, FileKind::Symlink, "the link itself has two names now");
    assert_eq!(fixture.link("file", "directory/again"), Err(Errno::EEXIST));
    assert_eq!(fixture.link("directory", "hard"), Err(Errno::EPERM));
    assert_eq!(fixture.link("", "hard"), Err(Errno::EPERM));
    assert_eq!(fixture.link("file", ""), Err(Errno::EEXIST));
    assert_eq!(fixture.link("missing", "hard"), Err(Errno::ENOENT));
    fixture.secret_is_untouched();
}

#[test]
fn read_only_refuses_every_change() {
    let fixture = Fixture::read_only();
    fixture.file("file", b"text");
    fixture.dir("directory");
    let erofs = Err(Errno::EROFS);
    let open = |path, how| fixture.open(path, how).map(|_| ());
    assert_eq!(open("file", WRITE), erofs);
    assert_eq!(open("file", DriverOpen { truncate: true, ..READ }), erofs);
    assert_eq!(open("new", create(0o666)), erofs);
    assert_eq!(open("new", DriverOpen { exclusive: true, write: false, ..create(0o666) }), erofs);
    assert_eq!(fixture.mkdir("new", 0o777), erofs);
    assert_eq!(fixture.make_symlink("new", b"x"), erofs);
    assert_eq!(fixture.unlink("file"), erofs);
    assert_eq!(fixture.rmdir("directory"), erofs);
    assert_eq!(fixture.rename("file", "new", true), erofs);
    assert_eq!(fixture.rename("file", "new", false), erofs);
    assert_eq!(fixture.link("file", "new"), erofs);
    for set in [
        SetAttributes { mode: Some(Mode::new(0)), ..SetAttributes::default() },
        SetAttributes { len: Some(0), ..SetAttributes::default() },
        SetAttributes { mtime: Some(Timestamp(0)), ..SetAttributes::default() },
        SetAttributes { uid: Some(OWNER.0), ..SetAttributes::default() },
    ] {
        assert_eq!(fixture.set("file", set), erofs);
    }
    let handle = fixture.open("file", READ).unwrap();
    assert_eq!(handle.0.write_at(Some(0), b"x"), Err(Errno::EROFS));
    assert_eq!(handle.0.write_at(None, b"x"), Err(Errno::EROFS));
    assert_eq!(handle.0.set_len(0), erofs);
    assert_eq!(handle.0.sync(), Ok(()), "changes nothing");
    let existing = fixture.open("file", DriverOpen { write: false, ..create(0o666) }).unwrap();
    assert_eq!(existing.0.read_at(0, 9).unwrap(), b"text");
    assert_eq!(fixture.list("").unwrap().len(), 2);
    assert_eq!((std::fs::read(fixture.inside("file")).unwrap(), fixture.mode("file")), (b"text".to_vec(), 0o644));
}

#[test]
fn a_missing_root_or_one_that_is_no_directory_is_not_opened() {
    let fixture = Fixture::new();
    fixture.file("file", b"");
    let open = |name: &str| HostDirectory::open(fixture.inside(name), Options { read_only: true, owner: OWNER });
    assert!(matches!(open("missing"), Err(OpenError::Unreachable { errno: Errno::ENOENT, .. })));
    assert!(matches!(open("file"), Err(OpenError::Unreachable { errno: Errno::ENOTDIR, .. })));
    let text = open("missing").unwrap_err().to_string();
    assert!(text.contains("missing") && text.contains("No such file"), "{text}");
}

#[test]
fn the_root_stays_the_same_directory_when_it_is_renamed_or_removed() {
    let fixture = Fixture::new();
    fixture.file("file", b"moved along");
    std::fs::rename(fixture.inside(""), fixture.directory.path().join("renamed")).unwrap();
    std::fs::create_dir(fixture.inside("")).unwrap();
    let handle = fixture.open("file", READ).unwrap();
    assert_eq!(handle.0.read_at(0, 100).unwrap(), b"moved along");
    std::fs::remove_dir_all(fixture.directory.path().join("renamed")).unwrap();
    assert_eq!(fixture.open("file", create(0o666)).map(|_| ()), Err(Errno::ENOENT));
    assert_eq!(fixture.list(""), Ok(Vec::new()));
    assert_eq!(fixture.stat("").unwrap().kind, FileKind::Directory);
}
