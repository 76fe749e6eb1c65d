//! A library that reads Linux's /proc understands ours, and tells what is true.

use crate::common::{Machine, Proc};
use crate::scene::{MEMORY, MEMORY_TOTAL, Scene, memory_used, with_scene};
use procfs_core::process::{
    Io, LimitValue, Limits, MMPermissions, MMapPath, MemoryMaps, MountInfos, ProcState, Schedstat, SmapsRollup, Stat,
    StatM, Status,
};
use procfs_core::{
    CpuInfo, Devices, DiskStats, ExplicitSystemInfo, FromRead, FromReadSI, KernelModules, KernelStats, LoadAverage,
    Locks, Meminfo, MountEntry, PartitionEntry, ProcessCGroups, Uptime, VmStat, net,
};
use warren_kernel::id::Fd;
use warren_kernel::signal::Signal;

const SYSTEM: ExplicitSystemInfo =
    ExplicitSystemInfo { boot_time_secs: 1, ticks_per_second: 100, page_size: 4096, is_little_endian: true };

pub(crate) fn parsed<T: FromRead>(who: Proc<'_>, path: &str) -> T {
    let text = who.get(path).unwrap_or_else(|errno| panic!("{path}: {errno}"));
    T::from_read(text.as_slice()).unwrap_or_else(|error| panic!("{path}: {error}\n{}", String::from_utf8_lossy(&text)))
}

pub(crate) fn parsed_with_system<T: FromReadSI>(who: Proc<'_>, path: &str) -> T {
    let text = who.get(path).unwrap_or_else(|errno| panic!("{path}: {errno}"));
    T::from_read(text.as_slice(), &SYSTEM)
        .unwrap_or_else(|error| panic!("{path}: {error}\n{}", String::from_utf8_lossy(&text)))
}

fn of<T: FromRead>(scene: &Scene<'_>, process: Proc<'_>, name: &str) -> T {
    parsed(scene.daemon, &format!("/proc/{}/{name}", process.pid))
}

fn number(pid: warren_kernel::id::Pid) -> i32 {
    i32::try_from(pid.0).unwrap()
}

#[test]
fn stat_tells_who_a_process_is_and_what_it_used() {
    with_scene(|scene| {
        let stat: Stat = of(scene, scene.script, "stat");
        let (script, shell) = (number(scene.script.pid), number(scene.shell.pid));
        assert_eq!((stat.pid, stat.ppid, stat.pgrp, stat.session), (script, shell, script, shell));
        assert_eq!((stat.tty_nr(), stat.tpgid), ((136, 0), script));
        assert_eq!(stat.comm, "tool.sh", "a script has its own name");
        assert_eq!((stat.utime, stat.stime, stat.starttime), (250, 0, 6000));
        assert_eq!((stat.vsize, stat.rss), (MEMORY + 4096, MEMORY / 4096), "its memory, and the page of its image");
        assert_eq!((stat.priority, stat.nice, stat.num_threads), (20, 0, 1));
        assert_eq!((stat.sigignore, stat.sigcatch, stat.blocked), (1, 2, 1 << 9));
        assert_eq!((stat.exit_signal, stat.processor, stat.exit_code), (Some(17), Some(0), Some(0)));
        let zombie: Stat = of(scene, scene.zombie, "stat");
        assert_eq!((zombie.exit_code, zombie.vsize, zombie.rss), (Some(3 << 8), 0, 0));
        let daemon: Stat = of(scene, scene.daemon, "stat");
        assert_eq!((daemon.tty_nr(), daemon.tpgid, daemon.ppid), ((0, 0), -1, 1));
        let init: Stat = parsed(scene.daemon, "/proc/1/stat");
        assert_eq!((init.pid, init.ppid, init.comm.as_str(), init.vsize), (1, 0, "init", 0));
    });
}

