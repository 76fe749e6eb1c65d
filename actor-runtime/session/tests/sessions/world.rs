//! A node whose software is some small programs written as text, and sessions kept in memory.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use warren_kernel::vfs::device::Device;
use warren_kernel::vfs::layer::{Attributes, Layer, LayerBuilder};
use warren_session::command::{ExecRequest, Stdin, Words, WriteOptions};
use warren_session::durability::Durability;
use warren_session::durability::volatile::Volatile;
use warren_session::event::Event;
use warren_session::id::{SessionId, TenantId};
use warren_session::spec::{SessionSpec, Tier};
use warren_session::{Options, Secrets, Seen, SessionError, SessionHandle, Sessions, Software};
use warren_wasi_posix::node::Node;
use warren_wasi_posix::share::Shares;
use warren_wasi_posix::{EngineOptions, Wasm};

/// No test takes this long unless it hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

struct Bench {
    runtime: Runtime,
    node: Node,
}

fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let wasm = Wasm::new(&EngineOptions::default(), runtime.handle().clone()).unwrap();
        let node = Node::new(wasm, layer(), [], runtime.handle().clone());
        Bench { runtime, node }
    })
}

/// Runs a test's future to its end, which must come.
pub(crate) fn within<T>(future: impl Future<Output = T>) -> T {
    bench().runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("the test hangs") })
}

/// The shares of the processor of all worlds' tenants: those of a test are its own.
pub(crate) fn shares() -> &'static Shares {
    bench().node.shares()
}

fn layer() -> Arc<Layer> {
    let mut builder = LayerBuilder::new();
    let of = |mode, uid| Attributes { mode, uid, gid: uid, mtime_seconds: 0 };
    for (path, mode) in [("/proc", 0o555), ("/tmp", 0o1777), ("/usr/bin", 0o755), ("/dev/pts", 0o755), ("/etc", 0o755)]
    {
        builder.directory(path, of(mode, 0)).unwrap();
    }
    builder.directory("/home/agent", of(0o755, 1000)).unwrap();
    builder.text("/etc/motd", of(0o644, 0), b"hello\n").unwrap();
    for (name, rdev, mode) in Device::NODES {
        builder.device(&format!("/dev/{name}"), of(*mode, 0), *rdev).unwrap();
    }
    for (name, text) in programs() {
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        builder.text(&format!("/usr/bin/{name}"), of(0o755, 0), &bytes).unwrap();
    }
    builder.build()
}

const IMPORTS: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 4)"#;

fn program(data: &str, body: &str) -> String {
    format!("(module {IMPORTS} {data} (func (export \"_start\") (local $n i32) {body}))")
}

/// Name and text of every guest.
fn programs() -> Vec<(&'static str, String)> {
    // At 0 an iovec: address and length. At 8 the count.
    let put = |fd, at, len| {
        format!(
            "(i32.store (i32.const 0) (i32.const {at})) (i32.store (i32.const 4) (i32.const {len}))
             (drop (call $write (i32.const {fd}) (i32.const 0) (i32.const 1) (i32.const 8)))"
        )
    };
    // A relative sleep, in nanoseconds: a subscription to the monotonic clock at 64.
    let sleep = |nanos: u64| {
        format!(
            "(i64.store (i32.const 64) (i64.const 0)) (i64.store (i32.const 72) (i64.const 0))
             (i32.store (i32.const 80) (i32.const 1)) (i64.store (i32.const 88) (i64.const {nanos}))
             (i64.store (i32.const 96) (i64.const 0)) (i64.store (i32.const 104) (i64.const 0))
             (drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)))"
        )
    };
    let hi = r#"(data (i32.const 1024) "hi\n") (data (i32.const 1040) "oh\n")"#;
    let open = |rights: u64, flags: u32| {
        // The first preopened directory is the working directory.
        format!(
            "(drop (call $open (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const 4) (i32.const {flags})
                (i64.const {rights}) (i64.const 0) (i32.const 1) (i32.const 16)))"
        )
    };
    vec![
        ("true", program("", "")),
        ("seven", program("", "(call $exit (i32.const 7))")),
        ("hi", program(hi, &put(1, 1024, 3))),
        ("both", program(hi, &format!("{} {}", put(1, 1024, 3), put(2, 1040, 3)))),
        ("spin", program("", "(loop $on (br $on))")),
        ("sleep", program("", &sleep(1_000_000_000_000))),
        ("nap", program(hi, &format!("{} {} {}", put(1, 1024, 3), sleep(300_000_000), put(1, 1040, 3)))),
        // Standard input to standard output.
        (
            "cat",
            program(
                "",
                "(loop $on
                    (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 65536))
                    (if (i32.eqz (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))) (then
                        (i32.store (i32.const 4) (i32.load (i32.const 8)))
                        (if (i32.load (i32.const 8)) (then
                            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                            (br $on))))))",
            ),
        ),
        // 4 MiB to standard output.
        (
            "flood",
            program(
                "",
                "(local.set $n (i32.const 64))
                 (loop $on
                    (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 65536))
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (br_if $on (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))",
            ),
        ),
        // Appends three bytes to `file` in the working directory.
        (
            "keep",
            program(
                r#"(data (i32.const 1024) "hi\n") (data (i32.const 2048) "file")"#,
                &format!(
                    "{}
                     (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 3))
                     (drop (call $write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))",
                    open(0x40, 1)
                ),
            ),
        ),
        // The same, again and again.
        (
            "scribble",
            program(
                r#"(data (i32.const 1024) "hi\n") (data (i32.const 2048) "file")"#,
                &format!(
                    "{}
                     (loop $on
                     (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 3))
                     (drop (call $write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))
                     {} (br $on))",
                    open(0x40, 1),
                    sleep(5_000_000)
                ),
            ),
        ),
    ]
}

