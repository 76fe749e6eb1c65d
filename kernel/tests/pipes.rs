//! Pipes and FIFOs through the system calls: who waits for whom, and what is left when an end goes.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, Pending, Proc, R, RW, W, opening, reading};
use warren_kernel::host::Monotonic;
use warren_kernel::id::Fd;
use warren_kernel::pipe::{PIPE_BUF, PIPE_CAPACITY};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::signal::{Disposition, Signal};
use warren_kernel::vfs::FileKind;
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{CallError, Errno};

#[test]
fn a_waiting_reader_is_woken_by_bytes_and_by_the_end() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = process.pipe();
    let mut read = reading(process, reader, 10);
    assert!(read.poll().is_none());
    assert_eq!(machine.usage().waiting_calls, 1);
    process.write(writer, b"hello").unwrap();
    assert_eq!(read.rings(), 1);
    assert_eq!(read.poll(), Some(Ok(b"hello".to_vec())));
    let mut read = reading(process, reader, 10);
    assert!(read.poll().is_none());
    process.close(writer).unwrap();
    assert_eq!(read.rings(), 1);
    assert_eq!(read.poll(), Some(Ok(Vec::new())), "no writer is left");
    process.close(reader).unwrap();
    assert_eq!((machine.usage().pipes, machine.usage().waiting_calls), (0, 0));
}

/// A pipe between two processes that run: who reads, who writes.
fn piped(machine: &Machine) -> ((Proc<'_>, Fd), (Proc<'_>, Fd)) {
    let parent = machine.agent();
    let (reader, writer) = parent.pipe();
    let child = parent.child();
    parent.close(writer).expect("open");
    child.close(reader).expect("open");
    ((parent, reader), (child, writer))
}

fn writing<'a>(process: Proc<'a>, fd: Fd, count: usize) -> Pending<'a, usize> {
    Pending::new(
        process.machine.session.call(process.pid, move |kernel, call| kernel.write(call, fd, &[&vec![2; count]])),
    )
}

#[test]
fn a_full_pipe_holds_the_writer_back() {
    let machine = Machine::new();
    let ((parent, reader), (child, writer)) = piped(&machine);
    assert_eq!(child.write(writer, &vec![1; PIPE_CAPACITY + 5]), Ok(PIPE_CAPACITY), "what there is room for");
    let mut write = writing(child, writer, PIPE_BUF);
    assert!(write.poll().is_none());
    parent.read(reader, PIPE_BUF - 1).unwrap();
    assert_eq!(write.rings(), 1);
    assert!(write.poll().is_none(), "an atomic write goes in whole or not at all");
    parent.read(reader, 1).unwrap();
    assert_eq!(write.poll(), Some(Ok(PIPE_BUF)));
}

/// A pipe nobody could ever read while it is full grows instead; see `relief`.
#[test]
fn a_writer_that_waits_for_itself_is_relieved() {
    // Three steps, and what the process's arguments count.
    let machine = Machine::limited(|limits| limits.memory_bytes = (3 << 20) + 1000);
    let process = machine.agent();
    let before = machine.usage().memory_bytes;
    let (reader, writer) = process.pipe();
    let mut written = 0;
    let refused = loop {
        match process.write(writer, &[1; 60_000]) {
            Ok(count) => written += count,
            Err(errno) => break errno,
        }
    };
    assert_eq!((refused, written), (Errno::EDEADLK, PIPE_CAPACITY + (3 << 20)));
    assert_eq!(machine.usage().memory_bytes, before + (3 << 20), "counted");
    let nonblocking = process.now(|kernel, call| kernel.set_status(call, writer, false, true));
    assert_eq!((nonblocking, process.write(writer, b"x")), (Ok(()), Err(Errno::EAGAIN)));
    let mut read = 0;
    while read < written {
        let part = process.read(reader, 1 << 20).unwrap();
        assert!(part.iter().all(|byte| *byte == 1));
        read += part.len();
    }
    process.close(reader).unwrap();
    process.close(writer).unwrap();
    assert_eq!(machine.usage().memory_bytes, before, "and given back");
}

#[test]
fn a_writer_that_may_read_meanwhile_waits() {
    let machine = Machine::new();
    let process = machine.agent();
    process.now(|kernel, call| kernel.makes_calls_side_by_side(call)).unwrap();
    let (reader, writer) = process.pipe();
    process.write(writer, &vec![1; PIPE_CAPACITY]).unwrap();
    let mut write = writing(process, writer, 5);
    assert!(write.poll().is_none());
    process.read(reader, PIPE_CAPACITY).unwrap();
    assert_eq!(write.poll(), Some(Ok(5)));
}

