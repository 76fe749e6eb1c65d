//! Bytes between two nodes while things go wrong between them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod common;

use bytes::Bytes;
use common::{Node, cluster, deadline, direct, limits, ok, soon, until};
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use warren_faults::{Direction, Proxy, Weather};
use warren_ownership::name::NodeId;
use warren_peers::api::{Api, Calls, Forwarded};
use warren_peers::body;
use warren_peers::client::CallError;
use warren_peers::limits::Deadline;
use warren_peers::wire::{Dial, DialError};
use warren_peers::{Body, Limits, Peers, Server, Target, wire::Wire};

/// A node behind a proxy, as another one dials it.
async fn behind(node: &Node) -> (Proxy, Target) {
    let proxy = Proxy::start(node.address).await.unwrap();
    let target = Target::new(node.id, &proxy.address().to_string());
    (proxy, target)
}

fn endless(part: usize) -> Body {
    let parts = stream::repeat_with(move || Ok(Frame::data(Bytes::from(vec![1; part]))));
    StreamBody::new(parts).boxed_unsync()
}

fn silent() -> Body {
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]);
    StreamBody::new(first.chain(stream::pending())).boxed_unsync()
}

fn answers_with(node: &Node, body: impl Fn() -> Body + Send + Sync + 'static) {
    node.double().answers(move |_, _, _, _| {
        let body = body();
        async { Forwarded::Answer(Response::new(body)) }
    });
}

