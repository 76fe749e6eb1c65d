//! The engine all WebAssembly guests of a node share, and the kernel's runtime on top of it.
//!
//! ```text
//! image ──cached?──▶ program
//!    └──load──▶ compiled file of this host ──or──▶ compile, keep ──▶ link against the ABI table ──▶ program
//! ```
//! Instances come from a pool with copy-on-write memory images, so a process costs a few microseconds to make and
//! its untouched pages are shared. A thread of [`warren_share`] advances the epoch while guests run and sleeps while none does: at
//! each tick a busy guest yields, and one that was killed ends. Which guest runs next is [`warren_share`]'s to say.

use crate::abi;
use crate::aot::{AotError, CodeCache};
use crate::guest::{self, Guest, HandlerStacks};
use crate::metrics::{self, Made};
use crate::shape;
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use warren_kernel::blob::BlobId;
use warren_kernel::fetch::Image;
use warren_kernel::id::Pid;
use warren_kernel::runtime::{LoadError, Program, Runtime};
use warren_kernel::{Errno, Session};
use warren_share::{Place, SessionShare, Shares, thread_cpu_nanos};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, OptLevel,
    PoolingAllocationConfig, Strategy,
};

/// The tenant of sessions that are nobody's.
pub(crate) const NOBODY: &str = "";
/// Programs a session wrote itself that are kept; those of shared layers are all kept.
pub const PRIVATE_PROGRAMS_MAX: usize = 64;

/// How the engine is made.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where compiled code is kept; `None` compiles anew in each process.
    pub cache: Option<std::path::PathBuf>,
    /// Processes that can live at once on the node. Each reserves address space, not memory.
    pub processes: u32,
    /// Bytes of each instance's memory that stay resident when its slot is given back.
    pub keep_resident: usize,
    /// Directories a program of plain WASI finds open: where each is, relative to where the program begins, and its name
    /// there. `None` is the usual: `.`, and each directory of the root.
    pub preopens: Option<Vec<(String, String)>>,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions { cache: None, processes: 1000, keep_resident: 256 * 1024, preopens: None }
    }
}

/// Why an engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine's own reason, usually address space or memory maps that the system refuses.
    #[error("the WebAssembly engine cannot start with {processes} processes: {reason}")]
    Start {
        /// As configured.
        processes: u32,
        /// In the engine's words.
        reason: String,
    },
    /// The code cache is not usable.
    #[error(transparent)]
    Cache(#[from] AotError),
    /// The ABI table is not linkable: a mistake of ours.
    #[error("the ABI table does not link: {0}")]
    Abi(String),
}

/// A module linked against the ABI, shared by all processes that run it.
pub struct Linked {
    pub(crate) pre: InstancePre<Guest>,
    /// It imports nothing but WASI: its libc takes preopened directories as real descriptors.
    pub(crate) plain_wasi: bool,
}

/// The kernel's runtime for WebAssembly, for one session. Cheap to clone.
#[derive(Clone)]
pub struct Wasm {
    inner: Arc<Inner>,
    share: Arc<SessionShare>,
}

struct Inner {
    engine: Engine,
    linker: Linker<Guest>,
    cache: Option<CodeCache>,
    programs: Mutex<Programs>,
    /// Compilations at once: the machine's cores, so that compiling cannot starve guests that run.
    compiling: Gate,
    /// Images that sessions wrote, one at a time: they cannot keep a layer's image waiting.
    compiling_private: Gate,
    shares: Shares,
    handler_stacks: HandlerStacks,
    preopens: Option<Vec<(String, String)>>,
    handle: Handle,
}

#[derive(Default)]
struct Programs {
    by_content: HashMap<BlobId, Arc<Slot>>,
    /// Contents a session wrote, oldest first.
    private: Vec<BlobId>,
}

/// A program being made or made; whoever comes second waits for the first.
type Slot = OnceLock<Result<Program, LoadError>>;

