//! What a spawn makes, in which order, and what it leaves when it fails.

#[cfg(test)]
mod common;

use common::{Machine, NEW, Pending, Proc, R, RW, W, WASM, open_action, spawn};
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::blob::BlobId;
use warren_kernel::id::{Fd, Gid, Pgid, Pid};
use warren_kernel::kernel::Usage;
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::wait::Which;
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::vfs::{FileKind, Mode};

fn wait(process: Proc<'_>, which: Which, block: bool) -> Result<Option<(Pid, ExitStatus)>, Errno> {
    process.wait_end(which, block)
}

fn descriptors(process: Proc<'_>) -> Vec<u32> {
    process.now(|kernel, call| {
        kernel.process(call.pid).expect("it is there").descriptors.iter().map(|(fd, _)| fd.0).collect()
    })
}

fn nothing_left(machine: &Machine, before: Usage, what: &str) {
    assert_eq!(machine.usage(), before, "{what} left something behind");
}

#[test]
fn a_child_is_its_parent_but_for_what_it_is_not() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.now(|kernel, call| kernel.umask(call, 0o077)).unwrap();
    agent.put("f", b"0123456789");
    let shared = agent.open("f", R).unwrap();
    let private = agent.open("f", R | OpenFlags::CLOEXEC).unwrap();
    let child = agent.spawn(&spawn("/bin/other")).unwrap();
    let started = machine.runtime.started.lock().unwrap().clone();
    assert_eq!(*started.last().unwrap(), (child.pid, BlobId::of(&[WASM, b"other"].concat())));
    assert_eq!(descriptors(child), [shared.0], "CLOEXEC is not inherited");
    assert_eq!(agent.read(private, 1).unwrap(), b"0");
    agent.read(shared, 4).unwrap();
    assert_eq!(child.read(shared, 2).unwrap(), b"45", "one offset for both");
    assert_eq!(child.cwd(), agent.cwd());
    assert_eq!(child.now(|kernel, call| kernel.umask(call, 0)), Ok(0o077));
    let group = |process: Proc<'_>| process.now(|kernel, call| kernel.getpgid(call, Pid(0)));
    assert_eq!(group(child), group(agent));
    agent.now(|kernel, call| {
        let (parent, child) = (kernel.process(call.pid).unwrap(), kernel.process(child.pid).unwrap());
        assert_eq!((child.parent, &child.credentials, child.session), (call.pid, &parent.credentials, parent.session));
        assert_eq!(child.name(), b"other");
    });
    child.exit(3);
    assert_eq!(agent.read(shared, 1).unwrap(), b"6", "the description lives on");
    assert_eq!(wait(agent, Which::Child(child.pid), true), Ok(Some((child.pid, ExitStatus::Exited(3)))));
}

#[test]
fn file_actions_are_done_in_order() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("sub").unwrap();
    let (reader, writer) = agent.pipe();
    let directory = agent.open("/tmp", R | OpenFlags::DIRECTORY).unwrap();
    let cloexec = agent.open("/etc/passwd", R | OpenFlags::CLOEXEC).unwrap();
    let child = agent
        .spawn(&Spawn {
            cwd: Some(Arc::from(&b"sub"[..])),
            actions: vec![
                FileAction::Duplicate { from: writer, to: Fd(11) },
                FileAction::Duplicate { from: cloexec, to: cloexec },
                FileAction::Close(reader),
                FileAction::Close(Fd(77)),
                open_action(12, "made", NEW),
                open_action(11, "../over", NEW),
                FileAction::ChangeDirectoryTo(directory),
                open_action(13, "here", NEW | OpenFlags::CLOEXEC),
                FileAction::ChangeDirectory(Arc::from(&b"/bin"[..])),
                FileAction::CloseFrom(Fd(14)),
            ],
            command: Arc::from(&b"prog"[..]),
            ..spawn("prog")
        })
        .unwrap();
    assert_eq!(descriptors(child), [writer.0, directory.0, cloexec.0, 11, 12]);
    for path in ["sub/made", "over", "/tmp/here"] {
        assert!(agent.stat(path).is_ok(), "{path}");
    }
    assert_eq!(child.cwd().unwrap(), "/bin");
    assert_eq!(child.readlink("/proc/self/exe").unwrap(), "/bin/prog", "the image as seen from the root");
    child.write(Fd(11), b"x").unwrap();
    assert_eq!(agent.get("over").unwrap(), b"x");
    assert_eq!(agent.cwd().unwrap(), "/home/agent", "the parent stands where it stood");
}

