//! Clients' requests through one node to another.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod common;

use bytes::Bytes;
use common::{
    Node, Places, Running, client, cluster, gateway, get, header, limits, ok, post, route, soon, text, until,
};
use futures_util::{SinkExt, StreamExt, stream};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use warren_faults::{Proxy, Weather};
use warren_peers::api::{Forwarded, Route};
use warren_peers::{Body, Target, body};

/// A body of what is made one after the other.
fn made(mut next: impl FnMut() -> Option<Bytes> + Send + 'static) -> warren_peers::Body {
    let parts = std::iter::from_fn(move || next().map(|bytes| Ok(Frame::data(bytes))));
    StreamBody::new(futures_util::stream::iter(parts)).boxed_unsync()
}

fn endless(mut part: impl FnMut() -> Bytes + Send + 'static) -> Body {
    StreamBody::new(stream::repeat_with(move || Ok(Frame::data(part())))).boxed_unsync()
}

#[tokio::test]
async fn a_request_comes_through_as_it_is_and_nobody_is_who_he_says() {
    let nodes = cluster(2, limits()).await;
    let seen = Arc::new(Mutex::new(None));
    let noted = seen.clone();
    nodes[1].double().answers(move |from, origin, request, _| {
        let noted = noted.clone();
        async move {
            let (parts, body) = request.into_parts();
            let collected = body.collect().await.unwrap();
            let trailers = collected.trailers().cloned();
            *noted.lock().unwrap() = Some((from, origin, parts, collected.to_bytes(), trailers));
            let mut response = Response::new(body::full("done"));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            let headers = response.headers_mut();
            headers.insert("warren-peer-refused", "misdirected".parse().unwrap());
            headers.insert("warren-peer-owner", "n1".parse().unwrap());
            headers.append("set-cookie", "a=1".parse().unwrap());
            headers.append("set-cookie", "b=2".parse().unwrap());
            headers.insert("connection", "x-hop".parse().unwrap());
            headers.insert("x-hop", "1".parse().unwrap());
            Forwarded::Answer(response)
        }
    });
    let gateway = gateway(&nodes[0], Places::of(vec![route(&nodes[1])])).await;
    let request = Request::put("/v1/sessions/s/files/a%20b?x=%2F&y")
        .header("host", "sessions.example:8443")
        .header("authorization", "Bearer key")
        .header("warren-peer-identity", "YWRtaW4")
        .header("warren-peer-hops", "0")
        .header("warren-peer-call", "drain")
        .header("connection", "close, x-one")
        .header("x-one", "1")
        .header("te", "trailers")
        .body(body::full("content"))
        .unwrap();
    let response = client(gateway).await.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    let headers = response.headers().clone();
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    assert!(!headers.contains_key("x-hop") && !headers.keys().any(|name| name.as_str().starts_with("warren-peer-")));
    assert_eq!(text(response).await, "done");

    let (from, origin, parts, body, _) = seen.lock().unwrap().take().unwrap();
    assert_eq!(from, nodes[0].credentials.me());
    assert_eq!((origin.identity.as_slice(), origin.hops), (&b"tenant acme"[..], 1));
    assert_eq!(origin.client.unwrap().to_string(), "127.0.0.1");
    assert_eq!(origin.epoch.unwrap().get(), 4);
    assert_eq!((parts.method, parts.uri.to_string()), (Method::PUT, "/v1/sessions/s/files/a%20b?x=%2F&y".to_owned()));
    assert_eq!(parts.version, http::Version::HTTP_11);
    let mut wanted = HeaderMap::new();
    wanted.insert("host", "sessions.example:8443".parse().unwrap());
    wanted.insert("authorization", "Bearer key".parse().unwrap());
    wanted.insert("content-length", "7".parse().unwrap());
    assert_eq!(parts.headers, wanted);
    assert_eq!(body, "content");
    // A path that looks like a node's own is a client's all the same.
    let response =
        client(gateway).await.send_request(post("/call/drain", body::full("{\"begin\":true}"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(!*nodes[1].double().draining.lock().unwrap());
}

#[tokio::test]
async fn large_bodies_go_both_ways_whole() {
    const LENGTH: usize = 48 << 20;
    let nodes = cluster(2, limits()).await;
    nodes[1].double().answers(|_, _, request, _| async move {
        let mut hash = Sha256::new();
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            hash.update(frame.unwrap().into_data().unwrap());
        }
        let mut sent = 0_usize;
        let down = made(move || {
            let length = 70_001.min(LENGTH - sent);
            sent += length;
            (length > 0).then(|| Bytes::from(vec![(sent % 251) as u8; length]))
        });
        let mut response = Response::new(down);
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        response.headers_mut().insert("up", hash.parse().unwrap());
        Forwarded::Answer(response)
    });
    let gateway = gateway(&nodes[0], Places::of(vec![route(&nodes[1])])).await;
    let (mut up, mut sent) = (Sha256::new(), 0_usize);
    let parts: Vec<Bytes> = std::iter::from_fn(|| {
        let length = 65_537.min(LENGTH - sent);
        sent += length;
        (length > 0).then(|| Bytes::from(vec![(sent % 253) as u8; length]))
    })
    .collect();
    parts.iter().for_each(|part| up.update(part));
    let body = StreamBody::new(stream::iter(parts.into_iter().map(|part| Ok(Frame::data(part))))).boxed_unsync();
    let response = client(gateway).await.send_request(post("/", body)).await.unwrap();
    let wanted: String = up.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header(response.headers(), "up"), wanted);
    let (mut body, mut got) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        got += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(got, LENGTH);
}

#[tokio::test]
async fn events_of_an_hour_come_in_order_and_wait_for_a_slow_reader() {
    const EVENTS: u64 = 72_000;
    let nodes = cluster(2, limits()).await;
    let counter = Arc::new(AtomicU64::new(0));
    let (counted, running) = (counter.clone(), nodes[1].double().running.clone());
    nodes[1].double().answers(move |_, _, request, _| {
        let (counted, held) = (counted.clone(), Running::new(&running));
        async move {
            let last: u64 = header(request.headers(), "last-event-id").parse().unwrap();
            let mut next = last;
            let events = made(move || {
                let _held = &held;
                next += 1;
                counted.fetch_add(1, Ordering::SeqCst);
                (next <= EVENTS).then(|| Bytes::from(format!("id: {next}\ndata: {}\n\n", "x".repeat(200))))
            });
            let mut response = Response::new(events);
            response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
            Forwarded::Answer(response)
        }
    });
    let gateway = gateway(&nodes[0], Places::of(vec![route(&nodes[1])])).await;
    let request = |last: u64| {
        Request::get("/events").header("host", "x").header("last-event-id", last).body(body::empty()).unwrap()
    };
    let mut send = client(gateway).await;
    let response = send.send_request(request(0)).await.unwrap();
    assert_eq!(header(response.headers(), "content-type"), "text/event-stream");
    // Nobody reads: what is made stops at what fits between.
    let mut before = u64::MAX;
    until("it stops", || {
        let now = counter.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now && now > 0
    })
    .await;
    assert!(
        counter.load(Ordering::SeqCst) < EVENTS / 2,
        "{} events were made for nobody",
        counter.load(Ordering::SeqCst)
    );
    let (mut body, mut text, mut seen) = (response.into_body(), String::new(), 0);
    while let Some(frame) = body.frame().await {
        text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            seen += 1;
            assert!(event.starts_with(&format!("id: {seen}\n")), "{}", &event[..20]);
            text = rest.to_owned();
        }
    }
    assert_eq!(seen, EVENTS);
    // A reader that goes away in the middle ends it at its owner.
    let mut send = client(gateway).await;
    let mut response = send.send_request(request(17)).await.unwrap();
    let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"id: 18\n"));
    drop((response, send));
    until("the owner hears of it", || nodes[1].running() == 0 && nodes[1].server.busy() == 0).await;
}

