//! `/proc`: what programs read about the system and its processes, computed when it is read.
//!
//! ```text
//! /proc ─┬─ meminfo, stat, sys/… ─▶ system      one table of paths
//!        ├─ net ─▶ self/net ──────▶ net         one table of names
//!        └─ <pid> ─┬─ stat, maps … ▶ process    one table of names; memory has what is about memory
//!                  ├─ fd, fdinfo ──▶ descriptors
//!                  └─ task/<pid> ──▶ the same once more, for the one thread there is
//! ```
//! The nodes of `/dev/pts` are here too, as what else is computed; [`crate::pty::device`] knows what they are.
//!
//! Every fact is the session's own; where Linux would show the machine, the answer is virtual and fixed. A file's
//! text is made once, when it is opened. Nothing here can be written.
//!
//! # Standard
//! Linux 6.1's proc(5), in its spelling. What another user's process holds is hidden as ptrace_may_access() hides it:
//! `environ`, `maps`, `fd` and what the links of a process lead to are `EACCES`.

mod descriptors;
mod memory;
mod net;
mod process;
mod system;

use super::path::device_of;
use super::{FileKind, Mode, Name, Node, Stat};
use crate::errno::Errno;
use crate::id::{Fd, Gid, Ino, MountId, Pid, Uid};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::pty::TerminalId;
use process::Shape;
use system::Fixed;

/// What uname() and /proc call the system.
pub const SYSTEM_NAME: &str = "Linux";
/// The kernel interface's release: the Linux whose behaviour is followed.
pub const RELEASE: &str = "6.1.0-warren";
/// The kernel's version line.
pub const VERSION: &str = "#1 SMP Warren";
/// What uname() calls the processor.
pub const MACHINE: &str = "wasm32";
/// Clock ticks of a second in /proc (Linux's USER_HZ).
const TICKS: u128 = 100;
/// Bytes of a page in /proc.
const PAGE: u64 = 4096;
/// Bytes stat() tells of a descriptor's link, as on Linux.
const DESCRIPTOR_LINK_BYTES: u64 = 64;

/// Whose directory: a process's own, or the one of its only thread below `task`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The process, and the number of its thread.
    pub pid: Pid,
    /// Below `task`.
    pub task: bool,
}

/// A file of `/proc`, or of `/dev/pts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcNode {
    /// `/proc`.
    Root,
    /// What is about no process, by its place in the table.
    System(u8),
    /// `/proc/<pid>`.
    Process(Whose),
    /// `/proc/<pid>/<name>`, by its place in the table.
    Entry(Whose, u8),
    /// `/proc/<pid>/net/<name>`, by its place in the table.
    Net(Whose, u8),
    /// `/proc/<pid>/fd/<n>`.
    Descriptor(Whose, Fd),
    /// `/proc/<pid>/fdinfo/<n>`.
    DescriptorInfo(Whose, Fd),
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

impl Whose {
    const fn process(pid: Pid) -> Whose {
        Whose { pid, task: false }
    }

    fn path(self) -> String {
        if self.task { format!("{0}/task/{0}", self.pid) } else { self.pid.to_string() }
    }
}

impl ProcNode {
    /// The path below `/proc`.
    pub(crate) fn path(&self) -> Vec<u8> {
        match self {
            ProcNode::Root | ProcNode::Terminals => String::new(),
            ProcNode::System(at) => system::file(*at).0.to_owned(),
            ProcNode::Process(whose) => whose.path(),
            ProcNode::Entry(whose, at) => format!("{}/{}", whose.path(), process::entry(*at).name),
            ProcNode::Net(whose, at) => format!("{}/net/{}", whose.path(), net::FILES[usize::from(*at)].0),
            ProcNode::Descriptor(whose, fd) => format!("{}/fd/{fd}", whose.path()),
            ProcNode::DescriptorInfo(whose, fd) => format!("{}/fdinfo/{fd}", whose.path()),
            ProcNode::Terminal(id) => id.0.to_string(),
        }
        .into_bytes()
    }

