//! `/proc/<pid>/fd` and `fdinfo`: what a descriptor is open on, and how.

use super::{ProcLink, ProcNode, Whose};
use crate::errno::Errno;
use crate::fd::Descriptor;
use crate::file::{OpenFile, OpenId, Opened};
use crate::id::{Fd, Ino, MountId};
use crate::kernel::Kernel;
use crate::pty::End;
use crate::vfs::Node;
use crate::vfs::device::Device;
use crate::vfs::mount::MOUNTS_MAX;
use crate::vfs::path::join;

/// Linux's bits of open() for x86-64 and fcntl(F_GETFL), as fdinfo shows them.
const O_APPEND: u32 = 0o2000;
const O_NONBLOCK: u32 = 0o4000;
const O_LARGEFILE: u32 = 0o100_000;
const O_DIRECTORY: u32 = 0o200_000;
const O_CLOEXEC: u32 = 0o2_000_000;
const O_PATH: u32 = 0o10_000_000;
/// Where pipes and sockets are: mounts no table lists.
const PIPES_MOUNT: u32 = MOUNTS_MAX as u32 + 1;
const SOCKETS_MOUNT: u32 = MOUNTS_MAX as u32 + 2;
/// Linux's inode of `/dev/pts/ptmx`, which masters are open on.
const PTMX_INO: u64 = 2;

impl Kernel {
    /// What a descriptor of a directory is; gone when it is closed.
    pub(super) fn described(&self, whose: Whose, fd: Fd) -> Result<Descriptor, Errno> {
        self.shown_process(whose.pid)?.descriptors.get(fd).map_err(|_| Errno::ENOENT)
    }

    pub(super) fn descriptor_link(&self, whose: Whose, fd: Fd) -> Result<ProcLink, Errno> {
        let open = self.described(whose, fd)?.open;
        Ok(ProcLink { text: self.describe_open(open), node: Some(self.node_behind(open)?) })
    }

