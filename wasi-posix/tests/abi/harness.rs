//! Guests written as text, and sessions without any software to run them in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_kernel::event::What;
use warren_kernel::id::Pid;
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{CallError, Errno, Session};
use warren_wasi_posix::node::{Command, Finished, Node};
use warren_wasi_posix::software::project;
use warren_wasi_posix::{EngineOptions, Wasm, layer};

/// No test takes this long unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of a script's memory.
pub const END: u32 = 4 * 65_536;
/// Relative to the working directory, in every function that takes a directory.
pub const CWD: u32 = u32::MAX;

pub mod errno {
    pub const OK: i64 = 0;
    pub const E2BIG: i64 = 1;
    pub const EACCES: i64 = 2;
    pub const EAGAIN: i64 = 6;
    pub const EBADF: i64 = 8;
    pub const ECHILD: i64 = 12;
    pub const EEXIST: i64 = 20;
    pub const EFAULT: i64 = 21;
    pub const EFBIG: i64 = 22;
    pub const EINVAL: i64 = 28;
    pub const EISDIR: i64 = 31;
    pub const ELOOP: i64 = 32;
    pub const EMFILE: i64 = 33;
    pub const ENAMETOOLONG: i64 = 37;
    pub const ENOENT: i64 = 44;
    pub const ENOEXEC: i64 = 45;
    pub const ENOTDIR: i64 = 54;
    pub const ENOTEMPTY: i64 = 55;
    pub const ENOTSOCK: i64 = 57;
    pub const EOPNOTSUPP: i64 = 58;
    pub const ENOTTY: i64 = 59;
    pub const EPERM: i64 = 63;
    pub const ERANGE: i64 = 68;
    pub const ESPIPE: i64 = 70;
    pub const EOVERFLOW: i64 = 61;
    pub const ESRCH: i64 = 71;
    pub const ENODATA: i64 = 78;
}

struct NoBlobs;

impl Blobs for NoBlobs {
    fn load(&self, _id: &BlobId, _len: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}

impl std::fmt::Debug for NoBlobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NoBlobs")
    }
}

pub struct Bench {
    pub runtime: Runtime,
    pub node: Node,
}

/// A node whose sessions have the base system and nothing else.
pub fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let options = EngineOptions { processes: 64, ..EngineOptions::default() };
        let wasm = Wasm::new(&options, runtime.handle().clone()).unwrap();
        let layer = layer::build(&project(&[]), &(Arc::new(NoBlobs) as _)).unwrap();
        let node = Node::new(wasm, layer, [], runtime.handle().clone());
        Bench { runtime, node }
    })
}

/// Runs a test's future to its end, which must come.
pub fn within<T>(future: impl Future<Output = T>) -> T {
    bench().runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("the test hangs") })
}

/// A session to run guests in.
pub struct Place {
    pub session: Session,
    pub template: warren_kernel::Template,
}

impl Place {
    pub fn new() -> Place {
        Place::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut warren_kernel::Template)) -> Place {
        let mut template = bench().node.template();
        template.environment = strings(["PATH=/usr/bin", "HOME=/home/agent"]);
        change(&mut template);
        Place { session: bench().node.session(template.clone()), template }
    }

    /// Writes a file as root, with these bits.
    pub fn file(&self, path: &str, mode: u32, bytes: &[u8]) {
        let written = within(self.session.call(Pid::INIT, |kernel, call| {
            let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
            let fd = kernel.open(call, At::Root, path.as_bytes(), flags, Mode::new(mode))?;
            let mut rest = bytes;
            while !rest.is_empty() {
                let count = kernel.write(call, fd, &[rest])?;
                rest = &rest[count..];
            }
            kernel.close(call, fd)?;
            kernel.chmod(call, At::Root, path.as_bytes(), Mode::new(mode))
        }));
        written.unwrap();
    }

    /// Installs a guest written as text.
    pub fn wat(&self, path: &str, text: &str) {
        self.file(path, 0o755, &assemble(text));
    }

    /// Whether there is anything at a path.
    pub fn exists(&self, path: &str) -> bool {
        within(self.session.call(Pid::INIT, |kernel, call| kernel.stat(call, At::Root, path.as_bytes(), false))).is_ok()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        Command::new(&self.template, arguments)
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished, Errno> {
        within(async {
            match self.command(arguments).launch(&self.session).await {
                Ok(running) => Ok(running.finish().await.unwrap()),
                Err(CallError::Failed(errno)) => Err(errno),
                Err(error @ (CallError::Doomed(_) | CallError::Interrupted { .. })) => panic!("the launch: {error}"),
            }
        })
    }

    /// Installs a guest and runs it.
    pub fn run_wat(&self, text: &str) -> Finished {
        self.wat("/run/guest", text);
        self.run(&["/run/guest"]).expect("the guest starts")
    }

    /// The status a shell would show.
    pub fn status(&self, text: &str) -> u8 {
        self.run_wat(text).status.shell_code()
    }

    /// Reasons of all faults so far.
    pub fn faults(&self) -> Vec<String> {
        let events = self.session.with(|kernel| kernel.events_since(0)).1;
        let reason = |event: warren_kernel::event::Event| match event.what {
            What::Faulted { reason } => Some(reason),
            _ => None,
        };
        events.into_iter().filter_map(reason).collect()
    }

    /// Nothing is left of guests that ended: neither processes, nor what they had open.
    pub fn assert_clean(&self) {
        let usage = self.session.with(|kernel| kernel.usage());
        assert_eq!(
            (usage.processes, usage.open_files, usage.pipes, usage.memory_bytes, usage.waiting_calls),
            (0, 0, 0, 0, 0),
            "{usage:?}"
        );
    }

    /// It still runs guests.
    pub fn assert_answers(&self) {
        self.wat("/run/answer", &says("ok"));
        let finished = self.run(&["/run/answer"]).unwrap();
        assert_eq!((finished.status, finished.stdout.as_slice()), (ExitStatus::Exited(0), &b"ok"[..]));
    }
}

