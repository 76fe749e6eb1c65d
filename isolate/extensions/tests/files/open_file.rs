//! What is done with an open file.

use crate::world::{LARGE, Place, errno, owned, path, pattern, wait, writing};
use deno_core::{BufMutView, WriteOutcome};
use deno_fs::{FileSystem, OpenOptions};
use deno_io::fs::{File, FsError};
use std::io::SeekFrom;
use std::rc::Rc;
use warren_isolate_extensions::file::KernelFile;
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::vfs::open::OpenFlags;

fn both() -> OpenOptions {
    OpenOptions { read: true, write: true, create: true, ..OpenOptions::default() }
}

fn read(file: &Rc<dyn File>, want: usize) -> Vec<u8> {
    let mut buf = vec![0; want];
    let count = file.clone().read_sync(&mut buf).unwrap();
    buf.truncate(count);
    buf
}

#[test]
fn reads_and_writes_move_the_offset_and_those_at_a_place_do_not() {
    let place = Place::new();
    let file = place.open("file", both());
    assert_eq!(file.clone().write_sync(b"hello world").unwrap(), 11);
    assert_eq!(file.clone().seek_sync(SeekFrom::Start(6)).unwrap(), 6);
    assert_eq!(read(&file, 3), b"wor");
    assert_eq!(file.clone().write_at_sync(b"J", 0).unwrap(), 1);
    let mut at = [0; 5];
    assert_eq!(file.clone().read_at_sync(&mut at, 0).unwrap(), 5);
    assert_eq!(&at, b"Jello");
    assert_eq!(file.clone().seek_sync(SeekFrom::Current(0)).unwrap(), 9);
    assert_eq!(read(&file, 100), b"ld");
    assert_eq!(read(&file, 100), b"");
    assert_eq!(file.clone().seek_sync(SeekFrom::End(-1)).unwrap(), 10);
    assert_eq!(errno(file.clone().seek_sync(SeekFrom::End(-12))), Errno::EINVAL);
    assert_eq!(errno(file.clone().seek_sync(SeekFrom::Start(u64::MAX))), Errno::EINVAL);
    assert_eq!(file.maybe_path(), Some(std::path::Path::new("file")));
}

