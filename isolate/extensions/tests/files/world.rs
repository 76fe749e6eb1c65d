//! A session with one process, and what it has files from: a layer, a store of contents, a file system outside.
#![allow(unreachable_pub, reason = "a test file of its own would be a crate")]

use deno_fs::FileSystem;
use deno_io::fs::{File, FsError, FsResult};
use deno_permissions::{CheckedPath, CheckedPathBuf};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use warren_isolate_extensions::fs::KernelFs;
use warren_isolate_extensions::guest::Guest;
use warren_kernel::blob::{Blob, BlobId};
use warren_kernel::fetch::Image;
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_kernel::id::{Gid, Pid, Uid};
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::process::spawn::{Attributes, Spawn};
use warren_kernel::process::strings;
use warren_kernel::runtime::{LoadError, Program, Runtime};
use warren_kernel::session::Driver;
use warren_kernel::user::Credentials;
use warren_kernel::vfs::device::Device;
use warren_kernel::vfs::layer::{Attributes as FileAttributes, LayerBuilder};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::{Call, Errno, Kernel, Session, Step, Template, World};

/// The kernel's own tests have the same outside.
#[path = "../../../../kernel/tests/common/outside.rs"]
mod outside;

pub use outside::Outside;

use outside::Store;

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
    let blob =
        Blob::lazy(BlobId::of(&large), LARGE as u64, Arc::new(Store { bytes: Some(large), loads: Mutex::default() }));
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
        let outside = Arc::new(Outside { reads_short: true, ..Outside::default() });
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
