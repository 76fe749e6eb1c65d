//! Copies of files and trees.

use crate::world::{LARGE, Place, errno, owned, path, pattern, wait};
use deno_fs::FileSystem;
use std::path::PathBuf;
use warren_kernel::Errno;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Mode};

#[test]
fn a_copy_has_the_bytes_and_the_bits() {
    let place = Place::new();
    for size in [0, 1, 256 * 1024, 256 * 1024 + 1, LARGE] {
        place.put("file", &pattern(size));
        place.fs.copy_file_sync(&path("file"), &path("copy")).unwrap();
        assert!(place.get("copy") == pattern(size), "{size}");
    }
    place.fs.chmod_sync(&path("file"), 0o751).unwrap();
    place.put("file", b"short");
    wait(place.fs.copy_file_async(owned("file"), owned("copy"))).unwrap();
    assert_eq!(place.get("copy"), b"short");
    assert_eq!(place.fs.stat_sync(&path("copy")).unwrap().mode, 0o100_751);
    // What is loaded when it is read, what has no size, and what is outside, there and back.
    place.fs.copy_file_sync(&path("/lib/large"), &path("large")).unwrap();
    assert!(place.get("large") == pattern(LARGE));
    place.fs.copy_file_sync(&path("/proc/self/status"), &path("status")).unwrap();
    assert!(place.get("status").starts_with(b"Name:"));
    place.fs.copy_file_sync(&path("large"), &path("/mnt/large")).unwrap();
    place.fs.copy_file_sync(&path("/mnt/large"), &path("/mnt/again")).unwrap();
    assert!(place.get("/mnt/again") == pattern(LARGE));
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_file_onto_itself_stays_as_it_is() {
    let place = Place::new();
    place.put("file", b"x");
    place.fs.link_sync(&path("file"), &path("second")).unwrap();
    place.fs.symlink_sync(&path("file"), &path("link"), None).unwrap();
    for to in ["file", "./file", "second", "link"] {
        place.fs.copy_file_sync(&path("file"), &path(to)).unwrap();
        assert_eq!(place.get("file"), b"x", "{to}");
    }
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn what_cannot_be_copied_says_why() {
    let place = Place::with(|limits| limits.file_bytes = 1 << 20);
    place.put("file", b"x");
    place.fs.mkdir_sync(&path("directory"), false, None).unwrap();
    place.call(|kernel, call| kernel.mknod(call, At::Cwd, b"fifo", FileKind::Fifo, Mode::new(0o600), 0));
    for (from, to, want) in [
        ("none", "x", Errno::ENOENT),
        ("file", "none/x", Errno::ENOENT),
        ("directory", "x", Errno::EISDIR),
        ("file", "directory", Errno::EISDIR),
        ("fifo", "x", Errno::EINVAL),
        ("/dev/zero", "x", Errno::EINVAL),
        ("/lib/secret", "x", Errno::EACCES),
        ("file", "/lib/x", Errno::EACCES),
        ("/lib/large", "large", Errno::EDQUOT),
    ] {
        assert_eq!(errno(place.fs.copy_file_sync(&path(from), &path(to))), want, "{from} {to}");
        assert_eq!(errno(wait(place.fs.copy_file_async(owned(from), owned(to)))), want, "{from} {to}");
    }
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_tree_is_copied_with_its_links() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("tree/a/b"), true, None).unwrap();
    place.put("tree/file", b"1");
    place.put("tree/a/b/file", b"2");
    place.fs.chmod_sync(&path("tree/a/b"), 0o700).unwrap();
    place.fs.symlink_sync(&path("../file"), &path("tree/a/link"), None).unwrap();
    place.fs.cp_sync(&path("tree"), &path("copy")).unwrap();
    wait(place.fs.cp_async(owned("tree"), owned("copy"))).unwrap_err(); // The link is there already.
    assert_eq!((place.get("copy/file"), place.get("copy/a/b/file")), (b"1".to_vec(), b"2".to_vec()));
    assert_eq!(place.fs.read_link_sync(&path("copy/a/link")).unwrap(), PathBuf::from("../file"));
    assert_eq!(place.fs.stat_sync(&path("copy/a/b")).unwrap().mode, 0o40_700);
    // A file goes into a directory, and to where there is none yet.
    wait(place.fs.cp_async(owned("tree/file"), owned("copy/a"))).unwrap();
    place.fs.cp_sync(&path("tree/file"), &path("new/x/file")).unwrap();
    assert_eq!((place.get("copy/a/file"), place.get("new/x/file")), (b"1".to_vec(), b"1".to_vec()));
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_tree_into_itself_has_an_end() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("tree/a"), true, None).unwrap();
    place.put("tree/a/file", b"1");
    assert_eq!(errno(place.fs.cp_sync(&path("tree"), &path("tree"))), Errno::EINVAL);
    assert_eq!(errno(place.fs.cp_sync(&path("none"), &path("x"))), Errno::ENOENT);
    place.fs.cp_sync(&path("tree"), &path("tree/inside")).unwrap();
    assert_eq!(place.get("tree/inside/a/file"), b"1");
    assert_eq!(place.names("tree/inside"), ["a"]);
}
