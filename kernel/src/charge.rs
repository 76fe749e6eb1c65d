//! What a session is charged for: memory of its processes and what the kernel holds for them, and CPU time.
//!
//! Memory is charged before it is had and refused at a limit, so that nothing a guest can make grows uncounted. What a
//! limit of its own bounds by number (pipes, terminals, locks) is not charged beside.

use crate::budget::{Budget, Share};
use crate::errno::Errno;
use crate::file::OpenId;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::process::{Resource, ResourceLimit};
use crate::signal::Signal;
use crate::vfs::memory::Quota;
use crate::wait::WaitKey;
use std::sync::Arc;
use std::time::Duration;

impl Kernel {
    /// Counts memory of a process; `false` refuses, and nothing was counted.
    pub fn charge_memory(&mut self, pid: Pid, bytes: u64) -> bool {
        let Some(process) = self.processes.get(&pid) else { return false };
        let after = process.memory.saturating_add(bytes);
        if after > process.limit(Resource::AS).soft {
            self.limit_reached(pid, "process_memory_bytes", Errno::ENOMEM);
            return false;
        }
        if let Err(limit) = self.take_memory(bytes) {
            self.limit_reached(pid, limit, Errno::ENOMEM);
            return false;
        }
        if let Some(process) = self.processes.get_mut(&pid) {
            process.memory = after;
        }
        true
    }

    /// Counts bytes the kernel itself holds for as long as a guest likes, and no other limit bounds: arguments, the text
    /// of an open file of /proc, the names of a directory being listed.
    ///
    /// # Errors
    /// `ENOMEM` at the session's memory.
    pub(crate) fn pin(&mut self, pid: Pid, bytes: u64) -> Result<(), Errno> {
        self.take_memory(bytes).map_err(|limit| self.limit_reached(pid, limit, Errno::ENOMEM))
    }

    /// Gives back what [`Kernel::pin`] counted.
    pub(crate) fn unpin(&mut self, bytes: u64) {
        self.give_memory(bytes);
    }

    /// Counts memory against the session's limit and, if it has one, the budget it shares with others.
    ///
    /// # Errors
    /// The name of what is reached; nothing was counted then.
    pub(crate) fn take_memory(&mut self, bytes: u64) -> Result<(), &'static str> {
        if self.memory_used.saturating_add(bytes) > self.limits.memory_bytes {
            return Err("memory_bytes");
        }
        if self.shared_memory.as_mut().is_some_and(|share| !share.take(bytes)) {
            return Err("tenant_memory_bytes");
        }
        self.memory_used += bytes;
        Ok(())
    }

    /// Gives back what [`Kernel::take_memory`] counted.
    pub(crate) fn give_memory(&mut self, bytes: u64) {
        self.memory_used -= bytes;
        if let Some(share) = &mut self.shared_memory {
            share.give(bytes);
        }
    }

    /// From now on the session's memory counts in `budget` too, with what it holds already.
    pub fn share_memory(&mut self, budget: Arc<Budget>) {
        self.shared_memory = Some(Share::of(budget, self.memory_used));
    }

    /// Lets no file grow and none be made, until it is taken back. What is there can be read, changed in place and
    /// removed, and what was removed can be written again.
    pub fn stop_growth(&mut self, stop: bool) {
        let limits = Quota { bytes: self.limits.file_bytes, inodes: self.limits.inodes };
        let root = self.mounts.root_mut();
        match stop {
            true if root.quota() == limits => root.set_quota(root.used()),
            true => {}
            false => root.set_quota(limits),
        }
    }

    /// An open file holds so many bytes now.
    ///
    /// # Errors
    /// `ENOMEM` at the session's memory; it holds what it held before then.
    pub(crate) fn pin_open(&mut self, pid: Pid, open: OpenId, bytes: u64) -> Result<(), Errno> {
        let before = self.files.get(open)?.pinned;
        self.pin(pid, bytes.saturating_sub(before))?;
        self.unpin(before.saturating_sub(bytes));
        self.files.get_mut(open)?.pinned = bytes;
        Ok(())
    }

    /// Gives back all memory counted for a process, as exec does before the new image.
    pub fn release_memory(&mut self, pid: Pid) {
        if let Some(process) = self.processes.get_mut(&pid) {
            let memory = std::mem::take(&mut process.memory);
            self.give_memory(memory);
        }
    }

    /// Gives back some of the memory counted for a process.
    pub fn discharge_memory(&mut self, pid: Pid, bytes: u64) {
        if let Some(process) = self.processes.get_mut(&pid) {
            let bytes = bytes.min(process.memory);
            process.memory -= bytes;
            self.give_memory(bytes);
        }
    }

    /// The memory counted for a process will never be free again, since its runtime cannot take it from it: it stays counted in the
    /// session, and in the budget it shares with others also when the session is gone. Returns how much that is.
    pub fn forfeit_memory(&mut self, pid: Pid) -> u64 {
        let Some(process) = self.processes.get_mut(&pid) else { return 0 };
        let memory = std::mem::take(&mut process.memory);
        if let Some(share) = &mut self.shared_memory {
            share.forfeit(memory);
        }
        memory
    }

    /// Memory that was forfeited is free after all.
    pub fn recover_memory(&mut self, bytes: u64) {
        if let Some(share) = &mut self.shared_memory {
            share.recover(bytes);
        }
        self.give_memory(bytes);
    }

    /// CPU time of every process of the session, those that have ended included.
    pub fn cpu_used(&self) -> Duration {
        self.cpu_used
    }

    /// Bytes of memory of all processes.
    pub fn memory_used(&self) -> u64 {
        self.memory_used
    }

    /// Adds CPU time its runtime measured. A process past its soft limit gets SIGXCPU each second, past its hard limit
    /// SIGKILL (Linux's setrlimit(2)); past the operator's limit it is ended by SIGXCPU, whatever it does with that. What a
    /// process took that is there no more is the session's all the same.
    pub fn charge_cpu(&mut self, pid: Pid, time: Duration) {
        let limit_ms = self.limits.cpu_ms;
        self.cpu_used += time;
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let before = process.cpu.as_secs();
        process.cpu += time;
        let (soft, hard) = (process.limit(Resource::CPU).soft, process.limit(Resource::CPU).hard);
        let over_hard = hard != ResourceLimit::INFINITE && process.cpu.as_secs() >= hard;
        // Each second beyond the soft limit, as Linux does.
        let over_seconds = soft != ResourceLimit::INFINITE && process.cpu.as_secs() >= soft.max(before + 1);
        let over_session = limit_ms > 0 && process.cpu.as_millis() as u64 >= limit_ms;
        if process.doom.get().is_some() || !(over_hard || over_seconds || over_session) {
            return;
        }
        if over_session {
            // The operator's limit: no handler, mask or disposition of the guest's holds it off.
            process.doom.set(Signal::XCPU);
            self.waiters.wake(WaitKey::Process(pid));
        } else {
            self.signal_process(pid, if over_hard { Signal::KILL } else { Signal::XCPU });
        }
        self.limit_reached(pid, "cpu_ms", Errno::EAGAIN);
    }
}
