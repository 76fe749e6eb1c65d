//! Walking a path: from a directory, one name at a time, through links and mounts, to a node.
//!
//! The walk is the same for every file system. Trees answer at once; a driver is asked for each name, and the walk
//! is made again with its answers. Symbolic links are always followed here, never by a driver, so an absolute link
//! in a mounted directory leads into the session and nowhere else.

use super::driver::{FsAnswer, FsRequest};
use super::inode::Content;
use super::inodes::ROOT_INO;
use super::open::At;
use super::proc::ProcLink;
use super::{FileKind, NAME_MAX, Name, Node, PATH_MAX, SYMLINKS_MAX, Stat};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::Opened;
use crate::id::{Fd, MountId};
use crate::kernel::Kernel;
use crate::policy::{Domain, Effect};
use crate::user::Access;
use crate::wait::Step;
use std::sync::Arc;

/// Where a walk ended.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The directory and the name in it, unless the path ended in `/`, `.`, `..` or a descriptor's link.
    pub parent: Option<(Node, Name)>,
    /// What is there; `None` if only the directory is.
    pub node: Option<Node>,
    /// The path ended in `/`: it names a directory or nothing.
    pub must_be_directory: bool,
}

impl Found {
    /// Directory and name, for calls that make, remove or move a name.
    pub(crate) fn place(&self) -> Result<&(Node, Name), Errno> {
        self.parent.as_ref().ok_or(Errno::EBUSY)
    }

    /// What is there.
    pub(crate) fn existing(self) -> Result<Node, Errno> {
        self.node.ok_or(Errno::ENOENT)
    }
}

/// Cleans a path of empty names and `.`, for showing; it is not resolved.
pub(crate) fn normal_path(path: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        clean.push(b'/');
        clean.extend_from_slice(part);
    }
    if clean.is_empty() {
        clean.push(b'/');
    }
    clean
}

impl Kernel {
    /// The node at a path, which must exist and be permitted in `domain`.
    pub(crate) fn locate(&mut self, call: &mut Call, at: At, path: &[u8], follow: bool, domain: Domain) -> Step<Node> {
        let found = self.walk(call, at, path, follow)?;
        self.permit_found(call, domain, &found)?;
        Ok(found.existing()?)
    }

    /// The place at a path: its directory exists, the name may not. Without `follow`, a symbolic link at the end is
    /// the answer, unless a `/` behind it asks for the directory it leads to.
    pub(crate) fn walk(&self, call: &mut Call, at: At, path: &[u8], follow: bool) -> Step<Found> {
        self.walk_to(call, at, path, if follow { Last::Follow } else { Last::Show })
    }

    /// The place of a name that is to be made, moved or removed: a link at the end is never followed, not even before
    /// a `/` (Linux's way; POSIX would have rmdir("link/") remove what the link leads to).
    pub(crate) fn walk_name(&self, call: &mut Call, at: At, path: &[u8]) -> Step<Found> {
        self.walk_to(call, at, path, Last::Name)
    }

    fn walk_to(&self, call: &mut Call, at: At, path: &[u8], last: Last) -> Step<Found> {
        if path.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if path.len() > PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if path.contains(&0) {
            return Err(Errno::EINVAL.into());
        }
        let start = if path[0] == b'/' { self.root_node() } else { self.base(call, at)? };
        Walk { kernel: self, at: start, parent: None, rest: Vec::new(), links: 0, must_be_directory: false, last }
            .run(call, path)
    }

    /// Asks the policy about a place by its real path.
    pub(crate) fn permit_found(&mut self, call: &Call, domain: Domain, found: &Found) -> Result<(), Errno> {
        if self.policy.is_uniform(domain) == Some(Effect::Allow) {
            return Ok(());
        }
        let path = match (&found.parent, &found.node) {
            (Some((directory, name)), _) => self.path_of(directory).map(|path| join(path, name)),
            (None, Some(node)) => self.real_path(node),
            (None, None) => None,
        };
        match path {
            Some(path) => self.permit(call, domain, &path),
            // A pipe or an unlinked file reached through a descriptor: whoever opened it was permitted.
            None => Ok(()),
        }
    }

