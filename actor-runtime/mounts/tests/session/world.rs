//! A session with a directory of the host, and the two ways it is driven here.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use tempfile::TempDir;
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_kernel::id::{Fd, Gid, Pid, Uid};
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::session::Driver;
use warren_kernel::user::Credentials;
use warren_kernel::vfs::layer::{Attributes, LayerBuilder};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, Stat};
use warren_kernel::{Call, CallError, Errno, Kernel, Session, Step, Template, World};
use warren_mounts::{HostDirectory, Options};

pub(crate) const USER: (Uid, Gid) = (Uid(1000), Gid(1000));
pub(crate) const SESSION_PASSWD: &[u8] = b"agent:x:1000:1000::/home/agent:/bin/sh\n";

/// Runs what may block on a thread of its own.
pub(crate) struct Threads;

impl Driver for Threads {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        std::thread::spawn(work);
    }

    fn arm(&self, _: &Session, _: Monotonic) {}
}

/// Runs what may block at once, and counts it; or keeps it until the test lets it run.
#[derive(Default)]
pub(crate) struct Held(Mutex<HeldWork>);

#[derive(Default)]
struct HeldWork {
    holds: bool,
    count: usize,
    kept: Vec<Box<dyn FnOnce() + Send>>,
}

impl Held {
    /// From now on keeps what it is given.
    pub(crate) fn hold(&self) {
        self.0.lock().unwrap().holds = true;
    }

    /// Runs everything kept so far.
    pub(crate) fn run(&self) {
        let kept = std::mem::take(&mut self.0.lock().unwrap().kept);
        kept.into_iter().for_each(|work| work());
    }

    /// How much it was given.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().count
    }
}

impl Driver for Held {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        let mut held = self.0.lock().unwrap();
        held.count += 1;
        if held.holds {
            held.kept.push(work);
        } else {
            drop(held);
            work();
        }
    }

    fn arm(&self, _: &Session, _: Monotonic) {}
}

/// A clock that stands still.
struct StillHost;

impl Host for StillHost {
    fn monotonic(&self) -> Monotonic {
        Monotonic(0)
    }

    fn realtime(&self) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000)
    }

    fn fill_random(&self, buf: &mut [u8]) {
        buf.fill(4);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) session: Session,
}

impl Fixture {
    pub(crate) fn new(driver: Arc<dyn Driver>) -> Fixture {
        let file = |mode| Attributes { mode, uid: 0, gid: 0, mtime_seconds: 0 };
        let mut layer = LayerBuilder::new();
        layer.directory("/mnt", file(0o755)).unwrap();
        layer.directory("/ro", file(0o755)).unwrap();
        layer.text("/etc/passwd", file(0o644), SESSION_PASSWD).unwrap();
        let template = Template {
            layer: layer.build(),
            policy: Policy::session().into(),
            limits: Limits::default(),
            user: Credentials::new(USER.0, USER.1),
            environment: Arc::new([]),
            cwd: b"/".as_slice().into(),
            hostname: "warren".into(),
        };
        let world = World { host: Arc::new(StillHost), runtimes: Arc::new([]), egress: None };
        Fixture { directory: tempfile::tempdir().unwrap(), session: Session::new(Kernel::new(world, template), driver) }
    }

    pub(crate) fn with_threads() -> Fixture {
        let world = Fixture::new(Arc::new(Threads));
        world.mount("/mnt", false, false);
        world
    }

    pub(crate) fn host(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn mount(&self, at: &str, driver_read_only: bool, mount_read_only: bool) {
        let options = Options { read_only: driver_read_only, owner: USER };
        let driver = Arc::new(HostDirectory::open(self.directory.path(), options).unwrap());
        self.call(|kernel, call| kernel.mount(call, at.as_bytes(), Mounted::Driver(driver.clone()), mount_read_only))
            .unwrap();
    }

    /// Init's user becomes the session's root.
    pub(crate) fn make_root(&self) {
        let root = Credentials::new(Uid::ROOT, Gid::ROOT);
        let become_root = |kernel: &mut Kernel| {
            kernel.set_credentials(&Call::new(Pid::INIT), |credentials| {
                *credentials = root;
                Ok(())
            })
        };
        self.session.with(become_root).unwrap();
    }

    pub(crate) fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin) -> Result<T, CallError> {
        block_on(self.session.call(Pid::INIT, op))
    }

    pub(crate) fn open(&self, path: &str, flags: OpenFlags) -> Result<Fd, CallError> {
        self.call(|kernel, call| kernel.open(call, At::Cwd, path.as_bytes(), flags, Mode::new(0o666)))
    }

    pub(crate) fn write(&self, fd: Fd, data: &[u8]) -> Result<usize, CallError> {
        self.call(|kernel, call| kernel.write(call, fd, &[data]))
    }

    pub(crate) fn read_all(&self, path: &str) -> Result<Vec<u8>, CallError> {
        let fd = self.open(path, OpenFlags::READ)?;
        let mut bytes = Vec::new();
        while self.call(|kernel, call| kernel.read(call, fd, 100, &mut |part| bytes.extend_from_slice(part)))? > 0 {}
        self.close(fd);
        Ok(bytes)
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Stat, CallError> {
        self.call(|kernel, call| kernel.stat(call, At::Cwd, path.as_bytes(), false))
    }

    pub(crate) fn list(&self, path: &str) -> Result<HashMap<String, FileKind>, CallError> {
        let fd = self.open(path, OpenFlags::DIRECTORY)?;
        let mut names = HashMap::new();
        self.call(|kernel, call| {
            kernel.readdir(call, fd, 0, &mut |entry| {
                names.insert(String::from_utf8_lossy(&entry.name).into_owned(), entry.kind);
                true
            })
        })?;
        self.close(fd);
        Ok(names)
    }

    pub(crate) fn rename(&self, from: &str, to: &str, replace: Replace) -> Result<(), CallError> {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        self.call(|kernel, call| kernel.rename(call, At::Cwd, from, At::Cwd, to, replace))
    }

    pub(crate) fn close(&self, fd: Fd) {
        self.session.with(|kernel| kernel.close(&Call::new(Pid::INIT), fd)).unwrap();
    }
}

pub(crate) fn failed<T>(errno: Errno) -> Result<T, CallError> {
    Err(CallError::Failed(errno))
}

pub(crate) const NEW: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE).union(OpenFlags::CREATE);
