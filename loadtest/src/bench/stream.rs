//! Bytes through a pipe between two commands.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::measure::{Measured, Timer};
use std::time::Instant;
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
