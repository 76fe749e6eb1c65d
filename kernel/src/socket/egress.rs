//! What the kernel asks of the outside for a session's network. Whoever places sessions fills it in; without it, and
//! before the policy allowed it, a session reaches nothing but itself.
//!
//! ```text
//! lookup      ─▶ resolve(name) ─▶ addresses, pinned to the name
//! connect()   ─▶ carry(Outbound) ─▶ FarEnd ─┬▶ refused(why), failed(errno)
//!                                           └▶ connected(address) ─▶ receive ─▶ … send, finish, reset
//! ```
//! A [`FarEnd`] is the other end of a process's socket, held outside. Its input is bounded as every socket's is, and so is
//! the process's own: who sends too fast waits. Dropping it ends the connection.

use crate::errno::Errno;
use crate::event::What;
use crate::fetch::Call;
use crate::host::Monotonic;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::session::{CallError, Session};
use crate::socket::receive::Incoming;
use crate::socket::send::Outgoing;
use crate::socket::{Host, MessageFlags, SocketId};
use crate::wait::Step;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Refusals that are told within [`REFUSALS_WITHIN`], at most; further ones are counted in the next that is told.
const REFUSALS_MAX: u32 = 32;
/// See [`REFUSALS_MAX`].
const REFUSALS_WITHIN: Duration = Duration::from_secs(60);

/// The way out of a session. Called outside every lock.
pub trait Egress: Send + Sync {
    /// Addresses of a host outside, best first. The policy has allowed the name; which addresses it may stand for
    /// (none of a private or metadata range, unless named) is for the implementation to hold. May block.
    ///
    /// # Errors
    /// `ENOENT` when there is no such name, `EHOSTUNREACH` when nobody can be asked; [`Unreached::Refused`] when the name or
    /// its addresses may not be reached.
    fn resolve(&self, name: &str) -> Result<Arc<[IpAddr]>, Unreached>;

    /// Carries a connection the policy has allowed: decides, connects, moves bytes both ways. Must not wait: what takes
    /// time goes on elsewhere. Until the far end says what became of it, the process's socket is connecting.
    fn carry(&self, outbound: Outbound);
}

/// Why something outside is not reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// It cannot be; the process gets this number.
    #[error(transparent)]
    Failed(#[from] Errno),
    /// It may not be; the process gets `EACCES`, and whoever reads the events this reason.
    #[error("{0}")]
    Refused(Arc<str>),
}

/// A connection a process wants.
#[derive(Debug)]
pub struct Outbound {
    /// Who wants it.
    pub pid: Pid,
    /// Where to, as the process named it.
    pub host: Host,
    /// For an address: the names this session found it by, the newest first. For a name: that name.
    pub names: Vec<Arc<str>>,
    /// What to try, best first; at least one.
    pub addresses: Vec<IpAddr>,
    /// The port.
    pub port: u16,
    /// The end of it that is held outside.
    pub end: FarEnd,
}

/// The outside's end of a connection.
pub struct FarEnd {
    session: Session,
    id: SocketId,
    pid: Pid,
    /// As refusals name it.
    subject: String,
}

/// An [`Outbound`] before the lock is let go.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) pid: Pid,
    pub(crate) host: Host,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) far: SocketId,
}

impl Outbound {
    pub(crate) fn new(session: &Session, dial: Dial) -> Outbound {
        let Dial { pid, host, names, addresses, port, far } = dial;
        let subject = names.first().map_or_else(|| format!("{host}:{port}"), |name| format!("{name}:{port}"));
        let end = FarEnd { session: session.clone(), id: far, pid, subject };
        Outbound { pid, host, names, addresses, port, end }
    }
}

impl FarEnd {
    /// It is there, at this address: the process's socket is connected.
    ///
    /// # Errors
    /// `ECONNABORTED` when the process does not want it any more.
    pub fn connected(&self, to: SocketAddr) -> Result<(), Errno> {
        self.session.with(|kernel| kernel.far_connected(self.id, to))
    }

