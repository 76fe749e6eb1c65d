//! Differential conformance: each script is run by this machine's bash and coreutils as an ordinary user and by Warren;
//! output, status and the files left behind must agree.
//!
//! Known differences are in `conformance/known.txt` with their reasons, and one that starts to agree fails the suite.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "conformance/host.rs"]
pub mod host;

use host::{Case, Contents, Entry, Outcome};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use warren_kernel::id::{Gid, Ino, Pid, Uid};
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::signal::Signal;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::inode::Content;
use warren_kernel::vfs::inodes::ROOT_INO;
use warren_kernel::vfs::memory::Tree;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_wasi_posix::node::{Command, Stdio};

const WORK: &str = "/work";
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn scripts_agree_with_linux() {
    let Some(bench) = common::bench() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let known = host::known_differences(&folder);
    let only = std::env::var("CASE").unwrap_or_default();
    let cases: Vec<Case> = host::cases(&folder).into_iter().filter(|case| case.title().contains(&only)).collect();
    for name in known.keys() {
        assert!(
            !only.is_empty() || cases.iter().any(|case| case.title() == *name),
            "known.txt names `{name}`, which is no case"
        );
    }
    let work = Mutex::new(cases.iter());
    let failures = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = work.lock().unwrap().next() else { return };
                    let expected = host::run_on_host(case).unwrap();
                    let found = run_on_warren(bench, case);
                    let difference = host::difference(&expected, &found);
                    let complaint = match (difference, known.get(&case.title())) {
                        (None, None) | (Some(_), Some(_)) => continue,
                        (Some(difference), None) => difference,
                        (None, Some(reason)) => format!("agrees now; take it out of known.txt (it was: {reason})"),
                    };
                    failures.lock().unwrap().insert(case.title(), complaint);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("{} cases, {} known differences, {} failures", cases.len(), known.len(), failures.len());
    for (name, complaint) in &failures {
        println!("---- {name}\n{complaint}");
    }
    assert!(failures.is_empty(), "{} cases differ", failures.len());
}

fn run_on_warren(bench: &common::Bench, case: &Case) -> Outcome {
    let mut template = bench.node.template();
    template.cwd = WORK.as_bytes().into();
    template.environment = strings(["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/work", "LANG=C.UTF-8", "USER=agent"]);
    let session = bench.node.session(template.clone());
    bench.runtime.block_on(async {
        let prepared = session.call(Pid::INIT, |kernel, call| {
            kernel.mkdir(call, At::Root, WORK.as_bytes(), Mode::new(0o755))?;
            kernel.chown(call, At::Root, WORK.as_bytes(), true, Some(Uid(1000)), Some(Gid(1000)))?;
            let flags = OpenFlags::WRITE | OpenFlags::CREATE;
            let fd = kernel.open(call, At::Root, b"/run/case.sh", flags, Mode::new(0o644))?;
            kernel.write(call, fd, &[case.script.as_bytes()])?;
            Ok(kernel.close(call, fd)?)
        });
        prepared.await.unwrap();
        let stdio = [Stdio::Null, Stdio::Pipe, Stdio::Null];
        let command = Command { stdio, ..Command::new(&template, ["bash", "/run/case.sh"]) };
        let running = command.launch(&session).await.unwrap();
        let pid = running.pid;
        let (stdout, status) = match tokio::time::timeout(LIMIT, running.finish()).await {
            Ok(finished) => finished.map(|finished| (finished.stdout, code(finished.status))).unwrap(),
            Err(_) => (format!("pid {pid} did not end within {LIMIT:?}").into_bytes(), -1),
        };
        session.with(|kernel| {
            let left: Vec<Pid> = kernel.processes().map(|process| process.pid).collect();
            left.into_iter().for_each(|pid| kernel.signal_process(pid, Signal::KILL));
            Outcome { stdout, status, tree: tree_of(kernel.root()) }
        })
    })
}

fn code(status: ExitStatus) -> i32 {
    i32::from(status.shell_code())
}

fn tree_of(tree: &Tree) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    let mut ids = BTreeMap::new();
    let start = tree.lookup(ROOT_INO, b"work").unwrap();
    walk(tree, start, ".", &mut entries, &mut ids);
    host::group_links(&mut entries, &ids);
    entries
}

fn walk(
    tree: &Tree,
    ino: Ino,
    path: &str,
    entries: &mut BTreeMap<String, Entry>,
    ids: &mut BTreeMap<String, host::FileId>,
) {
    let inode = tree.inode(ino).unwrap();
    let mode = inode.mode.bits();
    let entry = match &inode.content {
        Content::Directory(directory) => {
            for (name, child) in &directory.entries {
                let name = String::from_utf8_lossy(name).into_owned();
                let below = if path == "." { name } else { format!("{path}/{name}") };
                walk(tree, *child, &below, entries, ids);
            }
            Entry::Directory { mode }
        }
        Content::File(bytes) => {
            ids.insert(path.to_owned(), (0, ino.0));
            let all = bytes.to_vec(host::FILE_BYTES_MAX).unwrap();
            Entry::File { mode, contents: Contents::read(&all[..]).unwrap(), links: String::new() }
        }
        Content::Symlink(target) => Entry::Symlink { target: String::from_utf8_lossy(target).into_owned() },
        _ => Entry::Fifo { mode },
    };
    entries.insert(path.to_owned(), entry);
}
