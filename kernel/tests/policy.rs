//! The policy through the system calls: by real path, whatever way leads there, and one event for a refusal.

#[cfg(test)]
mod common;

use common::{CREATE, Machine, NEW, R, RW, W, WASM, open_action, spawn};
use warren_kernel::Errno;
use warren_kernel::event::What;
use warren_kernel::limits::Limits;
use warren_kernel::policy::{Domain, Effect, Policy, Rule, Rules};
use warren_kernel::process::exec::ExecImage;
use warren_kernel::process::spawn::{FileAction, Spawn};
use warren_kernel::process::strings;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::xattr::{SetXattr, Subject};

fn rules(default: Effect, list: &[(Effect, &str)]) -> Rules {
    Rules {
        default,
        rules: list.iter().map(|(effect, pattern)| Rule { effect: *effect, pattern: (*pattern).to_owned() }).collect(),
    }
}

fn machine(read: Rules, write: Rules, execute: Rules) -> Machine {
    Machine::with(Limits::default(), Policy { read, write, execute, ..Policy::session() })
}

fn open_to_all() -> Rules {
    rules(Effect::Allow, &[])
}

fn denied(machine: &Machine) -> Vec<(Domain, String)> {
    machine
        .events()
        .into_iter()
        .filter_map(|what| match what {
            What::Denied { domain, subject } => Some((domain, subject)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_denied_read_is_eacces_and_one_event_by_its_real_path() {
    let machine = machine(
        rules(Effect::Allow, &[(Effect::Deny, "/etc/passwd"), (Effect::Deny, "/root/**")]),
        open_to_all(),
        open_to_all(),
    );
    let root = machine.root();
    root.symlink("../etc", "/tmp/link").unwrap();
    root.symlink("/etc/passwd", "/tmp/direct").unwrap();
    for path in ["/etc/passwd", "//etc/./passwd", "/bin/../etc/passwd", "/tmp/link/passwd", "/tmp/direct"] {
        assert_eq!(root.open(path, R), Err(Errno::EACCES), "{path}");
        assert_eq!(root.stat(path).map(|_| ()), Err(Errno::EACCES), "{path}");
    }
    assert_eq!(denied(&machine), [(Domain::Read, "/etc/passwd".to_owned())], "repeats are one event");
    assert_eq!(root.stat("/root/none").map(|_| ()), Err(Errno::EACCES), "whether it is there is not told");
    assert!(root.lstat("/tmp/direct").is_ok(), "the link itself is elsewhere");
    assert_eq!(root.readlink("/etc/passwd"), Err(Errno::EACCES));
    assert_eq!(root.link("/etc/passwd", "/tmp/hard"), Err(Errno::EACCES));
    assert!(root.open("/etc/passwd", W).is_ok(), "each domain decides for itself");
}

#[test]
fn no_way_around_a_denied_write() {
    let machine = machine(
        open_to_all(),
        rules(
            Effect::Deny,
            &[(Effect::Allow, "/tmp/**"), (Effect::Allow, "/home/**"), (Effect::Deny, "/home/agent/keep")],
        ),
        open_to_all(),
    );
    let agent = machine.agent();
    // Something of the agent's own that it may not write: the operator made it, whom the policy does not bind.
    let init = common::Proc { machine: &machine, pid: warren_kernel::id::Pid::INIT };
    init.put("/home/agent/keep", b"as it is");
    init.chown("/home/agent/keep", Some(1000), Some(1000)).unwrap();
    let keep = agent.open("keep", R).unwrap();
    assert_eq!(agent.chmod("keep", 0o600), Err(Errno::EACCES));
    assert_eq!(agent.call(|kernel, call| kernel.fchmod(call, keep, Mode::new(0o600))), Err(Errno::EACCES));
    assert_eq!(agent.open(&format!("/proc/self/fd/{keep}"), RW), Err(Errno::EACCES));
    assert_eq!(agent.unlink("keep"), Err(Errno::EACCES));
    assert_eq!(agent.rename("keep", "kept"), Err(Errno::EACCES));
    init.unlink("/home/agent/keep").unwrap();
    agent.put("made", b"kept");
    assert_eq!(agent.rename("made", "keep"), Err(Errno::EACCES));
    assert_eq!(agent.open("keep", NEW), Err(Errno::EACCES));
    assert_eq!(agent.mkdir("keep"), Err(Errno::EACCES));
    assert_eq!(agent.symlink("x", "keep"), Err(Errno::EACCES));
    assert_eq!(agent.mkfifo("keep"), Err(Errno::EACCES));
    assert_eq!(agent.link("made", "keep"), Err(Errno::EACCES));

    let root = machine.root();
    let passwd = root.open("/etc/passwd", R).unwrap();
    let through = format!("/proc/self/fd/{passwd}");
    let trunc = OpenFlags::TRUNCATE;
    for (path, flags) in
        [("/etc/passwd", W), ("/etc/passwd", RW), ("/etc/passwd", R | trunc), (&through, W), (&through, R | trunc)]
    {
        assert_eq!(root.open(path, flags), Err(Errno::EACCES), "{path} {flags:?}");
    }
    let named = root.open("/etc/passwd", OpenFlags::PATH).unwrap();
    assert_eq!(root.open(&format!("/proc/self/fd/{named}"), W), Err(Errno::EACCES));
    assert_eq!(root.link("/etc/passwd", "/tmp/passwd"), Err(Errno::EACCES), "another name would be writable");
    assert_eq!(root.call(|kernel, call| kernel.link_open(call, passwd, At::Cwd, b"/tmp/passwd")), Err(Errno::EACCES));
    assert_eq!(root.link(&through, "/tmp/passwd"), Err(Errno::EACCES));
    let followed = root.call(|kernel, call| {
        let through = format!("/proc/self/fd/{passwd}");
        kernel.link(call, At::Cwd, through.as_bytes(), true, At::Cwd, b"/tmp/passwd")
    });
    assert_eq!(followed, Err(Errno::EACCES));
    assert_eq!(root.rename("/etc/passwd", "/tmp/passwd"), Err(Errno::EACCES));
    assert_eq!(root.unlink("/etc/passwd"), Err(Errno::EACCES));
    assert_eq!(root.rmdir("/mnt"), Err(Errno::EACCES));
    assert_eq!(root.chmod("/etc/passwd", 0o600), Err(Errno::EACCES));
    assert_eq!(root.chown("/etc/passwd", Some(1), None), Err(Errno::EACCES));
    assert_eq!(root.call(|kernel, call| kernel.fchmod(call, passwd, Mode::new(0))), Err(Errno::EACCES));
    assert_eq!(root.call(|kernel, call| kernel.fchown(call, passwd, None, None)), Err(Errno::EACCES));
    let now = SetTime::Now;
    assert_eq!(root.call(|kernel, call| kernel.set_times_open(call, passwd, now, now)), Err(Errno::EACCES));
    let xattr = root.call(|kernel, call| kernel.setxattr(call, Subject::Fd(passwd), b"user.x", b"", SetXattr::Either));
    assert_eq!(xattr, Err(Errno::EACCES));
    let unnamed = root.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, b"/etc", RW, Mode::new(0o600)));
    assert_eq!(unnamed, Err(Errno::EACCES));
    let by_spawn = Spawn { actions: vec![open_action(5, "/etc/passwd", W)], ..spawn("/bin/prog") };
    assert_eq!(root.spawn(&by_spawn).map(|child| child.pid), Err(Errno::EACCES));

    let stat = root.stat("/etc/passwd").unwrap();
    assert_eq!((stat.mode, stat.uid.0, stat.links), (Mode::new(0o644), 0, 1), "nothing got through");
    let mine = agent.open("made", W).unwrap();
    assert_eq!(agent.call(|kernel, call| kernel.fchmod(call, mine, Mode::new(0o600))), Ok(()));
    assert_eq!(agent.open("/tmp/x", RW | CREATE).map(|_| ()), Ok(()));
}

#[test]
fn what_may_be_executed() {
    let machine = machine(
        open_to_all(),
        open_to_all(),
        rules(Effect::Deny, &[(Effect::Allow, "/bin/prog"), (Effect::Allow, "/home/agent/*.sh")]),
    );
    let agent = machine.agent();
    let run = |request: &Spawn| agent.spawn(request).map(|child| child.exit(0));
    assert_eq!(run(&spawn("/bin/prog")), Ok(()));
    assert_eq!(run(&spawn("/bin/other")), Err(Errno::EACCES));
    agent.symlink("/bin/other", "allowed.sh").unwrap();
    assert_eq!(run(&spawn("./allowed.sh")), Err(Errno::EACCES), "where the link leads counts");
    agent.put_executable("a.sh", b"#!/bin/other\n");
    assert_eq!(run(&spawn("./a.sh")), Err(Errno::EACCES), "the interpreter is asked for too");
    agent.put_executable("a.sh", b"#!/bin/prog\n");
    assert_eq!(run(&spawn("./a.sh")), Ok(()));
    agent.put_executable("copy", WASM);
    assert_eq!(run(&spawn("./copy")), Err(Errno::EACCES));
    let exec = |image: ExecImage| {
        agent.call(move |kernel, call| kernel.exec(call, &image, strings(["x"]), strings(["A=b"]), &[]).map(|_| ()))
    };
    for (path, flags) in [("/bin/other", R), ("/bin/other", OpenFlags::PATH)] {
        let fd = agent.open(path, flags).unwrap();
        assert_eq!(exec(ExecImage::Descriptor(fd)), Err(Errno::EACCES), "{path} {flags:?}");
        assert_eq!(run(&spawn(&format!("/proc/self/fd/{fd}"))), Err(Errno::EACCES));
        let inherited = Spawn {
            actions: vec![FileAction::Duplicate { from: fd, to: warren_kernel::id::Fd(20) }],
            ..spawn("/proc/self/fd/20")
        };
        assert_eq!(run(&inherited), Err(Errno::EACCES));
    }
    let allowed = agent.open("/bin/prog", R).unwrap();
    assert_eq!(exec(ExecImage::Descriptor(allowed)), Ok(()));
}

#[test]
fn a_search_asks_only_about_what_is_there() {
    let machine = machine(open_to_all(), open_to_all(), rules(Effect::Deny, &[(Effect::Allow, "/bin/*")]));
    let agent = machine.agent();
    let search = |command: &str| {
        let request = Spawn { search: Some(b"/usr/bin:/none:/home/agent:/bin".as_slice().into()), ..spawn(command) };
        agent.spawn(&request).map(|child| child.exit(0))
    };
    assert_eq!(search("prog"), Ok(()));
    assert_eq!(search("none"), Err(Errno::ENOENT), "command not found, not permission denied");
    assert_eq!(denied(&machine), []);
    agent.put_executable("tool", WASM);
    assert_eq!(search("tool"), Err(Errno::EACCES));
    assert_eq!(denied(&machine), [(Domain::Execute, "/home/agent/tool".to_owned())]);
}

#[test]
fn nothing_is_allowed_by_an_empty_policy() {
    let machine = Machine::with(Limits::default(), Policy::default());
    let denied_launch =
        machine.block(warren_kernel::id::Pid::INIT, |kernel, call| kernel.launch(call, &spawn("/bin/prog")));
    assert_eq!(denied_launch, Err(Errno::EACCES));
}

#[test]
fn events_are_numbered_and_bounded() {
    let machine = machine(rules(Effect::Allow, &[(Effect::Deny, "/secret/**")]), open_to_all(), open_to_all());
    let root = machine.root();
    for at in 0..300 {
        let _ = root.stat(&format!("/secret/{}", at % 2)).map(|_| ());
    }
    assert!(denied(&machine).is_empty(), "/secret is not there, so nothing in it is asked for");
    root.mkdir("/secret").unwrap();
    for at in 0..300 {
        assert_eq!(root.stat(&format!("/secret/{}", at % 2)).map(|_| ()), Err(Errno::EACCES));
    }
    let (missed, events) = machine.session.with(|kernel| kernel.events_since(0));
    assert_eq!((missed, events.len()), (44, 256));
    assert!(events.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
    let (missed, rest) = machine.session.with(|kernel| kernel.events_since(298));
    assert_eq!((missed, rest.len()), (0, 2));
}
