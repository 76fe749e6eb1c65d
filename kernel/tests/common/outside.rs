//! What is outside a session: a mounted file system and a store of contents.
#![allow(dead_code, reason = "each suite uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use warren_kernel::Errno;
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Gid, Ino, Uid};
use warren_kernel::vfs::driver::{
    Capacity, DriverFile, DriverHandle, DriverPath, DriverStat, FileSystem, FsAnswer, FsRequest,
};
use warren_kernel::vfs::{FileKind, Mode};

/// A file's bytes, shared by its name and its handles.
pub type Bytes = Arc<Mutex<Vec<u8>>>;

/// A flat file system outside, that notes each request.
#[derive(Default)]
pub struct Outside {
    pub files: Mutex<BTreeMap<Vec<u8>, Bytes>>,
    pub asked: Mutex<Vec<String>>,
    /// A read gives half of what there is, at least a byte: a driver may end one where it likes.
    pub reads_short: bool,
}

struct OutsideFile {
    bytes: Bytes,
    reads_short: bool,
}

fn driver_stat(kind: FileKind, size: u64) -> DriverStat {
    DriverStat {
        ino: Ino(size + 7),
        kind,
        mode: Mode::new(0o777),
        links: 1,
        uid: Uid(1000),
        gid: Gid(1000),
        size,
        sectors: 0,
        times: [Timestamp(0); 3],
    }
}

impl DriverFile for OutsideFile {
    fn set_attributes(&self, _: &warren_kernel::vfs::driver::SetAttributes) -> Result<(), Errno> {
        Ok(())
    }

    fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let bytes = self.bytes.lock().unwrap();
        let start = bytes.len().min(offset as usize);
        let len = bytes.len().min(start + len) - start;
        Ok(bytes[start..start + if self.reads_short { len.div_ceil(2) } else { len }].to_vec())
    }
    fn write_at(&self, offset: Option<u64>, data: &[u8]) -> Result<(usize, u64), Errno> {
        let mut bytes = self.bytes.lock().unwrap();
        let start = offset.map_or(bytes.len(), |offset| offset as usize);
        let end = start + data.len();
        let len = bytes.len().max(end);
        bytes.resize(len, 0);
        bytes[start..end].copy_from_slice(data);
        Ok((data.len(), end as u64))
    }
    fn stat(&self) -> Result<DriverStat, Errno> {
        Ok(driver_stat(FileKind::Regular, self.bytes.lock().unwrap().len() as u64))
    }
    fn set_len(&self, len: u64) -> Result<(), Errno> {
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }
}

impl FileSystem for Outside {
    fn type_name(&self) -> &'static str {
        "outside"
    }
    fn perform(&self, request: &FsRequest) -> Result<FsAnswer, Errno> {
        let show = |path: &DriverPath| String::from_utf8_lossy(path).into_owned();
        let mut files = self.files.lock().unwrap();
        let (name, answer) = match request {
            FsRequest::Stat(path) if path.is_empty() => {
                (String::new(), Ok(FsAnswer::Stat(driver_stat(FileKind::Directory, 0))))
            }
            FsRequest::Stat(path) => {
                let found = files.get(&path.to_vec()).ok_or(Errno::ENOENT);
                let stat = |file: &Bytes| driver_stat(FileKind::Regular, file.lock().unwrap().len() as u64);
                (format!("stat {}", show(path)), found.map(|file| FsAnswer::Stat(stat(file))))
            }
            FsRequest::Open(path, how) => {
                let exists = how.exclusive && files.contains_key(&path.to_vec());
                if how.create.is_some() {
                    files.entry(path.to_vec()).or_default();
                }
                let file = files.get(&path.to_vec()).cloned().ok_or(Errno::ENOENT);
                let answer = if exists { Err(Errno::EEXIST) } else { file }.map(|bytes| {
                    if how.truncate {
                        bytes.lock().unwrap().clear();
                    }
                    FsAnswer::Opened(DriverHandle(Arc::new(OutsideFile { bytes, reads_short: self.reads_short })))
                });
                (format!("open {}", show(path)), answer)
            }
            FsRequest::ReadLink(path) if files.contains_key(&path.to_vec()) => {
                (format!("readlink {}", show(path)), Err(Errno::EINVAL))
            }
            FsRequest::Unlink(path) => {
                let gone = files.remove(&path.to_vec()).map(|_| FsAnswer::Done).ok_or(Errno::ENOENT);
                (format!("unlink {}", show(path)), gone)
            }
            FsRequest::Rename(from, to, _) => {
                let file = files.remove(&from.to_vec()).ok_or(Errno::ENOENT);
                let done = file.map(|file| {
                    files.insert(to.to_vec(), file);
                    FsAnswer::Done
                });
                (format!("rename {} {}", show(from), show(to)), done)
            }
            FsRequest::List(_) => {
                let names = files.keys().map(|name| (Arc::from(name.as_slice()), Ino(9), FileKind::Regular));
                ("list".to_owned(), Ok(FsAnswer::Names(names.collect())))
            }
            FsRequest::Read(handle, offset, len) => {
                ("read".to_owned(), handle.0.read_at(*offset, *len).map(|data| FsAnswer::Data(Arc::new(data))))
            }
            FsRequest::Write(handle, offset, data) => {
                let done = handle.0.write_at(*offset, data).map(|(count, end)| FsAnswer::Written(count, end));
                ("write".to_owned(), done)
            }
            FsRequest::StatOpen(handle) => ("fstat".to_owned(), handle.0.stat().map(FsAnswer::Stat)),
            FsRequest::SetLen(handle, len) => ("set_len".to_owned(), handle.0.set_len(*len).map(|()| FsAnswer::Done)),
            FsRequest::SetAttributesOpen(handle, set) => {
                ("set_attributes".to_owned(), handle.0.set_attributes(set).map(|()| FsAnswer::Done))
            }
            FsRequest::Sync(handle) => ("sync".to_owned(), handle.0.sync().map(|()| FsAnswer::Done)),
            FsRequest::Capacity => {
                let free = Capacity { bytes: 8192, bytes_free: 4096, inodes: 2, inodes_free: 1 };
                ("capacity".to_owned(), Ok(FsAnswer::Capacity(free)))
            }
            other => (format!("{other:?}"), Err(Errno::EOPNOTSUPP)),
        };
        if !name.is_empty() {
            self.asked.lock().unwrap().push(name);
        }
        answer
    }
}

/// Where one content is, or is not; counts how often it was asked.
pub struct Store {
    pub bytes: Option<Vec<u8>>,
    pub loads: Mutex<u32>,
}

impl Blobs for Store {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        *self.loads.lock().unwrap() += 1;
        self.bytes.clone().map(|bytes| Arc::new(bytes) as SharedBytes).ok_or(Errno::ENOENT)
    }
}
