//! `/proc`: its texts, its links, and who may look.

#[cfg(test)]
mod common;

use common::{Machine, NEW, R, RW, W, spawn};
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::process::spawn::Spawn;
use warren_kernel::vfs::FileKind;
use warren_kernel::vfs::open::OpenFlags;

#[test]
fn every_file_can_be_listed_stat_and_read() {
    let machine = Machine::new();
    let root = machine.root();
    root.open("/etc/passwd", R).unwrap();
    let mut directories = vec!["/proc".to_owned()];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for name in root.names(&directory).unwrap() {
            let path = format!("{directory}/{name}");
            if name == "." || name == ".." {
                continue;
            }
            if path.contains("/fd") && root.lstat(&path).is_err() {
                continue; // The descriptor the directory was listed with.
            }
            let stat = root.lstat(&path).unwrap_or_else(|errno| panic!("{path}: {errno}"));
            let is_descriptor = path.contains("/fd/");
            assert_eq!(stat.size, if is_descriptor { 64 } else { 0 }, "{path}");
            match stat.kind {
                FileKind::Directory => directories.push(path),
                FileKind::Symlink if path.contains("/1/") && path.ends_with("/exe") => {
                    assert_eq!(root.readlink(&path), Err(Errno::ENOENT), "init has no image");
                }
                FileKind::Symlink => assert!(!root.readlink(&path).unwrap().is_empty(), "{path}"),
                _ => {
                    let text = root.get(&path).unwrap_or_else(|errno| panic!("{path}: {errno}"));
                    let name = path.rsplit('/').next().unwrap();
                    let may_be_empty = [
                        "maps",
                        "smaps",
                        "smaps_rollup",
                        "environ",
                        "locks",
                        "consoles",
                        "diskstats",
                        "modules",
                        "ipv6_route",
                    ];
                    let no_line = ["cmdline", "environ", "wchan"];
                    assert!(text.ends_with(b"\n") || may_be_empty.contains(&name) || no_line.contains(&name), "{path}");
                    assert!(!text.is_empty() || may_be_empty.contains(&name), "{path}");
                    files += 1;
                }
            }
        }
    }
    assert!(files > 200, "{files}");
}

#[test]
fn inode_numbers_differ() {
    let machine = Machine::new();
    let root = machine.root();
    root.open("/etc/passwd", R).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for directory in [
        "/proc",
        "/proc/sys/kernel",
        "/proc/1",
        "/proc/self",
        "/proc/self/fd",
        "/proc/self/fdinfo",
        "/proc/self/net",
        "/proc/self/task",
        "/proc/thread-self",
        "/proc/thread-self/fd",
        "/proc/thread-self/net",
    ] {
        for name in root.names(directory).unwrap().into_iter().filter(|name| !name.starts_with('.')) {
            let path = format!("{directory}/{name}");
            let Ok(stat) = root.lstat(&path) else { continue };
            assert_eq!(seen.insert(stat.ino, path.clone()), None, "{path}");
        }
    }
}

