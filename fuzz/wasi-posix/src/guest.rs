//! One guest for all inputs: an interpreter that reads records from its standard input and makes the calls they say.
//!
//! It imports every function of the ABI's table, and is compiled once. A process it spawns of itself inherits the input
//! and takes the next program from it.

use crate::program::{self, ARGUMENTS, MEMORY, RECORD};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_kernel::event::What;
use warren_kernel::id::Pid;
use warren_kernel::kernel::Usage;
use warren_kernel::limits::Limits;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::FileKind;
use warren_kernel::vfs::open::At;
use warren_kernel::{Call, Errno, Session, Template};
use warren_wasi_posix::abi::{self, FUNCTIONS, SPAWN_V4};
use warren_wasi_posix::node::{Command, Node, Running, Stdio};
use warren_wasi_posix::software::Projection;
use warren_wasi_posix::software::project::{LayerContent, LayerEntry};
use warren_wasi_posix::{EngineOptions, Wasm, layer, software};
use wasmtime::{Config, Engine, Linker, Module};

/// The table as text: it has the parameters' names, which the linker does not.
const TABLE: &str = include_str!("../../../wasi-posix/src/abi/mod.rs");
/// proc_spawn_v4's parameters, which are not in the table.
const SPAWN_V4_NAMES: &str = "cmd cmd_len argv argv_len env env_len actions actions_len cwd cwd_len search search_len \
                              flags default_lo default_hi mask_lo mask_hi group policy priority out";
/// Processes that wait for nothing that can come, or run so long, are ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// A process that is ended has ended by then.
const ENDING: Duration = Duration::from_secs(6);

/// A function of the table, as the guest imports it.
#[derive(Debug)]
pub struct Import {
    module: &'static str,
    name: &'static str,
    /// In order.
    pub parameters: Vec<Parameter>,
    result: Option<&'static str>,
}

/// A parameter.
#[derive(Debug)]
pub struct Parameter {
    /// As the table has it; empty if it is not found there.
    pub name: String,
    /// 64 bits.
    pub long: bool,
}

struct Bench {
    runtime: Runtime,
    node: Node,
    /// Of everything, and of plain WASI: its libc takes preopened directories as real descriptors.
    imports: [Vec<Import>; 2],
}

const GUESTS: [&str; 2] = ["/usr/bin/guest", "/usr/bin/plain"];

fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread is enough");
        let options = EngineOptions { processes: 32, ..EngineOptions::default() };
        let wasm = Wasm::new(&options, runtime.handle().clone()).expect("the engine starts");
        let all = imports();
        let plain = imports().into_iter().filter(|import| import.module == "wasi_snapshot_preview1").collect();
        let imports = [all, plain];
        let modules =
            imports.each_ref().map(|imports| wat::parse_str(interpreter(imports)).expect("it is well formed"));
        let layer = layer(modules);
        let node = Node::new(wasm, layer, [], runtime.handle().clone());
        Bench { runtime, node, imports }
    })
}

/// Makes the engine and compiles the guests, so that no input is charged for it; and sees that a program is carried out,
/// without which every run would be a good one.
pub fn prepare() {
    let imports = &bench().imports[0];
    let mkdir = imports.iter().position(|import| import.name == "path_create_directory").expect("it is in the table");
    let session = run_programs(0, &program::one_call(mkdir, u32::MAX), false);
    let made = session.with(|kernel| kernel.stat(&mut Call::new(Pid::INIT), At::Root, program::first_path(), false));
    assert_eq!(made.expect("the guest made it").kind, FileKind::Directory);
    run_programs(1, &[], false);
}

/// Runs the programs of an input in a session of their own.
pub fn run(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let guest = usize::from(choice % 2);
    run_programs(guest, &program::programs(data, &bench().imports[guest]), choice & 2 != 0);
}

