//! A session with a way out, whose names the test gives, and servers on this machine's loopback.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use warren_egress::resolver::Resolver;
use warren_egress::{Carrier, Options, Pace, Rules, Way, Witness};
use warren_kernel::event::What;
use warren_kernel::id::{Fd, Gid, Pid, Uid};
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::socket::receive::Incoming;
use warren_kernel::socket::send::Outgoing;
use warren_kernel::socket::{Address, Family, Host, MessageFlags, Shutdown, SocketKind};
use warren_kernel::user::Credentials;
use warren_kernel::vfs::layer::{Attributes, LayerBuilder};
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{Call, CallError, Errno, Kernel, Session, Step, Template};
use warren_wasi_posix::system::{SystemHost, TokioDriver};

/// Answers as the test says, which may say something else the next time.
#[derive(Default)]
pub(crate) struct Names(Mutex<HashMap<String, Vec<IpAddr>>>);

impl Names {
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        self.0.lock().expect("no test panics with it").insert(name.to_owned(), addresses);
    }
}

impl Resolver for Names {
    fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Errno> {
        self.0.lock().expect("no test panics with it").get(name).cloned().ok_or(Errno::ENOENT)
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<String>>);

impl Witness for Told {
    fn refused(&self, tenant: &str, session: &str, subject: &str, skipped: u64) {
        let line = format!("{tenant} {session} {subject} {skipped}");
        self.0.lock().expect("no test panics with it").push(line);
    }
}

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) way: Way,
    pub(crate) names: Arc<Names>,
    pub(crate) told: Arc<Told>,
}

impl World {
    pub(crate) fn new(rules: &[&str]) -> World {
        World::with(rules, Limits::default(), 1024)
    }

    pub(crate) fn with(rules: &[&str], limits: Limits, connections_max: usize) -> World {
        let (names, told) = (Arc::new(Names::default()), Arc::new(Told::default()));
        let options = Options { resolver: names.clone(), witness: told.clone(), connections_max };
        let rules = Rules::parse(rules).expect("rules");
        let way = Way::new(&Carrier::new(options, Handle::current()), "acme", Arc::new(Pace::default()), rules);
        way.belongs_to("s1");
        let file = Attributes { mode: 0o644, uid: 0, gid: 0, mtime_seconds: 0 };
        let mut layer = LayerBuilder::new();
        layer.text("/etc/hosts", file, b"127.0.0.1 localhost\n").expect("a file");
        let template = Template {
            layer: layer.build(),
            policy: Policy::with_way_out().into(),
            limits,
            user: Credentials::new(Uid::ROOT, Gid::ROOT),
            environment: Arc::new([]),
            cwd: b"/".as_slice().into(),
            hostname: "warren".into(),
        };
        let egress = Arc::new(way.clone());
        let world =
            warren_kernel::World { host: Arc::new(SystemHost), runtimes: Arc::new([]), egress: Some(egress as _) };
        let session = Session::new(Kernel::new(world, template), Arc::new(TokioDriver::new(Handle::current())));
        World { session, way, names, told }
    }

    async fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin) -> Result<T, Errno> {
        self.session.call(Pid::INIT, op).await.map_err(|error| match error {
            CallError::Failed(errno) => errno,
            other => panic!("{other}"),
        })
    }

    pub(crate) fn socket(&self) -> Fd {
        let made = |kernel: &mut Kernel| {
            kernel.socket(&Call::new(Pid::INIT), Family::Inet, SocketKind::Stream, OpenFlags::empty())
        };
        self.session.with(made).expect("a socket")
    }

    /// A waiting connect() of a new socket.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<Fd, Errno> {
        let (fd, address) = (self.socket(), Address::Inet(Host::parse(host).expect("a host"), port));
        match self.call(|kernel, call| kernel.connect(call, fd, &address)).await {
            Ok(()) => Ok(fd),
            Err(errno) => {
                self.close(fd);
                Err(errno)
            }
        }
    }

    pub(crate) async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Errno> {
        let host = Host::parse(name).expect("a host");
        self.call(|kernel, call| kernel.resolve(call, &host, "*")).await
    }

    pub(crate) async fn send(&self, fd: Fd, bytes: &[u8]) -> Result<usize, Errno> {
        self.send_with(fd, bytes, MessageFlags::NOSIGNAL).await
    }

    pub(crate) async fn send_with(&self, fd: Fd, bytes: &[u8], flags: MessageFlags) -> Result<usize, Errno> {
        let part = [bytes];
        let message = Outgoing { flags, ..Outgoing::bytes(&part) };
        self.call(|kernel, call| kernel.send(call, fd, &message)).await
    }

    pub(crate) async fn receive(&self, fd: Fd) -> Result<Vec<u8>, Errno> {
        let wanted = Incoming::bytes(1 << 20);
        self.call(|kernel, call| {
            let mut bytes = Vec::new();
            kernel.receive(call, fd, &wanted, &mut |part| bytes.extend_from_slice(part))?;
            Ok(bytes)
        })
        .await
    }

    /// Everything up to the end.
    pub(crate) async fn receive_all(&self, fd: Fd) -> Result<Vec<u8>, Errno> {
        let mut all = Vec::new();
        loop {
            let part = self.receive(fd).await?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend(part);
        }
    }

    pub(crate) fn shutdown(&self, fd: Fd, how: Shutdown) {
        self.session.with(|kernel| kernel.shutdown(&Call::new(Pid::INIT), fd, how)).expect("connected");
    }

    pub(crate) fn close(&self, fd: Fd) {
        self.session.with(|kernel| kernel.close(&Call::new(Pid::INIT), fd)).expect("open");
    }

    /// Why something was refused, as the session's events say it.
    pub(crate) fn refusals(&self) -> Vec<(String, String)> {
        let events = self.session.with(|kernel| kernel.events_since(0)).1;
        let refused = events.into_iter().filter_map(|event| match event.what {
            What::Refused { subject, reason, .. } => Some((subject, reason)),
            _ => None,
        });
        refused.collect()
    }

    /// Waits until nothing is left of any connection.
    pub(crate) async fn clean(&self) {
        loop {
            let usage = self.session.with(|kernel| kernel.usage());
            if (self.way.connections(), usage.sockets, usage.outbound, usage.socket_bytes) == (0, 0, 0, 0) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

/// A listener at a loopback address.
pub(crate) async fn listen(address: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((address, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("a connection").0
}

/// A port where nobody listens.
pub(crate) async fn nobody() -> u16 {
    listen("127.0.0.1").await.1
}

pub(crate) fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}
