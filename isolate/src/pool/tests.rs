//! Isolates that cannot be made, and who waits while others are.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use super::{Isolates, MAKING_MAX, Make, Options};
use crate::code::CodeOptions;
use crate::worker::{Limits, Worker};
use crate::{COMMAND, MAGIC};
use deno_core::v8;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use warren_isolate_extensions::code::CodeStore;
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;
use warren_kernel::{Errno, Session};
use warren_wasi_posix::node::{Command, Node, Running};
use warren_wasi_posix::software::project;
use warren_wasi_posix::{EngineOptions, Wasm, layer};

#[derive(Debug)]
struct NoBlobs;

impl Blobs for NoBlobs {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}

/// A node whose isolates are made so.
struct Bench {
    runtime: Runtime,
    node: Node,
}

impl Bench {
    fn new(make: Make, warm: usize) -> Bench {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let wasm = Wasm::new(&EngineOptions { processes: 4, ..EngineOptions::default() }, handle.clone()).unwrap();
        let layer = layer::build_with(&project(&[]), &(Arc::new(NoBlobs) as _), &[(COMMAND.0, MAGIC)]).unwrap();
        let options = Options { warm, code: CodeOptions::default(), ..Options::default() };
        let isolates = Isolates::made_by(make, options, wasm.shares(), handle.clone());
        Bench { node: Node::new(wasm, layer, [], handle).with_guests(Arc::new(isolates)), runtime }
    }

    fn session(&self) -> Session {
        self.node.session(self.node.template())
    }

    async fn begin(&self, session: &Session, words: &[&str]) -> Running {
        let words: Vec<&str> = std::iter::once("node").chain(words.iter().copied()).collect();
        let mut running = Command::new(&self.node.template(), words).launch(session).await.unwrap();
        drop(running.stdin.take());
        running
    }

    fn within<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(90), future).await.expect("it hangs") })
    }
}

static TRIED: AtomicUsize = AtomicUsize::new(0);

fn fails(_: Limits, _: Duration, _: Arc<dyn CodeStore>) -> Worker {
    TRIED.fetch_add(1, Ordering::AcqRel);
    panic!("no isolate today");
}

#[test]
fn an_isolate_that_cannot_be_made_ends_its_program_with_one_error() {
    for warm in [0, 2] {
        let bench = Bench::new(fails, warm);
        let session = bench.session();
        for _ in 0..3 {
            let ended = bench.within(async { bench.begin(&session, &["-p", "1"]).await.finish().await.unwrap() });
            assert_eq!(ended.status, ExitStatus::Signaled(Signal::ABRT));
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(said, "FATAL ERROR: no isolate could be made for this program\n");
        }
    }
    // One for each program, and a few ahead of need.
    assert!(TRIED.load(Ordering::Acquire) <= 6 + 3 * 8, "{TRIED:?}");
}

static MADE: AtomicUsize = AtomicUsize::new(0);
static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn counted(limits: Limits, quiet: Duration, codes: Arc<dyn CodeStore>) -> Worker {
    MOST.fetch_max(AT_ONCE.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
    let worker = Worker::new(limits, quiet, codes);
    AT_ONCE.fetch_sub(1, Ordering::AcqRel);
    MADE.fetch_add(1, Ordering::AcqRel);
    worker
}

#[test]
fn a_session_that_begins_many_programs_keeps_no_other_waiting_for_them() {
    const MANY: usize = 24;
    let bench = Bench::new(counted, 0);
    let (greedy, other) = (bench.session(), bench.session());
    bench.within(async {
        let mut many = Vec::new();
        for _ in 0..MANY {
            many.push(bench.begin(&greedy, &["-e", "setInterval(() => {}, 1000)"]).await);
        }
        let ended = bench.begin(&other, &["-p", "6 * 7"]).await.finish().await.unwrap();
        assert_eq!((ended.status, ended.stdout.as_slice()), (ExitStatus::Exited(0), &b"42\n"[..]));
        assert!(MADE.load(Ordering::Acquire) < MANY, "the other's was made before the last of these");
        // What waits for its isolate ends as what runs does.
        for running in &many {
            greedy.with(|kernel| kernel.signal_process(running.pid, Signal::KILL));
        }
        for running in many {
            let ended = running.finish().await.unwrap();
            assert_eq!((ended.status, ended.stderr.as_slice()), (ExitStatus::Signaled(Signal::KILL), &b""[..]));
        }
        // The session goes on.
        let ended = bench.begin(&greedy, &["-p", "1"]).await.finish().await.unwrap();
        assert_eq!((ended.status, ended.stdout.as_slice()), (ExitStatus::Exited(0), &b"1\n"[..]));
    });
    assert!(MADE.load(Ordering::Acquire) < MANY + 2, "what was killed before its turn has none made");
    assert!(MOST.load(Ordering::Acquire) <= MAKING_MAX + 1, "of two sessions");
    assert!(MOST.load(Ordering::Acquire) >= 1);
}

#[global_allocator]
static ALLOCATOR: crate::Allocator = crate::Allocator;

/// Native code that the engine calls, with a mistake.
extern "C" fn mistake(_: v8::UnsafeRawIsolatePtr, _: *mut c_void) {
    panic!("a mistake");
}

/// The same, which believes whatever it is told.
extern "C" fn greed(_: v8::UnsafeRawIsolatePtr, _: *mut c_void) {
    let much = Vec::<u8>::with_capacity(3 << 30);
    assert_eq!(much.capacity(), 0, "it was given");
}

static INTERRUPTED: AtomicUsize = AtomicUsize::new(0);

/// The first two are interrupted, each by one of them.
fn interrupted(limits: Limits, quiet: Duration, codes: Arc<dyn CodeStore>) -> Worker {
    let mut worker = Worker::new(limits, quiet, codes);
    match INTERRUPTED.fetch_add(1, Ordering::AcqRel) {
        0 => drop(worker.handle().request_interrupt(mistake, std::ptr::null_mut())),
        1 => drop(worker.handle().request_interrupt(greed, std::ptr::null_mut())),
        _ => {}
    }
    worker
}

/// Says that this process is there for it: the thread that is lost keeps the harness of tests from ending.
const ALONE: &str = "MISTAKE_ALONE";

#[test]
fn a_mistake_in_the_engines_frames_ends_its_program_alone() {
    if std::env::var_os(ALONE).is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "pool::tests::a_mistake_in_the_engines_frames_ends_its_program_alone", "--nocapture"]);
        let ended = alone.env(ALONE, "1").output().unwrap();
        assert!(ended.status.success(), "{:?} {}", ended.status, String::from_utf8_lossy(&ended.stderr));
        return;
    }
    let bench = Bench::new(interrupted, 0);
    let session = bench.session();
    bench.within(async {
        for why in ["this program's runtime failed", "native code is out of memory"] {
            let ended = bench.begin(&session, &["-e", "for (;;);"]).await.finish().await.unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status, ExitStatus::Signaled(Signal::ABRT), "{said}");
            assert_eq!(said, format!("\nFATAL ERROR: {why}\n"));
        }
        let ended = bench.begin(&session, &["-p", "1"]).await.finish().await.unwrap();
        assert_eq!((ended.status, ended.stdout.as_slice()), (ExitStatus::Exited(0), &b"1\n"[..]));
    });
    std::process::exit(0);
}
