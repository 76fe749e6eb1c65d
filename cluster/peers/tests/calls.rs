//! The small calls between nodes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod common;

use bytes::Bytes;
use common::{cluster, deadline, limits};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use std::time::Duration;
use warren_ownership::name::{Incarnation, SessionId};
use warren_ownership::position::Epoch;
use warren_peers::api::Calls;
use warren_peers::api::calls::CallsError;
use warren_peers::api::messages::{ChunkName, Drain, Offer, Offered};
use warren_peers::body;
use warren_peers::client::CallError;
use warren_peers::limits::Deadline;

fn offer(memory_bytes: u64) -> Offer {
    Offer {
        session: SessionId(u128::MAX - 1),
        tenant: "acme".to_owned(),
        epoch: Epoch::new(u64::MAX - 1).unwrap(),
        from: Incarnation(u64::MAX),
        memory_bytes,
        chunks: vec!["0".repeat(64); 4096],
    }
}

#[tokio::test]
async fn a_node_says_how_it_is_drains_and_takes_sessions() {
    let nodes = cluster(2, limits()).await;
    let (calls, to) = (Calls::new(nodes[0].peers.clone()), nodes[1].target());
    let status = calls.status(&to, deadline()).await.unwrap();
    assert_eq!((status.incarnation, status.draining), (Incarnation(u64::MAX), false));
    assert_eq!(calls.offer(&to, &offer(1000), deadline()).await.unwrap(), Offered::Taken { by: Incarnation(9) });
    let declined = calls.offer(&to, &offer(u64::MAX), deadline()).await.unwrap();
    assert!(matches!(declined, Offered::Declined { again_ms: Some(5000), .. }), "{declined:?}");
    assert_eq!(calls.drain(&to, &Drain { begin: true }, deadline()).await.unwrap().left, 3);
    assert!(calls.status(&to, deadline()).await.unwrap().draining);
    match calls.offer(&to, &offer(1), deadline()).await.unwrap_err() {
        CallsError::Refused { node, status, code, detail } => {
            assert_eq!((node, status, code.as_str()), (nodes[1].id, StatusCode::CONFLICT, "draining"));
            assert!(detail.contains("n1 of cluster"), "{detail}");
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_chunk_comes_as_it_is_and_is_checked_by_who_asked() {
    let nodes = cluster(2, limits()).await;
    let (calls, to) = (Calls::new(nodes[0].peers.clone()), nodes[1].target());
    let chunk = Bytes::from((0..9_000_000_u32).map(|n| (n.wrapping_mul(n) % 251) as u8).collect::<Vec<_>>());
    let hash: String = Sha256::digest(&chunk).iter().map(|byte| format!("{byte:02x}")).collect();
    nodes[1].double().chunks.lock().unwrap().insert(hash.clone(), chunk.clone());
    let name = |hash: &str| ChunkName { tenant: "acme".to_owned(), hash: hash.to_owned() };
    let mut body = calls.chunk(&to, &name(&hash), deadline()).await.unwrap();
    let (mut frames, mut sum) = (0, Sha256::new());
    while let Some(frame) = body.frame().await {
        frames += 1;
        sum.update(frame.unwrap().into_data().unwrap());
    }
    let got: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(got, hash);
    assert!(frames > 1, "it comes in parts");
    let none = calls.chunk(&to, &name(&"0".repeat(64)), deadline()).await.unwrap_err();
    assert!(matches!(&none, CallsError::Refused { code, .. } if code == "no_chunk"), "{none}");
    // One that is larger than any chunk does not come whole.
    let large = Bytes::from(vec![0; (64 << 20) + 1]);
    nodes[1].double().chunks.lock().unwrap().insert("large".to_owned(), large);
    let body = calls.chunk(&to, &name("large"), deadline()).await.unwrap();
    assert!(matches!(body.collect().await, Err(body::BodyError::TooLarge(_))));
}

#[tokio::test]
async fn what_is_no_call_is_said_to_be_none() {
    let nodes = cluster(2, limits()).await;
    let to = nodes[1].target();
    let ask = async |method: &str, path: &str, said: Bytes| {
        let request =
            Request::builder().method(method).uri(format!("https://peer{path}")).body(body::full(said)).unwrap();
        let response = nodes[0].peers.call(&to, request, deadline()).await.unwrap();
        (response.status().as_u16(), common::text(response).await)
    };
    let json = |text: &str| Bytes::from(text.to_owned());
    let (status, said) = ask("POST", "/call/explode", json("{}")).await;
    assert!(status == 404 && said.contains("unknown_call") && said.contains("explode"), "{status} {said}");
    let (status, said) = ask("POST", "/forwarded", json("{}")).await;
    assert!(status == 404, "{status} {said}");
    let (status, said) = ask("GET", "/call/status", json("")).await;
    assert!(status == 405 && said.contains("POST"), "{status} {said}");
    let (status, said) = ask("POST", "/call/drain", json("{\"begin\":1}")).await;
    assert!(status == 400 && said.contains("bad_request"), "{status} {said}");
    let (status, said) = ask("POST", "/call/offer", Bytes::from(vec![b' '; 2 << 20])).await;
    assert!(status == 413 && said.contains("bad_body"), "{status} {said}");
    // A newer node may say more than this one knows.
    let (status, said) = ask("POST", "/call/drain", json("{\"begin\":false,\"because\":\"it is new\"}")).await;
    assert!(status == 200 && said.contains("left"), "{status} {said}");
}

#[tokio::test]
async fn a_call_to_nobody_says_so_in_time() {
    let nodes = cluster(1, limits()).await;
    let calls = Calls::new(nodes[0].peers.clone());
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let to = warren_peers::Target::new(warren_ownership::name::NodeId(9), &nobody.to_string());
    let error = calls.status(&to, deadline()).await.unwrap_err();
    assert!(
        matches!(&error, CallsError::Call(CallError::Unreachable { reason, .. }) if reason.contains("n9 at")),
        "{error}"
    );
    // One that takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = warren_peers::Target::new(warren_ownership::name::NodeId(8), &silent.local_addr().unwrap().to_string());
    let error = calls.status(&to, Deadline::after(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, CallsError::Call(CallError::Deadline { sent: false, .. })), "{error}");
}