fn run_programs(guest: usize, programs: &[u8], keep_input: bool) -> Session {
    let bench = bench();
    let template = template(bench);
    let session = bench.node.session(template.clone());
    let clean = session.with(|kernel| kernel.usage());
    bench.runtime.block_on(async {
        let arguments = Command::new(&template, [GUESTS[guest], "argument"]);
        let command = Command { stdio: [Stdio::Pipe, Stdio::Pipe, Stdio::Null], ..arguments };
        let running = command.launch(&session).await.expect("the guest starts");
        drive(running, programs, keep_input).await;
        end_all(&session).await;
    });
    let left = session.with(|kernel| kernel.usage());
    assert_eq!(Usage { inodes: 0, file_bytes: 0, ..left }, Usage { inodes: 0, file_bytes: 0, ..clean });
    check_faults(&session);
    session
}

fn template(bench: &Bench) -> Template {
    let mut template = bench.node.template();
    template.limits = Limits {
        processes: 6,
        open_files: 64,
        pipes: 12,
        file_bytes: 1 << 20,
        inodes: 40,
        memory_bytes: 16 << 20,
        file_size: 1 << 30,
        ..Limits::default()
    };
    template
}

/// Gives the guest its programs and takes what it writes, until it has ended or only waits.
async fn drive(mut running: Running, programs: &[u8], keep_input: bool) {
    let session = running.session.clone();
    let stdin = running.stdin.take().expect("it is piped");
    stdin.write_all(programs).await.expect("an empty pipe takes all programs");
    let stdin = Some(stdin).filter(|_| keep_input);
    let stdout = running.stdout.take().expect("it is piped");
    let output = async {
        let mut bytes = Vec::new();
        while let Ok(1..) = stdout.read(64 * 1024, &mut bytes).await {
            bytes.clear();
        }
        // The reader stays, so that it is one call that waits, whatever the guest did with its end.
        std::future::pending::<()>().await
    };
    let ended = async {
        let _ = running.wait().await;
    };
    let started = Instant::now();
    let idle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            // Two of the calls that wait are ours.
            let stuck = session.with(|kernel| {
                let live =
                    kernel.processes().filter(|process| process.pid != Pid::INIT && !process.is_zombie()).count();
                kernel.usage().waiting_calls >= live + 1
            });
            if stuck || started.elapsed() > PATIENCE {
                return;
            }
        }
    };
    tokio::select! {
        () = output => {}
        () = ended => {}
        () = idle => {}
    }
    drop(stdin);
    drop(stdout);
}

/// Ends every process, and waits until it has.
async fn end_all(session: &Session) {
    let started = Instant::now();
    loop {
        let left = session.with(|kernel| {
            let pids: Vec<Pid> =
                kernel.processes().map(|process| process.pid).filter(|pid| *pid != Pid::INIT).collect();
            for pid in &pids {
                kernel.signal_process(*pid, Signal::KILL);
                let _ = kernel.collect(*pid);
            }
            kernel.usage()
        });
        if left.processes == 0 && left.waiting_calls == 0 {
            return;
        }
        assert!(started.elapsed() < ENDING, "a process survives its end: {left:?}");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

/// The interpreter touches nothing outside its memory, so a fault is the host's.
fn check_faults(session: &Session) {
    let (_, events) = session.with(|kernel| kernel.events_since(0));
    for event in events {
        if let What::Faulted { reason } = event.what {
            panic!("the guest faulted: {reason}");
        }
    }
}

struct Contents(Vec<(BlobId, Vec<u8>)>);

impl Blobs for Contents {
    fn load(&self, id: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        let found = self.0.iter().find(|(known, _)| known == id).ok_or(Errno::EIO)?;
        Ok(Arc::new(found.1.clone()))
    }
}

/// The base system and the guests.
fn layer(modules: [Vec<u8>; 2]) -> Arc<warren_kernel::vfs::layer::Layer> {
    let mut projection = Projection::default();
    let mut contents = Vec::new();
    for (path, bytes) in GUESTS.iter().zip(modules) {
        let id = BlobId::of(&bytes);
        let content = LayerContent::File { size: bytes.len() as u64, blob: software::BlobId::new(id.0) };
        let path = (*path).to_owned();
        projection.entries.push(LayerEntry { path, mode: 0o755, uid: 0, gid: 0, mtime_seconds: 0, content });
        contents.push((id, bytes));
    }
    layer::build(&projection, &(Arc::new(Contents(contents)) as Arc<dyn Blobs>)).expect("it fits the base system")
}

/// Every function of the table, with its type as the linker has it.
fn imports() -> Vec<Import> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).expect("it has nothing unusual");
    let mut linker = Linker::new(&engine);
    abi::link(&mut linker).expect("the table links");
    let all = FUNCTIONS.iter().chain([&SPAWN_V4]);
    all.map(|function| {
        let (types, result) = type_of(&engine, &linker, function.module, function.name);
        let names = names_of(function.module, function.name);
        let named = names.len() == types.len();
        let parameter = |(at, ty): (usize, &String)| Parameter {
            name: if named { names[at].clone() } else { String::new() },
            long: ty == "i64",
        };
        let parameters = types.iter().enumerate().map(parameter).collect();
        Import { module: function.module, name: function.name, parameters, result }
    })
    .collect()
}

