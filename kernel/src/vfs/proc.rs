//! `/proc`: what programs read about the system and its processes, computed when it is read.
//!
//! The nodes of `/dev/pts` are here too, as what else is computed; [`crate::pty::device`] knows what they are.
//!
//! Every fact is the session's own; where Linux would show the machine, the answer is virtual and fixed. A file's
//! text is made once, when it is opened.

use super::path::{device_of, join};
use super::{FileKind, Mode, Name, Node, Stat};
use crate::errno::Errno;
use crate::file::{OpenId, Opened};
use crate::id::{Fd, Gid, Ino, MountId, Pid, Uid};
use crate::kernel::Kernel;
use crate::process::{Process, Resource, ResourceLimit, State};
use crate::pty::{End, TerminalId};
use std::fmt::Write as _;

/// A file of `/proc`, or of `/dev/pts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcNode {
    /// `/proc`.
    Root,
    /// `/proc/<name>`: a text about the system, by its place in the table.
    System(u8),
    /// `/proc/self`.
    SelfLink,
    /// `/proc/mounts`.
    MountsLink,
    /// `/proc/sys` and `/proc/sys/kernel`.
    Sys(u8),
    /// `/proc/sys/kernel/<name>`.
    SysKernel(u8),
    /// `/proc/<pid>`.
    Process(Pid),
    /// `/proc/<pid>/<name>`: a text about a process.
    Text(Pid, u8),
    /// `/proc/<pid>/cwd`, `exe`, `root`.
    Link(Pid, u8),
    /// `/proc/<pid>/fd` (0) and `fdinfo` (1).
    Descriptors(Pid, u8),
    /// `/proc/<pid>/fd/<n>`.
    Descriptor(Pid, Fd),
    /// `/proc/<pid>/fdinfo/<n>`.
    DescriptorInfo(Pid, Fd),
    /// `/dev/pts`.
    Terminals,
    /// `/dev/pts/<n>`.
    Terminal(TerminalId),
}

/// Where a link of `/proc` leads: what readlink() shows, and the node itself when there is no walking to it.
pub(crate) struct ProcLink {
    pub text: Vec<u8>,
    pub node: Option<Node>,
}

const SYSTEM: [&str; 10] =
    ["cpuinfo", "meminfo", "uptime", "version", "loadavg", "stat", "filesystems", "cmdline", "vmstat", "locks"];
const SYS: [&str; 2] = ["sys", "kernel"];
const SYS_KERNEL: [&str; 7] = ["hostname", "ostype", "osrelease", "version", "pid_max", "domainname", "random"];
const TEXTS: [&str; 12] = [
    "stat",
    "status",
    "cmdline",
    "environ",
    "comm",
    "mounts",
    "limits",
    "statm",
    "maps",
    "mountinfo",
    "io",
    "oom_score",
];
const LINKS: [&str; 3] = ["cwd", "exe", "root"];
const DESCRIPTORS: [&str; 2] = ["fd", "fdinfo"];

/// What uname() and /proc call the system.
pub const SYSTEM_NAME: &str = "Linux";
/// The kernel interface's release: the Linux whose behaviour is followed.
pub const RELEASE: &str = "6.1.0-warren";
/// The kernel's version line.
pub const VERSION: &str = "#1 SMP Warren";
/// What uname() calls the processor.
pub const MACHINE: &str = "wasm32";
/// Clock ticks of a second in /proc/<pid>/stat (Linux's USER_HZ).
const TICKS: u128 = 100;

fn place(table: &[&str], name: &[u8]) -> Option<u8> {
    table.iter().position(|entry| entry.as_bytes() == name).map(|at| at as u8)
}

