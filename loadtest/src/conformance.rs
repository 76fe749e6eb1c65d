//! Runs the programs of a WASI test suite and checks what their descriptions say.
//!
//! ```text
//! DIR/**/name.wasm ─┬─ name.json ─▶ [`description`] ─▶ arguments, environment, directories
//!                   └─────────────────────────────────────────────────┐
//! passed, failed, skipped ◀── check ◀── exit status, output ◀── a session of its own
//! ```
//! The layout is that of the WebAssembly/wasi-testsuite repository: beside each module its description, a JSON object
//! of which every field may be missing. Directories it names are copied into the session, in [`folder`], so that a
//! suite is never changed by being run.

mod description;
mod folder;

use crate::bed::Failure;
use crate::output;
use description::{Description, Unusable};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};
use warren_kernel::id::Pid;
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::signal::Signal;
use warren_kernel::{Errno, Session};
use warren_wasi_posix::layer;
use warren_wasi_posix::node::{Command, Node, PipeEnd, Stdio};
use warren_wasi_posix::software::project;
use warren_wasi_posix::{EngineOptions, Wasm};

/// Bytes of a module, at most.
const MODULE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of output kept of each stream; what is beyond is read and dropped, and differs from any description.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Modules in a suite, at most.
const MODULES_MAX: usize = 10_000;
/// Levels of folders in a suite, at most.
const DEPTH_MAX: usize = 16;
/// Processes at once: a test is one, and it may start some.
const PROCESSES: u32 = 16;
/// Where a test begins in its session.
const WORK: &str = "/work";
/// A description of the whole suite, not of a test.
const MANIFEST: &str = "manifest.json";

/// What became of a test.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs every program below `dir`, one after the other, each at most `limit`. Whether none failed.
pub(crate) fn run(dir: &Path, limit: Duration) -> Result<bool, Failure> {
    let tests = find(dir)?;
    let mut beds = Beds::new()?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for test in &tests {
        let name = test.strip_prefix(dir).unwrap_or(test).with_extension("");
        match beds.judge(test, limit) {
            Verdict::Passed => passed += 1,
            Verdict::Failed(reason) => {
                failed += 1;
                output::line(format_args!("failed   {}: {reason}", name.display()));
            }
            Verdict::Skipped(reason) => {
                skipped += 1;
                output::line(format_args!("skipped  {}: {reason}", name.display()));
            }
        }
    }
    output::line(format_args!("{passed} passed, {failed} failed, {skipped} skipped"));
    Ok(failed == 0)
}

/// The tests below a folder, sorted: each module, and each description that has none.
fn find(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut tests = Vec::new();
    let mut folders = vec![(dir.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let kind = path.symlink_metadata()?.file_type();
            let extension = path.extension().and_then(|extension| extension.to_str());
            let alone = extension == Some("json") && !path.with_extension("wasm").exists();
            if kind.is_dir() {
                if depth == DEPTH_MAX {
                    return Err(format!("{} is more than {DEPTH_MAX} folders deep", path.display()).into());
                }
                folders.push((path, depth + 1));
            } else if extension == Some("wasm") || (alone && path.file_name().is_some_and(|name| name != MANIFEST)) {
                tests.push(path);
            }
        }
        if tests.len() > MODULES_MAX {
            return Err(format!("{} has more than {MODULES_MAX} modules", dir.display()).into());
        }
    }
    if tests.is_empty() {
        return Err(format!("{} has no modules", dir.display()).into());
    }
    tests.sort();
    Ok(tests)
}

/// A node for each set of open directories: they are the engine's.
struct Beds {
    runtime: Runtime,
    nodes: HashMap<Vec<(String, String)>, Node>,
}

/// What a program did.
struct Outcome {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Beds {
    fn new() -> Result<Beds, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
        Ok(Beds { runtime, nodes: HashMap::new() })
    }

    fn judge(&mut self, test: &Path, limit: Duration) -> Verdict {
        let module = match read_module(test) {
            Ok(module) => module,
            Err(verdict) => return verdict,
        };
        let description = match Description::read(&test.with_extension("json")) {
            Ok(description) => description,
            Err(Unusable::Unknown(reason)) => return Verdict::Skipped(reason),
            Err(Unusable::Broken(reason)) => return Verdict::Failed(reason),
        };
        match self.run(test, &module, &description, limit) {
            Ok(Some(outcome)) => check(&description, &outcome),
            Ok(None) => Verdict::Failed(format!("did not end within {limit:?}")),
            Err(error) => Verdict::Failed(error.to_string()),
        }
    }

