//! Connections to the outside, from the inside: a socket whose other end is a [`super::egress::FarEnd`].
//!
//! The far end is made with the attempt and is the process's socket's peer from the beginning. Until it says that the
//! connection is there, the process's socket waits for it; when one of them goes, the other is told as any peer is.

use super::address::Host;
use super::close::Farewell;
use super::egress::Dial;
use super::pins::NAMES_OF_ONE_MAX;
use super::resolve::subject;
use super::{Awaits, Family, Name, Socket, SocketId, SocketKind, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::wait::{Halt, Step, WaitKey};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where a connection is to go: the names it is judged by, and addresses to try.
struct Route {
    names: Vec<Arc<str>>,
    addresses: Vec<IpAddr>,
}

impl Kernel {
    /// Begins a connection to a host outside. A waiting caller waits for what the way out says.
    ///
    /// # Errors
    /// As [`Kernel::connect`].
    pub(super) fn connect_outside(
        &mut self,
        call: &mut Call,
        id: SocketId,
        nonblock: bool,
        host: &Host,
        port: u16,
    ) -> Step<()> {
        let socket = self.sockets.get(id)?;
        let family = socket.family;
        if port == 0 {
            return Err(Errno::ECONNREFUSED.into());
        }
        // As on Linux: from the loopback nothing leaves.
        if socket.local.inet().is_some_and(|local| local.ip().is_loopback()) {
            return Err(Errno::EINVAL.into());
        }
        let route = self.route(call, family, host, port)?;
        let first = *route.addresses.first().ok_or(Errno::EAFNOSUPPORT)?;
        if self.sockets.outbound() as u64 >= self.limits.outbound {
            return Err(self.limit_reached(call.pid, "outbound", Errno::ENOBUFS).into());
        }
        let to = SocketAddr::new(first, port);
        self.name_for(id, to)?;
        let far = self.add_far_end(call.pid, id)?;
        self.sockets.get_mut(id)?.state = State::Connecting { awaits: Awaits::Outside(far), to };
        let Route { names, addresses } = route;
        self.dials.push(Dial { pid: call.pid, host: host.clone(), names, addresses, port, far });
        Err(if nonblock { Errno::EINPROGRESS.into() } else { Halt::on(WaitKey::SocketInput(id.0)) })
    }

    /// The other end of a socket, which whoever carries the connection holds.
    fn add_far_end(&mut self, pid: Pid, near: SocketId) -> Result<SocketId, Errno> {
        let from = self.sockets.get(near)?.local.clone();
        let mut far = Socket::new(self.sockets.get(near)?.family, SocketKind::Stream);
        far.state = State::Connected { peer: Some(near), name: from, fresh: false };
        let far = self.add_socket(pid, far, Errno::ENOBUFS)?;
        self.sockets.far.insert(far);
        Ok(far)
    }

    /// Asks the policy about a host outside, and for a name the way out about its addresses.
    fn route(&mut self, call: &mut Call, family: Family, host: &Host, port: u16) -> Step<Route> {
        match host {
            Host::Address(address) => {
                let names = self.sockets.pins.names_of(*address);
                self.permit_outside(call, *address, &names, port)?;
                if self.world.egress.is_none() {
                    return Err(Errno::ENETUNREACH.into());
                }
                Ok(Route { names, addresses: vec![*address] })
            }
            Host::Name(name) => {
                self.permit(call, Domain::Connect, format!("{name}:{port}").as_bytes())?;
                if self.world.egress.is_none() {
                    return Err(Errno::ENETUNREACH.into());
                }
                let mut addresses = self.look_outside(call, name, &port.to_string())?;
                addresses.retain(|address| address.is_ipv4() || family == Family::Inet6);
                Ok(Route { names: vec![name.as_str().into()], addresses })
            }
        }
    }

    /// An address is allowed by itself, or by a name it was found by.
    pub(super) fn permit_outside(
        &mut self,
        call: &Call,
        address: IpAddr,
        names: &[Arc<str>],
        port: u16,
    ) -> Result<(), Errno> {
        debug_assert!(names.len() <= NAMES_OF_ONE_MAX);
        let by_address = subject(SocketAddr::new(address, port));
        let by_name = |name: &Arc<str>| format!("{name}:{port}");
        let allowed = |subject: &str| self.would_permit(Domain::Connect, subject.as_bytes());
        if allowed(&by_address) || names.iter().any(|name| allowed(&by_name(name))) {
            return Ok(());
        }
        let subject = names.first().map_or(by_address, by_name);
        self.permit(call, Domain::Connect, subject.as_bytes())
    }

    /// The process's socket at the other side of a far end.
    fn near(&self, far: SocketId) -> Option<SocketId> {
        self.sockets.get(far).ok()?.peer()
    }

    /// The process's socket, if it still waits for this far end.
    fn waiting_near(&self, far: SocketId) -> Option<(SocketId, SocketAddr)> {
        let near = self.near(far)?;
        match self.sockets.get(near).ok()?.state {
            State::Connecting { awaits: Awaits::Outside(it), to } if it == far => Some((near, to)),
            _ => None,
        }
    }

    /// The connection is there.
    ///
    /// # Errors
    /// `ECONNABORTED` when the process waits for it no more.
    pub(super) fn far_connected(&mut self, far: SocketId, to: SocketAddr) -> Result<(), Errno> {
        let (near, _) = self.waiting_near(far).ok_or(Errno::ECONNABORTED)?;
        let name = Name::Inet(SocketAddr::new(to.ip().to_canonical(), to.port()));
        let socket = self.sockets.get_mut(near)?;
        socket.state = State::Connected { peer: Some(far), name, fresh: true };
        (socket.read_shut, socket.write_shut, socket.ended) = (false, false, false);
        self.wake_socket(near);
        Ok(())
    }

    pub(super) fn far_failed(&mut self, far: SocketId, errno: Errno) {
        if let Some((near, _)) = self.waiting_near(far)
            && let Ok(socket) = self.sockets.get_mut(near)
        {
            socket.state = State::Idle;
            socket.error = Some(errno);
            self.wake_socket(near);
            self.let_go(far);
        }
    }

    /// Ready once the process's socket is gone.
    pub(super) fn far_closed(&self, far: SocketId) -> Step<()> {
        if self.is_far_closed(far) { Ok(()) } else { Err(Halt::on(WaitKey::SocketInput(far.0))) }
    }

    pub(super) fn is_far_closed(&self, far: SocketId) -> bool {
        self.near(far).is_none()
    }

    pub(super) fn far_finished(&mut self, far: SocketId) {
        let Some(near) = self.near(far) else { return };
        if let Ok(socket) = self.sockets.get_mut(far) {
            socket.write_shut = true;
        }
        if let Ok(socket) = self.sockets.get_mut(near) {
            (socket.read_shut, socket.ended) = (true, true);
        }
        self.wake_socket(near);
    }

    pub(super) fn far_reset(&mut self, far: SocketId) {
        self.far_failed(far, Errno::ECONNRESET);
        if let Some(near) = self.near(far) {
            self.part(near, Farewell::Reset);
            self.let_go(far);
        }
    }

    /// Nobody holds the far end any more. One that was not finished is broken off.
    pub(super) fn far_dropped(&mut self, far: SocketId) {
        self.far_failed(far, Errno::ECONNABORTED);
        if self.sockets.get(far).is_ok_and(|socket| !socket.write_shut) {
            self.far_reset(far);
        }
        let rights = self.remove_socket(far);
        self.drop_rights(rights);
    }

    /// The process's socket may have another far end from now on: this one says nothing more to it.
    fn let_go(&mut self, far: SocketId) {
        if let Ok(socket) = self.sockets.get_mut(far) {
            socket.state = State::Idle;
        }
    }
}
