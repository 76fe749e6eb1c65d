//! Processes: what spawn makes and leaves, exec, exit, waiting, groups and POSIX sessions.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, Pending, Proc, R, RW, spawn};
use warren_kernel::Errno;
use warren_kernel::id::{Fd, Pgid, Pid, Sid};
use warren_kernel::kernel::Usage;
use warren_kernel::process::exec::ExecImage;
use warren_kernel::process::spawn::{Attributes, Spawn};
use warren_kernel::process::wait::{Change, Which};
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::open::OpenFlags;

fn wait(process: Proc<'_>, which: Which, block: bool) -> Result<Option<(Pid, ExitStatus)>, Errno> {
    process.wait_end(which, block)
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
        (ExecImage::Descriptor(Fd(99)), Errno::EBADF),
        (ExecImage::Descriptor(kept), Errno::EACCES),
    ] {
        assert_eq!(exec(image.clone(), &["x"]), Err(errno), "{image:?}");
    }
    assert_eq!(descriptors(agent), [kept.0, closed.0, also.0], "a failed exec changed nothing");
    assert_eq!(exec(path("/bin/other"), &["other", "-x"]), Ok(()));
    assert_eq!(descriptors(agent), [kept.0]);
    assert_eq!(arguments(agent), ["other", "-x"]);
    assert_eq!(agent.text("/proc/self/environ").unwrap(), "X=y\0");
    // Each string with its NUL and a pointer: `other`, `-x`, `X=y`.
    assert_eq!(machine.usage().memory_bytes, 5 + 2 + 3 + 3 * 9, "of the old image nothing");
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
    let mut waiting = Pending::new(machine.session.call(agent.pid, |kernel, call| {
        kernel.waitpid(
            call,
            Which::Group(two.pid.as_group()),
            warren_kernel::process::wait::Watch::default(),
            warren_kernel::process::wait::Patience::Forever,
        )
    }));
    assert!(waiting.poll().is_none());
    one.exit(1);
    assert!(waiting.poll().is_none(), "not of this group");
    two.now(|kernel, call| kernel.exit(call.pid, ExitStatus::Signaled(Signal::SEGV)));
    assert_eq!(waiting.poll(), Some(Ok(Some((two.pid, Change::Ended(ExitStatus::Signaled(Signal::SEGV)))))));
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
    let mut waiting = Pending::new(machine.session.call(agent.pid, |kernel, call| {
        kernel.waitpid(
            call,
            Which::Any,
            warren_kernel::process::wait::Watch::default(),
            warren_kernel::process::wait::Patience::Forever,
        )
    }));
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
    let before = machine.session.with(|kernel| kernel.cpu_used());
    machine.session.with(|kernel| kernel.charge_cpu(agent.pid, time));
    let after = machine.session.with(|kernel| kernel.cpu_used());
    assert_eq!(after - before, time, "what a process took that is gone is its session's");
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