#[test]
fn what_waits_does_the_same() {
    let place = Place::new();
    wait(async {
        let file = place.fs.open_async(owned("file"), both()).await.unwrap();
        let outcome = file.clone().write(b"hello".to_vec().into()).await.unwrap();
        assert!(matches!(outcome, WriteOutcome::Full { nwritten: 5 }));
        file.clone().write_all(pattern(LARGE).into()).await.unwrap();
        assert_eq!(file.clone().seek_async(SeekFrom::Start(0)).await.unwrap(), 0);
        let (count, buf) = file.clone().read_byob(BufMutView::new(5)).await.unwrap();
        assert_eq!((count, &*buf), (5, &b"hello"[..]));
        let (count, buf) = file.clone().read_at_async(BufMutView::new(3), 1).await.unwrap();
        assert_eq!((count, &*buf), (3, &b"ell"[..]));
        assert!(file.clone().read_all_async().await.unwrap().as_ref() == pattern(LARGE));
        file.clone().truncate_async(2).await.unwrap();
        file.clone().chmod_async(0o600).await.unwrap();
        file.clone().utime_async(1, 2_000_000, 3, 0).await.unwrap();
        file.clone().sync_async().await.unwrap();
        file.clone().datasync_async().await.unwrap();
        file.clone().chown_async(None, Some(1000)).await.unwrap();
        let stat = file.clone().stat_async().await.unwrap();
        assert_eq!((stat.size, stat.mode, stat.atime, stat.mtime), (2, 0o100_600, Some(1002), Some(3000)));
    });
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn everything_from_the_offset_on_is_read_at_once() {
    let place = Place::new();
    place.put("file", &pattern(LARGE));
    let file = place.open("file", OpenOptions::read());
    file.clone().seek_sync(SeekFrom::Start(10)).unwrap();
    assert!(file.clone().read_all_sync().unwrap().as_ref() == &pattern(LARGE)[10..]);
    assert_eq!(file.clone().read_all_sync().unwrap().as_ref(), b"");
    let directory = place.open("/lib", OpenOptions::read());
    assert_eq!(errno(directory.read_all_sync()), Errno::EISDIR);
}

#[test]
fn attributes_are_those_of_what_is_open() {
    let place = Place::new();
    let file = place.open("file", both());
    place.fs.rename_sync(&path("file"), &path("other")).unwrap();
    file.clone().write_all_sync(b"12345").unwrap();
    file.clone().truncate_sync(3).unwrap();
    file.clone().chmod_sync(0o640).unwrap();
    file.clone().utime_sync(-1, 500_000_000, 10, 0).unwrap();
    file.clone().sync_sync().unwrap();
    file.clone().datasync_sync().unwrap();
    let stat = place.fs.stat_sync(&path("other")).unwrap();
    assert_eq!((stat.size, stat.mode, stat.atime, stat.mtime), (3, 0o100_640, Some(-500), Some(10_000)));
    assert_eq!(file.clone().stat_sync().unwrap().ino, stat.ino);
    assert_eq!(errno(file.clone().utime_sync(0, 1_000_000_000, 0, 0)), Errno::EINVAL);
    assert_eq!(errno(file.clone().chown_sync(Some(0), None)), Errno::EPERM);
    // All ones keeps what is there, as chown() has it.
    file.clone().chown_sync(Some(u32::MAX), Some(u32::MAX)).unwrap();
    let only_read = place.open("other", OpenOptions::read());
    assert_eq!(errno(only_read.truncate_sync(0)), Errno::EINVAL);
}

#[test]
fn locks_are_between_open_files_and_end_with_them() {
    let place = Place::new();
    let (one, other) = (place.open("file", both()), place.open("file", both()));
    assert!(one.clone().try_lock_sync(false).unwrap());
    assert!(other.clone().try_lock_sync(false).unwrap());
    assert!(!one.clone().try_lock_sync(true).unwrap());
    other.clone().unlock_sync().unwrap();
    one.clone().lock_sync(true).unwrap();
    assert!(!wait(other.clone().try_lock_async(false)).unwrap());
    wait(async {
        let waits = other.clone().lock_async(true);
        tokio::pin!(waits);
        tokio::select! {
            biased;
            _ = &mut waits => panic!("two have the lock"),
            () = tokio::task::yield_now() => {}
        }
        drop(one);
        waits.await.unwrap();
        other.clone().unlock_async().await.unwrap();
    });
}

#[test]
fn a_copy_is_a_descriptor_of_the_same_open_file() {
    let place = Place::new();
    place.put("file", b"hello");
    let file = place.open("file", OpenOptions::read());
    let copy = file.clone().try_clone_inner().unwrap();
    assert_eq!(place.descriptors(), 2);
    assert_eq!((read(&file, 2), read(&copy, 2)), (b"he".to_vec(), b"ll".to_vec()));
    drop(file);
    assert_eq!((place.descriptors(), read(&copy, 2)), (1, b"o".to_vec()));
    drop(copy);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn nothing_of_the_host_is_behind_it() {
    let place = Place::new();
    let file = place.open("file", writing());
    let number = file.clone().backing_fd().expect("scripts know it by its number in the process");
    assert!(place.guest.with(|kernel, call| kernel.fstat(call, Fd(number as u32)).is_ok()));
    assert!(matches!(file.as_stdio(), Err(FsError::NotSupported)));
}

#[test]
fn a_borrowed_descriptor_stays_open() {
    let place = Place::new();
    let opened = place.fs.open(std::path::Path::new("file"), &writing()).unwrap();
    assert_eq!((opened.fd(), opened.guest().pid()), (Fd(0), place.guest.pid()));
    drop(KernelFile::borrowed(place.guest.clone(), Fd(0)));
    assert_eq!(place.descriptors(), 1);
    // Closed by somebody else meanwhile: nothing is left to close.
    place.guest.with(|kernel, call| kernel.close(call, Fd(0))).unwrap();
    assert_eq!(errno(Rc::new(opened).write_sync(b"x")), Errno::EBADF);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_read_waits_for_bytes_and_can_be_given_up() {
    let place = Place::new();
    let (reader, writer) = place.guest.with(|kernel, call| kernel.pipe(call, OpenFlags::CLOEXEC)).unwrap();
    let pipe = |fd| Rc::new(KernelFile::new(place.guest.clone(), fd, None)) as Rc<dyn File>;
    let (reader, writer) = (pipe(reader), pipe(writer));
    wait(async {
        let given_up = reader.clone().read_byob(BufMutView::new(10));
        tokio::select! {
            biased;
            _ = given_up => panic!("nothing was written"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(place.session.with(|kernel| kernel.usage().waiting_calls), 0);
        let waits = reader.clone().read_byob(BufMutView::new(10));
        let (read, written) = tokio::join!(waits, writer.clone().write(b"now".to_vec().into()));
        let (count, buf) = read.unwrap();
        assert_eq!((&buf[..count], written.is_ok()), (&b"now"[..], true));
    });
    assert_eq!(errno(reader.clone().seek_sync(SeekFrom::Start(0))), Errno::ESPIPE);
    assert_eq!(errno(reader.clone().read_at_sync(&mut [0], 0)), Errno::ESPIPE);
    assert_eq!(errno(writer.clone().write_at_sync(&[0], 0)), Errno::ESPIPE);
    // A parked thread is woken by another.
    let guest = place.guest.clone();
    let fd = Fd(1);
    let thread = std::thread::spawn(move || guest.call(|kernel, call| kernel.write(call, fd, &[b"later"])).unwrap());
    assert_eq!(read(&reader, 10), b"later");
    assert_eq!(thread.join().unwrap(), 5);
    drop(writer);
    assert_eq!(reader.read_all_sync().unwrap().as_ref(), b"");
}
