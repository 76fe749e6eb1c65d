//! Differential guest programs: each C program is compiled for this machine and for WebAssembly, run by Linux as an
//! ordinary user and by Warren; what it prints and how it ends must agree.
//!
//! ```text
//! area/case.c ─┬─ cc ────▶ program ──── Linux ───▶ stdout, end ─┐
//!              └─ clang ─▶ module ──── Warren ───▶ stdout, end ─┴─▶ equal, or in known.txt with the reason
//! ```
//! On WebAssembly the overlay in `posix/include`, `posix/kernel.c`, `posix/socket.c` and `posix/tty.c` gives a plain
//! wasi-libc the POSIX names over the host ABI. A known difference that starts to agree fails the suite.
//! `CASE=area/name` runs the cases whose title contains it and prints what they wrote.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "posix/native.rs"]
mod native;
#[path = "posix/toolchain.rs"]
mod toolchain;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use toolchain::Toolchain;
use warren_kernel::id::{Gid, Pid, Uid};
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::signal::Signal;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_wasi_posix::node::{Command, Stdio};

/// Longest time a case may take on either side. They are written to need less than a tenth of a second.
const LIMIT: Duration = Duration::from_secs(20);
/// Cases at once: two, so that they also disturb each other.
const WORKERS: usize = 2;
/// What a case is called by: the environment is the same on both sides but for HOME and PWD.
const ENVIRONMENT: [&str; 3] = ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "USER=agent"];

/// One program.
#[derive(Debug)]
struct Case {
    /// `area/name`.
    title: String,
    source: PathBuf,
}

/// All a case is judged by, and what it said on standard error for whoever reads the difference.
#[derive(Debug)]
struct Outcome {
    stdout: Vec<u8>,
    end: End,
    stderr: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Exited(i32),
    Signaled(i32),
    TimedOut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exit {code}"),
            End::Signaled(signal) => write!(f, "ended by signal {signal}"),
            End::TimedOut => write!(f, "did not end within {LIMIT:?}"),
        }
    }
}

#[test]
fn programs_agree_with_linux() {
    let folder = folder();
    let Some(toolchain) = Toolchain::find(&folder) else { return };
    let Some(bench) = common::bench() else { return };
    let known = known_differences(&folder);
    let only = std::env::var("CASE").unwrap_or_default();
    let all = cases(&folder);
    for title in known.keys() {
        assert!(all.iter().any(|case| case.title == *title), "known.txt names `{title}`, which is no case");
    }
    let chosen: Vec<Case> = all.into_iter().filter(|case| case.title.contains(&only)).collect();
    let failures = Mutex::new(BTreeMap::new());
    let work = Mutex::new(chosen.iter());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(case) = work.lock().unwrap().next() else { return };
                    let known = known.get(&case.title).map(String::as_str);
                    if let Some(complaint) = judge(&toolchain, bench, case, known, !only.is_empty()) {
                        failures.lock().unwrap().insert(&case.title, complaint);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("{} programs, {} known differences, {} failures", chosen.len(), known.len(), failures.len());
    for (title, complaint) in &failures {
        println!("---- {title}\n{complaint}");
    }
    assert!(failures.is_empty(), "{} programs differ", failures.len());
}

/// A program of Rust's standard library, where a compiler of this machine has it for WASI.
#[test]
fn a_rust_program_agrees_with_linux() {
    let source = folder().join("rust/interrupt.rs");
    let Some((native, module)) = toolchain::rust(&source) else { return };
    let Some(bench) = common::bench() else { return };
    let expected = native::run(&native, &[], LIMIT).unwrap();
    let found = run_on_warren(bench, &std::fs::read(&module).unwrap(), &[]);
    assert_eq!(difference(&expected, &found), None);
    assert_eq!(expected.end, End::Signaled(10), "{}", shown(&expected));
}

/// A program of plain WASI, which knows nothing of Warren, finds what is beside it and what is in the root.
#[test]
fn a_plain_program_finds_relative_and_absolute_paths() {
    let folder = folder();
    let Some(toolchain) = Toolchain::find(&folder) else { return };
    let Some(bench) = common::bench() else { return };
    let module = toolchain.plain(&folder.join("plain/paths.c")).unwrap();
    let paths = ["made", "./made", "/work/made", "/etc/hostname", "missing", "/missing"];
    let found = run_on_warren(bench, &std::fs::read(&module).unwrap(), &paths);
    let expected = "made: text\n./made: text\n/work/made: text\n/etc/hostname: warren\n\
        missing: no\n/missing: no\n";
    assert_eq!(String::from_utf8_lossy(&found.stdout), expected, "{}", shown(&found));
    assert_eq!(found.end, End::Exited(0));
}

/// What is wrong with a case; `None` when it agrees, or is known not to.
fn judge(
    toolchain: &Toolchain,
    bench: &common::Bench,
    case: &Case,
    known: Option<&str>,
    verbose: bool,
) -> Option<String> {
    let native = match toolchain.native(&case.source) {
        Ok(program) => program,
        Err(error) => return Some(error),
    };
    let module = match toolchain.module(&case.source) {
        Ok(module) => module,
        Err(error) => return Some(error),
    };
    let expected = native::run(&native, &[], LIMIT).unwrap();
    // A case that finds itself unable to go on, or that hangs on Linux, proves nothing.
    if !matches!(expected.end, End::Exited(0..97) | End::Signaled(_)) {
        return Some(format!("on Linux: {}\n{}", expected.end, shown(&expected)));
    }
    let found = run_on_warren(bench, &std::fs::read(&module).unwrap(), &[]);
    if verbose {
        println!("==== {} on Linux: {}\n{}", case.title, expected.end, shown(&expected));
        println!("==== {} on Warren: {}\n{}", case.title, found.end, shown(&found));
    }
    match (difference(&expected, &found), known) {
        (None, None) | (Some(_), Some(_)) => None,
        (Some(difference), None) => Some(difference),
        (None, Some(reason)) => Some(format!("agrees now; take it out of known.txt (it was: {reason})")),
    }
}

fn shown(outcome: &Outcome) -> String {
    format!("{}{}", String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr))
}

