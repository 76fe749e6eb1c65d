//! The server: what it is told, its paths, its life.

use crate::answer::{answer, json_response};
use crate::attempts::Attempts;
use crate::log::{Entry, Log, headers};
use crate::protocol::Protocol;
use crate::script::{Pace, Script, ScriptError};
use crate::stored::Stored;
use crate::wire::End;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, Request, Response};
use axum::serve::ListenerExt;
use axum::{Router, serve};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

/// Bytes of a request's body, as Anthropic has it.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Requests that the log keeps.
pub const LOG_ENTRIES_MAX: usize = 1_000;
/// Requests that are answered at the same time.
pub const REQUESTS_MAX: usize = 10_000;
/// Threads that answer.
const THREADS: usize = 2;
/// What may stand before the path of a service: clients disagree on whose part `/v1` is.
const PREFIXES: &[&str] = &["v1", "api", "anthropic", "openai"];
/// What is served, for those who ask for something else.
const SERVED: &str = "POST /v1/messages, /v1/messages/count_tokens, /v1/chat/completions or /v1/responses, \
                      GET /v1/models, GET or DELETE /_log";

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// By default a free port of this machine's own address.
    pub listen: SocketAddr,
    /// Answers every prompt that brings no script.
    pub script: Option<Script>,
    /// What `GET /v1/models` lists. Requests may name any.
    pub models: Vec<String>,
    /// The key that requests have to have, if any.
    pub key: Option<String>,
    /// For scripts and turns that say nothing else.
    pub pace: Pace,
    /// Bytes of a body, [`BODY_BYTES_MAX`] unless changed.
    pub body_bytes_max: usize,
    /// Requests in the log, [`LOG_ENTRIES_MAX`] unless changed.
    pub log_entries_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            script: None,
            models: vec!["scripted".to_owned()],
            key: None,
            pace: Pace::default(),
            body_bytes_max: BODY_BYTES_MAX,
            log_entries_max: LOG_ENTRIES_MAX,
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("cannot listen at {address}: {why}")]
    Listen { address: SocketAddr, why: std::io::Error },
    #[error("no threads for it: {0}")]
    Threads(std::io::Error),
}

/// A server that answers until it is dropped. It has threads of its own, and can be used from any code.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    inner: Arc<Inner>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What its requests share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) log: Log,
    pub(crate) attempts: Attempts,
    pub(crate) stored: Stored,
    slots: Arc<Semaphore>,
    answers: AtomicU64,
}

impl Server {
    /// Listens, and answers from then on.
    ///
    /// # Errors
    /// A bad script, an address that is taken, or no threads.
    pub fn start(options: Options) -> Result<Server, StartError> {
        if let Some(script) = &options.script {
            script.check()?;
        }
        options.pace.check("pace")?;
        let address = options.listen;
        let listen = |why| StartError::Listen { address, why };
        let listener = std::net::TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("scripted-llm")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let inner = Arc::new(Inner {
            log: Log::new(options.log_entries_max),
            attempts: Attempts::default(),
            stored: Stored::default(),
            slots: Arc::new(Semaphore::new(REQUESTS_MAX)),
            answers: AtomicU64::new(0),
            options,
        });
        let router = Router::new().fallback(route).with_state(Arc::clone(&inner));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("scripted-llm".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, router) => {}
                    _ = stopped => {}
                }
            });
            // Answers that are still on their way end with the runtime.
            runtime.shutdown_background();
        });
        let thread = thread.map_err(StartError::Threads)?;
        Ok(Server { address, inner, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The last requests, oldest first.
    pub fn requests(&self) -> Vec<Entry> {
        self.inner.log.entries()
    }

    /// What scripts expected of the last requests and did not find, and why requests were refused: empty if all went
    /// as written. Faults of the script are not among them.
    pub fn complaints(&self) -> Vec<String> {
        let refused = self.requests().into_iter().filter(|entry| entry.fault.is_none());
        refused.filter_map(|entry| entry.error.map(|error| format!("request {}: {error}", entry.number))).collect()
    }

    /// Forgets the requests.
    pub fn clear(&self) {
        self.inner.log.clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it was printed there.
            let _ = thread.join();
        }
    }
}

