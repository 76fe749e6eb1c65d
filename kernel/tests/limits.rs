//! Every limit of a session: the errno a guest gets, the event an operator gets, and nothing left half done.

#[cfg(test)]
mod common;

use common::network::{DATAGRAM, STREAM, inet};
use common::{Machine, NEW, R, RW, spawn};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use warren_kernel::id::Fd;
use warren_kernel::limits::Limits;
use warren_kernel::lock::{LockKind, LockRange, OnConflict};
use warren_kernel::policy::Policy;
use warren_kernel::process::spawn::Spawn;
use warren_kernel::process::strings;
use warren_kernel::socket::egress::{Egress, Outbound, Unreached};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{Errno, Kernel};

/// A way out that keeps what it is to carry.
#[derive(Default)]
struct Keeps(Mutex<Vec<Outbound>>);

impl Egress for Keeps {
    fn resolve(&self, _: &str) -> Result<Arc<[IpAddr]>, Unreached> {
        Err(Errno::ENOENT.into())
    }

    fn carry(&self, outbound: Outbound) {
        self.0.lock().expect("no test panics with it").push(outbound);
    }
}

/// Sets one limit low and goes over it.
fn over(limit: &str) -> (Result<(), Errno>, Machine) {
    let value = match limit {
        "processes" => 2,
        "descriptors" | "open_files" => 3,
        "pipes" | "locks" | "ptys" | "outbound" => 1,
        "sockets" | "datagrams" | "rights_in_flight" => 2,
        "file_bytes" => 8192,
        "inodes" => 2,
        "memory_bytes" | "process_memory_bytes" => 1 << 20,
        "argument_bytes" => 500,
        "cpu_ms" => 10,
        _ => 100,
    };
    let mut limits = Limits::default();
    limits.set(limit, value).expect("a limit of the table");
    let template = common::template(limits, Policy::with_way_out());
    let egress = Some(Arc::new(Keeps::default()) as Arc<dyn Egress>);
    let machine = Machine::behind(template.clone(), egress, |world| Kernel::new(world, template));
    let agent = machine.agent();
    let clean = || machine.usage();
    let answer = match limit {
        "processes" => {
            agent.child();
            let before = clean();
            let answer = agent.spawn(&spawn("/bin/prog")).map(|_| ());
            assert_eq!(machine.usage(), before);
            answer
        }
        "descriptors" | "open_files" => {
            (0..3).for_each(|_| assert!(agent.open("/etc/passwd", R).is_ok()));
            let before = clean();
            let answer = agent.open("new", NEW).map(|_| ());
            assert_eq!(machine.usage(), before, "no file was made for nothing");
            agent.close(Fd(0)).expect("open");
            agent.put("f", b"12345");
            agent.open("/etc/passwd", R).expect("room for one");
            assert!(agent.open("f", RW | OpenFlags::TRUNCATE).is_err());
            assert_eq!(agent.stat("f").map(|stat| stat.size), Ok(5), "nor cut for nothing");
            assert!(agent.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, b".", RW, Mode::new(0))).is_err());
            assert!(agent.now(|kernel, call| kernel.pipe(call, OpenFlags::empty())).is_err());
            assert_eq!(machine.usage().pipes, 0);
            answer
        }
        "pipes" => {
            agent.pipe();
            agent.mkfifo("fifo").expect("made");
            let before = clean();
            let answer = agent.now(|kernel, call| kernel.pipe(call, OpenFlags::empty())).map(|_| ());
            assert_eq!(agent.open("fifo", RW), Err(Errno::ENFILE));
            assert_eq!(machine.usage(), before);
            answer
        }
        "locks" => {
            let range = |start| LockRange::new(start, 2).expect("a range");
            let fd = agent.open("f", RW | OpenFlags::CREATE).expect("made");
            let lock = |kind, start| {
                let fail = OnConflict::Fail;
                agent.call(|kernel, call| kernel.record_lock(call, fd, kind, range(start), fail))
            };
            assert_eq!(lock(Some(LockKind::Exclusive), 0), Ok(()));
            assert_eq!(lock(Some(LockKind::Exclusive), 2), Ok(()), "it becomes one with the other");
            assert_eq!(lock(None, 1), Err(Errno::ENOLCK), "one in two");
            assert_eq!(machine.usage().locks, 1);
            let shared = Some(LockKind::Shared);
            agent.call(|kernel, call| kernel.flock(call, fd, shared, OnConflict::Fail))
        }
        "ptys" => {
            let (master, slave) = agent.now(|kernel, call| kernel.pty(call, OpenFlags::empty())).expect("one");
            let before = clean();
            let answer = agent.now(|kernel, call| kernel.pty(call, OpenFlags::empty())).map(|_| ());
            assert_eq!(agent.open("/dev/ptmx", RW), Err(Errno::ENOSPC));
            assert_eq!(machine.usage(), before);
            agent.close(master).expect("open");
            assert_eq!(agent.open("/dev/ptmx", RW), Err(Errno::ENOSPC), "it lives as long as its slave");
            agent.close(slave).expect("open");
            agent.open("/dev/ptmx", RW).expect("room for one");
            answer
        }
        "sockets" => {
            let pair = || agent.now(|kernel, call| kernel.socket_pair(call, STREAM, OpenFlags::empty()));
            let (first, second) = pair().expect("two");
            let before = clean();
            let answer = pair().map(|_| ());
            agent.close(first).expect("open");
            assert_eq!(pair(), Err(Errno::ENFILE), "one is not two");
            assert_eq!(machine.usage().sockets, before.sockets - 1);
            agent.close(second).expect("open");
            answer
        }
        "outbound" => {
            let (first, second) = (agent.tcp(), agent.tcp());
            agent.nonblock(first);
            assert_eq!(agent.connect(first, &inet("192.0.2.1", 80)), Err(Errno::EINPROGRESS));
            let before = clean();
            let answer = agent.connect(second, &inet("192.0.2.1", 80));
            assert_eq!(machine.usage(), before);
            answer
        }
        "socket_bytes" => {
            let (left, _right) = agent.pair(DATAGRAM);
            let before = clean();
            let answer = agent.send(left, b"x").map(|_| ());
            assert_eq!(machine.usage(), before);
            answer
        }
        "datagrams" => {
            let (server, client) = (agent.udp(), agent.udp());
            agent.bind(server, &inet("127.0.0.1", 5000)).expect("free");
            for byte in *b"abc" {
                assert_eq!(agent.send_to(client, &[byte], &inet("127.0.0.1", 5000)), Ok(1), "lost without a word");
            }
            agent.nonblock(server);
            let mut came = std::iter::from_fn(|| agent.receive(server, 9).ok());
            assert_eq!(came.by_ref().collect::<Vec<_>>().concat(), b"ab");
            agent.receive(server, 9).map(|_| ())
        }
        "rights_in_flight" => {
            let (left, _right) = agent.pair(STREAM);
            assert_eq!(agent.send_rights(left, b"x", &[left, left]), Ok(1));
            let before = clean();
            let answer = agent.send_rights(left, b"x", &[left]).map(|_| ());
            assert_eq!(machine.usage(), before);
            answer
        }
        "file_bytes" => {
            let fd = agent.open("f", NEW).expect("made");
            assert_eq!(agent.write(fd, &[0; 10_000]), Ok(8192));
            agent.write(fd, b"x").map(|_| ())
        }
        "inodes" => {
            agent.put("one", b"");
            agent.mkdir("two")
        }
        "memory_bytes" | "process_memory_bytes" => {
            // Arguments are memory of the session, and not of the process.
            let strings = if limit == "memory_bytes" { machine.usage().memory_bytes } else { 0 };
            assert!(agent.now(|kernel, call| kernel.charge_memory(call.pid, (1 << 20) - strings)));
            let before = machine.usage();
            let more = agent.now(|kernel, call| kernel.charge_memory(call.pid, 1));
            assert_eq!(machine.usage(), before);
            assert!(!agent.now(|kernel, call| kernel.charge_memory(call.pid, u64::MAX)), "no overflow either");
            if more { Ok(()) } else { Err(Errno::ENOMEM) }
        }
        "argument_bytes" => {
            let request = Spawn { environment: strings(["x".repeat(600)]), ..spawn("/bin/prog") };
            agent.spawn(&request).map(|_| ())
        }
        "cpu_ms" => {
            agent.now(|kernel, call| kernel.charge_cpu(call.pid, std::time::Duration::from_secs(1)));
            let doomed = agent.now(|kernel, call| kernel.process(call.pid).expect("there").doom.get().is_some());
            if doomed { Err(Errno::EAGAIN) } else { Ok(()) }
        }
        "file_size" => {
            let fd = agent.open("f", NEW).expect("made");
            agent.set_len(fd, 101)
        }
        other => panic!("{other}: a new limit needs a line here"),
    };
    (answer, machine)
}

