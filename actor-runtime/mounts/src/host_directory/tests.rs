//! On real files. Each test has a directory with two in it: `inside` is shown to the session, `outside` must never be
//! reached from it. They run as root, so what stops an escape is the driver and not the host's permissions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::disallowed_methods, reason = "the tests are the host")]

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tempfile::TempDir;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Ino;
use warren_kernel::vfs::driver::DriverPath;

mod attributes;
mod changes;
mod escapes;
mod limits;
mod open;
mod race;

const OWNER: (Uid, Gid) = (Uid(1000), Gid(1001));
const SECRET: &[u8] = b"the secret outside";

struct Fixture {
    directory: TempDir,
    driver: HostDirectory,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::with(false)
    }

    fn read_only() -> Fixture {
        Fixture::with(true)
    }

    fn with(read_only: bool) -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        for name in ["inside", "outside"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        std::fs::write(directory.path().join("outside/secret"), SECRET).unwrap();
        let options = Options { read_only, owner: OWNER };
        let driver = HostDirectory::open(directory.path().join("inside"), options).unwrap();
        Fixture { directory, driver }
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.directory.path().join("inside").join(name)
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join("outside").join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.inside(name), bytes).unwrap();
    }

    fn dir(&self, name: &str) {
        std::fs::create_dir(self.inside(name)).unwrap();
    }

    fn symlink(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.inside(name)).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        std::fs::symlink_metadata(self.inside(name)).unwrap().mode() & 0o7777
    }

    fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.inside(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn perform(&self, request: FsRequest) -> Result<FsAnswer, Errno> {
        self.driver.perform(&request)
    }

    fn stat(&self, path: &str) -> Result<DriverStat, Errno> {
        match self.perform(FsRequest::Stat(at(path)))? {
            FsAnswer::Stat(stat) => Ok(stat),
            other => panic!("{other:?}"),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Ino, FileKind)>, Errno> {
        match self.perform(FsRequest::List(at(path)))? {
            FsAnswer::Names(names) => {
                let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
                let mut names: Vec<_> = names.iter().map(|(name, ino, kind)| (text(name), *ino, *kind)).collect();
                names.sort_by(|one, two| one.0.cmp(&two.0));
                Ok(names)
            }
            other => panic!("{other:?}"),
        }
    }

    fn open(&self, path: &str, how: DriverOpen) -> Result<DriverHandle, Errno> {
        match self.perform(FsRequest::Open(at(path), how))? {
            FsAnswer::Opened(handle) => Ok(handle),
            other => panic!("{other:?}"),
        }
    }

    fn read_link(&self, path: &str) -> Result<Vec<u8>, Errno> {
        match self.perform(FsRequest::ReadLink(at(path)))? {
            FsAnswer::Target(target) => Ok(target.to_vec()),
            other => panic!("{other:?}"),
        }
    }

    fn done(&self, request: FsRequest) -> Result<(), Errno> {
        match self.perform(request)? {
            FsAnswer::Done => Ok(()),
            other => panic!("{other:?}"),
        }
    }

    fn unlink(&self, path: &str) -> Result<(), Errno> {
        self.done(FsRequest::Unlink(at(path)))
    }

    fn rmdir(&self, path: &str) -> Result<(), Errno> {
        self.done(FsRequest::RemoveDirectory(at(path)))
    }

    fn mkdir(&self, path: &str, mode: u32) -> Result<(), Errno> {
        self.done(FsRequest::MakeDirectory(at(path), Mode::new(mode)))
    }

    fn make_symlink(&self, path: &str, target: &[u8]) -> Result<(), Errno> {
        self.done(FsRequest::MakeSymlink(at(path), target.into()))
    }

    fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), Errno> {
        self.done(FsRequest::Rename(at(from), at(to), replace))
    }

    fn link(&self, old: &str, new: &str) -> Result<(), Errno> {
        self.done(FsRequest::Link(at(old), at(new)))
    }

    fn set(&self, path: &str, set: SetAttributes) -> Result<(), Errno> {
        self.done(FsRequest::SetAttributes(at(path), set))
    }

    fn secret_is_untouched(&self) {
        let names: Vec<_> = std::fs::read_dir(self.outside("")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names, [self.outside("secret")], "nothing is made or removed outside");
        assert_eq!(std::fs::read(self.outside("secret")).unwrap(), SECRET);
        let metadata = std::fs::metadata(self.outside("secret")).unwrap();
        assert_eq!((metadata.nlink(), metadata.mode() & 0o7777), (1, 0o644));
    }
}

fn at(path: &str) -> DriverPath {
    path.as_bytes().into()
}

const READ: DriverOpen = DriverOpen { read: true, write: false, create: None, exclusive: false, truncate: false };
const WRITE: DriverOpen = DriverOpen { write: true, ..READ };

fn create(mode: u32) -> DriverOpen {
    DriverOpen { create: Some(Mode::new(mode)), ..WRITE }
}

/// Every request that names a path, aimed at `path`.
fn requests_on(path: &DriverPath) -> Vec<FsRequest> {
    let path = || path.clone();
    let here = || at("here");
    let set_mode = SetAttributes { mode: Some(Mode::new(0o600)), ..SetAttributes::default() };
    let set_len = SetAttributes { len: Some(0), ..SetAttributes::default() };
    let set_times = SetAttributes { mtime: Some(Timestamp(0)), ..SetAttributes::default() };
    vec![
        FsRequest::Stat(path()),
        FsRequest::ReadLink(path()),
        FsRequest::List(path()),
        FsRequest::Open(path(), READ),
        FsRequest::Open(path(), WRITE),
        FsRequest::Open(path(), DriverOpen { truncate: true, ..WRITE }),
        FsRequest::Open(path(), create(0o666)),
        FsRequest::Open(path(), DriverOpen { exclusive: true, ..create(0o666) }),
        FsRequest::MakeDirectory(path(), Mode::new(0o777)),
        FsRequest::MakeSymlink(path(), b"target".as_slice().into()),
        FsRequest::Unlink(path()),
        FsRequest::RemoveDirectory(path()),
        FsRequest::Rename(path(), here(), true),
        FsRequest::Rename(path(), here(), false),
        FsRequest::Rename(here(), path(), true),
        FsRequest::Rename(here(), path(), false),
        FsRequest::Link(path(), here()),
        FsRequest::Link(here(), path()),
        FsRequest::SetAttributes(path(), set_mode),
        FsRequest::SetAttributes(path(), set_len),
        FsRequest::SetAttributes(path(), set_times),
        FsRequest::SetAttributes(path(), SetAttributes::default()),
    ]
}