pub fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A guest that prints a word.
pub fn says(word: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "{word}")
        (data (i32.const 0) "\10\00\00\00\{:02x}\00\00\00")
        (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
        word.len()
    )
}

/// A guest of one body and no imports but proc_exit as `$exit`.
pub fn body(text: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") {text}))"#
    )
}

// ---- scripts

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    I32(u32),
    I64(u64),
    /// The word that is at this address when the call is made.
    At(u32),
}

pub fn i(value: u32) -> Arg {
    Arg::I32(value)
}

pub fn l(value: u64) -> Arg {
    Arg::I64(value)
}

pub fn at(address: u32) -> Arg {
    Arg::At(address)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Nothing,
    Word,
    Long,
}

/// A guest that makes calls one after the other, and says at its end what each answered.
pub struct Script {
    imports: BTreeMap<String, (Vec<Arg>, Answer)>,
    body: String,
    data: String,
    free: u32,
    calls: Vec<(String, Option<i64>)>,
    dumps: Vec<(u32, u32)>,
}

/// What a script found.
pub struct Found {
    pub values: Vec<i64>,
    pub dumps: Vec<Vec<u8>>,
}

impl Found {
    pub fn word(&self, dump: usize) -> u32 {
        u32::from_le_bytes(self.dumps[dump][..4].try_into().unwrap())
    }

    pub fn long(&self, dump: usize, at: usize) -> u64 {
        u64::from_le_bytes(self.dumps[dump][at..at + 8].try_into().unwrap())
    }
}

/// Where the answers go.
const LOG: u32 = 3 * 65_536;
const ROOM_END: u32 = LOG;

impl Script {
    /// A guest of plain WASI, until it imports something else.
    pub fn new() -> Script {
        Script {
            imports: BTreeMap::new(),
            body: String::new(),
            data: String::new(),
            free: 1024,
            calls: Vec::new(),
            dumps: Vec::new(),
        }
    }

    /// A guest of the POSIX host ABI.
    pub fn posix() -> Script {
        let mut script = Script::new();
        let out = script.room(4);
        script.expect("host_process.proc_getpid", &[i(out)], errno::OK);
        script
    }

    /// Zeroed room.
    pub fn room(&mut self, len: u32) -> u32 {
        let at = self.free;
        self.free = (self.free + len).next_multiple_of(8);
        assert!(self.free <= ROOM_END, "a script has {ROOM_END} bytes");
        at
    }

