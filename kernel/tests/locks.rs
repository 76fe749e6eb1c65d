//! flock() and record locks through the system calls: who gets one, who waits, who goes first, and what is left of it.

#[cfg(test)]
mod common;

use common::outside::Outside;
use common::{CREATE, Machine, Pending, Proc, R, RW, W, opening, spawn};
use std::sync::Arc;
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::lock::{HeldLock, LockKind, LockRange, OnConflict};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::process::exec::ExecImage;
use warren_kernel::process::spawn::{FileAction, Spawn};
use warren_kernel::process::strings;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{CallError, Errno};

use LockKind::{Exclusive, Shared};
use OnConflict::{Fail, Wait};

const EX: Option<LockKind> = Some(Exclusive);
const SH: Option<LockKind> = Some(Shared);

fn range(start: i64, len: i64) -> LockRange {
    LockRange::new(start, len).expect("a range")
}

/// LOCK_NB.
fn flock(process: Proc<'_>, fd: Fd, kind: Option<LockKind>) -> Result<(), Errno> {
    process.call(|kernel, call| kernel.flock(call, fd, kind, Fail))
}

fn flocking<'a>(process: Proc<'a>, fd: Fd, kind: Option<LockKind>) -> Pending<'a, ()> {
    Pending::new(process.machine.session.call(process.pid, move |kernel, call| kernel.flock(call, fd, kind, Wait)))
}

/// F_SETLK.
fn lock(process: Proc<'_>, fd: Fd, kind: Option<LockKind>, range: LockRange) -> Result<(), Errno> {
    process.call(|kernel, call| kernel.record_lock(call, fd, kind, range, Fail))
}

/// F_SETLKW.
fn locking<'a>(process: Proc<'a>, fd: Fd, kind: Option<LockKind>, range: LockRange) -> Pending<'a, ()> {
    let session = &process.machine.session;
    Pending::new(session.call(process.pid, move |kernel, call| kernel.record_lock(call, fd, kind, range, Wait)))
}

/// F_GETLK.
fn test(process: Proc<'_>, fd: Fd, kind: LockKind, range: LockRange) -> Result<Option<HeldLock>, Errno> {
    process.now(|kernel, call| kernel.test_record_lock(call, fd, kind, range))
}

/// Processes of one user, each with the same file open for reading and writing as descriptor 0.
fn sharing<const N: usize>(machine: &Machine) -> [Proc<'_>; N] {
    let processes = std::array::from_fn(|_| machine.agent());
    for process in processes {
        assert_eq!(process.open("f", RW | CREATE), Ok(Fd(0)));
    }
    processes
}

const F: Fd = Fd(0);

/// `/proc/locks` without device and inode.
fn shown(process: Proc<'_>) -> Vec<String> {
    let text = process.text("/proc/locks").expect("it is there");
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.iter().filter(|word| word.matches(':').count() < 2).copied().collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect()
}

#[test]
fn many_share_a_flock_or_one_has_it_alone() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    assert_eq!((flock(one, F, SH), flock(two, F, SH)), (Ok(()), Ok(())));
    assert_eq!(machine.usage().locks, 2);
    assert_eq!(flock(one, F, None), Ok(()));
    assert_eq!(flock(two, F, EX), Ok(()), "nobody else has it");
    assert_eq!((flock(one, F, SH), flock(one, F, EX)), (Err(Errno::EAGAIN), Err(Errno::EAGAIN)));
    assert_eq!((flock(two, F, EX), flock(two, F, None), flock(two, F, None)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(machine.usage().locks, 0);
    let again = one.open("f", R).expect("opened");
    assert_eq!((flock(one, F, EX), flock(one, again, EX)), (Ok(()), Err(Errno::EAGAIN)), "by description");
    assert_eq!(machine.limits_reached(), []);
}

#[test]
fn a_flock_is_every_descriptors_of_a_description_and_ends_with_the_last() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    let twin = one.now(|kernel, call| kernel.duplicate(call, F, Fd(5), false)).expect("room");
    assert_eq!((flock(one, twin, SH), flock(one, F, EX)), (Ok(()), Ok(())));
    let child = one.child();
    one.close(F).expect("open");
    one.close(twin).expect("open");
    assert_eq!(flock(two, F, SH), Err(Errno::EAGAIN), "the child has it");
    assert_eq!(flock(child, F, EX), Ok(()), "it is the same lock");
    let mut wait = flocking(two, F, SH);
    assert!(wait.poll().is_none());
    child.exit(0);
    assert_eq!((wait.rings(), wait.poll()), (1, Some(Ok(()))), "the exit closed both");
    drop(wait);
    two.now(|kernel, call| kernel.duplicate_to(call, Fd(0), Fd(1), false)).expect("room");
    two.close(Fd(0)).expect("open");
    assert_eq!(machine.usage().locks, 1);
    assert_eq!(two.open("/dev/null", R), Ok(Fd(0)));
    two.now(|kernel, call| kernel.duplicate_to(call, Fd(0), Fd(1), false)).expect("room");
    assert_eq!(machine.usage().locks, 0, "replaced by dup2()");
}