#[test]
fn a_child_whose_parent_collects_first_and_reads_later() {
    let machine = Machine::new();
    let ((parent, reader), (child, writer)) = piped(&machine);
    child.write(writer, &vec![1; PIPE_CAPACITY]).unwrap();
    let mut write = writing(child, writer, 100_000);
    assert!(write.poll().is_none(), "the parent may read yet");
    let mut wait = Pending::new(machine.session.call(parent.pid, |kernel, call| {
        kernel.waitpid(
            call,
            warren_kernel::process::wait::Which::Any,
            warren_kernel::process::wait::Watch::default(),
            warren_kernel::process::wait::Patience::Forever,
        )
    }));
    assert!(wait.poll().is_none());
    assert_eq!(write.rings(), 1, "now it cannot");
    assert_eq!(write.poll(), Some(Ok(100_000)));
    child.exit(0);
    assert!(matches!(wait.poll(), Some(Ok(Some(_)))));
    let mut all = 0;
    loop {
        match parent.read(reader, 1 << 20).unwrap().len() {
            0 => break,
            count => all += count,
        }
    }
    assert_eq!(all, PIPE_CAPACITY + 100_000);
}

#[test]
fn without_a_reader_a_writer_gets_epipe_and_the_signal() {
    let machine = Machine::new();
    let (ignoring, dying) = (machine.agent(), machine.agent());
    for process in [ignoring, dying] {
        assert_eq!(process.pipe(), (Fd(0), Fd(1)));
        process.close(Fd(0)).unwrap();
    }
    ignoring.now(|kernel, call| kernel.sigaction(call, Signal::PIPE, Disposition::Ignore)).unwrap();
    assert_eq!(ignoring.write(Fd(1), b"x"), Err(Errno::EPIPE));
    assert_eq!(ignoring.write(Fd(1), b""), Ok(0), "as Linux");
    assert_eq!(dying.write(Fd(1), b"x"), Err(Errno::EPIPE));
    let doom = |process: Proc<'_>| process.now(|kernel, call| kernel.process(call.pid).unwrap().doom.get());
    assert_eq!((doom(ignoring), doom(dying)), (None, Some(Signal::PIPE)));
}

#[test]
fn a_writer_that_waits_learns_that_the_reader_went() {
    let machine = Machine::new();
    let ((parent, reader), (child, writer)) = piped(&machine);
    child.write(writer, &vec![1; PIPE_CAPACITY]).unwrap();
    let mut write = writing(child, writer, 1);
    assert!(write.poll().is_none());
    parent.close(reader).unwrap();
    assert_eq!(write.rings(), 1);
    assert_eq!(write.poll(), Some(Err(CallError::Failed(Errno::EPIPE))));
}

#[test]
fn nonblocking_ends_answer_at_once() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = process.now(|kernel, call| kernel.pipe(call, OpenFlags::NONBLOCK)).unwrap();
    assert_eq!(process.read(reader, 1), Err(Errno::EAGAIN));
    assert_eq!(process.read(reader, 0), Ok(Vec::new()));
    assert_eq!(process.write(writer, &vec![1; PIPE_CAPACITY - 10]), Ok(PIPE_CAPACITY - 10));
    assert_eq!(process.write(writer, &[1; 11]), Err(Errno::EAGAIN), "not in part");
    assert_eq!(process.write(writer, &[1; PIPE_BUF + 1]), Ok(10), "a larger one in part");
    assert_eq!(process.write(writer, b"x"), Err(Errno::EAGAIN));
    process.close(writer).unwrap();
    assert_eq!(process.read(reader, PIPE_CAPACITY).unwrap().len(), PIPE_CAPACITY);
    assert_eq!(process.read(reader, 1), Ok(Vec::new()));
}

fn poll_one(process: Proc<'_>, fd: Fd, events: PollEvents) -> PollEvents {
    process
        .call(|kernel, call| {
            let mut fds = [PollFd { fd: Some(fd), events, found: PollEvents::empty() }];
            kernel.poll(call, &mut fds, Some(Monotonic(0)))?;
            Ok(fds[0].found)
        })
        .expect("poll does not fail")
}

#[test]
fn poll_says_what_would_not_wait() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = process.pipe();
    let (input, output) = (PollEvents::IN, PollEvents::OUT);
    assert_eq!(poll_one(process, reader, input | output), PollEvents::empty());
    assert_eq!(poll_one(process, writer, input | output), output);
    process.write(writer, &vec![1; PIPE_CAPACITY - PIPE_BUF + 1]).unwrap();
    assert_eq!(poll_one(process, reader, input), input);
    assert_eq!(poll_one(process, writer, output), PollEvents::empty(), "less than an atomic write has room");
    process.close(writer).unwrap();
    assert_eq!(poll_one(process, reader, input), input | PollEvents::HUP);
    process.read(reader, PIPE_CAPACITY).unwrap();
    assert_eq!(poll_one(process, reader, input), PollEvents::HUP);
    let (reader, writer) = (process.pipe().0, process.pipe().1);
    let twin = process.pipe();
    process.close(twin.0).unwrap();
    assert_eq!(poll_one(process, twin.1, PollEvents::empty()), PollEvents::ERR, "asked for or not");
    process.close(reader).unwrap();
    process.close(writer).unwrap();
    assert_eq!(poll_one(process, Fd(99), input), PollEvents::NVAL);
    let file = process.open("/etc/passwd", R).unwrap();
    assert_eq!(poll_one(process, file, input | output), input | output, "files are always ready");
}