impl ProcNode {
    /// The path below `/proc`.
    pub(crate) fn path(&self) -> Vec<u8> {
        match self {
            ProcNode::Root => String::new(),
            ProcNode::System(at) => SYSTEM[usize::from(*at)].to_owned(),
            ProcNode::SelfLink => "self".to_owned(),
            ProcNode::MountsLink => "mounts".to_owned(),
            ProcNode::Sys(0) => "sys".to_owned(),
            ProcNode::Sys(_) => "sys/kernel".to_owned(),
            ProcNode::SysKernel(at) => format!("sys/kernel/{}", SYS_KERNEL[usize::from(*at)]),
            ProcNode::Process(pid) => pid.to_string(),
            ProcNode::Text(pid, at) => format!("{pid}/{}", TEXTS[usize::from(*at)]),
            ProcNode::Link(pid, at) => format!("{pid}/{}", LINKS[usize::from(*at)]),
            ProcNode::Descriptors(pid, at) => format!("{pid}/{}", DESCRIPTORS[usize::from(*at)]),
            ProcNode::Descriptor(pid, fd) => format!("{pid}/fd/{fd}"),
            ProcNode::DescriptorInfo(pid, fd) => format!("{pid}/fdinfo/{fd}"),
            ProcNode::Terminals => String::new(),
            ProcNode::Terminal(id) => id.0.to_string(),
        }
        .into_bytes()
    }

    /// The directory it is in.
    pub(crate) fn parent(&self) -> ProcNode {
        match self {
            ProcNode::Root
            | ProcNode::System(_)
            | ProcNode::SelfLink
            | ProcNode::MountsLink
            | ProcNode::Process(_)
            | ProcNode::Sys(0) => ProcNode::Root,
            ProcNode::Sys(_) => ProcNode::Sys(0),
            ProcNode::SysKernel(_) => ProcNode::Sys(1),
            ProcNode::Text(pid, _) | ProcNode::Link(pid, _) | ProcNode::Descriptors(pid, _) => ProcNode::Process(*pid),
            ProcNode::Descriptor(pid, _) => ProcNode::Descriptors(*pid, 0),
            ProcNode::DescriptorInfo(pid, _) => ProcNode::Descriptors(*pid, 1),
            ProcNode::Terminals | ProcNode::Terminal(_) => ProcNode::Terminals,
        }
    }

    /// The root of the mount it is on.
    pub(crate) fn root(&self) -> ProcNode {
        match self {
            ProcNode::Terminals | ProcNode::Terminal(_) => ProcNode::Terminals,
            _ => ProcNode::Root,
        }
    }

    fn kind(&self) -> FileKind {
        match self {
            ProcNode::Root
            | ProcNode::Sys(_)
            | ProcNode::Process(_)
            | ProcNode::Descriptors(..)
            | ProcNode::Terminals => FileKind::Directory,
            ProcNode::Terminal(_) => FileKind::Character,
            ProcNode::SelfLink | ProcNode::MountsLink | ProcNode::Link(..) | ProcNode::Descriptor(..) => {
                FileKind::Symlink
            }
            ProcNode::System(_) | ProcNode::SysKernel(_) | ProcNode::Text(..) | ProcNode::DescriptorInfo(..) => {
                FileKind::Regular
            }
        }
    }

    /// A number of its own: process, kind of file, and place or descriptor.
    fn ino(&self) -> Ino {
        let (pid, tag, number) = match self {
            ProcNode::Root => (0, 0, 1),
            ProcNode::System(at) => (0, 1, u64::from(*at)),
            ProcNode::SelfLink => (0, 2, 0),
            ProcNode::MountsLink => (0, 2, 1),
            ProcNode::Sys(at) => (0, 3, u64::from(*at)),
            ProcNode::SysKernel(at) => (0, 4, u64::from(*at)),
            ProcNode::Process(pid) => (pid.0, 0, 0),
            ProcNode::Text(pid, at) => (pid.0, 1, u64::from(*at)),
            ProcNode::Link(pid, at) => (pid.0, 2, u64::from(*at)),
            ProcNode::Descriptors(pid, at) => (pid.0, 3, u64::from(*at)),
            ProcNode::Descriptor(pid, fd) => (pid.0, 5, u64::from(fd.0)),
            ProcNode::DescriptorInfo(pid, fd) => (pid.0, 6, u64::from(fd.0)),
            ProcNode::Terminals => (0, 0, 1),
            ProcNode::Terminal(id) => (0, 0, u64::from(id.0) + 3),
        };
        Ino(u64::from(pid) << 32 | tag << 24 | number)
    }

