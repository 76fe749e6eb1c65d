#![allow(clippy::unwrap_used, reason = "a test")]
use super::{IDENTITY_MAX, Origin, Route, strip_hop_by_hop, strip_peer};
use crate::wire::Target;
use http::{HeaderMap, HeaderName};
use warren_ownership::name::NodeId;
use warren_ownership::position::Epoch;

fn headers(all: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    headers
}

#[test]
fn an_origin_is_put_and_taken() {
    let origin = Origin {
        client: Some("2001:db8::1".parse().unwrap()),
        identity: "ключ\n\0".into(),
        epoch: Epoch::new(u64::MAX),
        hops: 3,
    };
    let mut said = headers(&[("host", "sessions.example:8443"), ("authorization", "Bearer k")]);
    origin.put(&mut said).unwrap();
    assert!(!said.contains_key("host"), "the peer's own name is there");
    assert_eq!(Origin::take(&mut said).unwrap(), origin);
    assert_eq!(said, headers(&[("authorization", "Bearer k"), ("host", "sessions.example:8443")]));
    let none = Origin::default();
    let mut said = HeaderMap::new();
    none.put(&mut said).unwrap();
    assert_eq!(Origin::take(&mut said).unwrap(), none);
}

#[test]
fn what_is_not_of_its_form_is_refused() {
    for (name, wrong) in [
        ("warren-peer-client", "somewhere"),
        ("warren-peer-identity", "&&&"),
        ("warren-peer-epoch", "0"),
        ("warren-peer-epoch", "-1"),
        ("warren-peer-hops", "256"),
    ] {
        let error = Origin::take(&mut headers(&[(name, wrong)])).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let large = Origin { identity: vec![0; IDENTITY_MAX + 1], ..Origin::default() };
    assert!(large.put(&mut HeaderMap::new()).is_err());
    let most = Origin { identity: vec![0; IDENTITY_MAX], ..Origin::default() };
    let mut said = HeaderMap::new();
    most.put(&mut said).unwrap();
    assert_eq!(Origin::take(&mut said).unwrap(), most);
}

#[test]
fn a_client_can_say_nothing_that_only_peers_may() {
    let mut said = headers(&[
        ("Warren-Peer-Identity", "YWRtaW4"),
        ("warren-peer-anything", "1"),
        ("warren-peer-hops", "1"),
        ("warren-peer-hops", "2"),
        ("x-warren-peer", "kept"),
    ]);
    strip_peer(&mut said);
    assert_eq!(said, headers(&[("x-warren-peer", "kept")]));
}

#[test]
fn what_is_for_one_connection_stays_there() {
    let mut said = headers(&[
        ("connection", "keep-alive, X-Once"),
        ("connection", "x-twice, Authorization, content-length, not a name"),
        ("x-once", "1"),
        ("x-twice", "2"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "close"),
        ("authorization", "Bearer k"),
        ("content-length", "5"),
        ("accept", "text/event-stream"),
    ]);
    strip_hop_by_hop(&mut said);
    assert_eq!(
        said,
        headers(&[("authorization", "Bearer k"), ("content-length", "5"), ("accept", "text/event-stream")])
    );
}

#[test]
fn a_route_is_said_and_read() {
    let route = Route { target: Target::new(NodeId(7), "10.0.0.7:7946"), epoch: Epoch::new(4) };
    let mut said = HeaderMap::new();
    route.put(&mut said);
    assert_eq!(Route::read(&said), Some(route));
    assert_eq!(Route::read(&headers(&[("warren-peer-owner", "seven"), ("warren-peer-address", "x:1")])), None);
    assert_eq!(Route::read(&HeaderMap::new()), None, "it does not know");
}
