//! Watches: what a queue tells of files and directories, as Linux's inotify does.
#![allow(clippy::unwrap_used, reason = "a test")]

#[cfg(test)]
mod common;

use common::{Machine, NEW, Proc, R, W};
use warren_kernel::id::Fd;
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::watch::{QUEUE_BYTES_MAX, QUEUES_MAX, WatchEvents};
use warren_kernel::{Errno, Halt};

fn queue(agent: &Proc<'_>) -> Fd {
    agent.now(|kernel, call| kernel.open_watch(call, true, true)).unwrap()
}

fn watch(agent: &Proc<'_>, queue: Fd, path: &str) -> Result<i32, Errno> {
    agent.call(|kernel, call| kernel.add_watch(call, queue, path.as_bytes(), true))
}

/// What is in a queue: `watch EVENTS name`.
fn told(agent: &Proc<'_>, queue: Fd) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let bytes = match agent.read(queue, 4096) {
            Ok(bytes) => bytes,
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                return told;
            }
        };
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let number = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
            let (watch, what, len) =
                (number(0) as i32, WatchEvents::from_bits(number(4)).unwrap(), number(12) as usize);
            assert_eq!(number(8) != 0, what.intersects(WatchEvents::MOVED_FROM | WatchEvents::MOVED_TO));
            let name = String::from_utf8(rest[16..16 + len].to_vec()).unwrap();
            let events: Vec<&str> = what.iter_names().map(|(name, _)| name).collect();
            told.push(format!("{watch} {} {}", events.join("|"), name.trim_end_matches('\0')).trim_end().to_owned());
            rest = &rest[16 + len..];
        }
    }
}

#[test]
fn a_directory_tells_of_the_names_in_it_and_a_file_of_itself() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.put("d/f", b"one");
    let fd = queue(&agent);
    assert_eq!((watch(&agent, fd, "d"), watch(&agent, fd, "d/f"), watch(&agent, fd, "d/../d")), (Ok(1), Ok(2), Ok(1)));
    assert_eq!(told(&agent, fd), [""; 0], "what was before is not told");
    let after = |what: &dyn Fn()| {
        what();
        told(&agent, fd)
    };
    let open = agent.open("d/f", W).unwrap();
    assert_eq!(after(&|| assert_eq!(agent.write(open, b"two"), Ok(3))), ["1 MODIFY f", "2 MODIFY"]);
    assert_eq!(after(&|| agent.set_len(open, 1).unwrap()), ["1 MODIFY f", "2 MODIFY"]);
    agent.close(open).unwrap();
    assert_eq!(after(&|| agent.chmod("d/f", 0o600).unwrap()), ["1 ATTRIB f", "2 ATTRIB"]);
    assert_eq!(after(&|| assert!(agent.get("d/f").is_ok())), [""; 0], "reading is no change");
    assert_eq!(after(&|| agent.mkdir("d/s").unwrap()), ["1 CREATE|ISDIR s"]);
    assert_eq!(after(&|| agent.put("d/n", b"x")), ["1 CREATE n", "1 MODIFY n"]);
    assert_eq!(after(&|| agent.put("d/s/deep", b"x")), [""; 0], "not beneath");
    assert_eq!(after(&|| agent.rename("d/n", "d/m").unwrap()), ["1 MOVED_FROM n", "1 MOVED_TO m"]);
    assert_eq!(after(&|| agent.link("d/f", "d/l").unwrap()), ["2 ATTRIB", "1 CREATE l"]);
    assert_eq!(after(&|| agent.unlink("d/l").unwrap()), ["2 ATTRIB", "1 DELETE l"]);
    assert_eq!(after(&|| agent.chmod("d", 0o700).unwrap()), ["1 ATTRIB|ISDIR"]);
    assert_eq!(after(&|| agent.rename("d/f", "g").unwrap()), ["1 MOVED_FROM f", "2 MOVE_SELF"]);
    assert_eq!(after(&|| agent.rename("g", "d/m").unwrap()), ["1 MOVED_TO m", "2 MOVE_SELF"]);
    let swapped = ["1 MOVED_TO|ISDIR m", "1 MOVED_TO s", "2 MOVE_SELF"];
    assert_eq!(after(&|| agent.rename_how("d/m", "d/s", Replace::Exchange).unwrap()), swapped);
}