#[test]
fn facts_are_the_sessions_own() {
    let machine = Machine::limited(|limits| limits.memory_bytes = 64 << 20);
    let agent = machine.agent();
    machine.set_time(12_340_000_000);
    agent.now(|kernel, call| {
        kernel.charge_memory(call.pid, 8 << 20);
        kernel.charge_cpu(call.pid, Duration::from_millis(2500));
    });
    let meminfo = agent.text("/proc/meminfo").unwrap();
    assert!(meminfo.contains("MemTotal:          65536 kB\n") && meminfo.contains("MemFree:           57344 kB\n"));
    assert_eq!(agent.text("/proc/uptime").unwrap(), "12.34 9.84\n");
    assert_eq!(agent.text("/proc/sys/kernel/hostname").unwrap(), "warren\n");
    assert!(agent.text("/proc/version").unwrap().starts_with("Linux version "));
    let stat = agent.text("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.split(' ').collect();
    let pid = agent.pid.to_string();
    assert_eq!((fields[0], fields[1], fields[3], fields[13], fields[22]), (&*pid, "(prog)", "1", "250", "8392704"));
    assert_eq!(fields.len(), 52, "as proc_pid_stat(5) has them");
    let status = agent.text("/proc/self/status").unwrap();
    for line in
        ["Name:\tprog\n", "Umask:\t0022\n", "PPid:\t1\n", "Uid:\t1000\t1000\t1000\t1000\n", "VmRSS:\t    8192 kB\n"]
    {
        assert!(status.contains(line), "{line}");
    }
    assert!(agent.text("/proc/self/limits").unwrap().contains("Max open files            1024"));
    assert_eq!(agent.text("/proc/self/cmdline").unwrap(), "/bin/prog\0");
    assert_eq!(agent.text("/proc/self/environ").unwrap(), "A=b\0");
    let info = agent.text("/proc/self/mountinfo").unwrap();
    assert!(info.contains("2 1 0:2 / /proc rw,nosuid - proc proc rw\n"), "{info}");
}

#[test]
fn a_text_stays_as_it_was_when_it_was_opened() {
    let machine = Machine::new();
    let agent = machine.agent();
    let fd = agent.open("/proc/uptime", R).unwrap();
    machine.set_time(5_000_000_000);
    assert_eq!(agent.read(fd, 4).unwrap(), b"0.00");
    assert_eq!(agent.read(fd, 100).unwrap(), b" 0.00\n");
    assert_eq!(agent.text("/proc/uptime").unwrap(), "5.00 5.00\n");
}

#[test]
fn links_lead_to_what_they_name() {
    let machine = Machine::new();
    let agent = machine.agent();
    assert_eq!(agent.readlink("/proc/self").unwrap(), agent.pid.to_string());
    assert_eq!(agent.readlink("/proc/mounts").unwrap(), "self/mounts");
    assert_eq!(agent.readlink("/proc/self/cwd").unwrap(), "/home/agent");
    assert_eq!(agent.readlink("/proc/self/root").unwrap(), "/");
    assert!(agent.get("/proc/self/exe").unwrap().starts_with(b"\0asm"));
    assert!(agent.stat("/proc/self/root/etc/passwd").is_ok());
    agent.put("f", b"content");
    assert_eq!(agent.get("/proc/self/cwd/f").unwrap(), b"content");
    let child = agent.spawn(&Spawn { cwd: Some(b"/bin".as_slice().into()), ..spawn("./prog") }).unwrap();
    assert_eq!(child.readlink("/proc/self/exe").unwrap(), "/bin/prog", "also when it was called by a relative name");
    assert!(child.get("/proc/self/exe").is_ok());
}

#[test]
fn descriptors_are_links_to_the_open_file() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("d").unwrap();
    agent.put("d/f", b"0123");
    let file = agent.open("d/f", RW).unwrap();
    let directory = agent.open("d", R).unwrap();
    let (reader, _) = agent.pipe();
    let null = agent.open("/dev/null", W).unwrap();
    let path = |fd: Fd| format!("/proc/self/fd/{fd}");
    assert_eq!(agent.readlink(&path(file)).unwrap(), "/home/agent/d/f");
    assert_eq!(agent.readlink(&path(directory)).unwrap(), "/home/agent/d");
    assert!(agent.readlink(&path(reader)).unwrap().starts_with("pipe:["));
    assert_eq!(agent.readlink(&path(null)).unwrap(), "/dev/null");
    agent.read(file, 2).unwrap();
    assert_eq!(agent.get(&path(file)).unwrap(), b"0123", "opened again: an offset of its own");
    let ino = agent.fstat(file).unwrap().ino;
    assert_eq!(
        agent.text(&format!("/proc/self/fdinfo/{file}")).unwrap(),
        format!("pos:\t2\nflags:\t0100002\nmnt_id:\t1\nino:\t{ino}\n")
    );
    assert_eq!(agent.get(&format!("{}/f", path(directory))).unwrap(), b"0123", "a directory can be walked through");
    agent.put(&format!("{}/g", path(directory)), b"made");
    assert!(agent.stat("d/g").is_ok());
    agent.chdir(&path(directory)).unwrap();
    assert_eq!((agent.cwd().unwrap(), agent.get("f").unwrap()), ("/home/agent/d".to_owned(), b"0123".to_vec()));
    agent.unlink("f").unwrap();
    assert_eq!(agent.get(&path(file)).unwrap(), b"0123", "even without a name");
    assert_eq!(agent.readlink(&path(Fd(99))), Err(Errno::ENOENT));
    assert_eq!(agent.open(&path(Fd(99)), R), Err(Errno::ENOENT));
    assert_eq!(agent.unlink(&path(file)), Err(Errno::EACCES));
    assert_eq!(agent.lstat("/proc/self/fd/01").map(|_| ()), Err(Errno::ENOENT), "no such spelling");
}

/// Links of links of descriptors once piled up: closing or looking at the last went as deep as there were.
#[test]
fn naming_descriptors_of_descriptors_does_not_go_deep() {
    let machine = Machine::limited(|limits| limits.descriptors = 100_000);
    let agent = machine.agent();
    let clean = machine.usage();
    agent.put("f", b"end");
    let (reader, writer) = agent.pipe();
    for first in [agent.open("f", R).unwrap(), reader] {
        let mut last = first;
        for _ in 0..8000 {
            let next = agent.open(&format!("/proc/self/fd/{last}"), OpenFlags::PATH).unwrap();
            agent.close(last).unwrap();
            last = next;
        }
        agent.fstat(last).unwrap();
        agent.close(last).unwrap();
    }
    agent.close(writer).unwrap();
    agent.unlink("f").unwrap();
    assert_eq!(machine.usage(), warren_kernel::kernel::Usage { inodes: clean.inodes + 1, ..clean });
}