#[test]
fn each_state_has_its_letter() {
    with_scene(|scene| {
        let wanted = [
            (scene.script, ProcState::Running, "R (running)"),
            (scene.sleeper, ProcState::Sleeping, "S (sleeping)"),
            (scene.disk, ProcState::Waiting, "D (disk sleep)"),
            (scene.stopped, ProcState::Stopped, "T (stopped)"),
            (scene.zombie, ProcState::Zombie, "Z (zombie)"),
        ];
        for (process, state, word) in wanted {
            let stat: Stat = of(scene, process, "stat");
            assert_eq!((stat.state().unwrap(), of::<Status>(scene, process, "status").state.as_str()), (state, word));
        }
        let wchan = |process: Proc<'_>| scene.daemon.text(&format!("/proc/{}/wchan", process.pid)).unwrap();
        assert_eq!([wchan(scene.sleeper), wchan(scene.script)], ["pipe_wait", "0"]);
        let load: LoadAverage = parsed(scene.shell, "/proc/loadavg");
        assert_eq!((load.one, load.cur, load.max), (3.0, 3, 8), "script, daemon and disk, but not who asks");
        assert_eq!(load.latest_pid, scene.disk.pid.0);
    });
}

#[test]
fn status_agrees_with_stat() {
    with_scene(|scene| {
        let status: Status = of(scene, scene.script, "status");
        let pid = number(scene.script.pid);
        assert_eq!((status.name.as_str(), status.umask), ("tool.sh", Some(0o022)));
        assert_eq!((status.pid, status.tgid, status.ppid), (pid, pid, number(scene.shell.pid)));
        assert_eq!((status.ruid, status.euid, status.suid, status.fuid), (1000, 1000, 1000, 1000));
        assert_eq!((status.rgid, status.groups), (1000, Vec::new()));
        assert_eq!((status.nspid, status.nssid), (Some(vec![pid]), Some(vec![number(scene.shell.pid)])));
        let kilobytes = MEMORY / 1024;
        assert_eq!((status.vmsize, status.vmpeak), (Some(kilobytes + 4), Some(kilobytes + 4)));
        assert_eq!((status.vmrss, status.rssanon, status.vmexe), (Some(kilobytes), Some(kilobytes), Some(4)));
        assert_eq!((status.threads, status.sigq), (1, (1, Signal::COUNT as u64)));
        assert_eq!((status.sigpnd, status.shdpnd, status.sigblk), (0, 1 << 9, 1 << 9));
        assert_eq!((status.sigign, status.sigcgt, status.capeff), (1, 2, 0));
        let daemon: Status = of(scene, scene.daemon, "status");
        assert_eq!((daemon.euid, daemon.capeff), (0, (1 << 41) - 1));
        let zombie: Status = of(scene, scene.zombie, "status");
        assert_eq!((zombie.vmsize, zombie.vmrss, zombie.threads), (None, None, 1));
    });
}

#[test]
fn a_thread_is_shown_as_its_process() {
    with_scene(|scene| {
        let pid = scene.script.pid;
        assert_eq!(scene.script.names(&format!("/proc/{pid}/task")).unwrap(), [".", "..", &pid.to_string()]);
        assert_eq!(scene.script.readlink("/proc/thread-self").unwrap(), format!("{pid}/task/{pid}"));
        let all = scene.script.names("/proc/self").unwrap();
        let mut own = scene.script.names("/proc/thread-self").unwrap();
        assert!(all.contains(&"task".to_owned()) && !own.contains(&"task".to_owned()));
        own.push("task".to_owned());
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>(), own.iter().collect());
        for name in ["stat", "status", "cmdline", "environ", "maps", "net/unix"] {
            let read = |of: &str| scene.script.get(&format!("/proc/{of}/{name}")).unwrap();
            assert_eq!(read("self"), read("thread-self"), "{name}");
        }
        assert_eq!(scene.script.stat("/proc/self/task/1").map(|_| ()), Err(warren_kernel::Errno::ENOENT));
        assert_eq!(scene.script.get("/proc/thread-self/fd/../../../comm").unwrap(), b"tool.sh\n", "each has a parent");
    });
}

