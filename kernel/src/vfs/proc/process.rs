//! The files of `/proc/<pid>`: who a process is and what it does.

use super::system::CAPABILITIES;
use super::{PAGE, ProcLink, TICKS, Whose};
use crate::errno::Errno;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::process::{Process, Resource, ResourceLimit, State, Strings};
use crate::signal::{Disposition, Signal, SignalSet};
use crate::wait::{Wait, WaitKey};
use std::io::Write as _;
use std::time::Duration;

/// A file of a process's directory.
pub(super) struct Entry {
    pub name: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Its text is only for those who may trace the process.
    pub secret: bool,
    pub shape: Shape,
}

type Text = fn(&Kernel, &Process, Pid) -> Vec<u8>;

/// What a file of a process's directory is.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A text, for this reader.
    Text(Text),
    /// `cwd`.
    Cwd,
    /// `exe`.
    Exe,
    /// `root`.
    Root,
    /// `fd`.
    Descriptors,
    /// `fdinfo`.
    DescriptorInfos,
    /// `net`.
    Net,
    /// `task`.
    Tasks,
}

/// Every file of a process's directory; `task` is not in that of a thread.
const ENTRIES: &[Entry] = &[
    text("cgroup", |_, _, _| b"0::/\n".to_vec()),
    text("cmdline", |_, process, _| joined(process, &process.arguments)),
    text("comm", |_, process, _| [process.name(), b"\n"].concat()),
    directory("cwd", 0o777, Shape::Cwd),
    secret("environ", 0o400, |_, process, _| joined(process, &process.environment)),
    directory("exe", 0o777, Shape::Exe),
    directory("fd", 0o500, Shape::Descriptors),
    directory("fdinfo", 0o555, Shape::DescriptorInfos),
    text("gid_map", |_, _, _| ID_MAP.to_vec()),
    secret("io", 0o400, |_, process, _| io_text(process)),
    text("limits", |_, process, _| limits_text(process)),
    text("loginuid", |_, _, _| b"4294967295\n".to_vec()),
    secret("maps", 0o444, |_, process, _| super::memory::maps(process)),
    text("mountinfo", |kernel, _, _| kernel.mountinfo_text().into_bytes()),
    text("mounts", |kernel, _, _| kernel.mounts_text().into_bytes()),
    directory("net", 0o555, Shape::Net),
    text("oom_adj", |_, _, _| b"0\n".to_vec()),
    text("oom_score", |kernel, process, _| kernel.oom_score(process)),
    text("oom_score_adj", |_, _, _| b"0\n".to_vec()),
    secret("personality", 0o400, |_, _, _| b"00000000\n".to_vec()),
    directory("root", 0o777, Shape::Root),
    text("schedstat", |_, process, _| format!("{} 0 0\n", process.cpu.as_nanos()).into_bytes()),
    text("sessionid", |_, _, _| b"4294967295\n".to_vec()),
    secret("smaps", 0o444, |_, process, _| super::memory::smaps(process)),
    secret("smaps_rollup", 0o444, |_, process, _| super::memory::smaps_rollup(process)),
    text("stat", Kernel::stat_text),
    text("statm", |_, process, _| super::memory::statm(process)),
    text("status", |kernel, process, _| kernel.status_text(process)),
    directory("task", 0o555, Shape::Tasks),
    text("uid_map", |_, _, _| ID_MAP.to_vec()),
    text("wchan", Kernel::wchan_text),
];

/// Users and groups are what they are: one user namespace, all numbers but the last.
const ID_MAP: &[u8] = b"         0          0 4294967295\n";
/// Linux's default weight of a process: nice 0.
const PRIORITY: u32 = 20;

const fn text(name: &'static str, text: Text) -> Entry {
    Entry { name, mode: 0o444, secret: false, shape: Shape::Text(text) }
}

const fn secret(name: &'static str, mode: u32, text: Text) -> Entry {
    Entry { name, mode, secret: true, shape: Shape::Text(text) }
}

/// A directory or a link.
const fn directory(name: &'static str, mode: u32, shape: Shape) -> Entry {
    Entry { name, mode, secret: false, shape }
}

/// The file at a place of the table.
pub(super) fn entry(at: u8) -> &'static Entry {
    &ENTRIES[usize::from(at)]
}

/// The place of `name`.
pub(super) fn place(whose: Whose, name: &[u8]) -> Option<u8> {
    names(whose).find(|at| entry(*at).name.as_bytes() == name)
}

/// The place of the one file of this shape, which is no text.
pub(super) fn place_of(shape: Shape) -> u8 {
    let same = |entry: &Entry| std::mem::discriminant(&entry.shape) == std::mem::discriminant(&shape);
    ENTRIES.iter().position(same).map_or(0, |at| at as u8)
}

/// The places of all files of a directory.
pub(super) fn names(whose: Whose) -> impl Iterator<Item = u8> {
    (0..ENTRIES.len() as u8).filter(move |at| !whose.task || !matches!(entry(*at).shape, Shape::Tasks))
}