    /// The directory it is in.
    pub(crate) fn parent(&self) -> ProcNode {
        match self {
            ProcNode::System(at) => system::parent(*at).map_or(ProcNode::Root, ProcNode::System),
            ProcNode::Process(whose) if whose.task => {
                ProcNode::Entry(Whose::process(whose.pid), process::place_of(Shape::Tasks))
            }
            ProcNode::Root | ProcNode::Process(_) => ProcNode::Root,
            ProcNode::Entry(whose, _) => ProcNode::Process(*whose),
            ProcNode::Net(whose, _) => ProcNode::Entry(*whose, process::place_of(Shape::Net)),
            ProcNode::Descriptor(whose, _) => ProcNode::Entry(*whose, process::place_of(Shape::Descriptors)),
            ProcNode::DescriptorInfo(whose, _) => ProcNode::Entry(*whose, process::place_of(Shape::DescriptorInfos)),
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
            ProcNode::Root | ProcNode::Process(_) | ProcNode::Terminals => FileKind::Directory,
            ProcNode::System(at) => match system::file(*at).1 {
                Fixed::Directory => FileKind::Directory,
                Fixed::Link(_) => FileKind::Symlink,
                Fixed::Text(_) => FileKind::Regular,
            },
            ProcNode::Entry(_, at) => match process::entry(*at).shape {
                Shape::Text(_) => FileKind::Regular,
                Shape::Cwd | Shape::Exe | Shape::Root => FileKind::Symlink,
                Shape::Descriptors | Shape::DescriptorInfos | Shape::Net | Shape::Tasks => FileKind::Directory,
            },
            ProcNode::Net(..) | ProcNode::DescriptorInfo(..) => FileKind::Regular,
            ProcNode::Descriptor(..) => FileKind::Symlink,
            ProcNode::Terminal(_) => FileKind::Character,
        }
    }

    /// A number of its own: process, kind of file, and place or descriptor (below 2^20).
    fn ino(&self) -> Ino {
        let of = |whose: &Whose, tag: u64, number: u64| {
            u64::from(whose.pid.0) << 32 | u64::from(whose.task) << 31 | tag << 24 | number
        };
        Ino(match self {
            ProcNode::Root | ProcNode::Terminals => 1,
            ProcNode::Terminal(id) => u64::from(id.0) + 3,
            ProcNode::System(at) => 1 << 24 | u64::from(*at),
            ProcNode::Process(whose) => of(whose, 0, 0),
            ProcNode::Entry(whose, at) => of(whose, 1, u64::from(*at)),
            ProcNode::Net(whose, at) => of(whose, 2, u64::from(*at)),
            ProcNode::Descriptor(whose, fd) => of(whose, 3, u64::from(fd.0)),
            ProcNode::DescriptorInfo(whose, fd) => of(whose, 4, u64::from(fd.0)),
        })
    }

    fn pid(&self) -> Option<Pid> {
        match self {
            ProcNode::Process(whose)
            | ProcNode::Entry(whose, _)
            | ProcNode::Net(whose, _)
            | ProcNode::Descriptor(whose, _)
            | ProcNode::DescriptorInfo(whose, _) => Some(whose.pid),
            ProcNode::Root | ProcNode::System(_) | ProcNode::Terminals | ProcNode::Terminal(_) => None,
        }
    }

    /// What is shown of it only to those who may trace the process.
    fn is_secret(&self) -> bool {
        match self {
            ProcNode::Entry(_, at) => {
                let entry = process::entry(*at);
                entry.secret || matches!(entry.shape, Shape::Cwd | Shape::Exe | Shape::Root)
            }
            ProcNode::Descriptor(..) | ProcNode::DescriptorInfo(..) => true,
            _ => false,
        }
    }
}

/// A number as /proc spells it: decimal, without sign or leading zeros.
fn number(name: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(name).ok()?;
    if text.starts_with('+') || (text.starts_with('0') && text != "0") {
        return None;
    }
    text.parse().ok()
}