#[test]
fn memory_is_the_guests_and_its_image() {
    with_scene(|scene| {
        let maps: MemoryMaps = of(scene, scene.script, "maps");
        let [memory, image] = maps.0.as_slice() else { panic!("{maps:?}") };
        assert_eq!((memory.address, &memory.pathname, memory.inode), ((0, MEMORY), &MMapPath::Anonymous, 0));
        assert_eq!(memory.perms, MMPermissions::READ | MMPermissions::WRITE | MMPermissions::PRIVATE);
        assert_eq!(image.address, (1 << 32, (1 << 32) + 4096));
        assert_eq!(image.pathname, MMapPath::Path("/bin/prog".into()), "the interpreter's, as exe has it");
        let stat = scene.daemon.stat("/bin/prog").unwrap();
        assert_eq!((image.dev, image.inode), ((0, i32::try_from(stat.device).unwrap()), stat.ino.0));
        let statm: StatM = of(scene, scene.script, "statm");
        assert_eq!((statm.size, statm.resident, statm.text), (MEMORY / 4096 + 1, MEMORY / 4096, 1));
        let rollup: SmapsRollup = of(scene, scene.script, "smaps_rollup");
        let rollup = &rollup.memory_map_rollup.0[0];
        assert_eq!(rollup.extension.map.get("Rss"), Some(&MEMORY));
        let smaps: MemoryMaps = of(scene, scene.script, "smaps");
        assert_eq!(smaps.0.iter().map(|map| map.extension.map["Rss"]).sum::<u64>(), MEMORY);
        let none: MemoryMaps = of(scene, scene.zombie, "maps");
        assert!(none.0.is_empty());
    });
}

#[test]
fn limits_are_all_of_linuxs_sixteen() {
    with_scene(|scene| {
        let limits: Limits = of(scene, scene.script, "limits");
        assert!(matches!(limits.max_open_files.soft_limit, LimitValue::Value(1024)));
        assert!(matches!(limits.max_address_space.hard_limit, LimitValue::Value(bytes) if bytes == 1 << 30));
        assert!(matches!(limits.max_processes.soft_limit, LimitValue::Unlimited));
        assert!(matches!(limits.max_pending_signals.soft_limit, LimitValue::Value(31)));
        assert_eq!(scene.daemon.text("/proc/self/limits").unwrap().lines().count(), 17);
    });
}

#[test]
fn reads_writes_and_cpu_time_are_counted() {
    let machine = Machine::new();
    let parent = machine.root();
    let before: Io = parsed(parent, "/proc/self/io");
    parent.put("/tmp/f", &[7; 1000]);
    assert_eq!(parent.get("/tmp/f").unwrap().len(), 1000);
    let fd = parent.open("/tmp/f", crate::common::W).unwrap();
    assert!(parent.read(fd, 1).is_err());
    let after: Io = parsed(parent, "/proc/self/io");
    let text_before = u64::try_from(parent.get("/proc/self/io").unwrap().len()).unwrap();
    assert_eq!((after.wchar - before.wchar, after.syscw - before.syscw), (1000, 1));
    assert!((after.rchar - before.rchar).abs_diff(1000 + text_before) < 10, "{before:?} {after:?}");
    assert_eq!(after.syscr - before.syscr, 4, "two of the text, two of the file; what fails is not counted");
    let child = parent.child();
    for (process, ms) in [(child, 1500), (parent, 20)] {
        process.now(|kernel, call| kernel.charge_cpu(call.pid, std::time::Duration::from_millis(ms)));
    }
    child.exit(0);
    assert_eq!(parsed::<Stat>(parent, "/proc/self/stat").cutime, 0, "not yet waited for");
    parent.wait_end(warren_kernel::process::wait::Which::Any, false).unwrap().unwrap();
    let stat: Stat = parsed(parent, "/proc/self/stat");
    assert_eq!((stat.utime, stat.cutime), (2, 150));
    assert_eq!(parsed::<Schedstat>(parent, "/proc/self/schedstat").sum_exec_runtime, 20_000_000);
    let total: KernelStats = parsed_with_system(parent, "/proc/stat");
    assert_eq!(total.total.user, 152, "what ended counts on");
}

