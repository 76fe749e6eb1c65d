//! A cluster of nodes on real sockets, with a gateway of HTTP/1.1 in front of each.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "tests use what they need")]
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use warren_ownership::name::{Incarnation, NodeId};
use warren_ownership::position::Epoch;
use warren_peers::api::messages::{ChunkName, Drain, Drained, Offer, Offered, Status};
use warren_peers::api::{
    Api, Directory, ForwardError, Forwarded, Forwarder, Handler, Hint, Origin, Outcome, Refusal, Route,
};
use warren_peers::body;
use warren_peers::limits::Deadline;
use warren_peers::trust::{Credentials, Folder, Tokens, join};
use warren_peers::wire::tls::Tls;
use warren_peers::{Body, Limits, PeerId, Peers, Server, Target};

pub const SOON: Duration = Duration::from_secs(20);

type Answer = dyn Fn(PeerId, Origin, Request<Body>, Deadline) -> BoxFuture<'static, Forwarded> + Send + Sync;

/// Answers by a function that a test gives.
pub struct Double {
    pub node: NodeId,
    answer: Mutex<Arc<Answer>>,
    pub chunks: Mutex<BTreeMap<String, Bytes>>,
    pub draining: Mutex<bool>,
    pub running: Arc<AtomicUsize>,
}

impl Double {
    pub fn new(node: NodeId) -> Double {
        let answer: Arc<Answer> = Arc::new(|_, _, _, _| Box::pin(async { Forwarded::Unknown }));
        let (chunks, draining) = (Mutex::default(), Mutex::default());
        Double { node, answer: Mutex::new(answer), chunks, draining, running: Arc::default() }
    }

    pub fn answers<F: Future<Output = Forwarded> + Send + 'static>(
        &self,
        answer: impl Fn(PeerId, Origin, Request<Body>, Deadline) -> F + Send + Sync + 'static,
    ) {
        *self.answer.lock().unwrap() = Arc::new(move |a, b, c, d| Box::pin(answer(a, b, c, d)));
    }
}

/// Counts one up until it is dropped.
pub struct Running(Arc<AtomicUsize>);

