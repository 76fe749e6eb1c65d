//! Sessions with nothing in them but the base system and `node`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use warren_isolate::{CodeCounts, Isolates, Limits, MAGIC, Options};
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_kernel::id::Pid;
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::pty::WindowSize;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Errno, Session, Template};
use warren_wasi_posix::node::{Command, Node};
use warren_wasi_posix::software::project;
use warren_wasi_posix::{EngineOptions, Wasm, layer};

/// No program here takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct NoBlobs;

impl Blobs for NoBlobs {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}

struct Bench {
    runtime: Runtime,
    node: Node,
    isolates: Isolates,
}

/// How often what was kept of scripts was of use, in all sessions.
pub(crate) fn code_counts() -> CodeCounts {
    bench().isolates.code_counts()
}

fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let wasm = Wasm::new(&EngineOptions { processes: 16, ..EngineOptions::default() }, handle.clone()).unwrap();
        let commands: &[(&str, &[u8])] = &[("/usr/bin/node", MAGIC)];
        let layer = layer::build_with(&project(&[]), &(Arc::new(NoBlobs) as _), commands).unwrap();
        let isolates = Isolates::new(
            Options {
                limits: Limits { heap: 128 << 20, outside: 256 << 20 },
                quiet: Duration::from_millis(200),
                ..Options::default()
            },
            wasm.shares(),
            handle.clone(),
        );
        let node = Node::new(wasm, layer, [], handle).with_guests(Arc::new(isolates.clone()));
        Bench { runtime, node, isolates }
    })
}

/// How a program ended, and what it said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A session.
pub(crate) struct Place {
    pub(crate) session: Session,
    pub(crate) template: Template,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place::with(|_| {})
    }

    /// One that is not as all others are.
    pub(crate) fn with(change: impl FnOnce(&mut Template)) -> Place {
        let mut template = bench().node.template();
        change(&mut template);
        Place { session: bench().node.session(template.clone()), template }
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn file(&self, path: &str, text: &str) -> &Place {
        self.within(self.session.call(Pid::INIT, |kernel, call| {
            for (at, _) in path.match_indices('/').skip(1) {
                match kernel.mkdir(call, At::Root, &path.as_bytes()[..at], Mode::new(0o777)) {
                    Ok(()) => kernel.chmod(call, At::Root, &path.as_bytes()[..at], Mode::new(0o777))?,
                    Err(warren_kernel::Halt::Fail(Errno::EEXIST)) => {}
                    Err(halt) => return Err(halt),
                }
            }
            let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
            let fd = kernel.open(call, At::Root, path.as_bytes(), flags, Mode::new(0o644))?;
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                let count = kernel.write(call, fd, &[rest])?;
                rest = &rest[count..];
            }
            kernel.close(call, fd)?;
            Ok(())
        }))
        .unwrap();
        self
    }

    /// Makes a FIFO that everybody may use.
    pub(crate) fn fifo(&self, path: &str) -> &Place {
        self.within(self.session.call(Pid::INIT, |kernel, call| {
            kernel.mknod(call, At::Root, path.as_bytes(), FileKind::Fifo, Mode::new(0o666), 0)?;
            kernel.chmod(call, At::Root, path.as_bytes(), Mode::new(0o666))
        }))
        .unwrap();
        self
    }

    /// Runs `node` with these words and nothing on its input.
    pub(crate) fn node(&self, words: &[&str]) -> Ended {
        self.node_with(words, "")
    }

    /// The same with something on its input.
    pub(crate) fn node_with(&self, words: &[&str], input: &str) -> Ended {
        let words: Vec<&str> = std::iter::once("node").chain(words.iter().copied()).collect();
        let command = Command::new(&self.template, words);
        self.within(async {
            let mut running = command.launch(&self.session).await.unwrap();
            if let Some(stdin) = &running.stdin {
                let _ = stdin.write_all(input.as_bytes()).await;
            }
            drop(running.stdin.take());
            let finished = running.finish().await.unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            Ended { status: finished.status, out: text(finished.stdout), err: text(finished.stderr) }
        })
    }

    /// Runs it and ends it with SIGKILL after a while.
    pub(crate) fn node_killed_after(&self, words: &[&str], after: Duration) -> Ended {
        let words: Vec<&str> = std::iter::once("node").chain(words.iter().copied()).collect();
        let command = Command::new(&self.template, words);
        self.within(async {
            let running = command.launch(&self.session).await.unwrap();
            let (session, pid) = (running.session.clone(), running.pid);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                session.with(|kernel| kernel.signal_process(pid, Signal::KILL));
            });
            let finished = running.finish().await.unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Ended { status: finished.status, out: text(finished.stdout), err: text(finished.stderr) }
        })
    }

    /// Runs it on a terminal of 80 by 24. Each time the screen shows the one, the other is typed; nothing is a new size, of 100 by
    /// 30.
    pub(crate) fn on_terminal(&self, words: &[&str], keys: &[(&str, &[u8])]) -> Ended {
        let words: Vec<&str> = std::iter::once("node").chain(words.iter().copied()).collect();
        let command = Command::new(&self.template, words);
        self.within(async {
            let running = command.launch_on_terminal(&self.session, WindowSize::new(24, 80)).await.unwrap();
            let (mut screen, mut seen) = (Vec::new(), 0);
            let mut keys = keys.iter();
            let mut next = keys.next();
            while !matches!(running.terminal.read(4096, &mut screen).await, Ok(0) | Err(_)) {
                while let Some((shown, typed)) = next {
                    let text = String::from_utf8_lossy(&screen[seen..]).into_owned();
                    let Some(at) = text.find(shown) else { break };
                    seen += at + shown.len();
                    match typed.is_empty() {
                        true => running.terminal.resize(WindowSize::new(30, 100)).unwrap(),
                        false => running.terminal.write_all(typed).await.unwrap(),
                    }
                    next = keys.next();
                }
            }
            let (status, _) = self.session.wait(running.pid).await.unwrap();
            Ended { status, out: String::from_utf8(screen).unwrap(), err: String::new() }
        })
    }

    pub(crate) fn within<T>(&self, future: impl Future<Output = T>) -> T {
        bench().runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("the program hangs") })
    }
}

/// What a program that is given as text prints; it has to end well and say nothing else.
pub(crate) fn printed(script: &str) -> String {
    let ended = Place::new().node(&["-e", script]);
    assert_eq!((ended.status, ended.err.as_str()), (ExitStatus::Exited(0), ""), "{script}: {ended:?}");
    ended.out
}

/// Adds a variable, `NAME=value`, to what the session's processes begin with.
pub(crate) fn set(template: &mut Template, variable: &str) {
    let all = template.environment.iter().map(|entry| String::from_utf8_lossy(entry).into_owned());
    template.environment = strings(all.chain([variable.to_owned()]).collect::<Vec<_>>());
}
