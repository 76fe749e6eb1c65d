//! poll(): which of several descriptors a call would not wait on.

use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::Opened;
use crate::host::Monotonic;
use crate::id::Fd;
use crate::kernel::Kernel;
use crate::wait::{Halt, Step, WaitKey};
use bitflags::bitflags;

/// Descriptors of one poll(), at most (the ABI's limit).
pub const POLL_MAX: usize = 1024;

bitflags! {
    /// Linux's poll events.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct PollEvents: u16 {
        /// Bytes, the end, or a connection to take.
        const IN = 0x1;
        /// Room to write.
        const OUT = 0x4;
        /// The other end is gone for good.
        const ERR = 0x8;
        /// Hung up.
        const HUP = 0x10;
        /// Not open.
        const NVAL = 0x20;
        /// As IN.
        const RDNORM = 0x40;
        /// As OUT.
        const WRNORM = 0x100;
        /// The other end of a connection sends no more.
        const RDHUP = 0x2000;
    }
}

/// One descriptor of a poll().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollFd {
    /// The descriptor; `None` is ignored, as a negative one in POSIX.
    pub fd: Option<Fd>,
    /// What is asked for; ERR, HUP and NVAL are always answered.
    pub events: PollEvents,
    /// The answer.
    pub found: PollEvents,
}

impl Kernel {
    /// Answers which descriptors are ready, and how many; with none, waits until `deadline` (`None` is forever).
    ///
    /// # Errors
    /// `EINVAL` above [`POLL_MAX`].
    ///
    /// # Standard
    /// POSIX.1-2017 poll(): regular files, directories and devices are always ready.
    pub fn poll(&self, call: &Call, fds: &mut [PollFd], deadline: Option<Monotonic>) -> Step<usize> {
        if fds.len() > POLL_MAX {
            return Err(Errno::EINVAL.into());
        }
        let mut ready = 0;
        let mut keys = Vec::new();
        for poll in fds.iter_mut() {
            let Some(fd) = poll.fd else {
                poll.found = PollEvents::empty();
                continue;
            };
            let always = PollEvents::ERR | PollEvents::HUP | PollEvents::NVAL;
            poll.found = self.readiness(call, fd, &mut keys) & (poll.events | always);
            ready += usize::from(!poll.found.is_empty());
        }
        let over = deadline.is_some_and(|deadline| self.monotonic() >= deadline);
        if ready > 0 || over { Ok(ready) } else { Err(Halt::timed(keys, deadline)) }
    }

    /// Waits until `deadline`: sleep() and its kin.
    ///
    /// # Errors
    /// `Wait` until then.
    pub fn sleep_until(&self, deadline: Monotonic) -> Step<()> {
        if self.monotonic() >= deadline { Ok(()) } else { Err(Halt::timed(Vec::new(), Some(deadline))) }
    }

    /// What a descriptor is ready for; adds what would change that to `keys`.
    fn readiness(&self, call: &Call, fd: Fd, keys: &mut Vec<WaitKey>) -> PollEvents {
        let input = PollEvents::IN | PollEvents::RDNORM;
        let output = PollEvents::OUT | PollEvents::WRNORM;
        let file = self
            .process(call.pid)
            .and_then(|process| process.descriptors.get(fd))
            .and_then(|descriptor| self.files.get(descriptor.open));
        let Ok(file) = file else { return PollEvents::NVAL };
        let (id, reads, writes) = match &file.what {
            Opened::PipeReader(id) => (id, true, false),
            Opened::PipeWriter(id) => (id, false, true),
            Opened::PipeBoth(id) => (id, true, true),
            Opened::Terminal(id, end) => {
                keys.push(WaitKey::Terminal(id.0));
                return self.terminal_readiness(*id, *end);
            }
            Opened::Path(_) => return PollEvents::NVAL,
            Opened::Watch(id) => {
                keys.push(WaitKey::Watch(id.0));
                return if self.watchers.has_events(*id) { input } else { PollEvents::empty() };
            }
            Opened::Socket(id) => return self.socket_readiness(*id, keys),
            Opened::File(..) | Opened::Directory(..) | Opened::Device(..) | Opened::Text(..) | Opened::Driver(..) => {
                return input | output;
            }
        };
        keys.push(WaitKey::Pipe(id.0));
        let Some(pipe) = self.pipes.get(id) else { return PollEvents::NVAL };
        let mut found = PollEvents::empty();
        if reads {
            found |= if pipe.is_empty() { PollEvents::empty() } else { input };
            // A FIFO no writer has opened yet is not hung up.
            found |= if pipe.writers == 0 && pipe.writers_ever > 0 { PollEvents::HUP } else { PollEvents::empty() };
        }
        if writes {
            found |= if pipe.is_writable() { output } else { PollEvents::empty() };
            found |= if pipe.readers == 0 { PollEvents::ERR } else { PollEvents::empty() };
        }
        found
    }
}
