//! Waiting, waking, killing and fetching under every order that threads can take the session's lock in.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p warren-kernel --test interleavings`; empty in any other build. Loom runs each
//! model once per order, up to [`PREEMPTIONS`] switches that nothing forces. A wake-up that is lost leaves nobody who can
//! go on, which it reports as a deadlock. That the models find mistakes is tested by making some.
#![cfg(loom)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the test runs itself again")]

#[cfg(test)]
mod common;

use common::outside::Outside;
use common::{FakeHost, FakeRuntime, R, spawn};
use loom::future::block_on;
use loom::model::Builder;
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::limits::Limits;
use warren_kernel::lock::{LockKind, OnConflict};
use warren_kernel::pipe::PIPE_CAPACITY;
use warren_kernel::policy::Policy;
use warren_kernel::process::ExitStatus;
use warren_kernel::process::wait::{Patience, Watch, Which};
use warren_kernel::runtime::Runtime;
use warren_kernel::session::Driver;
use warren_kernel::signal::{Disposition, SA_RESTART, Signal, SignalSet};
use warren_kernel::sync::{Mistake, make};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{Call, CallError, Errno, Kernel, Session, Step, Template, World};

/// Switches between threads that nothing forces, in one order; nearly every mistake needs no more than two.
/// `LOOM_MAX_PREEMPTIONS` sets another number, for a long run.
#[derive(Clone, Copy)]
enum Preemptions {
    /// For two threads.
    Three = 3,
    /// For more.
    Two = 2,
}

/// Runs a model under every order.
fn explore(preemptions: Preemptions, model: impl Fn(&Template) + Send + Sync + 'static) {
    let template = common::template(Limits::default(), Policy::session());
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions as usize));
    builder.max_branches = 100_000;
    builder.check(move || model(&template));
}

/// What becomes of work that is offloaded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    AtOnce,
    OnAThread,
    Never,
}

/// Times the session was armed for, and a thread's wait for one.
struct Desk {
    work: AtomicU8,
    armed: Mutex<Vec<Monotonic>>,
    ring: Condvar,
}

impl Driver for Desk {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        match self.work.load(Ordering::SeqCst) {
            at if at == Work::AtOnce as u8 => work(),
            at if at == Work::OnAThread as u8 => drop(thread::spawn(work)),
            _ => drop(work),
        }
    }
    fn arm(&self, _: &Session, at: Monotonic) {
        self.armed.lock().expect("nobody panics").push(at);
        self.ring.notify_one();
    }
}

/// A session for one run of a model.
struct Place {
    session: Session,
    desk: Arc<Desk>,
    host: Arc<FakeHost>,
}

impl Place {
    fn new(template: &Template) -> Place {
        let host = Arc::new(FakeHost::default());
        let runtimes: Arc<[Arc<dyn Runtime>]> = Arc::from([Arc::new(FakeRuntime::default()) as Arc<dyn Runtime>]);
        let world = World { host: host.clone(), runtimes, egress: None };
        let desk = Arc::new(Desk {
            work: AtomicU8::new(Work::AtOnce as u8),
            armed: Mutex::new(Vec::new()),
            ring: Condvar::new(),
        });
        Place { session: Session::new(Kernel::new(world, template.clone()), desk.clone()), desk, host }
    }

    fn now<T>(&self, pid: Pid, mut op: impl FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin) -> T {
        block_on(self.session.call(pid, |kernel, call| op(kernel, call))).expect("it does not fail")
    }

    fn process(&self) -> Pid {
        self.now(Pid::INIT, |kernel, call| kernel.launch(call, &spawn("/bin/prog")))
    }

    fn child(&self, pid: Pid) -> Pid {
        self.now(pid, |kernel, call| kernel.spawn(call, &spawn("/bin/prog")))
    }

    /// Processes that have both ends of one pipe: the read end as 0, the write end as 1.
    fn piped<const N: usize>(&self) -> [Pid; N] {
        let first = self.process();
        self.now(first, |kernel, call| Ok(kernel.pipe(call, OpenFlags::empty())?));
        std::array::from_fn(|at| if at == 0 { first } else { self.child(first) })
    }

    fn write(&self, pid: Pid, count: usize) {
        let data = vec![1; count];
        self.now(pid, |kernel, call| kernel.write(call, Fd(1), &[&data]));
    }

    fn signal(&self, pid: Pid, signal: Signal) {
        self.session.with(|kernel| kernel.signal_process(pid, signal));
    }

    fn exit(&self, pid: Pid) {
        self.session.with(|kernel| kernel.exit(pid, ExitStatus::Exited(0)));
    }