#[test]
fn each_has_its_errno_and_its_event() {
    for limit in Limits::TABLE {
        let (answer, machine) = over(limit.name);
        assert_eq!(answer, Err(limit.errno), "{}", limit.name);
        let told: BTreeSet<_> = machine.limits_reached().into_iter().collect();
        assert!(told.contains(&(limit.name.to_owned(), limit.errno)), "{}: {told:?}", limit.name);
    }
}

#[test]
fn the_table_is_the_documentation() {
    let defaults = Limits::default();
    let shown = format!("{defaults:?}");
    for limit in Limits::TABLE {
        assert!(!limit.about.trim().is_empty() && limit.about.trim_end().ends_with('.'), "{}", limit.name);
        assert!(shown.contains(limit.name));
    }
    let mut limits = Limits::default();
    assert!(limits.set("processes", 1).is_ok() && limits.processes == 1);
    let unknown = limits.set("procesess", 1).unwrap_err().to_string();
    assert!(unknown.contains("`procesess`") && unknown.contains("processes, descriptors"));
}

#[test]
fn a_process_limit_beyond_all_pids_is_no_endless_search() {
    let machine = Machine::limited(|limits| limits.processes = u64::MAX);
    let agent = machine.agent();
    let mut made = 0;
    while agent.spawn(&spawn("/bin/prog")).is_ok() {
        made += 1;
    }
    assert!((10_000..11_000).contains(&made), "{made}");
}

