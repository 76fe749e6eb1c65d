//! Streams as they come: whole, cut off, and wrong.
#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn events(text: &'static str) -> Events {
    Events::read(Box::new(text.as_bytes()), SILENCE_MAX)
}

#[test]
fn events_comments_and_a_cut_end() {
    let mut events = events(": beat\n\nid: 1.2\nevent: output\ndata: {\"a\":1}\n\ndata: {\"cut\":");
    let first = events.next().unwrap().unwrap();
    assert_eq!((first.id.as_deref(), first.kind.as_str()), (Some("1.2"), "output"));
    assert_eq!(first.data["a"], 1);
    assert_eq!(events.next().unwrap(), None, "what is cut off was not sent");
}

#[test]
fn data_that_is_no_json_is_an_error() {
    assert!(events("data: hi\n\n").next().is_err());
    let long: &'static str = Box::leak(format!("data: {}\n\n", "x".repeat(2 << 20)).into_boxed_str());
    assert!(events(long).next().is_err());
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_comments_are_no_silence() {
    let (mut server, client) = std::os::unix::net::UnixStream::pair().unwrap();
    std::io::Write::write_all(&mut server, b": beat\n\ndata: 1\n\n: beat\n\n").unwrap();
    let mut events = Events::read(Box::new(client), Duration::from_millis(50));
    assert_eq!(events.next().unwrap().unwrap().data, 1);
    assert_eq!(events.next().unwrap_err().kind(), ErrorKind::TimedOut, "the connection is open and nothing comes");
    drop(server);
    assert_eq!(events.next().unwrap(), None, "it was closed");
}
