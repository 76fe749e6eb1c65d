//! The double behind a socket.
use crate::faults::{Fault, Operation, Script};
use crate::objects::{Conditions, Objects};
use crate::service::{Behind, Ranges, Service};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, StdError};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The access key the double takes.
pub const ACCESS_KEY: &str = "warren-double";
/// Its secret.
pub const SECRET_KEY: &str = "not-a-secret";

/// What a double is.
#[derive(Debug)]
pub struct Options {
    /// Where it listens. Default: a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// How it keeps the conditions of writes.
    pub conditions: Conditions,
    /// Where objects are beside memory.
    pub folder: Option<PathBuf>,
    /// What goes wrong.
    pub script: Script,
    /// Buckets there are from the start.
    pub buckets: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            conditions: Conditions::Kept,
            folder: None,
            script: Script::default(),
            buckets: vec!["bucket".to_owned()],
        }
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Double {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    objects: Arc<Objects>,
    script: Mutex<Script>,
    service: S3Service,
    /// Requests that are being answered now, and the most there were.
    now: AtomicU64,
    most: AtomicU64,
}

/// One request that is being answered.
struct OnItsWay(Arc<Shared>);

impl OnItsWay {
    fn begin(shared: &Arc<Shared>) -> OnItsWay {
        let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(now, Ordering::SeqCst);
        OnItsWay(shared.clone())
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Double {
    /// Listens.
    ///
    /// # Errors
    /// When the address is taken, or the folder cannot be read.
    pub async fn start(options: Options) -> io::Result<Double> {
        let objects = Arc::new(Objects::open(options.conditions, options.folder)?);
        options.buckets.iter().for_each(|bucket| objects.create_bucket(bucket));
        let mut builder = S3ServiceBuilder::new(Service(objects.clone()));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let (script, service) = (Mutex::new(options.script), builder.build());
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared { objects, script, service, now, most });
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Double { shared, address, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as an address of HTTP.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it holds.
    pub fn objects(&self) -> &Objects {
        &self.shared.objects
    }

    /// The most requests that were being answered at a time.
    pub fn most_at_once(&self) -> u64 {
        self.shared.most.load(Ordering::SeqCst)
    }

    /// What goes wrong next.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nobody panics holding a script")
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let shared = shared.clone();
                    connections.spawn(async move {
                        let service = service_fn(move |request| answer(shared.clone(), request));
                        // A fault ends it with an error: that is all there is to it.
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                // Out of descriptors, say.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A request with its fault. An error ends the connection.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, StdError> {
    let _on_its_way = OnItsWay::begin(&shared);
    let fault = shared.script().next(operation(&request));
    match fault {
        Some(Fault::Reset) => return Err("a reset".into()),
        Some(Fault::Stall(length)) => {
            tokio::time::sleep(length).await;
            return Err("a stall".into());
        }
        _ => {}
    }
    // The body is taken first: so that the client reads a refusal, and a request is done when its client has gone.
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    match fault {
        Some(Fault::Status(status)) => return Ok(refusal(status)),
        Some(Fault::ErrorInside) => return Ok(refusal(200)),
        Some(Fault::Page) => return Ok(page()),
        Some(Fault::Behind(changes)) => {
            parts.extensions.insert(Behind(changes));
        }
        Some(Fault::Whole) => {
            parts.extensions.insert(Ranges::Ignored);
        }
        Some(Fault::Shifted) => {
            parts.extensions.insert(Ranges::Shifted);
        }
        _ => {}
    }
    let request = Request::from_parts(parts, Body::http_body(Full::new(body)));
    let service = shared.service.clone();
    let slow = if let Some(Fault::Slow(length)) = fault { length } else { Duration::ZERO };
    let doing = tokio::spawn(async move {
        tokio::time::sleep(slow).await;
        service.call(request).await
    });
    let response = doing.await?.map_err(StdError::from)?;
    match fault {
        Some(Fault::ErrorAfterApply) => Ok(refusal(500)),
        Some(Fault::LostAfterApply) => Err("an answer that is lost".into()),
        Some(Fault::StallAfterApply(length)) => {
            tokio::time::sleep(length).await;
            Err("an answer that is lost".into())
        }
        Some(Fault::Cut) => cut(response).await,
        _ => Ok(response),
    }
}

fn operation(request: &Request<Incoming>) -> Operation {
    let bucket_only = !request.uri().path().trim_matches('/').contains('/');
    match *request.method() {
        Method::DELETE => Operation::Delete,
        Method::GET | Method::HEAD if bucket_only => Operation::List,
        Method::GET | Method::HEAD => Operation::Read,
        Method::POST if request.uri().query().is_some_and(|query| query.contains("uploadId=")) => Operation::Complete,
        _ => Operation::Write,
    }
}

fn refusal(status: u16) -> Response<Body> {
    let code = match status {
        409 => "ConditionalRequestConflict",
        429 => "TooManyRequests",
        503 => "SlowDown",
        _ => "InternalError",
    };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>As the script says.</Message></Error>"
    );
    let mut response = Response::new(Body::http_body(Full::new(Bytes::from(text))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    response
}

/// What an ingress says that has no such route.
fn page() -> Response<Body> {
    let text = "<html><head><title>404 Not Found</title></head><body>nothing is here</body></html>";
    let mut response = Response::new(Body::http_body(Full::new(Bytes::from(text))));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
    response
}

/// Half of the body under the length of all of it, then an error.
async fn cut(response: Response<Body>) -> Result<Response<Body>, StdError> {
    let (mut parts, body) = response.into_parts();
    let whole = body.collect().await?.to_bytes();
    parts.headers.insert(http::header::CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let frames = futures_util::stream::iter([Ok(Frame::data(half)), Err(StdError::from("a cut"))]);
    let body = http_body_util::StreamBody::new(frames);
    Ok(Response::from_parts(parts, Body::http_body(body)))
}