#[test]
fn descriptors_tell_how_they_are_open() {
    with_scene(|scene| {
        let flags = |fd: u32| {
            let info = scene.shell.text(&format!("/proc/self/fdinfo/{fd}")).unwrap();
            let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            (value("pos:").parse::<u64>().unwrap(), value("flags:"), value("mnt_id:").parse::<u32>().unwrap())
        };
        let mounts: MountInfos = parsed(scene.shell, "/proc/self/mountinfo");
        let on = |path: &str| {
            let mount = mounts.0.iter().find(|mount| mount.mount_point.to_str() == Some(path)).unwrap();
            u32::try_from(mount.mnt_id).unwrap()
        };
        assert_eq!(flags(0), (0, "0100002".to_owned(), on("/dev/pts")));
        assert_eq!(flags(3), (4, "0102002".to_owned(), on("/")), "read and write, O_APPEND");
        assert_eq!(flags(4), (0, "02300000".to_owned(), on("/")), "O_DIRECTORY, O_CLOEXEC");
        assert_eq!(flags(5), (0, "0100001".to_owned(), on("/")));
        assert_eq!((flags(6).1, flags(7).1), ("04000".to_owned(), "04001".to_owned()), "a pipe that does not wait");
        assert_eq!((flags(8).1, flags(10).1), ("02".to_owned(), "010000000".to_owned()), "a socket, O_PATH");
        for fd in 0..=10 {
            let info = scene.shell.text(&format!("/proc/self/fdinfo/{fd}")).unwrap();
            let stat = scene.shell.fstat(Fd(fd)).unwrap();
            assert!(info.contains(&format!("ino:\t{}\n", stat.ino)), "{fd}: {info} {stat:?}");
        }
        let links: Vec<_> = (0..=10).map(|fd| scene.shell.readlink(&format!("/proc/self/fd/{fd}")).unwrap()).collect();
        let files = ["/dev/pts/0", "/home/agent/file", "/bin", "/dev/null", "/bin"];
        assert_eq!([&links[0], &links[3], &links[4], &links[5], &links[10]], files);
        assert!(links[6].starts_with("pipe:[") && links[6] == links[7] && links[8].starts_with("socket:["));
        let mode = |fd: u32| scene.shell.lstat(&format!("/proc/self/fd/{fd}")).unwrap().mode.bits();
        assert_eq!([mode(3), mode(4), mode(5)], [0o700, 0o500, 0o300]);
    });
}

#[test]
fn the_system_is_the_session() {
    with_scene(|scene| {
        let who = scene.daemon;
        let used = memory_used(scene);
        assert!((MEMORY..MEMORY + 65_536).contains(&used), "arguments count too");
        let memory: Meminfo = parsed(who, "/proc/meminfo");
        assert_eq!((memory.mem_total, memory.mem_free), (MEMORY_TOTAL, MEMORY_TOTAL - used));
        assert_eq!((memory.mem_available, memory.anon_pages), (Some(MEMORY_TOTAL - used), Some(used)));
        assert_eq!((memory.swap_total, memory.cached, memory.s_reclaimable), (0, 0, Some(0)));
        let uptime: Uptime = parsed(who, "/proc/uptime");
        assert_eq!((uptime.uptime, uptime.idle), (100.5, 98.0));
        let stat: KernelStats = parsed_with_system(who, "/proc/stat");
        assert_eq!((stat.total.user, stat.total.idle, stat.cpu_time.len()), (250, 9800, 1));
        assert_eq!((stat.btime, stat.processes), (1_800_000_000 - 101, 8), "the clock did not go, the other did");
        assert_eq!((stat.procs_running, stat.procs_blocked), (Some(3), Some(1)));
        let cpu: CpuInfo = parsed(who, "/proc/cpuinfo");
        assert_eq!((cpu.num_cores(), cpu.model_name(0)), (1, Some("Warren virtual CPU")));
        let devices: Devices = parsed(who, "/proc/devices");
        assert!(devices.char_devices.iter().any(|device| device.major == 136 && device.name == "pts"));
        assert!(devices.block_devices.is_empty());
        assert!(parsed::<VmStat>(who, "/proc/vmstat").0.contains_key("pgpgin"));
        assert!(parsed::<KernelModules>(who, "/proc/modules").0.is_empty());
        assert!(parsed::<DiskStats>(who, "/proc/diskstats").0.is_empty());
        assert!(parsed::<Vec<PartitionEntry>>(who, "/proc/partitions").is_empty());
        let locks: Locks = parsed(who, "/proc/locks");
        assert_eq!((locks.0.len(), locks.0[0].pid), (1, Some(number(scene.shell.pid))));
        let cgroups: ProcessCGroups = parsed(who, "/proc/self/cgroup");
        assert_eq!((cgroups.0.len(), cgroups.0[0].pathname.as_str()), (1, "/"));
    });
}