/// Answers a WebSocket with what it is sent, upper case.
fn echoes(node: &Node) {
    let open = node.double().running.clone();
    node.double().answers(move |_, origin, mut request, _| {
        let open = open.clone();
        async move {
            let key = request.headers().get(SEC_WEBSOCKET_KEY).cloned();
            if header(request.headers(), "upgrade") != "websocket" || request.method() != Method::GET {
                return ok("no upgrade");
            }
            if request.uri().path() == "/closed" {
                let mut response = Response::new(body::full("the session is closed"));
                *response.status_mut() = StatusCode::GONE;
                return Forwarded::Answer(response);
            }
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let _open = Running::new(&open);
                let io = TokioIo::new(upgraded.await.unwrap());
                let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
                let hello = String::from_utf8(origin.identity).unwrap();
                if socket.send(Message::text(hello)).await.is_err() {
                    return;
                }
                while let Some(Ok(message)) = socket.next().await {
                    let sent = match message {
                        Message::Text(text) => socket.send(Message::text(text.to_uppercase())).await,
                        Message::Binary(bytes) => socket.send(Message::Binary(bytes)).await,
                        _ => Ok(()),
                    };
                    if sent.is_err() {
                        return;
                    }
                }
            });
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(UPGRADE, "websocket".parse().unwrap());
            headers.insert(CONNECTION, "upgrade".parse().unwrap());
            headers.insert(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.unwrap().as_bytes()).parse().unwrap());
            Forwarded::Answer(response)
        }
    });
}

