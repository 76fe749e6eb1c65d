//! recv(), recvfrom(), recvmsg(): out of a socket's own input.

use super::queue::Input;
use super::{MessageFlags, Name, SocketId, SocketKind, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::OpenId;
use crate::id::Fd;
use crate::kernel::Kernel;
use crate::wait::{Halt, Step, WaitKey};

/// What is to be received, and how.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// Bytes wanted; the rest of a message is dropped.
    pub want: usize,
    /// Descriptors there is room for. `None` when they are not asked for: they are closed then.
    pub rights: Option<usize>,
    /// PEEK, TRUNC, DONTWAIT, CMSG_CLOEXEC.
    pub flags: MessageFlags,
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes given.
    pub count: usize,
    /// Bytes the message had; as `count` for a stream.
    pub whole: usize,
    /// Who sent it, for datagrams.
    pub from: Option<Name>,
    /// Descriptors that came with it.
    pub rights: Vec<Fd>,
    /// Not all descriptors that came could be given (MSG_CTRUNC); the others are closed.
    pub rights_truncated: bool,
}

impl Incoming {
    /// Plain bytes.
    pub fn bytes(want: usize) -> Incoming {
        Incoming { want, rights: None, flags: MessageFlags::empty() }
    }
}

impl Received {
    /// The end: nothing more will come.
    const END: Received = Received { count: 0, whole: 0, from: None, rights: Vec::new(), rights_truncated: false };
}

impl Kernel {
    /// Receives a message, or what there is of a stream's bytes, handed to `put` in order; no byte is the end.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `ENOTCONN`, and `EINVAL` for a Unix stream that is not connected; `ECONNRESET` and what else
    /// went wrong before; `EAGAIN` or `Wait` when there is nothing, `EAGAIN` also after SO_RCVTIMEO.
    ///
    /// # Standard
    /// POSIX.1-2017 recvmsg(), Linux unix(7): a receive from a stream stops where the bytes end that rights came with.
    pub fn receive(
        &mut self,
        call: &mut Call,
        fd: Fd,
        wanted: &Incoming,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<Received> {
        let (id, nonblock) = self.socket_at(call, fd)?;
        self.receive_socket(call, id, nonblock, wanted, put)
    }

    pub(crate) fn receive_socket(
        &mut self,
        call: &mut Call,
        id: SocketId,
        nonblock: bool,
        wanted: &Incoming,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<Received> {
        let nonblock = nonblock || wanted.flags.contains(MessageFlags::DONTWAIT);
        let socket = self.sockets.get_mut(id)?;
        let stream = socket.kind == SocketKind::Stream;
        if !socket.input.is_empty() {
            return if stream {
                self.take_bytes(call, id, wanted, put)
            } else {
                self.take_message(call, id, wanted, put)
            };
        }
        let unconnected = match (&socket.state, socket.kind) {
            (State::Connected { .. } | State::Connecting { .. }, _) | (_, SocketKind::Datagram) => None,
            (_, SocketKind::Stream) if socket.is_unix() => Some(Errno::EINVAL),
            _ => Some(Errno::ENOTCONN),
        };
        if socket.ended && !socket.is_unix() {
            return Ok(Received::END);
        }
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        if socket.read_shut {
            return Ok(Received::END);
        }
        match unconnected {
            Some(errno) => Err(errno.into()),
            None if stream && wanted.want == 0 => Ok(Received::END),
            None => Err(self.await_input(call, id, nonblock)?),
        }
    }

    /// Why a call that found nothing has no value: it may not wait, or it waits, at most for SO_RCVTIMEO.
    pub(super) fn await_input(&self, call: &mut Call, id: SocketId, nonblock: bool) -> Result<Halt, Errno> {
        if nonblock {
            return Ok(Errno::EAGAIN.into());
        }
        let key = WaitKey::SocketInput(id.0);
        let Some(timeout) = self.sockets.get(id)?.options.receive_timeout else { return Ok(Halt::on(key)) };
        let now = self.monotonic();
        let due = call.began(now) + timeout;
        Ok(if now >= due { Errno::EAGAIN.into() } else { Halt::timed(vec![key], Some(due)) })
    }

    fn take_bytes(
        &mut self,
        call: &Call,
        id: SocketId,
        wanted: &Incoming,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<Received> {
        let peek = wanted.flags.contains(MessageFlags::PEEK);
        let drop_bytes = self.sockets.get(id)?.is_tcp() && wanted.flags.contains(MessageFlags::TRUNC);
        let mut nowhere = |_: &[u8]| ();
        let put: &mut dyn FnMut(&[u8]) = if drop_bytes { &mut nowhere } else { put };
        let (count, rights) = self.sockets.with_input(id, |input| match input {
            Input::Bytes(queue) if peek => {
                let (count, rights) = queue.peek(wanted.want, put);
                (count, rights.to_vec())
            }
            Input::Bytes(queue) => queue.take(wanted.want, put),
            Input::Messages(_) => (0, Vec::new()),
        })?;
        if !peek && count > 0 {
            self.waiters.wake(WaitKey::SocketRoom(id.0));
        }
        let (rights, rights_truncated) = self.receive_rights(call, rights, wanted)?;
        Ok(Received { count, whole: count, from: None, rights, rights_truncated })
    }

    fn take_message(
        &mut self,
        call: &Call,
        id: SocketId,
        wanted: &Incoming,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<Received> {
        let socket = self.sockets.get(id)?;
        let (family, named) = (socket.family, socket.kind == SocketKind::Datagram);
        let Input::Messages(queue) = &socket.input else { return Err(Errno::EIO.into()) };
        let message = queue.first().ok_or(Errno::EIO)?;
        let (whole, from) = (message.bytes.len(), named.then(|| message.from.shown_to(family)));
        let count = whole.min(wanted.want);
        put(&message.bytes[..count]);
        let rights = if wanted.flags.contains(MessageFlags::PEEK) {
            message.rights.clone()
        } else {
            let taken = self.sockets.with_input(id, |input| match input {
                Input::Messages(queue) => queue.take(),
                Input::Bytes(_) => None,
            })?;
            self.waiters.wake(WaitKey::SocketRoom(id.0));
            taken.map(|message| message.rights).unwrap_or_default()
        };
        let (rights, rights_truncated) = self.receive_rights(call, rights, wanted)?;
        Ok(Received { count, whole, from, rights, rights_truncated })
    }

    /// Gives the caller descriptors for rights it received, as many as there is room for. Those that were only looked
    /// at stay in flight.
    fn receive_rights(
        &mut self,
        call: &Call,
        rights: Vec<OpenId>,
        wanted: &Incoming,
    ) -> Result<(Vec<Fd>, bool), Errno> {
        let peek = wanted.flags.contains(MessageFlags::PEEK);
        let close_on_exec = wanted.flags.contains(MessageFlags::CMSG_CLOEXEC);
        let mut given = Vec::new();
        for open in rights.iter().take(wanted.rights.unwrap_or(0)) {
            let Ok(fd) = self.free_fd(call.pid, Fd(0)) else { break };
            given.push(self.install(call.pid, fd, *open, close_on_exec)?);
        }
        let truncated = given.len() < rights.len();
        if !peek {
            self.drop_rights(rights);
        }
        Ok((given, truncated))
    }
}