#[test]
fn mounts_and_the_network_are_readable() {
    with_scene(|scene| {
        let who = scene.shell;
        let mounts: Vec<MountEntry> = parsed(who, "/proc/mounts");
        let paths: Vec<&str> = mounts.iter().map(|mount| mount.fs_file.as_str()).collect();
        assert_eq!(paths, ["/", "/proc", "/dev/pts", "/mnt"]);
        let infos: MountInfos = parsed(who, "/proc/self/mountinfo");
        for (path, info) in paths.iter().zip(&infos.0) {
            assert_eq!(info.mount_point.to_str(), Some(*path));
            assert_eq!(info.majmin, format!("0:{}", who.stat(path).unwrap().device), "{path}: as stat() has it");
        }
        let unix: net::UnixNetEntries = parsed(who, "/proc/net/unix");
        let link = who.readlink("/proc/self/fd/8").unwrap();
        assert_eq!(unix.0.len(), 1);
        assert_eq!(format!("socket:[{}]", unix.0[0].inode), link, "as lsof finds it");
        assert_eq!((unix.0[0].socket_type, &unix.0[0].path), (1, &None));
        for name in ["tcp", "tcp6"] {
            let tcp: net::TcpNetEntries = parsed_with_system(who, &format!("/proc/net/{name}"));
            assert!(tcp.0.is_empty());
        }
        for name in ["udp", "udp6"] {
            let udp: net::UdpNetEntries = parsed_with_system(who, &format!("/proc/net/{name}"));
            assert!(udp.0.is_empty(), "a socket without an address is not shown");
        }
        let devices: net::InterfaceDeviceStatus = parsed(who, "/proc/net/dev");
        assert_eq!(devices.0.keys().collect::<Vec<_>>(), ["lo"]);
        assert!(parsed::<net::ArpEntries>(who, "/proc/net/arp").0.is_empty());
        assert!(parsed::<net::RouteEntries>(who, "/proc/net/route").0.is_empty());
        assert!(who.text("/proc/net/sockstat").unwrap().starts_with("sockets: used 2\n"));
    });
}

#[test]
fn what_sys_says_holds() {
    let machine = Machine::limited(|limits| {
        limits.open_files = 77;
        limits.processes = 9;
        limits.ptys = 5;
    });
    let agent = machine.agent();
    let sys = |path: &str| agent.text(&format!("/proc/sys/{path}")).unwrap().trim_end().to_owned();
    let files = machine.usage().open_files;
    assert_eq!(sys("fs/file-nr"), format!("{}\t0\t77", files));
    assert_eq!((sys("fs/file-max"), sys("fs/pipe-max-size")), ("77".to_owned(), "65536".to_owned()));
    assert_eq!((sys("kernel/threads-max"), sys("kernel/pid_max")), ("9".to_owned(), "32768".to_owned()));
    assert_eq!((sys("kernel/pty/max"), sys("kernel/pty/nr")), ("5".to_owned(), "0".to_owned()));
    assert_eq!(sys("kernel/ngroups_max"), "64");
    assert_eq!(sys("kernel/ns_last_pid"), agent.pid.to_string());
    assert_eq!(agent.names("/proc/sys").unwrap(), [".", "..", "fs", "kernel", "net", "vm"]);
    let boot = sys("kernel/random/boot_id");
    let shape = |id: &str| {
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12] && id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19])
    };
    assert!(shape(&boot) && shape(&sys("kernel/random/uuid")), "{boot}");
    assert_eq!(sys("kernel/random/boot_id"), boot, "the same as long as the session runs");
    assert_ne!(sys("kernel/random/uuid"), sys("kernel/random/uuid"));
    assert!(agent.open("/proc/sys/kernel/hostname", crate::common::W).is_err());
}