    /// Asks the policy whether what a descriptor refers to may be changed by other means than writing to it.
    pub(crate) fn permit_change(&mut self, call: &Call, fd: Fd) -> Result<(), Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        if self.files.get(open)?.write {
            return Ok(()); // It was asked when it was opened.
        }
        let Ok(node) = self.node_of(call, fd) else { return Ok(()) };
        self.permit_found(call, Domain::Write, &Found { parent: None, node: Some(node), must_be_directory: false })
    }

    /// A path of a node of any kind.
    fn real_path(&self, node: &Node) -> Option<Vec<u8>> {
        match node {
            Node::Tree(mount, ino) if self.mounts.tree(*mount)?.directory(*ino).is_err() => {
                self.file_path(*mount, *ino)
            }
            _ => self.path_of(node),
        }
    }

    /// The root directory.
    pub(crate) fn root_node(&self) -> Node {
        Node::Tree(MountId::ROOT, ROOT_INO)
    }

    fn base(&self, call: &Call, at: At) -> Result<Node, Errno> {
        match at {
            At::Root => Ok(self.root_node()),
            At::Cwd => Ok(self.process(call.pid)?.cwd.clone()),
            At::Fd(fd) => {
                let open = self.process(call.pid)?.descriptors.get(fd)?.open;
                match &self.files.get(open)?.what {
                    Opened::Directory(node, _) | Opened::Path(node) => Ok(node.clone()),
                    _ => Err(Errno::ENOTDIR),
                }
            }
        }
    }

    /// The path of a directory or a `/proc` or driver node, as getcwd() gives it; `None` when it has none.
    pub fn path_of(&self, node: &Node) -> Option<Vec<u8>> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut at = node.clone();
        loop {
            if let Some(covered) = self.mounts.covered_by(&at) {
                at = covered.clone();
                continue;
            }
            match &at {
                Node::Tree(mount, ino) => {
                    let tree = self.mounts.tree(*mount)?;
                    let directory = tree.directory(*ino).ok()?;
                    if directory.parent == *ino {
                        break;
                    }
                    let place = tree.inodes().any_place_of(*ino)?;
                    parts.push(place.name.to_vec());
                    at = Node::Tree(*mount, place.directory);
                }
                Node::Proc(mount, proc) => {
                    parts.push(proc.path());
                    at = Node::Proc(*mount, proc.root());
                }
                Node::Driver(mount, path) => {
                    parts.push(path.to_vec());
                    at = Node::Driver(*mount, Arc::from(&b""[..]));
                }
                Node::Open(_) => return None,
            }
        }
        let mut path = Vec::new();
        for part in parts.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(part);
        }
        Some(if path.is_empty() { b"/".to_vec() } else { path })
    }

    /// Attributes of a node.
    pub(crate) fn stat_node(&self, call: &mut Call, node: &Node) -> Step<Stat> {
        match node {
            Node::Tree(mount, ino) => {
                let tree = self.mounts.tree(*mount).ok_or(Errno::EIO)?;
                Ok(tree.inode(*ino)?.stat(device_of(*mount), *ino))
            }
            Node::Proc(mount, proc) => Ok(self.stat_proc(call.pid, *mount, proc)?),
            Node::Driver(mount, path) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                match call.ask(&driver, FsRequest::Stat(path.clone()))? {
                    FsAnswer::Stat(stat) => Ok(stat.stat(device_of(*mount))),
                    _ => Err(Errno::EIO.into()),
                }
            }
            Node::Open(open) => self.stat_open(call, *open),
        }
    }

    /// Fails unless `node` is a directory.
    pub(crate) fn require_directory(&self, call: &mut Call, node: &Node) -> Step<()> {
        if self.stat_node(call, node)?.kind == FileKind::Directory { Ok(()) } else { Err(Errno::ENOTDIR.into()) }
    }

    /// Fails unless the caller may use `node` so.
    pub(crate) fn check_access(&self, call: &mut Call, node: &Node, want: Access) -> Step<()> {
        let credentials = &self.process(call.pid)?.credentials;
        // The common case by far, without making a Stat.
        if let Node::Tree(mount, ino) = node {
            let inode = self.mounts.tree(*mount).ok_or(Errno::EIO)?.inode(*ino)?;
            return Ok(credentials.check(inode.kind(), inode.mode, inode.uid, inode.gid, want)?);
        }
        let stat = self.stat_node(call, node)?;
        Ok(credentials.check(stat.kind, stat.mode, stat.uid, stat.gid, want)?)
    }

    /// What `name` in `directory` is, before mounts.
    fn child(&self, call: &mut Call, directory: &Node, name: &[u8]) -> Step<(Node, FileKind)> {
        match directory {
            Node::Tree(mount, ino) => {
                let tree = self.mounts.tree(*mount).ok_or(Errno::EIO)?;
                let child = tree.lookup(*ino, name)?;
                Ok((Node::Tree(*mount, child), tree.inode(child)?.kind()))
            }
            Node::Proc(mount, proc) => {
                let (node, kind) = self.proc_lookup(call.pid, proc, name)?;
                Ok((Node::Proc(*mount, node), kind))
            }
            Node::Driver(mount, path) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                let child = driver_join(path, name);
                match call.ask(&driver, FsRequest::Stat(child.clone()))? {
                    FsAnswer::Stat(stat) => Ok((Node::Driver(*mount, child), stat.kind)),
                    _ => Err(Errno::EIO.into()),
                }
            }
            Node::Open(_) => Err(Errno::ENOTDIR.into()),
        }
    }

    /// The directory that holds `node`, across mounts; the root's is itself.
    fn parent(&self, node: &Node) -> Result<Node, Errno> {
        let node = self.mounts.covered_by(node).unwrap_or(node);
        match node {
            Node::Tree(mount, ino) => {
                Ok(Node::Tree(*mount, self.mounts.tree(*mount).ok_or(Errno::EIO)?.directory(*ino)?.parent))
            }
            Node::Proc(mount, proc) => Ok(Node::Proc(*mount, proc.parent())),
            Node::Driver(mount, path) => {
                let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                Ok(Node::Driver(*mount, path[..end].into()))
            }
            Node::Open(_) => Err(Errno::ENOTDIR),
        }
    }

    /// The target of a symbolic link.
    pub(crate) fn link_target(&self, call: &mut Call, node: &Node) -> Step<Arc<[u8]>> {
        match node {
            Node::Tree(mount, ino) => match &self.mounts.tree(*mount).ok_or(Errno::EIO)?.inode(*ino)?.content {
                Content::Symlink(target) => Ok(target.clone()),
                _ => Err(Errno::EINVAL.into()),
            },
            Node::Proc(_, proc) => Ok(self.proc_link(call.pid, proc)?.text.into()),
            Node::Driver(mount, path) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                match call.ask(&driver, FsRequest::ReadLink(path.clone()))? {
                    FsAnswer::Target(target) => Ok(target),
                    _ => Err(Errno::EIO.into()),
                }
            }
            Node::Open(_) => Err(Errno::EINVAL.into()),
        }
    }
}