#[test]
fn a_fifo_woken_at_the_limit_is_opened_all_the_same() {
    let machine = Machine::limited(|limits| limits.open_files = 3);
    let (one, two) = (machine.agent(), machine.agent());
    one.mkfifo("f").unwrap();
    let mut read = common::opening(one, "f", R);
    assert!(read.poll().is_none());
    two.open("f", common::W).unwrap();
    two.open("/etc/passwd", R).unwrap();
    assert_eq!(two.open("/etc/passwd", R), Err(Errno::ENFILE));
    assert_eq!(read.poll(), Some(Ok(Fd(0))));
}

#[test]
fn memory_comes_back_when_a_process_ends() {
    let machine = Machine::new();
    let agent = machine.agent();
    let before = machine.usage().memory_bytes;
    let child = agent.child();
    assert!(machine.usage().memory_bytes > before, "its arguments and environment count");
    let with_strings = machine.usage().memory_bytes;
    assert!(child.now(|kernel, call| kernel.charge_memory(call.pid, 12_345)));
    assert_eq!(machine.usage().memory_bytes, with_strings + 12_345);
    child.exit(0);
    assert_eq!(machine.usage().memory_bytes, before, "also while it is a zombie");
    assert!(!child.now(|kernel, call| kernel.charge_memory(warren_kernel::id::Pid(999), call.pid.0.into())));
}