    /// Bytes in the pipe, taken out by `pid`.
    fn drain(&self, pid: Pid) -> usize {
        self.session.with(|kernel| kernel.set_status(&Call::new(pid), Fd(0), false, true)).expect("open");
        match block_on(reading(&self.session, pid, 100_000)) {
            Ok(count) => count,
            Err(CallError::Failed(Errno::EAGAIN)) => 0,
            Err(other) => panic!("{other}"),
        }
    }

    fn assert_nobody_waits(&self) {
        assert_eq!(self.session.with(|kernel| kernel.usage().waiting_calls), 0);
    }
}

fn reading(session: &Session, pid: Pid, want: usize) -> impl Future<Output = Result<usize, CallError>> {
    session.call(pid, move |kernel, call| kernel.read(call, Fd(0), want, &mut |_| ()))
}

/// A thread that makes a call and waits for its end.
fn calls<T: 'static>(
    place: &Place,
    pid: Pid,
    op: impl FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin + 'static,
) -> JoinHandle<Result<T, CallError>> {
    let session = place.session.clone();
    thread::spawn(move || block_on(session.call(pid, op)))
}

fn reads(place: &Place, pid: Pid, want: usize) -> JoinHandle<Result<usize, CallError>> {
    calls(place, pid, move |kernel, call| kernel.read(call, Fd(0), want, &mut |_| ()))
}

/// A reader that reads to the end, while another process writes twice and ends.
fn a_pipe_to_its_end(template: &Template) {
    let place = Place::new(template);
    let [reader, writer] = place.piped();
    place.session.with(|kernel| kernel.close(&Call::new(reader), Fd(1))).expect("open");
    let session = place.session.clone();
    let read = thread::spawn(move || {
        let mut all = 0;
        loop {
            match block_on(reading(&session, reader, 10)).expect("nothing ends it") {
                0 => return all,
                count => all += count,
            }
        }
    });
    place.write(writer, 1);
    place.write(writer, 2);
    place.exit(writer);
    assert_eq!(read.join().expect("it ends"), 3);
    place.assert_nobody_waits();
}

#[test]
fn no_byte_and_no_end_is_missed() {
    explore(Preemptions::Three, a_pipe_to_its_end);
}

#[test]
fn each_of_several_readers_gets_its_byte() {
    explore(Preemptions::Two, |template| {
        let place = Place::new(template);
        let [one, two, writer] = place.piped();
        let reads = [reads(&place, one, 1), reads(&place, two, 1)];
        place.write(writer, 1);
        place.write(writer, 1);
        assert!(reads.into_iter().all(|read| read.join().unwrap() == Ok(1)));
        place.assert_nobody_waits();
    });
}

#[test]
fn a_writer_learns_of_room_and_of_the_last_reader() {
    explore(Preemptions::Three, |template| {
        let place = Place::new(template);
        let [writer, reader] = place.piped();
        place.session.with(|kernel| kernel.close(&Call::new(writer), Fd(0))).expect("open");
        let ignore = |kernel: &mut Kernel| kernel.sigaction(&Call::new(writer), Signal::PIPE, Disposition::Ignore);
        place.session.with(ignore).expect("it may");
        place.write(writer, PIPE_CAPACITY);
        let session = place.session.clone();
        let write = thread::spawn(move || {
            let once = || block_on(session.call(writer, |kernel, call| kernel.write(call, Fd(1), &[&[2; 4096]])));
            (once(), once())
        });
        place.now(reader, |kernel, call| kernel.read(call, Fd(0), 4096, &mut |_| ()));
        place.exit(reader);
        let (first, second) = write.join().unwrap();
        assert!(first == Ok(4096) || first == Err(CallError::Failed(Errno::EPIPE)), "{first:?}");
        assert_eq!(second, Err(CallError::Failed(Errno::EPIPE)));
        place.assert_nobody_waits();
    });
}

#[test]
fn a_kill_ends_a_wait_whenever_it_comes_and_takes_no_byte() {
    explore(Preemptions::Three, |template| {
        let place = Place::new(template);
        let [victim, other] = place.piped();
        let read = reads(&place, victim, 1);
        let session = place.session.clone();
        let kill = thread::spawn(move || session.with(|kernel| kernel.signal_process(victim, Signal::KILL)));
        place.write(other, 1);
        let (read, ()) = (read.join().unwrap(), kill.join().unwrap());
        let left = usize::from(read != Ok(1));
        assert!(read == Ok(1) || read == Err(CallError::Doomed(Signal::KILL)), "{read:?}");
        assert_eq!(place.drain(other), left);
        place.assert_nobody_waits();
    });
}

#[test]
fn a_stopped_process_goes_on_where_it_was() {
    explore(Preemptions::Three, |template| {
        let place = Place::new(template);
        let [reader, other] = place.piped();
        let read = reads(&place, reader, 1);
        place.signal(reader, Signal::STOP);
        place.write(other, 1);
        place.signal(reader, Signal::CONT);
        assert_eq!(read.join().unwrap(), Ok(1));
        place.assert_nobody_waits();
    });
}

