//! Several changes of the file system as one: all of them, or none.
//!
//! The tree is persistent, so what it was is one pointer, and going back is one assignment. Quotas are counted in the tree, and
//! go back with it; so do the numbers of changes and inodes, which nobody can have seen: the caller holds the kernel.

use super::change::Mark as LogMark;
use super::inodes::Inodes;
use super::memory::Tree;
use crate::kernel::Kernel;

/// A tree at a moment, to go back to.
pub(crate) struct Mark {
    inodes: Inodes,
    log: LogMark,
}

impl Tree {
    pub(crate) fn mark(&self) -> Mark {
        Mark { inodes: self.snapshot(), log: self.log().mark() }
    }

    pub(crate) fn undo(&mut self, mark: Mark) {
        self.replace(mark.inodes);
        self.log_mut().undo(mark.log);
    }
}

impl Kernel {
    /// Makes changes of names, attributes and new files as one: when `op` fails, every file is as it was. Nobody sees what is
    /// between, since the caller holds the kernel meanwhile.
    ///
    /// `op` must close what it opens, change nothing but files, and not make do with a mount: a call that asks its driver
    /// ends `Fetch`, before it has had an effect.
    ///
    /// # Errors
    /// Those of `op`.
    pub fn all_or_nothing<T, E>(&mut self, op: impl FnOnce(&mut Kernel) -> Result<T, E>) -> Result<T, E> {
        let marks: Vec<_> = self.mounts.trees_mut().map(|tree| tree.mark()).collect();
        let done = op(self);
        if done.is_err() {
            for (tree, mark) in self.mounts.trees_mut().zip(marks) {
                tree.undo(mark);
            }
        }
        done
    }
}