/// flock(2): "the existing lock is first removed, and then a new lock is established".
#[test]
fn a_flock_that_cannot_be_converted_is_lost() {
    let machine = Machine::new();
    let [one, two, three] = sharing(&machine);
    assert_eq!((flock(one, F, SH), flock(two, F, SH)), (Ok(()), Ok(())));
    assert_eq!(flock(one, F, EX), Err(Errno::EAGAIN));
    assert_eq!(flock(two, F, EX), Ok(()), "one no longer has its share");
    assert_eq!((flock(two, F, SH), flock(one, F, SH)), (Ok(()), Ok(())));
    let mut first = flocking(one, F, EX);
    assert!(first.poll().is_none());
    assert_eq!(machine.usage().locks, 1);
    let mut second = flocking(two, F, EX);
    assert_eq!(second.poll(), Some(Ok(())), "as on Linux, who converts does not queue");
    assert_eq!(first.rings(), 1);
    assert!(first.poll().is_none());
    drop((first, second));
    assert_eq!((flock(two, F, None), flock(three, F, EX)), (Ok(()), Ok(())), "one no longer waits");
}

#[test]
fn anything_open_can_be_flocked_but_a_mere_name() {
    let machine = Machine::new();
    let driver = Arc::new(Outside::default());
    driver.files.lock().unwrap().insert(b"a".to_vec(), Default::default());
    let mount = |kernel: &mut warren_kernel::Kernel, call: &mut warren_kernel::Call| {
        kernel.mount(call, b"/mnt", Mounted::Driver(driver.clone()), false)
    };
    machine.block(Pid::INIT, mount).expect("mounted");
    let agent = machine.agent();
    for path in ["/tmp", "/dev/null", "/proc/version", "/mnt/a", "/etc/passwd", "/proc"] {
        let (one, two) = (agent.open(path, R).expect(path), agent.open(path, R).expect(path));
        assert_eq!((flock(agent, one, EX), flock(agent, two, SH)), (Ok(()), Err(Errno::EAGAIN)), "{path}");
        assert_eq!((agent.close(one), flock(agent, two, SH), agent.close(two)), (Ok(()), Ok(()), Ok(())), "{path}");
    }
    let (reader, writer) = agent.pipe();
    assert_eq!((flock(agent, reader, EX), flock(agent, writer, EX)), (Ok(()), Err(Errno::EAGAIN)), "one inode");
    let name = agent.open("/etc/passwd", OpenFlags::PATH).expect("named");
    assert_eq!(flock(agent, name, SH), Err(Errno::EBADF));
    assert_eq!(lock(agent, name, SH, LockRange::ALL), Err(Errno::EBADF));
    assert_eq!(test(agent, name, Shared, LockRange::ALL), Err(Errno::EBADF));
    assert_eq!(flock(agent, Fd(77), SH), Err(Errno::EBADF));
    assert_eq!(lock(agent, Fd(77), None, LockRange::ALL), Err(Errno::EBADF));
    agent.exit(0);
    assert_eq!(machine.usage().locks, 0);
}

#[test]
fn who_waits_longest_goes_first() {
    let machine = Machine::new();
    let [one, two, three] = sharing(&machine);
    assert_eq!(flock(one, F, EX), Ok(()));
    let (mut second, mut third) = (flocking(two, F, EX), flocking(three, F, EX));
    assert!(second.poll().is_none() && third.poll().is_none());
    assert_eq!(flock(one, F, None), Ok(()));
    assert_eq!((second.rings(), third.rings()), (1, 1));
    assert!(third.poll().is_none(), "it was woken too, and looks first");
    let mut again = flocking(one, F, SH);
    assert!(again.poll().is_none(), "nor may who let go take it back");
    assert_eq!(second.poll(), Some(Ok(())));
    drop(second);
    assert!(third.poll().is_none() && again.poll().is_none());
    two.close(F).expect("open");
    assert_eq!(third.poll(), Some(Ok(())));
    drop(third);
    assert!(again.poll().is_none());
    three.exit(0);
    assert_eq!(again.poll(), Some(Ok(())));
}