/// The first line that differs, or how the ends do.
fn difference(linux: &Outcome, warren: &Outcome) -> Option<String> {
    if linux.stdout == warren.stdout && linux.end == warren.end {
        return None;
    }
    let (a, b) = (String::from_utf8_lossy(&linux.stdout), String::from_utf8_lossy(&warren.stdout));
    let (mut a, mut b) = (a.lines(), b.lines());
    for number in 1.. {
        match (a.next(), b.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let (a, b) = (a.unwrap_or("(no more output)"), b.unwrap_or("(no more output)"));
                let ends = format!("Linux {}, Warren {}", linux.end, warren.end);
                let noise = String::from_utf8_lossy(&warren.stderr);
                return Some(format!("line {number}:\n    Linux  {a}\n    Warren {b}\n{ends}\n{noise}"));
            }
        }
    }
    Some(format!("end: Linux {}, Warren {}\n{}", linux.end, warren.end, String::from_utf8_lossy(&warren.stderr)))
}

/// Runs a module in a session of its own, whose working directory is empty.
fn run_on_warren(bench: &common::Bench, module: &[u8], arguments: &[&str]) -> Outcome {
    const WORK: &[u8] = b"/work";
    const PROGRAM: &str = "/run/case";
    let mut template = bench.node.template();
    template.cwd = WORK.into();
    template.environment = strings(ENVIRONMENT.into_iter().chain(["HOME=/work"]));
    let session = bench.node.session(template.clone());
    bench.runtime.block_on(async {
        let prepared = session.call(Pid::INIT, |kernel, call| {
            kernel.mkdir(call, At::Root, WORK, Mode::new(0o755))?;
            kernel.chown(call, At::Root, WORK, true, Some(Uid(1000)), Some(Gid(1000)))?;
            let flags = OpenFlags::WRITE | OpenFlags::CREATE;
            let fd = kernel.open(call, At::Root, PROGRAM.as_bytes(), flags, Mode::new(0o755))?;
            kernel.write(call, fd, &[module])?;
            Ok(kernel.close(call, fd)?)
        });
        prepared.await.unwrap();
        let stdio = [Stdio::Null, Stdio::Pipe, Stdio::Pipe];
        let arguments = [PROGRAM].into_iter().chain(arguments.iter().copied());
        let command = Command { stdio, ..Command::new(&template, arguments) };
        let mut running = command.launch(&session).await.unwrap();
        let (stdout, stderr) = (running.stdout.take().unwrap(), running.stderr.take().unwrap());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let all = async {
            let (status, _) = tokio::join!(running.wait(), async {
                while let Ok(1..) = stdout.read(64 * 1024, &mut out).await {}
                while let Ok(1..) = stderr.read(64 * 1024, &mut err).await {}
            });
            status.unwrap().0
        };
        let end = match tokio::time::timeout(LIMIT, all).await {
            Ok(ExitStatus::Exited(code)) => End::Exited(i32::from(code)),
            Ok(ExitStatus::Signaled(signal)) => End::Signaled(i32::from(signal.number())),
            Err(_) => End::TimedOut,
        };
        session.with(|kernel| {
            let left: Vec<Pid> = kernel.processes().map(|process| process.pid).collect();
            left.into_iter().for_each(|pid| kernel.signal_process(pid, Signal::KILL));
        });
        Outcome { stdout: out, end, stderr: err }
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/posix")
}

/// The programs, one folder an area. The first line of each says what it is about.
fn cases(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for area in std::fs::read_dir(folder).unwrap() {
        let area = area.unwrap().path();
        let name = area.file_name().unwrap().to_str().unwrap().to_owned();
        if !area.is_dir() || matches!(name.as_str(), "include" | "plain" | "rust") {
            continue;
        }
        for file in std::fs::read_dir(&area).unwrap() {
            let source = file.unwrap().path();
            let text = std::fs::read_to_string(&source).unwrap();
            let about = text.lines().next().and_then(|line| line.strip_prefix("// about: ")).unwrap_or_default();
            assert!(!about.is_empty(), "{} does not say what it is about", source.display());
            let title = format!("{name}/{}", source.file_stem().unwrap().to_str().unwrap());
            cases.push(Case { title, source });
        }
    }
    cases.sort_by(|a, b| a.title.cmp(&b.title));
    cases
}

/// The lines `area/name: reason` of `known.txt`.
fn known_differences(folder: &Path) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("known.txt")).unwrap().lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (title, reason) = line.split_once(": ").unwrap_or_else(|| panic!("known.txt: `{line}` gives no reason"));
        let before = known.insert(title.to_owned(), reason.to_owned());
        assert!(before.is_none(), "known.txt lists `{title}` twice");
    }
    known
}