async fn websocket(
    gateway: std::net::SocketAddr,
    path: &str,
) -> Result<WebSocketStream<tokio::net::TcpStream>, Box<tokio_tungstenite::tungstenite::Error>> {
    let stream = tokio::net::TcpStream::connect(gateway).await.unwrap();
    let opened = tokio_tungstenite::client_async(format!("ws://sessions.example{path}"), stream).await;
    opened.map(|(socket, _)| socket).map_err(Box::new)
}

#[tokio::test]
async fn a_websocket_goes_through_two_nodes() {
    let nodes = cluster(3, limits()).await;
    echoes(&nodes[2]);
    // The first route is stale: the second node says where it is.
    let there = route(&nodes[2]).unwrap();
    nodes[1].double().answers(move |_, _, _, _| {
        let there = there.clone();
        async move { Forwarded::Elsewhere(there) }
    });
    let places = Places::of(vec![route(&nodes[1]), route(&nodes[2])]);
    let gateway = gateway(&nodes[0], places.clone()).await;
    let mut socket = websocket(gateway, "/terminal").await.unwrap();
    assert_eq!(places.hints.lock().unwrap().join(", "), "none, n2 says n3");
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("tenant acme"));
    for number in 0..200 {
        socket.send(Message::text(format!("line {number}"))).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(format!("LINE {number}")));
    }
    // More than any window, both ways at once.
    let (mut sink, mut source) = socket.split();
    let sent = tokio::spawn(async move {
        for number in 0..64_u8 {
            sink.send(Message::Binary(Bytes::from(vec![number; 100_000]))).await.unwrap();
        }
        sink
    });
    for number in 0..64_u8 {
        let Message::Binary(bytes) = source.next().await.unwrap().unwrap() else { panic!("not binary") };
        assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == number));
    }
    let mut socket = sent.await.unwrap().reunite(source).unwrap();
    socket.close(None).await.unwrap();
    while let Some(message) = soon("it is closed", socket.next()).await {
        assert!(matches!(message, Ok(Message::Close(_))), "{message:?}");
    }
    until("the owner's end is closed", || nodes[2].running() == 0 && nodes[2].server.busy() == 0).await;

    // A client that vanishes, and a refusal with its own status and words.
    let vanishing = websocket(gateway, "/terminal").await.unwrap();
    until("it is open", || nodes[2].running() == 1).await;
    drop(vanishing);
    until("the owner hears of it", || nodes[2].running() == 0).await;
    match *websocket(gateway, "/closed").await.unwrap_err() {
        tokio_tungstenite::tungstenite::Error::Http(response) => {
            assert_eq!(response.status(), StatusCode::GONE);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_websocket_ends_when_its_owner_is_gone() {
    let nodes = cluster(2, limits()).await;
    echoes(&nodes[1]);
    let proxy = Proxy::start(nodes[1].address).await.unwrap();
    let target = Target::new(nodes[1].id, &proxy.address().to_string());
    let gateway = gateway(&nodes[0], Places::of(vec![Ok(Route { target, epoch: None })])).await;
    let mut socket = websocket(gateway, "/terminal").await.unwrap();
    socket.next().await.unwrap().unwrap();
    proxy.set_both(Weather::STALLED);
    let ended = soon("the client hears of it", socket.next()).await;
    assert!(!matches!(ended, Some(Ok(Message::Text(_) | Message::Binary(_)))), "{ended:?}");
}

#[tokio::test]
async fn a_stale_route_is_followed_at_most_three_nodes() {
    let nodes = cluster(5, limits()).await;
    let there = route(&nodes[2]).unwrap();
    nodes[1].double().answers(move |_, _, _, _| {
        let there = there.clone();
        async move { Forwarded::Elsewhere(there) }
    });
    nodes[2].double().answers(|_, origin, request, _| async move {
        let bytes = request.into_body().collect().await.unwrap().to_bytes();
        ok(format!("{} bytes after {} hops", bytes.len(), origin.hops))
    });
    let places = Places::of(vec![route(&nodes[1]), route(&nodes[2])]);
    let entry = gateway(&nodes[0], places.clone()).await;
    let response = client(entry).await.send_request(post("/", body::full(vec![1; 60_000]))).await.unwrap();
    assert_eq!(text(response).await, "60000 bytes after 2 hops", "the body is sent again");
    assert_eq!(*places.hints.lock().unwrap(), ["none", "n2 says n3"]);

    // Nobody knows: three are asked, no more.
    let asked = Arc::new(AtomicUsize::new(0));
    for node in &nodes[1..] {
        let asked = asked.clone();
        node.double().answers(move |_, _, _, _| {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Forwarded::Unknown }
        });
    }
    let places = Places::of(nodes[1..].iter().map(route).collect());
    let entry = gateway(&nodes[0], places.clone()).await;
    let response = client(entry).await.send_request(get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let said = text(response).await;
    assert!(said.contains("3 nodes were asked"), "{said}");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(*places.hints.lock().unwrap(), ["none", "n2 says nothing", "n3 says nothing"]);
    // The session came here meanwhile: the request is given back whole.
    let places = Places::of(vec![route(&nodes[1]), route(&nodes[0])]);
    let entry = gateway(&nodes[0], places).await;
    let response = client(entry).await.send_request(post("/", body::full(vec![1; 60_000]))).await.unwrap();
    assert_eq!(text(response).await, "here, 60000 bytes");
    // So much of the body was sent that it cannot be sent again: the client is told that nothing was done.
    let places = Places::of(vec![route(&nodes[1]), route(&nodes[2])]);
    let entry = gateway(&nodes[0], places).await;
    nodes[1].double().answers(|_, _, request, _| async move {
        let mut body = request.into_body();
        let mut bytes = 0;
        while bytes < 100_000 {
            bytes += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
        Forwarded::Unknown
    });
    let response = client(entry).await.send_request(post("/", endless(|| Bytes::from(vec![1; 10_000])))).await;
    if let Ok(response) = response {
        let said = text(response).await;
        assert!(said.contains("nothing was done"), "{said}");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let nodes = cluster(3, limits()).await;
    let proxy = Proxy::start(nodes[1].address).await.unwrap();
    let through = Ok(Route { target: Target::new(nodes[1].id, &proxy.address().to_string()), epoch: None });
    let begun = Arc::new(AtomicUsize::new(0));
    for node in &nodes[1..] {
        let begun = begun.clone();
        let last = node.id == nodes[2].id;
        node.double().answers(move |_, _, _, _| {
            begun.fetch_add(1, Ordering::SeqCst);
            async move { if last { ok("from the third") } else { std::future::pending().await } }
        });
    }
    let ask = async |request: Request<Body>| {
        let before = begun.load(Ordering::SeqCst);
        if before > 0 {
            until("it is connected again", || nodes[0].peers.is_connected(nodes[1].id)).await;
        }
        let places = Places::of(vec![through.clone(), route(&nodes[2])]);
        let entry = gateway(&nodes[0], places).await;
        let mut send = client(entry).await;
        let asking = tokio::spawn(async move { text(send.send_request(request).await.unwrap()).await });
        until("it is begun", || begun.load(Ordering::SeqCst) > before).await;
        proxy.reset_all();
        (soon("it is answered", asking).await.unwrap(), begun.load(Ordering::SeqCst) - before)
    };
    let (said, times) = ask(post("/", body::full("run"))).await;
    assert!(said.contains("whether the request was done is not known"), "{said}");
    assert_eq!(times, 1);
    let (said, times) = ask(get("/")).await;
    assert_eq!((said.as_str(), times), ("from the third", 2), "to look twice does no harm");
    // A node that is not there was not asked: the next is.
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = Ok(Route { target: Target::new(nodes[1].id, &nobody.to_string()), epoch: None });
    let places = Places::of(vec![gone, route(&nodes[2])]);
    let entry = gateway(&nodes[0], places.clone()).await;
    let response = client(entry).await.send_request(post("/", body::full("run"))).await.unwrap();
    assert_eq!(text(response).await, "from the third");
    assert_eq!(*places.hints.lock().unwrap(), ["none", "n2 is gone"]);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request_at_the_owner() {
    let nodes = cluster(2, limits()).await;
    nodes[1].double().answers(|_, _, _, _| std::future::pending());
    let entry = gateway(&nodes[0], Places::of(vec![route(&nodes[1])])).await;
    let mut send = client(entry).await;
    let asking = tokio::spawn(async move { send.send_request(get("/poll")).await.map(drop) });
    until("it waits", || nodes[1].running() == 1).await;
    asking.abort();
    until("the owner hears of it", || nodes[1].running() == 0).await;
}