/// The type of a function, from what the linker says of a module that imports it as something else.
fn type_of<T: 'static>(
    engine: &Engine,
    linker: &Linker<T>,
    module: &str,
    name: &str,
) -> (Vec<String>, Option<&'static str>) {
    let text = format!("(module (import \"{module}\" \"{name}\" (func (result f64))))");
    let module = Module::new(engine, text).expect("it is well formed");
    let refused = linker.instantiate_pre(&module).map(drop).expect_err("no function has this type");
    let message = format!("{refused:?}");
    let (_, found) = message.split_once("found type `(func").expect("the linker says what it has");
    let (found, _) = found.split_once('`').expect("the type ends");
    let part = |word: &str| found.split_once(word).map_or("", |(_, rest)| rest.split(')').next().unwrap_or(""));
    let parameters = part("(param ").split_whitespace().map(str::to_owned).collect();
    let result = match part("(result ") {
        "i32" => Some("i32"),
        "i64" => Some("i64"),
        "" => None,
        other => panic!("a result of type {other}"),
    };
    (parameters, result)
}

/// The names of a function's parameters, from the table's text.
fn names_of(module: &str, name: &str) -> Vec<String> {
    if name == SPAWN_V4.name {
        return SPAWN_V4_NAMES.split_whitespace().map(str::to_owned).collect();
    }
    let behind_module = TABLE.split_once(&format!("\n    \"{module}\":\n")).map_or("", |(_, rest)| rest);
    let Some((_, rest)) = behind_module.split_once(&format!("\n    {name}(")).or_else(|| {
        let first = behind_module.trim_start();
        first.strip_prefix(name).and_then(|rest| rest.strip_prefix('(')).map(|rest| ("", rest))
    }) else {
        return Vec::new();
    };
    let list = rest.split(')').next().unwrap_or("");
    list.split(',').filter_map(|one| one.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
}

/// The guest as text.
fn interpreter(imports: &[Import]) -> String {
    let (mut declared, mut wrappers) = (String::new(), String::new());
    for (at, import) in imports.iter().enumerate() {
        let Import { module, name, .. } = import;
        let types: Vec<&str> = import.parameters.iter().map(|one| if one.long { "i64" } else { "i32" }).collect();
        let parameters = if types.is_empty() { String::new() } else { format!("(param {})", types.join(" ")) };
        let result = import.result.map_or(String::new(), |result| format!("(result {result})"));
        writeln!(declared, "(import \"{module}\" \"{name}\" (func $import{at} {parameters} {result}))").expect("text");
        let mut call = format!("(call $import{at}");
        for (number, parameter) in import.parameters.iter().enumerate() {
            let argument = format!("(call $argument (i32.const {number}))");
            if parameter.long {
                write!(call, " {argument}").expect("text");
            } else {
                write!(call, " (i32.wrap_i64 {argument})").expect("text");
            }
        }
        call.push(')');
        let call = if import.result.is_some() { format!("(drop {call})") } else { call };
        writeln!(wrappers, "(func $call{at} {call})").expect("text");
    }
    let calls: Vec<String> = (0..imports.len()).map(|at| format!("$call{at}")).collect();
    let read = imports.iter().position(|it| (it.module, it.name) == ("wasi_snapshot_preview1", "fd_read"));
    let read = read.expect("every guest reads");
    let data = program::data().into_iter().fold(String::new(), |mut text, (at, bytes)| {
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        writeln!(text, "(data (i32.const {at}) \"{escaped}\")").expect("text");
        text
    });
    let count = imports.len();
    let room = MEMORY - 256;
    format!(
        r#"(module
        {declared}
        (memory (export "memory") {pages} {pages})
        (table {count} funcref)
        (elem (i32.const 0) {calls})
        (global $at (mut i32) (i32.const 0))
        {data}
        (func $argument (param $number i32) (result i64) (local $value i64)
            (local.set $value (i64.load (i32.add (i32.add (global.get $at) (i32.const 8)) (i32.mul (local.get $number) (i32.const 8)))))
            (if (result i64) (i32.and (i32.shr_u (i32.load (i32.add (global.get $at) (i32.const 4))) (local.get $number)) (i32.const 1))
                (then (i64.load32_u (i32.and (i32.wrap_i64 (local.get $value)) (i32.const 0x3fff8))))
                (else (local.get $value))))
        {wrappers}
        ;; Reads so many bytes of the input to an address, and returns how many came.
        (func $read (param $to i32) (param $count i32) (result i32) (local $done i32)
            (block $end (loop $more
                (br_if $end (i32.ge_u (local.get $done) (local.get $count)))
                (i32.store (i32.const {room}) (i32.add (local.get $to) (local.get $done)))
                (i32.store (i32.const {room_len}) (i32.sub (local.get $count) (local.get $done)))
                (i32.store (i32.const {room_out}) (i32.const 0))
                (br_if $end (call $import{read} (i32.const 0) (i32.const {room}) (i32.const 1) (i32.const {room_out})))
                (br_if $end (i32.eqz (i32.load (i32.const {room_out}))))
                (local.set $done (i32.add (local.get $done) (i32.load (i32.const {room_out}))))
                (br $more)))
            (local.get $done))
        (func (export "_start") (local $end i32)
            (if (i32.ne (call $read (i32.const {length}) (i32.const 4)) (i32.const 4)) (then (return)))
            (local.set $end (i32.load (i32.const {length})))
            (if (i32.gt_u (local.get $end) (i32.const 0x10000)) (then (return)))
            (local.set $end (call $read (i32.const 0) (local.get $end)))
            (block $stop (loop $next
                (br_if $stop (i32.gt_u (i32.add (global.get $at) (i32.const {RECORD})) (local.get $end)))
                (if (i32.lt_u (i32.load (global.get $at)) (i32.const {count}))
                    (then (call_indirect (i32.load (global.get $at))))
                    (else (i64.store
                        (i32.and (i32.load (i32.add (global.get $at) (i32.const 8))) (i32.const 0x3ffff))
                        (i64.load (i32.add (global.get $at) (i32.const 16))))))
                (global.set $at (i32.add (global.get $at) (i32.const {RECORD})))
                (br $next)))))"#,
        pages = MEMORY / 65_536,
        calls = calls.join(" "),
        room_len = room + 4,
        room_out = room + 8,
        length = room + 16,
    )
}

const _: () = assert!(ARGUMENTS == 21 && RECORD == 176);
