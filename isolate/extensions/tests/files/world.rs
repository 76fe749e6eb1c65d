//! A session with one process, and what it has files from: a layer, a store of contents, a file system outside.
#![allow(unreachable_pub, reason = "a test file of its own would be a crate")]

use deno_fs::FileSystem;
use deno_io::fs::{File, FsError, FsResult};
use deno_permissions::{CheckedPath, CheckedPathBuf};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use warren_isolate_extensions::fs::KernelFs;
use warren_isolate_extensions::guest::Guest;
use warren_kernel::blob::{Blob, BlobId, Blobs, SharedBytes};
use warren_kernel::fetch::Image;
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_kernel::id::{Gid, Ino, Pid, Uid};
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::process::spawn::{Attributes, Spawn};
use warren_kernel::process::strings;
use warren_kernel::runtime::{LoadError, Program, Runtime};
use warren_kernel::session::Driver;
use warren_kernel::user::Credentials;
use warren_kernel::vfs::device::Device;
use warren_kernel::vfs::driver::{
    Capacity, DriverFile, DriverHandle, DriverStat, FileSystem as Outer, FsAnswer, FsRequest, SetAttributes,
};
use warren_kernel::vfs::layer::{Attributes as FileAttributes, LayerBuilder};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Call, Errno, Kernel, Session, Step, Template, World};

const MAGIC: &[u8] = b"\0asm";
/// The size of `/lib/large`, whose content is loaded when it is first read: more than one part of a read.
pub const LARGE: usize = (3 << 20) + 5;
/// Where the guest is.
pub const HOME: &str = "/home/agent";

struct Clock(Instant);

impl Host for Clock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.elapsed().as_nanos() as u64)
    }
    fn realtime(&self) -> Timestamp {
        Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64)
    }
    fn fill_random(&self, buf: &mut [u8]) {
        buf.fill(7);
    }
}

/// Starts nothing: the tests make the calls of the process.
struct Idle;

impl Runtime for Idle {
    fn claims(&self, head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }
    fn cached(&self, _: &BlobId) -> Option<Program> {
        Some(Program(Arc::new(())))
    }
    fn load(&self, _: &Image) -> Result<Program, LoadError> {
        Ok(Program(Arc::new(())))
    }
    fn start(&self, _: &Session, _: Pid, _: Program) {}
}

/// Work that may block goes to a thread of its own, so that calls do wait for it.
struct Threads;

impl Driver for Threads {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        std::thread::spawn(work);
    }
    fn arm(&self, _: &Session, _: Monotonic) {}
}

struct Contents(Vec<u8>);

impl Blobs for Contents {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Ok(Arc::new(self.0.clone()))
    }
}

/// Bytes that are not the same at any two near offsets.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

fn template(limits: Limits) -> Template {
    let root = |mode| FileAttributes { mode, uid: 0, gid: 0, mtime_seconds: 1_700_000_000 };
    let agent = |mode| FileAttributes { uid: 1000, gid: 1000, ..root(mode) };
    let mut layer = LayerBuilder::new();
    for path in ["/bin", "/dev", "/home", "/lib"] {
        layer.directory(path, root(0o755)).unwrap();
    }
    layer.directory("/mnt", root(0o777)).unwrap();
    layer.directory("/proc", root(0o555)).unwrap();
    layer.directory("/tmp", root(0o1777)).unwrap();
    layer.directory(HOME, agent(0o755)).unwrap();
    layer.text("/bin/program", root(0o755), MAGIC).unwrap();
    layer.text("/lib/secret", root(0o600), b"secret").unwrap();
    layer.text("/lib/small", root(0o644), b"small").unwrap();
    let large = pattern(LARGE);
    let blob = Blob::lazy(BlobId::of(&large), LARGE as u64, Arc::new(Contents(large)));
    layer.file("/lib/large", root(0o644), blob).unwrap();
    for (name, rdev, mode) in Device::NODES {
        layer.device(&format!("/dev/{name}"), root(*mode), *rdev).unwrap();
    }
    Template {
        layer: layer.build(),
        policy: Arc::new(Policy::session()),
        limits,
        user: Credentials::new(Uid(1000), Gid(1000)),
        environment: strings(["PATH=/bin"]),
        cwd: HOME.as_bytes().into(),
        hostname: "warren".into(),
    }
}

