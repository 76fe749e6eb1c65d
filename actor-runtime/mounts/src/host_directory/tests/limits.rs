//! What is bounded: names in a list, bytes of a read, open files, lengths of names and paths.

use super::*;
use warren_kernel::io::TRANSFER_MAX;
use warren_kernel::vfs::NAME_MAX;

#[test]
fn a_list_is_whole_or_refused() {
    let fixture = Fixture::new();
    let make = |index: usize| {
        let name = fixture.inside(&index.to_string());
        rustix::fs::mknodat(rustix::fs::CWD, name, rustix::fs::FileType::RegularFile, rustix::fs::Mode::RUSR, 0)
    };
    (0..LIST_MAX).for_each(|index| make(index).unwrap());
    assert_eq!(fixture.list("").unwrap().len(), LIST_MAX);
    make(LIST_MAX).unwrap();
    assert_eq!(fixture.list(""), Err(Errno::EOVERFLOW));
    assert!(fixture.stat("7").is_ok(), "only the list is refused");
}

#[test]
fn a_read_is_short_above_the_limit() {
    let fixture = Fixture::new();
    fixture.file("file", &vec![7; TRANSFER_MAX + 1]);
    let handle = fixture.open("file", READ).unwrap();
    assert_eq!(handle.0.read_at(0, usize::MAX).unwrap().len(), TRANSFER_MAX);
    assert_eq!(handle.0.read_at(TRANSFER_MAX as u64, usize::MAX).unwrap(), [7]);
    assert_eq!(handle.0.read_at(0, 3).unwrap(), [7; 3]);
}

#[test]
fn open_files_are_counted_until_they_are_dropped() {
    let fixture = Fixture::new();
    fixture.file("file", b"");
    let handle = fixture.open("file", READ).unwrap();
    let again = handle.clone();
    let mut others: Vec<_> = (1..OPEN_FILES_MAX).map(|_| fixture.driver.open_files.clone()).collect();
    assert_eq!(fixture.open("file", READ), Err(Errno::ENFILE));
    assert_eq!(fixture.open("new", create(0o666)), Err(Errno::ENFILE));
    assert_eq!(fixture.stat("new"), Err(Errno::ENOENT), "refused before anything is made");
    drop(handle);
    assert_eq!(fixture.open("file", READ), Err(Errno::ENFILE), "a handle has two holders");
    drop(again);
    fixture.open("file", READ).unwrap();
    assert_eq!(fixture.open("missing", READ), Err(Errno::ENOENT));
    others.pop();
    let _kept = [fixture.open("file", READ).unwrap(), fixture.open("file", READ).unwrap()];
    assert_eq!(fixture.open("file", READ), Err(Errno::ENFILE));
}

#[test]
fn names_and_paths_have_linuxs_lengths() {
    let fixture = Fixture::new();
    let longest = "n".repeat(NAME_MAX);
    fixture.open(&longest, create(0o666)).unwrap();
    assert!(fixture.stat(&longest).is_ok());
    for path in ["n".repeat(NAME_MAX + 1), "d/".repeat(2048) + "x"] {
        for request in requests_on(&at(&path)) {
            assert_eq!(fixture.perform(request), Err(Errno::ENAMETOOLONG));
        }
    }
    let name = "d".repeat(127);
    let mut deep = name.clone();
    fixture.mkdir(&deep, 0o700).unwrap();
    while deep.len() < PATH_MAX {
        deep = format!("{deep}/{name}");
        fixture.mkdir(&deep, 0o700).unwrap();
    }
    assert_eq!(deep.len(), PATH_MAX);
    assert_eq!(fixture.stat(&deep).unwrap().kind, FileKind::Directory);
}