#[test]
fn poll_waits_for_the_first_of_many_or_for_its_deadline() {
    let machine = Machine::new();
    let process = machine.agent();
    let (one, _) = process.pipe();
    let (two, writer) = process.pipe();
    let poll = |deadline: Option<u64>| {
        Pending::new(machine.session.call(process.pid, move |kernel, call| {
            let wants = |fd| PollFd { fd, events: PollEvents::IN, found: PollEvents::empty() };
            let mut fds = [wants(Some(one)), wants(None), wants(Some(two)), wants(Some(two))];
            let count = kernel.poll(call, &mut fds, deadline.map(Monotonic))?;
            Ok((count, fds.map(|fd| fd.found)))
        }))
    };
    let mut forever = poll(None);
    assert!(forever.poll().is_none());
    process.write(writer, b"x").unwrap();
    assert_eq!(forever.rings(), 1, "woken once, though it asked twice");
    let nothing = PollEvents::empty();
    assert_eq!(forever.poll(), Some(Ok((2, [nothing, nothing, PollEvents::IN, PollEvents::IN]))));
    process.read(two, 1).unwrap();
    let mut timed = poll(Some(50));
    assert!(timed.poll().is_none());
    assert_eq!(machine.driver.armed.lock().unwrap().as_slice(), [Monotonic(50)]);
    machine.set_time(49);
    machine.session.tick();
    assert_eq!(timed.rings(), 0);
    machine.set_time(50);
    machine.session.tick();
    assert_eq!(timed.rings(), 1);
    assert_eq!(timed.poll(), Some(Ok((0, [nothing; 4]))));
    let too_many = process.call(|kernel, call| {
        let mut fds = vec![PollFd { fd: None, events: PollEvents::IN, found: PollEvents::empty() }; 1025];
        kernel.poll(call, &mut fds, None)
    });
    assert_eq!(too_many, Err(Errno::EINVAL));
}

#[test]
fn opening_a_fifo_waits_for_the_other_end() {
    let machine = Machine::new();
    let (one, two) = (machine.agent(), machine.agent());
    one.mkfifo("f").unwrap();
    let mut read = opening(one, "f", R);
    assert!(read.poll().is_none());
    assert_eq!(two.open("f", W), Ok(Fd(0)));
    assert_eq!(read.rings(), 1);
    assert_eq!(read.poll(), Some(Ok(Fd(0))));
    two.write(Fd(0), b"through").unwrap();
    two.close(Fd(0)).unwrap();
    assert_eq!(one.read(Fd(0), 100).unwrap(), b"through");
    assert_eq!(one.read(Fd(0), 100).unwrap(), b"");
    one.close(Fd(0)).unwrap();
    let mut write = opening(one, "f", W);
    assert!(write.poll().is_none());
    let mut read = opening(two, "f", R);
    assert_eq!(read.poll(), Some(Ok(Fd(0))), "the writer is there");
    assert_eq!(write.poll(), Some(Ok(Fd(0))));
    assert_eq!(one.fstat(Fd(0)).unwrap().kind, FileKind::Fifo);
    assert_eq!(one.fstat(Fd(0)).unwrap().ino, one.stat("f").unwrap().ino);
    for process in [one, two] {
        process.close(Fd(0)).unwrap();
    }
    assert_eq!((machine.usage().pipes, machine.usage().open_files), (0, 0));
}

#[test]
fn a_fifos_end_that_comes_and_goes_still_counts() {
    let machine = Machine::new();
    let (one, two) = (machine.agent(), machine.agent());
    one.mkfifo("f").unwrap();
    let mut read = opening(one, "f", R);
    assert!(read.poll().is_none());
    // A writer that wrote and left before the reader looked again.
    let fd = two.open("f", W).unwrap();
    two.write(fd, b"quick").unwrap();
    two.close(fd).unwrap();
    assert_eq!(read.poll(), Some(Ok(Fd(0))));
    assert_eq!(one.read(Fd(0), 10).unwrap(), b"quick");
    assert_eq!(one.read(Fd(0), 10).unwrap(), b"");
}