impl Wasm {
    /// Makes the engine; guests run as tasks of `handle`'s runtime.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn new(options: &EngineOptions, handle: Handle) -> Result<Wasm, EngineError> {
        let engine = Engine::new(&config(options))
            .map_err(|error| EngineError::Start { processes: options.processes, reason: format!("{error:#}") })?;
        let mut linker = Linker::new(&engine);
        abi::link(&mut linker).map_err(|error| EngineError::Abi(format!("{error:#}")))?;
        let cache = options.cache.as_ref().map(|path| CodeCache::open(path, &engine)).transpose()?;
        let epochs = engine.clone();
        let shares = Shares::start(handle.metrics().num_workers(), move || epochs.increment_epoch());
        let compiling = Gate::new(std::thread::available_parallelism().map_or(1, usize::from));
        let compiling_private = Gate::new(1);
        let programs = Mutex::default();
        let handler_stacks = HandlerStacks::new(u64::from(options.processes));
        let inner = Inner {
            engine,
            linker,
            cache,
            programs,
            compiling,
            compiling_private,
            shares,
            handler_stacks,
            preopens: options.preopens.clone(),
            handle,
        };
        let share = inner.shares.session(NOBODY);
        Ok(Wasm { inner: Arc::new(inner), share })
    }

    /// The shares of its threads that tenants have.
    pub fn shares(&self) -> &Shares {
        &self.inner.shares
    }

    /// The executor guests run on.
    pub(crate) fn executor(&self) -> &Handle {
        &self.inner.handle
    }

    /// The same engine for a session of a tenant: its guests run on the tenant's share.
    pub fn for_session(&self, share: Arc<SessionShare>) -> Wasm {
        Wasm { inner: self.inner.clone(), share }
    }

    /// Compiles a shared content if this host has not yet, so that its first use need not.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn prepare(&self, image: &Image) -> Result<(), LoadError> {
        self.load(image).map(|_| ())
    }

    /// Whether compiled code for this content is at hand, in memory or on disk.
    pub fn is_prepared(&self, id: &BlobId) -> bool {
        self.cached(id).is_some() || self.inner.cache.as_ref().is_some_and(|cache| cache.contains(id))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn handler_stacks(&self) -> HandlerStacks {
        self.inner.handler_stacks.clone()
    }

    pub(crate) fn preopens(&self) -> Option<&[(String, String)]> {
        self.inner.preopens.as_deref()
    }

    fn compile(&self, image: &Image) -> Result<Program, LoadError> {
        let bytes: &[u8] = (*image.bytes).as_ref();
        let module = match self.inner.cache.as_ref().filter(|_| image.shared) {
            Some(cache) => match cache.load(&self.inner.engine, &image.id) {
                Some(module) => {
                    ::metrics::counter!(metrics::MODULES, "source" => "kept").increment(1);
                    module
                }
                None => {
                    let _turn = self.inner.compiling.enter();
                    let _made = Made::begin();
                    let code = self.inner.engine.precompile_module(bytes).map_err(|error| invalid(&error))?;
                    cache.keep(&image.id, &code);
                    match cache.load(&self.inner.engine, &image.id) {
                        Some(module) => module,
                        // The cache folder cannot be written: the code is used once.
                        None => Module::new(&self.inner.engine, bytes).map_err(|error| invalid(&error))?,
                    }
                }
            },
            None => {
                shape::check(bytes)?;
                let _turn = self.inner.compiling_private.enter();
                let _made = Made::begin();
                Module::new(&self.inner.engine, bytes).map_err(|error| invalid(&error))?
            }
        };
        self.link(&module)
    }

    fn link(&self, module: &Module) -> Result<Program, LoadError> {
        abi::check(module)?;
        let plain_wasi = module.imports().all(|import| import.module().starts_with("wasi_"));
        let pre = self.inner.linker.instantiate_pre(module).map_err(|error| invalid(&error))?;
        Ok(Program(Arc::new(Linked { pre, plain_wasi }) as Arc<dyn Any + Send + Sync>))
    }

    fn slot(&self, image: &Image) -> Arc<Slot> {
        let mut programs = self.inner.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = programs.by_content.get(&image.id) {
            return slot.clone();
        }
        if !image.shared {
            if programs.private.len() >= PRIVATE_PROGRAMS_MAX {
                let oldest = programs.private.remove(0);
                programs.by_content.remove(&oldest);
            }
            programs.private.push(image.id);
        }
        programs.by_content.entry(image.id).or_default().clone()
    }
}

impl Runtime for Wasm {
    fn claims(&self, head: &[u8]) -> bool {
        head.starts_with(b"\0asm")
    }

    fn cached(&self, id: &BlobId) -> Option<Program> {
        let programs = self.inner.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.by_content.get(id)?.get()?.as_ref().ok().cloned()
    }

    fn load(&self, image: &Image) -> Result<Program, LoadError> {
        let compile = || {
            // Whoever came first pays: compiling takes as long as the image wants it to.
            let before = thread_cpu_nanos();
            let compiled = self.compile(image);
            self.share.charge(Duration::from_nanos(thread_cpu_nanos().saturating_sub(before)));
            compiled
        };
        self.slot(image).get_or_init(compile).clone()
    }

    fn start(&self, session: &Session, pid: Pid, program: Program) {
        let doom = || session.with(|kernel| kernel.process(pid).ok().map(|process| process.doom.clone()));
        let place = Place::new(&self.share, doom);
        let guest = guest::run(self.clone(), session.clone(), pid, program, place.turns());
        self.inner.handle.spawn(place.take_turns(guest));
    }
}

impl std::fmt::Debug for Wasm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wasm").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linked").field("plain_wasi", &self.plain_wasi).finish_non_exhaustive()
    }
}

fn invalid(error: &wasmtime::Error) -> LoadError {
    LoadError::new(Errno::ENOEXEC, format!("{error:#}"))
}

fn config(options: &EngineOptions) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(options.processes)
        .total_memories(options.processes)
        .total_tables(options.processes)
        // One for each process, and as many for signal handlers ([`HandlerStacks`]).
        .total_stacks(options.processes.saturating_mul(2))
        .max_memory_size(4 << 30)
        .table_elements(65_536)
        .max_core_instance_size(4 << 20)
        .linear_memory_keep_resident(options.keep_resident)
        .table_keep_resident(64 * 1024)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(64);
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .max_wasm_stack(1 << 20)
        .async_stack_size(2 << 20)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .parallel_compilation(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Lets so many in at once.
struct Gate {
    free: Mutex<usize>,
    left: std::sync::Condvar,
}

struct Turn<'a>(&'a Gate);

impl Gate {
    fn new(places: usize) -> Gate {
        Gate { free: Mutex::new(places), left: std::sync::Condvar::new() }
    }

    fn enter(&self) -> Turn<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.left.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.left.notify_one();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shares.stop();
    }
}
