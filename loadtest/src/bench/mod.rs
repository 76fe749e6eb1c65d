//! The benchmarks: a table of names, targets and what runs.
//!
//! [`command`] times commands as a caller of the node sees them, [`stream`] a pipe and a terminal, [`network`] sockets
//! inside a session, [`script`] how `node` starts, [`waiting`] signals, what idle sessions wake and whether many pipelines keep the cores busy, [`text`] guests' own computing
//! beside the host's, [`session`] what sessions cost to keep and to drop, [`durable`] sessions as actors on a disk, [`load`] a server under load, [`socket`] WebSockets, [`neighbour`] a tenant beside one that takes all it can get, [`node`] Node programs, and [`kernel`] system calls without guests.

mod command;
mod durable;
mod kernel;
mod load;
mod neighbour;
mod network;
mod node;
mod script;
mod session;
mod socket;
mod stream;
mod text;
mod waiting;

use crate::bed::{Bed, Failure};
use crate::measure::Measured;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As much as steady numbers need.
    Full,
    /// As little as shows that it works.
    Quick,
}

impl Effort {
    pub(crate) fn new(quick: bool) -> Effort {
        if quick { Effort::Quick } else { Effort::Full }
    }

    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Effort::Full => full,
            Effort::Quick => quick,
        }
    }
}

/// One benchmark.
pub(crate) struct Benchmark {
    pub name: &'static str,
    pub about: &'static str,
    pub target: Target,
    pub run: fn(&Bed, Effort) -> Result<Measured, Failure>,
}

/// What is promised.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Nothing.
    None,
    /// Wall time of one operation at most.
    Latency { p50_us: f64, p99_us: Option<f64> },
    /// A figure, at least.
    AtLeast { figure: &'static str, value: f64, unit: &'static str },
    /// A figure, at most.
    AtMost { figure: &'static str, value: f64, unit: &'static str },
}

impl Target {
    /// Whether a measurement keeps the promise; `None` when nothing is promised.
    pub(crate) fn met_by(&self, measured: &Measured) -> Option<bool> {
        match self {
            Target::None => None,
            Target::Latency { p50_us, p99_us } => {
                Some(measured.p50_us <= *p50_us && p99_us.is_none_or(|p99| measured.p99_us <= p99))
            }
            Target::AtLeast { figure, value, .. } => measured.figure(figure).map(|got| got >= *value),
            Target::AtMost { figure, value, .. } => measured.figure(figure).map(|got| got <= *value),
        }
    }
}

/// RSS may differ by this much between two moments without anything having grown: the allocator's and the engine's
/// pools breathe. One leaked pointer a session is more over the 50,000 sessions of a half.
const NO_GROWTH_KIB: f64 = 256.0;

const NO_GROWTH: Target = Target::AtMost { figure: "growth", value: NO_GROWTH_KIB, unit: "KiB growth" };
const RATIO: Target = Target::AtMost { figure: "guest/host CPU", value: 3.0, unit: "x host" };

