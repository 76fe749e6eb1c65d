//! The mount table: which file system covers which directory.

use super::driver::FileSystem;
use super::inodes::ROOT_INO;
use super::memory::Tree;
use super::proc::ProcNode;
use super::{Node, path::normal_path};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::id::{MountId, Uid};
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::vfs::open::At;
use crate::wait::Step;
use std::sync::Arc;

/// Mounts of one session, at most.
pub const MOUNTS_MAX: usize = 256;

/// What is mounted.
pub enum Mounted {
    /// A tree in memory.
    Tree(Tree),
    /// `/proc`.
    Proc,
    /// `/dev/pts`.
    Terminals,
    /// Something outside the kernel.
    Driver(Arc<dyn FileSystem>),
}

/// One mount.
#[derive(Debug)]
pub struct Mount {
    /// Its number; also the device number stat() shows, plus one.
    pub id: MountId,
    /// The directory it covers; the root covers none.
    pub at: Option<Node>,
    /// Where that is, for /proc/mounts.
    pub path: Vec<u8>,
    /// What it is.
    pub what: Mounted,
    /// Nothing in it may be changed.
    pub read_only: bool,
}

/// The mounts of a session; the first is the root.
#[derive(Debug)]
pub struct Mounts {
    list: Vec<Mount>,
}

impl Mounts {
    /// A table with this root.
    pub fn new(root: Tree) -> Mounts {
        Mounts {
            list: vec![Mount {
                id: MountId::ROOT,
                at: None,
                path: b"/".to_vec(),
                what: Mounted::Tree(root),
                read_only: false,
            }],
        }
    }

    /// Every mount, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.list.iter()
    }

    /// The root filesystem.
    pub fn root(&self) -> &Tree {
        match &self.list[0].what {
            Mounted::Tree(tree) => tree,
            Mounted::Proc | Mounted::Terminals | Mounted::Driver(_) => {
                unreachable!("the root is made a tree and never replaced")
            }
        }
    }

    /// Every tree, in the order of the mounts.
    pub(crate) fn trees_mut(&mut self) -> impl Iterator<Item = &mut Tree> {
        self.list.iter_mut().filter_map(|mount| match &mut mount.what {
            Mounted::Tree(tree) => Some(tree),
            Mounted::Proc | Mounted::Terminals | Mounted::Driver(_) => None,
        })
    }

    pub(crate) fn root_mut(&mut self) -> &mut Tree {
        match &mut self.list[0].what {
            Mounted::Tree(tree) => tree,
            Mounted::Proc | Mounted::Terminals | Mounted::Driver(_) => {
                unreachable!("the root is made a tree and never replaced")
            }
        }
    }

    /// A mount.
    pub fn get(&self, id: MountId) -> Option<&Mount> {
        self.list.get(id.0 as usize)
    }

    /// A mount's tree, if it is one.
    pub fn tree(&self, id: MountId) -> Option<&Tree> {
        match &self.get(id)?.what {
            Mounted::Tree(tree) => Some(tree),
            Mounted::Proc | Mounted::Terminals | Mounted::Driver(_) => None,
        }
    }

    pub(crate) fn tree_mut(&mut self, id: MountId) -> Option<&mut Tree> {
        match &mut self.list.get_mut(id.0 as usize)?.what {
            Mounted::Tree(tree) => Some(tree),
            Mounted::Proc | Mounted::Terminals | Mounted::Driver(_) => None,
        }
    }

    /// A mount's driver, if it is one.
    pub fn driver(&self, id: MountId) -> Option<Arc<dyn FileSystem>> {
        match &self.get(id)?.what {
            Mounted::Driver(driver) => Some(driver.clone()),
            Mounted::Tree(_) | Mounted::Proc | Mounted::Terminals => None,
        }
    }

    /// The root of what covers `node`, or `node` itself.
    pub(crate) fn cross(&self, node: Node) -> Node {
        // Sessions have a handful of mounts: looking through them beats hashing every step of every walk.
        match self.list.iter().rev().find(|mount| mount.at.as_ref() == Some(&node)) {
            Some(mount) => mount.root(),
            None => node,
        }
    }

    /// The directory a mount covers, if `node` is a mount's root.
    pub(crate) fn covered_by(&self, node: &Node) -> Option<&Node> {
        let mount = self.get(node.mount()?)?;
        (mount.root() == *node).then_some(mount.at.as_ref()).flatten()
    }

    /// Whether anything is mounted there.
    pub(crate) fn is_mount_point(&self, node: &Node) -> bool {
        self.list.iter().any(|mount| mount.at.as_ref() == Some(node) || mount.root() == *node)
    }
}

