//! Options of a socket: setsockopt() and getsockopt().

use super::{Family, Socket, SocketKind, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::id::Fd;
use crate::kernel::Kernel;
use std::time::Duration;

/// What was set on a socket. An accepted one begins with its listener's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// SO_REUSEADDR: it may be bound where another one that has it too is bound, unless that one listens.
    pub reuse_address: bool,
    /// SO_KEEPALIVE. Nothing in a session dies silently: remembered, without an effect.
    pub keep_alive: bool,
    /// SO_LINGER, in seconds. Zero makes close() a reset (TCP). Any other time has no effect: what was sent has
    /// arrived.
    pub linger: Option<u32>,
    /// SO_RCVTIMEO: how long receive and accept wait before `EAGAIN`.
    pub receive_timeout: Option<Duration>,
    /// TCP_NODELAY. Nothing is ever delayed: remembered, without an effect.
    pub no_delay: bool,
}

/// One option and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// SO_REUSEADDR.
    ReuseAddress(bool),
    /// SO_KEEPALIVE.
    KeepAlive(bool),
    /// SO_LINGER, in seconds; `None` is off.
    Linger(Option<u32>),
    /// SO_RCVTIMEO; `None` is for ever.
    ReceiveTimeout(Option<Duration>),
    /// TCP_NODELAY.
    NoDelay(bool),
}

/// What getsockopt() tells of a socket beside its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketStatus {
    /// Its family.
    pub family: Family,
    /// Its kind (SO_TYPE).
    pub kind: SocketKind,
    /// It accepts connections (SO_ACCEPTCONN).
    pub listens: bool,
    /// What was set.
    pub options: Options,
}

impl Kernel {
    /// setsockopt().
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `ENOPROTOOPT` for an option of TCP on another socket.
    pub fn set_socket_option(&mut self, call: &Call, fd: Fd, option: SocketOption) -> Result<(), Errno> {
        let (id, _) = self.socket_at(call, fd)?;
        let socket = self.sockets.get_mut(id)?;
        let tcp = socket.is_tcp();
        let options = &mut socket.options;
        match option {
            SocketOption::ReuseAddress(on) => options.reuse_address = on,
            SocketOption::KeepAlive(on) => options.keep_alive = on,
            SocketOption::Linger(seconds) => options.linger = seconds,
            SocketOption::ReceiveTimeout(timeout) => options.receive_timeout = timeout,
            SocketOption::NoDelay(on) if tcp => options.no_delay = on,
            SocketOption::NoDelay(_) => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    /// What a socket is and what was set on it.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`.
    pub fn socket_status(&self, call: &Call, fd: Fd) -> Result<SocketStatus, Errno> {
        let (id, _) = self.socket_at(call, fd)?;
        let Socket { family, kind, options, state, .. } = self.sockets.get(id)?;
        let listens = matches!(state, State::Listening(_));
        Ok(SocketStatus { family: *family, kind: *kind, listens, options: *options })
    }

    /// SO_ERROR: what went wrong since it was last asked, told once.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`.
    pub fn take_socket_error(&mut self, call: &Call, fd: Fd) -> Result<Option<Errno>, Errno> {
        let (id, _) = self.socket_at(call, fd)?;
        Ok(self.sockets.get_mut(id)?.error.take())
    }
}
