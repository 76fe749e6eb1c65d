//! Socket calls under short names.

use super::{Pending, Proc};
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::socket::receive::{Incoming, Received};
use warren_kernel::socket::send::Outgoing;
use warren_kernel::socket::{Address, Family, Host, MessageFlags, Name, Shutdown, SocketKind, SocketOption};
use warren_kernel::vfs::open::OpenFlags;

pub const STREAM: SocketKind = SocketKind::Stream;
pub const DATAGRAM: SocketKind = SocketKind::Datagram;
pub const PACKET: SocketKind = SocketKind::SequencedPacket;

/// A port of a host, both as text.
pub fn inet(host: &str, port: u16) -> Address {
    Address::Inet(Host::parse(host).expect("a host"), port)
}

pub fn path(path: &str) -> Address {
    Address::Path(path.as_bytes().to_vec())
}

pub fn hidden(name: &str) -> Address {
    Address::Abstract(name.as_bytes().to_vec())
}

/// `host:port` of an address' name.
pub fn shown(name: &Name) -> String {
    match name {
        Name::Unnamed => "unnamed".to_owned(),
        Name::Inet(at) => at.to_string(),
        Name::Path(path) => String::from_utf8_lossy(path).into_owned(),
        Name::Abstract(name) => format!("@{}", String::from_utf8_lossy(name)),
    }
}

/// What a receive gave.
pub type Got = (Vec<u8>, Received);

impl<'a> Proc<'a> {
    pub fn socket(&self, family: Family, kind: SocketKind) -> Fd {
        self.now(|kernel, call| kernel.socket(call, family, kind, OpenFlags::empty())).expect("a socket")
    }

    pub fn tcp(&self) -> Fd {
        self.socket(Family::Inet, STREAM)
    }

    pub fn udp(&self) -> Fd {
        self.socket(Family::Inet, DATAGRAM)
    }

    pub fn unix(&self, kind: SocketKind) -> Fd {
        self.socket(Family::Unix, kind)
    }

    pub fn pair(&self, kind: SocketKind) -> (Fd, Fd) {
        self.now(|kernel, call| kernel.socket_pair(call, kind, OpenFlags::empty())).expect("a pair")
    }

    pub fn nonblock(&self, fd: Fd) {
        self.now(|kernel, call| kernel.set_status(call, fd, false, true)).expect("open");
    }