#[test]
fn a_caught_signal_interrupts_or_comes_too_late() {
    explore(Preemptions::Three, |template| {
        let place = Place::new(template);
        let [reader, other] = place.piped();
        let handler = Disposition::Catch { mask: SignalSet::default(), flags: SA_RESTART };
        let catch = |kernel: &mut Kernel| kernel.sigaction(&Call::new(reader), Signal::USR1, handler);
        place.session.with(catch).expect("it may");
        let read = reads(&place, reader, 1);
        let session = place.session.clone();
        let signal = thread::spawn(move || session.with(|kernel| kernel.signal_process(reader, Signal::USR1)));
        place.write(other, 1);
        let (read, ()) = (read.join().unwrap(), signal.join().unwrap());
        let interrupted = read == Err(CallError::Interrupted { restarts: true });
        assert!(interrupted || read == Ok(1), "{read:?}");
        assert_eq!(place.drain(other), usize::from(interrupted), "it had no effect then");
        place.assert_nobody_waits();
    });
}

#[test]
fn a_parent_learns_of_its_childs_end() {
    explore(Preemptions::Three, |template| {
        let place = Place::new(template);
        let parent = place.process();
        let children = [place.child(parent), place.child(parent)];
        let session = place.session.clone();
        let waits = thread::spawn(move || {
            let once = || {
                let collected = session
                    .call(parent, |kernel, call| kernel.waitpid(call, Which::Any, Watch::default(), Patience::Forever));
                block_on(collected).expect("there are children").map(|(pid, _)| pid)
            };
            [once(), once()]
        });
        let session = place.session.clone();
        let other = thread::spawn(move || session.with(|kernel| kernel.exit(children[1], ExitStatus::Exited(0))));
        place.exit(children[0]);
        other.join().unwrap();
        let mut collected = waits.join().unwrap();
        collected.sort();
        assert_eq!(collected, children.map(Some));
        place.assert_nobody_waits();
    });
}

/// Two calls with deadlines and a byte that may come before the earlier one, with a timer that does as it is told.
#[test]
fn a_deadline_is_met_whoever_arms_it() {
    explore(Preemptions::Two, |template| {
        let place = Place::new(template);
        let sleepers = [place.process(), place.process()];
        let sleeps = [(sleepers[0], 10), (sleepers[1], 5)].map(|(pid, until)| {
            calls(&place, pid, move |kernel, call| kernel.poll(call, &mut [], Some(Monotonic(until))))
        });
        let mut now = Monotonic(0);
        while now < Monotonic(10) {
            let mut armed = place.desk.armed.lock().unwrap();
            while armed.is_empty() {
                armed = place.desk.ring.wait(armed).unwrap();
            }
            now = now.max(armed.remove(0));
            drop(armed);
            place.host.monotonic.store(now.0, Ordering::SeqCst);
            place.session.tick();
        }
        for sleep in sleeps {
            assert_eq!(sleep.join().unwrap(), Ok(0));
        }
        place.assert_nobody_waits();
    });
}

#[test]
fn a_call_that_is_given_up_while_it_is_woken_takes_no_ones_turn() {
    explore(Preemptions::Three, |template| {
        let place = Place::new(template);
        let [fickle, patient, writer] = place.piped();
        let session = place.session.clone();
        let gives_up = thread::spawn(move || {
            let future = pin!(reading(&session, fickle, 1));
            match future.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(read) => read.expect("nothing ends it"),
                Poll::Pending => 0,
            }
        });
        let read = reads(&place, patient, 1);
        place.write(writer, 1);
        place.write(writer, 1);
        let taken = gives_up.join().unwrap() + read.join().unwrap().expect("nothing ends it");
        assert_eq!(place.drain(writer), 2 - taken);
        place.assert_nobody_waits();
    });
}

/// A process with a file of a mounted driver as descriptor 0; from here on fetches go where `work` says.
fn with_a_drivers_file(template: &Template, work: Work) -> (Place, Pid) {
    let place = Place::new(template);
    let driver = Arc::new(Outside::default());
    driver
        .files
        .lock()
        .expect("nobody panics")
        .insert(b"a".to_vec(), Arc::new(std::sync::Mutex::new(b"text".to_vec())));
    place.now(Pid::INIT, |kernel, call| kernel.mount(call, b"/mnt", Mounted::Driver(driver.clone()), false));
    let pid = place.process();
    place.now(pid, |kernel, call| kernel.open(call, At::Root, b"/mnt/a", R, Mode::new(0)));
    place.desk.work.store(work as u8, Ordering::SeqCst);
    (place, pid)
}

fn a_fetch_that_is_answered(template: &Template) {
    let (place, pid) = with_a_drivers_file(template, Work::OnAThread);
    assert_eq!(block_on(reading(&place.session, pid, 10)), Ok(4));
    place.assert_nobody_waits();
}

