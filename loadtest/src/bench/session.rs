//! What sessions cost to keep, and whether anything of them stays behind.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::machine::resident_bytes;
use crate::measure::{Measured, Timer};
use std::time::Instant;
use warren_kernel::Session;
use warren_wasi_posix::node::{Command, Node, Stdio};

/// Sessions made and dropped before the first look at memory.
const WARM_UP: usize = 200;

pub(crate) fn idle_sessions(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let command = bed::command(&node.template(), ["true"], [Stdio::Null; 2]);
        for _ in 0..WARM_UP {
            ran(&node, &command).await?;
        }
        let count = effort.pick(10_000, 500);
        let mut kept = Vec::with_capacity(count);
        let before = resident_bytes()?;
        let mut timer = Timer::begin()?;
        for _ in 0..count {
            let begun = Instant::now();
            kept.push(ran(&node, &command).await?);
            timer.record(begun);
        }
        let measured = timer.end();
        let each = resident_bytes()?.saturating_sub(before) as f64 / count as f64;
        drop(kept);
        Ok(measured.with("each", "KiB", each / 1024.0).with("sessions", "", count as f64))
    })
}

pub(crate) fn churn(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let one = async || bed::put_file(&node.session(node.template()), "/home/agent/note", b"remember the milk\n");
        for _ in 0..WARM_UP {
            one().await?;
        }
        let mut halves = Halves::begin(effort.pick(100_000, 2_000))?;
        while halves.more()? {
            let begun = Instant::now();
            one().await?;
            halves.timer.record(begun);
        }
        halves.end()
    })
}

pub(crate) fn churn_command(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let command = bed::command(&node.template(), ["true"], [Stdio::Null; 2]);
        for _ in 0..WARM_UP {
            ran(&node, &command).await?;
        }
        let mut halves = Halves::begin(effort.pick(2_000, 200))?;
        while halves.more()? {
            let begun = Instant::now();
            ran(&node, &command).await?;
            halves.timer.record(begun);
        }
        halves.end()
    })
}

/// A session that ran the command.
async fn ran(node: &Node, command: &Command) -> Result<Session, Failure> {
    let session = node.session(node.template());
    bed::wait(&session, command).await?;
    Ok(session)
}

/// Counts sessions, and looks at memory in the middle and at the end.
struct Halves {
    timer: Timer,
    count: u64,
    done: u64,
    middle: u64,
}

impl Halves {
    fn begin(count: u64) -> Result<Halves, Failure> {
        Ok(Halves { timer: Timer::begin()?, count, done: 0, middle: 0 })
    }

    /// Whether another session is due.
    fn more(&mut self) -> Result<bool, Failure> {
        if self.done == self.count / 2 {
            self.middle = resident_bytes()?;
        }
        self.done += 1;
        Ok(self.done <= self.count)
    }

    fn end(self) -> Result<Measured, Failure> {
        let measured = self.timer.end();
        let growth = resident_bytes()? as f64 - self.middle as f64;
        let rate = self.count as f64 / measured.wall_ms * 1e3;
        Ok(measured.with("growth", "KiB", growth / 1024.0).with("rate", "sessions/s", rate))
    }
}