/// A session and its one process.
pub struct Place {
    pub session: Session,
    pub guest: Guest,
    pub fs: KernelFs,
    pub outside: Arc<Outside>,
}

impl Place {
    pub fn new() -> Place {
        Place::with(|_| ())
    }

    pub fn with(set: impl FnOnce(&mut Limits)) -> Place {
        let mut limits = Limits::default();
        set(&mut limits);
        let world =
            World { host: Arc::new(Clock(Instant::now())), runtimes: Arc::from([Arc::new(Idle) as _]), egress: None };
        let session = Session::new(Kernel::new(world, template(limits)), Arc::new(Threads));
        let outside = Arc::new(Outside::default());
        let spawn = Spawn {
            command: b"/bin/program"[..].into(),
            search: None,
            arguments: strings(["program"]),
            environment: strings(["PATH=/bin", "HOME=/home/agent", "PATH=/twice", "nothing", "=C:=x", "EMPTY="]),
            cwd: Some(HOME.as_bytes().into()),
            actions: Vec::new(),
            attributes: Attributes::default(),
        };
        let pid = session.with(|kernel| {
            let call = &mut Call::new(Pid::INIT);
            kernel.mount(call, b"/proc", Mounted::Proc, false).unwrap();
            kernel.mount(call, b"/mnt", Mounted::Driver(outside.clone()), false).unwrap();
            kernel.launch(call, &spawn).unwrap()
        });
        let guest = Guest::new(session.clone(), pid).unwrap();
        Place { fs: KernelFs::new(guest.clone()), session, guest, outside }
    }

    /// Makes a call of the process.
    pub fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> T {
        self.guest.call(op).unwrap()
    }

    /// Descriptors the process has.
    pub fn descriptors(&self) -> usize {
        self.session.with(|kernel| kernel.process(self.guest.pid()).unwrap().descriptors.len())
    }

    /// Writes a file.
    pub fn put(&self, at: &str, bytes: &[u8]) {
        self.fs.write_file_sync(&path(at), writing(), bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
    }

    /// A whole file.
    pub fn get(&self, at: &str) -> Vec<u8> {
        let read = self.fs.read_file_sync(&path(at), deno_fs::OpenOptions::read());
        read.unwrap_or_else(|error| panic!("{at}: {error}")).into_owned()
    }

    /// The names in a directory, in order.
    pub fn names(&self, at: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.fs.read_dir_sync(&path(at)).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    pub fn open(&self, at: &str, options: deno_fs::OpenOptions) -> Rc<dyn File> {
        self.fs.open_sync(&path(at), options).unwrap_or_else(|error| panic!("{at}: {error}"))
    }
}

/// A path nobody has to check: the kernel does.
pub fn path(at: &str) -> CheckedPath<'_> {
    CheckedPath::unsafe_new(Cow::Borrowed(Path::new(at)))
}

/// As [`path`], for what waits.
pub fn owned(at: &str) -> CheckedPathBuf {
    CheckedPathBuf::unsafe_new(PathBuf::from(at))
}

/// Makes a file, or empties the one that is there.
pub fn writing() -> deno_fs::OpenOptions {
    deno_fs::OpenOptions::write(true, false, false, None)
}

/// Runs what waits, on an executor of one thread. It must come to an end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limit = Duration::from_secs(60);
    runtime.block_on(async { tokio::time::timeout(limit, future).await.expect("the test hangs") })
}

/// The number of a failure.
#[track_caller]
pub fn errno<T>(result: FsResult<T>) -> Errno {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(FsError::Io(error)) => Errno::from_number(error.raw_os_error().expect("a number")),
        Err(error) => panic!("{error}"),
    }
}