#[test]
fn who_gives_up_lets_the_next_go() {
    let machine = Machine::new();
    let [one, two, three, four] = sharing(&machine);
    let all = LockRange::ALL;
    assert_eq!(lock(one, F, EX, all), Ok(()));
    let (mut second, mut third) = (locking(two, F, EX, all), locking(three, F, EX, range(7, 1)));
    let mut fourth = locking(four, F, EX, all);
    assert!(second.poll().is_none() && third.poll().is_none() && fourth.poll().is_none());
    assert_eq!(lock(one, F, None, all), Ok(()));
    assert!(fourth.poll().is_none() && third.poll().is_none(), "both wait for two");
    let rings = third.rings();
    drop(second);
    assert_eq!(third.rings(), rings + 1);
    assert!(fourth.poll().is_none(), "three waited longer");
    machine.session.with(|kernel| kernel.signal_process(three.pid, Signal::KILL));
    assert_eq!(fourth.poll(), Some(Ok(())), "who was killed does not take its turn");
    assert_eq!(third.poll(), Some(Err(CallError::Doomed(Signal::KILL))));
    drop((third, fourth));
    assert_eq!(shown(one), ["1: POSIX ADVISORY WRITE 5 0 EOF"]);
    assert_eq!(machine.usage().waiting_calls, 0);
}

#[test]
fn a_stopped_process_holds_nobody_up() {
    let machine = Machine::new();
    let [one, two, three] = sharing(&machine);
    assert_eq!(flock(one, F, EX), Ok(()));
    let (mut second, mut third) = (flocking(two, F, EX), flocking(three, F, EX));
    assert!(second.poll().is_none() && third.poll().is_none());
    assert_eq!(flock(one, F, None), Ok(()));
    assert!(third.poll().is_none(), "it is two's turn");
    let rings = third.rings();
    machine.session.with(|kernel| kernel.signal_process(two.pid, Signal::STOP));
    assert_eq!(third.rings(), rings + 1);
    assert!(second.poll().is_none());
    assert_eq!(third.poll(), Some(Ok(())));
    drop(third);
    machine.session.with(|kernel| kernel.signal_process(two.pid, Signal::CONT));
    assert!(second.poll().is_none(), "three has it");
    three.close(F).expect("open");
    assert_eq!(second.poll(), Some(Ok(())));
}

#[test]
fn ranges_split_and_merge() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    assert_eq!(lock(one, F, EX, range(10, 10)), Ok(()));
    assert_eq!(lock(one, F, EX, range(20, 5)), Ok(()));
    assert_eq!(shown(one), ["1: POSIX ADVISORY WRITE 2 10 24"]);
    assert_eq!(lock(one, F, SH, range(14, 2)), Ok(()));
    assert_eq!(lock(one, F, None, range(22, 0)), Ok(()));
    let three =
        ["1: POSIX ADVISORY WRITE 2 10 13", "2: POSIX ADVISORY READ 2 14 15", "3: POSIX ADVISORY WRITE 2 16 21"];
    assert_eq!(shown(one), three);
    let held = |kind, start, len| Ok(Some(HeldLock { kind, pid: one.pid, range: range(start, len) }));
    assert_eq!(test(two, F, Shared, LockRange::ALL), held(Exclusive, 10, 4));
    assert_eq!(test(two, F, Exclusive, range(15, 1)), held(Shared, 14, 2));
    assert_eq!(test(two, F, Shared, range(15, 1)), Ok(None));
    assert_eq!(test(one, F, Exclusive, LockRange::ALL), Ok(None), "its own are no obstacle");
    assert_eq!(lock(two, F, SH, range(14, 2)), Ok(()));
    assert_eq!(lock(one, F, EX, range(0, 100)), Err(Errno::EAGAIN));
    assert_eq!(shown(one).len(), 4, "a failure changes nothing");
    assert_eq!(lock(two, F, None, range(14, -14)), Ok(()), "the bytes before");
    assert_eq!(lock(one, F, EX, range(15, 0)), Err(Errno::EAGAIN));
    assert_eq!(lock(two, F, None, LockRange::ALL), Ok(()));
    assert_eq!(lock(one, F, SH, LockRange::ALL), Ok(()));
    assert_eq!(shown(one), ["1: POSIX ADVISORY READ 2 0 EOF"]);
}