/// Fetching the image comes after the actions; they must not be done a second time then.
#[test]
fn an_exclusive_file_is_made_once_though_the_image_is_fetched() {
    let machine = Machine::new();
    let agent = machine.agent();
    *machine.driver.hold.lock().unwrap() = true;
    let before = machine.usage();
    let request = Spawn { actions: vec![open_action(5, "lock", NEW)], ..spawn("/bin/prog") };
    let make = |request: Spawn| {
        Pending::new(machine.session.call(agent.pid, move |kernel, call| kernel.spawn(call, &request)))
    };
    let mut making = make(request);
    assert!(making.poll().is_none());
    agent.put("lock", b"written by another while the image loads");
    assert!(machine.driver.release());
    let child = Proc { pid: making.poll().unwrap().unwrap(), ..agent };
    assert_eq!(descriptors(child), [5]);
    child.exit(0);
    wait(agent, Which::Any, true).unwrap();

    let mut given_up = make(Spawn { actions: vec![open_action(5, "lock", W)], ..spawn("/bin/prog") });
    assert!(given_up.poll().is_none());
    assert_eq!(machine.usage().processes, before.processes + 1, "the child waits in the table");
    drop(given_up);
    assert!(machine.driver.release());
    agent.unlink("lock").unwrap();
    nothing_left(&machine, Usage { inodes: machine.usage().inodes, ..before }, "a spawn given up");
}

#[test]
fn a_spawn_waits_for_fifos_and_opens_each_end_once() {
    let machine = Machine::new();
    let (agent, other) = (machine.agent(), machine.agent());
    agent.mkfifo("a").unwrap();
    agent.mkfifo("b").unwrap();
    let before = machine.usage();
    let request = Spawn {
        actions: vec![open_action(3, "a", R), open_action(4, "f", NEW), open_action(5, "b", W)],
        ..spawn("/bin/prog")
    };
    let mut making = Pending::new(machine.session.call(agent.pid, move |kernel, call| kernel.spawn(call, &request)));
    assert!(making.poll().is_none());
    let a = other.open("a", W).unwrap();
    assert!(making.poll().is_none());
    assert!(agent.stat("f").is_ok());
    let b = other.open("b", R).unwrap();
    let child = loop {
        if let Some(made) = making.poll() {
            break Proc { pid: made.unwrap(), ..agent };
        }
    };
    other.write(a, b"through a").unwrap();
    child.write(Fd(5), b"through b").unwrap();
    assert_eq!(child.read(Fd(3), 20).unwrap(), b"through a");
    assert_eq!(other.read(b, 20).unwrap(), b"through b");
    child.exit(0);
    wait(agent, Which::Any, true).unwrap();
    other.close(a).unwrap();
    other.close(b).unwrap();
    agent.unlink("f").unwrap();
    nothing_left(&machine, before, "FIFOs");
}

