//! The session's lock: fetches outside it, waits that end, time that passes, and no lost wake-up.
#![allow(clippy::disallowed_methods, reason = "threads are what is tested here")]

#[cfg(test)]
mod common;

use common::outside::{Outside, Store};
use common::{Machine, NEW, Pending, Proc, R, RW, W, block_on, spawn};
use std::sync::{Arc, Mutex};
use warren_kernel::blob::{Blob, BlobId};
use warren_kernel::event::What;
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::signal::Signal;
use warren_kernel::vfs::layer::{Attributes, LayerBuilder};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::At;
use warren_kernel::{CallError, Errno, Kernel, Template};

fn with_outside(read_only: bool) -> (Machine, Arc<Outside>) {
    let machine = Machine::new();
    let outside = Arc::new(Outside::default());
    let driver = outside.clone();
    machine
        .block(Pid::INIT, move |kernel, call| kernel.mount(call, b"/mnt", Mounted::Driver(driver.clone()), read_only))
        .expect("mounted");
    (machine, outside)
}

#[test]
fn a_whole_file_outside_is_read_part_by_part() {
    let (machine, outside) = with_outside(true);
    let bytes: Vec<u8> = (0..(2 << 20) + 5).map(|at: u32| at.to_le_bytes()[1]).collect();
    outside.files.lock().unwrap().insert(b"f".to_vec(), Arc::new(bytes.clone().into()));
    let read = |max: usize| machine.agent().call(move |kernel, call| kernel.read_file(call, b"/mnt/f", max));
    assert_eq!(read(bytes.len()).unwrap(), bytes);
    let asked = outside.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|line| *line == "read").count(), 4, "the last finds the end: {asked:?}");
    assert_eq!(read(bytes.len() - 1), Err(Errno::EFBIG));
    assert_eq!(read(0), Err(Errno::EFBIG));
}

#[test]
fn a_mounted_driver_is_asked_once_for_each_step() {
    let (machine, outside) = with_outside(false);
    let agent = machine.agent();
    agent.chdir("/mnt").unwrap();
    assert_eq!(agent.cwd().unwrap(), "/mnt");
    agent.put("f", b"one two");
    assert_eq!(outside.asked.lock().unwrap().as_slice(), ["stat f", "open f", "write"]);
    assert_eq!(agent.get("/mnt/f").unwrap(), b"one two");
    let fd = agent.open("f", RW).unwrap();
    assert_eq!(agent.read(fd, 3).unwrap(), b"one");
    outside.asked.lock().unwrap().clear();
    agent.write(fd, b"!").unwrap();
    assert_eq!(outside.asked.lock().unwrap().as_slice(), ["write"], "an answer is replayed, not asked for again");
    assert_eq!(agent.get("f").unwrap(), b"one!two");
    assert_eq!(agent.seek(fd, -1, warren_kernel::seek::Whence::End), Ok(6));
    agent.set_len(fd, 3).unwrap();
    assert_eq!(agent.fstat(fd).unwrap().size, 3);
    agent.rename("f", "g").unwrap();
    assert_eq!(agent.names("/mnt").unwrap(), [".", "..", "g"]);
    assert_eq!(agent.rename("g", "/tmp/g"), Err(Errno::EXDEV));
    assert_eq!(agent.stat("f").map(|_| ()), Err(Errno::ENOENT));
    assert_eq!(agent.mkfifo("p"), Err(Errno::EPERM));
    outside.asked.lock().unwrap().clear();
    agent.unlink("g").unwrap();
    let asked = outside.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|line| line.starts_with("unlink")).count(), 1);
    assert_eq!(agent.call(|kernel, call| kernel.statfs(call, At::Cwd, b"/mnt")).unwrap().bytes_free, 4096);
    assert_eq!(agent.stat("..").unwrap().ino, agent.stat("/").unwrap().ino);
}

#[test]
fn a_read_only_driver_is_asked_for_no_change() {
    let (machine, outside) = with_outside(true);
    outside.files.lock().unwrap().insert(b"f".to_vec(), Arc::new(Mutex::new(b"x".to_vec())));
    let agent = machine.agent();
    assert_eq!(agent.open("/mnt/f", W), Err(Errno::EROFS));
    assert_eq!(agent.open("/mnt/f", R | warren_kernel::vfs::open::OpenFlags::TRUNCATE), Err(Errno::EROFS));
    assert_eq!(agent.open("/mnt/g", NEW), Err(Errno::EROFS));
    assert_eq!(agent.unlink("/mnt/f"), Err(Errno::EROFS));
    assert_eq!(agent.chmod("/mnt/f", 0), Err(Errno::EROFS));
    assert_eq!(agent.get("/mnt/f").unwrap(), b"x");
    assert!(outside.asked.lock().unwrap().iter().all(|line| !line.starts_with("unlink")));
}