    fn pid(&self) -> Option<Pid> {
        match self {
            ProcNode::Process(pid)
            | ProcNode::Text(pid, _)
            | ProcNode::Link(pid, _)
            | ProcNode::Descriptors(pid, _)
            | ProcNode::Descriptor(pid, _)
            | ProcNode::DescriptorInfo(pid, _) => Some(*pid),
            _ => None,
        }
    }
}

impl Kernel {
    /// What `name` in a directory of `/proc` is.
    pub(crate) fn proc_lookup(
        &self,
        caller: Pid,
        directory: &ProcNode,
        name: &[u8],
    ) -> Result<(ProcNode, FileKind), Errno> {
        let number = || {
            std::str::from_utf8(name)
                .ok()
                .filter(|text| !text.starts_with(['+', '0']) || *text == "0")
                .and_then(|text| text.parse::<u32>().ok())
        };
        let node = match directory {
            ProcNode::Root => match name {
                b"self" => Some(ProcNode::SelfLink),
                b"mounts" => Some(ProcNode::MountsLink),
                b"sys" => Some(ProcNode::Sys(0)),
                _ => place(&SYSTEM, name).map(ProcNode::System).or_else(|| {
                    number().map(Pid).filter(|pid| self.processes.contains_key(pid)).map(ProcNode::Process)
                }),
            },
            ProcNode::Sys(0) => (name == SYS[1].as_bytes()).then_some(ProcNode::Sys(1)),
            ProcNode::Sys(_) => place(&SYS_KERNEL[..6], name).map(ProcNode::SysKernel),
            ProcNode::Process(pid) => place(&TEXTS, name)
                .map(|at| ProcNode::Text(*pid, at))
                .or_else(|| place(&LINKS, name).map(|at| ProcNode::Link(*pid, at)))
                .or_else(|| place(&DESCRIPTORS, name).map(|at| ProcNode::Descriptors(*pid, at))),
            ProcNode::Descriptors(pid, at) => number()
                .map(Fd)
                .filter(|fd| self.process(*pid).is_ok_and(|process| process.descriptors.get(*fd).is_ok()))
                .map(|fd| if *at == 0 { ProcNode::Descriptor(*pid, fd) } else { ProcNode::DescriptorInfo(*pid, fd) }),
            ProcNode::Terminals => {
                number().map(TerminalId).filter(|id| self.shows_terminal(*id)).map(ProcNode::Terminal)
            }
            _ => return Err(Errno::ENOTDIR),
        };
        let node = node.ok_or(Errno::ENOENT)?;
        self.may_see(caller, &node)?;
        Ok((node, node.kind()))
    }

