//! The files of `/proc` that are about no process: the session as a machine of its own.

use super::{MACHINE, PAGE, RELEASE, SYSTEM_NAME, TICKS, VERSION};
use crate::fd::DESCRIPTORS_MAX;
use crate::id::Pid;
use crate::kernel::{Kernel, PID_MAX};
use crate::pipe::PIPE_CAPACITY;
use crate::socket::{BACKLOG_MAX, EPHEMERAL_PORTS};
use crate::user::GROUPS_MAX;
use crate::vfs::mount::MOUNTS_MAX;
use std::fmt::Write as _;

/// What a fixed file is.
#[derive(Clone, Copy)]
pub(super) enum Fixed {
    /// Its entries are those whose path begins with its own.
    Directory,
    /// Where it leads for this process.
    Link(fn(Pid) -> String),
    /// Its text, read by this process.
    Text(fn(&Kernel, Pid) -> String),
}

/// Every fixed file, by its path below `/proc`.
const FILES: &[(&str, Fixed)] = {
    use Fixed::{Directory, Link, Text};
    &[
        ("self", Link(|pid| pid.to_string())),
        ("thread-self", Link(|pid| format!("{pid}/task/{pid}"))),
        ("mounts", Link(|_| "self/mounts".to_owned())),
        ("net", Link(|_| "self/net".to_owned())),
        ("cgroups", Text(|_, _| "#subsys_name\thierarchy\tnum_cgroups\tenabled\n".to_owned())),
        ("cmdline", Text(|_, _| "warren\n".to_owned())),
        ("consoles", NOTHING),
        ("cpuinfo", Text(|_, _| cpuinfo())),
        ("devices", Text(|_, _| DEVICES.to_owned())),
        ("diskstats", NOTHING),
        ("filesystems", Text(|_, _| "nodev\tproc\nnodev\tdevpts\nnodev\ttmpfs\n\twarrenfs\n".to_owned())),
        ("loadavg", Text(|kernel, caller| kernel.loadavg(caller))),
        ("locks", Text(|kernel, _| kernel.locks_text())),
        ("meminfo", Text(|kernel, _| kernel.meminfo())),
        ("modules", NOTHING),
        ("partitions", Text(|_, _| "major minor  #blocks  name\n\n".to_owned())),
        ("stat", Text(|kernel, _| kernel.system_stat())),
        ("swaps", Text(|_, _| "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_owned())),
        ("uptime", Text(|kernel, _| kernel.uptime_text())),
        ("version", Text(|_, _| format!("{SYSTEM_NAME} version {RELEASE} (warren) {VERSION}\n"))),
        ("vmstat", Text(|kernel, _| kernel.vmstat())),
        ("tty", Directory),
        ("tty/drivers", Text(|_, _| TTY_DRIVERS.to_owned())),
        ("sys", Directory),
        ("sys/fs", Directory),
        ("sys/fs/file-max", Text(|kernel, _| line(kernel.limits.open_files))),
        ("sys/fs/file-nr", Text(|kernel, _| format!("{}\t0\t{}\n", kernel.files.len(), kernel.limits.open_files))),
        ("sys/fs/mount-max", Text(|_, _| line(MOUNTS_MAX))),
        ("sys/fs/nr_open", Text(|_, _| line(DESCRIPTORS_MAX))),
        ("sys/fs/pipe-max-size", Text(|_, _| line(PIPE_CAPACITY))),
        ("sys/kernel", Directory),
        ("sys/kernel/arch", Text(|_, _| line(MACHINE))),
        ("sys/kernel/cap_last_cap", Text(|_, _| line(CAPABILITY_LAST))),
        ("sys/kernel/core_pattern", Text(|_, _| line("core"))),
        ("sys/kernel/domainname", Text(|_, _| line("(none)"))),
        ("sys/kernel/hostname", Text(|kernel, _| line(kernel.hostname()))),
        ("sys/kernel/ngroups_max", Text(|_, _| line(GROUPS_MAX))),
        ("sys/kernel/ns_last_pid", Text(|kernel, _| line(kernel.last_pid()))),
        ("sys/kernel/osrelease", Text(|_, _| line(RELEASE))),
        ("sys/kernel/ostype", Text(|_, _| line(SYSTEM_NAME))),
        ("sys/kernel/overflowgid", Text(|_, _| line(65_534))),
        ("sys/kernel/overflowuid", Text(|_, _| line(65_534))),
        ("sys/kernel/pid_max", Text(|_, _| line(PID_MAX))),
        ("sys/kernel/pty", Directory),
        ("sys/kernel/pty/max", Text(|kernel, _| line(kernel.limits.ptys))),
        ("sys/kernel/pty/nr", Text(|kernel, _| line(kernel.terminals.len()))),
        ("sys/kernel/random", Directory),
        ("sys/kernel/random/boot_id", Text(|kernel, _| line(uuid(kernel.boot_id)))),
        ("sys/kernel/random/entropy_avail", Text(|_, _| line(ENTROPY_BITS))),
        ("sys/kernel/random/poolsize", Text(|_, _| line(ENTROPY_BITS))),
        ("sys/kernel/random/uuid", Text(|kernel, _| line(kernel.fresh_uuid()))),
        ("sys/kernel/randomize_va_space", Text(|_, _| line(0))),
        ("sys/kernel/tainted", Text(|_, _| line(0))),
        ("sys/kernel/threads-max", Text(|kernel, _| line(kernel.limits.processes))),
        ("sys/kernel/version", Text(|_, _| line(VERSION))),
        ("sys/net", Directory),
        ("sys/net/core", Directory),
        ("sys/net/core/somaxconn", Text(|_, _| line(BACKLOG_MAX))),
        ("sys/net/ipv4", Directory),
        (
            "sys/net/ipv4/ip_local_port_range",
            Text(|_, _| format!("{}\t{}\n", EPHEMERAL_PORTS.start(), EPHEMERAL_PORTS.end())),
        ),
        ("sys/vm", Directory),
        ("sys/vm/max_map_count", Text(|_, _| line(65_530))),
        ("sys/vm/mmap_min_addr", Text(|_, _| line(0))),
        // Memory is counted when it is taken and refused at the limit: nothing is promised that is not there.
        ("sys/vm/overcommit_memory", Text(|_, _| line(2))),
        ("sys/vm/overcommit_ratio", Text(|_, _| line(100))),
        ("sys/vm/swappiness", Text(|_, _| line(0))),
    ]
};
const _: () = assert!(FILES.len() <= u8::MAX as usize, "a file is known by a byte");

/// A file that is always empty, since there is nothing of its kind.
const NOTHING: Fixed = Fixed::Text(|_, _| String::new());
/// Linux 6.1's highest capability, CAP_CHECKPOINT_RESTORE.
const CAPABILITY_LAST: u32 = 40;
/// Every capability, as /proc/<pid>/status writes sets.
pub(super) const CAPABILITIES: u64 = (1 << (CAPABILITY_LAST + 1)) - 1;
/// Bits of Linux's pool, which is always full.
const ENTROPY_BITS: u32 = 256;
const DEVICES: &str = "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n";
/// As procps reads it, to find the name of a terminal's number.
const TTY_DRIVERS: &str = "/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/ptmx            /dev/ptmx       5       2 system
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
";

/// The path and kind of the file at a place.
pub(super) fn file(at: u8) -> (&'static str, Fixed) {
    FILES[usize::from(at)]
}

/// The place of `name` in the directory of this path, which is empty for `/proc` itself.
pub(super) fn place(directory: &str, name: &[u8]) -> Option<u8> {
    let is_it = |path: &str| split(path) == (directory, name);
    FILES.iter().position(|(path, _)| is_it(path)).map(|at| at as u8)
}

/// The directory a file is in; `None` is `/proc` itself.
pub(super) fn parent(at: u8) -> Option<u8> {
    let (directory, _) = split(file(at).0);
    FILES.iter().position(|(path, _)| *path == directory).map(|at| at as u8)
}

/// The files of a directory; `None` is `/proc` itself.
pub(super) fn below(directory: Option<u8>) -> impl Iterator<Item = u8> {
    (0..FILES.len() as u8).filter(move |at| parent(*at) == directory)
}

fn split(path: &str) -> (&str, &[u8]) {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    (directory, name.as_bytes())
}

fn line(value: impl std::fmt::Display) -> String {
    format!("{value}\n")
}

/// A random UUID (RFC 9562, version 4) of these bytes.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

/// One processor, whatever the machine has.
fn cpuinfo() -> String {
    "processor\t: 0\nvendor_id\t: Warren\ncpu family\t: 1\nmodel\t\t: 1\nmodel name\t: Warren virtual CPU\n\
     stepping\t: 1\ncpu MHz\t\t: 1000.000\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n\
     flags\t\t: wasm\nbogomips\t: 2000.00\n\n"
        .to_owned()
}

impl Kernel {
    /// The newest process's number.
    fn last_pid(&self) -> u32 {
        match self.forks {
            0 => Pid::INIT.0,
            _ if self.next_pid > Pid::INIT.0 + 1 => self.next_pid - 1,
            _ => PID_MAX - 1,
        }
    }

    fn fresh_uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.fill_random(&mut bytes);
        uuid(bytes)
    }

    fn uptime_text(&self) -> String {
        let (uptime, idle) = (self.uptime(), self.uptime().saturating_sub(self.cpu_used));
        let seconds = |time: std::time::Duration| format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10);
        format!("{} {}\n", seconds(uptime), seconds(idle))
    }

    /// The three averages are how many processes run or wait for the outside right now, but the one that asks: there
    /// is no clock tick to average over.
    fn loadavg(&self, caller: Pid) -> String {
        let (running, blocked) = self.running_and_blocked(Some(caller));
        let load = running + blocked;
        format!(
            "{load}.00 {load}.00 {load}.00 {}/{} {}\n",
            self.running_and_blocked(None).0,
            self.processes.len(),
            self.last_pid()
        )
    }

    /// Processes in the states R and D, but one.
    fn running_and_blocked(&self, but: Option<Pid>) -> (usize, usize) {
        let states = || self.processes.values().filter(|it| Some(it.pid) != but).map(|it| self.state_letter(it));
        (states().filter(|state| *state == 'R').count(), states().filter(|state| *state == 'D').count())
    }

    /// Memory is that of the session's limit, and what processes hold of it is used. Files are not counted here: their
    /// quota is that of the file system.
    fn meminfo(&self) -> String {
        let total = self.limits.memory_bytes / 1024;
        let used = self.memory_used / 1024;
        let free = total.saturating_sub(used);
        let rows = [
            ("MemTotal", total),
            ("MemFree", free),
            ("MemAvailable", free),
            ("Buffers", 0),
            ("Cached", 0),
            ("SwapCached", 0),
            ("Active", used),
            ("Inactive", 0),
            ("Active(anon)", used),
            ("Inactive(anon)", 0),
            ("Active(file)", 0),
            ("Inactive(file)", 0),
            ("Unevictable", 0),
            ("Mlocked", 0),
            ("SwapTotal", 0),
            ("SwapFree", 0),
            ("Dirty", 0),
            ("Writeback", 0),
            ("AnonPages", used),
            ("Mapped", 0),
            ("Shmem", 0),
            ("KReclaimable", 0),
            ("Slab", 0),
            ("SReclaimable", 0),
            ("SUnreclaim", 0),
            ("KernelStack", 0),
            ("PageTables", 0),
            ("NFS_Unstable", 0),
            ("Bounce", 0),
            ("WritebackTmp", 0),
            ("CommitLimit", total),
            ("Committed_AS", used),
            ("VmallocTotal", 0),
            ("VmallocUsed", 0),
            ("VmallocChunk", 0),
        ];
        let mut text = String::new();
        for (name, kilobytes) in rows {
            let _ = writeln!(text, "{:<16}{kilobytes:>8} kB", format!("{name}:"));
        }
        text
    }

    fn system_stat(&self) -> String {
        let ticks = |time: std::time::Duration| time.as_millis() * TICKS / 1000;
        let (user, idle) = (ticks(self.cpu_used), ticks(self.uptime().saturating_sub(self.cpu_used)));
        let boot = (i128::from(self.now().0) - self.uptime().as_nanos() as i128).div_euclid(1_000_000_000);
        let (running, blocked) = self.running_and_blocked(None);
        format!(
            "cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {user} 0 0 {idle} 0 0 0 0 0 0\nintr 0\nctxt 0\nbtime {boot}\n\
             processes {}\nprocs_running {running}\nprocs_blocked {blocked}\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
            self.forks + 1,
        )
    }

    fn vmstat(&self) -> String {
        let used = self.memory_used / PAGE;
        let free = (self.limits.memory_bytes / PAGE).saturating_sub(used);
        format!(
            "nr_free_pages {free}\nnr_anon_pages {used}\nnr_mapped 0\nnr_file_pages 0\nnr_dirty 0\nnr_writeback 0\n\
             pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n"
        )
    }

    /// /proc/<pid>/mounts: every process has the same.
    pub(super) fn mounts_text(&self) -> String {
        let mut text = String::new();
        for mount in self.mounts.iter() {
            let options = if mount.read_only { "ro" } else { "rw" };
            let kind = mount.type_name();
            let _ = writeln!(text, "{kind} {} {kind} {options},nosuid 0 0", escaped(&mount.path));
        }
        text
    }

    /// /proc/<pid>/mountinfo; a mount's number is its [`crate::id::MountId`] plus one, as in its device number.
    pub(super) fn mountinfo_text(&self) -> String {
        let mut text = String::new();
        for mount in self.mounts.iter() {
            let options = if mount.read_only { "ro" } else { "rw" };
            let kind = mount.type_name();
            let id = mount.id.0 + 1;
            let parent = u32::from(id > 1);
            let path = escaped(&mount.path);
            let _ = writeln!(text, "{id} {parent} 0:{id} / {path} {options},nosuid - {kind} {kind} {options}");
        }
        text
    }
}

/// A path as /proc/mounts writes it: blanks and backslashes in octal.
fn escaped(path: &[u8]) -> String {
    String::from_utf8_lossy(path)
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
        .replace('\n', "\\012")
}