#[test]
fn a_killed_process_does_not_wait_for_a_fetch() {
    let (machine, _outside) = with_outside(false);
    let agent = machine.agent();
    *machine.driver.hold.lock().unwrap() = true;
    let mut stat =
        Pending::new(machine.session.call(agent.pid, |kernel, call| kernel.stat(call, At::Root, b"/mnt/f", true)));
    assert!(stat.poll().is_none());
    machine.session.with(|kernel| kernel.signal_process(agent.pid, Signal::KILL));
    assert_eq!(stat.rings(), 1);
    assert_eq!(stat.poll(), Some(Err(CallError::Doomed(Signal::KILL))));
    drop(stat);
    assert_eq!(machine.usage().waiting_calls, 0);
    assert!(machine.driver.release(), "the fetch comes back later to nobody");
}

#[test]
fn a_fetch_wakes_its_call_whenever_it_is_done() {
    let (machine, outside) = with_outside(false);
    outside.files.lock().unwrap().insert(b"f".to_vec(), Arc::default());
    let agent = machine.agent();
    *machine.driver.hold.lock().unwrap() = true;
    let mut stat =
        Pending::new(machine.session.call(agent.pid, |kernel, call| kernel.stat(call, At::Root, b"/mnt/f", true)));
    let mut rounds = 0;
    let found = loop {
        match stat.poll() {
            Some(found) => break found,
            None => {
                let rings = stat.rings();
                assert!(stat.poll().is_none(), "looking early changes nothing");
                assert!(machine.driver.release());
                assert!(stat.rings() > rings);
                rounds += 1;
            }
        }
    };
    assert!(found.is_ok() && rounds >= 2, "the walk asks for the directory and the file: {rounds}");
    assert_eq!(machine.usage().waiting_calls, 0);
}

#[test]
fn an_image_that_cannot_be_loaded_says_why_to_the_operator() {
    let machine = Machine::new();
    let agent = machine.agent();
    assert_eq!(agent.spawn(&spawn("/bin/broken")).map(|child| child.pid), Err(Errno::ENOEXEC));
    assert_eq!(machine.events(), [What::Faulted { reason: "/bin/broken: broken".to_owned() }]);
}

fn with_blob(path: &str, bytes: Option<Vec<u8>>, len: u64) -> (Machine, Arc<Store>) {
    let store = Arc::new(Store { bytes, loads: Mutex::new(0) });
    let plain = Attributes { mode: 0o755, uid: 0, gid: 0, mtime_seconds: 0 };
    let mut builder = LayerBuilder::new();
    builder.directory("/proc", plain).expect("a layer");
    builder.text("/bin/prog", plain, common::WASM).expect("a layer");
    builder.file(path, plain, Blob::lazy(BlobId([1; 32]), len, store.clone())).expect("a layer");
    let layer = builder.build();
    let template = Template { layer, ..common::template(Default::default(), warren_kernel::policy::Policy::session()) };
    (Machine::from(template.clone(), |world| Kernel::new(world, template)), store)
}

#[test]
fn contents_are_loaded_when_they_are_first_needed() {
    let (machine, store) = with_blob("/big", Some(vec![5; 100_000]), 100_000);
    let root = machine.root();
    let fd = root.open("/big", RW).unwrap();
    assert_eq!(root.stat("/big").unwrap().size, 100_000);
    root.set_len(fd, 90_000).unwrap();
    root.call(|kernel, call| kernel.pwrite(call, fd, 0, &[&vec![6; 65_536]])).unwrap();
    assert_eq!(*store.loads.lock().unwrap(), 0, "looking, cutting and covering need no bytes");
    root.call(|kernel, call| kernel.pwrite(call, fd, 70_000, &[b"x"])).unwrap();
    assert_eq!(*store.loads.lock().unwrap(), 1);
    let all = root.get("/big").unwrap();
    assert_eq!((all.len(), all[0], all[69_999], all[70_000], all[70_001]), (90_000, 6, 5, b'x', 5));
    assert_eq!(*store.loads.lock().unwrap(), 1);
}