#[test]
fn what_the_kernel_holds_for_a_guest_is_its_memory() {
    let machine = Machine::limited(|limits| (limits.memory_bytes, limits.argument_bytes) = (1 << 20, 1 << 20));
    let agent = machine.agent();
    let before = machine.usage().memory_bytes;
    let argument = "x".repeat(100_000);
    let spawn = |count: usize| warren_kernel::process::spawn::Spawn {
        arguments: warren_kernel::process::strings(std::iter::repeat_n(&argument, count)),
        ..common::spawn("/bin/prog")
    };
    let child = agent.spawn(&spawn(3)).unwrap();
    assert!(machine.usage().memory_bytes - before >= 300_000);
    let mut open = Vec::new();
    let path = format!("/proc/{}/cmdline", child.pid);
    let refused = loop {
        match agent.open(&path, R) {
            Ok(fd) => open.push(fd),
            Err(errno) => break errno,
        }
    };
    assert_eq!((refused, open.len()), (Errno::ENOMEM, 2), "an open text is held");
    assert_eq!(agent.spawn(&spawn(3)).map(|_| ()), Err(Errno::ENOMEM));
    assert_eq!(machine.limits_reached(), [("memory_bytes".to_owned(), Errno::ENOMEM)]);
    for fd in open {
        agent.close(fd).unwrap();
    }
    child.exit(0);
    assert_eq!(machine.usage().memory_bytes, before);
}

#[test]
fn the_names_of_a_listed_directory_are_memory_while_it_is_open() {
    let machine = Machine::limited(|limits| limits.memory_bytes = 100_000);
    let agent = machine.agent();
    agent.mkdir("many").unwrap();
    for index in 0..200 {
        agent.put(&format!("many/{index}"), b"");
    }
    let before = machine.usage().memory_bytes;
    let list = |fd| agent.call(|kernel, call| kernel.readdir(call, fd, 0, &mut |_| true));
    let first = agent.open("many", R).unwrap();
    list(first).unwrap();
    assert_eq!(machine.usage().memory_bytes, before + 200 * 320);
    list(first).unwrap();
    assert_eq!(machine.usage().memory_bytes, before + 200 * 320, "once, however often it is read");
    let second = agent.open("many", R).unwrap();
    assert_eq!(list(second), Err(Errno::ENOMEM));
    agent.close(first).unwrap();
    assert_eq!(list(second), Ok(()));
    agent.close(second).unwrap();
    assert_eq!(machine.usage().memory_bytes, before);
}

#[test]
fn every_name_counts_as_an_inode_and_long_links_as_bytes() {
    let machine = Machine::limited(|limits| (limits.inodes, limits.file_bytes) = (10, 2 * 4096));
    let agent = machine.agent();
    agent.put("f", b"");
    let used = machine.usage();
    for index in 0.. {
        match agent.link("f", &format!("f{index}")) {
            Ok(()) => assert_eq!(machine.usage().inodes, used.inodes + index + 1),
            Err(errno) => {
                assert_eq!((errno, machine.usage().inodes), (Errno::EDQUOT, 10));
                break;
            }
        }
    }
    assert_eq!(machine.limits_reached(), [("inodes".to_owned(), Errno::EDQUOT)]);
    for name in ["f0", "f1", "f2", "f3"] {
        agent.unlink(name).unwrap();
    }
    let long = "t".repeat(200);
    agent.symlink("short", "s").unwrap();
    assert_eq!(machine.usage().file_bytes, 0);
    agent.symlink(&long, "l1").unwrap();
    agent.symlink(&long, "l2").unwrap();
    assert_eq!(machine.usage().file_bytes, 2 * 4096);
    assert_eq!(agent.symlink(&long, "l3"), Err(Errno::EDQUOT));
    agent.unlink("l1").unwrap();
    assert_eq!(machine.usage().file_bytes, 4096);
}