#[test]
fn a_spawn_that_fails_leaves_nothing() {
    let machine = Machine::limited(|limits| {
        limits.processes = 4;
        limits.argument_bytes = 1000;
    });
    let agent = machine.agent();
    agent.put_executable("script", b"#!/none\n");
    agent.put_executable("loop", b"#!/home/agent/loop\n");
    agent.pipe();
    let before = machine.usage();
    let fails = |request: &Spawn, errno: Errno, what: &str| {
        assert_eq!(agent.spawn(request).map(|child| child.pid), Err(errno), "{what}");
        nothing_left(&machine, before, what);
    };
    for (command, errno) in [
        ("/none", Errno::ENOENT),
        ("/bin", Errno::EACCES),
        ("/bin/noexec", Errno::EACCES),
        ("/bin/text", Errno::ENOEXEC),
        ("/bin/empty", Errno::ENOEXEC),
        ("/bin/broken", Errno::ENOEXEC),
        ("/etc/passwd/x", Errno::ENOTDIR),
        ("/dev/null", Errno::EACCES),
        ("/proc/version", Errno::EACCES),
        ("/home/agent/script", Errno::ENOENT),
        ("/home/agent/loop", Errno::ELOOP),
        ("", Errno::ENOENT),
    ] {
        fails(&spawn(command), errno, command);
    }
    let with = |actions| Spawn { actions, ..spawn("/bin/prog") };
    let opened = || vec![open_action(9, "/etc/passwd", R), open_action(10, "/dev/null", RW)];
    let after = |action: FileAction| with(opened().into_iter().chain([action]).collect());
    fails(&after(open_action(3, "/none", R)), Errno::ENOENT, "an open");
    fails(&after(FileAction::Duplicate { from: Fd(50), to: Fd(3) }), Errno::EBADF, "a dup2");
    fails(&after(FileAction::Duplicate { from: Fd(9), to: Fd(1 << 20) }), Errno::EBADF, "a dup2 too high");
    fails(&after(FileAction::Duplicate { from: Fd(50), to: Fd(50) }), Errno::EBADF, "a dup2 onto itself");
    fails(&after(FileAction::ChangeDirectory(Arc::from(&b"/etc/passwd"[..]))), Errno::ENOTDIR, "a chdir");
    fails(&after(FileAction::ChangeDirectoryTo(Fd(9))), Errno::ENOTDIR, "an fchdir");
    fails(&Spawn { command: Arc::from(&b"/none"[..]), ..with(opened()) }, Errno::ENOENT, "an image after opens");
    fails(&Spawn { cwd: Some(Arc::from(&b"/none"[..])), ..spawn("/bin/prog") }, Errno::ENOENT, "a directory");
    fails(&with(vec![FileAction::Close(Fd(0)); 4097]), Errno::E2BIG, "too many actions");
    let long = Spawn { arguments: strings(["x".repeat(1000)]), ..spawn("/bin/prog") };
    fails(&long, Errno::E2BIG, "arguments");
    let group = Attributes { group: Some(Pgid(77)), ..Attributes::default() };
    fails(&Spawn { attributes: group, ..spawn("/bin/prog") }, Errno::EPERM, "a group that is not there");
    let both = Attributes { group: Some(Pgid(0)), new_session: true, ..Attributes::default() };
    fails(&Spawn { attributes: both, ..spawn("/bin/prog") }, Errno::EPERM, "a group and a session");
    let children: Vec<_> = (0..3).map(|_| agent.child()).collect();
    assert_eq!(agent.spawn(&spawn("/bin/prog")).map(|child| child.pid), Err(Errno::EAGAIN));
    assert_eq!(machine.limits_reached().last().unwrap(), &("processes".to_owned(), Errno::EAGAIN));
    for child in children {
        child.exit(0);
        wait(agent, Which::Any, true).unwrap();
    }
    nothing_left(&machine, before, "children");
    assert_eq!(machine.runtime.started.lock().unwrap().len(), 1 + 3, "nothing that failed was started");
}