/// A flat directory outside.
#[derive(Default)]
pub struct Outside {
    pub files: Mutex<BTreeMap<Vec<u8>, Bytes>>,
}

pub type Bytes = Arc<Mutex<Vec<u8>>>;

struct OutsideFile(Bytes);

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
    fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let bytes = self.0.lock().unwrap();
        // Half of what there is, at least a byte: a driver may end a read where it likes.
        let start = bytes.len().min(offset as usize);
        let end = bytes.len().min(start + len);
        Ok(bytes[start..start + (end - start).div_ceil(2)].to_vec())
    }
    fn write_at(&self, offset: Option<u64>, data: &[u8]) -> Result<(usize, u64), Errno> {
        let mut bytes = self.0.lock().unwrap();
        let start = offset.map_or(bytes.len(), |offset| offset as usize);
        let end = start + data.len();
        let len = bytes.len().max(end);
        bytes.resize(len, 0);
        bytes[start..end].copy_from_slice(data);
        Ok((data.len(), end as u64))
    }
    fn stat(&self) -> Result<DriverStat, Errno> {
        Ok(driver_stat(FileKind::Regular, self.0.lock().unwrap().len() as u64))
    }
    fn set_len(&self, len: u64) -> Result<(), Errno> {
        self.0.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }
    fn set_attributes(&self, _: &SetAttributes) -> Result<(), Errno> {
        Ok(())
    }
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Outer for Outside {
    fn type_name(&self) -> &'static str {
        "outside"
    }
    fn perform(&self, request: &FsRequest) -> Result<FsAnswer, Errno> {
        let mut files = self.files.lock().unwrap();
        match request {
            FsRequest::Stat(path) if path.is_empty() => Ok(FsAnswer::Stat(driver_stat(FileKind::Directory, 0))),
            FsRequest::Stat(path) => {
                let found = files.get(&path.to_vec()).ok_or(Errno::ENOENT)?;
                Ok(FsAnswer::Stat(driver_stat(FileKind::Regular, found.lock().unwrap().len() as u64)))
            }
            FsRequest::Open(path, how) => {
                if how.exclusive && files.contains_key(&path.to_vec()) {
                    return Err(Errno::EEXIST);
                }
                if how.create.is_some() {
                    files.entry(path.to_vec()).or_default();
                }
                let file = files.get(&path.to_vec()).cloned().ok_or(Errno::ENOENT)?;
                if how.truncate {
                    file.lock().unwrap().clear();
                }
                Ok(FsAnswer::Opened(DriverHandle(Arc::new(OutsideFile(file)))))
            }
            FsRequest::ReadLink(path) if files.contains_key(&path.to_vec()) => Err(Errno::EINVAL),
            FsRequest::Unlink(path) => files.remove(&path.to_vec()).map(|_| FsAnswer::Done).ok_or(Errno::ENOENT),
            FsRequest::List(_) => {
                let names = files.keys().map(|name| (Arc::from(name.as_slice()), Ino(9), FileKind::Regular));
                Ok(FsAnswer::Names(names.collect()))
            }
            FsRequest::Read(handle, offset, len) => Ok(FsAnswer::Data(Arc::new(handle.0.read_at(*offset, *len)?))),
            FsRequest::Write(handle, offset, data) => {
                handle.0.write_at(*offset, data).map(|(count, end)| FsAnswer::Written(count, end))
            }
            FsRequest::StatOpen(handle) => handle.0.stat().map(FsAnswer::Stat),
            FsRequest::SetLen(handle, len) => handle.0.set_len(*len).map(|()| FsAnswer::Done),
            FsRequest::SetAttributesOpen(handle, set) => handle.0.set_attributes(set).map(|()| FsAnswer::Done),
            FsRequest::Sync(handle) => handle.0.sync().map(|()| FsAnswer::Done),
            FsRequest::Capacity => {
                Ok(FsAnswer::Capacity(Capacity { bytes: 8192, bytes_free: 4096, inodes: 2, inodes_free: 1 }))
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }
}