    /// What following a descriptor's link leads to. Only a pipe, socket or terminal is reached as the open file itself;
    /// anything else is the node, so that links of links of descriptors do not pile up.
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
            | Opened::Watch(_)
            | Opened::Socket(_) => Node::Open(open),
        })
    }

    /// What an open file is, as `/proc/<pid>/fd/<n>` shows it.
    fn describe_open(&self, open: OpenId) -> Vec<u8> {
        let Ok(file) = self.files.get(open) else { return Vec::new() };
        let path = |node: &Node| self.path_of(node).unwrap_or_else(|| b"/ (deleted)".to_vec());
        match &file.what {
            Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => match self.fifo(id.0) {
                Some((mount, ino)) => self.shown_file(mount, ino),
                None => format!("pipe:[{}]", id.0).into_bytes(),
            },
            Opened::Terminal(_, End::Master) => b"/dev/ptmx".to_vec(),
            Opened::Terminal(id, End::Slave) => {
                let gone = if self.shows_terminal(*id) { "" } else { " (deleted)" };
                format!("/dev/pts/{}{gone}", id.0).into_bytes()
            }
            Opened::Watch(_) => b"anon_inode:inotify".to_vec(),
            Opened::Socket(socket) => format!("socket:[{}]", socket.0).into_bytes(),
            Opened::File(mount, ino) => self.shown_open(file, *mount, *ino),
            Opened::Path(Node::Tree(mount, ino)) if !self.is_tree_directory(*mount, *ino) => {
                self.shown_open(file, *mount, *ino)
            }
            Opened::Directory(node, _) | Opened::Path(node) => path(node),
            Opened::Device(device, _) => {
                let name = Device::NODES
                    .iter()
                    .find(|(_, rdev, _)| Device::of(*rdev) == Some(*device))
                    .map_or("?", |(name, ..)| name);
                format!("/dev/{name}").into_bytes()
            }
            Opened::Text(mount, proc, _) => path(&Node::Proc(*mount, *proc)),
            Opened::Driver(mount, at, _) => path(&Node::Driver(*mount, at.clone())),
        }
    }

    fn is_tree_directory(&self, mount: MountId, ino: Ino) -> bool {
        self.mounts.tree(mount).is_some_and(|tree| tree.directory(ino).is_ok())
    }

    /// A file by the name it was opened by, if that still is its name; if it has none, by the name it had.
    fn shown_open(&self, file: &OpenFile, mount: MountId, ino: Ino) -> Vec<u8> {
        let Some(place) = &file.place else { return self.shown_file(mount, ino) };
        let Some(tree) = self.mounts.tree(mount) else { return self.shown_file(mount, ino) };
        let by_place = || Some(join(self.path_of(&Node::Tree(mount, place.directory))?, &place.name));
        if tree.inodes().leads_to(place, ino) {
            return by_place().unwrap_or_else(|| self.shown_file(mount, ino));
        }
        match self.file_path(mount, ino) {
            Some(path) => path,
            None => [&by_place().unwrap_or_else(|| b"/".to_vec())[..], b" (deleted)"].concat(),
        }
    }

    fn shown_file(&self, mount: MountId, ino: Ino) -> Vec<u8> {
        self.file_path(mount, ino).unwrap_or_else(|| b"/ (deleted)".to_vec())
    }

    /// The FIFO this pipe belongs to.
    fn fifo(&self, pipe: u64) -> Option<(MountId, Ino)> {
        self.fifos.iter().find(|(_, id)| id.0 == pipe).map(|(at, _)| *at)
    }

    /// A path of a file, for `/proc` and for rules about what is reached through it; `None` when it has no name.
    pub(crate) fn file_path(&self, mount: MountId, ino: Ino) -> Option<Vec<u8>> {
        let place = self.mounts.tree(mount)?.inodes().any_place_of(ino)?;
        Some(join(self.path_of(&Node::Tree(mount, place.directory))?, &place.name))
    }

    /// `/proc/<pid>/fdinfo/<n>`.
    pub(super) fn descriptor_info(&self, whose: Whose, fd: Fd) -> Result<Vec<u8>, Errno> {
        let descriptor = self.described(whose, fd)?;
        let file = self.files.get(descriptor.open)?;
        let (mount, ino) = self.mount_and_ino(file);
        let flags = status_flags(file, self.is_fifo(file)) | if descriptor.close_on_exec { O_CLOEXEC } else { 0 };
        Ok(format!("pos:\t{}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{ino}\n", file.offset).into_bytes())
    }

    fn is_fifo(&self, file: &OpenFile) -> bool {
        match &file.what {
            Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => self.fifo(id.0).is_some(),
            _ => false,
        }
    }

    /// The number mountinfo gives the mount of an open file, and its inode; that of a driver's file is the driver's to
    /// know and shown as 0.
    fn mount_and_ino(&self, file: &OpenFile) -> (u32, u64) {
        let place = |mount: MountId, ino: Ino| (mount.0 + 1, ino.0);
        let of = |node: &Node| match node {
            Node::Tree(mount, ino) => place(*mount, *ino),
            Node::Proc(mount, proc) => place(*mount, proc.ino()),
            Node::Driver(mount, _) => place(*mount, Ino(0)),
            Node::Open(_) => (PIPES_MOUNT, 0),
        };
        match &file.what {
            Opened::File(mount, ino) => place(*mount, *ino),
            Opened::Directory(node, _) | Opened::Path(node) | Opened::Device(_, node) => of(node),
            Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => match self.fifo(id.0) {
                Some((mount, ino)) => place(mount, ino),
                None => (PIPES_MOUNT, id.0),
            },
            Opened::Terminal(id, end) => {
                let terminals = self.mounts.iter().find(|mount| mount.type_name() == "devpts");
                let ino = if *end == End::Master { Ino(PTMX_INO) } else { ProcNode::Terminal(*id).ino() };
                place(terminals.map_or(MountId::ROOT, |mount| mount.id), ino)
            }
            Opened::Text(mount, proc, _) => place(*mount, proc.ino()),
            Opened::Driver(mount, ..) => place(*mount, Ino(0)),
            Opened::Socket(socket) => (SOCKETS_MOUNT, socket.0),
            Opened::Watch(queue) => (PIPES_MOUNT, queue.0),
        }
    }
}

/// What F_GETFL would answer; only pipes and sockets were not made by open(), which adds O_LARGEFILE.
fn status_flags(file: &OpenFile, is_fifo: bool) -> u32 {
    let access = if file.read && file.write { 2 } else { u32::from(file.write) };
    let status = if file.append { O_APPEND } else { 0 } | if file.nonblock { O_NONBLOCK } else { 0 };
    let kind = match &file.what {
        Opened::Path(_) => return O_PATH,
        Opened::Directory(..) => O_LARGEFILE | O_DIRECTORY,
        Opened::Socket(_) | Opened::Watch(_) => 0,
        Opened::PipeReader(_) | Opened::PipeWriter(_) | Opened::PipeBoth(_) if !is_fifo => 0,
        _ => O_LARGEFILE,
    };
    access | status | kind
}