impl Kernel {
    /// What `name` in a directory of `/proc` is.
    pub(crate) fn proc_lookup(
        &self,
        _caller: Pid,
        directory: &ProcNode,
        name: &[u8],
    ) -> Result<(ProcNode, FileKind), Errno> {
        let node = match directory {
            ProcNode::Root => system::place("", name).map(ProcNode::System).or_else(|| {
                let pid = number(name).map(Pid).filter(|pid| self.processes.contains_key(pid))?;
                Some(ProcNode::Process(Whose::process(pid)))
            }),
            ProcNode::System(at) if directory.kind() == FileKind::Directory => {
                system::place(system::file(*at).0, name).map(ProcNode::System)
            }
            ProcNode::Process(whose) => {
                self.process(whose.pid).map_err(|_| Errno::ENOENT)?;
                process::place(*whose, name).map(|at| ProcNode::Entry(*whose, at))
            }
            ProcNode::Entry(whose, at) => {
                let process = self.process(whose.pid).map_err(|_| Errno::ENOENT)?;
                let open = || number(name).map(Fd).filter(|fd| process.descriptors.get(*fd).is_ok());
                match process::entry(*at).shape {
                    Shape::Descriptors => open().map(|fd| ProcNode::Descriptor(*whose, fd)),
                    Shape::DescriptorInfos => open().map(|fd| ProcNode::DescriptorInfo(*whose, fd)),
                    Shape::Net => net::place(name).map(|at| ProcNode::Net(*whose, at)),
                    Shape::Tasks => (number(name) == Some(whose.pid.0))
                        .then_some(ProcNode::Process(Whose { pid: whose.pid, task: true })),
                    Shape::Text(_) | Shape::Cwd | Shape::Exe | Shape::Root => return Err(Errno::ENOTDIR),
                }
            }
            ProcNode::Terminals => {
                number(name).map(TerminalId).filter(|id| self.shows_terminal(*id)).map(ProcNode::Terminal)
            }
            _ => return Err(Errno::ENOTDIR),
        };
        let node = node.ok_or(Errno::ENOENT)?;
        Ok((node, node.kind()))
    }

    /// Whether the caller may see what a process holds: it is its own, of the same user and group throughout, or
    /// anyone's to root.
    ///
    /// # Standard
    /// Linux's ptrace_may_access() with the effective user, PTRACE_MODE_READ.
    fn may_trace(&self, caller: Pid, pid: Pid) -> bool {
        let (Ok(who), Ok(other)) = (self.process(caller), self.process(pid)) else { return false };
        let (who, other) = (&who.credentials, &other.credentials);
        let same_user = [other.uid, other.euid, other.suid].iter().all(|uid| *uid == who.euid);
        let same_group = [other.gid, other.egid, other.sgid].iter().all(|gid| *gid == who.egid);
        caller == pid || who.is_root() || (same_user && same_group)
    }

