//! What every benchmark runs on: a node with the installed software, in this process.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};
use warren_isolate::Isolates;
use warren_kernel::id::Pid;
use warren_kernel::process::ExitStatus;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{Session, Template};
use warren_wasi_posix::layer::{self, StoreBlobs};
use warren_wasi_posix::node::{Command, Finished, Node, Stdio};
use warren_wasi_posix::software::{Store, project};
use warren_wasi_posix::system::guests_executor;
use warren_wasi_posix::{EngineOptions, Wasm};

/// Why a benchmark gave no measurement.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes handed to one write() when a file is made.
const CHUNK: usize = 1 << 20;

/// A node, and the executor its guests run on.
pub(crate) struct Bed {
    runtime: Runtime,
    node: Node,
    /// Where guests run, if not beside what is driven.
    _guests: Option<Guests>,
}

/// An executor of guests. It ends in the background: nobody waits for guests that are busy.
struct Guests(Option<Runtime>);

impl Drop for Guests {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Bed {
    pub(crate) fn open() -> Result<Bed, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
        let node = Bed::node_on(runtime.handle(), None)?;
        Ok(Bed { runtime, node, _guests: None })
    }

    /// One whose sessions have `node`, with so many isolates made ahead of need.
    pub(crate) fn with_isolates(warm: usize) -> Result<Bed, Failure> {
        let guests = guests_executor()?;
        let node = Bed::node_on(guests.handle(), Some(warm))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Bed { runtime, node, _guests: Some(Guests(Some(guests))) })
    }

    /// As a server has it: guests on an executor of their own.
    pub(crate) fn of_a_server() -> Result<Bed, Failure> {
        let guests = guests_executor()?;
        let node = Bed::node_on(guests.handle(), None)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Bed { runtime, node, _guests: Some(Guests(Some(guests))) })
    }

    fn node_on(guests: &Handle, isolates: Option<usize>) -> Result<Node, Failure> {
        let store = Store::open(cache()?)?;
        let wasm = Wasm::new(&options()?, guests.clone())?;
        let projection = project(&store.packages()?);
        let blobs = Arc::new(StoreBlobs(store)) as _;
        let Some(warm) = isolates else {
            return Ok(Node::new(wasm, layer::build(&projection, &blobs)?, projection.env, guests.clone()));
        };
        let layer = layer::build_with(&projection, &blobs, &[warren_isolate::COMMAND])?;
        let options = warren_isolate::Options { warm, ..warren_isolate::Options::default() };
        let isolates = Isolates::new(options, wasm.shares(), guests.clone());
        Ok(Node::new(wasm, layer, projection.env, guests.clone()).with_guests(Arc::new(isolates)))
    }

    /// The node.
    pub(crate) fn node(&self) -> Node {
        self.node.clone()
    }

    /// A session as [`Node::template`] says.
    pub(crate) fn session(&self) -> Session {
        self.node.session(self.node.template())
    }

    /// Runs `work` as a task of the executor, which is where a gateway's connections and actors make their calls.
    pub(crate) fn drive<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.runtime.block_on(self.runtime.spawn(work))?
    }
}

/// Fails with what to do when there is nothing to benchmark.
pub(crate) fn require_software() -> Result<(), Failure> {
    if Store::open(cache()?)?.packages()?.is_empty() {
        return Err("no software is installed; add the default set with `warren software add`".into());
    }
    Ok(())
}

/// The engine every benchmark uses: what `warren` uses, but for as many processes as the engine's default.
pub(crate) fn options() -> Result<EngineOptions, Failure> {
    Ok(EngineOptions { cache: Some(cache()?), ..EngineOptions::default() })
}

fn cache() -> Result<PathBuf, Failure> {
    Store::default_root(&|name| std::env::var_os(name))
        .ok_or_else(|| "no cache folder: set WARREN_CACHE or HOME to a folder of yours".into())
}

/// A command with its input empty and these two outputs.
pub(crate) fn command<T: AsRef<[u8]>>(
    template: &Template,
    arguments: impl IntoIterator<Item = T>,
    outputs: [Stdio; 2],
) -> Command {
    Command { stdio: [Stdio::Null, outputs[0], outputs[1]], ..Command::new(template, arguments) }
}

/// Launches, reads all output and waits; a status other than 0 is a failure.
pub(crate) async fn finish(session: &Session, command: &Command) -> Result<Finished, Failure> {
    let finished = command.launch(session).await?.finish().await?;
    require(finished.status, command, &finished.stderr)?;
    Ok(finished)
}

/// Launches and waits, for a command without piped output.
pub(crate) async fn wait(session: &Session, command: &Command) -> Result<(), Failure> {
    let (status, _) = command.launch(session).await?.wait().await?;
    require(status, command, b"")
}

fn require(status: ExitStatus, command: &Command, stderr: &[u8]) -> Result<(), Failure> {
    if status == ExitStatus::Exited(0) {
        return Ok(());
    }
    let program = String::from_utf8_lossy(&command.program);
    Err(format!("{program}: {status:?} {}", String::from_utf8_lossy(stderr)).into())
}

/// Makes a file of the session's, through the kernel.
pub(crate) fn put_file(session: &Session, path: &str, bytes: &[u8]) -> Result<(), Failure> {
    session.with(|kernel| {
        let call = &mut warren_kernel::Call::new(Pid::INIT);
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let fd = done(kernel.open(call, At::Root, path.as_bytes(), flags, Mode::new(0o644)))?;
        for chunk in bytes.chunks(CHUNK) {
            let written = done(kernel.write(call, fd, &[chunk]))?;
            if written != chunk.len() {
                return Err(format!("{path}: only {written} of {} bytes were written", chunk.len()).into());
            }
        }
        Ok(kernel.close(call, fd)?)
    })
}

/// Makes a program of WebAssembly's text format.
pub(crate) fn put_program(session: &Session, path: &str, text: &str) -> Result<(), Failure> {
    put_file(session, path, &wat::parse_str(text)?)?;
    session.with(|kernel| {
        let call = &mut warren_kernel::Call::new(Pid::INIT);
        done(kernel.chmod(call, At::Root, path.as_bytes(), Mode::new(0o755)))
    })
}

/// The value of a call that has nothing to wait for.
pub(crate) fn done<T>(step: warren_kernel::Step<T>) -> Result<T, Failure> {
    step.map_err(|halt| match halt {
        warren_kernel::Halt::Fail(errno) => errno.into(),
        other => format!("a call that need not wait does: {other:?}").into(),
    })
}