#[test]
fn attributes_of_a_spawn() {
    let machine = Machine::new();
    let agent = machine.agent();
    let catch = Disposition::Catch { mask: SignalSet::default(), flags: 0 };
    agent
        .now(|kernel, call| {
            kernel.sigaction(call, Signal::INT, Disposition::Ignore).unwrap();
            kernel.sigaction(call, Signal::HUP, Disposition::Ignore).unwrap();
            kernel.sigaction(call, Signal::USR1, catch).unwrap();
            kernel.set_blocked(call, SignalSet::default().with(Signal::USR2)).unwrap();
            kernel.set_credentials(call, |who| {
                who.egid = Gid(9);
                Ok(())
            })
        })
        .unwrap();
    let plain = agent.child();
    let with = |attributes| agent.spawn(&Spawn { attributes, ..spawn("/bin/prog") }).unwrap();
    let signals = |process: Proc<'_>| process.now(|kernel, call| kernel.process(call.pid).unwrap().signals.clone());
    assert_eq!(signals(plain).disposition(Signal::INT), Disposition::Ignore);
    assert_eq!(signals(plain).disposition(Signal::USR1), Disposition::Default, "caught becomes default");
    assert!(signals(plain).blocked.contains(Signal::USR2));
    let everything = SignalSet(u64::MAX);
    let reset = with(Attributes {
        default_signals: Some(SignalSet::default().with(Signal::INT)),
        blocked_signals: Some(everything),
        reset_ids: true,
        ..Attributes::default()
    });
    assert_eq!(signals(reset).disposition(Signal::INT), Disposition::Default);
    assert_eq!(signals(reset).disposition(Signal::HUP), Disposition::Ignore);
    assert!(!signals(reset).blocked.contains(Signal::KILL) && signals(reset).blocked.contains(Signal::TERM));
    assert_eq!(reset.now(|kernel, call| kernel.process(call.pid).unwrap().credentials.egid), Gid(1000));
    let group = |process: Proc<'_>| {
        process.now(|kernel, call| {
            let process = kernel.process(call.pid).unwrap();
            (process.group, process.session)
        })
    };
    let own = with(Attributes { group: Some(Pgid(0)), ..Attributes::default() });
    assert_eq!(group(own), (own.pid.as_group(), group(agent).1));
    let joined = with(Attributes { group: Some(own.pid.as_group()), ..Attributes::default() });
    assert_eq!(group(joined), group(own));
    let session = with(Attributes { new_session: true, ..Attributes::default() });
    assert_eq!(group(session), (session.pid.as_group(), session.pid.as_session()));
}

#[test]
fn a_command_is_looked_for_in_the_path() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("first").unwrap();
    agent.put("first/prog", WASM);
    agent.put("plain", WASM);
    let search = |command: &str, path: &str| {
        let request = Spawn { search: Some(path.as_bytes().into()), ..spawn(command) };
        agent.spawn(&request).map(|child| child.readlink("/proc/self/exe").unwrap())
    };
    assert_eq!(search("prog", "/none:/etc/passwd:/usr/bin:/bin").unwrap(), "/bin/prog");
    assert_eq!(search("prog", "first:/bin").unwrap(), "/bin/prog", "one that may not be executed is passed over");
    assert_eq!(search("prog", "first"), Err(Errno::EACCES));
    assert_eq!(search("none", "first:/bin"), Err(Errno::ENOENT));
    assert_eq!(search("passwd", "/root:/usr/bin"), Err(Errno::EACCES), "who knows what is in there");
    assert_eq!(search("", "/bin"), Err(Errno::ENOENT));
    assert_eq!(search("./plain", "/bin"), Err(Errno::EACCES), "a slash means no search");
    agent.chmod("plain", 0o755).unwrap();
    assert_eq!(search("plain", "/bin:").unwrap(), "/home/agent/plain", "an empty entry is here");
    assert_eq!(search("bin", "/:/usr"), Err(Errno::EACCES), "a directory is no command");
}

#[test]
fn an_image_the_session_wrote() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put_executable("mine", &[WASM, b"mine"].concat());
    let child = agent.spawn(&spawn("./mine")).unwrap();
    let started = machine.runtime.started.lock().unwrap().last().cloned();
    assert_eq!(started, Some((child.pid, BlobId::of(&[WASM, b"mine"].concat()))));
    agent.unlink("mine").unwrap();
    assert_eq!(child.text("/proc/self/comm").unwrap(), "mine\n");
    agent
        .call(|kernel, call| {
            kernel.mknod(call, warren_kernel::vfs::open::At::Cwd, b"fifo", FileKind::Fifo, Mode::new(0o777), 0)
        })
        .unwrap();
    assert_eq!(agent.spawn(&spawn("./fifo")).map(|child| child.pid), Err(Errno::EACCES));
}
