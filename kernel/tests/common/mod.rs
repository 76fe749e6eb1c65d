//! A session over a pretend world: clocks that are set, random bytes from a seed, a runtime that only notes what it
//! was told to start, a driver whose fetches run at once or when the test says so.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::disallowed_methods,
    reason = "block_on parks the test's own thread; how many cases is asked of the environment"
)]

pub mod network;
pub mod outside;
mod process;

pub use process::Proc;

use proptest::prelude::ProptestConfig;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use warren_kernel::blob::BlobId;
use warren_kernel::event::What;
use warren_kernel::fetch::Image;
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_kernel::id::{Fd, Gid, Pid, Uid};
use warren_kernel::kernel::Usage;
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::strings;
use warren_kernel::runtime::{LoadError, Program, Runtime};
use warren_kernel::session::Driver;
use warren_kernel::socket::egress::Egress;
use warren_kernel::user::Credentials;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::device::Device;
use warren_kernel::vfs::layer::{Attributes as FileAttributes, Layer, LayerBuilder};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{Call, CallError, Errno, Kernel, Session, Step, Template, World};

pub const WASM: &[u8] = b"\0asm\x01\0\0\0";
pub const R: OpenFlags = OpenFlags::READ;
pub const W: OpenFlags = OpenFlags::WRITE;
pub const RW: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);
pub const CREATE: OpenFlags = OpenFlags::CREATE;
pub const NEW: OpenFlags = OpenFlags::CREATE.union(OpenFlags::EXCLUSIVE).union(OpenFlags::WRITE);

/// Clocks that are set, random bytes that repeat.
#[derive(Debug, Default)]
pub struct FakeHost {
    pub monotonic: AtomicU64,
    pub realtime: AtomicI64,
    pub random: AtomicU64,
}

impl Host for FakeHost {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.monotonic.load(Ordering::SeqCst))
    }
    fn realtime(&self) -> Timestamp {
        Timestamp(self.realtime.load(Ordering::SeqCst))
    }
    fn fill_random(&self, buf: &mut [u8]) {
        for byte in buf {
            *byte = (self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst) >> 56) as u8;
        }
    }
}

/// Claims WebAssembly and notes what it was told to start. An image with `broken` in it cannot be loaded.
#[derive(Default)]
pub struct FakeRuntime {
    pub started: Mutex<Vec<(Pid, BlobId)>>,
    pub loads: AtomicU64,
}