impl Running {
    pub fn new(count: &Arc<AtomicUsize>) -> Running {
        count.fetch_add(1, Ordering::SeqCst);
        Running(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handler for Double {
    async fn forward(&self, from: PeerId, origin: Origin, request: Request<Body>, deadline: Deadline) -> Forwarded {
        let _running = Running::new(&self.running);
        let answer = self.answer.lock().unwrap().clone();
        answer(from, origin, request, deadline).await
    }

    async fn status(&self, _: PeerId) -> Result<Status, Refusal> {
        Ok(Status {
            node: self.node,
            incarnation: Incarnation(u64::MAX),
            version: "0.1.0".to_owned(),
            draining: *self.draining.lock().unwrap(),
            sessions: 3,
            free_mib: 1024,
        })
    }

    async fn drain(&self, _: PeerId, drain: Drain) -> Result<Drained, Refusal> {
        *self.draining.lock().unwrap() = drain.begin;
        Ok(Drained { left: 3 })
    }

    async fn offer(&self, from: PeerId, offer: Offer) -> Result<Offered, Refusal> {
        if *self.draining.lock().unwrap() {
            return Err(Refusal::new(StatusCode::CONFLICT, "draining", format!("{from} should ask another node")));
        }
        Ok(match offer.memory_bytes > 1 << 30 {
            true => Offered::Declined { reason: "too large".to_owned(), again_ms: Some(5000) },
            false => Offered::Taken { by: Incarnation(9) },
        })
    }

    async fn chunk(&self, _: PeerId, name: ChunkName) -> Result<Body, Refusal> {
        let chunk = self.chunks.lock().unwrap().get(&name.hash).cloned();
        let none = || Refusal::new(StatusCode::NOT_FOUND, "no_chunk", "the chunk is not here");
        chunk.map(body::full).ok_or_else(none)
    }
}

/// A node that runs.
pub struct Node {
    pub id: NodeId,
    pub folder: TempDir,
    pub credentials: Credentials,
    pub server: Server<Api<Double>>,
    pub address: SocketAddr,
    pub peers: Peers,
    pub stop: CancellationToken,
    pub limits: Limits,
}

impl Node {
    pub fn double(&self) -> &Double {
        self.server.service().handler()
    }

    pub fn target(&self) -> Target {
        Target::new(self.id, &self.address.to_string())
    }

    pub fn running(&self) -> usize {
        self.double().running.load(Ordering::SeqCst)
    }

    pub fn trust(&self) -> Folder {
        Folder::new(self.folder.path().join("cluster"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Patience of tests: small where something has to be noticed.
pub fn limits() -> Limits {
    Limits {
        ping_every: Duration::from_millis(200),
        ping_patience: Duration::from_millis(1500),
        connect: Duration::from_secs(5),
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(100),
        grace: Duration::from_millis(500),
        ..Limits::default()
    }
}

pub async fn start(folder: TempDir, limits: Limits) -> Node {
    let credentials = Credentials::load(&Folder::new(folder.path().join("cluster"))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(folder, credentials, listener, limits)
}

pub fn serve(folder: TempDir, credentials: Credentials, listener: TcpListener, limits: Limits) -> Node {
    let (id, address) = (credentials.me().node, listener.local_addr().unwrap());
    let server = Server::new(Api::new(Double::new(id), Some(credentials.clone())), limits.clone());
    let stop = CancellationToken::new();
    let (serving, own, ends) = (server.clone(), credentials.clone(), stop.clone());
    tokio::spawn(async move { serving.listen(listener, own, ends).await });
    let peers = Peers::new(Tls::new(credentials.clone()), limits.clone());
    Node { id, folder, credentials, server, address, peers, stop, limits }
}

/// The first node of a new cluster.
pub async fn first(limits: Limits) -> Node {
    let folder = tempfile::tempdir().unwrap();
    Folder::new(folder.path().join("cluster")).init(NodeId(1), SystemTime::now()).unwrap();
    start(folder, limits).await
}

/// Another node, which joins as nodes do.
pub async fn another(first: &Node, id: u32) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Tokens::of(&first.trust());
    let token = tokens.make(&first.credentials, NodeId(id), SystemTime::now(), Duration::from_secs(60)).unwrap();
    let trust = Folder::new(folder.path().join("cluster"));
    let joined = join::join(&trust, &first.address.to_string(), &token).await.unwrap();
    assert_eq!(joined.node, NodeId(id));
    start(folder, first.limits.clone()).await
}

pub async fn cluster(nodes: u32, limits: Limits) -> Vec<Node> {
    let mut all = vec![first(limits).await];
    for id in 2..=nodes {
        let next = another(&all[0], id).await;
        all.push(next);
    }
    all
}

/// Says where sessions are as a test tells it, and notes what it was told.
#[derive(Default)]
pub struct Places {
    pub routes: Mutex<Vec<Result<Route, String>>>,
    pub hints: Mutex<Vec<String>>,
}

impl Places {
    /// The answers one after the other; the last for ever.
    pub fn of(routes: Vec<Result<Route, String>>) -> Arc<Places> {
        Arc::new(Places { routes: Mutex::new(routes), hints: Mutex::default() })
    }
}

pub struct Book(pub Arc<Places>);

impl Directory for Book {
    type Session = str;

    async fn owner(&self, _: &str, hint: Hint<'_>) -> Result<Route, String> {
        self.0.hints.lock().unwrap().push(match &hint {
            Hint::None => "none".to_owned(),
            Hint::Moved { asked, now } => {
                format!(
                    "n{} says {}",
                    asked.0,
                    now.as_ref().map_or("nothing".to_owned(), |now| format!("n{}", now.target.node.0))
                )
            }
            Hint::Gone { node, .. } => format!("n{} is gone", node.0),
        });
        let mut routes = self.0.routes.lock().unwrap();
        if routes.len() > 1 { routes.remove(0) } else { routes[0].clone() }
    }
}

pub fn route(node: &Node) -> Result<Route, String> {
    Ok(Route { target: node.target(), epoch: Epoch::new(4) })
}

/// A gateway of HTTP/1.1 on a node, that sends everything on. Its address.
pub async fn gateway(node: &Node, places: Arc<Places>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let forwarder =
        Arc::new(Forwarder::new(node.peers.clone(), Book(places), node.credentials.me(), node.stop.clone()));
    let stop = node.stop.clone();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (stream, from) = accepted.unwrap();
            stream.set_nodelay(true).unwrap();
            let forwarder = forwarder.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let forwarder = forwarder.clone();
                async move {
                    let identity = b"tenant acme".to_vec();
                    let origin = Origin { client: Some(from.ip()), identity, epoch: None, hops: 0 };
                    let deadline = Deadline::after(Duration::from_secs(60));
                    let outcome = forwarder.forward("session", request, &origin, deadline).await;
                    Ok::<_, Infallible>(match outcome {
                        Ok(Outcome::Answer(response)) => response,
                        Ok(Outcome::Here(request, _)) => {
                            let bytes = request.into_body().collect().await.unwrap().to_bytes();
                            Response::new(body::full(format!("here, {} bytes", bytes.len())))
                        }
                        Err(error) => {
                            let mut response = Response::new(body::full(error.to_string()));
                            *response.status_mut() = match error {
                                ForwardError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
                                ForwardError::Deadline { .. } => StatusCode::GATEWAY_TIMEOUT,
                                _ => StatusCode::BAD_GATEWAY,
                            };
                            response
                        }
                    })
                }
            });
            tokio::spawn(async move {
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).half_close(false);
                let _ = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
    address
}

/// A client of HTTP/1.1 with one connection.
pub async fn client(to: SocketAddr) -> hyper::client::conn::http1::SendRequest<Body> {
    let stream = tokio::net::TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    send
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "sessions.example").body(body::empty()).unwrap()
}

pub fn post(path: &str, body: Body) -> Request<Body> {
    Request::post(path).header("host", "sessions.example").body(body).unwrap()
}

pub fn ok(body: impl Into<Bytes>) -> Forwarded {
    Forwarded::Answer(Response::new(body::full(body)))
}

/// A request straight to a node's handler, past any gateway.
pub fn direct(path: &str, body: Body) -> Request<Body> {
    Request::post(format!("https://peer/forward{path}")).body(body).unwrap()
}

pub fn deadline() -> Deadline {
    Deadline::after(SOON)
}

pub async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Waits until it is so; a test that waits for ever fails by this.
pub async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(SOON, async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// As [`until`], for what has to end.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(SOON, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}"),
    }
}

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}
