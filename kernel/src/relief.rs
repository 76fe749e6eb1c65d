//! Relief for a writer that nobody could ever read from: a full pipe grows instead of waiting for ever.
//!
//! ```text
//! x=$(seq 1 100000)     shell: waitpid(seq) ──waits for──▶ seq: write() ──waits for──▶ shell: read()
//! cat <<EOF … EOF       shell: write() to a pipe of which it holds both ends itself
//! ```
//! A shell without fork() does both: it collects the command first and reads the pipe then. On Linux that hangs once
//! 64 KiB are in the pipe. Here, when every process that holds a read end is the writer itself, or one of its ancestors
//! that sits in waitpid(), the pipe may hold more, counted against the session's memory. No program that works on
//! Linux can tell the difference, since there it would never run again. One whose runtime waits for a child and reads
//! meanwhile, as an event loop does, is no such reader.

use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::Opened;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::pipe::PipeId;
use crate::wait::WaitKey;

/// Bytes a stuck pipe grows by.
const STEP: usize = 1 << 20;
/// Bytes a pipe may hold beyond its capacity.
pub const RELIEF_MAX: usize = 256 << 20;

impl Kernel {
    /// Whether nobody can read this full pipe before `writer` goes on.
    pub(crate) fn is_stuck(&self, writer: Pid, id: PipeId) -> bool {
        let reads = |what: &Opened| matches!(what, Opened::PipeReader(pipe) | Opened::PipeBoth(pipe) if *pipe == id);
        let mut held_inside = 0;
        for process in self.processes.values() {
            let opens = process
                .descriptors
                .iter()
                .filter(|(_, descriptor)| self.files.get(descriptor.open).is_ok_and(|file| reads(&file.what)));
            let count = opens.count();
            if count == 0 {
                continue;
            }
            held_inside += count as u32;
            let waits_for_writer =
                self.waiters.is_parked(WaitKey::Child(process.pid)) && self.is_ancestor(process.pid, writer);
            if process.side_by_side || (process.pid != writer && !waits_for_writer) {
                return false;
            }
        }
        // Someone outside the session, or a call in progress, may hold an end that is no descriptor.
        let held: u32 = self.files.iter().filter(|file| reads(&file.what)).map(|file| file.refs).sum();
        held_inside > 0 && held == held_inside
    }

    /// The caller's runtime makes its calls side by side: while one waits, others are made.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn makes_calls_side_by_side(&mut self, call: &Call) -> Result<(), Errno> {
        self.process_mut(call.pid)?.side_by_side = true;
        Ok(())
    }

    /// Lets the pipe hold more.
    ///
    /// # Errors
    /// `EDEADLK` at [`RELIEF_MAX`] or the session's memory: it would wait for ever.
    pub(crate) fn relieve(&mut self, writer: Pid, id: PipeId) -> Result<(), Errno> {
        if self.pipes.get(&id).ok_or(Errno::EIO)?.relief + STEP > RELIEF_MAX {
            return Err(self.limit_reached(writer, "memory_bytes", Errno::EDEADLK));
        }
        self.take_memory(STEP as u64).map_err(|limit| self.limit_reached(writer, limit, Errno::EDEADLK))?;
        self.pipes.get_mut(&id).ok_or(Errno::EIO)?.relief += STEP;
        Ok(())
    }

    /// `waiter` begins to wait for a child: writers to pipes it reads may be stuck now.
    pub(crate) fn look_again_at_pipes_of(&mut self, waiter: Pid) {
        let Some(process) = self.processes.get(&waiter) else { return };
        if self.waiters.is_parked(WaitKey::Child(waiter)) {
            return;
        }
        let full: Vec<PipeId> = process
            .descriptors
            .iter()
            .filter_map(|(_, descriptor)| match self.files.get(descriptor.open).ok()?.what {
                Opened::PipeReader(id) | Opened::PipeBoth(id) => Some(id),
                _ => None,
            })
            .filter(|id| self.pipes.get(id).is_some_and(|pipe| !pipe.is_writable()))
            .collect();
        for id in full {
            self.waiters.wake(WaitKey::Pipe(id.0));
        }
    }

    fn is_ancestor(&self, ancestor: Pid, of: Pid) -> bool {
        let mut at = of;
        while at != Pid::INIT {
            match self.processes.get(&at) {
                Some(process) if process.parent == ancestor => return true,
                Some(process) => at = process.parent,
                None => return false,
            }
        }
        false
    }
}
