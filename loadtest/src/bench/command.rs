//! Commands, as a caller of the node sees them: from the call to the status.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::measure::{Measured, Timer};
use std::time::Instant;
use warren_kernel::Session;
use warren_wasi_posix::node::{Command, Stdio};

/// Runs before timing: code is loaded, pools and threads are there.
const WARM_UP: u64 = 100;
/// Files of the listed directory.
const LISTED: usize = 100;

pub(crate) fn session_true(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let template = node.template();
        let command = bed::command(&template, ["true"], [Stdio::Null; 2]);
        for _ in 0..WARM_UP {
            bed::wait(&node.session(template.clone()), &command).await?;
        }
        let mut timer = Timer::begin()?;
        for _ in 0..effort.pick(20_000, 200) {
            let begun = Instant::now();
            let session = node.session(template.clone());
            bed::wait(&session, &command).await?;
            // Dropping the session is not in the latency, but in the CPU time.
            timer.record(begun);
        }
        Ok(timer.end())
    })
}

pub(crate) fn command_true(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let command = bed::command(&bed.node().template(), ["true"], [Stdio::Null; 2]);
    let session = bed.session();
    repeated(bed, session, command, effort.pick(20_000, 200), |output| output.is_empty())
}

pub(crate) fn ls_100(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let session = bed.session();
    for index in 0..LISTED {
        bed::put_file(&session, &format!("/home/agent/file-{index:03}"), b"a line of a file\n")?;
    }
    let command = bed::command(&bed.node().template(), ["ls", "-la", "/home/agent"], [Stdio::Pipe; 2]);
    // The files, `.`, `..` and the line of the total.
    repeated(bed, session, command, effort.pick(2000, 50), |output| lines(output) == LISTED + 3)
}

pub(crate) fn shell_line(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let line = Command::shell(&bed.node().template(), "seq 1 1000 | sort -rn | head -3");
    let command = Command { stdio: [Stdio::Null, Stdio::Pipe, Stdio::Pipe], ..line };
    repeated(bed, bed.session(), command, effort.pick(1000, 20), |output| output == b"1000\n999\n998\n")
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// One command again and again in one session. What it writes must be `right`.
fn repeated(
    bed: &Bed,
    session: Session,
    command: Command,
    times: u64,
    right: fn(&[u8]) -> bool,
) -> Result<Measured, Failure> {
    bed.drive(async move {
        for _ in 0..WARM_UP.min(times) {
            bed::finish(&session, &command).await?;
        }
        let mut timer = Timer::begin()?;
        for _ in 0..times {
            let begun = Instant::now();
            let finished = bed::finish(&session, &command).await?;
            timer.record(begun);
            if !right(&finished.stdout) {
                return Err(format!("unexpected output: {}", String::from_utf8_lossy(&finished.stdout)).into());
            }
        }
        Ok(timer.end())
    })
}
