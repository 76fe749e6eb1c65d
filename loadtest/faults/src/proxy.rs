//! The proxy, and what can be done to it.

use crate::pump::{self, Pumped};
use crate::{Direction, Weather};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long to wait when the system has no descriptor for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// A proxy in front of one server, until it is dropped; its connections are reset then.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

/// A connection through a proxy.
#[derive(Clone)]
pub struct Link {
    number: u64,
    from: SocketAddr,
    own: Arc<Ways>,
    reset: CancellationToken,
}

struct Shared {
    to: Mutex<SocketAddr>,
    all: Ways,
    refusing: AtomicBool,
    links: Mutex<HashMap<u64, Link>>,
    accepted: AtomicU64,
    /// Bytes that came through, in each direction.
    moved: [Arc<AtomicU64>; 2],
    ends: CancellationToken,
}

/// The weather each way.
pub(crate) struct Ways([watch::Sender<Weather>; 2]);

impl Default for Ways {
    fn default() -> Ways {
        Ways([watch::Sender::new(Weather::FAIR), watch::Sender::new(Weather::FAIR)])
    }
}

impl Ways {
    fn set(&self, direction: Direction, weather: Weather) {
        self.0[direction as usize].send_replace(weather);
    }

    pub(crate) fn of(&self, direction: Direction) -> watch::Receiver<Weather> {
        self.0[direction as usize].subscribe()
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 for connections to `to`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(to: SocketAddr) -> io::Result<Proxy> {
        Proxy::listen(SocketAddr::from(([127, 0, 0, 1], 0)), to).await
    }

    /// The same on an address.
    ///
    /// # Errors
    /// It is taken.
    pub async fn listen(on: SocketAddr, to: SocketAddr) -> io::Result<Proxy> {
        let listener = TcpListener::bind(on).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            to: Mutex::new(to),
            all: Ways::default(),
            refusing: AtomicBool::new(false),
            links: Mutex::default(),
            accepted: AtomicU64::new(0),
            moved: [Arc::default(), Arc::default()],
            ends: CancellationToken::new(),
        });
        let accepting = AbortOnDropHandle::new(tokio::spawn(accept(listener, shared.clone())));
        Ok(Proxy { shared, address, _accepting: accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another server, for connections to come.
    pub fn redirect(&self, to: SocketAddr) {
        *self.shared.to.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// The weather of all connections in one direction, those to come too.
    pub fn set(&self, direction: Direction, weather: Weather) {
        self.shared.all.set(direction, weather);
    }

    /// The same in both directions.
    pub fn set_both(&self, weather: Weather) {
        self.set(Direction::ToServer, weather);
        self.set(Direction::ToClient, weather);
    }

    /// Whether connections to come are reset as soon as they are there.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Resets all connections there are.
    pub fn reset_all(&self) {
        self.links().iter().for_each(Link::reset);
    }

    /// The connections there are, the oldest first.
    pub fn links(&self) -> Vec<Link> {
        let mut links: Vec<_> = self.shared.links().values().cloned().collect();
        links.sort_by_key(|link| link.number);
        links
    }

    /// Connections there ever were, those that were refused too.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that came through in one direction.
    pub fn moved(&self, direction: Direction) -> u64 {
        self.shared.moved[direction as usize].load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.cancel();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Link {
    /// The address its client has.
    pub fn from(&self) -> SocketAddr {
        self.from
    }

    /// Its own weather in one direction, on top of that of all: the later, the slower, stalled if either is.
    pub fn set(&self, direction: Direction, weather: Weather) {
        self.own.set(direction, weather);
    }

    /// The same in both directions.
    pub fn set_both(&self, weather: Weather) {
        self.set(Direction::ToServer, weather);
        self.set(Direction::ToClient, weather);
    }

    /// Ends it on both sides at once (RST); bytes on their way are gone.
    pub fn reset(&self) {
        self.reset.cancel();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("number", &self.number).field("from", &self.from).finish_non_exhaustive()
    }
}

impl Shared {
    fn links(&self) -> MutexGuard<'_, HashMap<u64, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (client, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        if shared.refusing.load(Ordering::SeqCst) {
            let _ = client.set_zero_linger();
            continue;
        }
        let reset = shared.ends.child_token();
        let link = Link { number, from, own: Arc::default(), reset };
        shared.links().insert(number, link.clone());
        let shared = shared.clone();
        tokio::spawn(async move {
            carry(client, &shared, &link).await;
            shared.links().remove(&number);
        });
    }
}

async fn carry(mut client: TcpStream, shared: &Shared, link: &Link) {
    let to = *shared.to.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(mut server) = TcpStream::connect(to).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let broken = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let ways =
            |direction| (shared.all.of(direction), link.own.of(direction), shared.moved[direction as usize].clone());
        let there = pump::pump(from_client, to_server, ways(Direction::ToServer));
        let back = pump::pump(from_server, to_client, ways(Direction::ToClient));
        tokio::select! {
            // Both ended: each side was told of the other's end.
            (one, other) = async { tokio::join!(there, back) } => one == Pumped::Broken || other == Pumped::Broken,
            () = link.reset.cancelled() => true,
        }
    };
    if broken {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}
