//! Starts every published command once: each links, and none traps.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use warren_kernel::CallError;
use warren_kernel::event::What;
use warren_kernel::id::Pid;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;
use warren_wasi_posix::node::{Command, Stdio};
use warren_wasi_posix::software::Store;

/// A command that has not ended by then is waiting for something, and is killed; that is no fault.
const LIMIT: Duration = Duration::from_secs(20);
/// Commands that are known to trap, or not to start, and why. One that no longer does fails the test.
const FAULTY: &[(&str, &str)] = &[];

#[test]
fn every_published_command_starts() {
    let Some(bench) = common::bench() else { return };
    let store = Store::open(Store::default_root(&|name| std::env::var_os(name)).unwrap()).unwrap();
    let packages = store.packages().unwrap();
    let mut names: Vec<String> =
        packages.iter().flat_map(|package| package.commands.iter().map(|command| command.name.clone())).collect();
    names.sort();
    names.dedup();
    let work = Mutex::new(names.iter());
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(name) = work.lock().unwrap().next() else { return };
                    if let Some(complaint) = start(bench, name) {
                        found.lock().unwrap().insert(name.clone(), complaint);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    println!("{} started, {} faulted", names.len(), found.len());
    let known: BTreeMap<&str, &str> = FAULTY.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, complaint) in &found {
        println!("{name}: {complaint}");
        if !known.contains_key(name.as_str()) {
            wrong.push(format!("{name}: {complaint}"));
        }
    }
    for (name, reason) in known {
        if names.iter().any(|it| it == name) && !found.contains_key(name) {
            wrong.push(format!("{name} is fine now; take it out of FAULTY (it was: {reason})"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs `NAME --version` in a session of its own; what is wrong, if anything is.
fn start(bench: &common::Bench, name: &str) -> Option<String> {
    let template = bench.node.template();
    let session = bench.node.session(template.clone());
    let stdio = [Stdio::Null, Stdio::Pipe, Stdio::Pipe];
    let command = Command { stdio, ..Command::new(&template, [name, "--version"]) };
    let ended = bench.runtime.block_on(async {
        let running = match command.launch(&session).await {
            Ok(running) => running,
            Err(CallError::Failed(errno)) => return Err(format!("does not start: {errno:?}")),
            Err(error @ (CallError::Doomed(_) | CallError::Interrupted { .. })) => {
                return Err(format!("does not start: {error}"));
            }
        };
        let finish = running.finish();
        tokio::pin!(finish);
        match tokio::time::timeout(LIMIT, &mut finish).await {
            Ok(finished) => {
                let f = finished.unwrap();
                println!("{name} {:?} {:?}", f.status, String::from_utf8_lossy(&f.stdout).lines().next());
                Ok(Some(f.status))
            }
            Err(_) => {
                session.with(|kernel| {
                    let left: Vec<Pid> = kernel.processes().map(|process| process.pid).collect();
                    left.into_iter().for_each(|pid| kernel.signal_process(pid, Signal::KILL));
                });
                tokio::time::timeout(LIMIT, finish)
                    .await
                    .map(|_| None)
                    .map_err(|_| "does not end when killed".to_owned())
            }
        }
    });
    let events = session.with(|kernel| kernel.events_since(0)).1;
    let fault = events.into_iter().find_map(|event| match event.what {
        What::Faulted { reason } => Some(reason),
        _ => None,
    });
    match (ended, fault) {
        (Err(complaint), Some(reason)) => Some(format!("{complaint}: {reason}")),
        (Err(complaint), None) => Some(complaint),
        (Ok(_), Some(reason)) => Some(reason),
        (Ok(Some(ExitStatus::Signaled(signal))), None) => Some(format!("ended by {signal}")),
        (Ok(None), None) => {
            println!("{name} --version waits; killed after {LIMIT:?}");
            None
        }
        (Ok(Some(ExitStatus::Exited(_))), None) => None,
    }
}
