//! File systems outside the kernel: host directories, object stores, bridges.
//!
//! A driver is asked outside the session's lock, one request at a time per call, and nothing it answers is kept
//! beyond that call. Paths are relative to the driver's root, made of plain names: no `.`, no `..`, no empty one.
//! The kernel walks them one name at a time and follows symbolic links itself, so a driver never resolves one.

use super::{FileKind, Mode, Name, Stat};
use crate::errno::Errno;
use crate::host::Timestamp;
use crate::id::{Gid, Ino, Uid};
use std::fmt;
use std::sync::Arc;

/// A path inside a driver: names joined by `/`; empty for its root.
pub type DriverPath = Arc<[u8]>;

/// A file system outside the kernel.
pub trait FileSystem: Send + Sync {
    /// The type's name, as /proc/mounts shows it.
    fn type_name(&self) -> &'static str;

    /// Does what is asked. May block; never called with a kernel locked.
    ///
    /// # Errors
    /// As the system call of the same name. A driver that is given a path it must not reach answers `EACCES`.
    fn perform(&self, request: &FsRequest) -> Result<FsAnswer, Errno>;
}

/// An open file of a driver. Dropping the last handle closes it.
pub trait DriverFile: Send + Sync {
    /// Reads up to `len` bytes at `offset`; empty at the end.
    ///
    /// # Errors
    /// As pread().
    fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, Errno>;

    /// Writes at `offset`, or at the end when `None`; returns how many bytes and where the write ended.
    ///
    /// # Errors
    /// As pwrite().
    fn write_at(&self, offset: Option<u64>, data: &[u8]) -> Result<(usize, u64), Errno>;

    /// Its attributes now.
    ///
    /// # Errors
    /// As fstat().
    fn stat(&self) -> Result<DriverStat, Errno>;

    /// Sets its length.
    ///
    /// # Errors
    /// As ftruncate().
    fn set_len(&self, len: u64) -> Result<(), Errno>;

    /// Changes its attributes, whatever it is called by now.
    ///
    /// # Errors
    /// As fchmod(), fchown() and futimens().
    fn set_attributes(&self, set: &SetAttributes) -> Result<(), Errno>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// As fsync().
    fn sync(&self) -> Result<(), Errno>;
}

/// A handle, compared by identity.
#[derive(Clone)]
pub struct DriverHandle(pub Arc<dyn DriverFile>);

impl PartialEq for DriverHandle {
    fn eq(&self, other: &DriverHandle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for DriverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DriverHandle")
    }
}

/// How a driver's file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverOpen {
    /// Bytes will be read.
    pub read: bool,
    /// Bytes will be written.
    pub write: bool,
    /// Make it if it is missing, with these bits.
    pub create: Option<Mode>,
    /// Fail if it exists.
    pub exclusive: bool,
    /// Cut it to nothing.
    pub truncate: bool,
}

/// What the kernel asks of a driver.
#[derive(Clone, Debug, PartialEq)]
pub enum FsRequest {
    /// Attributes of what a path names, without following a link.
    Stat(DriverPath),
    /// A symbolic link's target.
    ReadLink(DriverPath),
    /// All names in a directory, without `.` and `..`.
    List(DriverPath),
    /// Opens a regular file.
    Open(DriverPath, DriverOpen),
    /// Makes a directory.
    MakeDirectory(DriverPath, Mode),
    /// Makes a symbolic link with this target.
    MakeSymlink(DriverPath, Arc<[u8]>),
    /// Removes a file's name.
    Unlink(DriverPath),
    /// Removes an empty directory.
    RemoveDirectory(DriverPath),
    /// Moves a name; `false` refuses to replace.
    Rename(DriverPath, DriverPath, bool),
    /// Gives a file another name.
    Link(DriverPath, DriverPath),
    /// Changes attributes.
    SetAttributes(DriverPath, SetAttributes),
    /// Size and use of the file system.
    Capacity,
    /// Reads from an open file: offset, count.
    Read(DriverHandle, u64, usize),
    /// Writes to an open file: offset or the end, bytes.
    Write(DriverHandle, Option<u64>, Arc<[u8]>),
    /// Attributes of an open file.
    StatOpen(DriverHandle),
    /// Sets an open file's length.
    SetLen(DriverHandle, u64),
    /// Changes an open file's attributes.
    SetAttributesOpen(DriverHandle, SetAttributes),
    /// Makes an open file durable.
    Sync(DriverHandle),
}

impl FsRequest {
    /// Whether it only asks about names, so that one answer serves a whole call.
    pub fn is_question(&self) -> bool {
        matches!(self, FsRequest::Stat(_) | FsRequest::ReadLink(_))
    }
}

/// Attributes to change; `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// Permission bits.
    pub mode: Option<Mode>,
    /// Owner.
    pub uid: Option<Uid>,
    /// Group.
    pub gid: Option<Gid>,
    /// Last read.
    pub atime: Option<Timestamp>,
    /// Last change.
    pub mtime: Option<Timestamp>,
    /// Length.
    pub len: Option<u64>,
}

/// A driver's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum FsAnswer {
    /// Done, nothing to tell.
    Done,
    /// Attributes.
    Stat(DriverStat),
    /// A link's target.
    Target(Arc<[u8]>),
    /// Names with number and kind.
    Names(Arc<[(Name, Ino, FileKind)]>),
    /// An open file.
    Opened(DriverHandle),
    /// Bytes read.
    Data(Arc<Vec<u8>>),
    /// Bytes written, and the offset behind them.
    Written(usize, u64),
    /// Capacity.
    Capacity(Capacity),
}

/// Attributes as a driver knows them; the kernel fills in the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverStat {
    /// A number that is the same for all names of a file.
    pub ino: Ino,
    /// What it is. Devices, pipes and sockets of the outside are shown but cannot be opened.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: Mode,
    /// Names.
    pub links: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Bytes.
    pub size: u64,
    /// Units of 512 bytes.
    pub sectors: u64,
    /// Access, modification and change time.
    pub times: [Timestamp; 3],
}

impl DriverStat {
    /// As stat() tells it, on this device.
    pub fn stat(&self, device: u64) -> Stat {
        Stat {
            device,
            ino: self.ino,
            kind: self.kind,
            mode: self.mode,
            links: self.links,
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            size: self.size,
            sectors: self.sectors,
            atime: self.times[0],
            mtime: self.times[1],
            ctime: self.times[2],
        }
    }
}

/// Size and use of a file system, as statfs() tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes free.
    pub bytes_free: u64,
    /// Inodes in all.
    pub inodes: u64,
    /// Inodes free.
    pub inodes_free: u64,
}
