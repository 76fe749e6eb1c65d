//! Calls that ask a driver more than once, or while others do.

use crate::world::{Fixture, Held, NEW};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::{future::Future, pin::pin};
use warren_kernel::id::{Fd, Pid};
use warren_kernel::process::{Resource, ResourceLimit};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{Call, Kernel, Step};

/// Two processes that inherited one descriptor: `(echo one & echo two) > log`. Linux keeps the shared offset locked
/// during a write (f_pos_lock); here both are written at 0, and the second once more at the offset the first left.
#[test]
fn two_writes_at_a_shared_offset_do_not_meet() {
    let held = Arc::new(Held::default());
    let fixture = Fixture::new(held.clone());
    fixture.mount("/mnt", false, false);
    let fd = fixture.open("/mnt/log", NEW).unwrap();
    held.hold();
    let write = |text: &'static [u8]| {
        move |kernel: &mut Kernel, call: &mut Call| -> Step<usize> { kernel.write(call, fd, &[text]) }
    };
    let mut one = pin!(fixture.session.call(Pid::INIT, write(b"one\n")));
    let mut two = pin!(fixture.session.call(Pid::INIT, write(b"two\n")));
    let (mut one_done, mut two_done) = (false, false);
    while !(one_done && two_done) {
        // Both are asked before either is answered.
        let mut context = Context::from_waker(Waker::noop());
        one_done = one_done || one.as_mut().poll(&mut context).is_ready();
        two_done = two_done || two.as_mut().poll(&mut context).is_ready();
        held.run();
    }
    let log = std::fs::read(fixture.host("log")).unwrap();
    assert!(log == b"one\ntwo\n" || log == b"two\none\n", "the writes met: {log:?}");
}

/// fchmod() is about the file that is open, wherever its name went.
#[test]
fn attributes_of_an_open_file_are_not_those_of_its_old_name() {
    let fixture = Fixture::with_threads();
    let fd = fixture.open("/mnt/one", NEW).unwrap();
    fixture.rename("/mnt/one", "/mnt/two", Replace::No).unwrap();
    std::fs::write(fixture.host("one"), b"another").unwrap();
    fixture.call(|kernel, call| kernel.fchmod(call, fd, Mode::new(0o640))).unwrap();
    let modes = ["/mnt/one", "/mnt/two"].map(|path| fixture.stat(path).unwrap().mode.bits());
    assert_eq!(modes, [0o644, 0o640], "another file was changed");
}

/// RLIMIT_FSIZE, and with it the session's `file_size`, holds for every file.
#[test]
fn a_file_of_a_driver_is_no_longer_than_the_limit() {
    let fixture = Fixture::with_threads();
    let fd = fixture.open("/mnt/file", NEW).unwrap();
    let limit = ResourceLimit::both(10);
    fixture.call(|kernel, call| Ok(kernel.setrlimit(call, Resource::FSIZE, limit)?)).unwrap();
    let _ = fixture.write(fd, &[7; 100]);
    let _ = fixture.call(|kernel, call| kernel.set_len(call, fd, 1000));
    assert!(fixture.stat("/mnt/file").unwrap().size <= 10, "longer than the limit");
}

/// What was opened before a mount became read-only is as read-only as the rest of it.
#[test]
fn a_file_open_on_a_remounted_driver_is_not_cut() {
    let fixture = Fixture::with_threads();
    std::fs::write(fixture.host("file"), b"text").unwrap();
    let fd: Fd = fixture.open("/mnt/file", OpenFlags::WRITE).unwrap();
    fixture.make_root();
    fixture.call(|kernel, call| kernel.remount(call, b"/mnt", true)).unwrap();
    assert!(fixture.write(fd, b"x").is_err());
    let _ = fixture.call(|kernel, call| kernel.set_len(call, fd, 0));
    assert_eq!(fixture.stat("/mnt/file").unwrap().size, 4, "was cut");
}

/// Not wrong but slow: each request is a switch to another thread and the walk made anew.
#[test]
fn a_walk_asks_once_for_each_name() {
    let held = Arc::new(Held::default());
    let fixture = Fixture::new(held.clone());
    std::fs::create_dir_all(fixture.host("a/b")).unwrap();
    fixture.mount("/mnt", false, false);
    let before = held.count();
    fixture.open("/mnt/a/b/c", NEW).unwrap();
    let requests = held.count() - before;
    assert!(requests <= 5, "{requests} requests: the root, a, b, c and the open");
}