#[test]
fn a_record_lock_needs_what_it_guards_against() {
    let machine = Machine::new();
    let [agent] = sharing(&machine);
    let (reader, writer) = (agent.open("f", R).expect("there"), agent.open("f", W).expect("there"));
    assert_eq!(lock(agent, reader, EX, range(0, 1)), Err(Errno::EBADF));
    assert_eq!(lock(agent, writer, SH, range(0, 1)), Err(Errno::EBADF));
    assert_eq!((lock(agent, reader, SH, range(0, 1)), lock(agent, writer, EX, range(1, 1))), (Ok(()), Ok(())));
    assert_eq!(test(agent, reader, Exclusive, range(0, 1)), Ok(None), "asking needs neither");
    assert_eq!((lock(agent, reader, None, range(0, 0)), machine.usage().locks), (Ok(()), 0));
}

#[test]
fn closing_any_descriptor_of_the_file_ends_a_processes_record_locks() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    one.link("f", "g").expect("linked");
    let relock = || {
        assert_eq!((lock(one, F, EX, range(0, 1)), lock(two, F, EX, range(5, 1))), (Ok(()), Ok(())));
        assert_eq!(machine.usage().locks, 2);
    };
    relock();
    let other_name = one.open("g", R).expect("there");
    let elsewhere = one.open("/etc/passwd", R).expect("there");
    one.close(elsewhere).expect("open");
    assert_eq!(machine.usage().locks, 2);
    let mut wait = locking(two, F, SH, LockRange::ALL);
    assert!(wait.poll().is_none());
    one.close(other_name).expect("open");
    assert_eq!((wait.rings(), wait.poll()), (1, Some(Ok(()))));
    drop(wait);
    assert_eq!(lock(two, F, None, LockRange::ALL), Ok(()));
    relock();
    let twin = one.open("f", R).expect("there");
    one.now(|kernel, call| kernel.duplicate_to(call, twin, twin, false)).expect("nothing to do");
    assert_eq!(machine.usage().locks, 2);
    let null = one.open("/dev/null", R).expect("there");
    one.now(|kernel, call| kernel.duplicate_to(call, null, twin, false)).expect("room");
    assert_eq!(machine.usage().locks, 1, "replaced by dup2()");
    relock();
    one.now(|kernel, call| kernel.close_from(call, Fd(0))).expect("closed");
    assert_eq!(machine.usage().locks, 1);
    two.exit(0);
    assert_eq!(machine.usage().locks, 0);
}

#[test]
fn record_locks_stay_with_their_process() {
    let machine = Machine::new();
    let [one] = sharing(&machine);
    assert_eq!((lock(one, F, EX, range(0, 4)), flock(one, F, EX)), (Ok(()), Ok(())));
    let actions = vec![FileAction::Duplicate { from: F, to: Fd(3) }, FileAction::Close(F)];
    let child = one.spawn(&Spawn { actions, ..spawn("/bin/prog") }).expect("a child");
    let held = HeldLock { kind: Exclusive, pid: one.pid, range: range(0, 4) };
    assert_eq!(test(child, Fd(3), Exclusive, LockRange::ALL), Ok(Some(held)), "a child has none of them");
    assert_eq!(lock(child, Fd(3), SH, range(3, 1)), Err(Errno::EAGAIN));
    child.close(Fd(3)).expect("open");
    assert_eq!(machine.usage().locks, 2, "nor does it end them, and flock() is another lock");
    one.call(|kernel, call| {
        kernel.exec(call, &ExecImage::Path(b"/bin/other".as_slice().into()), strings(["x"]), strings([""; 0]), &[])
    })
    .expect("it runs");
    assert_eq!(machine.usage().locks, 2, "exec keeps them");
    one.now(|kernel, call| kernel.set_close_on_exec(call, F, true)).expect("open");
    one.call(|kernel, call| {
        kernel.exec(call, &ExecImage::Path(b"/bin/prog".as_slice().into()), strings(["x"]), strings([""; 0]), &[])
    })
    .expect("it runs");
    assert_eq!(machine.usage().locks, 0, "but for those of a file it closes");
}