#[test]
fn a_fifo_that_loses_its_name_while_it_is_opened() {
    let machine = Machine::new();
    let (one, two) = (machine.agent(), machine.agent());
    one.mkfifo("f").unwrap();
    let mut read = opening(one, "f", R);
    assert!(read.poll().is_none());
    two.rename("f", "g").unwrap();
    two.put("f", b"a plain file by now");
    let fd = two.open("g", W).unwrap();
    assert_eq!(read.poll(), Some(Ok(Fd(0))), "the end is open whatever its name");
    two.write(fd, b"x").unwrap();
    assert_eq!(one.read(Fd(0), 10).unwrap(), b"x");
    two.unlink("g").unwrap();
    one.close(Fd(0)).unwrap();
    two.close(fd).unwrap();
    assert_eq!((machine.usage().pipes, machine.usage().held_inodes), (0, 3), "their home, and two mount points");
}

#[test]
fn a_fifo_without_waiting() {
    let machine = Machine::new();
    let process = machine.agent();
    process.mkfifo("f").unwrap();
    let clean = machine.usage();
    assert_eq!(process.open("f", W | OpenFlags::NONBLOCK), Err(Errno::ENXIO));
    assert_eq!(machine.usage(), clean, "the refusal leaves nothing");
    let reader = process.open("f", R | OpenFlags::NONBLOCK).unwrap();
    assert_eq!(process.read(reader, 1), Ok(Vec::new()), "no writer: the end");
    assert_eq!(poll_one(process, reader, PollEvents::IN), PollEvents::empty(), "but not hung up");
    let writer = process.open("f", W | OpenFlags::NONBLOCK).unwrap();
    assert_eq!(process.read(reader, 1), Err(Errno::EAGAIN));
    process.write(writer, b"x").unwrap();
    assert_eq!(process.read(reader, 5).unwrap(), b"x");
    let both = process.open("f", RW).unwrap();
    process.write(both, b"me").unwrap();
    assert_eq!(process.read(both, 5).unwrap(), b"me");
    assert_eq!(process.open("f", CREATE | OpenFlags::EXCLUSIVE | R), Err(Errno::EEXIST));
    for fd in [reader, writer, both] {
        process.close(fd).unwrap();
    }
    assert_eq!(machine.usage(), clean);
}

#[test]
fn an_open_that_is_given_up_leaves_no_end() {
    let machine = Machine::new();
    let (one, two) = (machine.agent(), machine.agent());
    one.mkfifo("f").unwrap();
    let clean = machine.usage();
    let mut read = opening(one, "f", R);
    assert!(read.poll().is_none());
    drop(read);
    assert_eq!(machine.usage(), clean);
    assert_eq!(two.open("f", W | OpenFlags::NONBLOCK), Err(Errno::ENXIO), "nobody reads");
    let mut write = opening(two, "f", W);
    assert!(write.poll().is_none());
    machine.session.with(|kernel| kernel.signal_process(two.pid, Signal::KILL));
    assert_eq!(write.rings(), 1);
    assert_eq!(write.poll(), Some(Err(CallError::Doomed(Signal::KILL))));
    drop(write);
    assert_eq!(machine.usage(), clean);
}

#[test]
fn a_pipe_is_reached_again_through_proc() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = process.pipe();
    let again = process.open(&format!("/proc/self/fd/{reader}"), W).unwrap();
    process.write(again, b"x").unwrap();
    assert_eq!(process.read(reader, 5).unwrap(), b"x");
    process.close(writer).unwrap();
    process.close(again).unwrap();
    assert_eq!(process.read(reader, 5).unwrap(), b"");
    let named = process.open(&format!("/proc/self/fd/{reader}"), OpenFlags::PATH).unwrap();
    process.close(reader).unwrap();
    assert_eq!(process.fstat(named).unwrap().kind, FileKind::Fifo);
    process.close(named).unwrap();
    assert_eq!((machine.usage().pipes, machine.usage().open_files), (0, 0));
}

#[test]
fn an_end_held_outside_keeps_the_pipe() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = machine.session.with(|kernel| kernel.open_pipe(process.pid)).unwrap();
    let spawn = warren_kernel::process::spawn::Spawn {
        actions: vec![warren_kernel::process::spawn::FileAction::Install { fd: Fd::STDOUT, open: writer }],
        ..common::spawn("/bin/prog")
    };
    let child = process.spawn(&spawn).unwrap();
    machine.session.with(|kernel| kernel.close_open(writer));
    child.write(Fd::STDOUT, b"out").unwrap();
    child.exit(0);
    let all = machine.block(warren_kernel::id::Pid::INIT, |kernel, call| {
        let mut got = Vec::new();
        kernel.read_open(call, reader, None, 100, &mut |bytes| got.extend_from_slice(bytes))?;
        Ok(got)
    });
    assert_eq!(all.unwrap(), b"out");
    machine.session.with(|kernel| kernel.close_open(reader));
    assert_eq!((machine.usage().pipes, machine.usage().open_files), (0, 0));
}
