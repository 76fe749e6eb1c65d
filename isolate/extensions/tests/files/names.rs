//! Names: listed, moved, linked, and where they lead.

use crate::world::{HOME, Place, errno, owned, path, wait};
use deno_fs::FileSystem;
use deno_io::fs::FsError;
use std::path::PathBuf;
use warren_kernel::Errno;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Mode};

#[test]
fn a_directory_tells_its_names_and_what_they_are() {
    let place = Place::new();
    place.put("file", b"");
    place.fs.mkdir_sync(&path("directory"), false, None).unwrap();
    place.fs.symlink_sync(&path("none"), &path("link"), None).unwrap();
    place.call(|kernel, call| kernel.mknod(call, At::Cwd, b"not-\xff", FileKind::Fifo, Mode::new(0o600), 0));
    let mut seen: Vec<(String, [bool; 3])> = (place.fs.read_dir_sync(&path(".")).unwrap().into_iter())
        .map(|entry| (entry.name, [entry.is_file, entry.is_directory, entry.is_symlink]))
        .collect();
    seen.sort();
    let want = [
        ("directory".to_owned(), [false, true, false]),
        ("file".to_owned(), [true, false, false]),
        ("link".to_owned(), [false, false, true]),
        ("not-\u{fffd}".to_owned(), [false; 3]),
    ];
    assert_eq!(seen, want);
    assert!(place.names("directory").is_empty());
    assert_eq!(errno(place.fs.read_dir_sync(&path("file"))), Errno::ENOTDIR);
    assert_eq!(errno(place.fs.read_dir_sync(&path("none"))), Errno::ENOENT);
    assert_eq!(errno(wait(place.fs.read_dir_async(owned("file")))), Errno::ENOTDIR);
}

#[test]
fn a_large_directory_is_told_in_parts() {
    let place = Place::new();
    let want: Vec<String> = (0..9000).map(|at| format!("file-{at:04}")).collect();
    for name in &want {
        place.call(|kernel, call| kernel.mknod(call, At::Cwd, name.as_bytes(), FileKind::Regular, Mode::new(0o600), 0));
    }
    assert_eq!(place.names("."), want);
    let mut seen = wait(async {
        let directory = place.fs.read_dir_async(owned(".")).await.unwrap();
        let mut seen = Vec::new();
        while let Some(entry) = directory.next().await.unwrap() {
            seen.push(entry.name);
        }
        assert!(directory.next().await.unwrap().is_none());
        seen
    });
    seen.sort();
    assert_eq!(seen, want);
    assert_eq!(place.descriptors(), 0);
    place.put("/mnt/one", b"");
    place.put("/mnt/two", b"");
    assert_eq!(place.names("/mnt"), ["one", "two"]);
    assert!(place.names("/proc").contains(&"self".to_owned()));
}

#[test]
fn a_real_path_has_no_links_and_no_dots() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("a/b/c"), true, None).unwrap();
    place.put("a/b/file", b"");
    for (target, link) in [("b", "a/near"), ("/home/agent/a", "far"), ("far/near/", "over"), ("loop", "loop")] {
        place.fs.symlink_sync(&path(target), &path(link), None).unwrap();
    }
    for (at, want) in [
        (".", ""),
        ("a/b", "/a/b"),
        ("a/./b/../b//c", "/a/b/c"),
        ("far/near/file", "/a/b/file"),
        ("over", "/a/b"),
        ("over/../..", ""),
        ("a/b/c/", "/a/b/c"),
    ] {
        let want = PathBuf::from(format!("{HOME}{want}"));
        assert_eq!(place.fs.realpath_sync(&path(at)).unwrap(), want, "{at}");
        assert_eq!(wait(place.fs.realpath_async(owned(at))).unwrap(), want, "{at}");
        assert_eq!(place.fs.real_path(at.as_ref()).unwrap(), want, "{at}");
    }
    assert_eq!(place.fs.realpath_sync(&path("/../..")).unwrap(), PathBuf::from("/"));
    place.put("/mnt/file", b"");
    assert_eq!(place.fs.realpath_sync(&path("/mnt/../mnt/file")).unwrap(), PathBuf::from("/mnt/file"));
    for (at, want) in [
        ("", Errno::ENOENT),
        ("none", Errno::ENOENT),
        ("none/..", Errno::ENOENT),
        ("loop", Errno::ELOOP),
        ("a/b/file/", Errno::ENOTDIR),
        ("a/b/file/..", Errno::ENOTDIR),
        ("a/b/file/x", Errno::ENOTDIR),
    ] {
        assert_eq!(errno(place.fs.realpath_sync(&path(at))), want, "{at}");
    }
}

