//! Bytes through a pipe between two commands, and through a terminal.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::measure::{Measured, Timer};
use std::time::Instant;
use warren_kernel::pty::WindowSize;
use warren_wasi_posix::node::{Command, Stdio};

const FILE: &str = "/tmp/stream";
const BYTES: usize = 64 << 20;

pub(crate) fn pipe_64mib(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let session = bed.session();
    // Not zeros: nothing may take them for a hole.
    let bytes: Vec<u8> = (0..BYTES).map(|index| (index % 251) as u8).collect();
    bed::put_file(&session, FILE, &bytes)?;
    let line = Command::shell(&bed.node().template(), &format!("cat {FILE} | wc -c"));
    let command = Command { stdio: [Stdio::Null, Stdio::Pipe, Stdio::Pipe], ..line };
    bed.drive(async move {
        bed::finish(&session, &command).await?;
        let mut timer = Timer::begin()?;
        for _ in 0..effort.pick(10, 2) {
            let begun = Instant::now();
            let finished = bed::finish(&session, &command).await?;
            timer.record(begun);
            let counted: usize = String::from_utf8_lossy(&finished.stdout).trim().parse()?;
            if counted != BYTES {
                return Err(format!("wc counted {counted} of {BYTES} bytes").into());
            }
        }
        let measured = timer.end();
        let rate = BYTES as f64 / measured.p50_us / 1e3;
        Ok(measured.with("rate", "GB/s", rate))
    })
}

/// Bytes of a line of the file that goes through a terminal, its end included.
const LINE: usize = 80;

pub(crate) fn pty_64mib(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let session = bed.session();
    let bytes: Vec<u8> = (0..BYTES).map(|index| if index % LINE == LINE - 1 { b'\n' } else { b'x' }).collect();
    bed::put_file(&session, FILE, &bytes)?;
    // Each end of line becomes two bytes.
    let shown = BYTES + bytes.iter().filter(|byte| **byte == b'\n').count();
    let command = Command::new(&bed.node().template(), ["cat", FILE]);
    bed.drive(async move {
        let mut timer = Timer::begin()?;
        let mut screen = Vec::with_capacity(1 << 16);
        for _ in 0..effort.pick(10, 2) {
            let begun = Instant::now();
            let running = command.launch_on_terminal(&session, WindowSize::new(24, 80)).await?;
            let mut seen = 0;
            loop {
                screen.clear();
                match running.terminal.read(1 << 16, &mut screen).await? {
                    0 => break,
                    count => seen += count,
                }
            }
            session.wait(running.pid).await?;
            timer.record(begun);
            if seen != shown {
                return Err(format!("the screen got {seen} of {shown} bytes").into());
            }
        }
        let measured = timer.end();
        let rate = BYTES as f64 / measured.p50_us;
        Ok(measured.with("rate", "MB/s", rate))
    })
}