    fn may_see(&self, caller: Pid, node: &ProcNode) -> Result<(), Errno> {
        match node.pid() {
            Some(pid) if node.is_secret() && !self.may_trace(caller, pid) => Err(Errno::EACCES),
            _ => Ok(()),
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
        let is_descriptor = matches!(node, ProcNode::Descriptor(..));
        let now = self.now();
        Ok(Stat {
            device: device_of(mount),
            ino: node.ino(),
            kind,
            mode: Mode::new(self.proc_mode(node)?),
            links: if kind == FileKind::Directory { 2 } else { 1 },
            uid: owner.0,
            gid: owner.1,
            rdev: 0,
            size: if is_descriptor { DESCRIPTOR_LINK_BYTES } else { 0 },
            sectors: 0,
            atime: now,
            mtime: now,
            ctime: now,
        })
    }

    fn proc_mode(&self, node: &ProcNode) -> Result<u32, Errno> {
        Ok(match node {
            ProcNode::Terminals => 0o755,
            ProcNode::Entry(_, at) => process::entry(*at).mode,
            // Readable and writable as the descriptor is.
            ProcNode::Descriptor(whose, fd) => {
                let file = self.files.get(self.described(*whose, *fd)?.open)?;
                0o100 | if file.read { 0o400 } else { 0 } | if file.write { 0o200 } else { 0 }
            }
            _ => match node.kind() {
                FileKind::Directory => 0o555,
                FileKind::Symlink => 0o777,
                _ => 0o444,
            },
        })
    }

    /// Where a link leads.
    pub(crate) fn proc_link(&self, caller: Pid, node: &ProcNode) -> Result<ProcLink, Errno> {
        self.may_see(caller, node)?;
        match node {
            ProcNode::System(at) => match system::file(*at).1 {
                Fixed::Link(target) => Ok(ProcLink { text: target(caller).into_bytes(), node: None }),
                Fixed::Directory | Fixed::Text(_) => Err(Errno::EINVAL),
            },
            ProcNode::Entry(whose, at) => self.process_link(self.shown_process(whose.pid)?, process::entry(*at).shape),
            ProcNode::Descriptor(whose, fd) => self.descriptor_link(*whose, *fd),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The process a file of `/proc` is about; the file is gone when it is.
    fn shown_process(&self, pid: Pid) -> Result<&Process, Errno> {
        self.process(pid).map_err(|_| Errno::ENOENT)
    }

    /// The entries of a directory, `.` and `..` first. As many as there are processes, descriptors or terminals at
    /// most, beside the fixed ones.
    pub(crate) fn proc_list(&self, caller: Pid, directory: &ProcNode) -> Result<Vec<(Name, Ino, FileKind)>, Errno> {
        let nodes: Vec<ProcNode> = match directory {
            ProcNode::Root => {
                let processes = self.processes.keys().map(|pid| ProcNode::Process(Whose::process(*pid)));
                system::below(None).map(ProcNode::System).chain(processes).collect()
            }
            ProcNode::System(at) => system::below(Some(*at)).map(ProcNode::System).collect(),
            ProcNode::Process(whose) => process::names(*whose).map(|at| ProcNode::Entry(*whose, at)).collect(),
            ProcNode::Entry(whose, at) => self.list_entry(caller, *whose, process::entry(*at).shape)?,
            ProcNode::Terminals => self.shown_terminals().map(ProcNode::Terminal).collect(),
            _ => return Err(Errno::ENOTDIR),
        };
        let dots = [(".", directory.ino()), ("..", directory.parent().ino())]
            .map(|(name, ino)| (Name::from(name.as_bytes()), ino, FileKind::Directory));
        let entries = nodes.iter().map(|node| {
            let path = node.path();
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            (Name::from(name), node.ino(), node.kind())
        });
        Ok(dots.into_iter().chain(entries).collect())
    }

    fn list_entry(&self, caller: Pid, whose: Whose, shape: Shape) -> Result<Vec<ProcNode>, Errno> {
        let process = self.shown_process(whose.pid)?;
        let descriptors = || {
            if self.may_trace(caller, whose.pid) {
                Ok(process.descriptors.iter().map(|(fd, _)| fd))
            } else {
                Err(Errno::EACCES)
            }
        };
        Ok(match shape {
            Shape::Descriptors => descriptors()?.map(|fd| ProcNode::Descriptor(whose, fd)).collect(),
            Shape::DescriptorInfos => descriptors()?.map(|fd| ProcNode::DescriptorInfo(whose, fd)).collect(),
            Shape::Net => (0..net::FILES.len()).map(|at| ProcNode::Net(whose, at as u8)).collect(),
            Shape::Tasks => vec![ProcNode::Process(Whose { pid: whose.pid, task: true })],
            Shape::Text(_) | Shape::Cwd | Shape::Exe | Shape::Root => return Err(Errno::ENOTDIR),
        })
    }

    /// The text of a file, now.
    pub(crate) fn proc_text(&self, caller: Pid, node: &ProcNode) -> Result<Vec<u8>, Errno> {
        self.may_see(caller, node)?;
        let entry = match node {
            ProcNode::System(at) => match system::file(*at).1 {
                Fixed::Text(text) => return Ok(text(self, caller).into_bytes()),
                Fixed::Directory | Fixed::Link(_) => return Err(Errno::EISDIR),
            },
            ProcNode::Entry(whose, at) => (whose, process::entry(*at).shape),
            ProcNode::Net(whose, at) => {
                self.process(whose.pid).map_err(|_| Errno::ESRCH)?;
                return Ok(net::FILES[usize::from(*at)].1(self));
            }
            ProcNode::DescriptorInfo(whose, fd) => return self.descriptor_info(*whose, *fd),
            _ => return Err(Errno::EISDIR),
        };
        let (whose, Shape::Text(text)) = entry else { return Err(Errno::EISDIR) };
        Ok(text(self, self.process(whose.pid).map_err(|_| Errno::ESRCH)?, caller))
    }
}
