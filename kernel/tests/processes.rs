//! Processes: what spawn makes and leaves, exec, exit, waiting, groups and POSIX sessions.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, NEW, Pending, Proc, R, RW, W, WASM, open_action, spawn};
use warren_kernel::Errno;
use warren_kernel::blob::BlobId;
use warren_kernel::id::{Fd, Gid, Pgid, Pid, Sid};
use warren_kernel::kernel::Usage;
use warren_kernel::process::exec::ExecImage;
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::wait::Which;
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::vfs::{FileKind, Mode};

fn wait(process: Proc<'_>, which: Which, block: bool) -> Result<Option<(Pid, ExitStatus)>, Errno> {
    process.call(|kernel, call| kernel.waitpid(call, which, block))
}

fn arguments(process: Proc<'_>) -> Vec<String> {
    process.now(|kernel, call| {
        let process = kernel.process(call.pid).expect("it is there");
        process.arguments.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect()
    })
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

use std::sync::Arc;

/// Fetching the image comes after the actions; they must not be done a second time then.
#[test]
fn an_exclusive_file_is_made_once_though_the_image_is_fetched() {
    let machine = Machine::new();
    let agent = machine.agent();
    machine.driver.hold.lock().unwrap().clone_from(&true);
    let before = machine.usage();
    let request = Spawn { actions: vec![open_action(5, "lock", NEW)], ..spawn("/bin/prog") };
    let make = |request: Spawn| {
        Pending::new(machine.session.call(agent.pid, move |kernel, call| kernel.spawn(call, &request)))
    };
    let mut making = make(request.clone());
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
fn exec_keeps_the_process_and_drops_what_it_must() {
    let machine = Machine::new();
    let agent = machine.agent();
    let catch = Disposition::Catch { mask: SignalSet::default(), flags: 0 };
    agent.now(|kernel, call| kernel.sigaction(call, Signal::INT, catch)).unwrap();
    let kept = agent.open("/etc/passwd", R).unwrap();
    let closed = agent.open("/etc/passwd", R | OpenFlags::CLOEXEC).unwrap();
    let also = agent.open("/etc/passwd", R).unwrap();
    assert!(agent.now(|kernel, call| kernel.charge_memory(call.pid, 4096)));
    let exec = |image: ExecImage, args: &'static [&'static str]| {
        agent.call(move |kernel, call| kernel.exec(call, &image, strings(args), strings(["X=y"]), &[also]).map(|_| ()))
    };
    let path = |path: &str| ExecImage::Path(path.as_bytes().into());
    for (image, errno) in [
        (path("/none"), Errno::ENOENT),
        (path("/bin/text"), Errno::ENOEXEC),
        (path("/bin/noexec"), Errno::EACCES),
        (ExecImage::Descriptor(Fd(99)), Errno::ENOENT),
        (ExecImage::Descriptor(kept), Errno::EACCES),
    ] {
        assert_eq!(exec(image.clone(), &["x"]), Err(errno), "{image:?}");
    }
    assert_eq!(descriptors(agent), [kept.0, closed.0, also.0], "a failed exec changed nothing");
    assert_eq!(exec(path("/bin/other"), &["other", "-x"]), Ok(()));
    assert_eq!(descriptors(agent), [kept.0]);
    assert_eq!(arguments(agent), ["other", "-x"]);
    assert_eq!(agent.text("/proc/self/environ").unwrap(), "X=y\0");
    assert_eq!(machine.usage().memory_bytes, 0);
    agent.now(|kernel, call| {
        assert_eq!(kernel.process(call.pid).unwrap().signals.disposition(Signal::INT), Disposition::Default);
    });
    let image = agent.open("/bin/prog", OpenFlags::PATH).unwrap();
    assert_eq!(exec(ExecImage::Descriptor(image), &["by descriptor"]), Ok(()));
    assert_eq!(machine.runtime.started.lock().unwrap().len(), 1, "exec starts nothing: the runtime goes on itself");
}

#[test]
fn scripts() {
    let machine = Machine::new();
    let agent = machine.agent();
    let long = format!("#!/bin/prog {}\n", "x".repeat(400));
    let cut = "x".repeat(256 - "#!/bin/prog ".len());
    for (text, expected) in [
        ("#!/bin/prog\n", vec!["/bin/prog", "./s", "one", "two"]),
        ("#!/bin/prog", vec!["/bin/prog", "./s", "one", "two"]),
        ("#! \t /bin/prog \t -a  b \t\nrest", vec!["/bin/prog", "-a  b", "./s", "one", "two"]),
        (&long, vec!["/bin/prog", &cut, "./s", "one", "two"]),
    ] {
        agent.put_executable("s", text.as_bytes());
        let request = Spawn { arguments: strings(["ignored", "one", "two"]), ..spawn("./s") };
        let child = agent.spawn(&request).unwrap_or_else(|errno| panic!("{text:?}: {errno}"));
        assert_eq!(arguments(child), expected, "{text:?}");
        assert_eq!(child.readlink("/proc/self/exe").unwrap(), "/bin/prog");
        child.exit(0);
        wait(agent, Which::Any, true).unwrap();
    }
    for (text, errno) in [
        ("#!/bin/prog\r\n".to_owned(), Errno::ENOENT),
        ("#!\n".to_owned(), Errno::ENOEXEC),
        ("#!   \n".to_owned(), Errno::ENOEXEC),
        (format!("#!/{}\n", "x".repeat(400)), Errno::ENOEXEC),
        ("#!/none\n".to_owned(), Errno::ENOENT),
        ("#!/bin/noexec\n".to_owned(), Errno::EACCES),
        ("#!/bin/text\n".to_owned(), Errno::ENOEXEC),
        ("no script".to_owned(), Errno::ENOEXEC),
    ] {
        agent.put_executable("s", text.as_bytes());
        assert_eq!(agent.spawn(&spawn("./s")).map(|child| child.pid), Err(errno), "{text:?}");
    }
}

/// Linux 6.18 runs five scripts in a row and answers ELOOP to the sixth.
#[test]
fn five_scripts_in_a_row_and_no_more() {
    let machine = Machine::new();
    let agent = machine.agent();
    let mut interpreter = "/bin/prog".to_owned();
    for depth in 1..=6 {
        let path = format!("/home/agent/s{depth}");
        agent.put_executable(&path, format!("#!{interpreter}\n").as_bytes());
        let made = agent.spawn(&spawn(&path));
        match depth {
            6 => assert_eq!(made.map(|child| child.pid), Err(Errno::ELOOP)),
            _ => assert_eq!(arguments(made.unwrap()).len(), depth + 1),
        }
        interpreter = path;
    }
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
fn waiting_for_children() {
    let machine = Machine::new();
    let agent = machine.agent();
    assert_eq!(wait(agent, Which::Any, true), Err(Errno::ECHILD));
    let (one, two) = (agent.child(), agent.child());
    two.now(|kernel, call| kernel.setpgid(call, Pid(0), Pgid(0))).unwrap();
    assert_eq!(wait(agent, Which::Any, false), Ok(None));
    assert_eq!(wait(agent, Which::Child(Pid(999)), false), Err(Errno::ECHILD));
    assert_eq!(wait(agent, Which::Child(agent.pid), false), Err(Errno::ECHILD));
    assert_eq!(wait(agent, Which::Group(Pgid(999)), false), Err(Errno::ECHILD));
    let mut waiting = Pending::new(
        machine.session.call(agent.pid, |kernel, call| kernel.waitpid(call, Which::Group(two.pid.as_group()), true)),
    );
    assert!(waiting.poll().is_none());
    one.exit(1);
    assert!(waiting.poll().is_none(), "not of this group");
    two.now(|kernel, call| kernel.exit(call.pid, ExitStatus::Signaled(Signal::SEGV)));
    assert_eq!(waiting.poll(), Some(Ok(Some((two.pid, ExitStatus::Signaled(Signal::SEGV))))));
    assert_eq!(wait(agent, Which::Child(two.pid), false), Err(Errno::ECHILD), "collected once");
    one.exit(9);
    assert_eq!(wait(agent, Which::Any, true), Ok(Some((one.pid, ExitStatus::Exited(1)))), "the first exit counts");
    assert_eq!((ExitStatus::Exited(7).raw(), ExitStatus::Exited(7).shell_code()), (0x700, 7));
    assert_eq!((ExitStatus::Signaled(Signal::KILL).raw(), ExitStatus::Signaled(Signal::KILL).shell_code()), (9, 137));
}

#[test]
fn orphans_go_to_init_which_collects_at_once() {
    let machine = Machine::new();
    let agent = machine.agent();
    let parent = agent.child();
    let (ended, running) = (parent.child(), parent.child());
    ended.exit(0);
    assert_eq!(machine.usage().processes, 4, "a zombie until it is waited for");
    parent.exit(0);
    assert_eq!(machine.usage().processes, 3, "the zombie went with its parent");
    assert_eq!(running.now(|kernel, call| kernel.process(call.pid).unwrap().parent), Pid::INIT);
    running.exit(0);
    assert_eq!(machine.usage().processes, 2);
    assert_eq!(wait(agent, Which::Any, true).unwrap().unwrap().0, parent.pid);
    assert_eq!(wait(agent, Which::Any, true), Err(Errno::ECHILD));
}

#[test]
fn a_parent_that_ignores_sigchld_is_left_no_zombie() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.now(|kernel, call| kernel.sigaction(call, Signal::CHLD, Disposition::Ignore)).unwrap();
    let child = agent.child();
    let mut waiting =
        Pending::new(machine.session.call(agent.pid, |kernel, call| kernel.waitpid(call, Which::Any, true)));
    assert!(waiting.poll().is_none());
    child.exit(0);
    assert_eq!(waiting.poll(), Some(Err(warren_kernel::CallError::Failed(Errno::ECHILD))));
    assert_eq!(machine.usage().processes, 1);
}

#[test]
fn who_launched_collects_with_the_time_used() {
    let machine = Machine::new();
    let agent = machine.agent();
    let collect = || Pending::new(machine.session.call(Pid::INIT, move |kernel, _| kernel.collect(agent.pid)));
    let mut collecting = collect();
    assert!(collecting.poll().is_none());
    let time = std::time::Duration::from_millis(1234);
    agent.now(|kernel, call| kernel.charge_cpu(call.pid, time));
    agent.exit(5);
    assert_eq!(collecting.rings(), 1);
    assert_eq!(collecting.poll(), Some(Ok((ExitStatus::Exited(5), time))));
    assert_eq!(collect().poll(), Some(Err(warren_kernel::CallError::Failed(Errno::ECHILD))), "once");
    let child_of_other = machine.agent().child();
    let not_launched = machine.session.with(|kernel| kernel.collect(child_of_other.pid).is_err());
    assert!(not_launched, "a guest's own children are not collected from outside");
}

#[test]
fn an_exit_gives_everything_back() {
    let machine = Machine::new();
    let clean = machine.usage();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.chdir("d").unwrap();
    agent.pipe();
    agent.open("/etc/passwd", R).unwrap();
    agent.open("f", RW | CREATE).unwrap();
    agent.unlink("f").unwrap();
    agent.call(|kernel, call| kernel.rmdir(call, warren_kernel::vfs::open::At::Root, b"/home/agent/d")).unwrap();
    assert!(agent.now(|kernel, call| kernel.charge_memory(call.pid, 1 << 20)));
    let child = agent.child();
    agent.exit(0);
    child.exit(0);
    machine.block(Pid::INIT, |kernel, _| kernel.collect(agent.pid)).unwrap();
    nothing_left(&machine, Usage { inodes: 1, ..clean }, "processes"); // /home/agent itself was changed.
}

#[test]
fn groups_and_sessions() {
    let machine = Machine::new();
    let agent = machine.agent();
    let (one, two, other) = (agent.child(), agent.child(), machine.agent());
    let setpgid = |who: Proc<'_>, pid: Pid, group: Pgid| who.now(|kernel, call| kernel.setpgid(call, pid, group));
    assert_eq!(setpgid(agent, Pid(0), Pgid(0)), Err(Errno::EPERM), "it leads its session");
    assert_eq!(setpgid(one, Pid(0), Pgid(0)), Ok(()));
    assert_eq!(setpgid(agent, two.pid, one.pid.as_group()), Ok(()));
    assert_eq!(setpgid(agent, two.pid, Pgid(999)), Err(Errno::EPERM));
    assert_eq!(setpgid(agent, two.pid, other.pid.as_group()), Err(Errno::EPERM), "of another session");
    assert_eq!(setpgid(one, two.pid, Pgid(0)), Err(Errno::ESRCH), "neither itself nor its child");
    assert_eq!(setpgid(agent, Pid(999), Pgid(0)), Err(Errno::ESRCH));
    let setsid = |who: Proc<'_>| who.now(|kernel, call| kernel.setsid(call));
    assert_eq!(setsid(one), Err(Errno::EPERM), "it leads a group");
    assert_eq!(setsid(two), Ok(Sid(two.pid.0)));
    assert_eq!(setpgid(agent, two.pid, Pgid(0)), Err(Errno::EPERM));
    assert_eq!(agent.now(|kernel, call| kernel.getpgid(call, two.pid)), Ok(two.pid.as_group()));
    assert_eq!(agent.now(|kernel, call| kernel.getpgid(call, Pid(999))), Err(Errno::ESRCH));
}

#[test]
fn pids_are_not_given_again_while_they_name_anything() {
    let machine = Machine::new();
    let agent = machine.agent();
    let leader = agent.spawn(&Spawn {
        attributes: Attributes { group: Some(Pgid(0)), ..Attributes::default() },
        ..spawn("/bin/prog")
    });
    let leader = leader.unwrap();
    let member = agent.child();
    agent.now(|kernel, call| kernel.setpgid(call, member.pid, leader.pid.as_group())).unwrap();
    leader.exit(0);
    wait(agent, Which::Any, true).unwrap();
    let mut seen = Vec::new();
    for _ in 0..33_000 {
        let child = agent.child();
        seen.push(child.pid);
        child.exit(0);
        wait(agent, Which::Child(child.pid), true).unwrap();
    }
    assert!(seen.iter().all(|pid| ![leader.pid, member.pid, agent.pid, Pid::INIT].contains(pid)));
    assert!(seen.windows(2).any(|pair| pair[1] < pair[0]), "they wrap");
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