impl Inner {
    /// A number for an answer, as ids have it.
    pub(crate) fn next_id(&self) -> String {
        format!("{:016x}", self.answers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Whether a request has the key.
    pub(crate) fn allowed(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.options.key else { return true };
        let credential = self.credential(headers);
        credential.strip_prefix("Bearer ").unwrap_or(&credential) == key
    }

    /// What a client proves itself with, or nothing.
    pub(crate) fn credential(&self, headers: &HeaderMap) -> String {
        let value = headers.get("x-api-key").or_else(|| headers.get(AUTHORIZATION));
        value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
    }
}

async fn accept(listener: std::net::TcpListener, router: Router) {
    let listener = TcpListener::from_std(listener).expect("it does not block, and this is a runtime");
    // A piece is to go out when it is there.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    // It never ends with an error: those of single connections are passed over.
    let _ = serve(listener, router).await;
}

async fn route(State(inner): State<Arc<Inner>>, request: Request<Body>) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Ok(slot) = Arc::clone(&inner.slots).try_acquire_owned() else {
        return json_response(
            503,
            &json!({ "error": { "message": format!("{REQUESTS_MAX} requests are being answered") } }),
        );
    };
    if path == "/_log" {
        return match method {
            Method::GET => log(&inner, request.uri().query()),
            Method::DELETE => {
                inner.log.clear();
                json_response(200, &json!({}))
            }
            _ => unknown(&inner, &request),
        };
    }
    match (&method, service(&path).as_slice()) {
        (&Method::POST, ["messages"]) => answer(&inner, slot, Protocol::Anthropic, false, request).await,
        (&Method::POST, ["messages", "count_tokens"]) => answer(&inner, slot, Protocol::Anthropic, true, request).await,
        (&Method::POST, ["chat", "completions"]) => answer(&inner, slot, Protocol::Chat, false, request).await,
        (&Method::POST, ["responses"]) => answer(&inner, slot, Protocol::Responses, false, request).await,
        (&Method::GET, ["models"]) => json_response(200, &models(&inner, request.headers())),
        (&Method::GET, ["models", id @ ..]) if !id.is_empty() => {
            json_response(200, &model(&id.join("/"), request.headers()))
        }
        _ => unknown(&inner, &request),
    }
}

/// A path without what may stand before that of a service.
fn service(path: &str) -> Vec<&str> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.skip_while(|segment| PREFIXES.contains(segment)).collect()
}

fn unknown(inner: &Inner, request: &Request<Body>) -> Response<Body> {
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let message = format!("{method} {path} is not served; there are {SERVED}");
    let value = protocol_of(request.headers()).failure(404, &message, &inner.next_id());
    let headers = headers(request.headers());
    let entry = Entry { method, path, headers, status: 404, error: Some(message), end: End::Whole, ..Entry::default() };
    inner.log.add(entry);
    json_response(404, &value)
}

/// How a client speaks who has not asked a model.
fn protocol_of(headers: &HeaderMap) -> Protocol {
    if headers.contains_key("anthropic-version") { Protocol::Anthropic } else { Protocol::Chat }
}

fn models(inner: &Inner, headers: &HeaderMap) -> Value {
    let list: Vec<Value> = inner.options.models.iter().map(|id| model(id, headers)).collect();
    match protocol_of(headers) {
        Protocol::Anthropic => json!({
            "data": list,
            "has_more": false,
            "first_id": inner.options.models.first(),
            "last_id": inner.options.models.last(),
        }),
        _ => json!({ "object": "list", "data": list }),
    }
}

fn model(id: &str, headers: &HeaderMap) -> Value {
    match protocol_of(headers) {
        Protocol::Anthropic => {
            json!({ "type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z" })
        }
        _ => json!({ "id": id, "object": "model", "created": 1_735_689_600, "owned_by": "scripted" }),
    }
}

/// The requests after the number in `after`, if it is given.
fn log(inner: &Inner, query: Option<&str>) -> Response<Body> {
    let mut pairs = query.unwrap_or_default().split('&');
    let after = pairs.find_map(|pair| pair.strip_prefix("after=")).map(str::parse);
    match after {
        Some(Err(_)) => json_response(400, &json!({ "error": { "message": "after: a number is required" } })),
        after => {
            let view = inner.log.view(after.and_then(Result::ok).unwrap_or(0));
            json_response(200, &serde_json::to_value(view).expect("the log is JSON"))
        }
    }
}