/// Whether there is a program with memory: an ended process has none any more, and init never had.
pub(super) fn has_image(process: &Process) -> bool {
    !process.is_zombie() && process.pid != Pid::INIT
}

/// Strings as they lie in a program's memory, each with its NUL; that of an ended process is gone.
fn joined(process: &Process, strings: &Strings) -> Vec<u8> {
    if process.is_zombie() {
        return Vec::new();
    }
    strings.iter().flat_map(|item| item.iter().copied().chain([0])).collect()
}

/// A name as the lines of `stat` and `status` have it.
fn escaped_name(process: &Process) -> Vec<u8> {
    let mut name = Vec::new();
    for byte in process.name() {
        match byte {
            b'\n' => name.extend(b"\\n"),
            b'\\' => name.extend(b"\\\\"),
            _ => name.push(*byte),
        }
    }
    name
}

fn ticks(time: Duration) -> u128 {
    time.as_millis() * TICKS / 1000
}

/// The parent as a process sees it: init has none.
fn parent(process: &Process) -> Pid {
    if process.parent == process.pid { Pid(0) } else { process.parent }
}

/// Signals the process ignores and those it catches, by its own wish.
fn ignored_and_caught(process: &Process) -> (SignalSet, SignalSet) {
    let (mut ignored, mut caught) = (SignalSet::default(), SignalSet::default());
    for signal in (1..=Signal::COUNT as u32).filter_map(|number| Signal::new(number).ok()) {
        match process.signals.disposition(signal) {
            Disposition::Ignore => ignored = ignored.with(signal),
            Disposition::Catch { .. } => caught = caught.with(signal),
            Disposition::Default => {}
        }
    }
    (ignored, caught)
}

fn io_text(process: &Process) -> Vec<u8> {
    let io = process.account.io;
    format!(
        "rchar: {}\nwchar: {}\nsyscr: {}\nsyscw: {}\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
        io.read_bytes, io.written_bytes, io.reads, io.writes
    )
    .into_bytes()
}

fn limits_text(process: &Process) -> Vec<u8> {
    const ROWS: [(&str, &str); Resource::COUNT] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
    ];
    const FIXED: [(&str, u64, &str); 6] = [
        ("Max file locks", ResourceLimit::INFINITE, "locks"),
        ("Max pending signals", Signal::COUNT as u64, "signals"),
        ("Max msgqueue size", 0, "bytes"),
        ("Max nice priority", 0, ""),
        ("Max realtime priority", 0, ""),
        ("Max realtime timeout", ResourceLimit::INFINITE, "us"),
    ];
    let show = |value: u64| if value == ResourceLimit::INFINITE { "unlimited".to_owned() } else { value.to_string() };
    let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    let own =
        (0..).zip(ROWS).filter_map(|(number, (name, unit))| Some((name, process.limit(Resource::new(number)?), unit)));
    let fixed = FIXED.iter().map(|(name, value, unit)| (*name, ResourceLimit::both(*value), *unit));
    for (name, limit, unit) in own.chain(fixed) {
        let unit = if unit.is_empty() { String::new() } else { format!("{unit:<10}") };
        text += &format!("{name:<25} {:<20} {:<20} {unit}\n", show(limit.soft), show(limit.hard));
    }
    text.into_bytes()
}

