//! Waiting: how soon a signal ends it, what it costs while nothing happens, and whether it leaves cores idle.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::machine::{self, wake_ups};
use crate::measure::{Measured, Timer};
use std::time::{Duration, Instant};
use warren_kernel::signal::Signal;
use warren_wasi_posix::node::{Command, Stdio};

/// Reads its standard input for ever, and writes one byte for each SIGUSR1.
const CATCHER: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "host_process" "proc_sigaction" (func $sigaction (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\01\00\00\00")
  (func (export "__wasi_signal_trampoline") (param i32)
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))))
  (func (export "_start")
    (drop (call $sigaction (i32.const 10) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    (loop $again
      ;; 27 is EINTR: a signal was handled. Anything else is the end.
      (br_if $again (i32.eq (i32.const 27)
        (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))))))"#;

pub(crate) fn signal(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let session = bed.session();
    bed::put_program(&session, "/tmp/catcher", CATCHER)?;
    let command = Command::new(&bed.node().template(), ["/tmp/catcher"]);
    bed.drive(async move {
        let running = command.launch(&session).await?;
        let output = running.stdout.as_ref().ok_or("no output")?;
        let mut byte = Vec::new();
        if output.read(1, &mut byte).await? != 1 {
            return Err("the guest ended before it caught anything".into());
        }
        let mut timer = Timer::begin()?;
        for _ in 0..effort.pick(20_000, 200) {
            let begun = Instant::now();
            session.with(|kernel| kernel.signal_process(running.pid, Signal::USR1));
            byte.clear();
            if output.read(1, &mut byte).await? != 1 {
                return Err("the guest ended instead of handling a signal".into());
            }
            timer.record(begun);
        }
        session.with(|kernel| kernel.signal_process(running.pid, Signal::KILL));
        running.wait().await?;
        Ok(timer.end())
    })
}

/// Sessions that wait.
const IDLE: usize = 100;

pub(crate) fn idle_wakeups(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    let template = node.template();
    let waiting = bed.drive(async move {
        let command = Command { stdio: [Stdio::Pipe, Stdio::Null, Stdio::Null], ..Command::new(&template, ["cat"]) };
        let mut waiting = Vec::new();
        for _ in 0..IDLE {
            waiting.push(command.launch(&node.session(template.clone())).await?);
        }
        Ok(waiting)
    })?;
    // Until all of them wait and the epoch's ticker sleeps.
    std::thread::sleep(Duration::from_secs(1));
    let pause = effort.pick(Duration::from_secs(5), Duration::from_millis(500));
    let mut timer = Timer::begin()?;
    let before = wake_ups()?;
    let begun = Instant::now();
    std::thread::sleep(pause);
    timer.record(begun);
    // This thread's own wake-up from the pause is not the sessions'.
    let woke = wake_ups()?.saturating_sub(before).saturating_sub(1);
    let measured = timer.end();
    drop(waiting);
    Ok(measured.with("woke", "wake-ups", woke as f64).with("sessions", "", IDLE as f64))
}

/// Pipelines at once.
const PIPELINES: usize = 64;

pub(crate) fn pipelines(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let template = node.template();
        let count = effort.pick(200_000, 2_000);
        let line = Command::shell(&template, &format!("seq 1 {count} | sort -rn | tail -1"));
        let command = Command { stdio: [Stdio::Null, Stdio::Pipe, Stdio::Pipe], ..line };
        bed::finish(&node.session(template.clone()), &command).await?;
        let mut timer = Timer::begin()?;
        let before = machine::cpu_time();
        let begun = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..PIPELINES {
            let (session, command) = (node.session(template.clone()), command.clone());
            running.spawn(async move {
                let finished = bed::finish(&session, &command).await?;
                Ok::<_, Failure>((finished.stdout == b"1\n", session.with(|kernel| kernel.cpu_used())))
            });
        }
        let mut guests = Duration::ZERO;
        while let Some(done) = running.join_next().await {
            let (right, cpu) = done??;
            if !right {
                return Err("a pipeline wrote something else".into());
            }
            guests += cpu;
        }
        let wall = timer.record(begun);
        let used = machine::cpu_time() - before;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let percent = |part: Duration, whole: Duration| 100.0 * part.as_secs_f64() / whole.as_secs_f64();
        let measured = timer.end();
        Ok(measured.with("busy", "% busy", percent(used, wall * cores as u32)).with(
            "guests",
            "% of CPU time",
            percent(guests, used),
        ))
    })
}