impl Mount {
    /// Its root directory.
    pub fn root(&self) -> Node {
        match &self.what {
            Mounted::Tree(_) => Node::Tree(self.id, ROOT_INO),
            Mounted::Proc => Node::Proc(self.id, ProcNode::Root),
            Mounted::Terminals => Node::Proc(self.id, ProcNode::Terminals),
            Mounted::Driver(_) => Node::Driver(self.id, Arc::from(&b""[..])),
        }
    }

    /// The type, as /proc/mounts shows it.
    pub fn type_name(&self) -> &'static str {
        match &self.what {
            Mounted::Tree(_) if self.id == MountId::ROOT => "warrenfs",
            Mounted::Tree(_) => "tmpfs",
            Mounted::Proc => "proc",
            Mounted::Terminals => "devpts",
            Mounted::Driver(driver) => driver.type_name(),
        }
    }
}

impl std::fmt::Debug for Mounted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mounted::Tree(tree) => write!(f, "Tree({} inodes)", tree.inodes().len()),
            Mounted::Proc => f.write_str("Proc"),
            Mounted::Terminals => f.write_str("Terminals"),
            Mounted::Driver(driver) => write!(f, "Driver({})", driver.type_name()),
        }
    }
}

impl Kernel {
    /// Mounts something over the directory at `path`. For whoever drives the session, whom its policy does not bind;
    /// guests cannot mount.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR` for the path; `EBUSY` when something is mounted there; `ENOSPC` at [`MOUNTS_MAX`].
    pub fn mount(&mut self, call: &mut Call, path: &[u8], what: Mounted, read_only: bool) -> Step<MountId> {
        let node = self.walk(call, At::Root, path, true)?.existing()?;
        self.require_directory(call, &node)?;
        if self.mounts.is_mount_point(&node) {
            return Err(Errno::EBUSY.into());
        }
        if self.mounts.list.len() >= MOUNTS_MAX {
            return Err(Errno::ENOSPC.into());
        }
        let id = MountId(self.mounts.list.len() as u32);
        self.hold_node(&node);
        self.mounts.list.push(Mount { id, at: Some(node), path: normal_path(path), what, read_only });
        Ok(id)
    }

    /// Changes whether a mount may be written.
    ///
    /// # Errors
    /// `EPERM` unless root, and for loosening a mount the operator made read-only; `EINVAL` when `path` is no
    /// mount's root.
    pub fn remount(&mut self, call: &mut Call, path: &[u8], read_only: bool) -> Step<()> {
        let node = self.locate(call, At::Cwd, path, true, Domain::Read)?;
        if self.process(call.pid)?.credentials.euid != Uid::ROOT {
            return Err(Errno::EPERM.into());
        }
        let mount = self.mounts.list.iter_mut().find(|mount| mount.root() == node).ok_or(Errno::EINVAL)?;
        if mount.read_only && !read_only {
            return Err(Errno::EPERM.into());
        }
        mount.read_only = read_only;
        Ok(())
    }

    /// The root became another tree: a mount whose directory is not in it covers what is at its path now. It is out of
    /// reach while that is no directory.
    pub(crate) fn cover_again(&mut self) {
        for at in 1..self.mounts.list.len() {
            let mount = &self.mounts.list[at];
            let root = self.mounts.root();
            let Some(Node::Tree(MountId::ROOT, covered)) = mount.at else { continue };
            if root.directory(covered).is_ok() {
                continue;
            }
            let names = mount.path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
            let found = names.into_iter().try_fold(ROOT_INO, |directory, name| root.lookup(directory, name));
            if let Some(ino) = found.ok().filter(|ino| root.directory(*ino).is_ok()) {
                let node = Node::Tree(MountId::ROOT, ino);
                self.hold_node(&node);
                self.mounts.list[at].at = Some(node);
                self.release_node(&Node::Tree(MountId::ROOT, covered));
            }
        }
    }

    /// Refuses changes where a mount is read-only.
    pub(crate) fn require_writable(&self, node: &Node) -> Result<(), Errno> {
        let read_only = match node.mount() {
            Some(mount) => self.mounts.get(mount).is_none_or(|mount| mount.read_only),
            None => false,
        };
        if read_only { Err(Errno::EROFS) } else { Ok(()) }
    }
}