    /// Room with these bytes in it.
    pub fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = self.room(bytes.len() as u32);
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        writeln!(self.data, "(data (i32.const {at}) \"{escaped}\")").unwrap();
        at
    }

    /// Words, one after the other.
    pub fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(&bytes)
    }

    /// A text as pointer and length.
    pub fn text(&mut self, text: &str) -> [Arg; 2] {
        [i(self.bytes(text.as_bytes())), i(text.len() as u32)]
    }

    /// One buffer as an array of it: `fd_write`'s second argument.
    pub fn vector(&mut self, at: u32, len: u32) -> u32 {
        self.words(&[at, len])
    }

    fn push(&mut self, name: &str, args: &[Arg], answer: Answer, want: Option<i64>) -> usize {
        self.imports.entry(name.to_owned()).or_insert_with(|| (args.to_vec(), answer));
        let mut call = format!("(call ${name}");
        for arg in args {
            match arg {
                Arg::I32(value) => write!(call, " (i32.const {})", *value as i32).unwrap(),
                Arg::I64(value) => write!(call, " (i64.const {})", *value as i64).unwrap(),
                Arg::At(at) => write!(call, " (i32.load (i32.const {at}))").unwrap(),
            }
        }
        call.push(')');
        let slot = LOG + self.calls.len() as u32 * 8;
        assert!(slot < END - 8, "too many calls for one script");
        match answer {
            Answer::Nothing => writeln!(self.body, "{call}").unwrap(),
            Answer::Word => {
                writeln!(self.body, "(i64.store (i32.const {slot}) (i64.extend_i32_s {call}))").unwrap();
            }
            Answer::Long => writeln!(self.body, "(i64.store (i32.const {slot}) {call})").unwrap(),
        }
        self.calls.push((format!("{name} {args:x?}"), want));
        self.calls.len() - 1
    }

    /// A call whose answer the test looks at itself.
    pub fn call(&mut self, name: &str, args: &[Arg]) -> usize {
        self.push(name, args, Answer::Word, None)
    }

    /// A call that must answer so.
    pub fn expect(&mut self, name: &str, args: &[Arg], want: i64) -> usize {
        self.push(name, args, Answer::Word, Some(want))
    }

    /// A call that answers a long word.
    pub fn expect_long(&mut self, name: &str, args: &[Arg], want: i64) -> usize {
        self.push(name, args, Answer::Long, Some(want))
    }

    /// A call that does not return.
    pub fn last(&mut self, name: &str, args: &[Arg]) {
        self.push(name, args, Answer::Nothing, None);
    }

    /// Bytes to show the test at the end.
    pub fn dump(&mut self, at: u32, len: u32) -> usize {
        self.dumps.push((at, len));
        self.dumps.len() - 1
    }

    /// The guest as text.
    pub fn wat(&self) -> String {
        let mut imports = String::new();
        for (name, (args, answer)) in &self.imports {
            let (module, function) = name.split_once('.').unwrap();
            let params: Vec<&str> =
                args.iter().map(|arg| if matches!(arg, Arg::I64(_)) { "i64" } else { "i32" }).collect();
            let result = match answer {
                Answer::Nothing => "",
                Answer::Word => "(result i32)",
                Answer::Long => "(result i64)",
            };
            let params = params.join(" ");
            writeln!(imports, "(import \"{module}\" \"{function}\" (func ${name} (param {params}) {result}))").unwrap();
        }
        let mut output = String::new();
        for (at, len) in [(LOG, self.calls.len() as u32 * 8)].iter().chain(&self.dumps) {
            writeln!(
                output,
                "(i32.store (i32.const 0) (i32.const {at})) (i32.store (i32.const 4) (i32.const {len}))
                (if (i32.ne (call $output (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 0))
                    (then unreachable))"
            )
            .unwrap();
        }
        format!(
            "(module
            {imports}
            (import \"wasi_snapshot_preview1\" \"fd_write\" (func $output (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 4)
            {}
            (func (export \"_start\") {} {output}))",
            self.data, self.body
        )
    }

    /// Runs it to its end, which must be a good one, and compares what is expected.
    pub fn run(self, place: &Place) -> Found {
        let finished = place.run_wat(&self.wat());
        assert_eq!(finished.status, ExitStatus::Exited(0), "{:?}", place.faults());
        self.read(&finished.stdout)
    }

    /// What a run of it said, compared with what is expected.
    pub fn read(&self, output: &[u8]) -> Found {
        let (log, mut rest) = output.split_at(self.calls.len() * 8);
        let values: Vec<i64> = log.chunks_exact(8).map(|value| i64::from_le_bytes(value.try_into().unwrap())).collect();
        let wrong: Vec<String> = (self.calls.iter().zip(&values))
            .filter(|((_, want), value)| want.is_some_and(|want| want != **value))
            .map(|((call, want), value)| format!("{call}: {value}, not {}", want.unwrap()))
            .collect();
        assert!(wrong.is_empty(), "{} of {} calls:\n{}", wrong.len(), values.len(), wrong.join("\n"));
        let mut dumps = Vec::new();
        for (_, len) in &self.dumps {
            let (dump, behind) = rest.split_at(*len as usize);
            dumps.push(dump.to_vec());
            rest = behind;
        }
        Found { values, dumps }
    }
}