#[test]
fn what_another_user_does_is_not_shown() {
    let machine = Machine::new();
    let (agent, stranger, root) = (machine.agent(), machine.user(7), machine.root());
    agent.open("/etc/passwd", R).unwrap();
    let path = |name: &str| format!("/proc/{}/{name}", agent.pid);
    for name in ["environ", "maps", "smaps", "smaps_rollup", "io", "personality", "fdinfo/0", "task/PID/environ"] {
        let path = path(&name.replace("PID", &agent.pid.to_string()));
        assert_eq!(stranger.get(&path), Err(Errno::EACCES), "{name}");
        assert!(root.get(&path).is_ok() && agent.get(&path).is_ok(), "{name}");
    }
    for name in ["cwd", "exe", "root"] {
        assert!(stranger.lstat(&path(name)).is_ok(), "{name}: that there is a link is no secret");
        assert_eq!(stranger.readlink(&path(name)), Err(Errno::EACCES), "{name}");
        assert_eq!(stranger.stat(&path(name)).map(|_| ()), Err(Errno::EACCES), "{name}");
        assert!(root.readlink(&path(name)).is_ok() && agent.readlink(&path(name)).is_ok(), "{name}");
    }
    assert_eq!(stranger.lstat(&path("fd/0")).map(|_| ()), Err(Errno::EACCES));
    assert_eq!(stranger.names(&path("fd")), Err(Errno::EACCES));
    assert_eq!(stranger.names(&path("fdinfo")), Err(Errno::EACCES));
    for name in ["stat", "status", "cmdline", "comm", "limits", "mountinfo", "statm", "cgroup", "net/unix"] {
        assert!(stranger.text(&path(name)).is_ok(), "{name}");
    }
    assert_eq!(stranger.text(&path("wchan")).unwrap(), "0");
    assert_eq!(agent.names(&path("fd")).unwrap(), [".", "..", "0", "1"]);
}

#[test]
fn a_process_that_is_gone() {
    let machine = Machine::new();
    let agent = machine.agent();
    let child = agent.child();
    let path = |name: &str| format!("/proc/{}{name}", child.pid);
    let directory = agent.open(&path(""), R).unwrap();
    child.exit(0);
    assert!(agent.text(&path("/stat")).unwrap().contains(" Z "), "a zombie is still there");
    for name in ["/cmdline", "/environ", "/maps", "/smaps_rollup"] {
        assert_eq!(agent.text(&path(name)).unwrap(), "", "{name}: its memory is gone");
    }
    for name in ["/cwd", "/exe", "/root"] {
        assert_eq!(agent.readlink(&path(name)), Err(Errno::ENOENT), "{name}");
    }
    assert_eq!(agent.names(&path("/fd")).unwrap(), [".", ".."]);
    assert!(!agent.text(&path("/status")).unwrap().contains("VmSize"));
    agent
        .call(|kernel, call| {
            kernel.waitpid(
                call,
                warren_kernel::process::wait::Which::Any,
                warren_kernel::process::wait::Watch::default(),
                warren_kernel::process::wait::Patience::Forever,
            )
        })
        .unwrap();
    assert_eq!(agent.stat(&path("")).map(|_| ()), Err(Errno::ENOENT));
    assert_eq!(agent.fstat(directory).map(|_| ()), Err(Errno::ENOENT));
    assert!(
        agent
            .call(|kernel, call| kernel.stat(call, warren_kernel::vfs::open::At::Fd(directory), b"stat", true))
            .is_err()
    );
    agent.close(directory).unwrap();
}

#[test]
fn nothing_in_it_can_be_changed() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    for who in [agent, root] {
        assert!(who.open("/proc/new", NEW).is_err());
        assert!(who.mkdir("/proc/new").is_err());
        assert!(who.unlink("/proc/version").is_err());
        assert!(who.rmdir("/proc/self/fd").is_err());
        assert!(who.chmod("/proc/version", 0o777).is_err());
        assert!(who.chown("/proc/version", Some(1000), None).is_err());
        assert!(who.rename("/proc/version", "/proc/v").is_err());
        assert!(who.symlink("x", "/proc/self/x").is_err());
        assert_eq!(who.stat("/proc/none").map(|_| ()), Err(Errno::ENOENT));
        assert_eq!(who.stat("/proc/version/x").map(|_| ()), Err(Errno::ENOTDIR));
    }
    assert_eq!(agent.open("/proc/version", W), Err(Errno::EACCES));
    assert_eq!(root.open("/proc/version", W).and_then(|fd| root.write(fd, b"x")), Err(Errno::EACCES));
}
