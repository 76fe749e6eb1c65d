//! What is counted and noted of a process for `/proc` to show; no system call's answer depends on it.

use crate::id::Ino;
use crate::vfs::Node;
use crate::vfs::path::device_of;
use std::sync::Arc;
use std::time::Duration;

/// What `/proc` shows of a process beside its state.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The image it runs.
    pub image: ImageFacts,
    /// What it read and wrote.
    pub io: IoCounts,
    /// CPU time of the children it waited for, and of those they waited for.
    pub children_cpu: Duration,
}

/// The image of a process, as it was when it was loaded.
#[derive(Clone, Debug, Default)]
pub struct ImageFacts {
    /// The path exec was given: a script's own, not that of its interpreter.
    pub command: Arc<[u8]>,
    /// The device number of the file system and the inode; none outside the session.
    pub place: Option<(u64, Ino)>,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What a process moved through descriptors, of any kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoCounts {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads that succeeded.
    pub reads: u64,
    /// Writes that succeeded.
    pub writes: u64,
}

impl ImageFacts {
    /// Of a command that led to the image at `node`.
    pub(crate) fn new(command: Arc<[u8]>, node: &Node, bytes: usize) -> ImageFacts {
        let place = match node {
            Node::Tree(mount, ino) => Some((device_of(*mount), *ino)),
            Node::Proc(..) | Node::Driver(..) | Node::Open(_) => None,
        };
        ImageFacts { command, place, bytes: bytes as u64 }
    }
}