impl Runtime for FakeRuntime {
    fn claims(&self, head: &[u8]) -> bool {
        head.starts_with(b"\0asm")
    }
    fn cached(&self, _: &BlobId) -> Option<Program> {
        None
    }
    fn load(&self, image: &Image) -> Result<Program, LoadError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let bytes: &[u8] = (*image.bytes).as_ref();
        let broken = bytes.windows(6).any(|part| part == b"broken");
        if broken { Err(LoadError::new(Errno::ENOEXEC, "broken")) } else { Ok(Program(Arc::new(image.id))) }
    }
    fn start(&self, _: &Session, pid: Pid, program: Program) {
        let id = *program.0.downcast::<BlobId>().unwrap();
        self.started.lock().unwrap().push((pid, id));
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// Runs fetches at once, or keeps them until [`FakeDriver::release`].
#[derive(Default)]
pub struct FakeDriver {
    pub hold: Mutex<bool>,
    pub held: Mutex<VecDeque<Work>>,
    pub armed: Mutex<Vec<Monotonic>>,
}

impl Driver for FakeDriver {
    fn offload(&self, work: Work) {
        if *self.hold.lock().unwrap() {
            self.held.lock().unwrap().push_back(work);
        } else {
            work();
        }
    }
    fn arm(&self, _: &Session, at: Monotonic) {
        self.armed.lock().unwrap().push(at);
    }
}

impl FakeDriver {
    /// Performs the oldest fetch that was kept.
    pub fn release(&self) -> bool {
        let work = self.held.lock().unwrap().pop_front();
        work.map(|work| work()).is_some()
    }
}

/// A session and its pretend world.
pub struct Machine {
    pub session: Session,
    pub host: Arc<FakeHost>,
    pub runtime: Arc<FakeRuntime>,
    pub driver: Arc<FakeDriver>,
    pub template: Template,
}

pub fn layer() -> Arc<Layer> {
    let root = |mode| FileAttributes { mode, uid: 0, gid: 0, mtime_seconds: 1_700_000_000 };
    let agent = |mode| FileAttributes { uid: 1000, gid: 1000, ..root(mode) };
    let mut builder = LayerBuilder::new();
    for path in ["/bin", "/etc", "/dev", "/dev/pts", "/home", "/usr", "/usr/bin", "/mnt"] {
        builder.directory(path, root(0o755)).unwrap();
    }
    builder.directory("/proc", root(0o555)).unwrap();
    builder.directory("/tmp", root(0o1777)).unwrap();
    builder.directory("/home/agent", agent(0o755)).unwrap();
    builder.directory("/root", root(0o700)).unwrap();
    builder.text("/bin/prog", root(0o755), &[WASM, b"prog"].concat()).unwrap();
    builder.text("/bin/other", root(0o755), &[WASM, b"other"].concat()).unwrap();
    builder.text("/bin/broken", root(0o755), &[WASM, b"broken"].concat()).unwrap();
    builder.text("/bin/noexec", root(0o644), WASM).unwrap();
    builder.text("/bin/text", root(0o755), b"just text").unwrap();
    builder.text("/bin/empty", root(0o755), b"").unwrap();
    builder
        .text("/etc/passwd", root(0o644), b"root:x:0:0::/root:/bin/sh\nagent:x:1000:1000::/home/agent:/bin/sh\n")
        .unwrap();
    builder.text("/etc/shadow", root(0o600), b"secret").unwrap();
    for (name, rdev, mode) in Device::NODES {
        builder.device(&format!("/dev/{name}"), root(*mode), *rdev).unwrap();
    }
    builder.build()
}

pub fn template(limits: Limits, policy: Policy) -> Template {
    Template {
        layer: layer(),
        policy: Arc::new(policy),
        limits,
        user: Credentials::new(Uid::ROOT, Gid::ROOT),
        environment: strings(["PATH=/usr/bin:/bin"]),
        cwd: Arc::from(&b"/"[..]),
        hostname: "warren".into(),
    }
}

impl Machine {
    pub fn new() -> Machine {
        Machine::with(Limits::default(), Policy::session())
    }

    pub fn limited(set: impl FnOnce(&mut Limits)) -> Machine {
        let mut limits = Limits::default();
        set(&mut limits);
        Machine::with(limits, Policy::session())
    }

    pub fn with(limits: Limits, policy: Policy) -> Machine {
        let template = template(limits, policy);
        Machine::from(template.clone(), |world| Kernel::new(world, template))
    }

    pub fn from(template: Template, make: impl FnOnce(World) -> Kernel) -> Machine {
        Machine::behind(template, None, make)
    }

    /// With a way out.
    pub fn behind(template: Template, egress: Option<Arc<dyn Egress>>, make: impl FnOnce(World) -> Kernel) -> Machine {
        let host = Arc::new(FakeHost::default());
        host.realtime.store(1_800_000_000_000_000_000, Ordering::SeqCst);
        let (runtime, driver) = (Arc::new(FakeRuntime::default()), Arc::new(FakeDriver::default()));
        let runtimes = Arc::from([runtime.clone() as Arc<dyn Runtime>]);
        let world = World { host: host.clone(), runtimes, egress };
        let session = Session::new(make(world), driver.clone());
        session.with(|kernel| {
            let mut call = Call::new(Pid::INIT);
            kernel.mount(&mut call, b"/proc", Mounted::Proc, false).expect("/proc is mounted");
            // Unless the test made a layer that has no place for it.
            let _ = kernel.mount(&mut call, b"/dev/pts", Mounted::Terminals, false);
        });
        Machine { session, host, runtime, driver, template }
    }

    /// A process of root's, launched from outside.
    pub fn root(&self) -> Proc<'_> {
        let spawn = spawn("/bin/prog");
        let pid = self.block(Pid::INIT, |kernel, call| kernel.launch(call, &spawn)).expect("launched");
        Proc { machine: self, pid }
    }

    /// A process of user and group 1000, in its home.
    pub fn agent(&self) -> Proc<'_> {
        self.user(1000)
    }

    pub fn user(&self, id: u32) -> Proc<'_> {
        let process = self.root();
        process.become_user(id);
        if id == 1000 {
            process.chdir("/home/agent").expect("home");
        }
        process
    }

    /// Makes a call and waits for it; the process must not be ended by it.
    pub fn block<T>(&self, pid: Pid, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin) -> Result<T, Errno> {
        match block_on(self.session.call(pid, op)) {
            Ok(value) => Ok(value),
            Err(CallError::Failed(errno)) => Err(errno),
            Err(CallError::Doomed(signal)) => panic!("ended by {signal}"),
            Err(CallError::Interrupted { .. }) => Err(Errno::EINTR),
        }
    }

    pub fn usage(&self) -> Usage {
        self.session.with(|kernel| kernel.usage())
    }

    pub fn set_time(&self, nanoseconds: u64) {
        self.host.monotonic.store(nanoseconds, Ordering::SeqCst);
    }

    /// What happened, exits left out.
    pub fn events(&self) -> Vec<What> {
        let (_, events) = self.session.with(|kernel| kernel.events_since(0));
        events.into_iter().map(|event| event.what).filter(|what| !matches!(what, What::Exited { .. })).collect()
    }

    /// Names of the limits that were reached, in order.
    pub fn limits_reached(&self) -> Vec<(String, Errno)> {
        self.events()
            .into_iter()
            .filter_map(|what| match what {
                What::LimitReached { limit, errno } => Some((limit, errno)),
                _ => None,
            })
            .collect()
    }
}