/// The device number stat() shows for a mount.
pub(crate) const fn device_of(mount: MountId) -> u64 {
    mount.0 as u64 + 1
}

/// `path/name` of the session.
pub(crate) fn join(mut path: Vec<u8>, name: &[u8]) -> Vec<u8> {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// `path/name` inside a driver.
pub(crate) fn driver_join(path: &[u8], name: &[u8]) -> Arc<[u8]> {
    let mut joined = Vec::with_capacity(path.len() + 1 + name.len());
    joined.extend_from_slice(path);
    if !path.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    joined.into()
}

/// One walk in progress.
struct Walk<'a> {
    kernel: &'a Kernel,
    at: Node,
    parent: Option<(Node, Name)>,
    /// Names still to walk, the next one last.
    rest: Vec<Name>,
    links: usize,
    must_be_directory: bool,
    last: Last,
}

/// What happens to a symbolic link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// It is followed.
    Follow,
    /// It is the answer, unless a `/` is behind it.
    Show,
    /// It is the answer in any case.
    Name,
}

impl Walk<'_> {
    fn run(mut self, call: &mut Call, path: &[u8]) -> Step<Found> {
        self.must_be_directory = path.ends_with(b"/");
        self.push(path)?;
        while let Some(name) = self.rest.pop() {
            match &*name {
                b"." => {
                    self.search(call)?;
                    self.parent = None;
                }
                b".." => {
                    self.search(call)?;
                    self.at = self.kernel.mounts.cross(self.kernel.parent(&self.at)?);
                    self.parent = None;
                }
                _ => {
                    if let Some(found) = self.step(call, name)? {
                        return Ok(found);
                    }
                }
            }
        }
        if self.must_be_directory && self.last != Last::Name {
            self.kernel.require_directory(call, &self.at)?;
        }
        Ok(Found { parent: self.parent, node: Some(self.at), must_be_directory: self.must_be_directory })
    }

    /// Walks one name; answers when the last one is missing.
    fn step(&mut self, call: &mut Call, name: Name) -> Step<Option<Found>> {
        self.search(call)?;
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let is_last = self.rest.is_empty();
        let (node, kind) = match self.kernel.child(call, &self.at, &name) {
            Ok(child) => child,
            Err(crate::wait::Halt::Fail(Errno::ENOENT)) if is_last => {
                let parent = Some((self.at.clone(), name));
                return Ok(Some(Found { parent, node: None, must_be_directory: self.must_be_directory }));
            }
            Err(halt) => return Err(halt),
        };
        let leads_on = match self.last {
            Last::Follow => true,
            Last::Show => !is_last || self.must_be_directory,
            Last::Name => !is_last,
        };
        if kind == FileKind::Symlink && leads_on {
            self.links += 1;
            if self.links > SYMLINKS_MAX {
                return Err(Errno::ELOOP.into());
            }
            return self.follow(call, &node).map(|()| None);
        }
        let directory = std::mem::replace(&mut self.at, self.kernel.mounts.cross(node));
        self.parent = Some((directory, name));
        Ok(None)
    }

    fn follow(&mut self, call: &mut Call, link: &Node) -> Step<()> {
        if let Node::Proc(_, proc) = link {
            let ProcLink { text, node } = self.kernel.proc_link(call.pid, proc)?;
            if let Some(node) = node {
                self.at = node;
                self.parent = None;
                return Ok(());
            }
            return self.enter(&text);
        }
        let target = self.kernel.link_target(call, link)?;
        self.enter(&target)
    }

    /// Goes on at a link's target.
    fn enter(&mut self, target: &[u8]) -> Step<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if target[0] == b'/' {
            self.at = self.kernel.root_node();
            self.parent = None;
        }
        if self.rest.is_empty() && target.ends_with(b"/") {
            self.must_be_directory = true;
        }
        self.push(target)
    }

    fn push(&mut self, path: &[u8]) -> Step<()> {
        // Forty links of 4095 bytes each could queue many names; Linux bounds the walk by links, we by names too.
        const NAMES_MAX: usize = PATH_MAX * 4;
        for part in path.rsplit(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            self.rest.push(part.into());
        }
        if self.rest.len() > NAMES_MAX { Err(Errno::ENAMETOOLONG.into()) } else { Ok(()) }
    }

    /// The caller may pass through the directory the walk stands in.
    fn search(&self, call: &mut Call) -> Step<()> {
        if let Node::Tree(mount, ino) = &self.at {
            let inode = self.kernel.mounts.tree(*mount).ok_or(Errno::EIO)?.inode(*ino)?;
            if inode.kind() != FileKind::Directory {
                return Err(Errno::ENOTDIR.into());
            }
        } else {
            self.kernel.require_directory(call, &self.at)?;
        }
        self.kernel.check_access(call, &self.at, Access::EXECUTE)
    }
}
