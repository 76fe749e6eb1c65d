//! The one way anything waits: a system call answers [`Halt::Wait`] with what it waits for, its waker is parked
//! under those keys, and whoever changes the state wakes the key.
//!
//! The call's state is not kept by the kernel: a woken call is simply made again, and has had no effect before.
//! Parking happens under the same lock hold as the attempt that failed, so no wake-up can fall between the two.
//! Waking is in the order of parking; every waiter of a key is woken, and the first to get the lock wins.

use crate::errno::Errno;
use crate::fetch::Fetch;
use crate::host::Monotonic;
use crate::id::Pid;
use std::collections::{BTreeMap, HashMap};
use std::task::Waker;

/// What a system call answers: a value, or why there is none yet. `?` passes each reason up.
pub type Step<T> = Result<T, Halt>;

/// Why a system call has no value.
#[derive(Debug)]
pub enum Halt {
    /// It failed; the guest gets this number.
    Fail(Errno),
    /// It would block until one of the keys is woken; then it is made again.
    Wait(Wait),
    /// It needs something from outside the lock; then it is made again.
    Fetch(Box<Fetch>),
}

impl From<Errno> for Halt {
    fn from(errno: Errno) -> Halt {
        Halt::Fail(errno)
    }
}

impl Halt {
    /// Waits for one thing, without a deadline. A caught signal interrupts the call, and SA_RESTART restarts it.
    pub fn on(key: WaitKey) -> Halt {
        Halt::until(vec![key], None)
    }

    /// Waits for any of several things, or a deadline; interrupted and restarted as [`Halt::on`].
    pub fn until(keys: Vec<WaitKey>, until: Option<Monotonic>) -> Halt {
        Halt::Wait(Wait { keys, until, restarts: true })
    }

    /// As [`Halt::until`], for a call that a caught signal always ends with EINTR, whatever SA_RESTART says: poll(),
    /// sleep(), and what waits with a timeout of its own (signal(7)).
    pub fn timed(keys: Vec<WaitKey>, until: Option<Monotonic>) -> Halt {
        Halt::Wait(Wait { keys, until, restarts: false })
    }
}

/// What a blocked call waits for: any of the keys, or the deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Each a thing that may change.
    pub keys: Vec<WaitKey>,
    /// When to make the call again even if nothing changed.
    pub until: Option<Monotonic>,
    /// Whether SA_RESTART makes the call again after a caught signal.
    pub restarts: bool,
}

impl Wait {
    /// Only for what ends, stops or continues a process, or a signal it handles.
    pub(crate) fn for_process(pid: Pid) -> Wait {
        Wait { keys: vec![WaitKey::Process(pid)], until: None, restarts: true }
    }
}

/// A thing that can change so that a waiting call should look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WaitKey {
    /// Bytes, room or an end of this pipe came or went.
    Pipe(u64),
    /// Bytes, room, attributes or an end of this terminal came or went.
    Terminal(u32),
    /// A child of this process changed state.
    Child(Pid),
    /// A signal for this process arrived, or it was killed. Every wait of a process includes it.
    Process(Pid),
    /// Any process of the session ended (an embedder waits for a pid that is no child of its own).
    Exits,
    /// Bytes, a connection, an end or an error came to this socket.
    SocketInput(u64),
    /// Room came in this socket's input or queue of connections, or it can no longer take anything.
    SocketRoom(u64),
    /// A call that moved the offset of this open file, and waited for a driver meanwhile, is done.
    Offset(crate::file::OpenId),
    /// A lock on this file of the table of locks was let go, or a call that waited for one no longer does.
    Lock(u64),
    /// Something happened to a file this queue watches.
    Watch(u64),
    /// The event ring of the session grew.
    Events,
}

/// A parked call, to be taken back when its future ends or looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(u64);

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    wait: Wait,
}

/// The parked calls of a session.
#[derive(Debug, Default)]
pub struct Waiters {
    next: u64,
    parked: HashMap<WaiterId, Waiter>,
    by_key: HashMap<WaitKey, Vec<WaiterId>>,
    by_deadline: BTreeMap<(Monotonic, WaiterId), ()>,
    woken: Vec<Waker>,
}

impl Waiters {
    /// Parks `waker` until one of `wait`'s keys is woken or its deadline passes.
    pub fn park(&mut self, wait: Wait, waker: Waker) -> WaiterId {
        let id = WaiterId(self.next);
        self.next += 1;
        for key in &wait.keys {
            self.by_key.entry(*key).or_default().push(id);
        }
        if let Some(deadline) = wait.until {
            self.by_deadline.insert((deadline, id), ());
        }
        self.parked.insert(id, Waiter { waker, wait });
        id
    }

    /// Takes a call back, whether it was woken or its future was dropped. Unknown ids are woken ones: no effect.
    pub fn unpark(&mut self, id: WaiterId) {
        if let Some(waiter) = self.parked.remove(&id) {
            self.forget(id, &waiter.wait);
        }
    }

    /// Wakes every call parked under `key`, oldest first.
    pub fn wake(&mut self, key: WaitKey) {
        let Some(ids) = self.by_key.remove(&key) else { return };
        for id in ids {
            if let Some(waiter) = self.parked.remove(&id) {
                self.forget(id, &waiter.wait);
                self.woken.push(waiter.waker);
            }
        }
    }

    /// When the earliest deadline passes, if any call has one.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.by_deadline.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Wakes the calls whose deadline is at or before `now`.
    pub fn advance(&mut self, now: Monotonic) {
        while let Some((deadline, id)) = self.by_deadline.keys().next().copied() {
            if deadline > now {
                return;
            }
            self.by_deadline.remove(&(deadline, id));
            if let Some(waiter) = self.parked.remove(&id) {
                self.forget(id, &waiter.wait);
                self.woken.push(waiter.waker);
            }
        }
    }

    /// The wakers to call once the lock is let go.
    pub fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// Whether a call is parked under `key`.
    pub fn is_parked(&self, key: WaitKey) -> bool {
        self.by_key.contains_key(&key)
    }

    /// What the oldest call that is parked under `key` waits for.
    pub fn parked_on(&self, key: WaitKey) -> Option<&Wait> {
        let oldest = self.by_key.get(&key)?.first()?;
        self.parked.get(oldest).map(|waiter| &waiter.wait)
    }

    /// Calls parked now.
    pub fn len(&self) -> usize {
        self.parked.len()
    }

    /// Whether no call is parked.
    pub fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }

    fn forget(&mut self, id: WaiterId, wait: &Wait) {
        for key in &wait.keys {
            if let Some(ids) = self.by_key.get_mut(key) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        if let Some(deadline) = wait.until {
            self.by_deadline.remove(&(deadline, id));
        }
    }
}

#[cfg(test)]
mod tests;
