//! Open file descriptions: what open() makes, and dup() and spawn share, offset and status flags included.

use crate::errno::Errno;
use crate::id::{Ino, MountId};
use crate::pipe::PipeId;
use crate::pmap::PMap;
use crate::pty::{End, TerminalId};
use crate::socket::SocketId;
use crate::vfs::device::Device;
use crate::vfs::driver::{DriverHandle, DriverPath};
use crate::vfs::place::Place;
use crate::vfs::proc::ProcNode;
use crate::vfs::watch::QueueId;
use crate::vfs::{FileKind, Name, Node};
use std::sync::Arc;

/// An open file description's number in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenId(pub u32);

/// One open file description.
#[derive(Debug)]
pub struct OpenFile {
    /// What it is open on.
    pub what: Opened,
    /// Reads are allowed.
    pub read: bool,
    /// Writes are allowed.
    pub write: bool,
    /// O_APPEND: each write goes to the end.
    pub append: bool,
    /// O_NONBLOCK: EAGAIN instead of waiting.
    pub nonblock: bool,
    /// Where the next read or write is.
    pub offset: u64,
    /// Descriptors and other holders that refer to it.
    pub refs: u32,
    /// Bytes it holds that count as the session's memory ([`Kernel::pin_open`](crate::kernel::Kernel)).
    pub(crate) pinned: u64,
    /// The name it was opened by, for a tree's file.
    pub(crate) place: Option<Place>,
    /// The call that is using the offset while it waits for a driver (Linux's f_pos_lock).
    pub(crate) turn: Option<u64>,
}

/// What an open file description is open on.
#[derive(Debug)]
pub enum Opened {
    /// A regular file of a tree.
    File(MountId, Ino),
    /// A directory, and the names it had when listing began.
    Directory(Node, Option<Listing>),
    /// The read end of a pipe.
    PipeReader(PipeId),
    /// The write end of a pipe.
    PipeWriter(PipeId),
    /// Both ends of a FIFO, opened O_RDWR.
    PipeBoth(PipeId),
    /// An end of a terminal.
    Terminal(TerminalId, End),
    /// A device.
    Device(Device, Node),
    /// A file of `/proc`, with the text it had when it was opened.
    Text(MountId, ProcNode, Arc<[u8]>),
    /// A file of a mounted driver.
    Driver(MountId, DriverPath, DriverHandle),
    /// A socket.
    Socket(SocketId),
    /// A queue of what became of files that are watched.
    Watch(QueueId),
    /// A name only (O_PATH, or a symbolic link or socket opened to be looked at).
    Path(Node),
}

/// One entry of a directory, as readdir() gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Position behind this entry; reading goes on there.
    pub next: u64,
    /// The inode.
    pub ino: Ino,
    /// What it is.
    pub kind: FileKind,
    /// The name.
    pub name: Name,
}

/// A directory's names, frozen when reading began at position 0: names that come or go meanwhile neither appear
/// twice nor shift the others. Freezing is free, since the map of names is persistent.
#[derive(Debug, Clone)]
pub enum Listing {
    /// Of a tree's directory, with what `..` is.
    Tree {
        /// The names.
        names: PMap<Name, Ino>,
        /// The mount.
        mount: MountId,
        /// The directory and its parent.
        dots: [Ino; 2],
    },
    /// Computed at once.
    Fixed(Arc<[(Name, Ino, FileKind)]>),
}

impl Listing {
    /// Bytes one name may pin: itself, and its place in the map.
    const NAME_BYTES: u64 = 320;

    /// Bytes the names may pin beside a directory that has changed since.
    pub(crate) fn bytes(&self) -> u64 {
        let names = match self {
            Listing::Tree { names, .. } => names.len(),
            Listing::Fixed(names) => names.len(),
        };
        names as u64 * Listing::NAME_BYTES
    }
}

/// The open file descriptions of a session.
#[derive(Debug, Default)]
pub struct OpenFiles {
    slots: Vec<Option<OpenFile>>,
    free: Vec<u32>,
}

impl OpenFile {
    /// A description without flags, at offset 0.
    pub fn new(what: Opened, read: bool, write: bool) -> OpenFile {
        OpenFile {
            what,
            read,
            write,
            append: false,
            nonblock: false,
            offset: 0,
            refs: 0,
            pinned: 0,
            place: None,
            turn: None,
        }
    }
}

impl OpenFiles {
    /// Adds a description nobody refers to yet.
    pub fn add(&mut self, file: OpenFile) -> OpenId {
        match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = Some(file);
                OpenId(at)
            }
            None => {
                self.slots.push(Some(file));
                OpenId(self.slots.len() as u32 - 1)
            }
        }
    }

    /// The description of this number.
    ///
    /// # Errors
    /// `EBADF` when it was closed.
    pub fn get(&self, id: OpenId) -> Result<&OpenFile, Errno> {
        self.slots.get(id.0 as usize).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// The description of this number, to change it.
    ///
    /// # Errors
    /// `EBADF` when it was closed.
    pub fn get_mut(&mut self, id: OpenId) -> Result<&mut OpenFile, Errno> {
        self.slots.get_mut(id.0 as usize).and_then(Option::as_mut).ok_or(Errno::EBADF)
    }

    /// One more holder.
    pub fn retain(&mut self, id: OpenId) {
        if let Ok(file) = self.get_mut(id) {
            file.refs += 1;
        }
    }

    /// One holder less; returns the description if that was the last.
    pub fn release(&mut self, id: OpenId) -> Option<OpenFile> {
        let file = self.get_mut(id).ok()?;
        file.refs = file.refs.saturating_sub(1);
        if file.refs > 0 {
            return None;
        }
        let file = self.slots[id.0 as usize].take();
        self.free.push(id.0);
        if self.free.len() == self.slots.len() {
            *self = OpenFiles::default();
        }
        file
    }

    /// Every open description.
    pub fn iter(&self) -> impl Iterator<Item = &OpenFile> {
        self.slots.iter().flatten()
    }

    /// Every open description and its number.
    pub fn entries(&self) -> impl Iterator<Item = (OpenId, &OpenFile)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| Some((OpenId(at as u32), slot.as_ref()?)))
    }

    /// Descriptions open now.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