#[test]
fn a_content_that_is_missing_or_of_another_length_is_eio() {
    for bytes in [None, Some(vec![1; 5])] {
        let (machine, _) = with_blob("/big", bytes.clone(), 10);
        let root = machine.root();
        let expected = if bytes.is_none() { Errno::ENOENT } else { Errno::EIO };
        assert_eq!(root.get("/big"), Err(expected));
        assert_eq!(machine.usage().waiting_calls, 0);
        assert_eq!(root.spawn(&spawn("/big")).map(|child| child.pid), Err(expected));
        assert_eq!(machine.usage().processes, 1);
    }
}

#[test]
fn deadlines_are_armed_once_and_earlier_ones_again() {
    let machine = Machine::new();
    let agent = machine.agent();
    let sleep =
        |until| Pending::new(machine.session.call(agent.pid, move |kernel, _| kernel.sleep_until(Monotonic(until))));
    let armed = || std::mem::take(&mut *machine.driver.armed.lock().unwrap());
    let (mut late, mut early, mut latest) = (sleep(100), sleep(50), sleep(200));
    assert!(late.poll().is_none() && latest.poll().is_none() && early.poll().is_none());
    assert_eq!(armed(), [Monotonic(100), Monotonic(50)]);
    assert_eq!(machine.session.with(|kernel| kernel.next_deadline()), Some(Monotonic(50)));
    machine.session.tick();
    assert_eq!((armed(), early.rings()), (vec![Monotonic(50)], 0), "a tick too early is armed again");
    machine.set_time(60);
    machine.session.tick();
    assert_eq!((early.rings(), late.rings(), armed()), (1, 0, vec![Monotonic(100)]));
    assert_eq!(early.poll(), Some(Ok(())));
    machine.set_time(1000);
    machine.session.tick();
    assert_eq!((late.poll(), latest.poll(), armed()), (Some(Ok(())), Some(Ok(())), vec![]));
    assert_eq!(sleep(1000).poll(), Some(Ok(())), "what is past is no wait");
    assert_eq!(machine.session.with(|kernel| kernel.next_deadline()), None);
}

#[test]
fn a_dropped_call_waits_no_more() {
    let machine = Machine::new();
    let agent = machine.agent();
    let (reader, writer) = agent.pipe();
    let mut first = common::reading(agent, reader, 10);
    let mut second = common::reading(agent, reader, 10);
    assert!(first.poll().is_none() && second.poll().is_none());
    drop(first);
    assert_eq!(machine.usage().waiting_calls, 1);
    agent.write(writer, b"for the second").unwrap();
    assert_eq!(second.poll(), Some(Ok(b"for the se".to_vec())));
}

fn send(process: Proc<'_>, fd: Fd, byte: u8) {
    block_on(process.machine.session.call(process.pid, move |kernel, call| kernel.write(call, fd, &[&[byte]])))
        .expect("the other end is open");
}

fn receive(process: Proc<'_>, fd: Fd) -> Option<u8> {
    block_on(process.machine.session.call(process.pid, move |kernel, call| {
        let mut got = None;
        kernel.read(call, fd, 1, &mut |bytes| got = bytes.first().copied())?;
        Ok(got)
    }))
    .expect("the pipe is there")
}

#[test]
fn no_wake_up_is_lost_between_threads() {
    const ROUNDS: u32 = 5000;
    let machine = Machine::new();
    std::thread::scope(|scope| {
        for pair in 0..4u8 {
            let process = machine.agent();
            let ((ping, ping_in), (pong, pong_in)) = (process.pipe(), process.pipe());
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    assert_eq!(receive(process, ping), Some(pair));
                    send(process, pong_in, pair);
                }
                process.close(pong_in).expect("open");
            });
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    send(process, ping_in, pair);
                    assert_eq!(receive(process, pong), Some(pair));
                }
                assert_eq!(receive(process, pong), None);
            });
        }
    });
    assert_eq!(machine.usage().waiting_calls, 0);
}

#[test]
fn many_readers_and_writers_of_one_pipe_lose_nothing() {
    let machine = Machine::new();
    let process = machine.agent();
    let (reader, writer) = process.pipe();
    let total = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    for _ in 0..200 {
                        let chunk = [1; 4000];
                        let count = block_on(
                            process
                                .machine
                                .session
                                .call(process.pid, move |kernel, call| kernel.write(call, writer, &[&chunk])),
                        );
                        assert_eq!(count, Ok(4000), "an atomic write is whole");
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let got = process.read(reader, 3000).expect("readable");
                    if got.is_empty() {
                        break;
                    }
                    total.fetch_add(got.len() as u64, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
        process.close(writer).expect("open");
    });
    assert_eq!(total.into_inner(), 3 * 200 * 4000);
}