#[test]
fn an_answer_is_never_missed() {
    explore(Preemptions::Three, a_fetch_that_is_answered);
}

#[test]
fn an_answer_and_a_kill_may_come_in_any_order() {
    explore(Preemptions::Three, |template| {
        let (place, pid) = with_a_drivers_file(template, Work::OnAThread);
        let read = reads(&place, pid, 10);
        place.signal(pid, Signal::KILL);
        let read = read.join().unwrap();
        assert!(read == Ok(4) || read == Err(CallError::Doomed(Signal::KILL)), "{read:?}");
        place.exit(pid);
        place.assert_nobody_waits();
    });
}

fn a_kill_while_no_answer_comes(template: &Template) {
    let (place, pid) = with_a_drivers_file(template, Work::Never);
    let read = reads(&place, pid, 10);
    place.signal(pid, Signal::KILL);
    assert_eq!(read.join().expect("it ends"), Err(CallError::Doomed(Signal::KILL)));
    place.assert_nobody_waits();
}

#[test]
fn a_killed_process_does_not_wait_for_an_answer() {
    explore(Preemptions::Three, a_kill_while_no_answer_comes);
}

/// Two processes share an open file: the calls on its offset follow each other, and an end of one lets the other go.
#[test]
fn the_turn_on_an_offset_is_passed_on() {
    explore(Preemptions::Two, |template| {
        let (place, pid) = with_a_drivers_file(template, Work::AtOnce);
        let child = place.child(pid);
        place.desk.work.store(Work::OnAThread as u8, Ordering::SeqCst);
        let read = reads(&place, child, 3);
        let own = block_on(reading(&place.session, pid, 3)).expect("nothing ends it");
        let other = read.join().unwrap().expect("nothing ends it");
        assert_eq!(own + other, 4, "each byte once");
        place.assert_nobody_waits();
    });
}

/// The lock is let go while two wait for it, one of which is killed: the other must get it.
#[test]
fn a_lock_is_passed_on_past_a_process_that_is_killed() {
    explore(Preemptions::Two, |template| {
        let place = Place::new(template);
        let holder = place.process();
        let open = |kernel: &mut Kernel, call: &mut Call| kernel.open(call, At::Root, b"/etc/passwd", R, Mode::new(0));
        let waiting = [place.process(), place.process()];
        for pid in [holder, waiting[0], waiting[1]] {
            place.now(pid, open);
        }
        let lock = |kind| move |kernel: &mut Kernel, call: &mut Call| kernel.flock(call, Fd(0), kind, OnConflict::Wait);
        place.now(holder, lock(Some(LockKind::Exclusive)));
        let [victim, other] = waiting.map(|pid| calls(&place, pid, lock(Some(LockKind::Exclusive))));
        place.now(holder, lock(None));
        place.signal(waiting[0], Signal::KILL);
        let killed = victim.join().unwrap();
        assert!(killed == Ok(()) || killed == Err(CallError::Doomed(Signal::KILL)), "{killed:?}");
        place.exit(waiting[0]);
        assert_eq!(other.join().unwrap(), Ok(()));
        assert_eq!(place.session.with(|kernel| kernel.usage().locks), 1);
        place.assert_nobody_waits();
    });
}

type Model = fn(&Template);

/// Models of a kernel that makes a mistake. Each ends its process: loom's deadlock is a panic, and what it unwinds meets
/// locks that are gone.
const MISTAKES: [(&str, Mistake, Model); 3] = [
    ("parks_late", Mistake::ParksLate, a_pipe_to_its_end),
    ("wakes_early", Mistake::WakesEarly, a_fetch_that_is_answered),
    ("forgets_the_kill", Mistake::ForgetsTheKill, a_kill_while_no_answer_comes),
];
/// Says which of them the test in a child makes.
const MADE: &str = "WARREN_MISTAKE";

#[test]
#[ignore = "ends its process; `each_mistake_is_found` runs it in one of its own"]
fn the_mistake_that_is_asked_for() {
    let asked = std::env::var(MADE).expect("a name");
    let (_, mistake, model) = MISTAKES.into_iter().find(|(name, ..)| *name == asked).expect("one of them");
    make(Some(mistake));
    explore(Preemptions::Three, model);
}

#[test]
fn each_mistake_is_found() {
    for (name, ..) in MISTAKES {
        let mut child = std::process::Command::new(std::env::current_exe().expect("this test"));
        let arguments = ["--exact", "the_mistake_that_is_asked_for", "--ignored", "--nocapture"];
        let found = child.args(arguments).env(MADE, name).env("RUST_BACKTRACE", "0").output().expect("it runs");
        let said = String::from_utf8_lossy(&found.stderr);
        assert!(!found.status.success() && said.contains("deadlock; threads"), "{name}: {said}");
    }
}