    /// What another user's process holds is not shown.
    fn may_see(&self, caller: Pid, node: &ProcNode) -> Result<(), Errno> {
        let private = match node {
            ProcNode::Text(_, at) => matches!(TEXTS[usize::from(*at)], "environ" | "maps" | "io"),
            ProcNode::Descriptor(..) | ProcNode::DescriptorInfo(..) | ProcNode::Link(..) => true,
            _ => false,
        };
        let Some(pid) = node.pid().filter(|pid| private && *pid != caller) else { return Ok(()) };
        let (caller, other) = (self.process(caller)?, self.process(pid)?);
        if caller.credentials.is_root() || caller.credentials.euid == other.credentials.uid {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }

    pub(crate) fn stat_proc(&self, _caller: Pid, mount: MountId, node: &ProcNode) -> Result<Stat, Errno> {
        if let ProcNode::Terminal(id) = node {
            return self.stat_terminal(mount, *id);
        }
        let owner = match node.pid() {
            Some(pid) => {
                let process = self.process(pid).map_err(|_| Errno::ENOENT)?;
                (process.credentials.euid, process.credentials.egid)
            }
            None => (Uid::ROOT, Gid::ROOT),
        };
        let kind = node.kind();
        let mode = match (kind, node) {
            (FileKind::Directory, ProcNode::Descriptors(..)) => 0o500,
            (FileKind::Directory, ProcNode::Terminals) => 0o755,
            (FileKind::Directory, _) => 0o555,
            (FileKind::Symlink, _) => 0o777,
            (_, ProcNode::Text(_, at)) if TEXTS[usize::from(*at)] == "environ" => 0o400,
            _ => 0o444,
        };
        let now = self.now();
        Ok(Stat {
            device: device_of(mount),
            ino: node.ino(),
            kind,
            mode: Mode::new(mode),
            links: if kind == FileKind::Directory { 2 } else { 1 },
            uid: owner.0,
            gid: owner.1,
            rdev: 0,
            size: 0,
            sectors: 0,
            atime: now,
            mtime: now,
            ctime: now,
        })
    }

    /// Where a link leads.
    pub(crate) fn proc_link(&self, caller: Pid, node: &ProcNode) -> Result<ProcLink, Errno> {
        let text = |text: String| Ok(ProcLink { text: text.into_bytes(), node: None });
        match node {
            ProcNode::SelfLink => text(caller.to_string()),
            ProcNode::MountsLink => text("self/mounts".to_owned()),
            ProcNode::Link(pid, at) => {
                let process = self.process(*pid).map_err(|_| Errno::ENOENT)?;
                match LINKS[usize::from(*at)] {
                    "cwd" => {
                        let path = self.path_of(&process.cwd);
                        Ok(ProcLink {
                            text: path.unwrap_or_else(|| b"(deleted)".to_vec()),
                            node: Some(process.cwd.clone()),
                        })
                    }
                    "exe" => Ok(ProcLink { text: process.executable.to_vec(), node: None }),
                    _ => text("/".to_owned()),
                }
            }
            ProcNode::Descriptor(pid, fd) => {
                let open = self
                    .process(*pid)
                    .map_err(|_| Errno::ENOENT)?
                    .descriptors
                    .get(*fd)
                    .map_err(|_| Errno::ENOENT)?
                    .open;
                Ok(ProcLink { text: self.describe_open(open), node: Some(self.node_behind(open)?) })
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// What following a descriptor's link leads to. Only a pipe or a terminal is reached as the open file itself; anything else is
    /// the node, so that links of links of descriptors do not pile up.
    fn node_behind(&self, open: OpenId) -> Result<Node, Errno> {
        Ok(match &self.files.get(open)?.what {
            Opened::File(mount, ino) => Node::Tree(*mount, *ino),
            Opened::Directory(node, _) | Opened::Path(node) | Opened::Device(_, node) => node.clone(),
            Opened::Text(mount, proc, _) => Node::Proc(*mount, *proc),
            Opened::Driver(mount, path, _) => Node::Driver(*mount, path.clone()),
            Opened::PipeReader(_)
            | Opened::PipeWriter(_)
            | Opened::PipeBoth(_)
            | Opened::Terminal(..)
            | Opened::Socket(_) => Node::Open(open),
        })
    }

    /// What an open file is, as `/proc/<pid>/fd/<n>` shows it.
    fn describe_open(&self, open: OpenId) -> Vec<u8> {
        let Ok(file) = self.files.get(open) else { return Vec::new() };
        match &file.what {
            Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => {
                format!("pipe:[{}]", id.0).into_bytes()
            }
            Opened::Terminal(_, End::Master) => b"/dev/ptmx".to_vec(),
            Opened::Terminal(id, End::Slave) => {
                let gone = if self.shows_terminal(*id) { "" } else { " (deleted)" };
                format!("/dev/pts/{}{gone}", id.0).into_bytes()
            }
            Opened::Socket(id) => format!("socket:[{}]", id.0).into_bytes(),
            Opened::File(mount, ino) => self.file_path(*mount, *ino).unwrap_or_else(|| b"/ (deleted)".to_vec()),
            Opened::Directory(node, _) | Opened::Path(node) => {
                self.path_of(node).unwrap_or_else(|| b"/ (deleted)".to_vec())
            }
            Opened::Device(device, _) => {
                let name = super::device::Device::NODES
                    .iter()
                    .find(|(_, rdev, _)| super::device::Device::of(*rdev) == Some(*device))
                    .map_or("?", |(name, ..)| name);
                format!("/dev/{name}").into_bytes()
            }
            Opened::Text(mount, proc, _) => self.path_of(&Node::Proc(*mount, *proc)).unwrap_or_default(),
            Opened::Driver(mount, path, _) => self.path_of(&Node::Driver(*mount, path.clone())).unwrap_or_default(),
        }
    }

    /// A path of a file: found by looking through the tree's directories, for `/proc` and for rules about what is
    /// reached through it.
    pub(crate) fn file_path(&self, mount: MountId, ino: Ino) -> Option<Vec<u8>> {
        let tree = self.mounts.tree(mount)?;
        let (directory, name) = tree.inodes().iter().find_map(|(at, inode)| match &inode.content {
            super::inode::Content::Directory(directory) => {
                directory.entries.iter().find(|(_, child)| **child == ino).map(|(name, _)| (at, name.clone()))
            }
            _ => None,
        })?;
        Some(join(self.path_of(&Node::Tree(mount, directory))?, &name))
    }

    /// The entries of a directory, `.` and `..` first.
    pub(crate) fn proc_list(&self, caller: Pid, directory: &ProcNode) -> Result<Vec<(Name, Ino, FileKind)>, Errno> {
        let mut names: Vec<String> = Vec::new();
        match directory {
            ProcNode::Root => {
                names.extend(self.processes.keys().map(ToString::to_string));
                names.extend(SYSTEM.iter().map(ToString::to_string));
                names.extend(["self", "mounts", "sys"].map(str::to_owned));
            }
            ProcNode::Sys(0) => names.push(SYS[1].to_owned()),
            ProcNode::Sys(_) => names.extend(SYS_KERNEL[..6].iter().map(ToString::to_string)),
            ProcNode::Process(_) => {
                names.extend(TEXTS.iter().chain(&LINKS).chain(&DESCRIPTORS).map(ToString::to_string))
            }
            ProcNode::Descriptors(pid, _) => {
                self.may_see(caller, &ProcNode::Descriptor(*pid, Fd(0)))?;
                let process = self.process(*pid).map_err(|_| Errno::ENOENT)?;
                names.extend(process.descriptors.iter().map(|(fd, _)| fd.to_string()));
            }
            ProcNode::Terminals => names.extend(self.shown_terminals().map(|id| id.0.to_string())),
            _ => return Err(Errno::ENOTDIR),
        }
        let dots = [(".", directory.ino()), ("..", directory.parent().ino())]
            .map(|(name, ino)| (Name::from(name.as_bytes()), ino, FileKind::Directory));
        let entries = names.iter().filter_map(|name| {
            let (node, kind) = self.proc_lookup(caller, directory, name.as_bytes()).ok()?;
            Some((Name::from(name.as_bytes()), node.ino(), kind))
        });
        Ok(dots.into_iter().chain(entries).collect())
    }

    /// The text of a file, now.
    pub(crate) fn proc_text(&self, caller: Pid, node: &ProcNode) -> Result<Vec<u8>, Errno> {
        self.may_see(caller, node)?;
        match node {
            ProcNode::System(at) => Ok(self.system_text(SYSTEM[usize::from(*at)]).into_bytes()),
            ProcNode::SysKernel(at) => {
                let text = match SYS_KERNEL[usize::from(*at)] {
                    "hostname" => self.hostname().to_owned(),
                    "ostype" => SYSTEM_NAME.to_owned(),
                    "osrelease" => RELEASE.to_owned(),
                    "version" => VERSION.to_owned(),
                    "pid_max" => "32768".to_owned(),
                    _ => "(none)".to_owned(),
                };
                Ok(format!("{text}\n").into_bytes())
            }
            ProcNode::Text(pid, at) => {
                let process = self.process(*pid).map_err(|_| Errno::ESRCH)?;
                Ok(self.process_text(process, TEXTS[usize::from(*at)]))
            }
            ProcNode::DescriptorInfo(pid, fd) => {
                let open = self
                    .process(*pid)
                    .map_err(|_| Errno::ENOENT)?
                    .descriptors
                    .get(*fd)
                    .map_err(|_| Errno::ENOENT)?
                    .open;
                let file = self.files.get(open)?;
                let access = if file.read && file.write { 2 } else { u32::from(file.write) };
                let flags = access | if file.append { 0o2000 } else { 0 } | if file.nonblock { 0o4000 } else { 0 };
                Ok(format!("pos:\t{}\nflags:\t0{flags:o}\nmnt_id:\t0\n", file.offset).into_bytes())
            }
            _ => Err(Errno::EISDIR),
        }
    }

    fn system_text(&self, name: &str) -> String {
        let uptime = self.uptime();
        let (total, used) = (self.limits.memory_bytes / 1024, self.memory_used / 1024);
        let running = self.processes.values().filter(|process| !process.is_zombie()).count();
        match name {
            "cpuinfo" => "processor\t: 0\nvendor_id\t: Warren\nmodel name\t: Warren virtual CPU\ncpu MHz\t\t: 1000.000\ncpu cores\t: 1\nbogomips\t: 2000.00\n\n".to_owned(),
            "meminfo" => format!(
                "MemTotal:       {total:>8} kB\nMemFree:        {free:>8} kB\nMemAvailable:   {free:>8} kB\nBuffers:        {zero:>8} kB\nCached:         {cached:>8} kB\nSwapTotal:      {zero:>8} kB\nSwapFree:       {zero:>8} kB\n",
                free = total.saturating_sub(used),
                zero = 0,
                cached = self.root().used().bytes / 1024,
            ),
            "uptime" => format!("{0}.{1:02} {0}.{1:02}\n", uptime.as_secs(), uptime.subsec_millis() / 10),
            "version" => format!("{SYSTEM_NAME} version {RELEASE} (warren) {VERSION}\n"),
            "loadavg" => format!("0.00 0.00 0.00 {running}/{} {}\n", self.processes.len(), self.next_pid - 1),
            "stat" => {
                let cpu: u128 = self.processes.values().map(|process| process.cpu.as_millis() / 10).sum();
                let boot = self.now().seconds() - uptime.as_secs() as i64;
                format!("cpu  {cpu} 0 0 0 0 0 0 0 0 0\ncpu0 {cpu} 0 0 0 0 0 0 0 0 0\nctxt 0\nbtime {boot}\nprocesses {}\nprocs_running {running}\nprocs_blocked 0\n", self.next_pid - 1)
            }
            "locks" => self.locks_text(),
            "filesystems" => "nodev\tproc\nnodev\tdevpts\nnodev\ttmpfs\n\twarrenfs\n".to_owned(),
            "vmstat" => "nr_free_pages 0\n".to_owned(),
            _ => "warren\n".to_owned(),
        }
    }

    fn process_text(&self, process: &Process, name: &str) -> Vec<u8> {
        let joined = |strings: &crate::process::Strings| {
            strings.iter().flat_map(|item| item.iter().copied().chain([0])).collect::<Vec<u8>>()
        };
        match name {
            "cmdline" => return joined(&process.arguments),
            "environ" => return joined(&process.environment),
            "comm" => return [process.name(), b"\n"].concat(),
            _ => {}
        }
        let name_text = String::from_utf8_lossy(process.name()).into_owned();
        let state = match process.state {
            State::Zombie(_) => 'Z',
            State::Stopped(_) => 'T',
            State::Running if self.waiters.is_parked(crate::wait::WaitKey::Process(process.pid)) => 'S',
            State::Running => 'R',
        };
        let (terminal, foreground) = self.terminal_numbers(process.pid);
        let ticks = process.cpu.as_millis() * TICKS / 1000;
        let start = process.started.since(self.booted).as_millis() * TICKS / 1000;
        match name {
            "stat" => format!(
                "{} ({name_text}) {state} {} {} {} {terminal} {foreground} 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {start} {} {} 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                process.pid,
                if process.parent == process.pid { Pid(0) } else { process.parent },
                process.group,
                process.session,
                process.memory,
                process.memory / 4096
            ),
            "statm" => format!("{0} {0} 0 0 0 {0} 0\n", process.memory / 4096),
            "status" => self.status_text(process, &name_text, state),
            "mounts" => self.mounts_text(),
            "mountinfo" => self.mountinfo_text(),
            "limits" => limits_text(process),
            "io" => "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n".to_owned(),
            "oom_score" => "0\n".to_owned(),
            _ => String::new(),
        }
        .into_bytes()
    }

    fn status_text(&self, process: &Process, name: &str, state: char) -> String {
        let credentials = &process.credentials;
        let groups = credentials.groups.iter().map(|gid| format!("{gid} ")).collect::<String>();
        let word = match state {
            'Z' => "zombie",
            'T' => "stopped",
            'R' => "running",
            _ => "sleeping",
        };
        let memory = process.memory / 1024;
        format!(
            "Name:\t{name}\nUmask:\t{:04o}\nState:\t{state} ({word})\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nPPid:\t{}\nTracerPid:\t0\nUid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t{}\nGroups:\t{groups}\nVmPeak:\t{memory} kB\nVmSize:\t{memory} kB\nVmRSS:\t{memory} kB\nThreads:\t1\nSigPnd:\t{:016x}\nSigBlk:\t{:016x}\n",
            process.umask,
            if process.parent == process.pid { Pid(0) } else { process.parent },
            credentials.uid,
            credentials.euid,
            credentials.suid,
            credentials.euid,
            credentials.gid,
            credentials.egid,
            credentials.sgid,
            credentials.egid,
            process.descriptors.len().next_power_of_two().max(64),
            process.signals.pending.0,
            process.signals.blocked.0,
            pid = process.pid,
        )
    }

    fn mounts_text(&self) -> String {
        let mut text = String::new();
        for mount in self.mounts.iter() {
            let options = if mount.read_only { "ro" } else { "rw" };
            let kind = mount.type_name();
            let _ = writeln!(text, "{kind} {} {kind} {options},nosuid 0 0", escaped(&mount.path));
        }
        text
    }

    fn mountinfo_text(&self) -> String {
        let mut text = String::new();
        for mount in self.mounts.iter() {
            let options = if mount.read_only { "ro" } else { "rw" };
            let kind = mount.type_name();
            let id = mount.id.0 + 1;
            let _ = writeln!(
                text,
                "{id} {} 0:{id} / {} {options},nosuid - {kind} {kind} {options}",
                u32::from(id > 1),
                escaped(&mount.path)
            );
        }
        text
    }
}

fn limits_text(process: &Process) -> String {
    const ROWS: [(u32, &str, &str); Resource::COUNT] = [
        (0, "Max cpu time", "seconds"),
        (1, "Max file size", "bytes"),
        (2, "Max data size", "bytes"),
        (3, "Max stack size", "bytes"),
        (4, "Max core file size", "bytes"),
        (5, "Max resident set", "bytes"),
        (6, "Max processes", "processes"),
        (7, "Max open files", "files"),
        (8, "Max locked memory", "bytes"),
        (9, "Max address space", "bytes"),
    ];
    let show = |value: u64| if value == ResourceLimit::INFINITE { "unlimited".to_owned() } else { value.to_string() };
    let mut text = format!("{:<26}{:<21}{:<21}{:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (number, name, unit) in ROWS {
        if let Some(resource) = Resource::new(number) {
            let limit = process.limit(resource);
            let _ = writeln!(text, "{name:<26}{:<21}{:<21}{unit:<10}", show(limit.soft), show(limit.hard));
        }
    }
    text
}

/// A path as /proc/mounts writes it: blanks and backslashes in octal.
fn escaped(path: &[u8]) -> String {
    String::from_utf8_lossy(path)
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
        .replace('\n', "\\012")
}
