//! Opening, and whole files at once.

use crate::world::{LARGE, Place, errno, owned, path, pattern, wait, writing};
use deno_fs::{FileSystem, OpenOptions};
use warren_kernel::Errno;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Mode};

fn reading() -> OpenOptions {
    OpenOptions::read()
}

#[test]
fn files_are_read_whole_whatever_their_size_and_wherever_their_bytes_are() {
    let place = Place::new();
    for size in [0, 1, 1024, (1 << 20) - 1, 1 << 20, (1 << 20) + 1] {
        place.put("file", &pattern(size));
        assert!(place.get("file") == pattern(size), "{size}");
        let waited = wait(place.fs.read_file_async(owned("file"), reading())).unwrap();
        assert!(waited.as_ref() == pattern(size), "{size}");
    }
    // Its content is fetched when it is first read.
    assert!(place.get("/lib/large") == pattern(LARGE));
    // Its size is not known before it is read.
    assert!(place.get("/proc/self/status").starts_with(b"Name:"));
    assert_eq!(place.fs.read_text_file_lossy_sync(&path("/lib/small")).unwrap(), "small");
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_file_outside_is_read_to_its_end_though_its_reads_are_short() {
    let place = Place::new();
    place.put("/mnt/file", &pattern(5000));
    assert_eq!(place.get("/mnt/file"), pattern(5000));
    assert_eq!(wait(place.fs.read_file_async(owned("/mnt/file"), reading())).unwrap().as_ref(), pattern(5000));
    place.put("/mnt/file", b"new");
    assert_eq!(place.get("/mnt/file"), b"new");
    place.put("/mnt/empty", b"");
    assert_eq!(place.get("/mnt/empty"), b"");
    assert_eq!(errno(place.fs.read_file_sync(&path("/mnt/none"), reading())), Errno::ENOENT);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn what_cannot_be_read_whole_is_refused_and_left_closed() {
    let place = Place::new();
    for (at, want) in [
        ("", Errno::ENOENT),
        ("none", Errno::ENOENT),
        ("/lib/small/x", Errno::ENOTDIR),
        ("/lib/secret", Errno::EACCES),
        ("/lib", Errno::EISDIR),
    ] {
        assert_eq!(errno(place.fs.read_file_sync(&path(at), reading())), want, "{at}");
        assert_eq!(errno(wait(place.fs.read_file_async(owned(at), reading()))), want, "{at}");
    }
    let unreadable = OpenOptions { write: true, ..OpenOptions::default() };
    place.put("file", b"x");
    assert_eq!(errno(place.fs.read_file_sync(&path("file"), unreadable)), Errno::EBADF);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_file_larger_than_the_process_may_hold_is_not_read() {
    let place = Place::with(|limits| limits.process_memory_bytes = 1 << 20);
    for (size, want) in [(1 << 20, None), ((1 << 20) + 1, Some(Errno::ENOMEM)), (3 << 30, Some(Errno::EFBIG))] {
        place.put("file", b"");
        place.fs.truncate_sync(&path("file"), size).unwrap();
        let read = place.fs.read_file_sync(&path("file"), reading());
        match want {
            None => assert_eq!(read.unwrap().len() as u64, size),
            Some(want) => assert_eq!(errno(read), want),
        }
    }
    // A file without an end is read until then.
    assert_eq!(errno(place.fs.read_file_sync(&path("/dev/zero"), reading())), Errno::ENOMEM);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_fifo_is_read_until_its_writer_is_gone() {
    let place = Place::new();
    place.call(|kernel, call| kernel.mknod(call, At::Cwd, b"fifo", FileKind::Fifo, Mode::new(0o600), 0));
    let (read, written) = std::thread::scope(|scope| {
        let fs = &place.fs;
        let reader = scope.spawn(|| fs.read_file_sync(&path("fifo"), reading()).unwrap().into_owned());
        // More than it holds: both wait for each other, several times.
        let written = fs.write_file_sync(&path("fifo"), writing(), &pattern(200_000));
        (reader.join().unwrap(), written)
    });
    written.unwrap();
    assert!(read == pattern(200_000));
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn files_are_written_whole() {
    let place = Place::new();
    place.put("file", &pattern(LARGE));
    assert!(place.get("file") == pattern(LARGE));
    place.put("file", b"short");
    assert_eq!(place.get("file"), b"short");
    let appending = OpenOptions::write(true, true, false, None);
    place.fs.write_file_sync(&path("file"), appending, b" and more").unwrap();
    wait(place.fs.write_file_async(owned("file"), appending, b"!"[..].into())).unwrap();
    assert_eq!(place.get("file"), b"short and more!");
    wait(place.fs.write_file_async(owned("file"), writing(), pattern(LARGE).into())).unwrap();
    assert!(place.get("file") == pattern(LARGE));
    // The bits asked for are given to one that is there, too, and the umask takes none of them.
    let with_mode = OpenOptions::write(true, false, false, Some(0o777));
    place.fs.write_file_sync(&path("file"), with_mode, b"").unwrap();
    assert_eq!(place.fs.stat_sync(&path("file")).unwrap().mode & 0o7777, 0o777);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn what_cannot_be_written_whole_is_refused_and_left_closed() {
    let place = Place::with(|limits| limits.file_bytes = 2 << 20);
    let new = OpenOptions::write(true, false, true, None);
    let existing = OpenOptions::write(false, false, false, None);
    place.put("file", b"there");
    for (at, options, want) in [
        ("none/x", writing(), Errno::ENOENT),
        ("none", existing, Errno::ENOENT),
        ("file", new, Errno::EEXIST),
        ("/lib/small", writing(), Errno::EACCES),
        ("/lib", writing(), Errno::EISDIR),
        ("/dev/full", writing(), Errno::ENOSPC),
    ] {
        assert_eq!(errno(place.fs.write_file_sync(&path(at), options, b"x")), want, "{at}");
        assert_eq!(errno(wait(place.fs.write_file_async(owned(at), options, b"x"[..].into()))), want, "{at}");
    }
    assert_eq!(place.get("file"), b"there");
    assert_eq!(errno(place.fs.write_file_sync(&path("big"), writing(), &pattern(LARGE))), Errno::EDQUOT);
    place.fs.write_file_sync(&path("/dev/null"), writing(), b"gone").unwrap();
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn open_takes_the_flags_of_the_c_library() {
    let place = Place::new();
    place.put("file", b"x");
    place.fs.symlink_sync(&path("file"), &path("link"), None).unwrap();
    let with = |flags| OpenOptions { custom_flags: Some(flags), ..reading() };
    let arm = cfg!(target_arch = "aarch64");
    let (directory, nofollow) = if arm { (0o40_000, 0o100_000) } else { (0o200_000, 0o400_000) };
    assert!(place.fs.open_sync(&path("link"), reading()).is_ok());
    assert_eq!(errno(place.fs.open_sync(&path("link"), with(nofollow))), Errno::ELOOP);
    assert_eq!(errno(place.fs.open_sync(&path("file"), with(directory))), Errno::ENOTDIR);
    assert!(place.fs.open_sync(&path("."), with(directory)).is_ok());
    assert_eq!(errno(place.fs.open_sync(&path("."), with(0o20_000_000 | directory))), Errno::EOPNOTSUPP);
    // O_SYNC asks for nothing that is not so.
    assert!(place.fs.open_sync(&path("file"), with(0o4_010_000)).is_ok());
    assert_eq!(errno(place.fs.open_sync(&path("file"), OpenOptions::default())), Errno::EINVAL);
    // O_RDONLY | O_CREAT makes a file that nothing is written to.
    let made = place.open("made", OpenOptions { create: true, ..reading() });
    assert_eq!(errno(made.write_sync(b"x")), Errno::EBADF);
    assert_eq!(place.get("made"), b"");
}

#[test]
fn new_files_have_the_bits_asked_for_without_the_umask() {
    let place = Place::new();
    assert_eq!(place.fs.umask(Some(0o027)).unwrap(), 0o022);
    assert_eq!(place.fs.umask(None).unwrap(), 0o027);
    place.open("default", writing());
    place.open("asked", OpenOptions { mode: Some(0o777), ..writing() });
    let mode = |at| place.fs.stat_sync(&path(at)).unwrap().mode;
    assert_eq!((mode("default"), mode("asked")), (0o100_640, 0o100_750));
}

#[test]
fn descriptors_are_limited_and_come_back() {
    let place = Place::with(|limits| limits.descriptors = 3);
    place.put("file", b"x");
    let files: Vec<_> = (0..3).map(|_| place.open("file", reading())).collect();
    assert_eq!(errno(place.fs.open_sync(&path("file"), reading())), Errno::EMFILE);
    assert_eq!(errno(place.fs.read_file_sync(&path("file"), reading())), Errno::EMFILE);
    assert_eq!(errno(wait(place.fs.open_async(owned("file"), reading()))), Errno::EMFILE);
    drop(files);
    assert_eq!(place.descriptors(), 0);
    assert_eq!(place.get("file"), b"x");
}