#[test]
fn flock_and_record_locks_do_not_see_each_other() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    assert_eq!((flock(one, F, EX), lock(two, F, EX, LockRange::ALL)), (Ok(()), Ok(())));
    assert_eq!(test(one, F, Shared, range(0, 1)).map(|held| held.map(|held| held.pid)), Ok(Some(two.pid)));
    assert_eq!((flock(one, F, None), machine.usage().locks), (Ok(()), 1));
    assert_eq!((lock(two, F, None, LockRange::ALL), machine.usage().locks), (Ok(()), 0));
}

#[test]
fn a_wait_for_oneself_is_refused() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    assert_eq!((lock(one, F, EX, range(0, 1)), lock(two, F, EX, range(1, 1))), (Ok(()), Ok(())));
    let mut first = locking(one, F, EX, range(1, 1));
    assert!(first.poll().is_none());
    assert_eq!(lock(two, F, EX, range(0, 1)), Err(Errno::EAGAIN), "who does not wait");
    let mut second = locking(two, F, SH, range(0, 5));
    assert_eq!(second.poll(), Some(Err(CallError::Failed(Errno::EDEADLK))));
    assert_eq!(shown(two).len(), 3, "two locks, one call that waits");
    assert_eq!(lock(two, F, None, range(1, 1)), Ok(()));
    assert_eq!(first.poll(), Some(Ok(())));
}

#[test]
fn a_longer_cycle_over_several_files_is_refused_and_a_chain_is_not() {
    let machine = Machine::new();
    let processes: [Proc<'_>; 5] = std::array::from_fn(|_| machine.agent());
    let mut files = Vec::new();
    for process in processes {
        let open = |at: usize| process.open(&format!("f{at}"), RW | CREATE).expect("made");
        files.push((0..5).map(open).collect::<Vec<_>>());
    }
    let mut waits = Vec::new();
    for (at, process) in processes.iter().enumerate() {
        assert_eq!(lock(*process, files[at][at], SH, range(3, 1)), Ok(()));
    }
    for (at, process) in processes.iter().enumerate().take(4) {
        let mut wait = locking(*process, files[at][at + 1], EX, range(0, 0));
        assert!(wait.poll().is_none(), "{at}");
        waits.push(wait);
    }
    let last = processes[4];
    let mut closes = locking(last, files[4][0], EX, range(0, 0));
    assert_eq!(closes.poll(), Some(Err(CallError::Failed(Errno::EDEADLK))));
    machine.session.with(|kernel| kernel.signal_process(processes[2].pid, Signal::KILL));
    let mut open = locking(last, files[4][0], EX, range(0, 0));
    assert!(open.poll().is_none(), "two is about to end: its wait closes no circle");
    let two = waits.remove(2);
    drop(two);
    processes[2].exit(0);
    assert_eq!(waits[1].poll(), Some(Ok(())), "and lets go of what one waits for");
    drop((open, waits, closes));
    for process in [0, 1, 3, 4] {
        processes[process].exit(0);
    }
    assert_eq!((machine.usage().locks, machine.usage().waiting_calls), (0, 0));
}

/// A third process takes what the waiting one waits for, and then waits for it: the circle closes behind its back.
#[test]
fn a_cycle_through_a_lock_taken_later_is_seen() {
    let machine = Machine::new();
    let [one, two, three] = sharing(&machine);
    assert_eq!((lock(one, F, EX, range(0, 1)), lock(two, F, SH, range(1, 1))), (Ok(()), Ok(())));
    let mut first = locking(one, F, EX, range(1, 1));
    assert!(first.poll().is_none());
    assert_eq!(lock(three, F, SH, range(1, 1)), Ok(()));
    let mut third = locking(three, F, SH, range(0, 1));
    assert_eq!(third.poll(), Some(Err(CallError::Failed(Errno::EDEADLK))));
    drop(first);
    let mut third = locking(three, F, SH, range(0, 1));
    assert!(third.poll().is_none(), "one gave up: there is no circle");
    assert_eq!(lock(one, F, None, range(0, 1)), Ok(()));
    assert_eq!(third.poll(), Some(Ok(())));
}

#[test]
fn a_conversion_is_no_wait_for_oneself() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    assert_eq!(lock(one, F, SH, range(0, 10)), Ok(()));
    let mut second = locking(two, F, EX, range(0, 20));
    assert!(second.poll().is_none());
    assert_eq!((lock(one, F, SH, range(0, 20)), lock(one, F, EX, range(0, 20))), (Ok(()), Ok(())));
    let mut own = locking(one, F, SH, range(0, 30));
    assert_eq!(own.poll(), Some(Ok(())), "nobody holds it; who waits cannot have it yet");
    drop(own);
    assert_eq!((lock(one, F, None, range(0, 19)), lock(two, F, EX, range(0, 19))), (Ok(()), Ok(())));
    assert!(second.poll().is_none());
    assert_eq!(lock(one, F, None, range(19, 0)), Ok(()));
    assert_eq!(second.poll(), Some(Ok(())));
    let [both, other] = sharing(&machine);
    assert_eq!((lock(two, F, SH, LockRange::ALL), lock(both, F, SH, range(0, 1))), (Ok(()), Ok(())));
    assert_eq!(lock(other, F, SH, range(0, 1)), Ok(()));
    let mut upgrade = locking(both, F, EX, range(0, 1));
    assert!(upgrade.poll().is_none());
    let mut second = locking(other, F, EX, range(0, 1));
    assert_eq!(second.poll(), Some(Err(CallError::Failed(Errno::EDEADLK))), "two that share cannot both upgrade");
}