impl Kernel {
    /// Where a link of a process's directory leads. Init and ended processes have no image, and ended ones no place.
    pub(super) fn process_link(&self, process: &Process, shape: Shape) -> Result<ProcLink, Errno> {
        if process.is_zombie() {
            return Err(Errno::ENOENT);
        }
        match shape {
            Shape::Cwd => Ok(ProcLink {
                text: self.path_of(&process.cwd).unwrap_or_else(|| b"(deleted)".to_vec()),
                node: Some(process.cwd.clone()),
            }),
            Shape::Exe if !has_image(process) => Err(Errno::ENOENT),
            Shape::Exe => Ok(ProcLink { text: process.executable.to_vec(), node: None }),
            Shape::Root => Ok(ProcLink { text: b"/".to_vec(), node: None }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// R, S, D, T or Z. A process that waits for something of the outside, which no signal but a fatal one ends, is in
    /// D; init only waits.
    pub(super) fn state_letter(&self, process: &Process) -> char {
        match process.state {
            State::Zombie(_) => 'Z',
            State::Stopped(_) => 'T',
            State::Running => match self.waiters.parked_on(WaitKey::Process(process.pid)) {
                Some(wait) if *wait == Wait::for_process(process.pid) => 'D',
                Some(_) => 'S',
                None if process.pid == Pid::INIT => 'S',
                None => 'R',
            },
        }
    }

    /// proc_pid_stat(5): 52 fields in one line.
    fn stat_text(&self, process: &Process, caller: Pid) -> Vec<u8> {
        let (terminal, foreground) = self.terminal_numbers(process.pid);
        let (ignored, caught) = ignored_and_caught(process);
        let exit_code = match process.state {
            State::Zombie(status) if self.may_trace(caller, process.pid) => status.raw(),
            _ => 0,
        };
        let waits = self.waiters.is_parked(WaitKey::Process(process.pid));
        let low = |set: SignalSet| set.0 & 0x7fff_ffff;
        let mut text = Vec::new();
        // A Vec takes whatever is written.
        let _ = write!(text, "{} (", process.pid);
        text.extend(escaped_name(process));
        let _ = writeln!(
            text,
            ") {state} {ppid} {group} {session} {terminal} {foreground} 0 0 0 0 0 {user} 0 {children} 0 {PRIORITY} 0 1 \
             0 {start} {virtual_bytes} {pages} {rss_limit} 0 0 0 0 0 0 {blocked} {ignored} {caught} {waits} 0 0 17 0 0 \
             0 0 0 0 0 0 0 0 0 0 0 {exit_code}",
            state = self.state_letter(process),
            ppid = parent(process),
            group = process.group,
            session = process.session,
            user = ticks(process.cpu),
            children = ticks(process.account.children_cpu),
            start = ticks(process.started.since(self.booted)),
            virtual_bytes = super::memory::virtual_bytes(process),
            pages = process.memory / PAGE,
            rss_limit = Resource::new(5).map_or(ResourceLimit::INFINITE, |resource| process.limit(resource).soft),
            blocked = low(process.signals.blocked),
            ignored = low(ignored),
            caught = low(caught),
            waits = u8::from(waits),
        );
        text
    }

    /// proc_pid_status(5).
    fn status_text(&self, process: &Process) -> Vec<u8> {
        let mut text = b"Name:\t".to_vec();
        text.extend(escaped_name(process));
        let credentials = &process.credentials;
        let groups = credentials.groups.iter().map(|gid| format!("{gid} ")).collect::<String>();
        let letter = self.state_letter(process);
        let word = match letter {
            'Z' => "zombie",
            'T' => "stopped",
            'D' => "disk sleep",
            'S' => "sleeping",
            _ => "running",
        };
        let pid = process.pid;
        let _ = write!(
            text,
            "\nUmask:\t{:04o}\nState:\t{letter} ({word})\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nPPid:\t{}\nTracerPid:\t0\n\
             Uid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t{}\nGroups:\t{groups}\nNStgid:\t{pid}\nNSpid:\t{pid}\n\
             NSpgid:\t{}\nNSsid:\t{}\n",
            process.umask,
            parent(process),
            credentials.uid,
            credentials.euid,
            credentials.suid,
            credentials.euid,
            credentials.gid,
            credentials.egid,
            credentials.sgid,
            credentials.egid,
            process.descriptors.len().next_power_of_two().max(64),
            process.group,
            process.session,
        );
        if has_image(process) {
            text.extend(super::memory::status_lines(process));
        }
        let (ignored, caught) = ignored_and_caught(process);
        let capabilities = if credentials.is_root() { CAPABILITIES } else { 0 };
        let _ = write!(
            text,
            "Threads:\t1\nSigQ:\t{}/{}\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n\
             SigCgt:\t{:016x}\nCapInh:\t{:016x}\nCapPrm:\t{capabilities:016x}\nCapEff:\t{capabilities:016x}\n\
             CapBnd:\t{CAPABILITIES:016x}\nCapAmb:\t{:016x}\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n\
             Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n\
             voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
            process.signals.pending.0.count_ones(),
            Signal::COUNT,
            0,
            process.signals.pending.0,
            process.signals.blocked.0,
            ignored.0,
            caught.0,
            0,
            0,
        );
        text
    }

    /// What a call waits in, by the name of Linux's function; `0` when it does not, or for who may not know.
    fn wchan_text(&self, process: &Process, caller: Pid) -> Vec<u8> {
        let wait = self.waiters.parked_on(WaitKey::Process(process.pid));
        let Some(wait) = wait.filter(|_| self.may_trace(caller, process.pid)) else { return b"0".to_vec() };
        match wait.keys.first() {
            _ if !wait.restarts => &b"do_poll"[..],
            Some(WaitKey::Pipe(_)) => b"pipe_wait",
            Some(WaitKey::Terminal(_)) => b"n_tty_read",
            Some(WaitKey::Child(_)) => b"do_wait",
            Some(WaitKey::Lock(_)) => b"locks_lock_inode_wait",
            Some(WaitKey::SocketInput(_)) => b"skb_wait_for_more_packets",
            Some(WaitKey::SocketRoom(_)) => b"sk_stream_wait_memory",
            Some(WaitKey::Offset(_)) => b"__fdget_pos",
            Some(WaitKey::Process(_)) => b"wait_on_page_bit",
            _ => b"schedule",
        }
        .to_vec()
    }

    /// Linux's oom_badness() without adjustment: two thirds of 1000, and more by the part of all memory it holds.
    fn oom_score(&self, process: &Process) -> Vec<u8> {
        let part = process.memory.saturating_mul(1000) / self.limits.memory_bytes.max(1);
        let score = if has_image(process) { (1000 + part) * 2 / 3 } else { 0 };
        format!("{score}\n").into_bytes()
    }
}