    /// Runs a module in a session of its own; `None` when it takes too long.
    fn run(
        &mut self,
        test: &Path,
        module: &[u8],
        description: &Description,
        limit: Duration,
    ) -> Result<Option<Outcome>, Failure> {
        let node = self.node(description.preopens())?;
        let name = test.file_name().and_then(|name| name.to_str()).ok_or("the module's name is not UTF-8")?;
        let program = format!("/run/{name}");
        let mut template = node.template();
        template.cwd = WORK.as_bytes().into();
        template.environment = strings(description.env.iter().map(|(key, value)| format!("{key}={value}")));
        let session = node.session(template.clone());
        folder::prepare(&session, WORK, &program, module)?;
        let beside = test.parent().unwrap_or(Path::new("."));
        for directory in description.directories() {
            folder::copy(&session, &beside.join(directory), &format!("{WORK}/{directory}"))?;
        }
        let arguments = [name].into_iter().chain(description.args.iter().map(String::as_str));
        let command = Command {
            program: program.as_bytes().into(),
            stdio: [Stdio::Null, Stdio::Pipe, Stdio::Pipe],
            ..Command::new(&template, arguments)
        };
        let outcome = self.runtime.block_on(async {
            match tokio::time::timeout(limit, to_end(&command, &session)).await {
                Ok(outcome) => outcome.map(Some),
                Err(_) => Ok(None),
            }
        });
        session.with(|kernel| {
            let left: Vec<Pid> = kernel.processes().map(|process| process.pid).collect();
            left.into_iter().for_each(|pid| kernel.signal_process(pid, Signal::KILL));
        });
        outcome
    }

    fn node(&mut self, preopens: Vec<(String, String)>) -> Result<Node, Failure> {
        if let Some(node) = self.nodes.get(&preopens) {
            return Ok(node.clone());
        }
        let handle = self.runtime.handle().clone();
        let options =
            EngineOptions { processes: PROCESSES, preopens: Some(preopens.clone()), ..EngineOptions::default() };
        let wasm = Wasm::new(&options, handle.clone())?;
        let node = Node::new(wasm, layer::build(&project([]), &(Arc::new(NoBlobs) as _))?, [], handle);
        self.nodes.insert(preopens, node.clone());
        Ok(node)
    }
}

/// The bytes of a test's module, or what is to be said of a test that cannot be run.
fn read_module(test: &Path) -> Result<Vec<u8>, Verdict> {
    /// The eight bytes a component begins with: the version of the layer above modules.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    let path = test.with_extension("wasm");
    let failed = |reason: &dyn fmt::Display| Verdict::Failed(format!("{}: {reason}", path.display()));
    let size = path.metadata().map_err(|error| failed(&error))?.len();
    if size > MODULE_BYTES_MAX {
        return Err(failed(&format_args!("more than {MODULE_BYTES_MAX} bytes")));
    }
    let bytes = std::fs::read(&path).map_err(|error| failed(&error))?;
    if bytes.starts_with(COMPONENT) {
        return Err(Verdict::Skipped("it is a component, and Warren runs modules".to_owned()));
    }
    Ok(bytes)
}

async fn to_end(command: &Command, session: &Session) -> Result<Outcome, Failure> {
    let mut running = command.launch(session).await?;
    let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
    let (stdout, stderr, ended) = tokio::join!(read_some(stdout), read_some(stderr), running.wait());
    Ok(Outcome { status: ended?.0, stdout, stderr })
}

async fn read_some(end: Option<PipeEnd>) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), Vec::new());
    if let Some(end) = end {
        while let Ok(1..) = end.read(64 * 1024, &mut part).await {
            if all.len() <= OUTPUT_BYTES_MAX {
                all.append(&mut part);
            }
            part.clear();
        }
    }
    all
}

fn check(description: &Description, outcome: &Outcome) -> Verdict {
    let code = match outcome.status {
        ExitStatus::Exited(code) => i64::from(code),
        // As a shell would tell it; descriptions of traps differ between engines.
        ExitStatus::Signaled(signal) => 128 + i64::from(signal.number()),
    };
    if code != description.exit_code {
        let said = excerpt(&outcome.stderr);
        return Verdict::Failed(format!("exit code {code}, expected {}; it said {said}", description.exit_code));
    }
    let streams = [("stdout", &description.stdout, &outcome.stdout), ("stderr", &description.stderr, &outcome.stderr)];
    for (name, expected, found) in streams {
        if let Some(expected) = expected
            && expected.as_bytes() != found
        {
            return Verdict::Failed(format!("{name} is {}, expected {}", excerpt(found), excerpt(expected.as_bytes())));
        }
    }
    Verdict::Passed
}

/// Bytes quoted on one line, cut to 200 characters.
fn excerpt(bytes: &[u8]) -> String {
    let text = format!("{:?}", String::from_utf8_lossy(bytes));
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}... ({} bytes)", &text[..at], bytes.len()),
        None => text,
    }
}

/// The base system's files are in its layer; there is no other content to load.
struct NoBlobs;

impl Blobs for NoBlobs {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}