#[test]
fn a_drivers_file_is_one_by_its_path() {
    let machine = Machine::new();
    let driver = Arc::new(Outside::default());
    for name in [b"a", b"b"] {
        driver.files.lock().unwrap().insert(name.to_vec(), Default::default());
    }
    let mount = |kernel: &mut warren_kernel::Kernel, call: &mut warren_kernel::Call| {
        kernel.mount(call, b"/mnt", Mounted::Driver(driver.clone()), false)
    };
    machine.block(Pid::INIT, mount).expect("mounted");
    let (one, two) = (machine.agent(), machine.agent());
    let (a, b) = (one.open("/mnt/a", RW).expect("there"), two.open("/mnt/b", RW).expect("there"));
    assert_eq!((lock(one, a, EX, range(0, 5)), lock(two, b, EX, range(0, 5))), (Ok(()), Ok(())));
    let a_too = two.open("/mnt/a", RW).expect("there");
    assert_eq!(test(two, a_too, Shared, range(0, 0)).map(|held| held.map(|held| held.pid)), Ok(Some(one.pid)));
    let mut wait = locking(two, a_too, EX, range(4, 1));
    assert!(wait.poll().is_none());
    one.exit(0);
    assert_eq!(wait.poll(), Some(Ok(())));
    two.close(b).expect("open");
    assert_eq!(machine.usage().locks, 1);
}

#[test]
fn proc_locks_shows_who_holds_and_who_waits() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    assert_eq!(one.text("/proc/locks").as_deref(), Ok(""));
    assert_eq!((flock(one, F, EX), lock(two, F, SH, range(2, 3))), (Ok(()), Ok(())));
    let (mut whole, mut part) = (flocking(two, F, SH), locking(one, F, EX, range(0, 0)));
    assert!(whole.poll().is_none() && part.poll().is_none());
    let ino = one.stat("f").expect("there").ino;
    let expected = format!(
        "1: FLOCK  ADVISORY  WRITE 2 00:01:{ino} 0 EOF\n2: POSIX  ADVISORY  READ  3 00:01:{ino} 2 4\n\
         2: -> FLOCK  ADVISORY  READ  3 00:01:{ino} 0 EOF\n2: -> POSIX  ADVISORY  WRITE 2 00:01:{ino} 0 EOF\n"
    );
    assert_eq!(one.text("/proc/locks"), Ok(expected));
}

/// Neither a wait that has nothing to do with locks nor one that ended is taken for a wait for a lock.
#[test]
fn only_waiting_for_a_lock_is() {
    let machine = Machine::new();
    let [one, two] = sharing(&machine);
    assert_eq!((lock(one, F, EX, range(0, 1)), lock(two, F, EX, range(1, 1))), (Ok(()), Ok(())));
    let mut lost = locking(one, F, EX, range(1, 1));
    assert!(lost.poll().is_none());
    drop(lost);
    one.mkfifo("fifo").expect("made");
    let mut elsewhere = opening(one, "fifo", R);
    assert!(elsewhere.poll().is_none());
    let mut wait = locking(two, F, EX, range(0, 1));
    assert!(wait.poll().is_none(), "one waits for a FIFO");
    drop(elsewhere);
    let slept = one.call(|kernel, call| {
        let mut none = [PollFd { fd: None, events: PollEvents::IN, found: PollEvents::empty() }];
        kernel.poll(call, &mut none, Some(Monotonic(0)))
    });
    assert_eq!(slept, Ok(0));
    one.close(F).expect("open");
    assert_eq!(wait.poll(), Some(Ok(())));
}