pub fn spawn(command: &str) -> Spawn {
    Spawn {
        command: command.as_bytes().into(),
        search: None,
        arguments: strings([command]),
        environment: strings(["A=b"]),
        cwd: None,
        actions: Vec::new(),
        attributes: Attributes::default(),
    }
}

pub fn open_action(fd: u32, path: &str, flags: OpenFlags) -> FileAction {
    FileAction::Open { fd: Fd(fd), path: path.as_bytes().into(), flags, mode: Mode::new(0o644) }
}

/// Wakes the thread that waits, and counts.
pub struct Bell {
    thread: Thread,
    pub rings: AtomicU64,
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

pub fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell { thread: std::thread::current(), rings: AtomicU64::new(0) });
    (bell.clone(), Waker::from(bell))
}

/// Polls until ready. Waits only when nothing rang meanwhile, so a lost wake-up hangs (and the test run shows it).
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let (bell, waker) = bell();
    let mut context = Context::from_waker(&waker);
    loop {
        let before = bell.rings.load(Ordering::SeqCst);
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        while bell.rings.load(Ordering::SeqCst) == before {
            std::thread::park();
        }
    }
}

/// proptest's configuration with this many cases, unless `PROPTEST_CASES` says otherwise.
pub fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { default } else { ProptestConfig { cases, ..default } }
}

/// A call that is polled by hand.
pub struct Pending<'a, T> {
    future: std::pin::Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>,
    pub bell: Arc<Bell>,
    waker: Waker,
}

impl<'a, T> Pending<'a, T> {
    pub fn new(future: impl Future<Output = Result<T, CallError>> + Send + 'a) -> Pending<'a, T> {
        let (bell, waker) = bell();
        Pending { future: Box::pin(future), bell, waker }
    }

    /// Polls once.
    pub fn poll(&mut self) -> Option<Result<T, CallError>> {
        match self.future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// How often it was woken.
    pub fn rings(&self) -> u64 {
        self.bell.rings.load(Ordering::SeqCst)
    }
}

/// A read of up to `want` bytes, to be polled by hand.
pub fn reading<'a>(process: Proc<'a>, fd: Fd, want: usize) -> Pending<'a, Vec<u8>> {
    Pending::new(process.machine.session.call(process.pid, move |kernel, call| {
        let mut got = Vec::new();
        kernel.read(call, fd, want, &mut |bytes| got.extend_from_slice(bytes))?;
        Ok(got)
    }))
}

/// An open, to be polled by hand.
pub fn opening<'a>(process: Proc<'a>, path: &'static str, flags: OpenFlags) -> Pending<'a, Fd> {
    Pending::new(
        process.machine.session.call(process.pid, move |kernel, call| {
            kernel.open(call, At::Cwd, path.as_bytes(), flags, Mode::new(0o666))
        }),
    )
}