#[tokio::test]
async fn a_dead_peer_is_noticed_by_both_sides_and_found_again() {
    for cut in [None, Some(Direction::ToServer), Some(Direction::ToClient)] {
        let nodes = cluster(2, Limits { connect: Duration::from_secs(1), ..limits() }).await;
        let (proxy, to) = behind(&nodes[1]).await;
        nodes[1].double().answers(|_, _, request, _| async move {
            match request.uri().path() {
                "/short" => ok("back"),
                _ => Forwarded::Answer(Response::new(silent())),
            }
        });
        // One with an answer that has begun, one that waits for its answer.
        let mut answer = nodes[0].peers.call(&to, direct("/long", body::empty()), deadline()).await.unwrap();
        assert_eq!(answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "first");
        match cut {
            None => proxy.set_both(Weather::STALLED),
            Some(direction) => proxy.set(direction, Weather::STALLED),
        }
        let waiting = nodes[0].peers.call(&to, direct("/short", body::empty()), deadline()).await;
        let error = waiting.unwrap_err();
        assert!(matches!(error, CallError::Interrupted { .. }), "{cut:?}: {error}");
        let ended = soon("the answer ends", answer.body_mut().frame()).await.unwrap();
        assert!(matches!(ended, Err(body::BodyError::Broken(_))), "{cut:?}: {ended:?}");
        assert!(!nodes[0].peers.is_connected(NodeId(2)));
        until("the other side notices it, too", || nodes[1].server.busy() == 0).await;
        let down = nodes[0].peers.call(&to, direct("/short", body::empty()), deadline()).await.unwrap_err();
        assert!(down.is_nothing_done(), "{cut:?}: while it is dialled: {down}");
        // What stalled is not thrown away: the old connection gets it late, and is over.
        proxy.set_both(Weather::FAIR);
        soon("it is found again", async {
            while nodes[0].peers.call(&to, direct("/short", body::empty()), deadline()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_peer_that_starts_again_is_found_and_a_reset_breaks_only_what_was_on_its_way() {
    let mut nodes = cluster(2, limits()).await;
    let (proxy, to) = behind(&nodes[1]).await;
    answers_with(&nodes[1], silent);
    let call = async |nodes: &[Node]| nodes[0].peers.call(&to, direct("/", body::empty()), deadline()).await;
    let mut answer = call(&nodes).await.unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    proxy.reset_all();
    assert!(soon("it breaks", answer.body_mut().frame()).await.unwrap().is_err());
    soon("it is connected again", async { while call(&nodes).await.is_err() {} }).await;

    // The process ends; another one with the same certificate takes its place.
    let old = nodes.pop().unwrap();
    proxy.refuse(true);
    old.stop.cancel();
    soon("the old one is gone", async { while call(&nodes).await.is_ok() {} }).await;
    let copy = tempfile::tempdir().unwrap();
    std::fs::rename(old.trust().path(), copy.path().join("cluster")).unwrap();
    let fresh = common::start(copy, limits()).await;
    answers_with(&fresh, || body::full("fresh"));
    proxy.redirect(fresh.address);
    proxy.refuse(false);
    soon("the new one is found", async {
        while call(&nodes).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(common::text(call(&nodes).await.unwrap()).await, "fresh");
}

#[tokio::test]
async fn a_slow_peer_and_bodies_nobody_reads_hold_up_no_others() {
    let nodes = cluster(3, limits()).await;
    let (slow, slowly) = behind(&nodes[1]).await;
    for node in &nodes[1..] {
        node.double().answers(|_, _, request, _| async move {
            match request.uri().path() {
                "/endless" => Forwarded::Answer(Response::new(endless(64 * 1024))),
                _ => ok("quick"),
            }
        });
    }
    // 200 answers that nobody takes: each stops at its window, and the connection goes on for others.
    let mut unread = Vec::new();
    for _ in 0..200 {
        unread.push(
            nodes[0].peers.call(&nodes[2].target(), direct("/endless", body::empty()), deadline()).await.unwrap(),
        );
    }
    slow.set_both(Weather::slow(20_000));
    let stuck = {
        let (peers, to) = (nodes[0].peers.clone(), slowly.clone());
        tokio::spawn(async move { peers.call(&to, direct("/", endless(1024)), deadline()).await.map(drop) })
    };
    for _ in 0..50 {
        let quick = nodes[0].peers.call(&nodes[2].target(), direct("/", body::empty()), deadline()).await.unwrap();
        assert_eq!(common::text(quick).await, "quick");
    }
    stuck.abort();
    let mut bytes = 0;
    while bytes < 8 << 20 {
        bytes += unread[7].body_mut().frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    drop(unread);
    until("what nobody reads is given up", || nodes[2].server.busy() == 0).await;
}

#[tokio::test]
async fn who_gives_up_ends_it_at_the_other_side() {
    let nodes = cluster(2, limits()).await;
    let (proxy, to) = behind(&nodes[1]).await;
    nodes[1].double().answers(|_, _, request, _| async move {
        if request.uri().path() == "/answer" {
            return Forwarded::Answer(Response::new(endless(1000)));
        }
        std::future::pending().await
    });
    // Before an answer: the handler is dropped.
    let (peers, target) = (nodes[0].peers.clone(), to.clone());
    let call = tokio::spawn(async move { peers.call(&target, direct("/", silent()), deadline()).await.map(drop) });
    until("it runs", || nodes[1].running() == 1).await;
    call.abort();
    until("it was given up", || nodes[1].running() == 0 && nodes[1].server.busy() == 0).await;
    // In the middle of an answer, with a body that is still being sent.
    let answer = nodes[0].peers.call(&to, direct("/answer", silent()), deadline()).await.unwrap();
    assert_eq!(nodes[1].server.busy(), 1);
    drop(answer);
    until("the answer was given up", || nodes[1].server.busy() == 0).await;
    // A thousand at once are no attack: the connection is the same afterwards.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (peers, target) = (nodes[0].peers.clone(), to.clone());
        calls.spawn(async move { peers.call(&target, direct("/", body::empty()), deadline()).await.map(drop) });
    }
    until("they run", || nodes[1].running() == 1000).await;
    calls.abort_all();
    until("they are given up", || nodes[1].server.busy() == 0).await;
    let (peers, target) = (nodes[0].peers.clone(), to.clone());
    let late = peers.call(&target, direct("/", body::empty()), Deadline::after(Duration::from_millis(100))).await;
    assert!(matches!(late, Err(CallError::Deadline { sent: true, .. })), "{late:?}");
    assert_eq!(proxy.accepted(), 1, "all of it went over one connection");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_end() {
    let nodes = cluster(2, limits()).await;
    answers_with(&nodes[1], || {
        let parts = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(body::BodyError::Broken("the disk".to_owned()))];
        StreamBody::new(stream::iter(parts)).boxed_unsync()
    });
    // The end may overtake the head.
    match nodes[0].peers.call(&nodes[1].target(), direct("/", body::empty()), deadline()).await {
        Ok(answer) => assert!(matches!(answer.into_body().collect().await, Err(body::BodyError::Broken(_)))),
        Err(error) => assert!(!error.is_nothing_done(), "{error}"),
    }
    // The same of a request: its handler sees that it did not end.
    let seen = Arc::new(std::sync::Mutex::new(None));
    let noted = seen.clone();
    nodes[1].double().answers(move |_, _, request, _| {
        let noted = noted.clone();
        async move {
            let whole = request.into_body().collect().await.is_ok();
            *noted.lock().unwrap() = Some(whole);
            ok("")
        }
    });
    let parts = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(body::BodyError::Broken("the client".to_owned()))];
    let broken = StreamBody::new(stream::iter(parts)).boxed_unsync();
    let error = nodes[0].peers.call(&nodes[1].target(), direct("/", broken), deadline()).await.unwrap_err();
    assert!(matches!(&error, CallError::Body { error, .. } if error.to_string().contains("the client")), "{error}");
    until("the handler is told or dropped", || nodes[1].server.busy() == 0).await;
    assert_ne!(*seen.lock().unwrap(), Some(true), "half a body was taken for a whole one");
}

#[tokio::test]
async fn a_body_that_does_not_move_ends() {
    let stalling = Limits { body_stall: Duration::from_secs(1), answer_stall: Duration::from_secs(1), ..limits() };
    let nodes = cluster(2, stalling).await;
    let to = nodes[1].target();
    nodes[1].double().answers(|_, _, request, _| async move {
        match request.uri().path() {
            "/reads" => match request.into_body().collect().await {
                Ok(_) => ok("all"),
                Err(error) => ok(error.to_string()),
            },
            "/ignores" => {
                let _held = request;
                std::future::pending().await
            }
            "/endless" => Forwarded::Answer(Response::new(endless(10_000))),
            _ => Forwarded::Answer(Response::new(silent())),
        }
    });
    // From the source of a request nothing comes.
    let error = nodes[0].peers.call(&to, direct("/ignores", silent()), deadline()).await.unwrap_err();
    assert!(matches!(error, CallError::Body { error: body::BodyError::Stalled(_), .. }), "{error}");
    // Of a request nothing is taken.
    let error = nodes[0].peers.call(&to, direct("/ignores", endless(10_000)), deadline()).await.unwrap_err();
    assert!(matches!(error, CallError::Body { error: body::BodyError::Stalled(_), .. }), "{error}");
    // Of an answer nothing comes.
    let answer = nodes[0].peers.call(&to, direct("/silent", body::empty()), deadline()).await.unwrap();
    assert!(matches!(answer.into_body().collect().await, Err(body::BodyError::Stalled(_))));
    // Of an answer nothing is taken: the other side ends it.
    let mut answer = nodes[0].peers.call(&to, direct("/endless", body::empty()), deadline()).await.unwrap();
    until("the other side gives it up", || nodes[1].server.busy() == 0).await;
    let ended = soon("the reset is seen", async {
        loop {
            match answer.body_mut().frame().await {
                Some(Ok(_)) => {}
                other => return other.map(|other| other.map(drop)),
            }
        }
    });
    assert!(matches!(ended.await, Some(Err(body::BodyError::Broken(_)))));
    // One that moves a little does not end.
    let slow = stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (count < 8).then(|| (Ok(Frame::data(Bytes::from_static(b"x"))), count + 1))
    });
    let slow = StreamBody::new(Box::pin(slow)).boxed_unsync();
    let answer = nodes[0].peers.call(&to, direct("/reads", slow), deadline()).await.unwrap();
    assert_eq!(common::text(answer).await, "all");
}

#[tokio::test]
async fn a_thousand_streams_go_side_by_side() {
    let nodes = cluster(2, limits()).await;
    let (proxy, to) = behind(&nodes[1]).await;
    let most = Arc::new(AtomicUsize::new(0));
    let (gate, noted) = (Arc::new(tokio::sync::Barrier::new(1000)), most.clone());
    let running = nodes[1].double().running.clone();
    nodes[1].double().answers(move |_, _, request, _| {
        let (gate, noted, running) = (gate.clone(), noted.clone(), running.clone());
        async move {
            noted.fetch_max(running.load(Ordering::SeqCst), Ordering::SeqCst);
            gate.wait().await;
            Forwarded::Answer(Response::new(request.into_body()))
        }
    });
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..1000_u32 {
        let (peers, to) = (nodes[0].peers.clone(), to.clone());
        calls.spawn(async move {
            let body = Bytes::from(number.to_be_bytes().repeat(500));
            let answer = peers.call(&to, direct("/echo", body::full(body.clone())), deadline()).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body);
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    assert_eq!((most.load(Ordering::SeqCst), proxy.accepted()), (1000, 1));
}

#[tokio::test]
async fn what_is_too_much_is_refused_at_once_in_words() {
    let few = Limits { requests_per_peer: 3, requests_total: 4, ..limits() };
    let mut nodes = cluster(3, few.clone()).await;
    nodes[1].double().answers(|_, _, _, _| std::future::pending());
    let held = |from: &Node, to: &Target| {
        let (peers, to) = (from.peers.clone(), to.clone());
        tokio::spawn(async move { peers.call(&to, direct("/", body::empty()), deadline()).await.map(drop) })
    };
    let to = nodes[1].target();
    let first: Vec<_> = (0..3).map(|_| held(&nodes[0], &to)).collect();
    until("three run", || nodes[1].running() == 3).await;
    // This side counts, too: nothing is sent.
    let error = nodes[0].peers.call(&to, direct("/", body::empty()), deadline()).await.unwrap_err();
    assert!(matches!(error, CallError::Full { retry_after, .. } if !retry_after.is_zero()), "{error}");
    // The fourth of all, from another peer; a fifth is refused by the one that is asked.
    let fourth = held(&nodes[2], &to);
    until("four run", || nodes[1].running() == 4).await;
    let answer = nodes[2].peers.call(&to, direct("/", body::empty()), deadline()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(common::header(answer.headers(), "retry-after"), "1");
    assert_eq!(common::header(answer.headers(), "warren-peer-refused"), "busy");
    // One peer cannot have more than its share of the other side, whatever it thinks itself.
    fourth.abort();
    until("three run again", || nodes[1].running() == 3).await;
    let generous = Limits { requests_per_peer: 100, requests_total: 100, ..few };
    nodes[0].peers = Peers::new(warren_peers::wire::tls::Tls::new(nodes[0].credentials.clone()), generous);
    let answer = nodes[0].peers.call(&to, direct("/", body::empty()), deadline()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    // A place that is free again is used again.
    first.iter().for_each(tokio::task::JoinHandle::abort);
    until("none runs", || nodes[1].server.busy() == 0).await;
    answers_with(&nodes[1], || body::full("again"));
    let answer = nodes[0].peers.call(&to, direct("/", body::empty()), deadline()).await.unwrap();
    assert_eq!(common::text(answer).await, "again");
}

#[tokio::test]
async fn deadlines_hold_on_both_sides() {
    let nodes = cluster(2, limits()).await;
    let to = nodes[1].target();
    let left = Arc::new(std::sync::Mutex::new(Duration::ZERO));
    let noted = left.clone();
    nodes[1].double().answers(move |_, _, _, deadline| {
        *noted.lock().unwrap() = deadline.left();
        std::future::pending()
    });
    Calls::new(nodes[0].peers.clone()).status(&to, deadline()).await.unwrap();
    let soon = Deadline::after(Duration::from_millis(1500));
    let error = nodes[0].peers.call(&to, direct("/", body::empty()), soon).await.unwrap_err();
    assert!(matches!(error, CallError::Deadline { sent: true, .. }), "{error}");
    assert!((1..=1500).contains(&left.lock().unwrap().as_millis()), "{left:?}");
    until("the other side gives up, too", || nodes[1].server.busy() == 0).await;
    let over = Deadline::after(Duration::ZERO);
    let error = nodes[0].peers.call(&to, direct("/", body::empty()), over).await.unwrap_err();
    assert!(matches!(error, CallError::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn headers_and_bodies_are_bounded_both_ways() {
    let small = Limits { header_bytes: 8 * 1024, request_bytes: 100_000, answer_bytes: 50_000, ..limits() };
    let nodes = cluster(2, small).await;
    let to = nodes[1].target();
    nodes[1].double().answers(|_, _, request, _| async move {
        let wanted: usize = request.headers().get("wanted").map_or(0, |text| text.to_str().unwrap().parse().unwrap());
        if request.uri().path() == "/header" {
            let mut response = Response::new(body::empty());
            response.headers_mut().insert("long", "x".repeat(wanted).parse().unwrap());
            return Forwarded::Answer(response);
        }
        match request.into_body().collect().await {
            Ok(_) => ok(vec![0; wanted]),
            Err(error) => ok(error.to_string()),
        }
    });
    let ask = async |path: &str, body: usize, wanted: usize, header: usize| {
        let body = if body == 0 { body::empty() } else { body::full(vec![0; body]) };
        let mut request: Request<Body> = direct(path, body);
        request.headers_mut().insert("wanted", wanted.into());
        request.headers_mut().insert("long", "x".repeat(header).parse().unwrap());
        nodes[0].peers.call(&to, request, deadline()).await
    };
    let most = ask("/", 100_000, 50_000, 100).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(most.to_bytes().len(), 50_000, "as much as may be");
    let more = ask("/", 0, 50_001, 0).await.unwrap().into_body().collect().await;
    assert_eq!(more.unwrap_err(), body::BodyError::TooLarge(50_000));
    let error = ask("/", 100_001, 0, 0).await.unwrap_err();
    assert!(matches!(error, CallError::Body { error: body::BodyError::TooLarge(100_000), .. }), "{error}");
    assert!(ask("/", 0, 0, 7_000).await.is_ok());
    let refused = ask("/", 0, 0, 20_000).await;
    assert!(refused.as_ref().map_or(true, |answer| answer.status() == 431), "{refused:?}");
    assert!(ask("/header", 0, 7_000, 0).await.is_ok());
    let error = ask("/header", 0, 20_000, 0).await.unwrap_err();
    assert!(!error.is_nothing_done(), "{error}");
    assert!(ask("/", 0, 0, 0).await.is_ok(), "the connection is as it was");
}

#[tokio::test]
async fn the_same_is_said_over_a_unix_socket() {
    /// Gives the one end there is.
    struct Once(std::sync::Mutex<Option<Wire>>);
    impl Dial for Once {
        fn dial<'a>(&'a self, to: &'a Target) -> futures_util::future::BoxFuture<'a, Result<Wire, DialError>> {
            let wire = self.0.lock().unwrap().take();
            let over = || DialError::Unreachable { target: to.clone(), reason: "the other end is gone".to_owned() };
            Box::pin(async move { wire.ok_or_else(over) })
        }
    }
    let nodes = cluster(1, limits()).await;
    let (parent, child) = UnixStream::pair().unwrap();
    let me = nodes[0].credentials.me();
    let cell = warren_peers::PeerId { node: NodeId(77), ..me };
    let double = common::Double::new(NodeId(77));
    double.answers(|from, _, _, _| async move { ok(format!("asked by {from}")) });
    let server = Server::new(Api::new(double, None), limits());
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let (server, stop) = (server.clone(), stop.clone());
        async move { server.serve(Wire::local(child, me), stop).await }
    });
    let peers = Peers::new(Once(std::sync::Mutex::new(Some(Wire::local(parent, cell)))), limits());
    let to = Target::new(NodeId(77), "its socket");
    let answer = peers.call(&to, direct("/", body::empty()), deadline()).await.unwrap();
    assert_eq!(common::text(answer).await, format!("asked by {me}"));
    stop.cancel();
    soon("it stops", serving).await.unwrap();
    soon("nobody is there any more", async {
        while peers.call(&to, direct("/", body::empty()), deadline()).await.is_ok() {}
    })
    .await;
}

#[tokio::test]
async fn a_server_that_stops_lets_requests_end() {
    let nodes = cluster(2, limits()).await;
    let (go, wait) = tokio::sync::watch::channel(false);
    nodes[1].double().answers(move |_, _, _, _| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.unwrap();
            ok("whole")
        }
    });
    let (peers, to) = (nodes[0].peers.clone(), nodes[1].target());
    let call = tokio::spawn(async move { peers.call(&to, direct("/", body::empty()), deadline()).await });
    until("it runs", || nodes[1].running() == 1).await;
    nodes[1].stop.cancel();
    // The listener is gone at once.
    soon("no connection is accepted", async {
        while tokio::net::TcpStream::connect(nodes[1].address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    go.send_replace(true);
    assert_eq!(common::text(soon("it ends", call).await.unwrap().unwrap()).await, "whole");
}

#[tokio::test]
async fn somebody_who_only_connects_is_sent_away() {
    let impatient = Limits { connect: Duration::from_millis(300), handshakes: 2, ..limits() };
    let nodes = cluster(2, impatient).await;
    // As many as may be in their handshake, which say nothing.
    let mut idle = Vec::new();
    for _ in 0..6 {
        idle.push(tokio::net::TcpStream::connect(nodes[1].address).await.unwrap());
    }
    answers_with(&nodes[1], || body::full("in"));
    soon("a peer comes in all the same", async {
        while nodes[0].peers.call(&nodes[1].target(), direct("/", body::empty()), deadline()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut byte = [0];
    use tokio::io::AsyncReadExt;
    assert_eq!(soon("the idle one is closed", idle[0].read(&mut byte)).await.unwrap_or(0), 0);
}