#[derive(Debug, Default)]
pub(crate) struct Vault(Mutex<HashMap<String, String>>);

impl Vault {
    pub(crate) fn with(name: &str, value: &str) -> Vault {
        Vault(Mutex::new(HashMap::from([(name.to_owned(), value.to_owned())])))
    }
}

impl Secrets for Vault {
    fn get(&self, _tenant: &TenantId, name: &str) -> Option<String> {
        self.0.lock().unwrap().get(name).cloned()
    }
}

struct Programs;

impl Software for Programs {
    fn node(&self, packages: Option<&[String]>) -> Result<(Node, Vec<String>), String> {
        match packages {
            None => Ok((bench().node.clone(), vec!["programs@1".to_owned()])),
            Some([one]) if one == "programs@1" => Ok((bench().node.clone(), vec![one.clone()])),
            Some(other) => Err(format!("{other:?} is not installed; only programs@1 is")),
        }
    }
}

/// A node of sessions.
pub(crate) struct World {
    pub(crate) sessions: Sessions,
    pub(crate) tenant: TenantId,
}

pub(crate) fn options() -> Options {
    Options {
        secrets: Arc::new(Vault::with("token", "s3cret")),
        software: Arc::new(Programs),
        awake_max: 1000,
        quotas: Default::default(),
        meter: Arc::new(warren_session::NoMeter),
        egress: Default::default(),
        grace: Duration::from_millis(200),
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::on(Arc::new(Volatile::new())).await
    }

    pub(crate) async fn on(kept: Arc<dyn Durability>) -> World {
        World::with(kept, options()).await
    }

    pub(crate) async fn with(kept: Arc<dyn Durability>, options: Options) -> World {
        let sessions = Sessions::start(kept, options).await;
        World { sessions, tenant: TenantId::embedded() }
    }

    /// A session of this tier.
    pub(crate) async fn session(&self, tier: Tier) -> SessionHandle {
        self.session_of(SessionSpec { durability: tier, ..SessionSpec::default() }).await
    }

    pub(crate) async fn session_of(&self, spec: SessionSpec) -> SessionHandle {
        let summary = self.sessions.create(&self.tenant, None, spec).await.unwrap();
        self.handle(summary.id).await
    }

    pub(crate) async fn handle(&self, id: SessionId) -> SessionHandle {
        self.sessions.session(&self.tenant, id).await.unwrap()
    }

    /// A session with these directories and empty files.
    pub(crate) async fn imported(&self, names: impl IntoIterator<Item = (String, bool)>) -> SessionHandle {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, is_directory) in names {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(if is_directory { tar::EntryType::Directory } else { tar::EntryType::Regular });
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, name, std::io::empty()).unwrap();
        }
        let archive = std::io::Cursor::new(archive.into_inner().unwrap());
        let made = self.sessions.import(&self.tenant, None, SessionSpec::default(), archive).await.unwrap();
        self.handle(made.id).await
    }

    /// All events from `after` up to now.
    pub(crate) async fn log(&self, id: SessionId) -> Vec<Seen> {
        let head = self.sessions.get(&self.tenant, id).await.unwrap().position;
        self.log_until(id, |event| event.position >= head).await
    }

    /// Events from the first to the one `last` says.
    pub(crate) async fn log_until(&self, id: SessionId, last: impl Fn(&Event) -> bool) -> Vec<Seen> {
        take_until(self.sessions.events(&self.tenant, id, None).await.unwrap(), last).await
    }
}

/// What a stream shows up to the event `last` says.
pub(crate) async fn take_until(
    mut events: BoxStream<'static, Result<Seen, SessionError>>,
    last: impl Fn(&Event) -> bool,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(next) = events.next().await {
        let next = next.unwrap();
        let is_last = matches!(&next, Seen::Event(event) if last(event));
        seen.push(next);
        if is_last {
            break;
        }
    }
    seen
}

/// The events of what was seen; there must be nothing else.
pub(crate) fn events(seen: Vec<Seen>) -> Vec<Event> {
    let event = |seen| match seen {
        Seen::Event(event) => event,
        Seen::Resync { from, to } => panic!("events {from} to {to} are lost"),
    };
    seen.into_iter().map(event).collect()
}

/// Names of what happened, in order.
pub(crate) fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.what.word()).collect()
}

pub(crate) fn request(words: &[&str]) -> ExecRequest {
    ExecRequest {
        command: Words::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        environment: Default::default(),
        cwd: None,
        stdin: Stdin::Null,
        terminal: None,
        timeout: None,
        key: None,
        trace: None,
    }
}

pub(crate) fn keyed(words: &[&str], key: &str) -> ExecRequest {
    ExecRequest { key: Some(key.parse().unwrap()), ..request(words) }
}

pub(crate) fn parts(bytes: &[&[u8]]) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
    let parts: Vec<_> = bytes.iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    futures_util::stream::iter(parts).boxed()
}

pub(crate) async fn put(handle: &SessionHandle, path: &str, bytes: &[u8]) {
    handle.write_file(path, WriteOptions::default(), parts(&[bytes])).await.unwrap();
}

pub(crate) async fn get(handle: &SessionHandle, path: &str) -> Bytes {
    handle.read_file(path, 0..u64::MAX).await.unwrap()
}
