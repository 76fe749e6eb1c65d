//! Streams as they come: whole, cut off, and wrong.
#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn events(text: &'static str) -> Events {
    Events::read(Box::new(text.as_bytes()))
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