/// All of them, in the order they run.
pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "session_true",
        about: "make a session, run `true` in it, read its status; code cached",
        target: Target::Latency { p50_us: 500.0, p99_us: Some(2000.0) },
        run: command::session_true,
    },
    Benchmark {
        name: "command_true",
        about: "run `true` in a live session, read its status",
        target: Target::Latency { p50_us: 300.0, p99_us: Some(1000.0) },
        run: command::command_true,
    },
    Benchmark {
        name: "ls_100",
        about: "`ls -la` of a directory of 100 files, output read",
        target: Target::Latency { p50_us: 2000.0, p99_us: None },
        run: command::ls_100,
    },
    Benchmark {
        name: "shell_line",
        about: "`seq 1 1000 | sort -rn | head -3` in a live session: a shell and three commands",
        target: Target::None,
        run: command::shell_line,
    },
    Benchmark {
        name: "pipe_64mib",
        about: "`cat FILE | wc -c` in a live session, FILE of 64 MiB: the shell's start is in the time",
        target: Target::AtLeast { figure: "rate", value: 1.0, unit: "GB/s" },
        run: stream::pipe_64mib,
    },
    Benchmark {
        name: "pty_64mib",
        about: "`cat FILE` on a terminal whose lines end as terminals want, read by the outside; FILE of 64 MiB",
        target: Target::AtLeast { figure: "rate", value: 200.0, unit: "MB/s" },
        run: stream::pty_64mib,
    },
    Benchmark {
        name: "signal",
        about: "a signal to a guest blocked in read(): until the byte its handler writes is read outside",
        target: Target::Latency { p50_us: 50.0, p99_us: None },
        run: waiting::signal,
    },
    Benchmark {
        name: "connections",
        about: "TCP over 127.0.0.1 between two guests: connect, one byte echoed, close; one at a time",
        target: Target::AtLeast { figure: "rate", value: 1000.0, unit: "/s a core" },
        run: network::connections,
    },
    Benchmark {
        name: "idle_wakeups",
        about: "100 sessions whose command waits for input: times any thread of ours woke in 5 s",
        target: Target::AtMost { figure: "woke", value: 0.0, unit: "wake-ups" },
        run: waiting::idle_wakeups,
    },
    Benchmark {
        name: "pipelines_64",
        about: "64 sessions at once, each `seq 1 200000 | sort -rn | tail -1`: how busy the cores were, and with whose work",
        target: Target::AtLeast { figure: "busy", value: 90.0, unit: "% busy" },
        run: waiting::pipelines,
    },
    Benchmark { name: "sort_10mb", about: "`sort` of 10 MB of lines to /dev/null", target: RATIO, run: text::sort },
    Benchmark { name: "grep_10mb", about: "`grep -c` of a word in 10 MB of lines", target: RATIO, run: text::grep },
    Benchmark { name: "sed_10mb", about: "`sed s///g` of 10 MB of lines to /dev/null", target: RATIO, run: text::sed },
    Benchmark {
        name: "awk_10mb",
        about: "`awk` counting and adding over 10 MB of lines",
        target: RATIO,
        run: text::awk,
    },
    Benchmark {
        name: "node_start",
        about: "`node -e` of an empty script in a live session, an isolate waiting for it",
        target: Target::Latency { p50_us: 4000.0, p99_us: Some(10_000.0) },
        run: script::start,
    },
    Benchmark {
        name: "node_bundle",
        about: "`node` of a script of 9 MB in a new session, its code kept by an earlier run; beside the host's `node`, if there is one",
        target: Target::AtMost { figure: "ours/host's", value: 0.5, unit: "x host's node" },
        run: script::bundle,
    },
    Benchmark {
        name: "node_quiet",
        about: "programs that wait for input after some work: resident bytes of each, before and after they gave some back",
        target: Target::AtMost { figure: "each", value: 12.0, unit: "MiB each" },
        run: script::idle,
    },
    Benchmark {
        name: "idle_sessions",
        about: "sessions that each ran `true` and are kept: resident bytes of each",
        target: Target::AtMost { figure: "each", value: 64.0, unit: "KiB each" },
        run: session::idle_sessions,
    },
    Benchmark {
        name: "churn",
        about: "make a session, write one file in it, drop it; growth from the first half's end to the second's",
        target: NO_GROWTH,
        run: session::churn,
    },
    Benchmark {
        name: "churn_command",
        about: "make a session, run `true` in it, drop it; growth from the first half's end to the second's",
        target: NO_GROWTH,
        run: session::churn_command,
    },
    Benchmark {
        name: "kernel_file_ops",
        about: "system calls on files of 1 KiB by one thread, each call counted as one: open, write, close, open, read, close, stat, rename, unlink",
        target: Target::AtLeast { figure: "rate", value: 200_000.0, unit: "calls/s" },
        run: kernel::file_ops,
    },
    Benchmark {
        name: "true_scratch",
        about: "exec `true` through the session's actor, tier scratch",
        target: Target::Latency { p50_us: 400.0, p99_us: Some(1200.0) },
        run: durable::true_scratch,
    },
    Benchmark {
        name: "true_checkpoint",
        about: "the same, tier checkpoint",
        target: Target::Latency { p50_us: 400.0, p99_us: Some(1200.0) },
        run: durable::true_checkpoint,
    },
    Benchmark {
        name: "true_journal",
        about: "the same, tier journal: what it adds to tier checkpoint",
        target: Target::AtMost { figure: "adds", value: 1.5, unit: "fdatasyncs" },
        run: durable::true_journal,
    },
    Benchmark { name: "true_strict", about: "the same, tier strict", target: Target::None, run: durable::true_strict },
    Benchmark {
        name: "journal_64",
        about: "64 callers at once, each `true` in a session of tier journal",
        target: Target::None,
        run: durable::journal_64,
    },
    Benchmark {
        name: "http_create",
        about: "over HTTP, tier checkpoint: make a session, run `pwd` in it, read its output",
        target: Target::Latency { p50_us: 2000.0, p99_us: Some(6000.0) },
        run: durable::http_create,
    },
    Benchmark {
        name: "http_true",
        about: "over HTTP, tier checkpoint: `true` in a session",
        target: Target::Latency { p50_us: 1000.0, p99_us: Some(4000.0) },
        run: durable::http_true,
    },
    Benchmark {
        name: "http_load_exec",
        about: "32 clients on the server's processors, each `true` over HTTP one after another; tier checkpoint",
        target: Target::AtLeast { figure: "rate", value: 5_000.0, unit: "/s" },
        run: load::http_load_exec,
    },
    Benchmark {
        name: "http_load_read",
        about: "the same, each a file of 4 KiB",
        target: Target::AtLeast { figure: "rate", value: 10_000.0, unit: "/s" },
        run: load::http_load_read,
    },
    Benchmark {
        name: "terminal_echo",
        about: "over a WebSocket, tier checkpoint: a byte typed into a terminal until its echo is back; a key every 20 ms",
        target: Target::Latency { p50_us: 2000.0, p99_us: Some(8000.0) },
        run: socket::terminal_echo,
    },
    Benchmark {
        name: "idle_websockets",
        about: "20,000 WebSockets that follow sessions in which nothing happens: resident bytes of the server for each",
        target: Target::AtMost { figure: "each", value: 20.0, unit: "KiB each" },
        run: socket::idle_websockets,
    },
    Benchmark {
        name: "checkpoint_10",
        about: "a checkpoint after 10 files of 4 KiB changed, tier checkpoint",
        target: Target::AtMost { figure: "beyond", value: 15.0, unit: "ms" },
        run: durable::checkpoint_10,
    },
    Benchmark {
        name: "fork_1gib",
        about: "a fork of 1 GiB in 10,000 files, one of them changed; tier checkpoint",
        target: Target::Latency { p50_us: 10_000.0, p99_us: None },
        run: durable::fork_1gib,
    },
    Benchmark {
        name: "wake",
        about: "a session at rest wakes, its chunks cached; tier checkpoint",
        target: Target::Latency { p50_us: 5_000.0, p99_us: Some(25_000.0) },
        run: durable::wake,
    },
    Benchmark {
        name: "idle_actors",
        about: "100,000 awake sessions that idle, each with a file written; tier checkpoint",
        target: Target::AtMost { figure: "resident", value: 8.0, unit: "GiB" },
        run: durable::idle_100k,
    },
    Benchmark {
        name: "hibernated",
        about: "100,000 sessions at rest: resident bytes of a server started on them; tier checkpoint",
        target: Target::AtMost { figure: "resident", value: 300.0, unit: "MiB" },
        run: durable::hibernated_100k,
    },
    Benchmark {
        name: "shares",
        about: "two tenants of weight 1 and 3 with busy loops on all processors: how far their times are from 1 to 3",
        target: Target::AtMost { figure: "off", value: 10.0, unit: "% off" },
        run: neighbour::shares,
    },
    Benchmark {
        name: "neighbour_true",
        about: "`true` through the actor beside a tenant that takes all it can get, against alone; tier scratch",
        target: Target::AtMost { figure: "times", value: 2.0, unit: "x its p99 alone" },
        run: neighbour::neighbour_true,
    },
    Benchmark {
        name: "neighbour_echo",
        about: "a line to `cat` and back through pipes, the same",
        target: Target::AtMost { figure: "times", value: 2.0, unit: "x its p99 alone" },
        run: neighbour::neighbour_echo,
    },
    Benchmark {
        name: "neighbour_http",
        about: "`true` over HTTP, the same",
        target: Target::AtMost { figure: "times", value: 2.0, unit: "x its p99 alone" },
        run: neighbour::neighbour_http,
    },
    Benchmark {
        name: "snapshot_text",
        about: "the first snapshot of 200 MiB of text, by CPU time; tier scratch",
        target: Target::AtLeast { figure: "rate", value: 150.0, unit: "MB/s a core" },
        run: durable::snapshot_text,
    },
    Benchmark {
        name: "snapshot_loss",
        about: "commands a session runs while another's 200 MiB are put in a snapshot, against while not; tier scratch",
        target: Target::AtMost { figure: "loss", value: 5.0, unit: "% loss" },
        run: durable::snapshot_loss,
    },
    Benchmark {
        name: "node_hello",
        about: "make a session, run `node -e` that says hello, read it; an isolate waits in the pool",
        target: Target::Latency { p50_us: 4_000.0, p99_us: Some(10_000.0) },
        run: node::hello,
    },
    Benchmark {
        name: "node_hello_cold",
        about: "the same without a pool",
        target: Target::Latency { p50_us: 40_000.0, p99_us: None },
        run: node::hello_cold,
    },
    Benchmark {
        name: "node_idle",
        about: "Node programs that wait for a timer, each in a session: resident bytes of each",
        target: Target::AtMost { figure: "each", value: 12.0, unit: "MiB each" },
        run: node::idle,
    },
    Benchmark {
        name: "node_read_file",
        about: "`readFileSync` of 1 KiB, again and again",
        target: Target::AtLeast { figure: "rate", value: 150_000.0, unit: "/s" },
        run: node::read_file,
    },
    Benchmark {
        name: "node_http",
        about: "HTTP over 127.0.0.1 between two Node processes of a session, 32 requests at once, connections kept",
        target: Target::AtLeast { figure: "rate", value: 10_000.0, unit: "/s" },
        run: node::http,
    },
    Benchmark {
        name: "pi_ready",
        about: "make a session, start Pi 0.87.1 in it, have it answer; its code was compiled before",
        target: Target::AtMost { figure: "ready", value: 0.5, unit: "x host" },
        run: node::pi_ready,
    },
    Benchmark {
        name: "pi_idle",
        about: "200 sessions whose Pi waits for a prompt: resident bytes of each",
        target: Target::AtMost { figure: "each", value: 45.0, unit: "MiB each" },
        run: node::pi_idle,
    },
];