    /// It may not be: the process gets `EACCES`, and the reason is told.
    pub fn refused(self, reason: &str) {
        self.session.with(|kernel| {
            kernel.refuse_outside(self.pid, self.subject.clone(), reason);
            kernel.far_failed(self.id, Errno::EACCES);
        });
    }

    /// The host and port, as refusals name them: by the name an address was found by last.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// It could not be made: the process gets this number.
    pub fn failed(self, errno: Errno) {
        self.session.with(|kernel| kernel.far_failed(self.id, errno));
    }

    /// Waits until the process has closed its socket, on purpose or by ending.
    pub async fn closed(&self) {
        let _ = self.call(|kernel, _| kernel.far_closed(self.id)).await;
    }

    /// Whether the process has closed its socket. What it sent before may still be received.
    pub fn is_closed(&self) -> bool {
        self.session.with(|kernel| kernel.is_far_closed(self.id))
    }

    /// Appends up to `want` bytes the process sent to `to` and returns how many: 0 when it sends nothing more.
    ///
    /// # Errors
    /// `ECONNRESET` when the process closed its socket so that something was lost.
    pub async fn receive(&self, want: usize, to: &mut Vec<u8>) -> Result<usize, Errno> {
        let wanted = Incoming::bytes(want);
        let received = self.call(|kernel, call| {
            kernel.receive_socket(call, self.id, false, &wanted, &mut |bytes| to.extend_from_slice(bytes))
        });
        Ok(received.await?.count)
    }

    /// Sends all bytes to the process, waiting for room.
    ///
    /// # Errors
    /// `EPIPE`, `ECONNRESET` when the process takes nothing any more.
    pub async fn send_all(&self, bytes: &[u8]) -> Result<(), Errno> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let part = [rest];
            let flags = MessageFlags::NOSIGNAL;
            let message = Outgoing { flags, ..Outgoing::bytes(&part) };
            let sent = self.call(|kernel, call| {
                if kernel.is_far_closed(self.id) {
                    return Err(Errno::EPIPE.into());
                }
                kernel.send_socket(call, self.id, false, &message)
            });
            rest = &rest[sent.await?..];
        }
        Ok(())
    }

    /// The outside sends nothing more. What the process sends is still received.
    pub fn finish(&self) {
        self.session.with(|kernel| kernel.far_finished(self.id));
    }

    /// The outside broke it off: the process gets `ECONNRESET`.
    pub fn reset(self) {
        self.session.with(|kernel| kernel.far_reset(self.id));
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Makes a call as init, which no signal ends.
    async fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin) -> Result<T, Errno> {
        self.session.call(Pid::INIT, op).await.map_err(|error| match error {
            CallError::Failed(errno) => errno,
            CallError::Doomed(_) | CallError::Interrupted { .. } => Errno::EIO,
        })
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.session.with(|kernel| kernel.far_dropped(self.id));
    }
}

impl fmt::Debug for FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FarEnd({})", self.id.0)
    }
}

impl fmt::Debug for dyn Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Egress")
    }
}

/// How many refusals were told lately. A program can cause any number.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    since: Option<Monotonic>,
    told: u32,
    skipped: u64,
}

impl Refusals {
    /// Whether one more is told, and how many were not before it.
    fn take(&mut self, now: Monotonic) -> Option<u64> {
        if self.since.is_none_or(|since| now.since(since) >= REFUSALS_WITHIN) {
            (self.since, self.told) = (Some(now), 0);
        }
        if self.told == REFUSALS_MAX {
            self.skipped += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.skipped))
    }
}

impl Kernel {
    /// Notes that the way out refused something.
    pub(crate) fn refuse_outside(&mut self, pid: Pid, subject: String, reason: &str) {
        let now = self.monotonic();
        if let Some(skipped) = self.refusals.take(now) {
            self.record(pid, What::Refused { subject, reason: reason.to_owned(), skipped });
        }
    }
}