#[test]
fn what_is_removed_is_told_and_watched_no_more() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.put("f", b"x");
    agent.put("g", b"x");
    let fd = queue(&agent);
    let watches = ["d", "f", "g"].map(|path| watch(&agent, fd, path).unwrap());
    assert_eq!(watches, [1, 2, 3]);
    agent.rmdir("d").unwrap();
    assert_eq!(told(&agent, fd), ["1 DELETE_SELF", "1 IGNORED"]);
    agent.unlink("f").unwrap();
    assert_eq!(told(&agent, fd), ["2 ATTRIB", "2 DELETE_SELF", "2 IGNORED"]);
    let open = agent.open("g", R).unwrap();
    agent.unlink("g").unwrap();
    assert_eq!(told(&agent, fd), ["3 ATTRIB"], "somebody has it open");
    agent.close(open).unwrap();
    assert_eq!(told(&agent, fd), ["3 DELETE_SELF", "3 IGNORED"]);
    agent.put("f", b"another");
    assert_eq!(told(&agent, fd), [""; 0]);
    let none = agent.now(|kernel, call| kernel.remove_watch(call, fd, 2));
    assert_eq!(none, Err(Errno::EINVAL));
}

#[test]
fn a_replaced_file_is_gone_and_events_alike_are_one() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", b"old");
    agent.put("tmp", b"new");
    let fd = queue(&agent);
    assert_eq!(watch(&agent, fd, "f"), Ok(1));
    for _ in 0..3 {
        agent.chmod("f", 0o600).unwrap();
    }
    assert_eq!(told(&agent, fd), ["1 ATTRIB"]);
    agent.rename("tmp", "f").unwrap();
    assert_eq!(told(&agent, fd), ["1 ATTRIB", "1 DELETE_SELF", "1 IGNORED"]);
    assert_eq!(watch(&agent, fd, "f"), Ok(2));
    agent.now(|kernel, call| kernel.remove_watch(call, fd, 2)).unwrap();
    agent.put("f", b"again");
    assert_eq!(told(&agent, fd), [""; 0]);
}

#[test]
fn readers_wait_and_a_queue_ends_with_its_descriptor() {
    let machine = Machine::new();
    let agent = machine.agent();
    let fd = agent.now(|kernel, call| kernel.open_watch(call, false, false)).unwrap();
    watch(&agent, fd, ".").unwrap();
    let ready = || {
        let mut polled = [PollFd { fd: Some(fd), events: PollEvents::IN, found: PollEvents::empty() }];
        agent.call(|kernel, call| kernel.poll(call, &mut polled, Some(kernel.monotonic()))).unwrap()
    };
    assert_eq!(ready(), 0);
    let mut none = |_: &[u8]| panic!("nothing happened");
    let read = agent.now(|kernel, call| {
        let mut call = warren_kernel::Call::new(call.pid);
        kernel.read(&mut call, fd, 100, &mut none)
    });
    assert!(matches!(read, Err(Halt::Wait(_))));
    agent.put("f", b"x");
    assert_eq!(ready(), 1);
    assert_eq!(agent.read(fd, 16), Err(Errno::EINVAL), "not even one has room");
    assert_eq!(agent.read(fd, 40).unwrap().len(), 32);
    assert_eq!(agent.write(fd, b"x"), Err(Errno::EBADF));
    assert_eq!(agent.readlink(&format!("/proc/self/fd/{}", fd.0)).unwrap(), "anon_inode:inotify");
    agent.close(fd).unwrap();
    agent.put("g", b"x");
    assert_eq!(watch(&agent, fd, "."), Err(Errno::EBADF));
    let file = agent.open("f", R).unwrap();
    assert_eq!(watch(&agent, file, "."), Err(Errno::EINVAL));
}

#[test]
fn only_what_may_be_read_is_watched_and_no_more_than_there_is_room_for() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    root.put("/etc/secret", b"x");
    root.chmod("/etc/secret", 0o600).unwrap();
    let fd = queue(&agent);
    assert_eq!(watch(&agent, fd, "/etc/secret"), Err(Errno::EACCES));
    assert_eq!(watch(&agent, fd, "nothing"), Err(Errno::ENOENT));
    assert_eq!(watch(&agent, fd, "/proc/self"), Ok(1), "in which nothing is seen");
    let more: Vec<Result<Fd, Errno>> =
        (0..QUEUES_MAX).map(|_| agent.now(|kernel, call| kernel.open_watch(call, true, true))).collect();
    assert_eq!(more.iter().filter(|opened| opened.is_ok()).count(), QUEUES_MAX - 1);
    assert_eq!(more.last(), Some(&Err(Errno::EMFILE)));
    assert_eq!(watch(&agent, fd, "."), Ok(2));
    let name = "n".repeat(200);
    for _ in 0..QUEUE_BYTES_MAX / 400 {
        let open = agent.open(&name, NEW).unwrap();
        agent.close(open).unwrap();
        agent.unlink(&name).unwrap();
    }
    let told = told(&agent, fd);
    assert!(told.len() * 200 <= QUEUE_BYTES_MAX, "{}", told.len());
    assert_eq!(told.last().map(String::as_str), Some("-1 Q_OVERFLOW"));
    agent.unlink("none").unwrap_err();
    agent.mkdir("after").unwrap();
    assert_eq!(self::told(&agent, fd), ["2 CREATE|ISDIR after"]);
}
