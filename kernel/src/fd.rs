//! Descriptors: the numbers of one process, each referring to an open file that others may share.

use crate::errno::Errno;
use crate::file::OpenId;
use crate::id::Fd;

/// Highest limit RLIMIT_NOFILE can be given (Linux's default fs.nr_open).
pub const DESCRIPTORS_MAX: u64 = 1 << 20;

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The open file description.
    pub open: OpenId,
    /// Closed by exec and not inherited by a spawned child.
    pub close_on_exec: bool,
}

/// The descriptors of one process. It holds no references of its own: [`crate::Kernel`] counts them.
#[derive(Clone, Debug, Default)]
pub struct FdTable {
    slots: Vec<Option<Descriptor>>,
}

impl FdTable {
    /// What `fd` refers to.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, fd: Fd) -> Result<Descriptor, Errno> {
        self.slots.get(fd.0 as usize).copied().flatten().ok_or(Errno::EBADF)
    }

    /// The lowest free number at or above `from`.
    ///
    /// # Errors
    /// `EMFILE` when it is not below `limit`.
    pub fn lowest_free(&self, from: Fd, limit: u64) -> Result<Fd, Errno> {
        let start = from.0 as usize;
        let free =
            (start..self.slots.len()).find(|at| self.slots[*at].is_none()).unwrap_or(self.slots.len().max(start));
        if (free as u64) < limit.min(DESCRIPTORS_MAX) { Ok(Fd(free as u32)) } else { Err(Errno::EMFILE) }
    }

    /// Puts a descriptor at `fd`, which the caller took from [`FdTable::lowest_free`] or checked against the
    /// limit, and returns what was there.
    pub fn put(&mut self, fd: Fd, descriptor: Descriptor) -> Option<Descriptor> {
        let at = fd.0 as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, None);
        }
        self.slots[at].replace(descriptor)
    }

    /// Takes a descriptor away.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn take(&mut self, fd: Fd) -> Result<Descriptor, Errno> {
        let descriptor = self.slots.get_mut(fd.0 as usize).and_then(Option::take).ok_or(Errno::EBADF)?;
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
        Ok(descriptor)
    }

    /// Marks a descriptor to be closed by exec, or not.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_close_on_exec(&mut self, fd: Fd, close: bool) -> Result<(), Errno> {
        let slot = self.slots.get_mut(fd.0 as usize).and_then(Option::as_mut).ok_or(Errno::EBADF)?;
        slot.close_on_exec = close;
        Ok(())
    }

    /// Every open descriptor, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Fd, Descriptor)> + '_ {
        self.slots.iter().enumerate().filter_map(|(at, slot)| slot.map(|descriptor| (Fd(at as u32), descriptor)))
    }

    /// Open descriptors.
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests;
