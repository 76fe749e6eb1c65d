//! readdir(): the names of an open directory.

use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::{DirectoryEntry, Listing, Opened};
use crate::id::{Fd, Ino, MountId};
use crate::kernel::Kernel;
use crate::vfs::driver::{FsAnswer, FsRequest};
use crate::vfs::{FileKind, Name, Node};
use crate::wait::Step;

impl Kernel {
    /// The entries of an open directory from `position`, handed to `put` until it answers `false`. Position 0
    /// freezes the listing; `.` and `..` come first.
    ///
    /// # Errors
    /// `ENOTDIR`, `EBADF`; `ENOMEM` when the session's memory cannot hold the names.
    pub fn readdir(
        &mut self,
        call: &mut Call,
        fd: Fd,
        position: u64,
        put: &mut dyn FnMut(&DirectoryEntry) -> bool,
    ) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let (node, listing) = match &self.files.get(open)?.what {
            Opened::Directory(node, listing) => (node, listing),
            Opened::Path(_) => return Err(Errno::EBADF.into()),
            _ => return Err(Errno::ENOTDIR.into()),
        };
        let frozen = match listing {
            Some(listing) if position > 0 => listing.clone(),
            _ => {
                let node = node.clone();
                let listing = self.list(call, &node)?;
                self.pin_open(call.pid, open, listing.bytes())?;
                if let Opened::Directory(_, slot) = &mut self.files.get_mut(open)?.what {
                    *slot = Some(listing.clone());
                }
                listing
            }
        };
        match &frozen {
            Listing::Fixed(entries) => {
                for (index, (name, ino, kind)) in entries.iter().enumerate().skip(position as usize) {
                    if !put(&DirectoryEntry { next: index as u64 + 1, ino: *ino, kind: *kind, name: name.clone() }) {
                        break;
                    }
                }
            }
            Listing::Tree { names, mount, dots } => self.list_tree(names, *mount, *dots, position, put),
        }
        Ok(())
    }

    fn list_tree(
        &self,
        names: &crate::pmap::PMap<Name, Ino>,
        mount: MountId,
        dots: [Ino; 2],
        position: u64,
        put: &mut dyn FnMut(&DirectoryEntry) -> bool,
    ) {
        for (index, name) in [b".".as_slice(), b".."].into_iter().enumerate().skip(position as usize) {
            let entry = DirectoryEntry {
                next: index as u64 + 1,
                ino: dots[index],
                kind: FileKind::Directory,
                name: name.into(),
            };
            if !put(&entry) {
                return;
            }
        }
        let first = position.saturating_sub(2) as usize;
        let Some((start, _)) = names.nth(first) else { return };
        let rest = names.range_from::<[u8]>(std::ops::Bound::Included(start));
        for (index, (name, ino)) in rest.enumerate() {
            let kind = self
                .mounts
                .tree(mount)
                .and_then(|tree| tree.inode(*ino).ok())
                .map_or(FileKind::Regular, |inode| inode.kind());
            let entry = DirectoryEntry { next: (first + index) as u64 + 3, ino: *ino, kind, name: name.clone() };
            if !put(&entry) {
                return;
            }
        }
    }

    /// Freezes the names of a directory.
    fn list(&mut self, call: &mut Call, node: &Node) -> Step<Listing> {
        match node {
            Node::Tree(mount, ino) => {
                let directory = self.mounts.tree(*mount).ok_or(Errno::EIO)?.directory(*ino)?;
                Ok(Listing::Tree { names: directory.entries.clone(), mount: *mount, dots: [*ino, directory.parent] })
            }
            Node::Proc(_, proc) => Ok(Listing::Fixed(self.proc_list(call.pid, proc)?.into())),
            Node::Driver(mount, path) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                let own = self.stat_node(call, node)?.ino;
                let FsAnswer::Names(names) = call.ask(&driver, FsRequest::List(path.clone()))? else {
                    return Err(Errno::EIO.into());
                };
                let dots = [(b".".as_slice(), own), (b"..", own)]
                    .map(|(name, ino)| (Name::from(name), ino, FileKind::Directory));
                Ok(Listing::Fixed(dots.into_iter().chain(names.iter().cloned()).collect()))
            }
            Node::Open(_) => Err(Errno::ENOTDIR.into()),
        }
    }
}