#[test]
fn names_are_moved_and_linked() {
    let place = Place::new();
    place.put("file", b"x");
    place.fs.link_sync(&path("file"), &path("second")).unwrap();
    assert_eq!(place.fs.stat_sync(&path("file")).unwrap().nlink, Some(2));
    wait(place.fs.rename_async(owned("second"), owned("third"))).unwrap();
    wait(place.fs.link_async(owned("third"), owned("fourth"))).unwrap();
    wait(place.fs.symlink_async(owned("file"), owned("link"), None)).unwrap();
    // As Linux: a second name of a link is one of the link.
    place.fs.link_sync(&path("link"), &path("link-2")).unwrap();
    assert!(place.fs.lstat_sync(&path("link-2")).unwrap().is_symlink);
    assert_eq!(place.fs.read_link_sync(&path("link-2")).unwrap(), PathBuf::from("file"));
    assert_eq!(wait(place.fs.read_link_async(owned("link"))).unwrap(), PathBuf::from("file"));
    place.put("other", b"gone");
    place.fs.rename_sync(&path("file"), &path("other")).unwrap();
    assert_eq!(place.get("other"), b"x");
    place.fs.mkdir_sync(&path("directory"), false, None).unwrap();
    assert_eq!(errno(place.fs.rename_sync(&path("other"), &path("directory"))), Errno::EISDIR);
    assert_eq!(errno(place.fs.rename_sync(&path("none"), &path("x"))), Errno::ENOENT);
    assert_eq!(errno(place.fs.rename_sync(&path("other"), &path("/mnt/x"))), Errno::EXDEV);
    assert_eq!(errno(place.fs.link_sync(&path("directory"), &path("x"))), Errno::EPERM);
    assert_eq!(errno(place.fs.link_sync(&path("other"), &path("third"))), Errno::EEXIST);
    assert_eq!(errno(place.fs.symlink_sync(&path("x"), &path("other"), None)), Errno::EEXIST);
    assert_eq!(errno(place.fs.read_link_sync(&path("other"))), Errno::EINVAL);
}

#[test]
fn the_working_directory_is_the_process_s() {
    let place = Place::new();
    assert_eq!(place.fs.cwd().unwrap(), PathBuf::from(HOME));
    place.fs.mkdir_sync(&path("inside"), false, None).unwrap();
    place.fs.chdir(&path("inside")).unwrap();
    assert_eq!(place.fs.cwd().unwrap(), PathBuf::from(format!("{HOME}/inside")));
    place.put("file", b"");
    assert_eq!(errno(place.fs.chdir(&path("file"))), Errno::ENOTDIR);
    assert_eq!(errno(place.fs.chdir(&path("none"))), Errno::ENOENT);
    place.fs.remove_sync(&path(&format!("{HOME}/inside")), true).unwrap();
    assert_eq!(errno(place.fs.cwd()), Errno::ENOENT);
    assert_eq!(place.fs.tmp_dir().unwrap(), PathBuf::from("/tmp"));
}

#[test]
fn an_opened_directory_is_asked_by_one_at_a_time() {
    let place = Place::new();
    place.put("/mnt/one", b"");
    wait(async {
        let directory = place.fs.read_dir_async(owned("/mnt")).await.unwrap();
        let (one, two) = tokio::join!(directory.next(), directory.next());
        assert_eq!(one.unwrap().unwrap().name, "one");
        assert!(matches!(two, Err(FsError::FileBusy)));
    });
}