    pub fn bind(&self, fd: Fd, address: &Address) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.bind(call, fd, address))
    }

    pub fn listen(&self, fd: Fd, backlog: u32) -> Result<(), Errno> {
        self.now(|kernel, call| kernel.listen(call, fd, backlog))
    }

    pub fn connect(&self, fd: Fd, address: &Address) -> Result<(), Errno> {
        self.call(|kernel, call| kernel.connect(call, fd, address))
    }

    pub fn connecting(&self, fd: Fd, address: &Address) -> Pending<'a, ()> {
        let address = address.clone();
        Pending::new(self.machine.session.call(self.pid, move |kernel, call| kernel.connect(call, fd, &address)))
    }

    pub fn accept(&self, fd: Fd) -> Result<Fd, Errno> {
        self.accept_named(fd).map(|(fd, _)| fd)
    }

    pub fn accept_named(&self, fd: Fd) -> Result<(Fd, Name), Errno> {
        self.call(|kernel, call| kernel.accept(call, fd, OpenFlags::empty()))
    }

    pub fn accepting(&self, fd: Fd) -> Pending<'a, Fd> {
        Pending::new(
            self.machine.session.call(self.pid, move |kernel, call| Ok(kernel.accept(call, fd, OpenFlags::empty())?.0)),
        )
    }

    pub fn send(&self, fd: Fd, data: &[u8]) -> Result<usize, Errno> {
        self.send_with(fd, data, None, &[], MessageFlags::NOSIGNAL)
    }

    pub fn send_to(&self, fd: Fd, data: &[u8], to: &Address) -> Result<usize, Errno> {
        self.send_with(fd, data, Some(to), &[], MessageFlags::NOSIGNAL)
    }

    pub fn send_rights(&self, fd: Fd, data: &[u8], rights: &[Fd]) -> Result<usize, Errno> {
        self.send_with(fd, data, None, rights, MessageFlags::NOSIGNAL)
    }

    pub fn send_with(
        &self,
        fd: Fd,
        data: &[u8],
        to: Option<&Address>,
        rights: &[Fd],
        flags: MessageFlags,
    ) -> Result<usize, Errno> {
        self.call(|kernel, call| kernel.send(call, fd, &Outgoing { data: &[data], to, rights, flags }))
    }

    pub fn sending(&self, fd: Fd, data: &[u8]) -> Pending<'a, usize> {
        let data = data.to_vec();
        Pending::new(
            self.machine.session.call(self.pid, move |kernel, call| kernel.send(call, fd, &Outgoing::bytes(&[&data]))),
        )
    }

    pub fn receive(&self, fd: Fd, want: usize) -> Result<Vec<u8>, Errno> {
        Ok(self.receive_with(fd, &Incoming::bytes(want))?.0)
    }

    pub fn receive_flags(&self, fd: Fd, want: usize, flags: MessageFlags) -> Result<Got, Errno> {
        self.receive_with(fd, &Incoming { want, rights: None, flags })
    }

    /// The bytes, and the descriptors there was room for.
    pub fn receive_rights(&self, fd: Fd, room: usize) -> Result<Got, Errno> {
        self.receive_with(fd, &Incoming { want: 4096, rights: Some(room), flags: MessageFlags::empty() })
    }

    pub fn receive_with(&self, fd: Fd, wanted: &Incoming) -> Result<Got, Errno> {
        self.call(|kernel, call| {
            let mut bytes = Vec::new();
            let received = kernel.receive(call, fd, wanted, &mut |part| bytes.extend_from_slice(part))?;
            Ok((bytes, received))
        })
    }

    pub fn receiving(&self, fd: Fd, want: usize) -> Pending<'a, Vec<u8>> {
        Pending::new(self.machine.session.call(self.pid, move |kernel, call| {
            let mut bytes = Vec::new();
            kernel.receive(call, fd, &Incoming::bytes(want), &mut |part| bytes.extend_from_slice(part))?;
            Ok(bytes)
        }))
    }

    pub fn shutdown(&self, fd: Fd, how: Shutdown) -> Result<(), Errno> {
        self.now(|kernel, call| kernel.shutdown(call, fd, how))
    }

    pub fn option(&self, fd: Fd, option: SocketOption) {
        self.now(|kernel, call| kernel.set_socket_option(call, fd, option)).expect("a socket's option");
    }

    /// SO_ERROR.
    pub fn error(&self, fd: Fd) -> Option<Errno> {
        self.now(|kernel, call| kernel.take_socket_error(call, fd)).expect("a socket")
    }

    pub fn name(&self, fd: Fd) -> String {
        shown(&self.now(|kernel, call| kernel.socket_name(call, fd)).expect("a socket"))
    }

    pub fn peer(&self, fd: Fd) -> Result<String, Errno> {
        self.now(|kernel, call| kernel.peer_name(call, fd)).map(|name| shown(&name))
    }

    /// The port a socket is bound to.
    pub fn port(&self, fd: Fd) -> u16 {
        self.name(fd).rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
    }

    /// What poll() says now.
    pub fn ready(&self, fd: Fd) -> PollEvents {
        let mut fds = [PollFd { fd: Some(fd), events: PollEvents::all(), found: PollEvents::empty() }];
        self.call(|kernel, call| {
            let now = kernel.monotonic();
            kernel.poll(call, &mut fds, Some(now))
        })
        .expect("a poll");
        fds[0].found
    }

    /// A listener at a port of the kernel's choice, and its address.
    pub fn listener(&self, backlog: u32) -> (Fd, Address) {
        let fd = self.tcp();
        self.bind(fd, &inet("127.0.0.1", 0)).expect("a port");
        self.listen(fd, backlog).expect("it is bound");
        (fd, inet("127.0.0.1", self.port(fd)))
    }

    /// A TCP connection: the client's end and the server's.
    pub fn connection(&self) -> (Fd, Fd) {
        let (listener, at) = self.listener(0);
        let client = self.tcp();
        self.connect(client, &at).expect("somebody listens");
        let server = self.accept(listener).expect("it is connected");
        self.close(listener).expect("open");
        (client, server)
    }
}

/// The end of a stream, or nothing there: what a receive of no byte means.
pub const END: Vec<u8> = Vec::new();
